package faults

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"fedtab/learn/data"
	"fedtab/run"
	"fedtab/simulation"
)

// disk is a run.Journal in memory, as durable, slow and faulty as the schedule
// says. A repeated write does what it does in coordinator/store.
type disk struct {
	sim *sim

	// Durable.
	reserved    uint32
	departed    []uint32
	open        *run.OpenRound
	sums        []*sum // of the newest attempt
	commits     []run.Commit
	evaluations map[uint64]run.Evaluation
	constants   *data.Constants
	paused      string
	finished    string

	pending []write
	busy    bool
	seen    int64 // of the write that is being done
}

// write is work for the disk.
type write struct {
	work func() error
	then func(error)
	seen int64 // bytes that the process's peers had seen when it was asked for
}

var (
	errDisk      = errors.New("the disk is full")
	errPermanent = fmt.Errorf("the disk is read-only: %w", run.ErrPermanent)
)

// next does one pending write after the other, each in its time.
func (d *disk) next() {
	if d.busy || len(d.pending) == 0 {
		return
	}
	d.busy = true
	within := 10 * time.Millisecond
	if d.sim.fault(d.sim.rates.SlowDisk) {
		within = 10 * time.Second
	}
	d.sim.soon(0, within, d.sim.process.alive(func() {
		first := d.pending[0]
		err := d.do(first)
		d.pending = slices.Delete(d.pending, 0, 1)
		d.busy = false
		d.next()
		first.then(err)
	}))
}

func (d *disk) do(w write) error {
	d.seen = w.seen
	return w.work()
}

// flush is the end of a process: pending writes are done, in order, each if those
// before it were and with probability p, and the process is not told.
func (d *disk) flush(p float64) {
	for _, w := range d.pending {
		if !d.sim.chance(p) {
			break
		}
		d.do(w)
	}
	d.pending, d.busy = nil, false
}

// try does a write that may fail, before or after it is durable, with a crash on
// either side of it.
func (d *disk) try(write func() error) error {
	s := d.sim
	s.effect()
	var failure error
	if s.fault(s.rates.Fail) {
		s.result["failed writes"]++
		failure = errDisk
		if s.chance(s.rates.Permanent) {
			failure = errPermanent
		}
	}
	if failure != nil && !s.chance(s.rates.FailLate) {
		return failure
	}
	if err := write(); err != nil {
		return err
	}
	s.effect()
	return failure
}

// ReserveParticipants implements run.Journal.
func (d *disk) ReserveParticipants(_ string, limit uint32) error {
	return d.try(func() error { d.reserved = max(d.reserved, limit); return nil })
}

// Depart implements run.Journal.
func (d *disk) Depart(_ string, participants []uint32, _ time.Time) error {
	return d.try(func() error { d.departed = append(d.departed, participants...); return nil })
}

// OpenRound implements run.Journal.
func (d *disk) OpenRound(_ string, o run.OpenRound) error {
	p := d.sim.process
	return d.try(func() error {
		if o.Round <= uint64(len(d.commits)) {
			return fmt.Errorf("round %d is committed", o.Round)
		}
		d.sim.checkOpen(p, o)
		d.sim.note("durable: order %d opens round %d for %v", o.Order, o.Round, o.Cohort)
		o.Cohort = slices.Clone(o.Cohort)
		d.open = &o
		return nil
	})
}

// Sum implements run.Journal.
func (d *disk) Sum(_ string, s run.Sum) error {
	p := d.sim.process
	return d.try(func() error {
		made := d.sim.checkSum(p, s)
		d.sim.note("durable: sum of %v for order %d", s.Participants, s.Order)
		d.sums = slices.DeleteFunc(d.sums, func(o *sum) bool { return o.Order != s.Order || o.Group == s.Group })
		d.sums = append(d.sums, made)
		return nil
	})
}

