package run

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"fedtab/learn"
	"fedtab/protocol"
	"fedtab/strategy"

	"pgregory.net/rapid"
)

// A round: welcome, shards, order, contribution, commit, status, and the next
// order with the new model before it.
func TestRound(t *testing.T) {
	f := newFixture(t, nil)
	a, pa := f.join(t)
	if w := last[*protocol.Welcome](pa); w.Participant != a || w.Parameters != uint64(f.n) || w.ResumeToken == nil {
		t.Errorf("welcome %+v", w)
	}
	if s := last[*protocol.Shards](pa); !slices.Equal(s.Shards, []uint32{0, 1, 2, 3}) {
		t.Errorf("the only participant has shards %v, want all", s.Shards)
	}
	if last[*protocol.Order](pa) != nil {
		t.Fatal("an order before two participants are present")
	}
	b, pb := f.join(t)
	if s := last[*protocol.Shards](pb); len(s.Shards) != 2 {
		t.Errorf("the second participant has shards %v, want two", s.Shards)
	}
	o := last[*protocol.Order](pa)
	if o == nil || last[*protocol.Model](pa) != nil {
		t.Fatal("want an order on version 0, which does not travel")
	}
	_, initial, base := f.Model()
	if got := f.offer(a, pa, f.contribution(o, 1, 10)); got != protocol.ReasonAccepted {
		t.Fatalf("rejected: %v", got)
	}
	if got := f.offer(b, pb, f.contribution(last[*protocol.Order](pb), 4, 20)); got != protocol.ReasonAccepted {
		t.Fatalf("rejected: %v", got)
	}
	version, hash, params := f.Model()
	if version != 1 || hash == initial {
		t.Fatalf("version %d", version)
	}
	for i := range params {
		if want := base[i] + 3; params[i] != want { // (10 x 1 + 20 x 4) / 30
			t.Fatalf("parameter %d is %g, want %g", i, params[i], want)
		}
	}
	if m, o := last[*protocol.Model](pa), last[*protocol.Order](pa); m.Version != 1 || o.Base != 1 || o.Round != 2 {
		t.Errorf("after the commit: model %d, order on %d for round %d", m.Version, o.Base, o.Round)
	}
	if s := last[*protocol.Status](pa); s.Closed != 1 || s.Version != 1 {
		t.Errorf("status %+v", s)
	}
	c := f.journal.commits[0]
	if !slices.Equal(c.Participants, []uint32{a, b}) || c.Weight != 30 || c.Traffic.Up == 0 || c.Traffic.Down == 0 {
		t.Errorf("commit %+v", c)
	}
}

// The bytes of a round are those of the frames sent.
func TestLedgerCountsFrames(t *testing.T) {
	f := newFixture(t, nil)
	a, pa := f.join(t)
	b, pb := f.join(t)
	up := 2 * protocol.WireSize(&hello, true)
	for i, p := range []*fakePeer{pa, pb} {
		c := f.contribution(last[*protocol.Order](p), 1, 5)
		up += protocol.WireSize(c, true)
		f.offer([]uint32{a, b}[i], p, c)
	}
	var down int64
	for _, p := range []*fakePeer{pa, pb} {
		for _, m := range p.got {
			down += protocol.WireSize(m, false)
		}
	}
	if l := f.State().Ledger; l.Up != up || l.Down != down || l.ModelsUp != 2 {
		t.Errorf("ledger %+v, want %d up and %d down", l, up, down)
	}
}

// A round is combined once the last pending addition is done. Additions to an
// abandoned attempt are in no version.
func TestSlowProcessor(t *testing.T) {
	f := newFixture(t, nil)
	a, pa := f.join(t)
	b, pb := f.join(t)
	_, _, base := f.Model()
	f.env.busy = true
	f.offer(a, pa, f.contribution(last[*protocol.Order](pa), 1, 10))
	f.offer(b, pb, f.contribution(last[*protocol.Order](pb), 4, 20))
	if v, _, _ := f.Model(); v != 0 {
		t.Fatal("combined before everything was added")
	}
	f.env.release()
	if v, _, params := f.Model(); v != 1 || params[0] != base[0]+3 {
		t.Errorf("version %d with %g, want 1 with %g", v, params[0], base[0]+3)
	}

	g := newFixture(t, func(_ *Config, s *strategy.Config) { s.MinReports = 2 })
	a, pa = g.join(t)
	b, pb = g.join(t)
	g.env.busy = true
	g.offer(a, pa, g.contribution(last[*protocol.Order](pa), 9, 10))
	g.env.advance(2 * time.Minute) // abandons the attempt
	g.env.advance(time.Second)     // and begins another
	g.env.release()
	g.offer(a, pa, g.contribution(last[*protocol.Order](pa), 1, 10))
	g.offer(b, pb, g.contribution(last[*protocol.Order](pb), 1, 10))
	if v, _, params := g.Model(); v != 1 || params[0] != base[0]+1 {
		t.Errorf("version %d with %g, want 1 with %g", v, params[0], base[0]+1)
	}
}

