package web

import (
	"sync"

	"fedtab/run"
)

// Feed keeps what a run has published for any number of readers, each at its
// own pace. A reader that is slow sees fewer states, and every round.
type Feed struct {
	mu      sync.Mutex
	state   run.State
	rounds  []feedRound
	seq     uint64
	changed chan struct{}
}

type feedRound struct {
	run.RoundRecord
	seq uint64 // of its last change
}

// NewFeed returns a feed that begins with the rounds of an earlier process.
func NewFeed(state run.State, rounds []run.RoundRecord) *Feed {
	f := &Feed{state: state, seq: 1, changed: make(chan struct{})}
	for _, r := range rounds {
		f.rounds = append(f.rounds, feedRound{r, 1})
	}
	return f
}

// Publish takes a change in. It is a run's Notify.
func (f *Feed) Publish(u run.Update) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seq++
	f.state = u.State
	if u.Round != nil {
		f.put(feedRound{*u.Round, f.seq})
	}
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *Feed) put(r feedRound) {
	for i := len(f.rounds) - 1; i >= 0 && f.rounds[i].Round >= r.Round; i-- {
		if f.rounds[i].Round == r.Round {
			f.rounds[i] = r
			return
		}
	}
	f.rounds = append(f.rounds, r)
}

// Since returns the state and the rounds that have changed after seq, and the
// seq to ask with next time.
func (f *Feed) Since(seq uint64) (run.State, []run.RoundRecord, uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var rounds []run.RoundRecord
	for _, r := range f.rounds {
		if r.seq > seq {
			rounds = append(rounds, r.RoundRecord)
		}
	}
	return f.state, rounds, f.seq
}

// Changed returns a channel that is closed with the next change. Ask for it
// before Since, so that no change is missed.
func (f *Feed) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}
