package run

import (
	"slices"
	"time"

	"fedtab/protocol"
)

// divideEvery is the min time from one division of the shards to the next, however
// many participants come and go: each division changes what others train on, and has
// them fetch shards. It is as long as a lost participant is waited for.
const divideEvery = 5 * time.Second

// takesPart reports whether a member gets a share of the public data. A paused or
// frozen tab gets none: others would have less to train on, and it trains on nothing.
func (m *member) takesPart() bool {
	return m.tab != protocol.TabPaused && m.tab != protocol.TabFrozen
}

// share sees to it that the shards are divided over the participants, of which m (if
// not nil) has come or is back from a pause: at once if no division was made within
// divideEvery, otherwise when that is over. Until then m shares shards of others.
func (r *Run) share(m *member) {
	shards := &r.roster.shards
	if len(shards.Sizes) == 0 || r.finished != "" {
		return
	}
	if !shards.Divide {
		r.assign(r.roster.divide())
		return
	}
	if r.roster.due == nil {
		wait := r.roster.divided.Add(divideEvery).Sub(r.env.Now())
		if wait <= 0 {
			r.divide()
			return
		}
		r.roster.due = r.env.AfterFunc(wait, r.divide)
	}
	if m != nil && m.takesPart() && len(m.shards) == 0 {
		m.shards = r.roster.shareOf(m)
		r.assign([]*member{m})
	}
}

// divide divides the shards now.
func (r *Run) divide() {
	r.roster.due = nil
	if r.finished != "" {
		return
	}
	if changed := r.roster.divide(); len(changed) > 0 {
		r.roster.divided = r.env.Now()
		r.assign(changed)
	}
}

// assign sends members the shards that they have now. A paused tab is told when it is
// back.
func (r *Run) assign(changed []*member) {
	for _, m := range changed {
		r.roster.assignment++
		if m.peer != nil && len(m.shards) > 0 {
			r.sendShards(m)
		}
	}
}

func (r *Run) sendShards(m *member) {
	m.assignment = r.roster.assignment
	r.send(m, &protocol.Shards{
		Assignment: m.assignment, Source: r.roster.shards.Source, Shards: m.shards, Total: uint32(len(r.roster.shards.Sizes)),
	})
	if m.order != nil {
		m.order.weight = max(m.order.weight, r.roster.weight(m))
	}
}

// takers returns the numbers of the participants that get shards, ascending.
func (r *roster) takers() []uint32 {
	if !r.shards.Divide {
		return r.present
	}
	takers := make([]uint32, 0, len(r.present))
	for _, p := range r.present {
		if r.members[p].takesPart() {
			takers = append(takers, p)
		}
	}
	return takers
}

// wanted returns the shards that each of the takers is to have.
func (r *roster) wanted(takers []uint32) map[uint32][]uint32 {
	total := len(r.shards.Sizes)
	wanted := make(map[uint32][]uint32, len(takers))
	if !r.shards.Divide {
		for _, p := range takers {
			wanted[p] = []uint32{(p - 1) % uint32(total)}
		}
		return wanted
	}
	divideEvenly(wanted, takers, total, func(p uint32) []uint32 { return r.members[p].shards })
	return wanted
}

// shareOf returns the shards that m would have if they were divided now.
func (r *roster) shareOf(m *member) []uint32 {
	takers := r.takers()
	if total := uint32(len(r.shards.Sizes)); len(takers) > int(total) {
		return []uint32{(m.number - 1) % total} // any: a crowd that comes at once is divided later
	}
	return r.wanted(takers)[m.number]
}

// divide divides the shards of the public data over the participants and returns the
// members whose shards have changed, ascending. If all are paused nothing changes.
func (r *roster) divide() (changed []*member) {
	takers := r.takers()
	if len(r.shards.Sizes) == 0 || len(takers) == 0 {
		return nil
	}
	wanted := r.wanted(takers)
	for _, p := range r.present {
		if m := r.members[p]; !slices.Equal(m.shards, wanted[p]) {
			m.shards = wanted[p]
			changed = append(changed, m)
		}
	}
	return changed
}

// divideEvenly fills wanted: shards 0..total-1 over the participants, with counts
// that differ by at most one. Each keeps its shards as far as that allows. With more
// participants than shards, each has one, and shards have participants in counts that
// differ by at most one.
func divideEvenly(wanted map[uint32][]uint32, present []uint32, total int, has func(uint32) []uint32) {
	if len(present) > total {
		divideCrowd(wanted, present, total, has)
		return
	}
	base, extra := total/len(present), total%len(present)
	taken := make([]bool, total)
	quota := make([]int, len(present))
	// Participants that hold more than an equal share keep one more, in the
	// order of their numbers.
	for i, p := range present {
		quota[i] = base
		if extra > 0 && len(has(p)) > base {
			quota[i]++
			extra--
		}
	}
	for i := range present {
		if extra > 0 && quota[i] == base {
			quota[i]++
			extra--
		}
	}
	for i, p := range present {
		kept := make([]uint32, 0, quota[i])
		for _, s := range has(p) {
			if len(kept) < quota[i] && int(s) < total && !taken[s] {
				taken[s] = true
				kept = append(kept, s)
			}
		}
		wanted[p] = kept
	}
	next := 0
	for i, p := range present {
		for len(wanted[p]) < quota[i] {
			for taken[next] {
				next++
			}
			taken[next] = true
			wanted[p] = append(wanted[p], uint32(next))
		}
		slices.Sort(wanted[p])
	}
}

// divideCrowd is divideEvenly for more participants than shards.
func divideCrowd(wanted map[uint32][]uint32, present []uint32, total int, has func(uint32) []uint32) {
	base, extra := len(present)/total, len(present)%total
	owners := make([]int, total)
	// take gives p shard s if that has room for one more.
	take := func(p, s uint32) bool {
		switch {
		case owners[s] < base:
		case owners[s] == base && extra > 0:
			extra--
		default:
			return false
		}
		owners[s]++
		wanted[p] = []uint32{s}
		return true
	}
	for _, p := range present {
		for _, s := range has(p) {
			if int(s) < total && take(p, s) {
				break
			}
		}
	}
	next := uint32(0)
	for _, p := range present {
		for wanted[p] == nil && !take(p, next) {
			next++
		}
	}
}
