package run

import (
	"errors"
	"fmt"
	"time"
)

// Entries of the event log are written in batches, because each write waits for the
// disk.
const (
	flushAfter = 200 * time.Millisecond
	maxEntries = 10_000 // unwritten; further entries are dropped, and counted
)

// eventLog holds the pending entries of the event log.
type eventLog struct {
	entries  []LogEntry
	flushing bool // a flush is due
	writing  bool // entries are being written
	dropped  int  // entries lost since the last flush
}

// add appends an entry, or counts it as dropped if maxEntries are pending.
func (l *eventLog) add(e LogEntry) {
	if len(l.entries) >= maxEntries {
		l.dropped++
		return
	}
	l.entries = append(l.entries, e)
}

// take removes and returns the pending entries.
func (l *eventLog) take(now time.Time, round uint64) []LogEntry {
	entries := l.entries
	l.entries = nil
	if l.dropped > 0 {
		entries = append(entries, LogEntry{At: now, Round: round, Kind: "dropped", Detail: fmt.Sprintf("%d entries above the limit of %d", l.dropped, maxEntries)})
		l.dropped = 0
	}
	return entries
}

// record adds to the event log. A failure costs entries, never the run.
func (r *Run) record(kind string, participant uint32, detail string) {
	round := r.down.version
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
	r.events.add(LogEntry{At: r.env.Now(), Round: round, Participant: participant, Kind: kind, Detail: detail})
	if !r.events.flushing {
		r.events.flushing = true
		r.env.AfterFunc(flushAfter, func() { r.events.flushing = false; r.flush() })
	}
}

// flush writes the pending entries, unless a write of entries is under way. On a
// slow disk at most one such write waits.
func (r *Run) flush() {
	if !r.events.writing && len(r.events.entries) > 0 {
		r.writeEvents()
	}
}

// Flush writes the event log so far, and the ledger if it has changed. The owner
// calls it last, when it stops.
func (r *Run) Flush() {
	if len(r.events.entries) > 0 || r.cfg.Journal != nil && r.accounts.all != r.accounts.written {
		r.writeEvents()
	}
}

func (r *Run) writeEvents() {
	ledger := r.accounts.all
	r.accounts.written = ledger
	entries := r.events.take(r.env.Now(), r.down.version)
	r.events.writing = true
	r.env.Store(func() error { return r.cfg.Journal.Log(r.cfg.ID, entries, ledger) }, func(err error) {
		r.events.writing = false
		r.journalAnswered(err)
		if err != nil {
			r.log.Error("cannot write the event log", "entries_lost", len(entries), "error", err)
		}
		if errors.Is(err, ErrPermanent) {
			r.halt("event log", err)
			return
		}
		if !r.events.flushing {
			r.flush() // entries that came meanwhile
		}
	})
}
