package run

import (
	"bytes"
	"math"
	"slices"
	"testing"
	"time"

	"fedtab/combine"
	"fedtab/compress"
	"fedtab/learn"
	"fedtab/protocol"
	"fedtab/strategy"
)

// all returns the messages of a type that a peer was sent.
func all[M protocol.Message](p *fakePeer) (ms []M) {
	for _, got := range p.got {
		if g, ok := got.(M); ok {
			ms = append(ms, g)
		}
	}
	return ms
}

// A client that pauses during a round declines its order and gets it again when it
// continues. Meanwhile the round does not wait for it.
func TestPausedAndBack(t *testing.T) {
	f := newFixture(t, nil)
	a, pa := f.join(t)
	b, pb := f.join(t)
	o := last[*protocol.Order](pa)
	for _, m := range []protocol.Message{
		&protocol.Tab{State: protocol.TabPaused}, &protocol.Decline{Order: o.Order, Reason: protocol.ReasonPaused},
		&protocol.Tab{State: protocol.TabVisible},
	} {
		if err := f.Receive(a, pa, m); err != nil {
			t.Fatal(err)
		}
	}
	if got := all[*protocol.Order](pa); len(got) != 2 || got[1].Order != o.Order {
		t.Fatalf("it has %d orders, want its own again", len(got))
	}
	f.offer(b, pb, f.contribution(last[*protocol.Order](pb), 1, 10))
	if v, _, _ := f.Model(); v != 0 {
		t.Fatal("the round does not wait for the client that continues")
	}
	if got := f.offer(a, pa, f.contribution(o, 1, 10)); got != protocol.ReasonAccepted {
		t.Errorf("its answer: %v", got)
	}
	if v, _, _ := f.Model(); v != 1 {
		t.Errorf("version %d after both have answered", v)
	}
}

// The end of an abandoned attempt is sent to clients that have answered, too: their
// kept answer is in no version, even if a later attempt commits.
func TestAbandonedAnswersAreDropped(t *testing.T) {
	f := newFixture(t, func(_ *Config, s *strategy.Config) { s.MinReports = 2 })
	a, pa := f.join(t)
	_, pb := f.join(t)
	o := last[*protocol.Order](pa)
	f.offer(a, pa, f.contribution(o, 1, 10))
	f.env.advance(2 * time.Minute)
	for name, p := range map[string]*fakePeer{"the client that has answered": pa, "the client that has not": pb} {
		if ack := last[*protocol.Ack](p); ack == nil || ack.Order != o.Order || ack.Reason != protocol.ReasonAbandoned {
			t.Errorf("%s was told %+v, want that it is abandoned", name, ack)
		}
	}
}

// Observers learn why an attempt was given up, until there is a version: that the time was
// up for one of two, or that the other has left.
func TestAbandonedIsShown(t *testing.T) {
	two := func(_ *Config, s *strategy.Config) { s.MinReports = 2 }
	f := newFixture(t, two)
	a, pa := f.join(t)
	f.join(t)
	if got := f.State().Abandoned; got != nil {
		t.Errorf("before anything was given up: %+v", got)
	}
	f.offer(a, pa, f.contribution(last[*protocol.Order](pa), 1, 10))
	f.env.advance(2 * time.Minute)
	got := f.State().Abandoned
	if got == nil || got.After <= 0 {
		t.Fatalf("after the deadline %+v", got)
	}
	want := Abandoned{Round: 1, Times: 1, After: got.After, Reason: "1 of 2 contributions, 2 needed", Few: strategy.Few{Answers: 1, Asked: 2, Needed: 2, TimeUp: true}}
	if *got != want {
		t.Errorf("after the deadline %+v, want %+v", *got, want)
	}

	f = newFixture(t, two)
	a, pa = f.join(t)
	b, pb := f.join(t)
	for times := 1; times <= 2; times++ {
		f.offer(a, pa, f.contribution(last[*protocol.Order](pa), 1, 10))
		f.Leave(b, pb, Done)
		if got := f.State().Abandoned; got == nil || got.Times != times || got.Few.TimeUp {
			t.Errorf("after one has left %d times %+v, want as many, and not for want of time", times, got)
		}
		b, pb = f.join(t)
		f.env.advance(10 * time.Second)
	}
	f.offer(a, pa, f.contribution(last[*protocol.Order](pa), 1, 10))
	f.offer(b, pb, f.contribution(last[*protocol.Order](pb), 1, 10))
	if v, _, _ := f.Model(); v != 1 {
		t.Fatalf("version %d, want 1", v)
	}
	if got := f.State().Abandoned; got != nil {
		t.Errorf("after a version %+v", got)
	}
}

