package run

import (
	"fmt"

	"fedtab/protocol"
)

// End finishes the run with the owner's reason.
func (r *Run) End(reason string) { r.finish(reason) }

func (r *Run) finish(reason string) {
	if r.finished != "" {
		return
	}
	r.finished = reason
	r.drop()
	r.rewound(0, fmt.Errorf("run %s is over: %s", r.cfg.ID, reason))
	r.log.Info("run finished", "reason", reason, "version", r.down.version)
	r.save("finish", func(j Journal) error { return j.Finish(r.cfg.ID, reason, r.env.Now()) }, func() {
		r.over = true
		r.broadcastStatus()
		for _, p := range r.roster.present {
			r.roster.members[p].closePeer(protocol.CloseFinished, reason)
		}
		r.notify(nil)
	})
}

// drop releases the state of the open round.
func (r *Run) drop() {
	r.phase = protocol.PhaseFinished
	for t := range r.timers {
		r.stopTimer(t)
	}
	for h := range r.offers {
		r.settle(h)
	}
	for h := range r.kept {
		r.forgetKept(h)
	}
	r.attempt.dropParts()
	clear(r.means)
	clear(r.absent)
	r.faults = faults{}
	r.open = nil
}

// stopReached finishes the run if its rounds are done or a goal is reached.
func (r *Run) stopReached() bool {
	if r.evaluated != nil {
		for _, g := range r.cfg.Stop.Goals {
			if g.Reached(r.evaluated.Figures) {
				r.finish(fmt.Sprintf("%v %.4g reached at version %d", g, g.Value(r.evaluated.Figures), r.evaluated.Version))
				return true
			}
		}
	}
	if r.roundsDone() && !r.evaluating {
		r.finish(fmt.Sprintf("%d rounds done", r.cfg.Stop.Rounds))
		return true
	}
	return false
}

// roundsDone reports whether all rounds are committed. The run is over once the
// last of them is evaluated.
func (r *Run) roundsDone() bool {
	return r.cfg.Stop.Rounds > 0 && r.down.version >= uint64(r.cfg.Stop.Rounds)
}
