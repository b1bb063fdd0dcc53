package run

import (
	"time"
)

// storeRetry is how long the run waits before it tries again to write what
// the journal could not take, as when a disk is full.
const storeRetry = 2 * time.Second

// save writes through the journal, again and again until it works, and then
// goes on. The event log so far is written before it, unless a write of that is
// under way.
func (r *Run) save(what string, write func(Journal) error, then func()) {
	r.try(what, write, then, func() { r.save(what, write, then) })
}

// saveRound does the same for a step of a round, which is of no use any more
// once the run is over.
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
	r.flush()
	r.env.Store(func() error { return write(r.cfg.Journal) }, func(err error) {
		r.journalAnswered(err)
		if err != nil {
			r.log.Error("cannot store, trying again", "what", what, "in", storeRetry, "error", err)
			r.retrying++
			r.env.AfterFunc(storeRetry, func() { r.retrying--; again() })
			return
		}
		then()
	})
}

// journalAnswered keeps whether the journal works, and tells observers when
// that has changed.
func (r *Run) journalAnswered(err error) {
	if err != nil {
		r.failures++
	}
	changed := (err == nil) != (r.stored == nil)
	r.stored = err
	if changed {
		if err == nil {
			r.log.Info("the journal works again")
		}
		r.notify(nil)
	}
}
