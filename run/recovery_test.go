package run

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"fedtab/compress"
	"fedtab/protocol"
	"fedtab/strategy"
)

// The bound of a weight comes from the shards at the time of the order. A later
// division, a resume or a restart does not lower it.
func TestWeightBoundOfOrder(t *testing.T) {
	f := newFixture(t, func(c *Config, s *strategy.Config) { s.MinClients = 1 })
	a, pa := f.join(t)
	o := last[*protocol.Order](pa) // on all 40 examples
	f.join(t)
	f.Leave(a, pa, Lost)
	back := &fakePeer{}
	f.Join(&hello, a, back)
	if got := f.offer(a, back, f.contribution(o, 1, 40)); got != protocol.ReasonAccepted {
		t.Errorf("after a resume: %v", got)
	}

	open := OpenRound{Round: 1, Order: 1, Cohort: []uint32{1, 2}, Opened: f.env.now, Deadline: f.env.now.Add(time.Minute)}
	g := newFixture(t, func(c *Config, s *strategy.Config) { c.Saved = &Saved{Participants: 1000, Open: &open} })
	p, q := &fakePeer{}, &fakePeer{}
	g.Join(&hello, 2, q)
	g.Join(&hello, 1, p)
	if got := g.offer(1, p, g.contribution(o, 1, 40)); got != protocol.ReasonAccepted {
		t.Errorf("after a restart: %v", got)
	}
	if got := g.offer(2, q, g.contribution(last[*protocol.Order](q), 1, 41)); got != protocol.ReasonOutOfBounds {
		t.Errorf("more than all examples: %v", got)
	}
}

// After a restart the cohort of the open round has the grace period to reconnect,
// however long the coordinator was down.
func TestRestartAfterTheDeadline(t *testing.T) {
	open := OpenRound{Round: 1, Order: 7, Cohort: []uint32{1, 2}, Opened: time.Unix(0, 0), Deadline: time.Unix(60, 0)}
	f := newFixture(t, func(c *Config, s *strategy.Config) { c.Saved = &Saved{Participants: 1000, Open: &open} })
	f.env.advance(29 * time.Second)
	for _, number := range open.Cohort {
		p := &fakePeer{}
		f.Join(&hello, number, p)
		o := last[*protocol.Order](p)
		if o == nil || o.Order != 7 {
			t.Fatalf("order of participant %d after its return: %+v, want 7", number, o)
		}
		if got := f.offer(number, p, f.contribution(o, 1, 10)); got != protocol.ReasonAccepted {
			t.Errorf("participant %d: %v", number, got)
		}
	}
	if v, _, _ := f.Model(); v != 1 {
		t.Errorf("version %d, want 1", v)
	}
}

// While the run waits for a reopened cohort, the log and the state say for how many and
// until when.
func TestRestartAwaits(t *testing.T) {
	open := OpenRound{Round: 1, Order: 7, Cohort: []uint32{1, 2}, Opened: time.Unix(1e9, 0), Deadline: time.Unix(1e9+60, 0)}
	var log logLines
	var states []State
	f := newFixture(t, func(c *Config, s *strategy.Config) {
		c.Saved, c.Log, s.MinReports = &Saved{Participants: 1000, Open: &open}, &log, 1
		c.Notify = func(u Update) { states = append(states, u.State) }
	})
	until := f.env.now.Add(f.cfg.RestartGrace)
	waits := func(want int) {
		t.Helper()
		for _, s := range []State{f.State(), states[len(states)-1]} {
			if s.Awaited != want || s.AwaitedUntil.IsZero() != (want == 0) || want > 0 && !s.AwaitedUntil.Equal(until) {
				t.Errorf("%d awaited until %v, want %d until %v", s.Awaited, s.AwaitedUntil, want, until)
			}
		}
	}
	waits(2)
	if want := fmt.Sprint("restarted within a round: waiting for its participants to reconnect round 1 participants 2 until ", until); !log.has(want) {
		t.Errorf("the log has %q, want %q", log, want)
	}
	f.Join(&hello, 1, &fakePeer{})
	waits(1)
	f.env.advance(f.cfg.RestartGrace)
	waits(0)
	if want := "the round goes on without those that have not reconnected round 1 participants 1"; !log.has(want) {
		t.Errorf("the log has %q, want %q", log, want)
	}
}

// A member of the cohort that returns paused is treated like an absent one.
func TestRestartPaused(t *testing.T) {
	open := OpenRound{Round: 1, Order: 1, Cohort: []uint32{1, 2}, Opened: time.Unix(1e9, 0), Deadline: time.Unix(1e9+3600, 0)}
	f := newFixture(t, func(c *Config, s *strategy.Config) {
		c.Saved = &Saved{Participants: 1000, Open: &open}
		s.MinReports = 1
	})
	p, paused := &fakePeer{}, hello
	paused.TabState = protocol.TabPaused
	f.Join(&hello, 1, p)
	f.Join(&paused, 2, &fakePeer{})
	if got := f.offer(1, p, f.contribution(last[*protocol.Order](p), 1, 10)); got != protocol.ReasonAccepted {
		t.Fatal(got)
	}
	f.env.advance(31 * time.Second)
	if v, _, _ := f.Model(); v != 1 {
		t.Error("the round waits for a tab that is paused")
	}
}

