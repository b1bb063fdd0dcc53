package run

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"fedtab/protocol"
)

// Entries of the event log are written in batches, because each write waits for the
// disk.
const (
	flushAfter = 200 * time.Millisecond
	maxEntries = protocol.RunEvents // unwritten; further entries are dropped, and counted
)

// What participants cause in the event log beside the acceptance of what was ordered
// (they join, leave, decline, are rejected) has budgets: each participant's bounds one
// session, an address's those that reconnect as other participants, the run's all of
// them together, at about 100 MB a day. Entries beyond are counted, and the count is
// an entry of its own at most once in reportAfter.
var (
	participantBudget = budget{burst: protocol.ParticipantEvents, every: protocol.ParticipantEventTime}
	addressBudget     = budget{burst: protocol.AddressEvents, every: protocol.AddressEventTime}
	runBudget         = budget{burst: protocol.RunEvents, every: protocol.RunEventTime}
)

const (
	reportAfter = time.Minute
	maxDetail   = 200 // bytes of an entry's detail that come from a participant
)

// budget is a token bucket of entries: burst at once, then one in every.
type budget struct {
	burst int
	every time.Duration
	spent int       // of the burst
	since time.Time // from when on the spent ones come back
}

// refill gives back what has come back by now.
func (b *budget) refill(now time.Time) {
	if back := int(now.Sub(b.since) / b.every); back >= b.spent || back < 0 {
		b.spent, b.since = 0, now // a clock that was set back gives all back
	} else {
		b.spent -= back
		b.since = b.since.Add(time.Duration(back) * b.every)
	}
}

// left reports whether the budget has an entry left.
func (b *budget) left(now time.Time) bool {
	b.refill(now)
	return b.spent < b.burst
}

// eventLog holds the pending entries of the event log.
type eventLog struct {
	entries   []LogEntry
	flushing  bool // a flush is due
	writing   bool // entries are being written
	dropped   int  // entries left out since the last report
	reporting bool // a report of them is due
	all       budget
	addresses map[string]*budget
}

// spend takes an entry of a participant out of its budgets, and says whether there was
// one left in each.
func (l *eventLog) spend(m *member, now time.Time) bool {
	budgets := []*budget{&l.all, &m.events}
	if m.address != "" {
		b := l.addresses[m.address]
		if b == nil {
			if l.addresses == nil {
				l.addresses = map[string]*budget{}
			}
			fresh := addressBudget
			b = &fresh
			l.addresses[m.address] = b
		}
		budgets = append(budgets, b)
	}
	for _, b := range budgets {
		if !b.left(now) {
			return false
		}
	}
	for _, b := range budgets {
		b.spent++
	}
	return true
}

// report counts what was left out in an entry, and forgets the addresses whose budget
// is whole.
func (l *eventLog) report(now time.Time, round uint64) {
	maps.DeleteFunc(l.addresses, func(_ string, b *budget) bool {
		b.refill(now)
		return b.spent == 0
	})
	if l.dropped > 0 {
		l.entries = append(l.entries, LogEntry{At: now, Round: round, Kind: "dropped", Detail: fmt.Sprintf("%d entries beyond the limits", l.dropped)})
		l.dropped = 0
	}
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
func (l *eventLog) take() []LogEntry {
	entries := l.entries
	l.entries = nil
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
	r.reportLater()
	r.flushLater()
}

// recordFrom adds to the event log what a participant has caused, within its budgets.
func (r *Run) recordFrom(m *member, kind, detail string) {
	if r.cfg.Journal != nil && !r.events.spend(m, r.env.Now()) {
		r.events.dropped++
		r.reportLater()
		return
	}
	if len(detail) > maxDetail {
		detail = protocol.ClipText(detail[:maxDetail])
	}
	r.record(kind, m.number, detail)
}

func (r *Run) flushLater() {
	if !r.events.flushing {
		r.events.flushing = true
		r.env.AfterFunc(flushAfter, func() { r.events.flushing = false; r.flush() })
	}
}

// reportLater sees to it that entries left out are reported.
func (r *Run) reportLater() {
	if l := &r.events; l.dropped > 0 && !l.reporting {
		l.reporting = true
		r.env.AfterFunc(reportAfter, func() {
			l.reporting = false
			l.report(r.env.Now(), r.down.version)
			r.flushLater()
		})
	}
}

// flush writes the pending entries, unless a write of entries is under way. On a
// slow disk at most one such write waits.
func (r *Run) flush() {
	if !r.events.writing && len(r.events.entries) > 0 {
		r.writeEvents()
	}
}

// Flush writes the event log and the departures so far, and the ledger if it has
// changed. The owner calls it last, when it stops.
func (r *Run) Flush() {
	r.events.report(r.env.Now(), r.down.version)
	if len(r.departures.pending) > 0 {
		r.saveDepartures()
	}
	if len(r.events.entries) > 0 || r.cfg.Journal != nil && r.accounts.all != r.accounts.written {
		r.writeEvents()
	}
}

func (r *Run) writeEvents() {
	ledger := r.accounts.all
	r.accounts.written = ledger
	entries := r.events.take()
	r.events.writing = true
	r.env.Store(func() error { return r.cfg.Journal.Log(r.cfg.ID, entries, ledger) }, func(err error) {
		r.events.writing = false
		r.journalAnswered(err)
		if err != nil && !errors.Is(err, ErrElsewhere) {
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
