package strategy

import (
	"flag"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"fedtab/combine"

	"pgregory.net/rapid"
)

// walkers are clients of dynamic averaging that check their condition in
// lock-step, with models of a few float64 values that move at random between the
// checks. They execute the strategy's effects with arithmetic of their own.
type walkers struct {
	t *rapid.T
	s *Dynamic
	r *rand.Rand

	reference []float64
	version   uint64
	present   map[ClientID]*walker
	handles   map[Handle]*walked
	means     map[MeanID]*walkedMean
	timers    map[Timer]bool
	next      Handle
	todo      []Event // what the world owes the strategy, in any order

	late float64 // share of the violations that come at any time of a resolution

	commit   *Commit
	sum      []float64
	weight   float64
	changed  bool // a client has joined or left since the check began
	minimum  int  // fewest clients that were present since then
	synced   bool // all have been synchronised
	fetched  int  // models that were asked for
	balanced int  // clients that got a mean
}

type walker struct {
	f      []float64
	weight float64
	order  OrderID
	base   uint64
}

// walked is the answer of a client.
type walked struct {
	client ClientID
	delta  []float64 // f - r
}

type walkedMean struct {
	clients []ClientID
	mean    []float64 // of f - r
}

func norm2(v []float64) (sum float64) {
	for _, x := range v {
		sum += x * x
	}
	return sum
}

func minus(a, b []float64) []float64 {
	d := make([]float64, len(a))
	for i := range a {
		d[i] = a[i] - b[i]
	}
	return d
}

func (w *walkers) step(e Event) {
	for _, effect := range slices.Clone(w.s.Step(e)) {
		w.do(effect)
	}
}

func (w *walkers) do(effect Effect) {
	switch e := effect.(type) {
	case Open:
		w.todo = append(w.todo, Opened{e.Round})
	case Order:
		c := w.present[e.Client]
		if c == nil || e.Base != w.version {
			w.t.Fatalf("%+v at version %d", e, w.version)
		}
		switch mean := w.means[e.Start]; {
		case e.Start != 0:
			if mean == nil || !slices.Contains(mean.clients, e.Client) {
				w.t.Fatalf("client %d gets mean %d, of which it is no part", e.Client, e.Start)
			}
			w.balanced++
			for i := range c.f {
				c.f[i] = w.reference[i] + mean.mean[i]
			}
		case e.Fresh || c.order == 0 || c.base != e.Base:
			copy(c.f, w.reference)
		}
		c.order, c.base = e.Order, e.Base
	case Fetch:
		w.fetched++
		if !slices.ContainsFunc(w.todo, func(o Event) bool { return answers(o, e.Client) }) { // or its violation is on its way
			w.todo = append(w.todo, w.model(e.Client))
		}
	case Keep:
	case Drop:
		delete(w.handles, e.Handle)
	case Reject:
		if e.Reason != Late || w.late == 0 {
			w.t.Fatalf("%+v of client %d", e, w.handles[e.Handle].client)
		}
		w.changed = true // the model is lost
		delete(w.handles, e.Handle)
	case Mean:
		b := &walkedMean{mean: make([]float64, len(w.reference))}
		var total float64
		for k, h := range e.Handles {
			total += e.Weights[k]
			b.clients = append(b.clients, w.handles[h].client)
			for i, x := range w.handles[h].delta {
				b.mean[i] += e.Weights[k] * x
			}
		}
		for i := range b.mean {
			b.mean[i] /= total
		}
		w.means[e.Mean] = b
		w.todo = append(w.todo, Averaged{e.Mean, norm2(b.mean)})
	case Size: // this one has no limit
	case Forget:
		delete(w.means, e.Mean)
	case Add:
		for i, x := range w.handles[e.Handle].delta {
			w.sum[i] += e.Scale * x
		}
		w.weight += e.Weight
		delete(w.handles, e.Handle)
	case Commit:
		w.commit = &e
		w.todo = append(w.todo, Committed{Round: e.Round})
	case SetTimer:
		w.timers[e.Timer] = true
	case StopTimer:
		delete(w.timers, e.Timer)
	default:
		w.t.Fatalf("%#v", e)
	}
}

// model is the answer of a client to its newest order.
func (w *walkers) model(id ClientID) Offered {
	w.next++
	c := w.present[id]
	w.handles[w.next] = &walked{id, minus(c.f, w.reference)}
	return Offered{Client: id, Order: c.order, Handle: w.next, Weight: c.weight, Steps: 8}
}

// answers says whether an event is an answer of a client's.
func answers(e Event, id ClientID) bool {
	o, ok := e.(Offered)
	return ok && o.Client == id
}

// join adds a client without a model: a new one, or one whose page was reloaded.
func (w *walkers) join(id ClientID) {
	w.present[id] = &walker{f: slices.Clone(w.reference), weight: float64(1 + w.r.IntN(600))}
	w.changed = true
	w.step(Joined{Client: id})
}

