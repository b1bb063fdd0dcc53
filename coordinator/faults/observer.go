package faults

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"fedtab/run"
	"fedtab/strategy"
)

type clientID = strategy.ClientID

// observer stands between a run and its strategy. It checks by the table of
// transitions what each tells the other, and knows by that what has become of every
// contribution.
type observer struct {
	strategy.Strategy
	process *process
	sim     *sim

	round    state
	open     strategy.Open // newest attempt
	clients  []clientID    // of the commit
	steps    int
	present  map[clientID]bool
	left     map[clientID]bool
	orders   map[clientID]strategy.Order  // newest of each present client
	starts   map[clientID]strategy.MeanID // of the newest order, also of clients that have left
	owed     map[clientID]strategy.Order  // orders that start from a balanced mean, until a client starts from it
	declined map[key]bool
	answered map[key]bool

	pending  map[key]*answer // accepted: what the next version is made of, or what is kept to be looked at
	counting map[key]*answer // what the version is made of that is being committed
	fresh    *answer         // accepted in this step
	kept     map[strategy.Handle]key
	handles  map[strategy.Handle]key   // of every contribution that was accepted
	retaken  map[key]*answer           // of a version whose other contributions were to blame
	means    map[strategy.MeanID]*mean // of this round

	abandoned, rolledBack int64
	backoff               backoff
}

// answer is a contribution that was accepted.
type answer struct {
	run.Contribution
	base    uint64
	steps   uint64
	vectors [][]float32
	kept    bool
	sum     *sum // of several clients, the first of which is Participant; nil: it is of one
}

// mean is a mean of answers.
type mean struct {
	answers   []*answer
	weights   []float64
	delta     []interval // computed when it is needed
	averaged  bool
	forgotten bool
}

// backoff is what rollbacks make of a rate: each halves it, and 20 commits in a row
// without one double it again.
type backoff struct{ halvings, streak int }

func (b backoff) committed() backoff {
	switch {
	case b.halvings == 0:
		return b
	case b.streak == 19:
		return backoff{halvings: b.halvings - 1}
	}
	return backoff{b.halvings, b.streak + 1}
}

func newObserver(st strategy.Strategy, p *process) *observer {
	return &observer{
		Strategy: st, process: p, sim: p.sim, round: closed, backoff: p.sim.backoff,
		present: map[clientID]bool{}, left: map[clientID]bool{}, orders: map[clientID]strategy.Order{}, owed: map[clientID]strategy.Order{}, starts: map[clientID]strategy.MeanID{},
		declined: map[key]bool{}, answered: map[key]bool{}, pending: map[key]*answer{}, kept: map[strategy.Handle]key{}, handles: map[strategy.Handle]key{}, means: map[strategy.MeanID]*mean{},
	}
}

// Step implements strategy.Strategy.
func (o *observer) Step(e strategy.Event) []strategy.Effect {
	o.told(e)
	effects := o.Strategy.Step(e)
	offered, _ := e.(strategy.Offered)
	handle, settled := offered.Handle, 0
	if summed, ok := e.(strategy.Summed); ok {
		handle = summed.Handle
	}
	for _, effect := range effects {
		o.next(strings.TrimPrefix(fmt.Sprintf("%T", effect), "strategy."), effect)
		o.quiet(effect)
		switch f := effect.(type) {
		case strategy.Open:
			o.sim.must(o.sim.shape != inLegs || len(o.pending) == 0, "models are handed on", "order %d opens, and %d models of order %d were not", f.Order, len(o.pending), o.open.Order)
			o.sim.present[f.Order], o.open = len(o.present), f
			o.open.Cohort = slices.Clone(f.Cohort)
		case strategy.Order:
			o.ordered(f)
		case strategy.Add:
			if f.Handle == handle && settled == 0 {
				settled++
				a := o.take(e, false)
				a.Scale, a.Counted = f.Scale, f.Weight
			} else if a := o.use(f.Handle); a != nil {
				a.kept = false
				a.Scale, a.Counted = a.Scale*f.Scale, f.Weight
			}
		case strategy.Keep:
			settled++
			o.take(e, true).Scale = cmp.Or(f.Scale, 1)
		case strategy.Judge:
			settled++
			o.judge(offered)
		case strategy.Reject:
			settled++
		case strategy.Drop:
			if a := o.use(f.Handle); a != nil {
				delete(o.pending, key{a.Participant, a.Contribution.Order})
				delete(o.retaken, key{a.Participant, a.Contribution.Order})
				delete(o.kept, f.Handle)
			}
		case strategy.Mean:
			o.averages(f)
		case strategy.Forget:
			if m := o.means[f.Mean]; m != nil {
				m.forgotten = true
			}
		case strategy.Abandon:
			o.checkGivenUp(f, e)
			o.sim.note("order %d is abandoned: %s", f.Order, f.Reason)
			maps.DeleteFunc(o.pending, func(_ key, a *answer) bool { return o.sim.shape != buffered || !a.kept }) // others came during a commit
			maps.DeleteFunc(o.kept, func(_ strategy.Handle, k key) bool { return o.pending[k] == nil })
			o.retaken = nil
			o.abandoned++
			o.sim.result["abandoned"]++
		case strategy.Commit:
			o.commits(f, e)
		}
	}
	o.sim.must(handle == 0 || settled == 1, "a contribution is settled once", "handle %d is settled %d times", handle, settled)
	return effects
}

