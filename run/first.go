package run

import (
	"fmt"
	"time"
)

// firstFiner is the ratio of the coarseness of the grid of other versions to that of a
// first version with given parameters. These are not a round's change, but everything that
// a model has learnt: the step for such a change would lose it. The next version takes a
// coarser step.
const firstFiner = 1 << 14

// First returns the commit of version 1 of a run that begins with given parameters, at a
// time, instead of with those that follow from its seed. The strategy's snapshot is that of
// a run that has only begun. Of cfg it reads ID, Seed, Model, Strategy, Sums, MaxScale and
// Packing; the strategy cannot be used again.
func First(cfg Config, params []float32, at time.Time) (Commit, error) {
	cfg.Packing.Coarseness /= firstFiner
	j := &firstJournal{}
	r, err := New(Config{
		ID: cfg.ID, Seed: cfg.Seed, Model: cfg.Model, Strategy: cfg.Strategy, Sums: cfg.Sums, MaxScale: cfg.MaxScale, Packing: cfg.Packing, Journal: j,
	}, instant(at))
	if err != nil {
		return Commit{}, err
	}
	err = fmt.Errorf("run %s: its scheme takes no model to begin with", cfg.ID)
	r.Rewind(0, params, func(_ uint64, why error) { err = why })
	j.commit.Ledger = Ledger{} // nothing was abandoned
	return j.commit, err
}

// Record returns the record of a round that opened as it was committed.
func (c *Commit) Record() RoundRecord {
	return RoundRecord{
		Round: c.Round, Participants: len(c.Participants), Weight: c.Weight, TrainLoss: c.TrainLoss,
		Traffic: c.Traffic, Rate: c.Rate, Committed: c.Committed, Hash: c.Hash, Opened: c.Committed, Times: c.Times, Norms: c.Norms, Spent: c.Spent,
	}
}

// firstJournal keeps version 1. A run without participants writes nothing else that counts.
type firstJournal struct {
	Journal
	commit Commit
}

func (*firstJournal) ReserveParticipants(string, uint32) error { return nil }
func (*firstJournal) OpenRound(string, OpenRound) error        { return nil }
func (*firstJournal) Log(string, []LogEntry, Ledger) error     { return nil }

func (j *firstJournal) Commit(_ string, c Commit) error {
	j.commit = c
	return nil
}

// instant is an Env whose time stands still, and which works at once.
type instant time.Time

func (i instant) Now() time.Time                              { return time.Time(i) }
func (instant) AfterFunc(time.Duration, func()) (stop func()) { return func() {} }
func (instant) Compute(work func(), then func())              { work(); then() }
func (instant) Store(work func() error, then func(error))     { then(work()) }
