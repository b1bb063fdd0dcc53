package faults

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"fedtab/coordinator/virtual"
	"fedtab/run"
)

// journal is a run.Journal in memory that is as durable, as slow and as
// unreliable as the schedule wants. What it does with a repeated write is what
// coordinator/store does.
type journal struct {
	world *world

	// Durable.
	reserved    uint32
	open        *run.OpenRound
	commits     []run.Commit
	evaluations map[uint64]run.Evaluation
	finished    string

	pending []write
	busy    bool
	writing *write // the one that is being done
}

// write is something that the disk is to do.
type write struct {
	life  *life
	work  func() error
	then  func(error)
	asked run.Ledger // what the life's peers had seen when it was asked for
}

func newJournal(w *world) *journal {
	return &journal{world: w, reserved: 1, evaluations: map[uint64]run.Evaluation{}}
}

var errDisk = errors.New("the disk is full")

// queue does one write after the other, each in its time.
func (j *journal) queue(l *life, work func() error, then func(error)) {
	j.pending = append(j.pending, write{l, work, then, l.seen})
	j.next()
}

func (j *journal) next() {
	if j.busy || len(j.pending) == 0 {
		return
	}
	j.busy = true
	most := 10 * time.Millisecond
	if j.world.fault(j.world.chances.SlowDisk) {
		most = 10 * time.Second
	}
	first := j.pending[0]
	j.world.soon(0, most, func() {
		if first.life.over {
			return // it was dealt with when that life ended
		}
		err := j.do(first)
		j.pending = slices.Delete(j.pending, 0, 1)
		j.busy = false
		j.next()
		first.then(err)
	})
}

func (j *journal) do(w write) error {
	j.writing = &w
	err := w.work()
	j.writing = nil
	return err
}

// lost is called when the coordinator dies: of what it had asked for, some has
// become durable all the same, in order, and nobody was told.
func (j *journal) lost() {
	for _, p := range j.pending {
		if j.world.chance(.5) {
			break
		}
		j.do(p)
	}
	j.pending, j.busy, j.writing = nil, false, nil
}

// drain does everything that was asked for, before the coordinator stops.
func (j *journal) drain() {
	for len(j.pending) > 0 {
		p := j.pending[0]
		j.pending = slices.Delete(j.pending, 0, 1)
		j.do(p)
	}
	j.busy = false
}

// try lets a write fail, before or after it is durable, and the coordinator die
// on either side of it.
func (j *journal) try(write func() error) error {
	w := j.world
	w.effect()
	fails := w.fault(w.chances.Fail)
	if fails {
		w.result.Failures++
	}
	if fails && !w.chance(w.chances.FailLate) {
		return errDisk
	}
	if err := write(); err != nil {
		return err
	}
	w.effect()
	if fails {
		return errDisk
	}
	return nil
}

// ReserveParticipants implements run.Journal.
func (j *journal) ReserveParticipants(_ string, limit uint32) error {
	return j.try(func() error {
		j.reserved = max(j.reserved, limit)
		return nil
	})
}

// OpenRound implements run.Journal.
func (j *journal) OpenRound(_ string, o run.OpenRound) error {
	l := j.writing.life
	return j.try(func() error {
		if o.Round <= uint64(len(j.commits)) {
			return fmt.Errorf("round %d is committed", o.Round)
		}
		j.world.checkOpen(l, o)
		j.world.note("durable: order %d opens round %d for %v", o.Order, o.Round, o.Cohort)
		o.Cohort = slices.Clone(o.Cohort)
		j.open = &o
		return nil
	})
}

// Commit implements run.Journal.
func (j *journal) Commit(_ string, c run.Commit) error {
	j.writing.life.commitAsked(c.Round, j.writing.asked)
	return j.try(func() error {
		if c.Round > 0 && c.Round <= uint64(len(j.commits)) {
			j.world.checkRepeated(c)
			return nil
		}
		j.world.checkCommit(j.writing.life, c)
		j.world.note("durable: version %d of %v", c.Round, c.Participants)
		c.Params, c.State, c.Participants = slices.Clone(c.Params), cloned(c.State), slices.Clone(c.Participants)
		c.Snapshot, c.Contributions = slices.Clone(c.Snapshot), slices.Clone(c.Contributions)
		j.commits = append(j.commits, c)
		j.open = nil
		return nil
	})
}

// Evaluate implements run.Journal.
func (j *journal) Evaluate(_ string, e run.Evaluation) error {
	return j.try(func() error {
		if e.Version == 0 || e.Version > uint64(len(j.commits)) {
			j.world.violated("only durable versions are evaluated", "version %d is, and %d are durable", e.Version, len(j.commits))
		}
		j.evaluations[e.Version] = e
		return nil
	})
}

// Finish implements run.Journal. A run that is over stays as it ended.
func (j *journal) Finish(_, reason string, _ time.Time) error {
	return j.try(func() error {
		if j.finished == "" {
			j.world.note("durable: the end, %s", reason)
			j.finished = reason
		}
		return nil
	})
}

// Log implements run.Journal.
func (j *journal) Log(string, []run.LogEntry) error {
	return j.try(func() error { return nil })
}

func cloned(state map[string][]float32) map[string][]float32 {
	state = maps.Clone(state)
	for name, v := range state {
		state[name] = slices.Clone(v)
	}
	return state
}

// load returns what coordinator/store would.
func (j *journal) load() *run.Saved {
	s := &run.Saved{Participants: j.reserved, Finished: j.finished}
	for _, c := range j.commits {
		rec := run.RoundRecord{Round: c.Round, Hash: c.Hash, Committed: c.Committed}
		if e, ok := j.evaluations[c.Round]; ok {
			rec.TestLoss, rec.TestAccuracy = &e.Loss, &e.Accuracy
		}
		s.Rounds = append(s.Rounds, rec)
	}
	if n := len(j.commits); n > 0 {
		last := j.commits[n-1]
		last.Params, last.State = slices.Clone(last.Params), cloned(last.State)
		s.Last = &last
		s.Elapsed = max(0, last.Committed.Sub(virtual.Epoch))
	}
	if j.open != nil {
		open := *j.open
		open.Cohort = slices.Clone(open.Cohort)
		s.Open = &open
	}
	return s
}
