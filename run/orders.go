package run

import (
	"fmt"
	"math"
	"slices"

	"fedtab/learn/rng"
	"fedtab/protocol"
	"fedtab/strategy"
)

// openRound writes the cohort to the journal; orders are sent once it is durable.
func (r *Run) openRound(e strategy.Open) {
	now := r.env.Now()
	open := OpenRound{
		Round: e.Round, Order: uint64(e.Order), Base: e.Base,
		Opened: now, Deadline: now.Add(e.Deadline), Cohort: make([]uint32, len(e.Cohort)), Weights: make([]uint64, len(e.Cohort)), State: e.State,
	}
	if was := r.open; was != nil && was.Round == e.Round {
		open.Opened = was.Opened // a reopened round
	} else {
		r.firstOrder = open.Order
	}
	for i, c := range e.Cohort {
		open.Cohort[i], open.Weights[i] = uint32(c), r.roster.maxWeight()
		if m := r.roster.members[uint32(c)]; m != nil {
			open.Weights[i] = r.roster.weight(m)
		}
	}
	r.median = open.medianWeight()
	if r.cfg.Own != nil && r.typical > 0 {
		r.median = r.typical // nothing else is known of their data
	}
	r.open, r.newestOrder = &open, max(r.newestOrder, open.Order)
	wanted := func() bool { return r.open != nil && r.open.Order == open.Order } // not given up meanwhile
	r.charge(&open, e.Releases, func() {
		r.saveWhile(wanted, "open round", func(j Journal) error { return j.OpenRound(r.cfg.ID, open) }, func() {
			if open.Spent != nil {
				r.spent = open.Spent
			}
			r.phase = protocol.PhaseTraining
			r.news("round opened", "round", e.Round, "order", e.Order, "cohort", len(e.Cohort))
			r.beginSecure()
			r.step(strategy.Opened{Round: e.Round})
			r.notify(nil)
		})
	})
}

// order sends a participant an order and, unless it holds it, the order's base
// before. The order is kept for the check of its answer, also if the participant
// loses its socket or leaves and returns before the round is closed.
func (r *Run) order(e strategy.Order) {
	if e.Start != 0 {
		if mean := r.means[e.Start]; mean != nil && !mean.ready {
			mean.waiting = append(mean.waiting, func() { r.order(e) })
			return
		}
	}
	if r.secure != nil && e.Work.Bound > 0 {
		e.Work.Payloads = r.secure.payload()
		if a := r.secure.attempt; a != nil {
			a.bound = e.Work.Bound
		}
	}
	base, ok := r.hashOf(e.Base)
	if !ok {
		panic(fmt.Sprintf("run: order on version %d, newest is %d", e.Base, r.down.version))
	}
	o := &outstanding{order: e.Order, round: e.Round, base: base, work: e.Work, start: r.means[e.Start], fresh: e.Fresh, cap: r.weightCap(), median: r.median, trail: trail{sent: r.env.Now()}}
	m := r.roster.members[uint32(e.Client)]
	if m == nil {
		return
	}
	o.weight = r.roster.weight(m)
	if e.Round == 0 {
		// After a restart the strategy repeats order numbers. Participants may have
		// finished that work, on shards that are not recorded.
		o.weight = r.roster.maxWeight()
	}
	if was := m.order; was != nil && was.order == e.Order { // repeated
		if was.accepted {
			return
		}
		if o.sent = was.sent; !was.answered {
			o.trail = was.trail
		}
		o.weight = max(o.weight, was.weight) // the work may be on the shards of the first delivery
		o.resumeStart(was)
	} else if was != nil && e.Work.Kind == strategy.Monitor && was.round == e.Round && was.base == base && !was.answered {
		o.resumeStart(was) // it left before it began, and its own model is another
	}
	if m.order != nil && m.order.order != e.Order {
		r.interrupted(m.order)
	}
	m.order = o
	if m.peer == nil {
		return // the strategy repeats the order when it returns
	}
	msg := r.orderMessage(e, o, m)
	if h := (&protocol.Hello{Payloads: m.payloads}); !h.Supports(msg.Payloads) {
		r.record("declined", m.number, "it lacks a kind of payload that is asked for")
		o.answered = true
		r.shape(o, Declined)
		r.step(strategy.Declined{Client: e.Client, Order: e.Order})
		return
	}
	if e.Base == r.down.version && (!m.holds || m.held != r.down.version) {
		r.sendModel(m)
	}
	if o.start != nil {
		r.sendShared(m, r.localModel(o.start, m))
	}
	m.asked++
	r.send(m, msg)
	if r.enquiry != nil && r.enquiry.later[m.number] {
		r.enquireAgain(m)
	}
}

// expect records the order that an absent client has had since before a restart.
func (r *Run) expect(e strategy.Expect) {
	base, ok := r.hashOf(e.Base)
	if !ok {
		panic(fmt.Sprintf("run: order on version %d, newest is %d", e.Base, r.down.version))
	}
	o := &outstanding{order: e.Order, round: e.Round, base: base, work: e.Work, weight: r.roster.maxWeight(), cap: r.weightCap(), median: r.median, trail: trail{sent: r.env.Now()}}
	if !r.roster.shards.Divide {
		o.weight = r.open.weight(uint32(e.Client), o.weight)
	} // Otherwise its share may have grown after the round was opened.
	r.absent[uint32(e.Client)] = o
}

