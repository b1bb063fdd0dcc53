package run

import (
	"errors"
	"time"

	"fedtab/protocol"
)

// ErrPermanent is wrapped by the errors of a Journal that no later try can cure,
// such as a database that is read-only or corrupt. They halt the run. Every other
// error, such as a full disk, is tried again.
var ErrPermanent = errors.New("no later try can succeed")

// The pause before a failed write is tried again: minRetry, doubled with each
// failure in a row up to maxRetry.
const (
	minRetry = 2 * time.Second
	maxRetry = time.Minute
)

// durability is whether the journal works.
type durability struct {
	err      error  // the last failure; nil while it works
	failures uint64 // in all
	inARow   int
	retrying int // writes that wait for another try
}

func (d *durability) pause() time.Duration {
	return min(minRetry<<min(max(d.inARow-1, 0), 10), maxRetry)
}

// save writes through the journal until it works, and then goes on. The event log
// so far is written before it, unless a write of that is under way.
func (r *Run) save(what string, write func(Journal) error, then func()) {
	r.try(what, write, then, func() { r.save(what, write, then) })
}

// saveRound does the same for a step of a round, which is of no use once the run
// is over.
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

// try writes through the journal and goes on with then, or later with again.
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

// journalAnswered keeps whether the journal works, and tells observers and
// participants when that has changed.
func (r *Run) journalAnswered(err error) {
	if err != nil {
		r.durable.failures++
		r.durable.inARow++
	} else {
		r.durable.inARow = 0
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

// halt stops a run whose history cannot be written any more. It is not over: the
// next process that can write the database goes on from the last version.
func (r *Run) halt(what string, err error) {
	if r.halted {
		return
	}
	r.halted = true
	r.log.Error("run halted: its database cannot be written; mend it and restart", "what", what, "version", r.down.version, "error", err)
	if r.finished == "" {
		r.finished = haltedReason
		r.drop()
	}
	for _, p := range r.roster.present {
		r.roster.members[p].closePeer(protocol.CloseOverloaded, haltedReason)
	}
	r.notify(nil)
}

// haltedReason is what participants are told. They come back by themselves.
const haltedReason = "the coordinator cannot write its database, and its organiser must mend that"