// guarded is a run of two whose test loss is the model's first parameter.
func guarded(t *testing.T, edit func(*Config, *strategy.Config)) *fixture {
	return newFixture(t, func(c *Config, s *strategy.Config) {
		s.Guard = 2
		c.Evaluate = func(params []float32) learn.Metrics { return measured(10 + float64(params[0])) }
		c.Judge = c.Evaluate
		if edit != nil {
			edit(c, s)
		}
	})
}

// A version whose test loss jumps is rolled back: the event is logged, its
// participants are told, and the run continues from the base at half the rate.
func TestGuardRollsBack(t *testing.T) {
	f := guarded(t, nil)
	a, pa := f.join(t)
	b, pb := f.join(t)
	round := func(value float32) {
		f.offer(a, pa, f.contribution(last[*protocol.Order](pa), value, 10))
		f.offer(b, pb, f.contribution(last[*protocol.Order](pb), value, 10))
	}
	_, before, base := f.Model()
	round(60)
	if v, hash, _ := f.Model(); v != 0 || hash != before || len(f.journal.commits) != 0 {
		t.Fatalf("version %d, %d commits; want the base still", v, len(f.journal.commits))
	}
	if got := f.State().Ledger.RolledBack; got != 1 {
		t.Errorf("%d rolled back, want 1", got)
	}
	f.Flush()
	if !slices.Contains(f.journal.kinds, "rolled back") {
		t.Errorf("the event log has %v", f.journal.kinds)
	}
	if ack := last[*protocol.Ack](pa); ack.Reason != protocol.ReasonAbandoned {
		t.Errorf("the participant's answer is acknowledged with %v", ack.Reason)
	}
	first := last[*protocol.Order](pa).Order
	f.env.advance(time.Second)
	if o := last[*protocol.Order](pa); o.Order == first || o.Base != 0 {
		t.Fatalf("no new order on version 0: %+v", o)
	}
	round(1)
	v, _, params := f.Model()
	if v != 1 || params[0] != base[0]+.5 {
		t.Errorf("version %d with %g, want 1 with %g: half the mean", v, params[0], base[0]+.5)
	}
	if rec := f.Rounds()[0]; rec.Rate != .05 || rec.Test == nil || rec.Test.Loss != 10+float64(params[0]) {
		t.Errorf("record %+v, want rate .05 and its test loss", rec)
	}
	round(60) // jumps from about 10 to about 40
	if v, _, _ := f.Model(); v != 1 || f.State().Ledger.RolledBack != 2 {
		t.Errorf("version %d, %d rolled back; want 1 and 2", v, f.State().Ledger.RolledBack)
	}
}

// broken is a strategy whose first commit has no finite result.
type broken struct {
	strategy.Strategy
	left int
}

type notFinite struct{ combine.Plan }

func (p notFinite) Combine(v *combine.Vectors) error {
	v.State["momentum"] = v.Base
	err := p.Plan.Combine(v)
	v.Next[len(v.Next)-1] = float32(math.Inf(1))
	return err
}

func (s *broken) Step(e strategy.Event) []strategy.Effect {
	effects := s.Strategy.Step(e)
	for i, effect := range effects {
		if c, ok := effect.(strategy.Commit); ok && s.left > 0 {
			s.left--
			c.Plan = notFinite{c.Plan}
			effects[i] = c
		}
	}
	return effects
}

// A result with NaN or infinity is rolled back, with and without a guard, and the
// server's state stays that of the base.
func TestNotFiniteRollsBack(t *testing.T) {
	f := newFixture(t, nil)
	f.cfg.Strategy = &broken{f.cfg.Strategy, 1}
	a, pa := f.join(t)
	b, pb := f.join(t)
	for attempt := range 2 {
		f.offer(a, pa, f.contribution(last[*protocol.Order](pa), 1, 10))
		f.offer(b, pb, f.contribution(last[*protocol.Order](pb), 1, 10))
		if v, _, _ := f.Model(); v != uint64(attempt) {
			t.Fatalf("attempt %d: version %d", attempt+1, v)
		}
		f.env.advance(time.Second)
	}
	if len(f.journal.commits) != 1 || len(f.journal.commits[0].State) != 0 {
		t.Errorf("%d commits, state %v", len(f.journal.commits), f.journal.commits[0].State)
	}
}

