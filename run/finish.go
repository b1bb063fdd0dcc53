package run

import (
	"fmt"

	"fedtab/learn"
	"fedtab/protocol"
)

// End finishes the run with the owner's reason.
func (r *Run) End(reason string) { r.finish(reason) }

// Stop finishes the run with its organiser's reason, and calls then with the newest version
// once that is durable, or with an error. What is open is given up; a version that is being
// made comes first.
func (r *Run) Stop(reason string, then func(version uint64, err error)) {
	switch {
	case r.finished != "":
		then(0, fmt.Errorf("run %s is over: %s", r.cfg.ID, r.finished))
	case r.stop != nil:
		then(0, fmt.Errorf("run %s is already being stopped: %s", r.cfg.ID, r.stop.reason))
	default:
		r.stop = &stop{reason, then}
		r.tryStop()
	}
}

// stop is an end that its organiser has asked for.
type stop struct {
	reason string
	then   func(version uint64, err error)
}

// endStop answers a Stop once the run is over, or cannot be ended.
func (r *Run) endStop(err error) {
	if s := r.stop; s != nil {
		r.stop = nil
		if err == nil && r.finished != s.reason {
			err = fmt.Errorf("run %s is over: %s", r.cfg.ID, r.finished)
		}
		s.then(r.down.version, err)
	}
}

// Extend replaces the conditions of rounds and goals while the run goes on; the limit of time
// stays. It reports false for a run that is over, or has made its last version: another Run
// goes on from what is saved.
func (r *Run) Extend(s Stop) bool {
	if r.finished != "" || r.roundsDone() {
		return false
	}
	s.Time = r.cfg.Stop.Time
	r.cfg.Stop = s
	r.stopReached()
	r.notify(nil)
	return true
}

// tryStop finishes the run if that is asked for, unless a version is being made.
func (r *Run) tryStop() {
	if r.stop != nil && r.finished == "" && r.phase != protocol.PhaseCommitting && !r.stepping {
		r.finish(r.stop.reason)
	}
}

func (r *Run) finish(reason string) {
	if r.finished != "" {
		return
	}
	r.finished = reason
	r.drop()
	over := fmt.Errorf("run %s is over: %s", r.cfg.ID, reason)
	r.rewound(0, over)
	r.endTurn(over)
	r.log.Info("run finished", "reason", reason, "version", r.down.version)
	r.save("finish", func(j Journal) error { return j.Finish(r.cfg.ID, reason, r.env.Now()) }, func() {
		r.over = true
		r.endStop(nil)
		r.notify(nil) // before the participants are told: who hears it from them finds it so
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
	r.endSecure()
	r.interruptAll()
	clear(r.absent)
	if r.gathering != nil {
		r.gathering()
	}
	if r.survey.retry != nil {
		r.survey.retry()
	}
	if r.enquiry != nil {
		r.enquiry.stop()
		r.enquiry = nil
	}
	r.faults = faults{}
	r.open = nil
}

// stopReached finishes the run if its rounds are done or a goal is reached.
func (r *Run) stopReached() bool {
	if r.evaluated != nil {
		for i, g := range r.cfg.Stop.Goals {
			if r.evaluated.reaches(i, g) {
				r.finish(fmt.Sprintf("%v %.4g reached at version %d", g, g.Value(r.evaluated.For(g)), r.evaluated.Version))
				return true
			}
		}
	}
	if r.roundsDone() && !r.evaluating {
		done := fmt.Sprintf("%d rounds done", r.cfg.Stop.Rounds)
		if r.cfg.Stop.Rounds == 1 {
			done = "1 round done"
		}
		r.finish(done)
		return true
	}
	return false
}

// reaches reports whether goal i counts as reached. What participants told before a
// restart does not count: whether it hung on one of them is not recorded.
func (e *Evaluation) reaches(i int, g Goal) bool {
	if e.Participants > 0 {
		return i < len(e.reached) && e.reached[i]
	}
	return g.Reached(e.For(g))
}

// For returns the figures that a goal is judged on: unknown ones, where it is of a validation
// set that the version was not evaluated on.
func (e *Evaluation) For(g Goal) learn.Figures {
	switch {
	case !g.Validation:
		return e.Figures
	case e.Validation == nil:
		return (&learn.Metrics{}).Figures()
	}
	return *e.Validation
}

// roundsDone reports whether all rounds are committed. The run is over once the
// last of them is evaluated.
func (r *Run) roundsDone() bool {
	return r.cfg.Stop.Rounds > 0 && r.down.version >= uint64(r.cfg.Stop.Rounds)
}