// A training loss that is NaN or negative is left out of the round's mean.
func TestForgedLoss(t *testing.T) {
	f := newFixture(t, nil)
	a, pa := f.join(t)
	b, pb := f.join(t)
	for i, metrics := range []protocol.Metrics{
		{Examples: 10, LossSum: math.NaN()}, {Examples: 10, LossSum: math.Inf(1)}, {Examples: 10, LossSum: -1e300}, {Examples: 10, LossSum: 1e300},
		{Examples: 1 << 60, LossSum: 1}, {Examples: math.MaxUint64 - 9, LossSum: 1}, {Examples: 21, LossSum: 0}, {LossSum: 1},
	} {
		forged := f.contribution(last[*protocol.Order](pa), 0, 10)
		forged.Metrics = metrics
		f.offer(a, pa, forged)
		honest := f.contribution(last[*protocol.Order](pb), 0, 10)
		honest.Metrics = protocol.Metrics{Examples: 10, LossSum: 20}
		f.offer(b, pb, honest)
		if got := f.Rounds()[i].TrainLoss; got != 2 {
			t.Errorf("with %+v the round has %g, want the honest participant's 2", metrics, got)
		}
	}
}

// The weight of a gradient is at most the ordered mini-batch, because the bound on its
// values grows with it.
func TestGradientOutweighsItsBatch(t *testing.T) {
	for weight, want := range map[uint64]protocol.Reason{5: protocol.ReasonAccepted, 6: protocol.ReasonOutOfBounds, 20: protocol.ReasonOutOfBounds} {
		f := newFixture(t, func(_ *Config, s *strategy.Config) { s.Kind, s.Batch = "minibatch", 5 })
		a, pa := f.join(t)
		f.join(t)
		c := f.contribution(last[*protocol.Order](pa), 64, weight)
		c.Vectors[0].Role = protocol.RoleGradient
		if got := f.offer(a, pa, c); got != want {
			t.Errorf("weight %d: %v, want %v", weight, got, want)
		}
	}
}

