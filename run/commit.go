package run

import (
	"fmt"
	"maps"
	"math"

	"fedtab/combine"
	"fedtab/compress"
	"fedtab/learn"
	"fedtab/protocol"
	"fedtab/strategy"
)

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
		a.count(k.account)
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
