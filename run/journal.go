package run

import (
	"math"
	"time"

	"fedtab/combine"
	"fedtab/learn"
	"fedtab/learn/data"
)

// A Journal keeps a run's history. The calls of one run are sequential; each returns
// once its write is durable. coordinator/store implements it; simulations have none.
type Journal interface {
	// ReserveParticipants reserves the participant numbers below limit: later
	// processes start at limit.
	ReserveParticipants(run string, limit uint32) error
	// Depart records that participants have left for good: Saved has them until
	// their resume tokens have expired.
	Depart(run string, participants []uint32, at time.Time) error
	// OpenRound writes a round's cohort, base and deadline, before its first
	// order leaves. A new attempt replaces the earlier one.
	OpenRound(run string, r OpenRound) error
	// Sum writes a sum of secure aggregation of the open round, before it is used.
	Sum(run string, s Sum) error
	// Commit writes a version, the strategy's snapshot and the round's
	// figures in one transaction.
	Commit(run string, c Commit) error
	// Evaluate writes the metrics of a committed version.
	Evaluate(run string, e Evaluation) error
	// Constants writes what standardises the participants' own data.
	Constants(run string, c data.Constants) error
	// Pause records that the run is paused, and why.
	Pause(run string, reason string, at time.Time) error
	// Resume records that it is no longer.
	Resume(run string) error
	// Finish marks the run as over.
	Finish(run string, reason string, at time.Time) error
	// Log appends to the event log, all of the entries or none, and keeps the
	// ledger as it stands.
	Log(run string, entries []LogEntry, ledger Ledger) error
}

// OpenRound is a round that is open.
type OpenRound struct {
	Round    uint64
	Order    uint64 // order number of the attempt
	Base     uint64
	Cohort   []uint32 // participants, ascending
	Weights  []uint64 // max examples of each; nil: unknown
	Opened   time.Time
	Deadline time.Time
	State    []byte // further state of the strategy
	Spent    *Spent // of the run's privacy, this attempt included; nil: it makes no claim
}

// Commit is a committed round with its version.
type Commit struct {
	Round         uint64 // also the number of the version
	Base          uint64
	Hash          [32]byte             // SHA-256 of Params
	Params        []float32            // the model
	State         map[string][]float32 // server vectors of the strategy
	Snapshot      []byte
	Seeds         []byte         // of noise that a later version may take back: only those of the newest are kept
	Participants  []uint32       // of the contributions, ascending
	Contributions []Contribution // in the order of their arrival
	Weight        float64        // their sum of examples
	TrainLoss     float64        // mean training loss per example; NaN if none was trained, as on the way back to an earlier version
	Rate          float64        // effective learning rate: the participants', times the server's
	Traffic       Traffic        // since the last commit
	Clients       []ClientTraffic
	Ledger        Ledger // of the whole run, this round included
	Committed     time.Time
	Times         *Times // nil: nothing was contributed
	Norms         *Norms // nil: not known, or they would show what few participants with data of their own have sent
	Spent         *Spent // of the run's privacy; nil: it makes no claim. Otherwise participants, contributions, weight and loss are withheld

	noised []float64     // what the strategy's plan has released with noise
	seed   *combine.Seed // of noise that a later plan may take back
}

// Contribution is the record of a contribution to a version. The vector is not kept;
// the fingerprint identifies it.
type Contribution struct {
	Participant uint32
	Order       uint64
	Weight      uint64 // examples
	Fingerprint uint64 // XXH64 of the packed vectors as received

	// Its vectors count Scale times in the sum, and the sum is divided by the total of
	// Counted. A contribution that was kept instead has been multiplied by Scale, and
	// its Counted is 0.
	Scale, Counted float64
}

// Evaluation holds a version's metrics on the test set, and on the validation set if there is
// one.
type Evaluation struct {
	Version uint64
	learn.Figures
	Confusion []int64 // as in learn.Metrics; nil if it is unknown

	Validation          *learn.Figures // nil: there is no validation set
	ValidationConfusion []int64        // as Confusion

	// Of an evaluation on participants' holdouts.
	Participants int            // that told their totals; 0: the coordinator's test set
	Spread       *Spread        // nil: too few participants
	File         *learn.Figures // on the organiser's test file; nil: there is none
	reached      []bool         // the goals that count as reached, by their index
}

// LogEntry is a line of the event log.
type LogEntry struct {
	At          time.Time
	Round       uint64
	Participant uint32 // 0 is the coordinator itself
	Kind        string // "join", "leave", "accepted", "rejected", "abandoned", ...
	Detail      string
}

// Saved is the state of a run that is resumed after a restart.
type Saved struct {
	Participants uint32     // first unreserved number
	Departed     []uint32   // participants that have left for good
	Last         *Commit    // newest commit, nil before the first
	Open         *OpenRound // the open round after Last, or nil
	Sums         []Sum      // of Open, of secure aggregation
	Rounds       []RoundRecord
	Evaluated    *Evaluation // newest
	Constants    *data.Constants
	Ledger       Ledger        // as it was kept last; zero begins anew
	Finished     string        // reason, empty while the run goes on
	Paused       string        // why it is paused, empty while it is not
	Elapsed      time.Duration // from the run's creation to its newest commit
}

// RoundRecord is a committed round without its parameters.
type RoundRecord struct {
	Round        uint64
	Participants int
	Weight       float64
	TrainLoss    float64        // as in Commit
	Test         *learn.Figures // nil when the version was not evaluated; without the classes' figures
	Validation   *learn.Figures // likewise, on the validation set; nil also without one
	Traffic      Traffic
	Rate         float64
	Opened       time.Time
	Committed    time.Time
	Hash         [32]byte
	Times        *Times // as in Commit; nil also in what an older version has recorded
	Norms        *Norms // likewise
	Spent        *Spent // likewise
}

// Selected returns the figures by which versions are selected: those on the validation set, or
// else those on the test set. It is nil for a version that was not evaluated.
func (r *RoundRecord) Selected() *learn.Figures {
	if r.Validation != nil {
		return r.Validation
	}
	return r.Test
}

// Finite returns a pointer to x, or nil if x is NaN or infinite, which JSON cannot
// represent.
func Finite(x *float64) *float64 {
	if x == nil || math.IsNaN(*x) || math.IsInf(*x, 0) {
		return nil
	}
	return x
}