// A member of a reopened cohort that returns paused has no order yet. Its answer is
// checked against the recorded order, not against its own role and weight.
func TestRestartPausedForges(t *testing.T) {
	open := OpenRound{Round: 1, Order: 1, Cohort: []uint32{1, 2}, Weights: []uint64{20, 10}, Opened: time.Unix(1e9, 0), Deadline: time.Unix(1e9+3600, 0)}
	for _, test := range []struct {
		name string
		edit func(*protocol.Contribution)
		want protocol.Reason
	}{
		{"as ordered", func(*protocol.Contribution) {}, protocol.ReasonAccepted},
		{"a gradient, whose bound grows with the weight claimed", func(c *protocol.Contribution) {
			c.Vectors[0].Role = protocol.RoleGradient
			c.Vectors[0].Block = compress.AppendFloat32(nil, []float32{640, 640, 640, 640, 640, 640})
		}, protocol.ReasonWrongShape},
		{"a model", func(c *protocol.Contribution) { c.Vectors[0].Role = protocol.RoleModel }, protocol.ReasonWrongShape},
		{"a control variate", func(c *protocol.Contribution) { c.Vectors[0].Role = protocol.RoleControl }, protocol.ReasonWrongShape},
		{"another part", func(c *protocol.Contribution) { c.Vectors[0].Part = 1 }, protocol.ReasonWrongShape},
		{"all examples, of which it had a quarter when the round was opened", func(c *protocol.Contribution) { c.Weight = 40 }, protocol.ReasonAccepted},
		{"more examples than there are", func(c *protocol.Contribution) { c.Weight = 41 }, protocol.ReasonOutOfBounds},
		{"more mini-batches than ordered", func(c *protocol.Contribution) { c.Metrics.Steps = 100 }, protocol.ReasonOutOfBounds},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t, func(c *Config, s *strategy.Config) {
				c.Saved = &Saved{Participants: 1000, Open: &open}
				s.Epochs = 1
			})
			base := f.down.hash
			p, paused := &fakePeer{}, hello
			paused.TabState = protocol.TabPaused
			f.Join(&paused, 2, p)
			c := f.contribution(&protocol.Order{Order: 1, Round: 1, BaseHash: base[:]}, 1, 10)
			test.edit(c)
			if got := f.offer(2, p, c); got != test.want {
				t.Errorf("answered %v (%s), want %v", got, last[*protocol.Ack](p).Detail, test.want)
			}
		})
	}
}

// Where each participant has a shard of its own, the bounds of the weights are those
// that were written down when the round was opened.
func TestRestartWeights(t *testing.T) {
	for weight, want := range map[uint64]protocol.Reason{7: protocol.ReasonAccepted, 8: protocol.ReasonOutOfBounds} {
		open := OpenRound{Round: 1, Order: 1, Cohort: []uint32{1, 2}, Weights: []uint64{20, 7}, Opened: time.Unix(1e9, 0), Deadline: time.Unix(1e9+3600, 0)}
		f := newFixture(t, func(c *Config, _ *strategy.Config) {
			c.Saved = &Saved{Participants: 1000, Open: &open}
			c.Shards.Divide = false
		})
		base := f.down.hash
		p, paused := &fakePeer{}, hello
		paused.TabState = protocol.TabPaused
		f.Join(&paused, 2, p)
		if got := f.offer(2, p, f.contribution(&protocol.Order{Order: 1, Round: 1, BaseHash: base[:]}, 1, weight)); got != want {
			t.Errorf("a weight of %d is answered %v, want %v", weight, got, want)
		}
	}
}

// A round that is written down again, as by a later phase, keeps its beginning.
func TestOpenedOnce(t *testing.T) {
	f := newFixture(t, nil)
	f.join(t)
	f.join(t)
	first := f.journal.opens[0]
	f.env.advance(10 * time.Second)
	f.apply(strategy.Open{Round: 1, Order: 2, Cohort: []strategy.ClientID{1, 2}, Deadline: time.Minute})
	if again := f.journal.opens[1]; !again.Opened.Equal(first.Opened) || !again.Deadline.Equal(f.env.now.Add(time.Minute)) || len(again.Weights) != 2 {
		t.Errorf("written again as %+v, want opened at %v", again, first.Opened)
	}
}

