// Package faults runs the coordinator's state machine, real strategies and real
// clients through everything that can go wrong, in virtual time, and checks
// what must hold all the same.
//
// One seed draws one schedule: sockets that die with what is in flight, in one
// direction or both, noticed late by either side; participants that join late,
// leave, pause, freeze, reload, fall silent or take over their own socket;
// hostile ones that repeat, replay, spoil and forge contributions or chatter; a
// journal that is slow, fails, or fails after it has written; and crashes of
// the coordinator between any two of its effects, followed by a restart from
// what was durable, by a clock that may have been set back or forward.
//
// Every schedule begins with a storm in which all this happens and ends, if the
// run is not over by then, with calm weather in which nothing does and the run
// must come to its end in bounded time.
//
// The network, the disk and the clock are the simulator's; run, strategy and
// client are those of production, and every kind of strategy that runs live has its
// schedules: schemes.go draws their settings, packing.go how parameters travel,
// arithmetic.go says what they must give, invariants.go and witness.go what must
// hold whatever happens. One seed gives one schedule of a kind, event for event:
//
//	go test ./coordinator/faults -run 'TestFaults$' -scheme=dynamic -seed=1234 -v
package faults

import (
	"fmt"
	"math/rand/v2"
	"time"

	"fedtab/learn/rng"
)

// Config names a schedule. What it leaves out is drawn from the seed.
type Config struct {
	Seed    uint64
	Rounds  int                                               // that the run is to make; 0 draws 2 to 40
	Clients int                                               // 0 draws 1 to 12
	Chances *Chances                                          // nil draws them
	Kind    string                                            // of strategy, one of Kinds; "" is fedavg
	Trace   func(when time.Duration, format string, a ...any) // sees every event; nil sees none
}

// Chances are the probabilities of faults while the storm lasts.
type Chances struct {
	Lose      float64 // a socket dies with a message on its way
	Duplicate float64 // a contribution arrives twice
	Replay    float64 // an old contribution is sent again
	Spoil     float64 // a contribution is sent broken as well
	Forge     float64 // a contribution is sent that nobody ordered
	Chatter   float64 // messages that make no sense are sent
	Swap      float64 // two messages overtake each other
	Slow      float64 // training takes longer than a round may
	Moody     float64 // a participant pauses, freezes, leaves, reloads ..., per order
	Fail      float64 // a write of the journal fails
	FailLate  float64 // of these: after it has become durable
	SlowDisk  float64 // a write takes seconds
	Crash     float64 // the coordinator crashes, per effect
	Shutdown  float64 // it is stopped in good order, per event
}

// drawChances draws a kind of schedule: a third of them leaves a given kind of
// fault out.
func drawChances(r *rand.Rand) Chances {
	some := func(most float64) float64 {
		if r.Uint64N(3) == 0 {
			return 0
		}
		return most * r.Float64()
	}
	return Chances{
		Lose: some(.05), Duplicate: some(.2), Replay: some(.1), Spoil: some(.1), Forge: some(.1), Chatter: some(.1),
		Swap: some(.05), Slow: some(.2), Moody: some(.2), Fail: some(.2), FailLate: .5, SlowDisk: some(.2),
		Crash: some(.02), Shutdown: some(.002),
	}
}

// Result counts what happened.
type Result struct {
	Schedules   int
	Rounds      int // committed
	Crashes     int // of the coordinator
	Resumed     int // rounds that went on after a restart
	Sockets     int // lost
	Failures    int // of the journal
	Abandoned   int // attempts at rounds
	RolledBack  int // versions
	Balanced    int // violations that were resolved without a new version
	Packed      int // schedules in which parameters did not travel as they are
	Differences int // of versions that were sent
	Accepted    int
	Refused     int
	Calmed      int // runs that outlasted the storm
	VirtualTime time.Duration
}

// Add adds o to r.
func (r *Result) Add(o Result) {
	r.Schedules += o.Schedules
	r.Rounds += o.Rounds
	r.Crashes += o.Crashes
	r.Resumed += o.Resumed
	r.Sockets += o.Sockets
	r.Failures += o.Failures
	r.Abandoned += o.Abandoned
	r.RolledBack += o.RolledBack
	r.Balanced += o.Balanced
	r.Packed += o.Packed
	r.Differences += o.Differences
	r.Accepted += o.Accepted
	r.Refused += o.Refused
	r.Calmed += o.Calmed
	r.VirtualTime += o.VirtualTime
}

// A Violation is an invariant that did not hold.
type Violation struct {
	Invariant string // its name
	Detail    string
	Seed      uint64
	When      time.Duration // virtual
	Trace     []string      // what happened last, newest at the end
}

// Error says what was violated and when.
func (v *Violation) Error() string {
	return fmt.Sprintf("seed %d at %v: %s: %s", v.Seed, v.When, v.Invariant, v.Detail)
}

// maxEvents is how many events a schedule may have before it counts as endless:
// a hundred times what the longest have.
const maxEvents = 5_000_000

// Run runs one schedule until nothing is left to happen, which is when the run
// is over and everybody knows. The error is a *Violation: the first invariant
// that did not hold.
func Run(cfg Config) (Result, error) {
	w := newWorld(cfg)
	w.start()
	for events := 0; w.violation == nil; events++ {
		if events > maxEvents {
			w.violated("the run ends", "it has made %d rounds of %d after %d events", len(w.journal.commits), w.rounds, events)
			break
		}
		more := true // a crash leaves it so
		w.survive(func() { more = w.clock.Next() })
		if !more {
			w.checkEnd()
			break
		}
		w.checkNow()
		if w.life != nil && w.fault(w.chances.Shutdown) {
			w.survive(w.shutdown)
		}
	}
	w.result.Schedules = 1
	if w.packed() {
		w.result.Packed = 1
	}
	w.result.Rounds = len(w.journal.commits)
	w.result.VirtualTime = w.clock.Now()
	if w.violation != nil {
		return w.result, w.violation
	}
	return w.result, nil
}

// stream returns a named stream of a schedule's seed.
func stream(seed uint64, purpose string) *rand.Rand { return rng.Stream(seed, purpose) }
