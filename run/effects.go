package run

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"fedtab/combine"
	"fedtab/compress"
	"fedtab/learn"
	"fedtab/learn/rng"
	"fedtab/protocol"
	"fedtab/strategy"
)

// step gives the strategy an event and does what it answers.
func (r *Run) step(e strategy.Event) {
	if r.finished != "" || r.roundsDone() {
		return // it would open another round while the last is being evaluated
	}
	// An effect may be answered at once, by another step that reuses the
	// strategy's slice.
	for _, effect := range slices.Clone(r.cfg.Strategy.Step(e)) {
		if r.finished != "" {
			return
		}
		r.apply(effect)
	}
}

func (r *Run) apply(effect strategy.Effect) {
	switch e := effect.(type) {
	case strategy.Open:
		r.openRound(e)
	case strategy.Order:
		r.order(e)
	case strategy.Add:
		r.add(e)
	case strategy.Keep:
		r.keep(e.Handle)
	case strategy.Drop:
		delete(r.kept, e.Handle)
	case strategy.Fetch:
		r.fetch(e)
	case strategy.Mean:
		r.average(e)
	case strategy.Forget:
		delete(r.means, e.Mean)
	case strategy.Reject:
		r.reject(e)
	case strategy.SetTimer:
		r.setTimer(e.Timer, e.After)
	case strategy.StopTimer:
		r.stopTimer(e.Timer)
	case strategy.Abandon:
		r.abandon(e)
	case strategy.Commit:
		r.phase = protocol.PhaseCommitting
		r.attempt.commit = &e
		r.notify(nil)
		r.commitWhenAdded(r.attempt)
	case strategy.Finish:
		r.finish(e.Reason)
	default:
		panic(fmt.Sprintf("run: unknown effect %T", e))
	}
}

func (r *Run) setTimer(t strategy.Timer, after time.Duration) {
	r.stopTimer(t)
	r.timers[t] = r.env.AfterFunc(after, func() {
		delete(r.timers, t)
		r.step(strategy.Fired{Timer: t})
	})
}

func (r *Run) stopTimer(t strategy.Timer) {
	if stop := r.timers[t]; stop != nil {
		stop()
		delete(r.timers, t)
	}
}

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

// accept takes an offer over and tells its sender.
func (r *Run) accept(h strategy.Handle) *Offer {
	offer := r.offers[h]
	delete(r.offers, h)
	a := r.attempt
	a.lossSum += offer.Contribution.Metrics.LossSum
	a.examples += offer.Contribution.Metrics.Examples
	if m := r.members[offer.number]; m != nil && m.order != nil && uint64(m.order.order) == offer.Contribution.Order {
		m.order.answered, m.order.accepted = true, true
	}
	r.answer(offer.number, offer.peer, offer.Contribution, protocol.ReasonAccepted, "")
	return offer
}

// contribution is what is recorded of an offer.
func (o *Offer) contribution() Contribution {
	return Contribution{Participant: o.number, Order: o.Contribution.Order, Weight: o.Contribution.Weight, Fingerprint: o.fingerprint}
}

func (r *Run) add(e strategy.Add) {
	var vectors [][]float32
	var c Contribution
	release := func() {}
	if k := r.kept[e.Handle]; k != nil {
		delete(r.kept, e.Handle)
		vectors, c = k.vectors, k.contribution
	} else {
		offer := r.accept(e.Handle)
		vectors, c, release = offer.Vectors, offer.contribution(), offer.Release
	}
	a := r.attempt
	a.adding++
	a.weight += float64(c.Weight)
	a.contributions = append(a.contributions, c)
	r.env.Compute(func() {
		for i, sum := range a.sums {
			sum.AddScaled(vectors[i], e.Scale, e.Weight)
		}
	}, func() {
		release()
		a.adding--
		r.commitWhenAdded(a)
	})
}

var rejections = map[strategy.Reason]protocol.Reason{
	strategy.Late:      protocol.ReasonLate,
	strategy.Unordered: protocol.ReasonUnordered,
	strategy.Duplicate: protocol.ReasonDuplicate,
}