func (r *Run) orderMessage(e strategy.Order, o *outstanding, m *member) *protocol.Order {
	msg := &protocol.Order{
		Order: uint64(e.Order), Kind: protocol.OrderKind(e.Work.Kind), Round: e.Round,
		Base: e.Base, BaseHash: o.base[:],
		Hyper: protocol.Hyper{
			Epochs: uint32(e.Work.Epochs), Steps: uint32(e.Work.Steps), Batch: uint32(e.Work.Batch), LR: float32(e.Work.LR),
			Codec: m.codec, Stream: e.Work.Stream, Prox: float32(e.Work.Prox), Control: e.Work.Control,
			Delta: e.Work.Delta, Bound: e.Work.Bound, Parts: uint32(e.Work.Parts), Reproducible: r.cfg.Reproducible,
		},
		Seed:     rng.Derive(r.cfg.OrderSeed, "order", uint64(e.Order), uint64(e.Client)),
		Payloads: payloadMessages(e.Work.Payloads),
	}
	if m.codec == r.cfg.Packing.Up {
		msg.Hyper.Bits, msg.Hyper.Feedback = float32(r.cfg.Packing.Bits), r.cfg.Packing.Feedback
	}
	if e.Work.Stream {
		msg.Seed = rng.Derive(r.cfg.OrderSeed, "stream", uint64(e.Client)) // one stream of mini-batches for all orders
	}
	if e.Work.Kind != strategy.Gradient {
		setOptimiser(&msg.Hyper, r.cfg.Optimiser)
	}
	switch {
	case o.start != nil:
		msg.Start = o.start.hash[:]
	case o.fresh:
		msg.Start = o.base[:]
	}
	if r.open != nil && e.Round != 0 {
		if left := r.open.Deadline.Sub(r.env.Now()); left > 0 {
			msg.Deadline = uint32(min(left.Milliseconds(), math.MaxUint32))
		}
	}
	return msg
}

// medianWeight returns the median of the numbers of examples of the round's cohort, which
// were fixed with it; infinite if they are not known.
func (o *OpenRound) medianWeight() float64 {
	if len(o.Weights) == 0 {
		return math.Inf(1)
	}
	sorted := slices.Sorted(slices.Values(o.Weights))
	return max(float64(sorted[len(sorted)/2]), 1)
}

// weightCap returns the most that one contribution to the open round weighs.
func (r *Run) weightCap() float64 {
	if r.cfg.MaxWeight == 0 {
		return math.Inf(1)
	}
	return r.cfg.MaxWeight * r.median
}

// weight returns the max number of examples of a member of the cohort when the round
// was opened, or unknown if that was not recorded.
func (o *OpenRound) weight(participant uint32, unknown uint64) uint64 {
	if i, ok := slices.BinarySearch(o.Cohort, participant); ok && i < len(o.Weights) {
		return o.Weights[i]
	}
	return unknown
}

// fetch asks a participant for its local model, ahead of time.
func (r *Run) fetch(e strategy.Fetch) {
	m := r.roster.members[uint32(e.Client)]
	if m == nil || m.peer == nil || m.order == nil || m.order.order != e.Order || m.order.answered {
		return // no such order, or it is answered
	}
	m.asked++
	r.send(m, &protocol.Fetch{Order: uint64(e.Order), Codec: m.codec})
}

func (r *Run) abandon(e strategy.Abandon) {
	r.log.Warn("round abandoned", "round", e.Round, "order", e.Order, "reason", e.Reason)
	r.record("abandoned", 0, e.Reason)
	r.accounts.all.Abandoned++
	r.givenUp(e.Round, e.Reason, e.Few)
	r.release(e.Order, e.Reason)
	r.releaseAdded(r.attempt, e.Reason)
	r.closeRound()
	r.broadcastStatus()
	r.notify(nil)
}

// givenUp notes why an attempt was given up, for observers.
func (r *Run) givenUp(round uint64, why string, few strategy.Few) {
	a := Abandoned{Round: round, Times: 1, Reason: why, Few: few}
	if was := r.abandoned; was != nil && was.Round == round {
		a.Times += was.Times
	}
	if r.open != nil {
		a.After = max(0, r.env.Now().Sub(r.open.Opened))
	}
	r.abandoned = &a
}

// release tells clients with an order of an abandoned attempt to drop their work or
// their kept answer: no version contains it, even if the round is committed later.
func (r *Run) release(order strategy.OrderID, why string) {
	for _, p := range r.roster.present {
		m := r.roster.members[p]
		if m.order != nil && m.order.order == order && (!m.order.answered || m.order.accepted) {
			r.interrupted(m.order)
			m.order = nil
			r.send(m, &protocol.Ack{Order: uint64(order), Reason: protocol.ReasonAbandoned, Detail: r.outward(why)})
		}
	}
}

// releaseAdded does the same for answers that were added to an attempt under other
// orders than the open one: those of asynchronous schemes, of clients that were ordered
// again, and of earlier phases.
func (r *Run) releaseAdded(a *attempt, why string) {
	for _, k := range a.contributions {
		m := r.roster.members[k.Participant]
		if m == nil || r.open != nil && k.Order == r.open.Order {
			continue
		}
		if m.order != nil && uint64(m.order.order) == k.Order {
			m.order = nil
		}
		r.send(m, &protocol.Ack{Order: k.Order, Reason: protocol.ReasonAbandoned, Detail: r.outward(why)})
	}
}
