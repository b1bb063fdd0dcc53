package faults

import (
	"math"
	"slices"

	"fedtab/combine"
	"fedtab/learn"
	"fedtab/protocol"
	"fedtab/run"
	"fedtab/strategy"
)

// witness stands between a run and its strategy. It sees what the strategy is
// told and what it decides, checks that each keeps to what package strategy says
// of the other, and knows by that what has become of every contribution. What it
// expects depends on the shape of the scheme.
type witness struct {
	strategy strategy.Strategy
	life     *life
	shape    shape
	steps    int
	present  map[strategy.ClientID]bool
	left     map[strategy.ClientID]bool
	attempt  *attempt                        // open or being committed, nil between attempts
	orders   map[strategy.ClientID]*ordering // of those present, where each has orders of its own

	refused  map[key]bool    // orders that were declined in this life, or got a broken answer
	was      map[key]bool    // answers that have been accepted in this life
	accepted map[key]*answer // of these: what the next version will be made of, or what is kept to look at
	counting map[key]*answer // what the version is made of that is being committed
	fresh    *answer         // accepted in this very step
	handles  map[strategy.Handle]key
	means    map[strategy.MeanID]*meanOf

	forgotten []*meanOf // in this very step

	abandoned  int64
	rolledBack int64
	backoff    backoff // of the rate
	adds       int     // that are announced for the attempt
}

// attempt is one try at a round, as far as one life of the coordinator knows.
type attempt struct {
	strategy.Open
	opened     bool // its cohort is durable
	reopened   bool // it is from an earlier life
	rewriting  bool // it is being written down once more, and goes on meanwhile
	committing bool
	clients    []strategy.ClientID        // of the commit
	declined   map[strategy.ClientID]bool // has refused, or given a broken answer
}

// ordering is an order that one client has.
type ordering struct {
	strategy.Order
	declined bool
}

// answer is a contribution that was accepted.
type answer struct {
	run.Contribution
	base    uint64
	steps   uint64
	vectors [][]float32
	handle  strategy.Handle
	kept    bool
}

// meanOf is a mean of answers.
type meanOf struct {
	answers []*answer
	weights []float64
	delta   []float32 // once it is needed
	hash    [32]byte  // of the model
	norm2   float64
	sent    int  // to how many
	told    bool // the strategy knows its norm
}

func newWitness(s strategy.Strategy, l *life) *witness {
	return &witness{
		strategy: s, life: l, shape: l.world.scheme.Shape, backoff: l.world.backoff,
		present: map[strategy.ClientID]bool{}, left: map[strategy.ClientID]bool{}, orders: map[strategy.ClientID]*ordering{},
		refused: map[key]bool{}, was: map[key]bool{}, accepted: map[key]*answer{}, handles: map[strategy.Handle]key{}, means: map[strategy.MeanID]*meanOf{},
	}
}

// Restore implements strategy.Strategy.
func (w *witness) Restore(snapshot []byte) error { return w.strategy.Restore(snapshot) }

// Step implements strategy.Strategy.
func (w *witness) Step(e strategy.Event) []strategy.Effect {
	w.forgotten = w.forgotten[:0]
	w.told(e)
	effects := w.strategy.Step(e)
	offered, settled := strategy.Handle(0), 0
	if o, ok := e.(strategy.Offered); ok {
		offered = o.Handle
	}
	for _, effect := range effects {
		switch f := effect.(type) {
		case strategy.Open:
			w.open(f, false)
		case strategy.Order:
			w.order(f)
		case strategy.Fetch:
			if o := w.orders[f.Client]; w.shape != monitored || o == nil || o.Order.Order != f.Order {
				w.violated("only who has an order is fetched", "participant %d is by order %d, and has %+v", f.Client, f.Order, o)
			}
		case strategy.Size:
			w.adds = f.Adds
		case strategy.Add:
			if f.Handle == offered && settled == 0 {
				settled++
				w.accept(e, false)
			} else if a := w.keptBehind(f.Handle); a != nil {
				a.kept = false
			}
		case strategy.Keep:
			if f.Handle != offered {
				w.violated("a contribution is settled once", "handle %d is kept when %d is offered", f.Handle, offered)
			}
			settled++
			w.accept(e, true)
		case strategy.Drop:
			if a := w.keptBehind(f.Handle); a != nil {
				delete(w.accepted, key{a.Participant, a.Contribution.Order})
				delete(w.handles, f.Handle)
			}
		case strategy.Reject:
			if f.Handle != offered {
				w.violated("a contribution is settled once", "handle %d is rejected when %d is offered", f.Handle, offered)
			}
			settled++
		case strategy.Mean:
			w.mean(f)
		case strategy.Forget:
			if w.means[f.Mean] == nil {
				w.violated("only what is kept is forgotten", "mean %d is, and there is none", f.Mean)
			}
			w.forgotten = append(w.forgotten, w.means[f.Mean]) // once the orders before it are sent
			delete(w.means, f.Mean)
		case strategy.Abandon:
			if a := w.attempt; a == nil || a.committing || f.Order != a.Order {
				w.violated("only the open round is abandoned", "order %d is, and %+v is open", f.Order, a)
			}
			w.life.world.note("order %d is abandoned: %s", f.Order, f.Reason)
			w.attempt = nil
			clear(w.accepted)
			clear(w.handles)
			w.abandoned++
			w.life.world.result.Abandoned++
		case strategy.Commit:
			w.commit(f, e)
		}
	}
	if offered != 0 && settled != 1 {
		w.violated("a contribution is settled once", "handle %d is settled %d times", offered, settled)
	}
	return effects
}