// An invalid contribution is rejected, and the round goes on without it.
func TestRejections(t *testing.T) {
	for _, test := range []struct {
		name string
		edit func(*protocol.Contribution)
		want protocol.Reason
	}{
		{"no round, where the order has one", func(c *protocol.Contribution) { c.Round = 0 }, protocol.ReasonUnordered},
		{"a round that is not open", func(c *protocol.Contribution) { c.Round = 9 }, protocol.ReasonUnordered},
		{"an order never given", func(c *protocol.Contribution) { c.Order = 99 }, protocol.ReasonUnordered},
		{"no vector", func(c *protocol.Contribution) { c.Vectors = nil }, protocol.ReasonWrongShape},
		{"two vectors", func(c *protocol.Contribution) { c.Vectors = append(c.Vectors, c.Vectors[0]) }, protocol.ReasonWrongShape},
		{"another role", func(c *protocol.Contribution) { c.Vectors[0].Role = protocol.RoleGradient }, protocol.ReasonWrongShape},
		{"a vector too short", func(c *protocol.Contribution) { c.Vectors[0].Block = c.Vectors[0].Block[4:] }, protocol.ReasonWrongShape},
		{"an unknown codec", func(c *protocol.Contribution) { c.Vectors[0].Codec = 99 }, protocol.ReasonCodec},
		{"NaN", func(c *protocol.Contribution) { copy(c.Vectors[0].Block, "\x00\x00\xc0\x7f") }, protocol.ReasonNotFinite},
		{"infinity", func(c *protocol.Contribution) { copy(c.Vectors[0].Block, "\x00\x00\x80\xff") }, protocol.ReasonNotFinite},
		{"an absurd value", func(c *protocol.Contribution) { copy(c.Vectors[0].Block, "\x00\x00\x80\x47") }, protocol.ReasonOutOfBounds},
		{"no weight", func(c *protocol.Contribution) { c.Weight = 0 }, protocol.ReasonOutOfBounds},
		{"more weight than examples", func(c *protocol.Contribution) { c.Weight = 41 }, protocol.ReasonOutOfBounds},
		{"more mini-batches than ordered", func(c *protocol.Contribution) { c.Metrics.Steps = 1 << 63 }, protocol.ReasonOutOfBounds},
		{"an absurd weight", func(c *protocol.Contribution) { c.Weight = 1 << 60 }, protocol.ReasonOutOfBounds},
		{"another base", func(c *protocol.Contribution) { c.Vectors[0].BaseHash = make([]byte, 32) }, protocol.ReasonWrongBase},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t, nil)
			a, pa := f.join(t)
			b, pb := f.join(t)
			c := f.contribution(last[*protocol.Order](pa), 1, 10)
			test.edit(c)
			if got := f.offer(a, pa, c); got != test.want {
				t.Fatalf("got %v, want %v", got, test.want)
			}
			if pa.closed != 0 {
				t.Errorf("closed with %v", pa.closed)
			}
			// The other client's valid contribution completes the round.
			f.offer(b, pb, f.contribution(last[*protocol.Order](pb), 1, 10))
			f.env.advance(2 * time.Minute)
			if v, _, _ := f.Model(); v != 1 {
				t.Errorf("version %d, want the round to commit without the bad one", v)
			}
		})
	}
}

// The same contribution twice is counted once.
func TestTwice(t *testing.T) {
	f := newFixture(t, nil)
	a, pa := f.join(t)
	f.join(t)
	o := last[*protocol.Order](pa)
	f.offer(a, pa, f.contribution(o, 1, 10))
	if got := f.offer(a, pa, f.contribution(o, 1, 10)); got != protocol.ReasonDuplicate {
		t.Errorf("got %v, want duplicate", got)
	}
}

// A client that loses its socket resumes as the same participant and gets its order
// again. A client that does not resume leaves after the grace period.
func TestLostSocket(t *testing.T) {
	f := newFixture(t, nil)
	a, pa := f.join(t)
	b, pb := f.join(t)
	f.offer(b, pb, f.contribution(last[*protocol.Order](pb), 1, 10))
	f.Leave(a, pa, Lost)
	f.env.advance(4 * time.Second)
	if v, _, _ := f.Model(); v != 0 {
		t.Fatal("the round did not wait for the lost participant")
	}
	again := &fakePeer{}
	if n, ok := f.Join(&hello, a, again); !ok || n != a {
		t.Fatalf("resumed as %d", n)
	}
	if o := last[*protocol.Order](again); o == nil || o.Order != last[*protocol.Order](pa).Order {
		t.Fatalf("its order was %v, now %v", last[*protocol.Order](pa), o)
	}
	f.env.advance(10 * time.Second)
	if v, _, _ := f.Model(); v != 0 || f.State().Participants != 2 {
		t.Fatal("the round does not wait for the participant that resumed")
	}
	f.Leave(a, again, Lost)
	f.env.advance(6 * time.Second)
	if v, _, _ := f.Model(); v != 1 {
		t.Error("the round still waits for a participant that has left")
	}
	if s := last[*protocol.Shards](pb); len(s.Shards) != 4 {
		t.Errorf("shards of the remaining participant: %v, want all", s.Shards)
	}
}

// The newest socket with a token wins. Messages of the older one are ignored.
func TestSuperseded(t *testing.T) {
	f := newFixture(t, nil)
	a, pa := f.join(t)
	f.join(t)
	newer := &fakePeer{}
	f.Join(&hello, a, newer)
	if pa.closed != protocol.CloseSuperseded {
		t.Errorf("the older socket was closed with %v", pa.closed)
	}
	acks := len(newer.got)
	f.Offer(a, pa, f.inspect(f.contribution(last[*protocol.Order](pa), 1, 10)))
	f.Leave(a, pa, Left)
	if len(newer.got) != acks || f.State().Participants != 2 {
		t.Error("the superseded socket still counts")
	}
}

