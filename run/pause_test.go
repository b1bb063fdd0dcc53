package run

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"fedtab/learn"
	"fedtab/protocol"
	"fedtab/strategy"
)

// pause pauses a run, and returns the newest version that its organiser was told, -1 while
// that is pending.
func (f *fixture) pause(t *testing.T) *int {
	t.Helper()
	return f.turned(t, func(then func(uint64, error)) { f.Pause("a break", then) })
}

// unpause ends a pause.
func (f *fixture) unpause(t *testing.T) *int {
	t.Helper()
	return f.turned(t, f.Resume)
}

func (f *fixture) turned(t *testing.T, do func(then func(uint64, error))) *int {
	t.Helper()
	told := -1
	do(func(v uint64, err error) {
		if err != nil || told >= 0 {
			t.Errorf("answered with version %d after %d, %v", v, told, err)
		}
		told = int(v)
	})
	return &told
}

// refused returns the error with which a request is answered, in which a part is wanted.
func refused(t *testing.T, part string, do func(then func(uint64, error))) {
	t.Helper()
	var got error
	do(func(_ uint64, err error) { got = err })
	if got == nil || !strings.Contains(got.Error(), part) {
		t.Errorf("answered with %v, want %q", got, part)
	}
}

// ordersGiven counts the orders of rounds that a peer was sent.
func ordersGiven(p *fakePeer) (n int) {
	for _, o := range all[*protocol.Order](p) {
		if o.Order < protocol.EnquiryOrders {
			n++
		}
	}
	return n
}

// In a round that is open, a pause gives up what has come. Participants are told why, nobody
// is given an order, and after the pause all of them are asked, newcomers included.
func TestPause(t *testing.T) {
	f := newFixture(t, nil)
	a, pa := f.join(t)
	b, pb := f.join(t)
	first := last[*protocol.Order](pa)
	f.offer(a, pa, f.contribution(first, 1, 10))
	if told := f.pause(t); *told != 0 {
		t.Errorf("answered with %d, want version 0", *told)
	}
	if s := f.State(); s.Paused != "a break" || s.Phase != protocol.PhasePaused || s.Finished != "" || f.journal.paused != "a break" {
		t.Errorf("state %+v, durable %q", s, f.journal.paused)
	}
	for name, p := range map[string]*fakePeer{"that has answered": pa, "at work": pb} {
		if s := last[*protocol.Status](p); s.Phase != protocol.PhasePaused || s.Reason != "a break" {
			t.Errorf("the participant %s is told %+v", name, s)
		}
		if ack := last[*protocol.Ack](p); ack.Order != first.Order || ack.Reason != protocol.ReasonAbandoned {
			t.Errorf("the participant %s is answered %+v", name, ack)
		}
	}
	if got := f.offer(b, pb, f.contribution(first, 1, 10)); got != protocol.ReasonLate {
		t.Errorf("an answer in the pause gets %v, want late", got)
	}
	f.Leave(b, pb, Lost)
	back := &fakePeer{}
	f.Join(&hello, b, back)
	c, pc := f.join(t)
	if s := last[*protocol.Status](pc); s.Phase != protocol.PhasePaused || s.Reason != "a break" {
		t.Errorf("a newcomer is told %+v", s)
	}
	_, gone := f.join(t)
	f.Leave(c+1, gone, Done)
	f.env.advance(time.Hour)
	if v, _, _ := f.Model(); v != 0 || ordersGiven(pa) != 1 || ordersGiven(back) != 0 || ordersGiven(pc) != 0 || f.State().Ledger.Abandoned != 1 {
		t.Errorf("in the pause: version %d, %d, %d and %d orders, %d attempts given up", v, ordersGiven(pa), ordersGiven(back), ordersGiven(pc), f.State().Ledger.Abandoned)
	}
	if told := f.unpause(t); *told != 0 || f.journal.paused != "" || f.State().Paused != "" {
		t.Errorf("answered with %d, durable %q, state %q", *told, f.journal.paused, f.State().Paused)
	}
	for number, p := range map[uint32]*fakePeer{a: pa, b: back, c: pc} {
		o := last[*protocol.Order](p)
		if o == nil || o.Order != 2 || o.Round != 1 || last[*protocol.Status](p).Phase == protocol.PhasePaused {
			t.Fatalf("participant %d is given %+v after the pause, want order 2", number, o)
		}
		f.offer(number, p, f.contribution(o, 1, 10))
	}
	if v, _, params := f.Model(); v != 1 || len(f.journal.commits[0].Contributions) != 3 {
		t.Errorf("version %d, %v of %+v", v, params, f.journal.commits)
	}
	if at := slices.IndexFunc(f.journal.entries, func(e LogEntry) bool { return e.Kind == "paused" && e.Detail == "a break" }); at < 0 {
		t.Error("the event log does not have the pause")
	}
}