func (w *witness) violated(invariant, format string, args ...any) {
	w.life.world.violated(invariant, format, args...)
}

// told checks what the run tells the strategy.
func (w *witness) told(e strategy.Event) {
	w.steps++
	reopened, ok := e.(strategy.Reopened)
	if s := w.life.saved; w.steps == 1 && s != nil && s.Open != nil {
		if !ok {
			w.violated("a crash does not close a round", "order %d was open, and the first the strategy hears is %T", s.Open.Order, e)
			return
		}
		o, was := reopened.Open, s.Open
		if o.Round != was.Round || uint64(o.Order) != was.Order || o.Base != was.Base || !slices.EqualFunc(o.Cohort, was.Cohort, sameClient) {
			w.violated("a crash does not change a round", "%+v was open, and %+v is reopened", *was, o)
		}
		if whole := was.Deadline.Sub(was.Opened); reopened.Remaining < restartGrace || reopened.Remaining > max(whole, restartGrace) {
			w.violated("a crash leaves a round its time", "%v remain of %v, want at least %v and no more than that", reopened.Remaining, whole, restartGrace)
		}
		w.open(o, true)
		return
	}
	switch e := e.(type) {
	case strategy.Joined:
		w.present[e.Client] = true
		delete(w.left, e.Client)
	case strategy.Left:
		delete(w.present, e.Client)
		delete(w.orders, e.Client)
		w.left[e.Client] = true
	case strategy.Reopened:
		w.violated("a round is reopened once, after a restart", "%+v is, in step %d of life %d", e, w.steps, w.life.number)
	case strategy.Opened:
		switch a := w.attempt; {
		case a == nil || a.opened && !a.rewriting || a.Round != e.Round:
			w.violated("opened answers an open", "round %d is, and %+v was asked for", e.Round, a)
		case w.life.world.journal.open == nil || w.life.world.journal.open.Order != uint64(a.Order):
			w.violated("orders wait for the disk", "round %d may begin, and %+v is durable", e.Round, w.life.world.journal.open)
		default:
			a.opened, a.rewriting = true, false
		}
	case strategy.Committed:
		switch a := w.attempt; {
		case a == nil || !a.committing || a.Round != e.Round:
			w.violated("committed answers a commit", "round %d is, and %+v was asked for", e.Round, a)
		case uint64(len(w.life.world.journal.commits)) != e.Round:
			w.violated("versions wait for the disk", "version %d is committed, and %d are durable", e.Round, len(w.life.world.journal.commits))
		}
		w.attempt, w.counting = nil, nil
		w.backoff = w.backoff.committed()
	case strategy.RolledBack:
		a := w.attempt
		if a == nil || !a.committing || a.Round != e.Round || w.life.world.scheme.Config.Guard == 0 {
			w.violated("rolled back answers a commit", "round %d is, and %+v was asked for", e.Round, a)
		}
		w.life.world.note("round %d is rolled back", e.Round)
		w.life.world.result.RolledBack++
		w.attempt, w.counting = nil, nil
		w.rolledBack++
		w.backoff = backoff{halvings: w.backoff.halvings + 1}
	case strategy.Declined:
		if a := w.attempt; a != nil && e.Order == a.Order {
			a.declined[e.Client] = true
		}
		w.refused[key{uint32(e.Client), uint64(e.Order)}] = true
		if o := w.orders[e.Client]; o != nil && o.Order.Order == e.Order {
			o.declined = true
		}
	case strategy.Averaged:
		m := w.means[e.Mean]
		if m == nil {
			return // forgotten meanwhile
		}
		w.compute(m)
		m.told = true
		if m.norm2 != e.Norm2 {
			w.violated("a mean is what it is made of", "mean %d of %d has squared norm %g, want %g", e.Mean, len(m.answers), e.Norm2, m.norm2)
		}
	}
}

