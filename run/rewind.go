package run

import (
	"fmt"

	"fedtab/combine"
	"fedtab/protocol"
	"fedtab/strategy"
)

// Rewind makes a new version of the parameters of an earlier one, for a run that was
// ruined. What is open is given up; a version that is being made comes first. then is
// called with the new version's number once it is durable, or with an error.
func (r *Run) Rewind(to uint64, params []float32, then func(version uint64, err error)) {
	switch {
	case r.finished != "":
		then(0, fmt.Errorf("run %s is over: %s", r.cfg.ID, r.finished))
	case len(params) != r.n:
		then(0, fmt.Errorf("version %d has %d parameters, want the model's %d", to, len(params), r.n))
	case r.rewind != nil:
		then(0, fmt.Errorf("the run is already going back to version %d", r.rewind.to))
	default:
		r.rewind = &rewind{to: to, plan: combine.Fixed{Params: params}, then: then}
		r.tryRewind()
	}
}

// Withdraw gives up a Rewind that has not begun; its then is not called. It reports
// false if there is none to that version, or if it has begun.
func (r *Run) Withdraw(to uint64) bool {
	if r.rewind == nil || r.rewind.to != to || r.rewind.version != 0 {
		return false
	}
	r.rewind = nil
	return true
}

// rewind is the way back to an earlier version.
type rewind struct {
	to      uint64
	plan    combine.Plan
	then    func(version uint64, err error)
	version uint64 // that is being made of it; 0: not yet
}

// tryRewind asks the strategy to go back, unless a version is being made.
func (r *Run) tryRewind() {
	w := r.rewind
	if w == nil || w.version != 0 || r.finished != "" || r.phase == protocol.PhaseCommitting || r.stepping {
		return
	}
	w.version = r.down.version + 1
	r.record("going back", 0, fmt.Sprintf("to version %d, as version %d", w.to, w.version))
	r.step(strategy.Rewind{Plan: w.plan})
	if r.rewind == w && r.attempt.commit == nil && r.phase != protocol.PhaseCommitting {
		w.version = 0 // not now
	}
}

// rewound answers a Rewind once its version is durable, or the run is over.
func (r *Run) rewound(version uint64, err error) {
	if w := r.rewind; w != nil && (w.version == version || version == 0) {
		r.rewind = nil
		w.then(version, err)
	}
}