// told looks at an event.
func (o *observer) told(e strategy.Event) {
	s, saved := o.sim, o.process.saved
	o.steps++
	r, again := e.(strategy.Reopened)
	if was := o.steps == 1 && saved != nil && saved.Open != nil; was || again {
		o.open = r.Open
		s.must(was && again && r.Open.Round == saved.Open.Round && uint64(r.Open.Order) == saved.Open.Order && r.Open.Base == saved.Open.Base &&
			slices.EqualFunc(r.Open.Cohort, saved.Open.Cohort, same), "a crash does not change a round", "%+v was open, and step %d is %+v", saved, o.steps, e)
		s.must(r.Remaining >= restartGrace && r.Remaining <= max(saved.Open.Deadline.Sub(saved.Open.Opened), restartGrace), "a crash leaves a round its time", "%v remain, want at least %v", r.Remaining, restartGrace)
	}
	o.next(strings.TrimPrefix(fmt.Sprintf("%T", e), "strategy."), e)
	switch e := e.(type) {
	case strategy.Joined:
		o.present[e.Client] = true
		delete(o.left, e.Client)
	case strategy.Left:
		delete(o.present, e.Client)
		delete(o.orders, e.Client)
		delete(o.owed, e.Client)
		o.left[e.Client] = true
	case strategy.Paused:
		clear(o.orders)
		clear(o.owed)
	case strategy.Committed:
		o.counting, o.backoff = nil, o.backoff.committed()
	case strategy.RolledBack:
		s.must(s.Guard == 2, "only a guard rolls back", "round %d is", e.Round)
		s.note("round %d is rolled back", e.Round)
		s.result["rolled back"]++
		o.rolledBack++
		o.counting, o.backoff = nil, backoff{halvings: o.backoff.halvings + 1}
	case strategy.Blamed:
		s.note("round %d: %v are to blame", e.Round, e.Handles)
		s.result["blamed"]++
		if n := len(e.Handles); n > 1 && 4*n > len(o.counting) { // so many that the rate is to blame
			o.backoff = backoff{halvings: o.backoff.halvings + 1}
		}
		o.takeOut(e.Handles)
	case strategy.Masked:
		o.masked(e)
	case strategy.Declined:
		o.declined[key{uint32(e.Client), uint64(e.Order)}] = true
	case strategy.Averaged:
		if m := o.means[e.Mean]; m != nil {
			m.averaged = true
			n := o.compute(m)
			s.must(math.Abs(e.Norm2-n) <= 1e-5*n+1e-30+o.normSlack(n), "a mean is what it is made of", "mean %d has squared norm %g, want %g", e.Mean, e.Norm2, n)
		}
	}
}

// quiet: in a pause no round opens and no order goes out. A scheme without attempts gives a
// round up in a pause only, or if no contribution to its version is left.
func (o *observer) quiet(effect strategy.Effect) {
	paused := o.process.run.State().Paused != ""
	switch e := effect.(type) {
	case strategy.Open, strategy.Order, strategy.Fetch:
		o.sim.must(!paused, "a pause is quiet", "%T %+v", e, e)
	case strategy.Abandon:
		o.sim.must(paused || o.sim.shape&perRound != 0 || o.retaken != nil, "attempts are given up for a reason", "%+v", e)
	}
}

