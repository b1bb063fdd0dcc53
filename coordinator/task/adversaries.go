package task

import (
	"strconv"

	"fedtab/simulation/adversary"
)

// adversaries checks the adversaries of a simulation of the data s. A live run ignores them.
func (d *decoder) adversaries(t *Task, s source) {
	c := t.Adversaries
	if !d.has("adversaries.kind") && c == (adversary.Config{}) {
		return
	}
	d.want(d.has("adversaries.fraction"), "adversaries.fraction", c.Fraction, "0 <= fraction <= 1")
	d.adversaryProblems(c.Problems())
	if s.shape != nil { // of others, CheckModel knows it
		d.adversaryProblems(c.DataProblems(s.shape, s.classes))
	}
	d.want(!t.Privacy.Secure() || c.Kind != adversary.LittleIsEnough && c.Kind != adversary.InnerProduct, "adversaries.kind", strconv.Quote(c.Kind),
		"another kind, because with privacy.aggregation: secure nobody sees the deltas of the honest clients")
	d.want(t.Data.Source != own || c.Kind != adversary.LabelFlip && c.Kind != adversary.Backdoor, "adversaries.kind", strconv.Quote(c.Kind),
		`another kind, because source is "own": the examples stay as they are read`)
	d.want(c.Kind != adversary.Backdoor || t.Data.Drift == 0, "adversaries.kind", strconv.Quote(c.Kind),
		"another kind, because data.drift changes the classes that its success is measured by")
}

// adversaryProblems reports problems of the adversaries section.
func (d *decoder) adversaryProblems(ps []adversary.Problem) {
	for _, p := range ps {
		d.want(false, "adversaries."+p.Field, p.Value, p.Want)
	}
}