// A pause while the run waits, while a round is being written down, or with a participant
// whose socket is lost: no round opens, and one does afterwards.
func TestPauseElsewhere(t *testing.T) {
	for name, begin := range map[string]func(*fixture){
		"waiting":  func(*fixture) {},
		"opening":  func(f *fixture) { f.env.hold = true; f.join(t) },
		"training": func(f *fixture) { f.join(t) },
		"lost":     func(f *fixture) { n, p := f.join(t); f.Leave(n, p, Lost) },
		"backoff": func(f *fixture) {
			n, p := f.join(t)
			f.Leave(n, p, Done)
			f.env.advance(2 * time.Minute)
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, nil)
			_, p := f.join(t)
			begin(f)
			told := f.pause(t)
			f.env.release()
			was := ordersGiven(p)
			f.join(t)
			f.env.advance(time.Hour)
			if *told != 0 || ordersGiven(p) != was || f.State().Phase != protocol.PhasePaused || f.Stats().Timers != 0 {
				t.Fatalf("answered with %d; %d orders more, phase %v, %d timers", *told, ordersGiven(p)-was, f.State().Phase, f.Stats().Timers)
			}
			f.unpause(t)
			if ordersGiven(p) != was+1 || f.State().Phase != protocol.PhaseTraining {
				t.Errorf("after the pause %d orders more, phase %v, want a round", ordersGiven(p)-was, f.State().Phase)
			}
		})
	}
}

// The write of a round that a pause has given up is not tried again: it would take the place
// of the next one.
func TestPauseWhileARoundIsNotWritten(t *testing.T) {
	f := newFixture(t, nil)
	f.join(t)
	f.env.hold, f.journal.err = true, errors.New("the disk is full")
	f.join(t)
	f.env.release()
	f.journal.err = nil
	f.pause(t)
	f.unpause(t)
	f.env.advance(time.Minute)
	if n := len(f.journal.opens); n == 0 || f.journal.opens[n-1].Order < 2 || slices.ContainsFunc(f.journal.opens, func(o OpenRound) bool { return o.Order == 1 }) {
		t.Errorf("written down: %+v, want no order 1", f.journal.opens)
	}
}

// A version that is being made comes first, also one that its guard rolls back; its
// evaluation goes on.
func TestPauseWhileCommitting(t *testing.T) {
	for name, want := range map[string]struct {
		value   float32
		version int
	}{"made": {1, 1}, "rolled back": {60, 0}} {
		t.Run(name, func(t *testing.T) {
			f := guarded(t, nil)
			a, pa := f.join(t)
			b, pb := f.join(t)
			f.env.busy = true
			f.offer(a, pa, f.contribution(last[*protocol.Order](pa), want.value, 10))
			f.offer(b, pb, f.contribution(last[*protocol.Order](pb), want.value, 10))
			told := f.pause(t)
			if s := f.State(); *told != -1 || s.Phase != protocol.PhaseCommitting || s.Paused != "a break" {
				t.Errorf("while a version is being made: answered with %d, state %+v", *told, s)
			}
			for len(f.env.held) > 0 {
				f.env.release()
			}
			f.env.advance(time.Hour)
			s := f.State()
			if *told != want.version || s.Phase != protocol.PhasePaused || int(s.Version) != want.version || ordersGiven(pa) != 1 || s.Ledger.Abandoned != 0 {
				t.Errorf("answered with %d, %d orders, state %+v", *told, ordersGiven(pa), s)
			}
			if want.version == 1 && (s.Evaluated == nil || s.Evaluated.Version != 1) {
				t.Errorf("evaluated is %+v, want version 1", s.Evaluated)
			}
			f.unpause(t)
			if ordersGiven(pa) != 2 {
				t.Errorf("%d orders after the pause, want 2", ordersGiven(pa))
			}
		})
	}
}