func (w *walkers) leave(id ClientID) {
	delete(w.present, id)
	w.todo = slices.DeleteFunc(w.todo, func(e Event) bool {
		if answers(e, id) {
			delete(w.handles, e.(Offered).Handle)
		}
		return answers(e, id)
	})
	w.changed, w.minimum = true, min(w.minimum, len(w.present))
	w.step(Left{id})
}

// comeOrGo lets a client join or leave; two stay.
func (w *walkers) comeOrGo() {
	id := ClientID(1 + w.r.IntN(14))
	if w.present[id] == nil {
		w.join(id)
	} else if len(w.present) > 2 {
		w.leave(id)
	}
}

// one gives the strategy one event that it waits for.
func (w *walkers) one() {
	i := w.r.IntN(len(w.todo))
	e := w.todo[i]
	w.todo = slices.Delete(w.todo, i, i+1)
	if c, ok := e.(Committed); ok {
		if !w.changed && len(w.commit.Clients) != len(w.present) {
			w.t.Fatalf("version %d is of %v, and %d clients are there", c.Round, w.commit.Clients, len(w.present))
		}
		for i, x := range w.sum {
			w.reference[i] += w.commit.Plan.(combine.WeightedMean).ServerLR * x / w.weight
		}
		clear(w.sum)
		w.weight, w.version, w.synced = 0, c.Round, true
	}
	w.step(e)
}

// settle gives the strategy all events that it waits for.
func (w *walkers) settle(churn float64) {
	for {
		switch {
		case len(w.todo) > 0:
			w.one()
		case w.timers[timerGather]:
			delete(w.timers, timerGather)
			w.step(Fired{timerGather})
		default:
			if len(w.timers) > 0 || len(w.handles) > 0 || w.s.phase != dynamicMonitoring {
				w.t.Fatalf("nothing is left to happen in phase %d, with timers %v and %d models kept", w.s.phase, w.timers, len(w.handles))
			}
			return
		}
		if w.r.Float64() < churn {
			w.comeOrGo()
		}
	}
}

// average returns the weighted mean of all models, and the weighted means of
// their squared distances from it and from the reference, and the largest of
// the latter.
func (w *walkers) average() (mean []float64, divergence, distance, farthest float64) {
	mean = make([]float64, len(w.reference))
	var total float64
	ids := slices.Sorted(maps.Keys(w.present))
	for _, id := range ids {
		c := w.present[id]
		total += c.weight
		for i, x := range c.f {
			mean[i] += c.weight * x
		}
	}
	for i := range mean {
		mean[i] /= total
	}
	for _, id := range ids {
		c := w.present[id]
		d := norm2(minus(c.f, w.reference))
		divergence += c.weight / total * norm2(minus(c.f, mean))
		distance += c.weight / total * d
		farthest = max(farthest, d)
	}
	return mean, divergence, distance, farthest
}

// check lets all clients make a step and checks what must hold when all that
// follows from it is done. It returns what that was.
func (w *walkers) check(spread, together, churn float64) (did resolution) {
	common := make([]float64, len(w.reference))
	for i := range common {
		common[i] = together * spread * w.r.NormFloat64()
	}
	var violators []ClientID
	for _, id := range slices.Sorted(maps.Keys(w.present)) {
		c := w.present[id]
		for i := range c.f {
			c.f[i] += common[i] + spread*w.r.NormFloat64()
		}
		if norm2(minus(c.f, w.reference)) > w.s.settings.Delta {
			violators = append(violators, id)
		}
	}
	mean, _, _, _ := w.average()
	w.changed, w.minimum, w.synced, w.fetched, w.balanced = false, len(w.present), false, 0, 0
	m, v := len(w.present), w.s.v+len(violators)
	for _, i := range w.r.Perm(len(violators)) {
		if model := w.model(violators[i]); w.r.Float64() < w.late {
			w.todo = append(w.todo, model)
		} else {
			w.step(model)
		}
	}
	w.settle(churn)

	got, divergence, distance, farthest := w.average()
	const rounding = 1e-9
	tiny := 1e-24 * norm2(got) // what is left of a difference of equal models
	if !(divergence <= distance*(1+rounding)+tiny) || !(distance <= w.s.settings.Delta*(1+rounding)) || !(farthest <= w.s.settings.Delta*(1+rounding)) {
		w.t.Fatalf("%g from the mean, %g and at most %g from the reference, Delta is %g", divergence, distance, farthest, w.s.settings.Delta)
	}
	if w.synced && farthest != 0 {
		w.t.Fatalf("a client is %g from the reference of its version", farthest)
	}
	if w.changed {
		if w.late == 0 && w.s.v != v && !(w.s.v == 0 && w.synced && v >= w.minimum) {
			w.t.Fatalf("v = %d after %d violations of %d clients or more (synchronised: %v)", w.s.v, v, w.minimum, w.synced)
		}
		return resolution{churned: true}
	}
	for i := range mean {
		if !(math.Abs(got[i]-mean[i]) <= rounding*math.Sqrt(norm2(mean))) {
			w.t.Fatalf("the mean of all models has moved from %v to %v", mean, got)
		}
	}
	if w.late > 0 {
		if len(violators) > 0 && w.s.v >= m {
			w.t.Fatalf("v = %d of %d clients, and they are not synchronised", w.s.v, m)
		}
		return resolution{late: true}
	}
	forced := len(violators) > 0 && v >= m
	if forced {
		v = 0
	}
	switch {
	case w.s.v != v:
		w.t.Fatalf("v = %d, want %d of %d clients (synchronised: %v)", w.s.v, v, m, w.synced)
	case forced && !w.synced:
		w.t.Fatalf("as many violations as clients do not synchronise all %d", m)
	case len(violators) == 0 && (w.synced || w.fetched > 0 || w.balanced > 0):
		w.t.Fatal("no client violates, and models travel")
	case len(violators) > 0 && w.synced == (w.balanced > 0):
		w.t.Fatalf("synchronised: %v, balanced: %d of %d", w.synced, w.balanced, m)
	}
	return resolution{
		balanced: w.balanced > 0, augmented: w.balanced > 0 && w.fetched > 0, forced: forced, grown: w.synced && !forced,
	}
}