// A member that leaves and returns within the round keeps the bounds of its order,
// not those of the whole data.
func TestLeaveAndReturnForges(t *testing.T) {
	f := newFixture(t, nil)
	a, pa := f.join(t)
	f.env.advance(divideEvery)
	f.join(t)
	o := last[*protocol.Order](pa)
	f.Leave(a, pa, Left)
	p, paused := &fakePeer{}, hello
	paused.TabState = protocol.TabPaused
	f.Join(&paused, a, p)
	if got := f.offer(a, p, f.contribution(o, 1, 40)); got != protocol.ReasonOutOfBounds {
		t.Errorf("a weight of 40 where the order had at most 20 examples is answered %v", got)
	}
}

// A write of a round that completes or fails after the end of the run has no effect.
func TestEndDuringRoundWrite(t *testing.T) {
	for _, err := range []error{nil, errors.New("the disk is full")} {
		f := newFixture(t, func(c *Config, _ *strategy.Config) { c.Stop.Time = time.Hour })
		f.join(t)
		f.env.hold, f.journal.err = true, err
		f.join(t) // opens round 1
		f.env.advance(time.Hour)
		f.env.release()
		f.journal.err = nil
		f.env.advance(time.Minute)
		if s := f.State(); s.Phase != protocol.PhaseFinished || s.Finished == "" {
			t.Errorf("phase %d, finished %q", s.Phase, s.Finished)
		}
		if err != nil && len(f.journal.opens) != 0 {
			t.Error("a round is opened after the end")
		}
		if f.journal.finish == "" {
			t.Error("the end is not written down")
		}
	}
}

// No client is told of the end before it is durable: a crash would undo it.
func TestEndIsToldWhenItIsDurable(t *testing.T) {
	f := newFixture(t, func(c *Config, _ *strategy.Config) { c.Stop.Time = time.Hour })
	f.env.hold = true
	f.env.advance(time.Hour)
	for _, durable := range []bool{false, true} {
		if durable {
			f.env.release()
		}
		p := &fakePeer{}
		if _, ok := f.Join(&hello, 0, p); ok || p.closed.Reconnect() == durable {
			t.Errorf("durable %v: joined %v, closed with %v", durable, ok, p.closed)
		}
	}
}

// A late contribution is answered late each time, never duplicate: a client keeps a
// duplicate as if it counted.
func TestLateTwice(t *testing.T) {
	f := newFixture(t, nil)
	a, pa := f.join(t)
	b, pb := f.join(t)
	f.env.advance(time.Second)
	f.offer(a, pa, f.contribution(last[*protocol.Order](pa), 1, 10))
	o := last[*protocol.Order](pb)
	f.env.busy = true
	f.env.advance(time.Minute) // the deadline commits without b
	for range 2 {
		if got := f.offer(b, pb, f.contribution(o, 1, 10)); got != protocol.ReasonLate {
			t.Errorf("answered %v, want late", got)
		}
	}
}

// On a slow disk at most one write of the event log waits, and no entry is lost.
func TestEventLogDoesNotPileUp(t *testing.T) {
	f := newFixture(t, func(_ *Config, s *strategy.Config) { s.MinClients = 1000 })
	f.env.hold = true
	for range 50 {
		f.join(t)
		f.env.advance(time.Second)
	}
	if n := len(f.env.held); n != 1 {
		t.Errorf("%d writes wait, want 1", n)
	}
	f.env.release()
	if n := len(f.journal.kinds); n != 50 {
		t.Errorf("%d entries were written, want 50", n)
	}
}

// A ledger goes on where it was, and what it has beyond the committed rounds
// belongs to the round that comes next.
func TestLedgerGoesOn(t *testing.T) {
	earlier := Ledger{Traffic: Traffic{Up: 500, Down: 900, ModelsUp: 3}, MessagesUp: 12, Abandoned: 2}
	earlier.Kinds[protocol.KindStatus].Down = 900
	rounds := []RoundRecord{{Round: 1, Traffic: Traffic{Up: 400, Down: 100}}}
	rounds[0].Traffic.Kinds[protocol.KindStatus].Down = 100
	f := newFixture(t, func(c *Config, s *strategy.Config) {
		c.Saved = &Saved{Participants: 1, Rounds: rounds, Ledger: earlier}
	})
	if got := f.State().Ledger; got != earlier {
		t.Fatalf("the ledger begins with %+v, want %+v", got, earlier)
	}
	if got := f.accounts.period; got.Up != 100 || got.Down != 800 || got.ModelsUp != 3 || got.Kinds[protocol.KindStatus].Down != 800 {
		t.Errorf("the next round begins with %+v", got)
	}
	_, p := f.join(t)
	now := f.State().Ledger
	up := protocol.WireSize(&hello, true)
	if now.Up != earlier.Up+up || now.MessagesUp != earlier.MessagesUp+1 || now.Down <= earlier.Down || len(p.got) == 0 {
		t.Errorf("after a join the ledger is %+v", now)
	}
	f.Flush()
	f.env.advance(time.Second)
	if got := f.journal.ledger; got != f.State().Ledger {
		t.Errorf("the journal has %+v, want %+v", got, f.State().Ledger)
	}
}