func sameClient(c strategy.ClientID, p uint32) bool { return uint32(c) == p }

func (w *witness) open(o strategy.Open, reopened bool) {
	o.Cohort = slices.Clone(o.Cohort)
	switch a := w.attempt; {
	case a == nil:
	case w.shape == monitored && !a.committing && o.Round == a.Round && o.Order > a.Order:
		// A resolution is written down, or everybody begins anew after a restart.
		if !a.reopened {
			a.Open, a.rewriting = o, true
			return
		}
	case w.shape == inLegs && a.opened && !a.committing && o.Round == a.Round && o.Order > a.Order:
		if len(w.accepted) > 0 {
			w.violated("models are handed on", "order %d opens, and %d models of order %d were not", o.Order, len(w.accepted), a.Order)
		}
	default:
		w.violated("one round is open at a time", "order %d opens while order %d is open", o.Order, a.Order)
	}
	if !reopened {
		w.life.world.among[o.Order] = len(w.present)
	}
	w.attempt = &attempt{Open: o, opened: reopened, reopened: reopened, declined: map[strategy.ClientID]bool{}}
}

func (w *witness) order(f strategy.Order) {
	a := w.attempt
	if a == nil || !a.opened || a.committing && w.shape != buffered {
		w.violated("orders are of the open round", "participant %d is given order %d of round %d, and %+v is open", f.Client, f.Order, f.Round, a)
		return
	}
	if w.shape == inRounds || w.shape == inLegs {
		if f.Order != a.Order || f.Round != a.Round || f.Base != a.Base || !slices.Contains(a.Cohort, f.Client) {
			w.violated("orders are of the open round", "participant %d is given order %d of round %d on version %d, and %+v is open", f.Client, f.Order, f.Round, f.Base, a)
		}
		return
	}
	was := w.orders[f.Client]
	switch {
	case !w.present[f.Client]:
		w.violated("orders go to who is there", "participant %d is given order %d", f.Client, f.Order)
	case w.shape == monitored && (f.Round != a.Round || f.Base != a.Base):
		w.violated("orders are of the open round", "participant %d is given order %d of round %d on version %d, and %+v is open", f.Client, f.Order, f.Round, f.Base, a)
	case w.shape == buffered && (f.Round != 0 || f.Base > a.Base):
		w.violated("orders are of no round", "participant %d is given order %d of round %d on version %d, and version %d is the newest", f.Client, f.Order, f.Round, f.Base, a.Base)
	case was != nil && f.Order < was.Order.Order:
		w.violated("order numbers grow", "participant %d is given order %d after order %d", f.Client, f.Order, was.Order.Order)
	case was != nil && f.Order == was.Order.Order && f.Base != was.Base:
		w.violated("the same order asks for the same work", "participant %d is given order %d on version %d, after %d", f.Client, f.Order, f.Base, was.Base)
	case w.shape == monitored && f.Start != 0:
		w.balanced(f)
	}
	if was == nil || f.Order > was.Order.Order {
		w.orders[f.Client] = &ordering{Order: f}
	}
}

// balanced checks a model that a balancing set is given: it is the mean of the
// set, which is within the bound, and this client is one of them.
func (w *witness) balanced(f strategy.Order) {
	m := w.means[f.Start]
	if m == nil || !m.told {
		w.violated("a balanced model is a mean", "participant %d starts from mean %d, of which nothing is known", f.Client, f.Start)
		return
	}
	if !slices.ContainsFunc(m.answers, func(a *answer) bool { return sameClient(f.Client, a.Participant) }) {
		w.violated("a balanced model goes to its set", "participant %d gets mean %d, and is not in it", f.Client, f.Start)
	}
	if delta := w.life.world.scheme.Config.Own.(strategy.DynamicSettings).Delta; m.norm2 > delta {
		w.violated("a balanced model is within the bound", "mean %d is %g from the reference, squared, and %g is allowed", f.Start, m.norm2, delta)
	}
	if m.sent++; m.sent == 1 {
		w.life.world.result.Balanced++
	}
	// sum w |f - mean|^2 = sum w |f - r|^2 - (sum w) |mean - r|^2
	var around, from, weight float64
	for i, a := range m.answers {
		weight += m.weights[i]
		for j, x := range a.vectors[0] {
			around += m.weights[i] * math.Pow(float64(x)-float64(m.delta[j]), 2)
			from += m.weights[i] * float64(x) * float64(x)
		}
	}
	if math.Abs(from-weight*m.norm2-around) > 1e-5*from {
		w.violated("balancing keeps the mean", "around it %g, around the reference %g, between them %g", around, from, weight*m.norm2)
	}
}