// What cannot be done is said in a sentence.
func TestPauseRefused(t *testing.T) {
	f := newFixture(t, func(c *Config, _ *strategy.Config) {
		c.Stop.Rounds = 1
		c.Evaluate = func([]float32) learn.Metrics { return measured(1) }
	})
	pause := func(then func(uint64, error)) { f.Pause("again", then) }
	refused(t, "run test is not paused", f.Resume)
	refused(t, "needs a reason", func(then func(uint64, error)) { f.Pause("", then) })
	f.env.hold = true
	told := f.pause(t)
	refused(t, "run test is still being paused", pause)
	refused(t, "run test is still being paused", f.Resume)
	f.env.release()
	if *told != 0 {
		t.Fatal("it is not answered")
	}
	refused(t, "run test is already paused: a break", pause)
	f.env.hold = true
	f.unpause(t)
	refused(t, "run test is still being resumed", f.Resume)
	f.env.release()
	a, pa := f.join(t)
	b, pb := f.join(t)
	f.offer(a, pa, f.contribution(last[*protocol.Order](pa), 1, 10))
	f.offer(b, pb, f.contribution(last[*protocol.Order](pb), 1, 10))
	refused(t, "run test is over: 1 round done", pause)
	refused(t, "run test is over: 1 round done", f.Resume)

	f = newFixture(t, func(c *Config, _ *strategy.Config) {
		c.Stop.Rounds = 1
		c.Evaluate = func([]float32) learn.Metrics { return measured(1) }
	})
	a, pa = f.join(t)
	b, pb = f.join(t)
	f.offer(a, pa, f.contribution(last[*protocol.Order](pa), 1, 10))
	f.env.busy = true
	f.offer(b, pb, f.contribution(last[*protocol.Order](pb), 1, 10))
	for f.State().Version == 0 { // each release computes one thing more
		held := f.env.held
		f.env.held = nil
		for _, work := range held {
			work()
		}
	}
	refused(t, "has made its last version", func(then func(uint64, error)) { f.Pause("late", then) })
}

// A pause that cannot be written for good is answered with that, and one that is overtaken
// by the end of the run too.
func TestPauseIsNotDurable(t *testing.T) {
	f := newFixture(t, nil)
	f.journal.err = ErrPermanent
	var failed error
	f.Pause("a break", func(_ uint64, err error) { failed = err })
	if !errors.Is(failed, ErrPermanent) {
		t.Errorf("answered with %v, want %v", failed, ErrPermanent)
	}
	f = newFixture(t, func(c *Config, _ *strategy.Config) { c.Stop.Time = time.Hour })
	f.journal.err = errors.New("the disk is full")
	failed = nil
	f.Pause("a break", func(_ uint64, err error) { failed = err })
	if failed != nil || f.State().Paused == "" {
		t.Fatalf("answered with %v, state %+v", failed, f.State())
	}
	f.env.advance(time.Hour)
	f.journal.err = nil
	f.env.advance(time.Hour)
	if failed == nil || !strings.Contains(failed.Error(), "time limit of 1h0m0s reached") || f.State().Paused != "" || f.journal.pauses != 0 {
		t.Errorf("answered with %v, state %+v, %d pauses durable", failed, f.State(), f.journal.pauses)
	}
}