// Every client whose answer was in a version that is rolled back is told so, also
// where each order has a number of its own: it would keep the answer as part of the
// version of that number.
func TestRollBackReleasesEveryOrder(t *testing.T) {
	f := newFixture(t, func(_ *Config, s *strategy.Config) {
		*s = strategy.Config{Kind: "fedbuff", LR: .1, Own: strategy.FedBuffSettings{Buffer: 2}}
	})
	f.cfg.Strategy = &broken{f.cfg.Strategy, 1}
	a, pa := f.join(t)
	b, pb := f.join(t)
	orders := map[*fakePeer]uint64{pa: last[*protocol.Order](pa).Order, pb: last[*protocol.Order](pb).Order}
	f.offer(a, pa, f.contribution(last[*protocol.Order](pa), 1, 10))
	f.offer(b, pb, f.contribution(last[*protocol.Order](pb), 1, 10))
	for p, order := range orders {
		released := slices.ContainsFunc(all[*protocol.Ack](p), func(a *protocol.Ack) bool {
			return a.Order == order && a.Reason == protocol.ReasonAbandoned
		})
		if !released {
			t.Errorf("the answer to order %d is not released: %+v", order, all[*protocol.Ack](p))
		}
	}
}

// The ledger's accounts add up: kinds to the total, clients to the rounds, rounds
// to no more than the run.
func TestLedgerAddsUp(t *testing.T) {
	f := newFixture(t, nil)
	a, pa := f.join(t)
	b, pb := f.join(t)
	for range 3 {
		f.Receive(a, pa, &protocol.Progress{Order: last[*protocol.Order](pa).Order})
		f.offer(a, pa, f.contribution(last[*protocol.Order](pa), 1, 10))
		f.offer(b, pb, f.contribution(last[*protocol.Order](pb), 1, 10))
	}
	f.Charge(a, pa, 77)
	l := f.State().Ledger
	kinds := func(traffic Traffic) (up, down int64) {
		for _, k := range traffic.Kinds {
			up, down = up+k.Up, down+k.Down
		}
		return up, down
	}
	if up, down := kinds(l.Traffic); up != l.Up || down != l.Down {
		t.Errorf("kinds add up to %d and %d, the ledger has %d and %d", up, down, l.Up, l.Down)
	}
	for _, k := range []protocol.Kind{protocol.KindContribution, protocol.KindHello, protocol.KindProgress, 0} {
		if l.Kinds[k].Up == 0 {
			t.Errorf("nothing of kind %v went up", k)
		}
	}
	var rounds Traffic
	for i, c := range f.journal.commits {
		var sum Traffic
		for _, ct := range c.Clients {
			sum.Add(&ct.Traffic)
		}
		tr := c.Traffic
		if sum != tr {
			t.Errorf("commit %d: clients add up to %+v, the round has %+v", i+1, sum, tr)
		}
		if up, down := kinds(tr); up != tr.Up || down != tr.Down {
			t.Errorf("commit %d: kinds add up to %d and %d, the round has %d and %d", i+1, up, down, tr.Up, tr.Down)
		}
		rounds.Add(&tr)
	}
	if rounds.ModelsUp != 6 || l.ModelsUp != 6 || rounds.ModelsDown != 4 || l.ModelsDown != 6 { // those of the fourth round have left
		t.Errorf("%d and %d models in three rounds, %d and %d in all", rounds.ModelsUp, rounds.ModelsDown, l.ModelsUp, l.ModelsDown)
	}
	if rounds.Up > l.Up || rounds.Down > l.Down {
		t.Errorf("the rounds have %+v, the run %+v", rounds, l)
	}
}

