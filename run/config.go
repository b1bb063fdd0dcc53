package run

import (
	"time"

	"fedtab/learn"
	"fedtab/protocol"
	"fedtab/strategy"
)

// Env is the world as a Run sees it. Every function handed to it runs on the
// owner, except the work of Compute and Store.
type Env interface {
	Now() time.Time
	// AfterFunc calls f after d, unless it is stopped before.
	AfterFunc(d time.Duration, f func()) (stop func())
	// Compute runs work, which may take milliseconds, and then calls then.
	Compute(work func(), then func())
	// Store does work, which may wait for a disk, and then calls then. Works
	// are done one at a time, in order.
	Store(work func() error, then func(error))
}

// Peer delivers messages to one participant.
type Peer interface {
	// Send queues a message. It never blocks: a peer that cannot take more
	// closes itself, and the run is told by Leave.
	Send(protocol.Message)
	// SendShared does the same with a message that many get.
	SendShared(*Shared)
	// Close says why and ends the connection. No Leave need follow.
	Close(code protocol.CloseCode, detail string)
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

// Config is fixed for the life of a Run.
type Config struct {
	ID       string
	Title    string
	Seed     uint64
	Model    learn.Model
	Strategy strategy.Strategy
	Sums     int // that contributions go into; 0 means 1
	// MaxScale returns the largest scale x |value| of an Add, in multiples of
	// protocol.MaxDelta, where no contribution weighs more than maxWeight; nil
	// returns maxWeight.
	MaxScale     func(maxWeight float64) float64
	Packing      Packing
	Uncounted    bool            // what is sent counts as no bytes: the data is all in one place
	Metered      bool            // peers measure what travels and report it to Book; otherwise messages count as they are handed over
	Optimiser    learn.Optimiser // of local training; the zero value is SGD
	Stop         Stop
	EvalEvery    int                             // evaluate every so many versions; 0 means 1
	Evaluate     Evaluator                       // nil: versions are not evaluated
	Shards       Shards                          // public data; zero when participants bring their own
	Journal      Journal                         // nil keeps nothing
	Saved        *Saved                          // what to go on from; nil starts anew
	Token        func(participant uint32) []byte // makes resume tokens; nil makes none
	ResumeGrace  time.Duration                   // how long a lost participant is still waited for
	RestartGrace time.Duration                   // how long a cohort is waited for after a restart of the coordinator
	Log          Logger                          // nil discards
	Notify       func(Update)                    // told of every change; nil tells nobody
}

// Evaluator measures a model on the test set. It is called by one goroutine
// at a time, not the owner's.
type Evaluator func(params []float32) (loss, accuracy float64, examples int)

// Stop says when a run is over; zero fields do not.
type Stop struct {
	Rounds   int
	Accuracy float64
	Time     time.Duration // since the run was created, not counting time when no coordinator ran
}

// Shards describes public data that the coordinator hands out.
type Shards struct {
	Source string // path prefix, see protocol.Shards
	Sizes  []int  // examples in each
	Divide bool   // all of them among those present; otherwise participant i has shard i-1
}
