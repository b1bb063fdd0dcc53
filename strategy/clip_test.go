package strategy

import (
	"math"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

func clipOf(norm float64) clip { return newClip(Config{}, Setup{Norm: norm}, 1) }

// The estimate finds the median of the norms from far above and far below, and follows
// it; few honest contributions are scaled down then.
func TestClipFindsTheMedian(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := math.Pow(10, rapid.Float64Range(-3, 3).Draw(t, "start"))
		median := math.Pow(10, rapid.Float64Range(-3, 3).Draw(t, "median"))
		k := clipOf(start)
		for range 40 {
			for i := range 9 { // within a factor of 1.5 of the median
				k.factor([]float64{median * math.Pow(1.5, float64(i-4)/4)}, 1, 1)
			}
			k.committed()
		}
		if q := k.estimates[0].q; q < median/1.5 || q > median*1.5 {
			t.Fatalf("estimate %g of a median of %g", q, median)
		}
		if f := k.factor([]float64{median}, 1, 1); f != 1 {
			t.Fatalf("a contribution of the median norm is multiplied by %g", f)
		}
	})
}

// A minority of liars moves the bound by little, whatever their norms, and no
// contribution exceeds it.
func TestClipWithstandsLiars(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := clipOf(30)
		honest := rapid.IntRange(2, 10).Draw(t, "honest")
		liars := rapid.IntRange(0, (honest-1)/2).Draw(t, "liars")
		for range 60 {
			bound := clipFactor * k.estimates[0].q
			for range honest {
				k.factor([]float64{1}, 1, 1)
			}
			for range liars {
				lie := math.Pow(10, rapid.Float64Range(-9, 9).Draw(t, "norm"))
				if f := k.factor([]float64{lie}, 1, 1); f*lie > bound*(1+1e-12) {
					t.Fatalf("a norm of %g counts %g, want at most %g", lie, f*lie, bound)
				}
			}
			k.committed()
		}
		if q := k.estimates[0].q; q < .5 || q > 2 {
			t.Fatalf("with %d liars beside %d of norm 1 the estimate is %g", liars, honest, q)
		}
	})
}

// A contribution of four times the median weight moves the mean no more than one of the
// median weight can.
func TestClipHeavy(t *testing.T) {
	k := clipOf(20)
	q := k.estimates[0].q
	if got, want := k.factor([]float64{100 * q}, 1, 4)*100*q*4, k.factor([]float64{100 * q}, 1, 1)*100*q; math.Abs(got/want-1) > 1e-12 {
		t.Errorf("it moves %g, want %g", got, want)
	}
	if f := k.factor([]float64{q}, 1, .1); f != 1 {
		t.Errorf("a light one is multiplied by %g", f)
	}
}

// The votes of a round may come in any order, and one that is abandoned leaves nothing.
func TestClipVotes(t *testing.T) {
	a, b := clipOf(2), clipOf(2)
	for _, n := range []float64{1, 5, 9} {
		a.factor([]float64{n}, 1, 1)
	}
	for _, n := range []float64{9, 1, 5} {
		b.factor([]float64{n}, 1, 1)
	}
	if x, y := a.afterCommit(), b.afterCommit(); !reflect.DeepEqual(x.estimates, y.estimates) {
		t.Errorf("%+v and %+v after the same votes", x.estimates[0], y.estimates[0])
	}
	a.discard()
	if !reflect.DeepEqual(a.estimates, clipOf(2).estimates) {
		t.Errorf("an abandoned round leaves %+v", a.estimates[0])
	}
	d := stateReader{b: b.afterCommit().append(nil)}
	restored := clipOf(7)
	restored.read(&d)
	if b.committed(); d.end() != nil || !reflect.DeepEqual(restored.estimates, b.estimates) {
		t.Errorf("restored as %+v, want %+v", restored.estimates[0], b.estimates[0])
	}
}