// A violator that loses its socket between its offer and the resolution gets the mean
// of the balancing set after its resume, and again until it reports progress on it.
// Otherwise balancing would not keep the global mean.
func TestBalancedModelIsNotLost(t *testing.T) {
	f, n, p := dynamic(t)
	f.offer(n[0], p[0], f.contribution(last[*protocol.Order](p[0]), 16, 10))
	f.offer(n[2], p[2], f.contribution(last[*protocol.Order](p[2]), -15, 10))
	f.Leave(n[0], p[0], Lost) // its socket
	f.env.advance(time.Second)
	mean := last[*protocol.Order](p[2]).Start
	if mean == nil {
		t.Fatal("no resolution")
	}
	back := func() *protocol.Order {
		t.Helper()
		p[0] = &fakePeer{}
		if _, ok := f.Join(&hello, n[0], p[0]); !ok {
			t.Fatal("cannot come back")
		}
		return last[*protocol.Order](p[0])
	}
	for i := range 2 { // the first delivery may be lost too
		o := back()
		if !slices.Equal(o.Start, mean) {
			t.Fatalf("return %d: the order starts from %x, want the mean %x", i, o.Start, mean)
		}
		if m := last[*protocol.Model](p[0]); m == nil || !slices.Equal(m.Hash, mean) {
			t.Fatalf("return %d: the mean does not come with the order", i)
		}
		f.Leave(n[0], p[0], Lost)
	}
	o := back()
	if err := f.Receive(n[0], p[0], &protocol.Progress{Order: o.Order}); err != nil {
		t.Fatal(err)
	}
	if o := back(); o.Start != nil || last[*protocol.Model](p[0]) != nil {
		t.Error("a participant that trains on the mean is made to begin again")
	}
}

// dynamic is a run of three by dynamic averaging.
func dynamic(t *testing.T) (f *fixture, n [3]uint32, p [3]*fakePeer) {
	f = newFixture(t, func(_ *Config, s *strategy.Config) {
		*s = strategy.Config{Kind: "dynamic", Batches: 4, LR: .1, MinClients: 3, Deadline: time.Minute, Own: strategy.DynamicSettings{Delta: 100, Augment: 1, FullShare: 1}}
	})
	for i := range n {
		n[i], p[i] = f.join(t)
	}
	return f, n, p
}

// Balancing through the run: a fetch, the mean as a model to start from, new
// orders, and no version.
func TestDynamicBalancing(t *testing.T) {
	f, n, p := dynamic(t)
	o := last[*protocol.Order](p[0])
	if o.Kind != protocol.OrderMonitor || o.Hyper.Delta != 100 || !o.Hyper.Stream || len(o.Start) != 0 {
		t.Fatalf("order %+v", o)
	}
	_, version, base := f.Model()
	if got := f.offer(n[0], p[0], f.contribution(o, 16, 10)); got != protocol.ReasonAccepted { // 6 x 16^2 > 100
		t.Fatal(got)
	}
	f.env.advance(time.Second)
	var other int
	for i := range n {
		if last[*protocol.Fetch](p[i]) != nil {
			other = i
		}
	}
	if other == 0 || len(all[*protocol.Model](p[0])) != 0 {
		t.Fatal("want a fetch from one of the others, and no model yet")
	}
	if got := f.offer(n[other], p[other], f.contribution(last[*protocol.Order](p[other]), -16, 5)); got != protocol.ReasonAccepted {
		t.Fatal(got)
	}
	// The mean is 16/3: 6 x 28 > 100. The set holds all three.
	third := 3 - other
	if last[*protocol.Fetch](p[third]) == nil {
		t.Fatal("want the third to be fetched")
	}
	f.Receive(n[third], p[third], &protocol.Decline{Order: last[*protocol.Order](p[third]).Order, Reason: protocol.ReasonNoData})
	if v, _, params := f.Model(); v != 1 || math.Abs(float64(params[0]-base[0]-16./3)) > 1e-6 {
		t.Fatalf("version %d with a step of %g, want the mean of the two", v, params[0]-base[0])
	}

	f, n, p = dynamic(t)
	f.offer(n[0], p[0], f.contribution(last[*protocol.Order](p[0]), 16, 10))
	f.offer(n[2], p[2], f.contribution(last[*protocol.Order](p[2]), -15, 10))
	old := last[*protocol.Order](p[0]).Order
	f.env.advance(time.Second)
	if v, hash, _ := f.Model(); v != 0 || hash != version {
		t.Fatalf("balancing made version %d", v)
	}
	for _, i := range []int{0, 2} {
		m, o := last[*protocol.Model](p[i]), last[*protocol.Order](p[i])
		if m == nil || m.Version != m.Base || m.Vectors[0].Role != protocol.RoleDelta || o.Order <= old || o.Base != 0 || !bytes.Equal(o.Start, m.Hash) {
			t.Fatalf("client %d: model %+v, order %+v", i, m, o)
		}
		delta := make([]float32, f.n)
		if err := compress.Decode(m.Vectors[0].Codec, delta, m.Vectors[0].Block); err != nil || delta[0] != .5 {
			t.Errorf("client %d: a mean of %g, %v; want .5", i, delta[0], err)
		}
	}
	if last[*protocol.Model](p[1]) != nil || f.Stats().Kept != 0 {
		t.Errorf("the third got %v, %d models are kept", last[*protocol.Model](p[1]), f.Stats().Kept)
	}
}

