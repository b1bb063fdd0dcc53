package run

import (
	"fmt"
	"math"
	"slices"
	"time"

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
		Opened: now, Deadline: now.Add(e.Deadline), Cohort: make([]uint32, len(e.Cohort)),
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

// order sends an order, and the model before it to whoever does not hold it.
func (r *Run) order(e strategy.Order) {
	m := r.members[uint32(e.Client)]
	if m == nil || m.peer == nil {
		return // it gets the order when it is back
	}
	if e.Base != r.version {
		panic(fmt.Sprintf("run: order on version %d, newest is %d", e.Base, r.version))
	}
	if !m.holds || m.held != r.version {
		r.sendModel(m)
	}
	o := &protocol.Order{
		Order: uint64(e.Order), Kind: protocol.OrderKind(e.Work.Kind), Round: e.Round,
		Base: e.Base, BaseHash: slices.Clone(r.hash[:]),
		Hyper: protocol.Hyper{
			Epochs: uint32(e.Work.Epochs), Batch: uint32(e.Work.Batch), LR: float32(e.Work.LR),
			Codec: protocol.CodecFloat32,
		},
		Seed: rng.Derive(r.cfg.Seed, "order", uint64(e.Order), uint64(e.Client)),
	}
	setOptimiser(&o.Hyper, r.cfg.Optimiser)
	if r.open != nil {
		if left := r.open.Deadline.Sub(r.env.Now()); left > 0 {
			o.Deadline = uint32(min(left.Milliseconds(), math.MaxUint32))
		}
	}
	weight := r.weightOf(m)
	if was := m.order; was != nil && was.order == e.Order {
		weight = max(weight, was.weight) // given again: the work may rest on the shards of then
	}
	m.order = &outstanding{order: e.Order, round: e.Round, base: r.hash, weight: weight}
	r.send(m, o)
}

// sendModel sends the newest version.
func (r *Run) sendModel(m *member) {
	r.sendShared(m, r.modelMessage())
	m.holds, m.held = true, r.version
}

func (r *Run) add(e strategy.Add) {
	offer := r.offers[e.Handle]
	delete(r.offers, e.Handle)
	a := r.attempt
	a.adding++
	a.lossSum += offer.c.Metrics.LossSum
	a.examples += offer.c.Metrics.Examples
	a.weight += e.Weight
	a.contributions = append(a.contributions, Contribution{
		Participant: offer.number, Order: offer.c.Order, Weight: offer.c.Weight, Fingerprint: offer.fingerprint,
	})
	if m := r.members[offer.number]; m != nil && m.order != nil && uint64(m.order.order) == offer.c.Order {
		m.order.answered = true
	}
	r.answer(offer.number, offer.peer, offer.c, protocol.ReasonAccepted, "")
	r.env.Compute(func() { a.sum.Add(offer.delta, e.Weight) }, func() {
		offer.Release()
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
	r.answer(offer.number, offer.peer, offer.c, rejections[e.Reason], "")
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
	for _, p := range r.present {
		m := r.members[p]
		if m.order != nil && m.order.order == e.Order && !m.order.answered {
			m.order = nil
			r.send(m, &protocol.Ack{Order: uint64(e.Order), Reason: protocol.ReasonAbandoned, Detail: e.Reason})
		}
	}
	r.open = nil
	r.phase = protocol.PhaseWaiting
	r.nextAttempt()
	r.broadcastStatus()
	r.notify(nil)
}

// nextAttempt gives the next round empty sums: the present ones, unless
// something is still being added to them.
func (r *Run) nextAttempt() {
	if r.attempt.adding == 0 {
		r.attempt.sum.Clear()
		*r.attempt = attempt{sum: r.attempt.sum}
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
	next := make([]float32, r.n)
	var hash [32]byte
	var err error
	r.env.Compute(func() {
		v := strategy.Vectors{Base: r.params, Next: next, Sums: []*strategy.Sum{a.sum}, State: r.state}
		if err = c.Plan.Combine(&v); err == nil {
			err = allFinite(next)
		}
		hash = learn.Hash(next)
	}, func() {
		if r.finished != "" {
			return
		}
		if err != nil {
			// The base stays; the strategy has no event for this yet, and a
			// model that is not finite would end the run for everybody.
			r.finish(fmt.Sprintf("round %d cannot be combined: %v", c.Round, err))
			return
		}
		rec := Commit{
			Round: c.Round, Base: c.Base, Hash: hash, Params: next, State: r.state, Snapshot: c.Snapshot,
			Weight: a.weight, BytesUp: r.up, BytesDown: r.down, Committed: r.env.Now(),
			Participants: make([]uint32, len(c.Clients)), Contributions: a.contributions,
		}
		for i, id := range c.Clients {
			rec.Participants[i] = uint32(id)
		}
		if a.examples > 0 {
			rec.TrainLoss = a.lossSum / float64(a.examples)
		}
		r.up, r.down = 0, 0
		r.saveRound("commit", func(j Journal) error { return j.Commit(r.cfg.ID, rec) }, func() { r.publish(rec) })
	})
}

func allFinite(v []float32) error {
	for i, x := range v {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			return fmt.Errorf("parameter %d would be %v", i, x)
		}
	}
	return nil
}

// publish makes a durable version the newest and tells everybody.
func (r *Run) publish(c Commit) {
	r.version, r.hash, r.params = c.Round, c.Hash, c.Params
	r.model = nil
	r.closed = c.Round
	rec := RoundRecord{
		Round: c.Round, Participants: len(c.Participants), Weight: c.Weight, TrainLoss: c.TrainLoss,
		BytesUp: c.BytesUp, BytesDown: c.BytesDown, Committed: c.Committed, Hash: c.Hash, Opened: c.Committed,
	}
	if r.open != nil {
		rec.Opened = r.open.Opened
	}
	r.rounds = append(r.rounds, rec)
	r.open = nil
	r.phase = protocol.PhaseWaiting
	r.nextAttempt()
	r.log.Info("round committed", "round", c.Round, "participants", len(c.Participants),
		"train_loss", c.TrainLoss, "seconds", c.Committed.Sub(rec.Opened).Seconds())
	r.broadcastStatus()
	r.notify(&rec)
	r.evaluate()
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
