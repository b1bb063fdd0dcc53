package faults

import (
	"slices"

	"fedtab/coordinator/run"
	"fedtab/protocol"
	"fedtab/strategy"
)

// witness stands between a run and its strategy. It sees what the strategy is
// told and what it decides, checks that each keeps to what package strategy says
// of the other, and knows by that what has become of every contribution. It
// expects a scheme whose work is done in rounds.
type witness struct {
	strategy  strategy.Strategy
	life      *life
	steps     int
	present   map[strategy.ClientID]bool
	left      map[strategy.ClientID]bool
	attempt   *attempt // open or being committed, nil between attempts
	abandoned int64
}

// attempt is one try at a round, as far as one life of the coordinator knows.
type attempt struct {
	strategy.Open
	opened     bool // its cohort is durable
	committing bool
	clients    []strategy.ClientID           // of the commit
	accepted   map[strategy.ClientID]*answer // nil until its answer is on its way
	declined   map[strategy.ClientID]bool    // has refused, or given a broken answer
}

// answer is a contribution that was accepted.
type answer struct {
	run.Contribution
	delta []float32
}

// Restore implements strategy.Strategy.
func (w *witness) Restore(snapshot []byte) error { return w.strategy.Restore(snapshot) }

// Step implements strategy.Strategy.
func (w *witness) Step(e strategy.Event) []strategy.Effect {
	w.told(e)
	effects := w.strategy.Step(e)
	offered, settled := strategy.Handle(0), 0
	if o, ok := e.(strategy.Offered); ok {
		offered = o.Handle
	}
	settle := func(h strategy.Handle) {
		if settled++; h != offered {
			w.violated("a contribution is settled once", "handle %d is settled when %d is offered", h, offered)
		}
	}
	for _, effect := range effects {
		switch f := effect.(type) {
		case strategy.Open:
			w.open(f, false)
		case strategy.Order:
			if a := w.attempt; a == nil || !a.opened || a.committing || f.Order != a.Order || f.Round != a.Round || f.Base != a.Base || !slices.Contains(a.Cohort, f.Client) {
				w.violated("orders are of the open round", "participant %d is given order %d of round %d on version %d, and %+v is open", f.Client, f.Order, f.Round, f.Base, a)
			}
		case strategy.Add:
			settle(f.Handle)
			w.add(e)
		case strategy.Reject:
			settle(f.Handle)
		case strategy.Abandon:
			if a := w.attempt; a == nil || a.committing || f.Order != a.Order {
				w.violated("only the open round is abandoned", "order %d is, and %+v is open", f.Order, a)
			}
			w.life.world.note("order %d is abandoned: %s", f.Order, f.Reason)
			w.attempt = nil
			w.abandoned++
			w.life.world.result.Abandoned++
		case strategy.Commit:
			w.commit(f)
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
		w.left[e.Client] = true
	case strategy.Reopened:
		w.violated("a round is reopened once, after a restart", "%+v is, in step %d of life %d", e, w.steps, w.life.number)
	case strategy.Opened:
		switch a := w.attempt; {
		case a == nil || a.opened || a.Round != e.Round:
			w.violated("opened answers an open", "round %d is, and %+v was asked for", e.Round, a)
		case w.life.world.journal.open == nil || w.life.world.journal.open.Order != uint64(a.Order):
			w.violated("orders wait for the disk", "round %d may begin, and %+v is durable", e.Round, w.life.world.journal.open)
		default:
			a.opened = true
		}
	case strategy.Committed:
		switch a := w.attempt; {
		case a == nil || !a.committing || a.Round != e.Round:
			w.violated("committed answers a commit", "round %d is, and %+v was asked for", e.Round, a)
		case uint64(len(w.life.world.journal.commits)) != e.Round:
			w.violated("versions wait for the disk", "version %d is committed, and %d are durable", e.Round, len(w.life.world.journal.commits))
		}
		w.attempt = nil
	case strategy.Declined:
		if a := w.attempt; a != nil && e.Order == a.Order {
			a.declined[e.Client] = true
		}
	}
}

func sameClient(c strategy.ClientID, p uint32) bool { return uint32(c) == p }

func (w *witness) open(o strategy.Open, opened bool) {
	if w.attempt != nil {
		w.violated("one round is open at a time", "order %d opens while order %d is open", o.Order, w.attempt.Order)
	}
	o.Cohort = slices.Clone(o.Cohort)
	w.attempt = &attempt{Open: o, opened: opened, accepted: map[strategy.ClientID]*answer{}, declined: map[strategy.ClientID]bool{}}
}

func (w *witness) add(e strategy.Event) {
	o, ok := e.(strategy.Offered)
	a := w.attempt
	switch {
	case !ok:
		w.violated("only what is offered is added", "%T adds", e)
		return
	case a == nil || !a.opened || a.committing || o.Order != a.Order || !slices.Contains(a.Cohort, o.Client):
		w.violated("only answers to the open order are accepted", "participant %d's to order %d is, and %+v is open", o.Client, o.Order, a)
		return
	}
	if _, again := a.accepted[o.Client]; again {
		w.violated("no contribution is counted twice", "participant %d's answer to order %d is accepted again", o.Client, o.Order)
	}
	a.accepted[o.Client] = nil
}

func (w *witness) commit(c strategy.Commit) {
	a := w.attempt
	if a == nil || a.committing || c.Round != a.Round || c.Base != a.Base {
		w.violated("only the open round is committed", "round %d is, and %+v is open", c.Round, a)
		return
	}
	a.committing, a.clients = true, slices.Clone(c.Clients)
	w.life.world.note("round %d is to be committed, of %v", c.Round, c.Clients)
}

// rightAnswers are the answers that a participant may get to an honest
// contribution which arrives now.
func (l *life) rightAnswers(number uint32, m *protocol.Contribution) []protocol.Reason {
	a, id := l.witness.attempt, strategy.ClientID(number)
	state := l.run.State()
	if state.Finished != "" || m.Round <= state.Version || a == nil || m.Order < uint64(a.Order) {
		return []protocol.Reason{protocol.ReasonLate}
	}
	if m.Order > uint64(a.Order) {
		return nil // nobody was given that order
	}
	if _, accepted := a.accepted[id]; accepted {
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