// Commit implements run.Journal.
func (d *disk) Commit(_ string, c run.Commit) error {
	p := d.sim.process
	if p.committing != c.Round {
		p.committing, p.previous, p.asked = c.Round, p.asked, d.seen
	}
	return d.try(func() error {
		if n := uint64(len(d.commits)); c.Round > 0 && c.Round <= n {
			was := d.commits[c.Round-1]
			d.sim.must(was.Hash == c.Hash && slices.Equal(was.Participants, c.Participants), "a durable version is never rewritten", "version %d of %v is committed again, of %v", c.Round, was.Participants, c.Participants)
			return nil
		}
		d.sim.checkCommit(p, c)
		d.sim.note("durable: version %d of %v", c.Round, c.Participants)
		d.commits, d.open = append(d.commits, clone(c)), nil
		return nil
	})
}

// Evaluate implements run.Journal.
func (d *disk) Evaluate(_ string, e run.Evaluation) error {
	return d.try(func() error {
		d.sim.must(e.Version > 0 && e.Version <= uint64(len(d.commits)), "only durable versions are evaluated", "version %d, %d are durable", e.Version, len(d.commits))
		d.evaluations[e.Version] = e
		return nil
	})
}

// Constants implements run.Journal.
func (d *disk) Constants(_ string, c data.Constants) error {
	return d.try(func() error {
		d.constants = &c
		return nil
	})
}

// Pause implements run.Journal.
func (d *disk) Pause(_, reason string, _ time.Time) error {
	return d.try(func() error { d.paused = reason; return nil })
}

// Resume implements run.Journal.
func (d *disk) Resume(string) error {
	return d.try(func() error { d.paused = ""; return nil })
}

// Finish implements run.Journal. The first reason stays.
func (d *disk) Finish(_, reason string, _ time.Time) error {
	return d.try(func() error {
		if d.finished == "" {
			d.sim.note("durable: the end, %s", reason)
			d.finished = reason
		}
		return nil
	})
}

// Log implements run.Journal.
func (d *disk) Log(string, []run.LogEntry, run.Ledger) error {
	return d.try(func() error { return nil })
}

// clone returns a copy that shares no memory with a process.
func clone(c run.Commit) run.Commit {
	c.Params, c.State, c.Participants = slices.Clone(c.Params), maps.Clone(c.State), slices.Clone(c.Participants)
	c.Snapshot, c.Contributions = slices.Clone(c.Snapshot), slices.Clone(c.Contributions)
	for name, v := range c.State {
		c.State[name] = slices.Clone(v)
	}
	return c
}

// load returns what coordinator/store would.
func (d *disk) load() *run.Saved {
	saved := &run.Saved{Participants: d.reserved, Departed: slices.Clone(d.departed), Finished: d.finished, Paused: d.paused, Constants: d.constants}
	for _, c := range d.commits {
		rec := run.RoundRecord{Round: c.Round, Hash: c.Hash, Committed: c.Committed}
		if e, ok := d.evaluations[c.Round]; ok {
			rec.Test, saved.Evaluated = &e.Figures, &e
		}
		saved.Rounds = append(saved.Rounds, rec)
	}
	if n := len(d.commits); n > 0 {
		last := clone(d.commits[n-1])
		saved.Last, saved.Elapsed = &last, max(0, last.Committed.Sub(simulation.Epoch))
	}
	if d.open != nil {
		open := *d.open
		open.Cohort = slices.Clone(open.Cohort)
		saved.Open = &open
		for _, s := range d.sums {
			if s.Order == open.Order {
				copied := s.Sum
				copied.Participants, copied.Packed = slices.Clone(s.Participants), slices.Clone(s.Packed)
				saved.Sums = append(saved.Sums, copied)
			}
		}
	}
	return saved
}

// newest returns the newest durable version, and the server's vectors beside it.
func (d *disk) newest() (params []float32, state map[string][]float32) {
	if n := len(d.commits); n > 0 {
		return d.commits[n-1].Params, d.commits[n-1].State
	}
	return d.sim.initial, nil
}

// hash returns the hash of a durable version.
func (d *disk) hash(version uint64) [32]byte {
	if version == 0 {
		return d.sim.initialHash
	}
	return d.commits[version-1].Hash
}
