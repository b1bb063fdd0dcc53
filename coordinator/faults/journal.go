package faults

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"fedtab/coordinator/run"
)

// journal is a run.Journal in memory that is as durable, as slow and as
// unreliable as the schedule wants. What it does with a repeated write is what
// coordinator/store does.
type journal struct {
	world *world

	// Durable.
	reserved uint32
	open     *run.OpenRound
	commits  []run.Commit
	finished string

	pending []write
	busy    bool
}

// write is something that the disk is to do.
type write struct {
	life *life
	work func() error
	then func(error)
}

func newJournal(w *world) *journal { return &journal{world: w, reserved: 1} }

var errDisk = errors.New("the disk is full")

// queue does one write after the other, each in its time.
func (j *journal) queue(l *life, work func() error, then func(error)) {
	j.pending = append(j.pending, write{l, work, then})
	j.next()
}

func (j *journal) next() {
	if j.busy || len(j.pending) == 0 {
		return
	}
	j.busy = true
	took := j.world.between(0, 10*time.Millisecond)
	if j.world.chance(j.world.faults.slowDisk) {
		took = j.world.between(0, 10*time.Second)
	}
	first := j.pending[0]
	j.world.clock.AfterFunc(took, func() {
		if first.life.over {
			return // it was dealt with when the coordinator died
		}
		j.pending = j.pending[1:]
		j.busy = false
		err := first.work()
		j.next()
		first.then(err)
	})
}

// abandoned is called when the coordinator dies: of what it had asked for, some
// has still been written, in order.
func (j *journal) abandoned() {
	for _, p := range j.pending {
		if j.world.chance(.5) {
			break
		}
		p.work()
	}
	j.pending, j.busy = nil, false
}

// try lets a write fail, before or after it is done.
func (j *journal) try(write func() error) error {
	if !j.world.chance(j.world.faults.fail) {
		return write()
	}
	j.world.result.Failures++
	if j.world.chance(j.world.faults.failLate) {
		if err := write(); err != nil {
			return err
		}
	}
	return errDisk
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
	return j.try(func() error {
		if o.Round <= uint64(len(j.commits)) {
			return fmt.Errorf("round %d is committed", o.Round)
		}
		j.world.checkOpen(o)
		j.world.trace("durable: round %d open, order %d, cohort %v", o.Round, o.Order, o.Cohort)
		o.Cohort = slices.Clone(o.Cohort)
		j.open = &o
		return nil
	})
}

// Commit implements run.Journal.
func (j *journal) Commit(_ string, c run.Commit) error {
	return j.try(func() error {
		if n := uint64(len(j.commits)); c.Round <= n && c.Round > 0 {
			if j.commits[c.Round-1].Hash != c.Hash {
				j.world.violated("version %d is committed a second time, with another hash", c.Round)
			}
			return nil
		}
		j.world.checkCommit(c)
		j.world.trace("durable: version %d of %v", c.Round, c.Participants)
		c.Participants = slices.Clone(c.Participants)
		j.commits = append(j.commits, c)
		j.open = nil
		return nil
	})
}

// Evaluate implements run.Journal.
func (j *journal) Evaluate(_ string, e run.Evaluation) error {
	return j.try(func() error {
		if e.Version == 0 || e.Version > uint64(len(j.commits)) {
			j.world.violated("version %d is evaluated, and %d are durable", e.Version, len(j.commits))
		}
		return nil
	})
}

// Finish implements run.Journal.
func (j *journal) Finish(_, reason string, _ time.Time) error {
	return j.try(func() error {
		j.finished = reason
		return nil
	})
}

// Log implements run.Journal.
func (j *journal) Log(string, []run.LogEntry) error {
	return j.try(func() error { return nil })
}

// load returns what coordinator/store would.
func (j *journal) load() *run.Saved {
	s := &run.Saved{Participants: j.reserved, Finished: j.finished}
	if n := len(j.commits); n > 0 {
		last := j.commits[n-1]
		s.Last = &last
		for _, c := range j.commits {
			s.Rounds = append(s.Rounds, run.RoundRecord{Round: c.Round, Hash: c.Hash, Committed: c.Committed})
		}
	}
	if j.open != nil {
		open := *j.open
		s.Open = &open
	}
	return s
}