// While a run is paused it can be stopped, go back and be extended, and its time runs.
func TestWhilePaused(t *testing.T) {
	begin := func(edit func(*Config, *strategy.Config)) (*fixture, *fakePeer) {
		f := newFixture(t, edit)
		a, pa := f.join(t)
		b, pb := f.join(t)
		f.offer(a, pa, f.contribution(last[*protocol.Order](pa), 1, 10))
		f.offer(b, pb, f.contribution(last[*protocol.Order](pb), 1, 10))
		f.pause(t)
		return f, pa
	}
	f, p := begin(nil)
	got := f.turned(t, func(then func(uint64, error)) { f.Stop("enough", then) })
	if s := f.State(); *got != 1 || s.Finished != "enough" || s.Phase != protocol.PhaseFinished || s.Paused != "" || last[*protocol.Status](p).Reason != "enough" {
		t.Errorf("stopped: answered with %d, state %+v", *got, s)
	}

	f, p = begin(nil)
	_, _, initial := newFixture(t, nil).Model()
	was := ordersGiven(p)
	for want := 2; want <= 3; want++ {
		got = f.turned(t, func(then func(uint64, error)) { f.Rewind(0, slices.Clone(initial), then) })
		if v, _, params := f.Model(); *got != want || v != uint64(want) || !slices.Equal(params, initial) || f.State().Phase != protocol.PhasePaused || ordersGiven(p) != was {
			t.Errorf("gone back: answered with %d, %d orders, state %+v", *got, ordersGiven(p)-was, f.State())
		}
	}
	f.unpause(t)
	if o := last[*protocol.Order](p); o.Base != 3 || ordersGiven(p) != was+1 {
		t.Errorf("after the pause %+v", o)
	}

	f, p = begin(func(c *Config, _ *strategy.Config) { c.Stop.Rounds = 2 })
	was = ordersGiven(p)
	if !f.Extend(Stop{Rounds: 5}) || f.State().Phase != protocol.PhasePaused || ordersGiven(p) != was {
		t.Errorf("extended: state %+v", f.State())
	}
	f.unpause(t)
	if ordersGiven(p) != was+1 {
		t.Error("no round after the pause")
	}

	f, _ = begin(func(c *Config, _ *strategy.Config) { c.Stop.Time = time.Hour })
	f.env.advance(time.Hour)
	if s := f.State(); s.Finished != "time limit of 1h0m0s reached" {
		t.Errorf("after its time: %+v", s)
	}
}

// A restart keeps the pause. A round that was open is given up; its order number is not
// given again.
func TestRestartInAPause(t *testing.T) {
	for kind, sc := range map[string]strategy.Config{
		"fedavg":  {Kind: "fedavg", Fraction: 1, LR: .1, MinClients: 2, Deadline: time.Minute},
		"dynamic": {Kind: "dynamic", Batches: 4, LR: .1, MinClients: 2, Deadline: time.Minute, Own: strategy.DynamicSettings{Delta: 100, Augment: 1, FullShare: 1}},
		"fedbuff": {Kind: "fedbuff", LR: .1, MinClients: 2, Own: strategy.FedBuffSettings{Buffer: 2}},
	} {
		t.Run(kind, func(t *testing.T) {
			open := OpenRound{Round: 1, Order: 7, Cohort: []uint32{1, 2}, Opened: time.Unix(1e9, 0), Deadline: time.Unix(1e9+60, 0)}
			f := newFixture(t, func(c *Config, s *strategy.Config) {
				c.Saved, *s = &Saved{Participants: 1000, Open: &open, Paused: "a break"}, sc
			})
			paused := func() {
				t.Helper()
				if s := f.State(); s.Phase != protocol.PhasePaused || s.Paused != "a break" || s.Awaited != 0 || s.Round != 0 {
					t.Errorf("state %+v", s)
				}
			}
			paused()
			p, q := &fakePeer{}, &fakePeer{}
			f.Join(&hello, 1, p)
			f.Join(&hello, 2, q)
			f.env.advance(time.Hour)
			paused()
			if ordersGiven(p) != 0 || last[*protocol.Status](p).Phase != protocol.PhasePaused {
				t.Errorf("%d orders in the pause, status %+v", ordersGiven(p), last[*protocol.Status](p))
			}
			f.unpause(t)
			if o := last[*protocol.Order](p); o == nil || o.Order <= 7 || ordersGiven(q) != 1 {
				t.Errorf("after the pause %+v, want an order with a new number", o)
			}
		})
	}
	f := newFixture(t, func(c *Config, _ *strategy.Config) {
		c.Saved = &Saved{Participants: 1000, Finished: "enough", Paused: "a break"}
	})
	if s := f.State(); s.Paused != "" || s.Phase != protocol.PhaseFinished {
		t.Errorf("a run that is over is %+v", s)
	}
}

