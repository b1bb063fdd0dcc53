package run

import (
	"time"

	"fedtab/protocol"
	"fedtab/strategy"
)

// Update is a change of the run, for observers.
type Update struct {
	State State
	Round *RoundRecord // a round that is new or newly evaluated, or nil
	// Clients are the accounts of a new round.
	Clients []ClientTraffic
}

// State is the state of a run, for observers.
type State struct {
	Withheld     bool // of a run with noise, without what its participants cause: see shown
	Phase        protocol.Phase
	Round        uint64
	Version      uint64
	Participants int
	Began        time.Time   // when the run would have begun if it had never been interrupted; zero before Start
	Awaited      int         // participants of a round that a restart has reopened, while they are absent and have time to reconnect
	AwaitedUntil time.Time   // zero while none is awaited
	Abandoned    *Abandoned  // the newest attempt at the next version, nil if none was given up
	Survey       *Survey     // while the constants of own data are being made
	Evaluated    *Evaluation // newest
	Spent        *Spent      // of its privacy, by all attempts that were written down; nil: it makes no claim, or none was
	Ledger       Ledger
	Finished     string // why the run is over, empty while it is not
	Paused       string // why the run is paused, empty while it is not
	Halted       bool   // the journal has failed permanently, with StoreError
	StoreError   string // last error of the journal, empty while it works
	StoreFailed  uint64 // number of failures
}

// Abandoned says why an attempt at a round was given up.
type Abandoned struct {
	Round  uint64
	Times  int           // attempts at it that were given up, this one included
	After  time.Duration // that the attempt took
	Reason string
	Few    strategy.Few // zero: it was not for want of answers
}

// Survey says how many participants can tell their totals, and how many must.
type Survey struct{ Ready, Fewest int }

// Stats counts the transient state of a Run, to find leaks.
type Stats struct {
	Members int // participants, connected or within the grace period
	Lost    int // of these: without a socket
	Offers  int // contributions that are neither added nor rejected
	Kept    int // contributions and means kept for the strategy
	Timers  int // of the strategy
	Retries int // writes that wait for a retry
}

// Stats returns the counts of the transient state.
func (r *Run) Stats() Stats {
	return Stats{
		Members: len(r.roster.members), Lost: r.roster.lost(), Offers: len(r.offers), Kept: len(r.kept) + len(r.means),
		Timers: len(r.timers), Retries: r.durable.retrying,
	}
}