// A paused tab is not chosen and not waited for.
func TestPaused(t *testing.T) {
	f := newFixture(t, nil)
	a, pa := f.join(t)
	b, pb := f.join(t)
	f.offer(b, pb, f.contribution(last[*protocol.Order](pb), 1, 10))
	if err := f.Receive(a, pa, &protocol.Tab{State: protocol.TabPaused}); err != nil {
		t.Fatal(err)
	}
	if v, _, _ := f.Model(); v != 1 {
		t.Error("the round waits for a paused tab")
	}
	if err := f.Receive(a, pa, &protocol.Welcome{}); err == nil {
		t.Error("a welcome from a client is no error")
	}
}

// Stop conditions end the run. The reason is sent to every participant and stored.
func TestStops(t *testing.T) {
	// 97 healthy and 3 ill; one of the ill is found.
	classes := learn.Metrics{Sums: learn.Sums{Examples: 100, Loss: 50, Correct: 97}, Confusion: []int64{96, 1, 2, 1}}
	numbers := learn.Metrics{Sums: learn.Sums{Examples: 4, Loss: 50}, AbsoluteError: 6, SquaredError: 16, TargetSquares: 32}
	goal := func(m Metric, class int, reach float64) Goal {
		return Goal{Metric: m, Class: class, Name: map[int]string{1: "ill"}[class], Reach: reach}
	}
	for _, test := range []struct {
		name    string
		stop    Stop
		metrics learn.Metrics
		want    string
	}{
		{"rounds", Stop{Rounds: 1}, classes, "1 round done"},
		{"accuracy", Stop{Goals: []Goal{goal(Accuracy, -1, .97)}, Rounds: 50}, classes, "test accuracy 0.97 reached at version 1"},
		{"time", Stop{Time: time.Hour}, classes, "1h0m0s"},
		{"accuracy alone would be reached", Stop{Goals: []Goal{goal(BalancedAccuracy, -1, .9), goal(Recall, 1, .8), goal(F1, 1, .8), goal(F1, -1, .8)}, Rounds: 1}, classes, "1 round done"},
		{"recall of a class", Stop{Goals: []Goal{goal(Recall, 1, .33)}, Rounds: 50}, classes, "test recall of ill 0.3333 reached"},
		{"precision of a class", Stop{Goals: []Goal{goal(Precision, 1, .5)}, Rounds: 50}, classes, "test precision of ill 0.5 reached"},
		{"macro F1", Stop{Goals: []Goal{goal(F1, -1, .69)}, Rounds: 50}, classes, "test F1 0.6923 reached"},
		{"loss", Stop{Goals: []Goal{goal(Loss, -1, .5)}, Rounds: 50}, classes, "test loss 0.5 reached"},
		{"errors", Stop{Goals: []Goal{goal(RMSE, -1, 1.9), goal(MAE, -1, 1.5)}, Rounds: 50}, numbers, "test MAE 1.5 reached"},
		{"explained variance", Stop{Goals: []Goal{goal(R2, -1, .5)}, Rounds: 50}, numbers, "test R2 0.5 reached"},
		{"a figure that there is none of", Stop{Goals: []Goal{goal(Accuracy, -1, .1), goal(Recall, 0, .1)}, Rounds: 1}, numbers, "1 round done"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t, func(c *Config, _ *strategy.Config) {
				c.Stop, c.Evaluate = test.stop, func([]float32) learn.Metrics { return test.metrics }
			})
			a, pa := f.join(t)
			b, pb := f.join(t)
			f.offer(a, pa, f.contribution(last[*protocol.Order](pa), 1, 10))
			f.offer(b, pb, f.contribution(last[*protocol.Order](pb), 1, 10))
			f.env.advance(time.Hour)
			if got := f.State().Finished; !strings.Contains(got, test.want) || f.journal.finish != got {
				t.Errorf("finished with %q (journal %q), want %q", got, f.journal.finish, test.want)
			}
			if pa.closed != protocol.CloseFinished || last[*protocol.Status](pa).Phase != protocol.PhaseFinished {
				t.Errorf("closed with %v", pa.closed)
			}
			late := &fakePeer{}
			if _, ok := f.Join(&hello, 0, late); ok || late.closed != protocol.CloseFinished {
				t.Errorf("joining a finished run: %v", late.closed)
			}
		})
	}
}

