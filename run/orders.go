package run

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"fedtab/learn/rng"
	"fedtab/protocol"
	"fedtab/strategy"
)

// openRound writes the cohort down; orders leave once it is durable.
func (r *Run) openRound(e strategy.Open) {
	now := r.env.Now()
	open := OpenRound{
		Round: e.Round, Order: uint64(e.Order), Base: e.Base,
		Opened: now, Deadline: now.Add(e.Deadline), Cohort: make([]uint32, len(e.Cohort)), State: e.State,
	}
	if was := r.open; was != nil && was.Round == e.Round {
		open.Opened = was.Opened // a round that goes on, written down once more
	} else {
		r.firstOrder = open.Order
	}
	for i, c := range e.Cohort {
		open.Cohort[i] = uint32(c)
	}
	r.open, r.newestOrder = &open, max(r.newestOrder, open.Order)
	r.saveRound("open round", func(j Journal) error { return j.OpenRound(r.cfg.ID, open) }, func() {
		r.phase = protocol.PhaseTraining
		r.log.Info("round opened", "round", e.Round, "order", e.Order, "cohort", len(e.Cohort))
		r.step(strategy.Opened{Round: e.Round})
		r.notify(nil)
	})
}

// order sends an order, and the models before it to whoever does not hold them.
func (r *Run) order(e strategy.Order) {
	m := r.members[uint32(e.Client)]
	if m == nil || m.peer == nil {
		return // it gets the order when it is back
	}
	hash, ok := r.hashOf(e.Base)
	if !ok {
		panic(fmt.Sprintf("run: order on version %d, newest is %d", e.Base, r.version))
	}
	if e.Base == r.version && (!m.holds || m.held != r.version) {
		r.sendModel(m)
	}
	o := &protocol.Order{
		Order: uint64(e.Order), Kind: protocol.OrderKind(e.Work.Kind), Round: e.Round,
		Base: e.Base, BaseHash: hash[:],
		Hyper: protocol.Hyper{
			Epochs: uint32(e.Work.Epochs), Steps: uint32(e.Work.Steps), Batch: uint32(e.Work.Batch), LR: float32(e.Work.LR),
			Codec: m.codec, Stream: e.Work.Stream, Prox: float32(e.Work.Prox), Control: e.Work.Control,
			Delta: e.Work.Delta, Parts: uint32(e.Work.Parts),
		},
		Seed: rng.Derive(r.cfg.Seed, "order", uint64(e.Order), uint64(e.Client)),
	}
	if m.codec == r.cfg.Packing.Up {
		o.Hyper.Bits, o.Hyper.Feedback = float32(r.cfg.Packing.Bits), r.cfg.Packing.Feedback
	}
	if e.Work.Stream {
		o.Seed = rng.Derive(r.cfg.Seed, "stream", uint64(e.Client)) // one stream of mini-batches for all orders
	}
	if e.Work.Kind != strategy.Gradient {
		setOptimiser(&o.Hyper, r.cfg.Optimiser)
	}
	if e.Fresh {
		o.Start = hash[:]
	}
	if mean := r.means[e.Start]; mean != nil {
		if !mean.ready {
			mean.waiting = append(mean.waiting, func() { r.order(e) })
			return
		}
		r.sendShared(m, r.localModel(mean, m))
		o.Start = mean.hash[:]
	}
	if r.open != nil && e.Round != 0 {
		if left := r.open.Deadline.Sub(r.env.Now()); left > 0 {
			o.Deadline = uint32(min(left.Milliseconds(), math.MaxUint32))
		}
	}
	weight := r.weightOf(m)
	if e.Round == 0 {
		// After a restart, numbers are given again to who may have finished that
		// work, with shards that nobody remembers.
		weight = r.maxWeight()
	}
	if was := m.order; was != nil && was.order == e.Order {
		weight = max(weight, was.weight) // given again: the work may rest on the shards of then
		if was.accepted {
			return
		}
	}
	m.order = &outstanding{order: e.Order, round: e.Round, base: hash, weight: weight, role: roleOf(e.Work), control: e.Work.Control, vectors: e.Work.Vectors(), work: e.Work}
	r.send(m, o)
}

// roleOf says what the first vector of an answer is.
func roleOf(w strategy.Work) protocol.Role {
	if w.Kind == strategy.Gradient {
		return protocol.RoleGradient
	}
	return protocol.RoleDelta
}

// hashOf returns the hash of a version.
func (r *Run) hashOf(version uint64) (hash [32]byte, ok bool) {
	switch version {
	case r.version:
		return r.hash, true
	case 0:
		return r.initialHash, true
	}
	i, ok := slices.BinarySearchFunc(r.rounds, version, func(rec RoundRecord, v uint64) int {
		return cmp.Compare(rec.Round, v)
	})
	if !ok {
		return hash, false
	}
	return r.rounds[i].Hash, true
}

// sendModel sends the newest version.
func (r *Run) sendModel(m *member) {
	r.sendShared(m, r.modelMessage(m))
	m.holds, m.held = true, r.version
}

// fetch asks a participant for its local model, ahead of time.
func (r *Run) fetch(e strategy.Fetch) {
	m := r.members[uint32(e.Client)]
	if m == nil || m.peer == nil || m.order == nil || m.order.order != e.Order || m.order.answered {
		return // it leaves, or has answered
	}
	r.send(m, &protocol.Fetch{Order: uint64(e.Order), Codec: m.codec})
}

func (r *Run) abandon(e strategy.Abandon) {
	r.log.Warn("round abandoned", "round", e.Round, "order", e.Order, "reason", e.Reason)
	r.record("abandoned", 0, e.Reason)
	r.ledger.Abandoned++
	r.release(e.Order, e.Reason)
	r.open = nil
	r.phase = protocol.PhaseWaiting
	r.nextAttempt()
	r.broadcastStatus()
	r.notify(nil)
}

// release tells those who have an order of an attempt that came to nothing to
// drop their work, and those who have answered it to drop what they keep: it is
// in no model, even if the round is closed one day.
func (r *Run) release(order strategy.OrderID, why string) {
	for _, p := range r.present {
		m := r.members[p]
		if m.order != nil && m.order.order == order && (!m.order.answered || m.order.accepted) {
			m.order = nil
			r.send(m, &protocol.Ack{Order: uint64(order), Reason: protocol.ReasonAbandoned, Detail: why})
		}
	}
}
