package run

import (
	"fedtab/protocol"
)

// Update is a change of the run, for observers.
type Update struct {
	State State
	Round *RoundRecord // a round that is new, or whose evaluation has come
	// Clients are the accounts of a round that is new.
	Clients []ClientTraffic
}

// State is how the run stands.
type State struct {
	Phase        protocol.Phase
	Round        uint64
	Version      uint64
	Participants int
	Evaluated    *Evaluation // newest
	Ledger       Ledger
	Finished     string // why the run is over, empty while it is not
	Halted       bool   // the journal has failed for good; StoreError says why
	StoreError   string // why the journal failed last, empty while it works
	StoreFailed  uint64 // how often it has failed
}

// Stats says how much a Run keeps that comes and goes, to find leaks.
type Stats struct {
	Members int // participants, present or lost and still waited for
	Lost    int // of these: without a socket
	Offers  int // contributions that are neither added nor rejected
	Kept    int // contributions and means that the strategy has asked to keep
	Timers  int // of the strategy
	Retries int // writes that wait for another try
}

// Stats counts what the run keeps.
func (r *Run) Stats() Stats {
	return Stats{
		Members: len(r.roster.members), Lost: r.roster.lost(), Offers: len(r.offers), Kept: len(r.kept) + len(r.means),
		Timers: len(r.timers), Retries: r.durable.retrying,
	}
}
