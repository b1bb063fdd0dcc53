package run

import (
	"errors"
	"time"

	"fedtab/protocol"
)

// ErrPermanent is wrapped by the errors of a Journal that a retry cannot cure, such
// as a read-only or corrupt database. They halt the run. After any other error, such
// as a full disk, the write is retried.
var ErrPermanent = errors.New("no later try can succeed")

// The backoff of failed writes: minRetry, doubled with each consecutive failure up
// to maxRetry.
const (
	minRetry = 2 * time.Second
	maxRetry = time.Minute
)

// durability is the state of the journal's writes.
type durability struct {
	err      error  // the last failure; nil while it works
	failures uint64 // in all
	inARow   int
	retrying int // writes that wait for a retry
}

func (d *durability) pause() time.Duration {
	return min(minRetry<<min(max(d.inARow-1, 0), 10), maxRetry)
}

// save writes to the journal, with retries, and then calls then. Pending entries of
// the event log are written before, unless such a write is under way.
func (r *Run) save(what string, write func(Journal) error, then func()) {
	r.try(what, write, then, func() { r.save(what, write, then) })
}

// saveRound is save for a write of a round. It is dropped once the run is over.
func (r *Run) saveRound(what string, write func(Journal) error, then func()) {
	if r.finished != "" {
		return
	}
	r.try(what, write, func() {
		if r.finished == "" {
			then()
		}
	}, func() { r.saveRound(what, write, then) })
}

// try writes to the journal and calls then, or, after the backoff, again.
func (r *Run) try(what string, write func(Journal) error, then, again func()) {
	if r.cfg.Journal == nil {
		then()
		return
	}
	if r.halted {
		return
	}
	r.flush()
	r.env.Store(func() error { return write(r.cfg.Journal) }, func(err error) {
		r.journalAnswered(err)
		switch {
		case err == nil:
			then()
		case errors.Is(err, ErrPermanent):
			r.halt(what, err)
		default:
			pause := r.durable.pause()
			r.log.Error("cannot store, trying again", "what", what, "in", pause, "failures", r.durable.inARow, "error", err)
			r.durable.retrying++
			r.env.AfterFunc(pause, func() { r.durable.retrying--; again() })
		}
	})
}

// journalAnswered records the outcome of a write, and notifies observers and
// participants of a change.
func (r *Run) journalAnswered(err error) {
	if err != nil {
		r.durable.failures++
		r.durable.inARow++
	} else {
		r.durable.inARow = 0
	}
	if err == nil && r.durable.retrying > 0 {
		return // a larger write has failed, and still waits
	}
	changed := (err == nil) != (r.durable.err == nil)
	r.durable.err = err
	if changed {
		if err == nil {
			r.log.Info("the journal works again")
		}
		if r.finished == "" || r.over { // an end that is not durable is not told
			r.broadcastStatus()
		}
		r.notify(nil)
	}
}

// halt stops a run whose journal has failed permanently. The run is not over: the
// next process that can write the database resumes it from the last version.
func (r *Run) halt(what string, err error) {
	if r.halted {
		return
	}
	r.halted = true
	r.log.Error("run halted: the database is not writable; repair it and restart", "what", what, "version", r.down.version, "error", err)
	if r.finished == "" {
		r.finished = haltedReason
		r.drop()
		r.phase = protocol.PhaseWaiting // it is not over
	}
	for _, p := range r.roster.present {
		r.roster.members[p].closePeer(protocol.CloseOverloaded, haltedReason)
	}
	r.admit()
	r.rewound(0, err)
	r.notify(nil)
}

// The reasons that observers and participants get while nothing can be stored.
const (
	haltedReason = "the coordinator cannot write its database; its organiser must repair it and restart"
	retryReason  = "the coordinator cannot write its database, and tries again"
)

// Problem says why the run makes no progress; it is empty while it can.
func (s *State) Problem() string {
	switch {
	case s.Halted:
		return haltedReason
	case s.StoreError != "" && s.Finished == "":
		return retryReason
	}
	return ""
}
