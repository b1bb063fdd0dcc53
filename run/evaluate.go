package run

import (
	"cmp"
	"math"
	"slices"

	"fedtab/learn"
)

// evaluate evaluates the newest version if it is due. After an evaluation under way
// only the newest of the pending versions is evaluated.
func (r *Run) evaluate() {
	if r.gathering != nil { // over, or overtaken by a version that they have made
		r.gathering()
		r.gathering, r.evaluating = nil, false
	}
	holdouts := r.cfg.Own != nil && r.cfg.Own.Holdouts
	due := r.down.version%uint64(r.cfg.EvalEvery) == 0 || r.roundsDone() || r.given()
	if r.cfg.Evaluate == nil && !holdouts || r.evaluating || !due {
		return
	}
	switch {
	case holdouts && r.askHoldouts():
	case r.cfg.Evaluate != nil:
		r.evaluateHere(r.down.version, r.down.params)
	}
}

// given reports whether the newest version is one that the run began with.
func (r *Run) given() bool { return r.down.version == 1 && r.rounds[0].Participants == 0 }

// evaluateAgain makes the evaluation that a restart interrupted, or that of a version that
// the run begins with. Where participants
// evaluate, they have the grace period to reconnect, or until there is a newer version.
func (r *Run) evaluateAgain() {
	if r.cfg.Own == nil || !r.cfg.Own.Holdouts {
		r.evaluate()
		return
	}
	r.evaluating = true
	r.gathering = r.env.AfterFunc(r.cfg.RestartGrace, func() {
		if r.finished == "" {
			r.evaluate()
			r.stopReached()
		}
	})
}

// evaluateHere evaluates a version on the coordinator's own test and validation sets.
func (r *Run) evaluateHere(version uint64, params []float32) {
	r.evaluating = true
	e := Evaluation{Version: version}
	r.env.Compute(func() {
		m := r.cfg.Evaluate(params)
		e.Figures, e.Confusion = m.Figures(), m.Confusion
		if r.cfg.Validate != nil {
			m := r.cfg.Validate(params)
			figures := m.Figures()
			e.Validation, e.ValidationConfusion = &figures, m.Confusion
		}
	}, func() { r.saveEvaluation(e) })
}

// told returns the figures for a log line.
func (e *Evaluation) told() []any {
	numbers := math.IsNaN(e.Accuracy)
	line := []any{"version", e.Version, "test_loss", e.Loss}
	if numbers {
		line = append(line, "test_rmse", e.RMSE, "test_r2", e.R2)
	} else {
		line = append(line, "test_accuracy", e.Accuracy)
	}
	switch v := e.Validation; {
	case v == nil:
	case numbers:
		line = append(line, "validation_loss", v.Loss, "validation_rmse", v.RMSE)
	default:
		line = append(line, "validation_loss", v.Loss, "validation_accuracy", v.Accuracy)
	}
	return line
}

// withoutClasses returns a copy without the classes' figures; nil for nil.
func withoutClasses(f *learn.Figures) *learn.Figures {
	if f == nil {
		return nil
	}
	c := *f
	c.Classes = nil
	return &c
}

func (r *Run) saveEvaluation(e Evaluation) {
	r.save("evaluation", func(j Journal) error { return j.Evaluate(r.cfg.ID, e) }, func() {
		r.evaluating = false
		r.evaluationDone(e)
	})
}

func (r *Run) evaluationDone(e Evaluation) {
	if r.evaluated == nil || e.Version > r.evaluated.Version {
		r.evaluated = &e
	}
	i, ok := slices.BinarySearchFunc(r.rounds, e.Version, func(rec RoundRecord, v uint64) int {
		return cmp.Compare(rec.Round, v)
	})
	var rec *RoundRecord
	if ok {
		rec = &r.rounds[i]
		rec.Test, rec.Validation = withoutClasses(&e.Figures), withoutClasses(e.Validation)
	}
	r.news("evaluated", e.told()...)
	if r.finished != "" {
		r.notify(rec)
		return
	}
	r.broadcastStatus()
	r.notify(rec)
	if e.Version < r.down.version {
		r.evaluate()
	}
	r.stopReached()
}
