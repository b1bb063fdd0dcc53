package run

import (
	"slices"
	"time"

	"fedtab/protocol"
)

const (
	// divideEvery is the min time from one division of the shards to the next. Each
	// may have every participant fetch other shards: a few seconds of a slow line.
	divideEvery = 5 * time.Second

	// settleTime is the time that a participant must have been present to be part
	// of a division. One that joins and leaves at once moves no shard of others.
	settleTime = time.Second
)

// division is the time of the divisions of the public data over the participants.
type division struct {
	last time.Time // of the newest
	due  time.Time // of the next; zero if none is due
	stop func()    // stops the timer of the next
}

// trains reports whether the tab of a member trains: it is not paused.
func (m *member) trains() bool {
	return m.tab != protocol.TabPaused && m.tab != protocol.TabFrozen
}

// assign gives shards at once to a member that has none and trains: those that it
// would have if all were divided now. Their holders keep them until the next division,
// unless they too have joined since the last one, and hold at least twice their share:
// a page that is opened by many at once starts with equal shares.
func (r *Run) assign(m *member) {
	switch s := r.roster.shards; {
	case len(s.Sizes) == 0:
		return
	case !s.Divide:
		r.setShards(m, []uint32{(m.number - 1) % uint32(len(s.Sizes))})
		return
	case !m.trains() || len(m.shards) > 0:
		return
	}
	m.since, m.settled = r.env.Now(), false
	var present []uint32
	for _, p := range r.roster.present {
		if r.roster.members[p].trains() {
			present = append(present, p)
		}
	}
	wanted := r.roster.divide(present)
	for _, p := range present {
		other := r.roster.members[p]
		if other == m || !other.settled && len(other.shards) >= 2*len(wanted[p]) {
			r.setShards(other, wanted[p])
		}
	}
	r.divideAt(m.since.Add(divideEvery))
}

// unassign has the shards of a member divided that has left or is paused, as soon as
// divideEvery allows. Nothing depends on a member that was in no division yet.
func (r *Run) unassign(m *member) {
	if m.settled && len(m.shards) > 0 {
		r.divideAt(r.division.last.Add(divideEvery))
	}
}

// divideAt has the shards divided at the given time, or earlier.
func (r *Run) divideAt(at time.Time) {
	d := &r.division
	if !d.due.IsZero() {
		if !at.Before(d.due) {
			return
		}
		d.stop()
	}
	wait := at.Sub(r.env.Now())
	if wait <= 0 {
		r.divide()
		return
	}
	d.due, d.stop = at, r.env.AfterFunc(wait, r.divide)
}

// divide divides the shards over the members that train and have settled. Paused ones
// lose theirs.
func (r *Run) divide() {
	now := r.env.Now()
	r.division = division{last: now}
	if r.finished != "" {
		return
	}
	var present []uint32
	newcomers := false
	for _, p := range r.roster.present {
		switch m := r.roster.members[p]; {
		case !m.trains():
			m.settled = false
			r.setShards(m, nil)
		case m.settled || now.Sub(m.since) >= settleTime:
			m.settled = true
			present = append(present, p)
		default:
			newcomers = true
		}
	}
	wanted := r.roster.divide(present)
	for _, p := range present {
		r.setShards(r.roster.members[p], wanted[p])
	}
	if newcomers {
		r.divideAt(now.Add(divideEvery))
	}
}

// setShards assigns shards to a member, and tells it if they are others than before.
func (r *Run) setShards(m *member, shards []uint32) {
	if slices.Equal(m.shards, shards) {
		return
	}
	m.shards = shards
	r.roster.assignment++
	r.sendShards(m)
}