// A restarted coordinator continues the open round with its cohort. Members that do
// not return in the grace period leave.
func TestRestart(t *testing.T) {
	f := newFixture(t, nil)
	a, pa := f.join(t)
	f.join(t)
	o := last[*protocol.Order](pa)
	open := f.journal.opens[0]

	g := newFixture(t, func(c *Config, s *strategy.Config) {
		c.Saved = &Saved{Participants: 1000, Open: &open}
		s.MinReports = 1
	})
	p := &fakePeer{}
	g.Join(&hello, a, p)
	if got := last[*protocol.Order](p); got == nil || got.Order != o.Order {
		t.Fatalf("its order was %v, after the restart %v", o, got)
	}
	if got := g.offer(a, p, g.contribution(o, 1, 10)); got != protocol.ReasonAccepted {
		t.Fatalf("work finished before the crash: %v", got)
	}
	if v, _, _ := g.Model(); v != 0 {
		t.Fatal("the other member was not waited for")
	}
	g.env.advance(31 * time.Second)
	if v, _, _ := g.Model(); v != 1 {
		t.Error("the round still waits for a member that has not returned")
	}
	if n, _ := g.join(t); n < 1000 {
		t.Errorf("a new participant is %d, a number that has been used", n)
	}
}

// A clock that was set back while the coordinator was away does not make the
// round longer than it was meant to be.
func TestRestartClockBack(t *testing.T) {
	f := newFixture(t, nil)
	open := OpenRound{Round: 1, Order: 1, Cohort: []uint32{1, 2}, Opened: f.env.now.Add(100 * time.Hour)}
	open.Deadline = open.Opened.Add(time.Minute)
	g := newFixture(t, func(c *Config, s *strategy.Config) {
		c.Saved = &Saved{Participants: 1000, Open: &open}
		c.RestartGrace = 10 * time.Second
		s.MinReports = 1
	})
	p := &fakePeer{}
	g.Join(&hello, 1, p)
	o := last[*protocol.Order](p)
	if o == nil || o.Deadline != 60_000 {
		t.Fatalf("the order after the restart is %+v, want one with a minute's time", o)
	}
	g.offer(1, p, g.contribution(o, 1, 10))
	g.env.advance(61 * time.Second)
	if v, _, _ := g.Model(); v != 1 {
		t.Error("the round still waits, a minute after the restart")
	}
}

// An announced body that is not wanted is answered before it arrives, and counted.
func TestAnnounce(t *testing.T) {
	f := newFixture(t, nil)
	a, pa := f.join(t)
	f.join(t)
	o := last[*protocol.Order](pa)
	announced := func(edit func(*protocol.Contribution)) bool {
		c := f.contribution(o, 1, 10)
		c.Vectors[0].Block, c.Vectors[0].Size = nil, 4*uint64(f.n)
		edit(c)
		return f.Announce(a, pa, c)
	}
	if !announced(func(*protocol.Contribution) {}) || last[*protocol.Ack](pa) != nil {
		t.Error("a good contribution is not wanted, or answered before it has come")
	}
	if announced(func(c *protocol.Contribution) { c.Order++ }) || last[*protocol.Ack](pa).Reason != protocol.ReasonUnordered {
		t.Error("an unordered contribution is wanted")
	}
	if f.Announce(a, &fakePeer{}, f.contribution(o, 1, 10)) {
		t.Error("a contribution of a superseded socket is wanted")
	}
	if f.offer(a, pa, f.contribution(o, 1, 10)) != protocol.ReasonAccepted {
		t.Error("the announced contribution is refused")
	}
	if announced(func(*protocol.Contribution) {}) || last[*protocol.Ack](pa).Reason != protocol.ReasonDuplicate {
		t.Error("the same contribution is wanted twice")
	}
	if got := f.State().Ledger.Answers; got[protocol.ReasonUnordered] != 1 || got[protocol.ReasonAccepted] != 1 || got[protocol.ReasonDuplicate] != 1 {
		t.Errorf("answers counted: %v", got)
	}
	before := f.State().Ledger.Up
	f.Charge(a, pa, 1000)
	if got := f.State().Ledger.Up - before; got != 1000 {
		t.Errorf("the skipped body is charged %d bytes, want 1000", got)
	}
}