// Kept contributions are released when the run ends.
func TestKeptIsReleased(t *testing.T) {
	f, n, p := dynamic(t)
	f.offer(n[0], p[0], f.contribution(last[*protocol.Order](p[0]), 16, 10))
	if f.Stats().Kept != 1 {
		t.Fatalf("%d kept, want 1", f.Stats().Kept)
	}
	f.End("enough")
	if s := f.Stats(); s.Kept != 0 || s.Offers != 0 || s.Timers != 0 {
		t.Errorf("after the end: %+v", s)
	}

	// Daisy: the models of a leg are means until the next one, and none is left
	// after the version.
	f = newFixture(t, func(_ *Config, s *strategy.Config) {
		*s = strategy.Config{Kind: "daisy", LR: .1, MinClients: 3, Deadline: time.Minute, Own: strategy.DaisySettings{AverageEvery: 2}}
	})
	for i := range n {
		n[i], p[i] = f.join(t)
	}
	for leg := range 2 {
		for i := range n {
			o := last[*protocol.Order](p[i])
			if leg == 1 && !bytes.Equal(o.Start, last[*protocol.Model](p[i]).Hash) {
				t.Errorf("leg 2: client %d starts from %x", i, o.Start)
			}
			f.offer(n[i], p[i], f.contribution(o, float32(i), 10))
		}
		if want := []int{3, 0}[leg]; f.Stats().Kept != want {
			t.Errorf("after leg %d %d models are kept, want %d", leg+1, f.Stats().Kept, want)
		}
	}
	if v, _, _ := f.Model(); v != 1 {
		t.Errorf("version %d after two legs", v)
	}
}

// FedBuff: an answer is a delta against the version of its order, which may be old.
// Its acknowledgement names the version that will contain it.
func TestFedBuffOldBase(t *testing.T) {
	f := newFixture(t, func(_ *Config, s *strategy.Config) {
		*s = strategy.Config{Kind: "fedbuff", LR: .1, Own: strategy.FedBuffSettings{Buffer: 1}}
	})
	a, pa := f.join(t)
	b, pb := f.join(t)
	straggler := last[*protocol.Order](pa)
	if straggler == nil || straggler.Round != 0 {
		t.Fatalf("order %+v, want one without a round", straggler)
	}
	for i := range 3 {
		o := last[*protocol.Order](pb)
		if got := f.offer(b, pb, f.contribution(o, 1, 10)); got != protocol.ReasonAccepted {
			t.Fatal(got)
		}
		if ack := all[*protocol.Ack](pb)[i]; ack.Round != uint64(i+1) {
			t.Errorf("answer %d is acknowledged for version %d, want %d", i+1, ack.Round, i+1)
		}
	}
	v, _, before := f.Model()
	if v != 3 {
		t.Fatalf("version %d, want 3", v)
	}
	if got := f.offer(a, pa, f.contribution(straggler, 1, 10)); got != protocol.ReasonAccepted {
		t.Fatalf("the straggler's answer: %v", got)
	}
	// (1 + 3)^-1/2 of a delta of 1.
	if v, _, after := f.Model(); v != 4 || math.Abs(float64(after[0]-before[0]-.5)) > 1e-5 {
		t.Errorf("version %d with a step of %g, want 4 with .5", v, after[0]-before[0])
	}
	// During the write of a version, answers are for the next one.
	f.env.hold = true
	f.offer(a, pa, f.contribution(last[*protocol.Order](pa), 1, 10))
	f.offer(b, pb, f.contribution(last[*protocol.Order](pb), 1, 10))
	if x, y := last[*protocol.Ack](pa).Round, last[*protocol.Ack](pb).Round; x != 5 || y != 6 {
		t.Errorf("acknowledged for versions %d and %d, want 5 and 6", x, y)
	}
	for f.env.hold || len(f.env.held) > 0 {
		f.env.release()
	}
	if v, _, _ := f.Model(); v != 6 {
		t.Errorf("version %d, want 6", v)
	}
}