func (r *Run) reject(e strategy.Reject) {
	offer := r.offers[e.Handle]
	r.answer(offer.number, offer.peer, offer.Contribution, rejections[e.Reason], "")
	r.settle(e.Handle)
}

// settle forgets an offer and gives its memory back.
func (r *Run) settle(h strategy.Handle) {
	if offer := r.offers[h]; offer != nil {
		delete(r.offers, h)
		offer.Release()
	}
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

// nextAttempt gives the next round empty sums: the present ones, unless
// something is still being added to them.
func (r *Run) nextAttempt() {
	if r.attempt.adding == 0 {
		for _, sum := range r.attempt.sums {
			sum.Clear()
		}
		*r.attempt = attempt{sums: r.attempt.sums}
		return
	}
	a, err := r.newAttempt()
	if err != nil {
		panic(err) // New has made one with the same bound
	}
	r.attempt = a
}

// commitWhenAdded makes the next version, stores it and publishes it, once
// all contributions are in the sums.
func (r *Run) commitWhenAdded(a *attempt) {
	if a.commit == nil || a.adding > 0 {
		return
	}
	c := *a.commit
	a.commit = nil
	base := r.params
	if exact := r.state[exactVector]; exact != nil {
		base = exact
	}
	v := combine.Vectors{Base: base, Next: make([]float32, r.n), Sums: a.sums, State: map[string][]float32{}}
	for _, h := range c.Kept {
		k := r.kept[h]
		delete(r.kept, h)
		v.Kept = append(v.Kept, k.vectors)
		a.weight += float64(k.contribution.Weight)
		a.contributions = append(a.contributions, k.contribution)
	}
	var hash [32]byte
	var err error
	var measured *Evaluation
	var onGrid levels
	was, state := r.evaluated, r.state
	r.env.Compute(func() {
		maps.Copy(v.State, state) // plans put new vectors in; the old stay if this comes to nothing
		if err = c.Plan.Combine(&v); err == nil {
			err = allFinite(v.Next)
		}
		if err == nil && r.grid != nil {
			exact := v.Next
			onGrid.version = c.Round
			v.Next, onGrid.at, onGrid.step, err = r.grid.round(exact, r.cfg.Packing.Coarseness)
			v.State[exactVector], v.State[stepVector] = exact, []float32{onGrid.step}
		}
		if err == nil && r.cfg.Packing.Down == protocol.CodecFloat16 {
			// The version is what can be told of it; the rest goes into the next.
			v.State[exactVector] = v.Next
			v.Next = make([]float32, r.n)
			var block []byte
			if block, err = compress.Append(protocol.CodecFloat16, nil, v.State[exactVector]); err == nil {
				err = compress.Decode(protocol.CodecFloat16, v.Next, block)
			}
		}
		if err == nil && c.Guard > 0 && r.cfg.Evaluate != nil {
			e := Evaluation{Version: c.Round}
			e.Loss, e.Accuracy, e.Examples = r.cfg.Evaluate(v.Next)
			measured = &e
			if was == nil { // the first version, against what it was made from
				was = &Evaluation{}
				was.Loss, _, _ = r.cfg.Evaluate(v.Base)
			}
			if !(e.Loss <= c.Guard*was.Loss) {
				err = fmt.Errorf("the test loss would jump from %.4g to %.4g, the guard allows %.4g", was.Loss, e.Loss, c.Guard*was.Loss)
			}
		}
		hash = learn.Hash(v.Next)
	}, func() {
		if r.finished != "" {
			return
		}
		if err != nil {
			r.rollBack(c, err)
			return
		}
		rec := Commit{
			Round: c.Round, Base: c.Base, Hash: hash, Params: v.Next, State: v.State, Snapshot: c.Snapshot,
			Weight: a.weight, Traffic: r.period, Clients: r.ClientTraffic(), Committed: r.env.Now(), Rate: c.Rate,
			Participants: make([]uint32, len(c.Clients)), Contributions: a.contributions,
		}
		for i, id := range c.Clients {
			rec.Participants[i] = uint32(id)
		}
		if a.examples > 0 {
			rec.TrainLoss = a.lossSum / float64(a.examples)
		}
		r.period = Traffic{}
		clear(r.clients)
		r.saveRound("commit", func(j Journal) error { return j.Commit(r.cfg.ID, rec) }, func() {
			if r.grid != nil {
				r.grid.commit(onGrid, rec.State[exactVector])
			}
			r.publish(rec, measured)
		})
	})
}

// rollBack goes on from the base of a version that must not be made.
func (r *Run) rollBack(c strategy.Commit, why error) {
	r.log.Warn("round rolled back", "round", c.Round, "reason", why)
	r.record("rolled back", 0, why.Error())
	r.ledger.RolledBack++
	if r.open != nil {
		r.release(strategy.OrderID(r.open.Order), why.Error())
	}
	r.open = nil
	r.phase = protocol.PhaseWaiting
	r.nextAttempt()
	r.broadcastStatus()
	r.notify(nil)
	r.step(strategy.RolledBack{Round: c.Round})
}

func allFinite(v []float32) error {
	for i, x := range v {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			return fmt.Errorf("parameter %d would be %v", i, x)
		}
	}
	return nil
}