// mean checks what a mean is to be made of.
func (w *witness) mean(f strategy.Mean) {
	m := &meanOf{weights: slices.Clone(f.Weights)}
	for i, h := range f.Handles {
		a := w.keptBehind(h)
		if a == nil {
			return
		}
		// What was accepted in this step is not filled in yet; its weight is 1 or
		// the number of examples.
		if w.shape == monitored && a != w.fresh && f.Weights[i] != float64(a.Weight) {
			w.violated("means are weighted by examples", "participant %d's answer of %d counts %g", a.Participant, a.Weight, f.Weights[i])
		}
		m.answers = append(m.answers, a)
	}
	if w.shape == monitored && len(m.answers) != len(w.accepted) {
		w.violated("a balancing set is all that was kept", "%d are in the mean, and %d are kept", len(m.answers), len(w.accepted))
	}
	if w.means[f.Mean] != nil || len(m.answers) == 0 {
		w.violated("a mean is made once", "mean %d of %d is", f.Mean, len(m.answers))
	}
	w.means[f.Mean] = m
}

// compute makes a mean once more.
func (w *witness) compute(m *meanOf) {
	if m.delta != nil {
		return
	}
	var vectors [][]float32
	for _, a := range m.answers {
		vectors = append(vectors, a.vectors[0])
	}
	base := w.life.world.newest()
	m.delta = make([]float32, len(base))
	var err error
	if m.norm2, err = combine.Mean(m.delta, vectors, m.weights); err != nil {
		w.violated("a mean is what it is made of", "%v", err)
	}
	local := make([]float32, len(base))
	for i := range local {
		local[i] = base[i] + m.delta[i]
	}
	m.hash = learn.Hash(local)
}

// keptBehind returns the answer that is kept under a handle.
func (w *witness) keptBehind(h strategy.Handle) *answer {
	a := w.accepted[w.handles[h]]
	if a == nil || !a.kept || a.handle != h {
		w.violated("only what is kept is used", "handle %d is, and is not kept", h)
		return nil
	}
	return a
}

// accept takes down that an answer is accepted, which must be one to an order.
func (w *witness) accept(e strategy.Event, keep bool) {
	o, ok := e.(strategy.Offered)
	if !ok {
		w.violated("only what is offered is added", "%T adds", e)
		return
	}
	a, base := w.attempt, uint64(0)
	switch w.shape {
	case inRounds, inLegs:
		if a == nil || !a.opened || a.committing || o.Order != a.Order || !slices.Contains(a.Cohort, o.Client) {
			w.violated("only answers to the open order are accepted", "participant %d's to order %d is, and %+v is open", o.Client, o.Order, a)
			return
		}
		base = a.Base
	case monitored, buffered:
		has := w.orders[o.Client]
		if has == nil || has.Order.Order != o.Order || w.shape == monitored && (a == nil || !a.opened || a.committing) {
			w.violated("only answers to orders are accepted", "participant %d's to order %d is, which has %+v, and %+v is open", o.Client, o.Order, has, a)
			return
		}
		base = has.Base
	}
	k := key{uint32(o.Client), uint64(o.Order)}
	if w.was[k] {
		w.violated("no contribution is counted twice", "participant %d's answer to order %d is accepted again", o.Client, o.Order)
	}
	w.fresh = &answer{base: base, handle: o.Handle, kept: keep}
	w.fresh.Participant, w.fresh.Contribution.Order = k.participant, k.order
	w.was[k], w.accepted[k] = true, w.fresh
	if keep {
		w.handles[o.Handle] = k
	}
}