func same(c clientID, p uint32) bool { return uint32(c) == p }

func (o *observer) inCohort(c clientID) bool { return slices.Contains(o.open.Cohort, c) }

func (o *observer) ordered(f strategy.Order) {
	was, again := o.orders[f.Client]
	o.sim.must(o.sim.shape != buffered || f.Round == 0 && f.Base <= o.open.Base, "orders of no round have a durable base", "%+v", f)
	o.sim.must(!again || f.Order > was.Order || f.Order == was.Order && f.Base == was.Base, "order numbers grow", "participant %d is given order %d on version %d after order %d on version %d", f.Client, f.Order, f.Base, was.Order, was.Base)
	if again && f.Order == was.Order {
		return
	}
	o.orders[f.Client] = f
	if f.Start != 0 || f.Fresh || o.sim.shape != monitored {
		o.starts[f.Client] = f.Start
	} // Otherwise a client that has left before it began may get its mean with this order.
	delete(o.owed, f.Client)
	if f.Start == 0 || o.sim.shape != monitored {
		return
	}
	// A balancing set is given its mean, which is within the bound.
	o.owed[f.Client] = f
	m := o.means[f.Start]
	o.sim.must(m != nil && m.averaged && slices.ContainsFunc(m.answers, func(a *answer) bool { return same(f.Client, a.Participant) }) && o.compute(m) <= o.sim.Delta*(1+1e-5)+o.normSlack(o.sim.Delta),
		"a balanced model is the mean of its set", "participant %d starts from mean %d, %+v", f.Client, f.Start, m)
	o.sim.result["balanced"]++
}

// averages checks what a mean is to be made of.
func (o *observer) averages(f strategy.Mean) {
	m, balance := &mean{weights: slices.Clone(f.Weights)}, o.sim.shape == monitored
	for i, h := range f.Handles {
		a := o.use(h)
		if a == nil {
			return
		}
		// An answer that was accepted in this step has no weight yet.
		o.sim.must(!balance || a == o.fresh || f.Weights[i] == float64(a.Weight), "means are weighted by examples", "participant %d's answer of %d counts %g", a.Participant, a.Weight, f.Weights[i])
		m.answers = append(m.answers, a)
	}
	o.sim.must(o.means[f.Mean] == nil && len(m.answers) > 0 && (!balance || len(m.answers) == len(o.pending)), "a balancing set is all that was kept", "%d are in mean %d, and %d are kept", len(m.answers), f.Mean, len(o.pending))
	o.means[f.Mean] = m
}

// compute makes a mean by the reference arithmetic, and returns its squared norm.
func (o *observer) compute(m *mean) (norm2 float64) {
	if m.delta == nil {
		var all []given
		for i, a := range m.answers {
			all = append(all, given{vectors: a.vectors, scale: m.weights[i], count: m.weights[i]})
		}
		m.delta = weightedMean(all, 0, 0)
	}
	for _, x := range m.delta {
		norm2 += x.mid() * x.mid()
	}
	return norm2
}

// normSlack is localSlack of a squared norm.
func (o *observer) normSlack(norm2 float64) float64 {
	slack := o.sim.localSlack(norm2) * math.Sqrt(float64(len(o.sim.initial)))
	return slack * (2*math.Sqrt(norm2) + slack)
}

// use returns the answer that is kept under a handle.
func (o *observer) use(h strategy.Handle) *answer {
	a := cmp.Or(o.pending[o.kept[h]], o.retaken[o.kept[h]])
	o.sim.must(a != nil && a.kept, "only what is kept is used", "handle %d is not", h)
	return a
}

// orderState looks up an order of a participant.
func (o *observer) orderState(k key) orderState {
	newest := uint64(o.orders[clientID(k.participant)].Order)
	if o.sim.shape&perRound != 0 {
		if newest = uint64(o.open.Order); o.round == closed {
			newest = math.MaxUint64
		}
	}
	switch {
	case newest == 0 || k.order > newest:
		return unknown
	case k.order < newest:
		return earlier
	case o.answered[k]:
		return answered
	case o.declined[k]:
		return declined
	}
	return current
}