// The training loss of a contribution is in the version that the contribution is
// part of: FedBuff accepts answers to the next version during a commit.
func TestFedBuffTrainLoss(t *testing.T) {
	f := newFixture(t, func(_ *Config, s *strategy.Config) {
		*s = strategy.Config{Kind: "fedbuff", LR: .1, MinClients: 2, Own: strategy.FedBuffSettings{Buffer: 1}}
	})
	a, pa := f.join(t)
	b, pb := f.join(t)
	f.env.hold = true
	f.offerMetrics(t, a, pa, 1)
	f.offerMetrics(t, b, pb, 9)
	for f.env.hold || len(f.env.held) > 0 {
		f.env.release()
	}
	trainLosses(t, f, 1, 9)
	f.Flush()
	rounds := map[uint32]uint64{}
	for _, e := range f.journal.entries {
		if e.Kind == "accepted" {
			rounds[e.Participant] = e.Round
		}
	}
	if rounds[a] != 1 || rounds[b] != 2 {
		t.Errorf("the event log has them in rounds %d and %d, want 1 and 2", rounds[a], rounds[b])
	}
}

// A model that is passed on or averaged for some clients is in no version, and
// neither is its training loss. A model in a robust combiner is.
func TestKeptTrainLoss(t *testing.T) {
	for _, c := range []struct {
		name   string
		config strategy.Config
		rounds [][]float64 // training losses of the clients
		want   []float64
	}{
		{"daisy", strategy.Config{Kind: "daisy", Epochs: 1, LR: .1, Deadline: time.Minute, Own: strategy.DaisySettings{AverageEvery: 2}}, [][]float64{{100, 200}, {1, 3}}, []float64{2}},
		{"median", strategy.Config{Kind: "fedavg", Fraction: 1, Combine: "median", LR: .1, MinClients: 3}, [][]float64{{1, 2, 3}, {5, 6, 7}}, []float64{2, 6}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, func(_ *Config, s *strategy.Config) { *s = c.config })
			var numbers []uint32
			var peers []*fakePeer
			for range c.rounds[0] {
				n, p := f.join(t)
				numbers, peers = append(numbers, n), append(peers, p)
			}
			for _, losses := range c.rounds {
				for i, loss := range losses {
					f.offerMetrics(t, numbers[i], peers[i], loss)
				}
			}
			trainLosses(t, f, c.want...)
		})
	}
}

// offerMetrics answers the last order with a mean training loss over 10 examples.
func (f *fixture) offerMetrics(t *testing.T, n uint32, p *fakePeer, loss float64) {
	t.Helper()
	c := f.contribution(last[*protocol.Order](p), 1, 10)
	c.Metrics.LossSum, c.Metrics.Examples = 10*loss, 10
	if got := f.offer(n, p, c); got != protocol.ReasonAccepted {
		t.Fatal(got)
	}
}

// trainLosses compares the training losses of the versions made so far.
func trainLosses(t *testing.T, f *fixture, want ...float64) {
	t.Helper()
	var got []float64
	for _, rec := range f.Rounds() {
		got = append(got, rec.TrainLoss)
	}
	if !slices.Equal(got, want) {
		t.Errorf("training losses of the versions: %v, want %v", got, want)
	}
}

// A complete contribution that is late is counted in the ledger.
func TestLateIsCounted(t *testing.T) {
	f := newFixture(t, nil)
	a, pa := f.join(t)
	b, pb := f.join(t)
	late := f.contribution(last[*protocol.Order](pa), 1, 10)
	f.offer(a, pa, f.contribution(last[*protocol.Order](pa), 1, 10))
	f.offer(b, pb, f.contribution(last[*protocol.Order](pb), 1, 10))
	before := f.State().Ledger
	if f.Announce(a, pa, late) {
		t.Fatal("it is wanted")
	}
	after := f.State().Ledger
	if up := after.Kinds[protocol.KindContribution].Up - before.Kinds[protocol.KindContribution].Up; up != protocol.WireSize(late, true) || after.ModelsUp != before.ModelsUp+1 {
		t.Errorf("%d bytes and %d models are counted", up, after.ModelsUp-before.ModelsUp)
	}
}