func (w *witness) commit(c strategy.Commit, e strategy.Event) {
	a := w.attempt
	if a == nil || a.committing || c.Round != a.Round || c.Base != a.Base {
		w.violated("only the open round is committed", "round %d is, and %+v is open", c.Round, a)
		return
	}
	a.committing, a.clients = true, slices.Clone(c.Clients)
	kept := 0
	for _, k := range w.accepted {
		if k.kept {
			kept++
		}
	}
	for _, h := range c.Kept {
		w.keptBehind(h)
	}
	if kept != len(c.Kept) {
		w.violated("every accepted contribution counts", "version %d is made of %d models, and %d are kept", c.Round, len(c.Kept), kept)
	}
	if n := len(w.accepted); w.shape == buffered {
		buffer := w.life.world.scheme.Config.Own.(strategy.FedBuffSettings).Buffer
		// More only if they came while the version before was being made.
		if _, opened := e.(strategy.Opened); n < buffer || n > buffer && !opened {
			w.violated("a full buffer makes a version", "version %d is made of %d answers, want %d", c.Round, n, buffer)
		}
	}
	w.counting, w.accepted = w.accepted, map[key]*answer{}
	clear(w.handles)
	w.life.world.note("round %d is to be committed, of %v", c.Round, c.Clients)
}

// checkKept: nothing is kept that nobody needs any more.
func (w *witness) checkKept(s run.Stats, finished bool) {
	if finished {
		if s.Kept != 0 {
			w.violated("memory does not grow", "%d models are kept after the end", s.Kept)
		}
		return
	}
	kept, committed := 0, 0
	for _, a := range w.accepted {
		if a.kept {
			kept++
		}
	}
	for _, a := range w.counting {
		if a.kept {
			committed++ // until the sums are complete
		}
	}
	least := kept + len(w.means)
	if s.Kept < least || s.Kept > least+committed {
		w.violated("memory does not grow", "%d models and means are kept, want %d", s.Kept, least)
	}
	most, means := 0, 0
	a := w.attempt
	switch w.shape {
	case inRounds, inLegs:
		if a != nil {
			most = len(a.Cohort)
		}
		if w.shape == inLegs {
			means = 2 * mostPresent(w)
		}
	case monitored:
		most, means = len(w.present), 1
	case buffered:
		if a != nil && (!a.opened || a.committing) {
			most = mostPresent(w)
		}
	}
	if kept > most || len(w.means) > means {
		w.violated("memory does not grow", "%d models and %d means are kept, want at most %d and %d", kept, len(w.means), most, means)
	}
}

// mostPresent is more than participants ever are at a time, those included who
// have just left.
func mostPresent(w *witness) int { return 3 * len(w.life.world.participants) }

// rightAnswers are the answers that a participant may get to an honest
// contribution which arrives now.
func (l *life) rightAnswers(number uint32, m *protocol.Contribution) []protocol.Reason {
	w, a, id := l.witness, l.witness.attempt, strategy.ClientID(number)
	k := key{number, m.Order}
	state := l.run.State()
	late := []protocol.Reason{protocol.ReasonLate}
	if state.Finished != "" || m.Round != 0 && m.Round <= state.Version {
		return late
	}
	if w.shape == monitored || w.shape == buffered {
		o := w.orders[id]
		open := a != nil && a.opened && !a.committing || w.shape == buffered
		switch {
		case o == nil || uint64(o.Order.Order) != m.Order || !open || w.was[k]:
			return []protocol.Reason{protocol.ReasonLate, protocol.ReasonUnordered, protocol.ReasonDuplicate}
		case o.declined:
			return []protocol.Reason{protocol.ReasonAccepted, protocol.ReasonDuplicate, protocol.ReasonLate}
		case m.Round == 0 && state.Version >= uint64(l.world.rounds):
			return late // the last is being evaluated
		}
		return []protocol.Reason{protocol.ReasonAccepted}
	}
	if a == nil || m.Order < uint64(a.Order) {
		if w.shape == inLegs {
			// It may not have got its next order, or have left and come back.
			if w.was[k] || w.refused[k] {
				late = append(late, protocol.ReasonDuplicate)
			}
			return append(late, protocol.ReasonUnordered)
		}
		return late
	}
	if m.Order > uint64(a.Order) {
		return nil // nobody was given that order
	}
	if w.was[k] {
		return []protocol.Reason{protocol.ReasonDuplicate}
	}
	right := protocol.ReasonAccepted
	if a.committing {
		right = protocol.ReasonLate
	}
	if a.declined[id] {
		return []protocol.Reason{right, protocol.ReasonDuplicate} // it had its chance, unless it was asked again
	}
	return []protocol.Reason{right}
}