// publish makes a durable version the newest and tells everybody. It may have
// been measured already.
func (r *Run) publish(c Commit, measured *Evaluation) {
	r.version, r.hash, r.params, r.state = c.Round, c.Hash, c.Params, c.State
	clear(r.models)
	r.closed = c.Round
	rec := RoundRecord{
		Round: c.Round, Participants: len(c.Participants), Weight: c.Weight, TrainLoss: c.TrainLoss,
		Traffic: c.Traffic, Rate: c.Rate, Committed: c.Committed, Hash: c.Hash, Opened: c.Committed,
	}
	if r.open != nil {
		rec.Opened = r.open.Opened
	}
	r.rounds = append(r.rounds, rec)
	r.open = nil
	r.phase = protocol.PhaseWaiting
	r.nextAttempt()
	r.log.Info("round committed", "round", c.Round, "participants", len(c.Participants),
		"train_loss", c.TrainLoss, "rate", c.Rate, "seconds", c.Committed.Sub(rec.Opened).Seconds())
	r.broadcastStatus()
	r.notify(&rec, c.Clients...)
	if measured != nil {
		e := *measured
		r.evaluating = true
		r.save("evaluation", func(j Journal) error { return j.Evaluate(r.cfg.ID, e) }, func() {
			r.evaluating = false
			r.evaluationDone(e)
		})
	} else {
		r.evaluate()
	}
	if !r.stopReached() && !r.roundsDone() {
		r.step(strategy.Committed{Round: c.Round})
	}
}

// evaluate measures the newest version, unless it is not its turn. While one
// is being measured others wait, and only the newest of them is measured.
func (r *Run) evaluate() {
	if r.cfg.Evaluate == nil || r.evaluating || r.version%uint64(r.cfg.EvalEvery) != 0 && !r.roundsDone() {
		return
	}
	r.evaluating = true
	version, params := r.version, r.params
	e := Evaluation{Version: version}
	r.env.Compute(func() {
		e.Loss, e.Accuracy, e.Examples = r.cfg.Evaluate(params)
	}, func() {
		r.evaluating = false
		r.save("evaluation", func(j Journal) error { return j.Evaluate(r.cfg.ID, e) }, func() { r.evaluationDone(e) })
	})
}

func (r *Run) evaluationDone(e Evaluation) {
	if r.evaluated == nil || e.Version > r.evaluated.Version {
		r.evaluated = &e
	}
	i, ok := slices.BinarySearchFunc(r.rounds, e.Version, func(rec RoundRecord, v uint64) int {
		return int(int64(rec.Round) - int64(v))
	})
	var rec *RoundRecord
	if ok {
		rec = &r.rounds[i]
		rec.TestLoss, rec.TestAccuracy = &e.Loss, &e.Accuracy
	}
	r.log.Info("evaluated", "version", e.Version, "test_loss", e.Loss, "test_accuracy", e.Accuracy)
	if r.finished != "" {
		r.notify(rec)
		return
	}
	r.broadcastStatus()
	r.notify(rec)
	if e.Version < r.version {
		r.evaluate()
	}
	r.stopReached()
}
