package run

import (
	"fmt"

	"fedtab/protocol"
	"fedtab/strategy"
)

// Pause pauses the run with its organiser's reason, and calls then with the newest version
// once that is durable, or with an error. A version that is being made comes first. A round
// that is open is given up, as it may have hours to go, or no end of its own. Until Resume
// no round opens and no order of one goes out; the newest version is still evaluated.
// Participants stay, and are told. The limit of time goes on.
func (r *Run) Pause(reason string, then func(version uint64, err error)) {
	err := r.turnable()
	switch {
	case err != nil:
	case r.paused != "":
		err = fmt.Errorf("run %s is already paused: %s", r.cfg.ID, r.paused)
	case reason == "":
		err = fmt.Errorf("run %s: a pause needs a reason, which its participants read", r.cfg.ID)
	case r.roundsDone():
		err = fmt.Errorf("run %s has made its last version, and ends once that is evaluated", r.cfg.ID)
	}
	if err != nil {
		then(0, err)
		return
	}
	r.paused, r.turn = reason, &turn{doing: "paused", then: then}
	r.log.Info("run paused", "reason", reason, "version", r.down.version)
	r.record("paused", 0, reason)
	r.suspend()
	at := r.env.Now()
	r.saveTurn("pause", func(j Journal) error { return j.Pause(r.cfg.ID, reason, at) })
}

// Resume ends a pause, and calls then with the newest version once that is durable, or with
// an error.
func (r *Run) Resume(then func(version uint64, err error)) {
	err := r.turnable()
	if err == nil && r.paused == "" {
		err = fmt.Errorf("run %s is not paused", r.cfg.ID)
	}
	if err != nil {
		then(0, err)
		return
	}
	r.paused, r.turn = "", &turn{doing: "resumed", then: then}
	r.log.Info("run resumed", "version", r.down.version)
	r.record("resumed", 0, "")
	r.broadcastStatus()
	r.step(strategy.Resumed{})
	r.startSurvey()
	r.notify(nil)
	r.saveTurn("resume", func(j Journal) error { return j.Resume(r.cfg.ID) })
}

// turnable says why the run can be neither paused nor resumed now; nil: it can.
func (r *Run) turnable() error {
	switch {
	case r.finished != "":
		return fmt.Errorf("run %s is over: %s", r.cfg.ID, r.finished)
	case r.stop != nil:
		return fmt.Errorf("run %s is being stopped: %s", r.cfg.ID, r.stop.reason)
	case r.turn != nil: // a write that is retried must not overtake the next one
		return fmt.Errorf("run %s is still being %s", r.cfg.ID, r.turn.doing)
	}
	return nil
}

// turn is a pause, or the end of one, that its organiser waits for.
type turn struct {
	doing   string
	then    func(version uint64, err error)
	durable bool
}

func (r *Run) saveTurn(what string, write func(Journal) error) {
	r.saveRound(what, write, func() {
		r.turn.durable = true
		r.tryTurn()
	})
}

// tryTurn answers a Pause or a Resume that is durable, unless a version is being made.
func (r *Run) tryTurn() {
	if r.turn != nil && r.turn.durable && r.phase != protocol.PhaseCommitting {
		r.endTurn(nil)
	}
}

// endTurn answers a Pause or a Resume.
func (r *Run) endTurn(err error) {
	if t := r.turn; t != nil {
		r.turn = nil
		t.then(r.down.version, err)
	}
}

// stayPaused goes on with the pause of an earlier process. The strategy has been told of an
// open round before, for its order number.
func (r *Run) stayPaused() {
	r.log.Info("the run is paused still", "reason", r.paused, "version", r.down.version)
	r.suspend()
}

// suspend gives up what a pause does, and tells everybody of it.
func (r *Run) suspend() {
	r.dropSurvey()
	r.step(strategy.Paused{})
	if r.open != nil && r.phase != protocol.PhaseCommitting {
		r.closeRound() // dynamic averaging has no attempt yet in a round that a restart has reopened
	}
	r.broadcastStatus()
	r.notify(nil)
	r.enquireLater()
}

// enquireLater asks for what would have been asked for with the next order.
func (r *Run) enquireLater() {
	for _, p := range r.roster.present {
		if r.enquiry != nil && r.enquiry.later[p] {
			r.askMember(r.roster.members[p])
		}
	}
}

// shownPhase is the phase that participants and observers are told.
func (r *Run) shownPhase() protocol.Phase {
	if r.paused != "" && r.finished == "" && r.phase != protocol.PhaseCommitting {
		return protocol.PhasePaused
	}
	return r.phase
}
