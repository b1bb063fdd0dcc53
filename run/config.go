package run

import (
	"time"

	"fedtab/learn"
	"fedtab/protocol"
	"fedtab/strategy"
)

// Env is a Run's clock and executor. Every function passed to it runs on the owner,
// except the work of Compute and Store.
type Env interface {
	Now() time.Time
	// AfterFunc calls f after d, unless it is stopped before.
	AfterFunc(d time.Duration, f func()) (stop func())
	// Compute runs work, which may take milliseconds, and calls then afterwards.
	Compute(work func(), then func())
	// Store runs work, which may wait for a disk, and calls then with its error.
	// Calls run one at a time, in order.
	Store(work func() error, then func(error))
}

// Peer delivers messages to one participant.
type Peer interface {
	// Send queues a message. It never blocks: a peer whose queue is full closes,
	// and Leave follows.
	Send(protocol.Message)
	// SendShared queues a message that several peers get.
	SendShared(*Shared)
	// Close sends the code and the reason, and ends the connection. Leave need not
	// follow.
	Close(code protocol.CloseCode, detail string)
	// Fault counts a message that an honest peer does not send. A peer with too many
	// is closed.
	Fault()
	// Address is the network address that the connection counts for; it is empty
	// for one that counts for none. It does not change.
	Address() string
}

// Logger takes log lines with their attributes as alternating keys and values;
// *slog.Logger is one.
type Logger interface {
	Debug(msg string, args ...any)
	Info(msg string, args ...any)
	Warn(msg string, args ...any)
	Error(msg string, args ...any)
}

// discard is a Logger that drops every line.
type discard struct{}

func (discard) Debug(string, ...any) {}
func (discard) Info(string, ...any)  {}
func (discard) Warn(string, ...any)  {}
func (discard) Error(string, ...any) {}

// Config is the configuration of a Run. It does not change after New.
type Config struct {
	ID        string
	Title     string
	Seed      uint64 // of version 0 and of the dither
	OrderSeed uint64 // of the order of mini-batches
	Model     learn.Model
	Strategy  strategy.Strategy
	Sums      int // that contributions go into; 0 means 1
	// MaxScale returns the largest scale x |value| of an Add, in multiples of
	// protocol.MaxDelta, where no contribution weighs more than maxWeight; nil
	// returns maxWeight.
	MaxScale     func(maxWeight float64) float64
	MaxWeight    float64 // most that one contribution weighs, in multiples of the cohort's median; 0 or infinite: no bound
	Packing      Packing
	Uncounted    bool            // what is sent counts as no bytes: the data is all in one place
	Metered      bool            // peers measure what travels and report it to Book; otherwise messages count as they are handed over
	Optimiser    learn.Optimiser // of local training; the zero value is SGD
	Reproducible bool            // tabs use arithmetic that rounds alike in every browser
	Stop         Stop
	EvalEvery    int                                                                    // versions from one evaluation to the next; 0 means 1
	Evaluate     Evaluator                                                              // nil: versions are not evaluated
	Validate     Evaluator                                                              // on the validation set, beside Evaluate; nil: there is none
	Judge        Evaluator                                                              // the guard's, on few examples; nil: versions are not guarded
	Drifts       bool                                                                   // the examples that Evaluate, Validate and Judge measure on change during the run
	Secure       *Secure                                                                // nil: contributions come one by one
	Shards       Shards                                                                 // public data; zero: participants have their own
	Own          *Own                                                                   // of data that participants bring; nil: nothing is known of it
	Differential *Differential                                                          // of a strategy that is differentially private; nil: it is not
	Journal      Journal                                                                // nil: nothing is durable
	Saved        *Saved                                                                 // state to resume from; nil starts a new run
	Token        func(participant uint32, person strategy.Person, now time.Time) []byte // makes resume tokens; nil makes none
	TokenLife    time.Duration                                                          // of a resume token, which is renewed after half of it; 0 never renews
	ResumeGrace  time.Duration                                                          // from a lost socket until its participant leaves
	RestartGrace time.Duration                                                          // from a restart until absent members of the cohort leave
	Log          Logger                                                                 // nil discards
	Notify       func(Update)                                                           // called with every change, unless nil
}

// mostExamples returns the most examples that a participant without shards can have.
func (c *Config) mostExamples() uint64 {
	if c.Own == nil {
		return protocol.MaxWeight
	}
	return c.Own.Schema.MaxTrained()
}

// Evaluator measures a model on a set of examples. It is called by any goroutine but the
// owner's, several at a time.
type Evaluator func(params []float32) learn.Metrics

// Stop holds the stop conditions of a run; a zero field is no condition.
type Stop struct {
	Rounds int
	Goals  []Goal        // of an evaluation; any of them ends the run
	Time   time.Duration // since the run was created, not counting time when no coordinator ran
}

// Endless reports whether there is no condition.
func (s Stop) Endless() bool { return s.Rounds == 0 && s.Goals == nil && s.Time == 0 }

// Shards describes public data that the coordinator assigns to participants.
type Shards struct {
	Source string // path prefix, see protocol.Shards
	Sizes  []int  // examples in each
	Divide bool   // divide all shards over the present participants; otherwise participant i has shard i-1
}
