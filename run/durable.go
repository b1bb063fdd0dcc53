package run

import (
	"errors"
	"fmt"
	"time"

	"fedtab/protocol"
)

// ErrPermanent is wrapped by the errors of a Journal that a retry cannot cure, such
// as a read-only or corrupt database. They halt the run. After any other error, such
// as a full disk, the write is retried.
var ErrPermanent = errors.New("no later try can succeed")

// ErrElsewhere is wrapped by the errors of a Journal that another process writes to now: the run
// goes on there. It wraps ErrPermanent.
var ErrElsewhere = fmt.Errorf("another process drives the run: %w", ErrPermanent)

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
	retrying int    // writes that wait for a retry
}

// backoff returns the pause after a write has failed the given number of times. Each
// write has a count of its own: many that fail at once do not make one another wait.
func backoff(failed int) time.Duration {
	return min(minRetry<<min(failed-1, 10), maxRetry)
}

// save writes to the journal, with retries, and then calls then. Pending entries of
// the event log are written before, unless such a write is under way.
func (r *Run) save(what string, write func(Journal) error, then func()) {
	var attempt func(failed int)
	attempt = func(failed int) { r.try(what, failed, write, then, attempt) }
	attempt(0)
}

// saveRound is save for a write of a round. It is dropped once the run is over.
func (r *Run) saveRound(what string, write func(Journal) error, then func()) {
	r.saveWhile(func() bool { return true }, what, write, then)
}

// saveWhile is saveRound for a write that is dropped, also between two tries, once wanted
// reports false: it must not follow one that has taken its place.
func (r *Run) saveWhile(wanted func() bool, what string, write func(Journal) error, then func()) {
	var attempt func(failed int)
	attempt = func(failed int) {
		if r.finished != "" || !wanted() {
			return
		}
		r.try(what, failed, write, func() {
			if r.finished == "" && wanted() {
				then()
			}
		}, attempt)
	}
	attempt(0)
}

// try writes to the journal and calls then, or, after the backoff, again with the number
// of failures of this write.
func (r *Run) try(what string, failed int, write func(Journal) error, then func(), again func(failed int)) {
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
			failed++
			pause := backoff(failed)
			r.log.Error("cannot store, trying again", "what", what, "in", pause, "failures", failed, "error", err)
			r.durable.retrying++
			r.env.AfterFunc(pause, func() { r.durable.retrying--; again(failed) })
		}
	})
}

// journalAnswered records the outcome of a write, and notifies observers and
// participants of a change.
func (r *Run) journalAnswered(err error) {
	if err != nil {
		r.durable.failures++
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
	if errors.Is(err, ErrElsewhere) {
		r.log.Info("this process drives the run no longer", "what", what, "version", r.down.version, "reason", err)
	} else {
		r.log.Error("run halted: the database is not writable; repair it and restart", "what", what, "version", r.down.version, "error", err)
	}
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
	r.endStop(err)
	r.endTurn(err)
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