// The event log is written in batches, the last of them by Flush.
func TestEventLogBatches(t *testing.T) {
	f := newFixture(t, nil)
	f.join(t)
	f.join(t) // opens a round, which writes what was logged before
	written := len(f.journal.kinds)
	if written == 0 {
		t.Error("nothing is logged before the round")
	}
	_, p := f.join(t)
	if len(f.journal.kinds) != written {
		t.Error("an entry is written by itself")
	}
	f.env.advance(flushAfter)
	if got := f.journal.kinds[written:]; !slices.Equal(got, []string{"join"}) {
		t.Errorf("logged %v, want the join", got)
	}
	f.Leave(3, p, Left)
	f.Flush()
	if got := f.journal.kinds[written+1:]; !slices.Equal(got, []string{"leave"}) {
		t.Errorf("logged %v, want the leave", got)
	}
}

// A client whose hash does not match the version that it names gets the model.
func TestHeld(t *testing.T) {
	f := newFixture(t, nil)
	_, hash, _ := f.Model()
	for _, test := range []struct {
		name string
		held uint64
		hash []byte
		want bool
	}{
		{"nothing, and makes version 0", 0, nil, true},
		{"version 0", 0, hash[:], true},
		{"another version 0", 0, make([]byte, 32), false},
		{"a version that never was", 7, hash[:], false},
		{"a version without its hash", 7, nil, false},
	} {
		h := hello
		h.Held, h.HeldHash = test.held, test.hash
		if got := f.heldBy(&h); got != test.want {
			t.Errorf("%s: held = %v, want %v", test.name, got, test.want)
		}
	}
}

// All shards are divided evenly after every join and leave, with a min number of
// moves.
func TestDivideEvenly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.IntRange(1, 60).Draw(t, "shards")
		has := map[uint32][]uint32{}
		var present []uint32
		next := uint32(1)
		shared := false // more participants than shards, so that some had the same
		for range rapid.IntRange(1, 30).Draw(t, "changes") {
			if len(present) == 0 || rapid.Bool().Draw(t, "join") {
				present = append(present, next)
				next++
			} else {
				i := rapid.IntRange(0, len(present)-1).Draw(t, "leave")
				delete(has, present[i])
				present = slices.Delete(present, i, i+1)
			}
			if len(present) == 0 {
				continue
			}
			wanted := map[uint32][]uint32{}
			divideEvenly(wanted, present, total, func(p uint32) []uint32 { return has[p] })
			owners := make([]int, total)
			smallest, largest := total, 0
			moved := 0
			for _, p := range present {
				s := wanted[p]
				smallest, largest = min(smallest, len(s)), max(largest, len(s))
				if !slices.IsSorted(s) {
					t.Fatalf("not ascending: %v", s)
				}
				for _, n := range s {
					owners[n]++
					if !slices.Contains(has[p], n) {
						moved++
					}
				}
			}
			if len(present) <= total {
				for n, k := range owners {
					if k != 1 {
						t.Fatalf("owners of shard %d: %d of %d participants, want 1", n, k, len(present))
					}
				}
				if largest-smallest > 1 {
					t.Fatalf("shards per participant: %d to %d, want a difference of at most 1", smallest, largest)
				}
				free := total
				for _, p := range present {
					free -= min(len(has[p]), len(wanted[p]))
				}
				if !shared && moved > free {
					t.Fatalf("%d shards moved, %d had to", moved, free)
				}
			} else if fewest, most := slices.Min(owners), slices.Max(owners); smallest != 1 || largest != 1 || most-fewest > 1 {
				t.Fatalf("%d participants have %d to %d of %d shards each, a shard %d to %d of them", len(present), smallest, largest, total, fewest, most)
			} else if shared && moved > len(present)-len(has)+1 {
				t.Fatalf("%d of %d participants have another shard after one came or left", moved, len(present))
			}
			has, shared = wanted, len(present) > total
		}
	})
}

func ExampleRun_State() {
	m, _ := learn.New(learn.MLP([]int{2}, nil, 2))
	s, _ := strategy.New(strategy.Config{Kind: "fedavg", Fraction: 1, LR: .1}, strategy.Setup{MinCohort: 2})
	r, _ := New(Config{ID: "example", Model: m, Strategy: s}, &fakeEnv{})
	r.Start()
	r.Join(&hello, 0, &fakePeer{})
	fmt.Println(r.State().Phase, r.State().Round, r.State().Participants)
	// Output: training 1 1
}