// take books what the strategy accepts: a contribution, or a sum.
func (o *observer) take(e strategy.Event, keep bool) *answer {
	if e, ok := e.(strategy.Summed); ok {
		return o.takeSum(e, keep)
	}
	offered, _ := e.(strategy.Offered)
	o.accept(offered, keep)
	return o.fresh
}

// accept books a contribution that the strategy accepts.
func (o *observer) accept(e strategy.Offered, keep bool) {
	o.next("Accept", e)
	k := key{uint32(e.Client), uint64(e.Order)}
	o.sim.must(!o.answered[k] && e.Handle != 0, "no contribution is accepted twice", "%+v", e)
	a := &answer{base: o.open.Base, kept: keep}
	if o.sim.shape == buffered {
		a.base = o.orders[e.Client].Base
	}
	a.Participant, a.Contribution.Order = k.participant, k.order
	o.fresh, o.answered[k], o.pending[k] = a, true, a
	o.handles[e.Handle] = k
	if keep {
		o.kept[e.Handle] = k
	}
}

// judge books a contribution that is judged and counts in no version.
func (o *observer) judge(e strategy.Offered) {
	o.next("Accept", e)
	k := key{uint32(e.Client), uint64(e.Order)}
	a := &answer{base: o.open.Base}
	if o.sim.shape == buffered {
		a.base = o.orders[e.Client].Base
	}
	a.Participant, a.Contribution.Order = k.participant, k.order
	o.fresh, o.answered[k] = a, true
}

// takeOut takes the contributions to blame out of the version that is being made; the
// others are retaken.
func (o *observer) takeOut(blamed []strategy.Handle) {
	o.retaken, o.counting = o.counting, nil
	for _, h := range blamed {
		delete(o.retaken, o.handles[h])
	}
	for h, k := range o.handles {
		if a := o.retaken[k]; a != nil && a.kept {
			o.kept[h] = k
		}
	}
}

func (o *observer) commits(c strategy.Commit, e strategy.Event) {
	for _, h := range c.Kept {
		o.use(h)
	}
	_, fewer := e.(strategy.Blamed)
	made := o.pending
	if fewer {
		made = o.retaken
	} else {
		o.pending = map[key]*answer{}
	}
	n, kept, buffer := len(made), keptAnswers(made), o.sim.Buffer
	o.sim.must(kept == len(c.Kept), "every accepted contribution counts", "version %d is made of %d kept models, want %d", c.Round, len(c.Kept), kept)
	// More than a buffer only if they came while the version before was being made.
	_, opened := e.(strategy.Opened)
	o.sim.must(o.sim.shape != buffered || fewer || n == buffer || n > buffer && opened, "a full buffer makes a version", "version %d is made of %d answers, want %d", c.Round, n, buffer)
	o.clients, o.counting, o.retaken = slices.Clone(c.Clients), made, nil
	maps.DeleteFunc(o.kept, func(_ strategy.Handle, k key) bool { return o.pending[k] == nil })
	clear(o.owed)
	maps.DeleteFunc(o.means, func(_ strategy.MeanID, m *mean) bool { return m.forgotten })
	o.sim.note("round %d is to be committed, of %v", c.Round, c.Clients)
}

func keptAnswers(of map[key]*answer) (n int) {
	for _, a := range of {
		if a.kept {
			n++
		}
	}
	return n
}

// checkKept: no model is kept that is not needed any more.
func (o *observer) checkKept(got int, finished bool) {
	kept, counting, means := keptAnswers(o.pending), keptAnswers(o.counting), 0
	for _, m := range o.means {
		if !m.forgotten {
			means++
		}
	}
	if finished {
		kept, counting, means = 0, 0, 0
	}
	everyone := 3 * len(o.sim.peers) // and clients that have just left
	o.sim.must(got >= kept+means && got <= kept+means+counting && kept <= everyone && means <= 2*everyone && (means <= 1 || o.sim.shape != monitored) && (kept == 0 || o.sim.shape != buffered || o.round != collecting),
		"memory does not grow", "%d models and means are kept, want %d and %d, and %d that are being committed", got, kept, means, counting)
}