// A contribution that is blamed is taken out, the others are committed, and its sender
// is judged until three answers in a row are good.
func TestBlamed(t *testing.T) {
	s := mustNew(t, Config{Kind: "fedavg", Fraction: 1, MinClients: 3}, Setup{Seed: 1, MinCohort: 2, Live: true})
	join(s, 1, 2, 3)
	steps(s, Opened{1}, Offered{Client: 1, Order: 1, Handle: 1, Weight: 1}, Offered{Client: 2, Order: 1, Handle: 2, Weight: 1}, Offered{Client: 3, Order: 1, Handle: 3, Weight: 1})
	got := steps(s, Blamed{Round: 1, Handles: []Handle{2}})
	c, ok := got[len(got)-1].(Commit)
	if !ok || len(c.Clients) != 2 || c.Clients[0] != 1 || c.Clients[1] != 3 {
		t.Fatalf("without client 2: %+v, want a commit of 1 and 3", got)
	}
	restored := mustNew(t, Config{Kind: "fedavg", Fraction: 1, MinClients: 3}, Setup{Seed: 1, MinCohort: 2, Live: true}).(*rounds)
	if err := restored.Restore(c.Snapshot); err != nil || restored.cohort.quarantined[2] != goodAnswers {
		t.Errorf("after a restart: %v, in quarantine %v", err, restored.cohort.quarantined)
	}
	s.(*rounds).cfg.MinClients = 1
	verdicts := []bool{true, false, true, true, true}
	for i, good := range verdicts {
		steps(s, Committed{Round: uint64(i + 1)})
		round := uint64(i + 2)
		if n := len(orders(steps(s, Opened{round}))); n != 3 {
			t.Fatalf("round %d: %d orders, want one to the client in quarantine too", round, n)
		}
		h := Handle(10 * (i + 1))
		order := s.(*rounds).order
		if got := steps(s, Offered{Client: 2, Order: order, Handle: h, Weight: 1}); names(got) != "Judge " {
			t.Fatalf("round %d: its answer does %q, want to be judged", round, names(got))
		}
		if got := steps(s, Offered{Client: 2, Order: order, Handle: h + 1, Weight: 1}); names(got) != "Reject " {
			t.Fatalf("its second answer does %q", names(got))
		}
		steps(s, Offered{Client: 1, Order: order, Handle: h + 2, Weight: 1})
		if got := names(steps(s, Offered{Client: 3, Order: order, Handle: h + 3, Weight: 1})); got != "Add StopTimer Commit " {
			t.Fatalf("the others' last answer does %q; want that nobody waits", got)
		}
		steps(s, Judged{Client: 2, Good: good})
	}
	if s.(*rounds).cohort.quarantined[2] != 0 {
		t.Error("after three good answers in a row it is still in quarantine")
	}
	steps(s, Committed{Round: 6}, Opened{7})
	if got := names(steps(s, Offered{Client: 2, Order: s.(*rounds).order, Handle: 99, Weight: 1})); got != "Add " {
		t.Errorf("its next answer does %q, want to count", got)
	}
}

// Going back gives up what is open and commits a plan of the run's; the next round
// starts from it.
func TestRewind(t *testing.T) {
	for name, cfg := range map[string]Config{
		"fedavg":  {Kind: "fedavg", Fraction: 1},
		"fedbuff": {Kind: "fedbuff", Own: FedBuffSettings{Buffer: 9}},
		"dynamic": {Kind: "dynamic", Batches: 4},
		"median":  {Kind: "fedavg", Fraction: 1, Combine: "median"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.MinClients = 3
			s := mustNew(t, cfg, Setup{Seed: 1, MinCohort: 2, Live: true})
			join(s, 1, 2, 3)
			os := orders(steps(s, Opened{1}))
			steps(s, Offered{Client: os[0].Client, Order: os[0].Order, Handle: 1, Weight: 1})
			got := steps(s, Rewind{})
			c, ok := got[len(got)-1].(Commit)
			if !ok || c.Round != 1 || len(c.Clients) != 0 {
				t.Fatalf("going back does %q", names(got))
			}
			if names(steps(s, Rewind{})) != "" {
				t.Error("going back again while it is committed does something")
			}
			if got := names(steps(s, Committed{Round: 1})); got != "Open " {
				t.Fatalf("then it does %q", got)
			}
			for _, o := range orders(steps(s, Opened{2})) {
				if o.Base != 1 {
					t.Errorf("%+v, want an order on version 1", o)
				}
			}
		})
	}
}

// A client that answers the first rounds alone does not set the bound for the others.
func TestFirstAnswerAlone(t *testing.T) {
	k := newClip(Config{Clip: "adaptive"}, Setup{Norm: 10}, 1)
	start := k.estimates[0].q
	k.factor([]float64{1000}, 1, 1)
	k.committed()
	if q := k.estimates[0].q; q > 2*start {
		t.Errorf("after one norm of 1,000 the estimate is %g, want at most %g", q, 2*start)
	}
	k.factor([]float64{3}, 1, 1)
	k.factor([]float64{1000}, 1, 1)
	k.committed()
	if q := k.estimates[0].q; q != 3 {
		t.Errorf("the first median is %g, want 3, the lower of two", q)
	}
}