// resolution is how a check ended.
type resolution struct{ balanced, augmented, forced, grown, churned, late bool }

// The theorems on dynamic averaging (Kamp et al. 2014) hold for the state
// machine, in lock-step, for models and weights of any kind: after each resolved
// check
//
//	sum_i w_i ||f_i - mean||^2 <= sum_i w_i ||f_i - r||^2 <= Delta     (sum_i w_i = 1)
//
// the weighted mean of all models is where it was before, after balancing and
// after synchronising, unless a client has joined or left; and as many violations
// as there are clients synchronise all and are forgotten, while a set that
// has grown to all leaves their number alone.
func TestDynamicInvariants(t *testing.T) {
	before := flag.Lookup("rapid.checks").Value.String()
	flag.Set("rapid.checks", "500")
	defer flag.Set("rapid.checks", before)
	seen := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		cfg := Config{
			Kind: "dynamic", Batches: 8, LR: .1, Own: DynamicSettings{
				Delta:     rapid.SampledFrom([]float64{0, .3, 1, 7}).Draw(t, "delta"),
				Augment:   rapid.SampledFrom([]float64{.3, 1, 2, 5}).Draw(t, "augment"),
				FullShare: rapid.SampledFrom([]float64{.3, .5, .9, 1}).Draw(t, "full share"),
			},
		}
		seed := rapid.Uint64().Draw(t, "seed")
		s, err := New(cfg, Setup{Seed: seed, Live: true})
		if err != nil {
			t.Fatal(err)
		}
		d := rapid.IntRange(1, 4).Draw(t, "values")
		w := &walkers{
			t: t, s: s.(*Dynamic), r: rand.New(rand.NewPCG(seed, 1)), reference: make([]float64, d), sum: make([]float64, d),
			present: map[ClientID]*walker{}, handles: map[Handle]*walked{}, means: map[MeanID]*walkedMean{}, timers: map[Timer]bool{},
		}
		for i := range rapid.IntRange(2, 12).Draw(t, "clients") {
			w.join(ClientID(i + 1))
		}
		w.settle(0)
		churn := rapid.SampledFrom([]float64{0, 0, .05, .3}).Draw(t, "churn")
		w.late = rapid.SampledFrom([]float64{0, 0, .4}).Draw(t, "late")
		spread := rapid.SampledFrom([]float64{.1, .3, 1}).Draw(t, "spread") * math.Sqrt(max(w.s.settings.Delta, .1)/float64(d))
		together := rapid.SampledFrom([]float64{0, .5}).Draw(t, "together") // of a step: what all have in common
		for range 20 {
			if w.r.Float64() < churn {
				w.comeOrGo()
				w.settle(0)
			}
			did := w.check(spread, together, churn)
			for name, was := range map[string]bool{
				"balanced": did.balanced, "augmented": did.augmented, "forced": did.forced, "grown": did.grown, "churned": did.churned, "late": did.late,
			} {
				if was {
					seen[name]++
				}
			}
		}
	})
	t.Log(seen)
	if len(seen) < 6 && !t.Failed() && !testing.Short() { // the short form draws a fifth as often
		t.Errorf("only %v has happened: the test shows nothing", seen)
	}
}
