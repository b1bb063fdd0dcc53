package run

import "slices"

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
