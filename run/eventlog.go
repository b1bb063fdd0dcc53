package run

import (
	"fmt"
	"time"
)

// Entries of the event log are written together: each write waits for the
// disk, and a hundred tabs come in one moment.
const (
	flushAfter = 200 * time.Millisecond
	maxEntries = 10_000 // that wait; more are dropped, and their number is logged
)

// record adds to the event log. A failure costs entries, never the run.
func (r *Run) record(kind string, participant uint32, detail string) {
	round := r.version
	if r.open != nil {
		round = r.open.Round
	}
	r.recordIn(round, kind, participant, detail)
}

// recordIn adds an entry that belongs to a round.
func (r *Run) recordIn(round uint64, kind string, participant uint32, detail string) {
	r.log.Debug(kind, "participant", participant, "round", round, "detail", detail)
	if r.cfg.Journal == nil {
		return
	}
	if len(r.entries) >= maxEntries {
		r.dropped++
		return
	}
	r.entries = append(r.entries, LogEntry{At: r.env.Now(), Round: round, Participant: participant, Kind: kind, Detail: detail})
	if !r.flushing {
		r.flushing = true
		r.env.AfterFunc(flushAfter, func() { r.flushing = false; r.flush() })
	}
}

// flush writes what waits of the event log, unless a write of it is under way:
// on a slow disk they would pile up before the next commit.
func (r *Run) flush() {
	if !r.logging {
		r.Flush()
	}
}

// Flush writes what waits of the event log. Whoever stops a Run calls it last.
func (r *Run) Flush() {
	if len(r.entries) == 0 {
		return
	}
	entries := r.entries
	r.entries = nil
	if r.dropped > 0 {
		entries = append(entries, LogEntry{At: r.env.Now(), Round: r.version, Kind: "dropped", Detail: fmt.Sprintf("%d entries that were too many at once", r.dropped)})
		r.dropped = 0
	}
	r.logging = true
	r.env.Store(func() error { return r.cfg.Journal.Log(r.cfg.ID, entries) }, func(err error) {
		r.logging = false
		r.journalAnswered(err)
		if err != nil {
			r.log.Error("cannot write the event log", "entries_lost", len(entries), "error", err)
		}
		if !r.flushing {
			r.flush() // what came meanwhile
		}
	})
}
