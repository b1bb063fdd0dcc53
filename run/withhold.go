package run

import (
	"math"
	"time"

	"fedtab/strategy"
)

// withheldReason stands for why an attempt of a run with noise was given up, which may say how
// many have answered.
const withheldReason = "it gave no version; of a run with noise it is withheld why"

// withholds reports whether what is shown of the run leaves out what its participants cause.
func (r *Run) withholds() bool { return r.cfg.Differential != nil && r.cfg.Differential.Withhold }

// outward returns the reason of an attempt's end as others are told it.
func (r *Run) outward(why string) string {
	if r.withholds() {
		return withheldReason
	}
	return why
}

// shown returns what may be shown of a state of a run with noise: what is the same whatever one
// participant does, and who is connected, which is not hidden. Fields are withheld unless they
// are named here.
func (s *State) shown() State {
	w := State{
		Withheld: true, Phase: s.Phase, Round: s.Round, Version: s.Version, Participants: s.Participants, Began: s.Began,
		Evaluated: s.Evaluated, Spent: s.Spent,
		Finished: s.Finished, Paused: s.Paused, Halted: s.Halted, StoreError: s.StoreError, StoreFailed: s.StoreFailed,
	}
	if a := s.Abandoned; a != nil {
		w.Abandoned = &Abandoned{Round: a.Round, Times: a.Times, After: a.After.Round(time.Second), Reason: withheldReason, Few: strategy.Few{}}
	}
	w.Ledger = s.Ledger.Shown()
	return w
}

// Shown returns what may be shown of the ledger of a run with noise: attempts without a version,
// which the account of privacy shows too.
func (l *Ledger) Shown() Ledger { return Ledger{Abandoned: l.Abandoned, RolledBack: l.RolledBack} }

// Shown returns what may be shown of a round: all of it or, of one whose version has noise, what
// is the same whatever one participant does. Its times are those of whole seconds: a round lasts
// until its deadline, and how long the commit takes depends on how many have answered.
func (r *RoundRecord) Shown() RoundRecord {
	if r.Spent == nil {
		return *r
	}
	opened := r.Opened.Truncate(time.Second)
	return RoundRecord{
		Round: r.Round, Weight: math.NaN(), TrainLoss: math.NaN(), Test: r.Test, Validation: r.Validation, Rate: r.Rate,
		Opened: opened, Committed: opened.Add(max(0, r.Committed.Sub(r.Opened).Round(time.Second))), Hash: r.Hash, Spent: r.Spent,
	}
}

// shown returns what may be shown of a participant of a run with noise: whether it is connected,
// but not whether it has an order.
func (p Present) shown() Present {
	if p.Activity != Away && p.Activity != Pausing {
		p.Activity = Waiting
	}
	return Present{Number: p.Number, Activity: p.Activity}
}