// A pause gives a survey up, and the next one comes after it; nobody is blamed for the
// answer that is missing. One whose constants are being written comes first.
func TestPauseInASurvey(t *testing.T) {
	s := homes()
	v := newVillage(t, s, nil)
	v.enough = func() bool { return v.Constants() != nil }
	for i := range 3 {
		v.add(t, homesOf(t, s, 100, uint64(i)))
	}
	v.owners[0].mute = true
	v.pump(t)
	v.pause(t)
	v.owners[0].mute = false
	v.pump(t)
	v.env.advance(time.Hour)
	v.add(t, homesOf(t, s, 100, 4))
	v.pump(t)
	if v.Constants() != nil || v.enquiry != nil || v.State().Phase != protocol.PhasePaused {
		t.Fatalf("constants %v in the pause, enquiry %v, state %+v", v.Constants(), v.enquiry, v.State())
	}
	for _, o := range v.owners {
		if n := v.roster.members[o.number].unanswered; n != 0 {
			t.Errorf("participant %d has left %d enquiries unanswered", o.number, n)
		}
	}
	v.unpause(t)
	v.env.hold = true
	v.pump(t)
	if v.Constants() != nil || !v.savingConstants {
		t.Fatal("no survey after the pause")
	}
	told := v.pause(t)
	for v.env.hold || len(v.env.held) > 0 {
		v.env.release()
	}
	v.enough = nil
	v.pump(t)
	v.env.advance(time.Hour)
	if *told != 0 || v.Constants() == nil || v.State().Version != 0 || ordersGiven(&v.owners[0].fakePeer) != 0 {
		t.Fatalf("answered with %d, constants %v, state %+v, %d orders", *told, v.Constants(), v.State(), ordersGiven(&v.owners[0].fakePeer))
	}
	v.enough = func() bool { return v.State().Version > 1 }
	v.unpause(t)
	v.pump(t)
	if v.State().Version < 2 {
		t.Errorf("version %d after the pause", v.State().Version)
	}
}

// An evaluation that is open goes on, without the orders that some were to finish before.
func TestPauseInAnEvaluation(t *testing.T) {
	s := homes()
	v := newVillage(t, s, func(_ *Config, sc *strategy.Config) {
		*sc = strategy.Config{Kind: "fedbuff", Epochs: 1, Batch: 10, LR: .1, MinClients: 4, Own: strategy.FedBuffSettings{Buffer: 3}}
	})
	for i := range 4 {
		v.add(t, homesOf(t, s, 100, uint64(i)))
	}
	slow := v.owners[3]
	v.enough = func() bool { slow.mute = ordersGiven(&slow.fakePeer) > 0; return v.State().Version == 1 }
	v.pump(t)
	if v.State().Version != 1 || v.enquiry == nil || !v.enquiry.later[slow.number] {
		t.Fatalf("state %+v, enquiry %+v, want one that waits for participant %d", v.State(), v.enquiry, slow.number)
	}
	v.pause(t)
	v.enough = nil
	slow.mute = false
	v.pump(t)
	if e := v.State().Evaluated; e == nil || e.Version != 1 || e.Participants != 4 || ordersGiven(&slow.fakePeer) != 1 {
		t.Errorf("evaluated %+v, %d orders, want version 1 by all", e, ordersGiven(&slow.fakePeer))
	}
}

