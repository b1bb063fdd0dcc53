package run

import (
	"cmp"
	"math"
	"slices"

	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/protocol"
)

// Spread is how a figure differs between participants: accuracy, or RMSE in a regression.
type Spread struct{ Min, Lower, Median, Upper, Max float64 }

// spreadFewest is the number of participants from which a spread is shown.
const spreadFewest = 10

// told is what a participant tells of the model on its holdout.
type told struct {
	participant uint32
	learn.Metrics
}

// askHoldouts evaluates the newest version on the participants' holdouts, and reports
// whether enough participants are here to do so.
func (r *Run) askHoldouts() bool {
	if r.enquiry != nil || r.surveying() || r.ready() < r.evaluators() {
		return false
	}
	r.evaluating = true // before the enquiry, which may be over at once
	classes, most := r.cfg.Model.Spec().Classes(), r.cfg.Own.Schema.Max
	e, params := Evaluation{Version: r.down.version}, r.down.params
	var all []told
	r.ask(&enquiry{
		kind: protocol.OrderEvaluate, payload: protocol.EvaluationPayload, size: learn.MetricsSize(classes),
		take: func(participant uint32, weight uint64, block []byte) error {
			m, err := learn.ParseMetrics(block, classes, most)
			if err == nil && weight != uint64(m.Examples) {
				err = errWeight
			}
			if err == nil {
				all = append(all, told{participant, m})
			}
			return err
		},
		done: func() {
			if len(all) < r.evaluators() {
				r.news("too few participants evaluated a version", "version", e.Version, "answers", len(all), "want", r.evaluators())
				r.holdoutsFailed(e.Version, params)
				return
			}
			slices.SortFunc(all, func(a, b told) int { return cmp.Compare(a.participant, b.participant) })
			var constants data.Constants
			if r.constants != nil {
				constants = *r.constants
			}
			goals, fewest := r.cfg.Stop.Goals, r.evaluators()
			r.env.Compute(func() {
				e.combine(all, constants, goals, fewest)
				if r.cfg.Evaluate != nil {
					file := r.cfg.Evaluate(params).Figures()
					file.Classes = nil
					e.File = &file
				}
			}, func() { r.saveEvaluation(e) })
		},
	})
	return true
}

// holdoutsFailed goes on without the participants' figures of a version: with those of the
// organiser's test file if there is one.
func (r *Run) holdoutsFailed(version uint64, params []float32) {
	r.evaluating = false
	switch {
	case r.finished != "":
	case r.cfg.Evaluate != nil:
		r.evaluateHere(version, params)
	default:
		if version < r.down.version {
			r.evaluate()
		}
		r.stopReached()
	}
}

// combine makes the figures of an evaluation from what participants told. No participant
// counts for more than four times the median of their examples. A goal counts as reached if
// it would be without any one participant. The figures of a class need fewest participants
// that have examples of it.
func (e *Evaluation) combine(all []told, constants data.Constants, goals []Goal, fewest int) {
	rows := make([]uint64, len(all))
	for i := range all {
		rows[i] = uint64(all[i].Examples)
	}
	shares := data.Shares(rows)
	scaled := make([]learn.Metrics, len(all))
	var total learn.Metrics
	for i := range all {
		scaled[i] = all[i].Scale(shares[i])
		total.Add(scaled[i])
	}
	regression := total.Confusion == nil
	figures := func(m learn.Metrics) learn.Figures {
		if n := len(constants.Deviation); regression && n > 0 && constants.Deviation[n-1] > 0 {
			m = m.InUnits(constants.Mean[n-1], constants.Deviation[n-1])
		}
		return m.Figures()
	}
	e.Participants, e.Figures, e.Confusion = len(all), figures(total), slices.Clone(total.Confusion)
	e.hideRare(all, fewest)
	e.reached = make([]bool, len(goals))
	for g := range goals {
		e.reached[g] = goals[g].Reached(e.Figures)
	}
	if slices.Contains(e.reached, true) {
		leaveOneOut(scaled, total, func(others learn.Metrics) {
			f := figures(others)
			for g := range goals {
				e.reached[g] = e.reached[g] && goals[g].Reached(f)
			}
		})
	}
	if len(all) >= spreadFewest {
		values := make([]float64, len(all))
		for i := range all {
			f := figures(all[i].Metrics)
			if values[i] = f.Accuracy; regression {
				values[i] = f.RMSE
			}
		}
		e.Spread = spreadOf(values)
	}
}

// leaveOneOut calls visit with the totals of all but one of parts, for each of them.
// total is their sum. visit must not keep what it gets.
func leaveOneOut(parts []learn.Metrics, total learn.Metrics, visit func(learn.Metrics)) {
	// Counts are subtracted. Sums are added from both ends: a difference would cancel.
	plain := func(m learn.Metrics) learn.Metrics { m.Confusion = nil; return m }
	after := make([]learn.Metrics, len(parts)+1)
	for i := len(parts) - 1; i >= 0; i-- {
		after[i] = plain(parts[i])
		after[i].Add(after[i+1])
	}
	var before learn.Metrics
	confusion := slices.Clone(total.Confusion)
	for i := range parts {
		others := before
		others.Add(after[i+1])
		for k, n := range parts[i].Confusion {
			confusion[k] -= n
		}
		others.Confusion = confusion
		visit(others)
		for k, n := range parts[i].Confusion {
			confusion[k] += n
		}
		before.Add(plain(parts[i]))
	}
}

// hideRare leaves out the figures of classes that fewer than fewest participants have. If
// that is one class, those of the next rarest go with it: the figures of all classes less
// the others' would give its own.
func (e *Evaluation) hideRare(all []told, fewest int) {
	k := len(e.Figures.Classes)
	have := make([]int, k)
	for i := range all {
		for c := range k {
			if slices.ContainsFunc(all[i].Confusion[c*k:][:k], func(n int64) bool { return n > 0 }) {
				have[c]++
			}
		}
	}
	var hidden []int
	next := -1 // the rarest of the others
	for c, n := range have {
		switch {
		case n == 0:
		case n < fewest:
			hidden = append(hidden, c)
		case next < 0 || n < have[next]:
			next = c
		}
	}
	if len(hidden) == 1 && next >= 0 {
		hidden = append(hidden, next)
	}
	for _, c := range hidden {
		e.Figures.Classes[c].Examples = 0
		clear(e.Confusion[c*k:][:k])
	}
	HideEmpty(e.Figures.Classes)
}

// HideEmpty leaves out the figures of classes whose examples are not told.
func HideEmpty(classes []learn.ClassFigures) {
	nan := math.NaN()
	for c := range classes {
		if classes[c].Examples == 0 {
			classes[c] = learn.ClassFigures{Precision: nan, Recall: nan, F1: nan}
		}
	}
}

// spreadOf returns the smallest and largest value, and the quartiles, interpolated between
// neighbours.
func spreadOf(values []float64) *Spread {
	slices.Sort(values)
	at := func(q float64) float64 {
		p := q * float64(len(values)-1)
		i := int(p)
		j := min(i+1, len(values)-1)
		return values[i] + (p-float64(i))*(values[j]-values[i])
	}
	return &Spread{at(0), at(.25), at(.5), at(.75), at(1)}
}