// Every scheme is quiet in a pause in the middle of a round, and makes its rounds after it.
func TestPauseEveryScheme(t *testing.T) {
	configs := map[string]strategy.Config{
		"fedavg":    {Kind: "fedavg", Fraction: .6},
		"minibatch": {Kind: "minibatch", Fraction: 1},
		"periodic":  {Kind: "periodic", Batches: 4},
		"oneshot":   {Kind: "oneshot"},
		"radon":     {Kind: "radon", Own: strategy.RadonSettings{Models: 4}},
		"daisy":     {Kind: "daisy", Own: strategy.DaisySettings{AverageEvery: 3}},
		"dynamic":   {Kind: "dynamic", Batches: 4, Own: strategy.DynamicSettings{Delta: .001, Augment: 1, FullShare: .6}},
		"fedbuff":   {Kind: "fedbuff", Own: strategy.FedBuffSettings{Buffer: 4}},
		"scaffold":  {Kind: "fedavg", Fraction: 1, Correction: "scaffold"},
		"fednova":   {Kind: "fedavg", Fraction: 1, Correction: "fednova"},
		"adam":      {Kind: "fedavg", Fraction: 1, Server: "adam"},
		"median":    {Kind: "periodic", Combine: "median", Batches: 4},
		"krum":      {Kind: "fedavg", Fraction: 1, Combine: "krum", MinClients: 5},
	}
	for _, s := range strategy.Schemes() {
		if _, ok := configs[s.Name]; !ok && s.Name != "central" { // which has one learner, in simulations
			t.Errorf("no configuration of %s", s.Name)
		}
	}
	for name, cfg := range configs {
		t.Run(name, func(t *testing.T) {
			const rounds = 4
			s := homes()
			v := newVillage(t, s, func(c *Config, sc *strategy.Config) {
				cfg.LR, cfg.MinClients, cfg.Deadline = .1, max(cfg.MinClients, 3), time.Minute
				if cfg.Batches == 0 && cfg.Kind != "minibatch" {
					cfg.Epochs = 1
				}
				cfg.Batch = 10
				*sc = cfg
				c.Stop.Rounds, c.Sums, c.MaxScale = rounds, cfg.Sums(), cfg.MaxScale
			})
			for i := range 5 {
				v.add(t, homesOf(t, s, 100, uint64(i)))
			}
			drive := func(enough func() bool) {
				for range 5000 {
					for _, o := range v.owners {
						if enough() || v.finished != "" {
							return
						}
						v.turn(t, o)
					}
					v.env.advance(20 * time.Millisecond)
				}
			}
			orders := func() (n int) {
				for _, o := range v.owners {
					n += ordersGiven(&o.fakePeer)
				}
				return n
			}
			ends, _ := strategy.Schemes().Find(cfg.Kind)
			begun := uint64(1)
			if ends.Ends {
				begun = 0
			}
			// In the middle of a round: an answer has come, and others are at work.
			var accepted int64
			drive(func() bool {
				if v.Constants() != nil && v.State().Version == begun && accepted == 0 {
					accepted = v.State().Ledger.Answers[protocol.ReasonAccepted]
				}
				return accepted > 0 && v.State().Version == begun && v.State().Ledger.Answers[protocol.ReasonAccepted] > accepted
			})
			told := v.pause(t)
			version, was, up := v.State().Version, orders(), v.State().Ledger.Abandoned
			drive(func() bool { return v.env.now.Sub(time.Unix(1e9, 0)) > time.Hour })
			v.env.advance(time.Hour)
			if s := v.State(); int(version) != *told || s.Version != version || orders() != was || s.Phase != protocol.PhasePaused || s.Ledger.Abandoned != up || up == 0 {
				t.Fatalf("in the pause: version %d after %d, %d orders more, phase %v, %d attempts given up after %d", s.Version, version, orders()-was, s.Phase, s.Ledger.Abandoned, up)
			}
			if s := v.Stats(); s.Timers != 0 || s.Offers != 0 || s.Kept > len(v.owners) || s.Kept > 0 && cfg.Kind != "daisy" {
				t.Errorf("in the pause: %+v", s)
			}
			v.unpause(t)
			drive(func() bool { return false })
			if want := map[bool]uint64{true: 1, false: rounds}[ends.Ends]; v.State().Version != want || v.finished == "" {
				t.Errorf("version %d, want %d; finished %q", v.State().Version, want, v.finished)
			}
		})
	}
}

// A mean that is ready only in the pause brings no order of the leg that was given up.
func TestPauseWhileAMeanIsMade(t *testing.T) {
	f := newFixture(t, func(_ *Config, s *strategy.Config) {
		*s = strategy.Config{Kind: "daisy", Epochs: 1, LR: .1, MinClients: 2, Deadline: time.Minute, Own: strategy.DaisySettings{AverageEvery: 2}}
	})
	a, pa := f.join(t)
	b, pb := f.join(t)
	f.env.busy = true
	f.offer(a, pa, f.contribution(last[*protocol.Order](pa), 1, 10))
	f.offer(b, pb, f.contribution(last[*protocol.Order](pb), 1, 10))
	was := ordersGiven(pa)
	f.pause(t)
	f.env.release()
	if ordersGiven(pa) != was || ordersGiven(pb) != was {
		t.Errorf("%d and %d orders more in the pause", ordersGiven(pa)-was, ordersGiven(pb)-was)
	}
}
