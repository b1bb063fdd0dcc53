// Package faults is the fault simulator: it drives the real run, strategies and
// clients through faults in virtual time, and checks after every event what must
// hold all the same.
//
// # What is simulated
//
// One seed draws one schedule. In its first part faults happen: sockets that die
// in one direction or both, with what is in flight; messages that are late,
// repeated or overtake each other; clients that pause, freeze, leave, reload, stop
// answering or take over their own socket; hostile peers that forge contributions
// of every role and weight, replay, corrupt and send nonsense, also from a paused
// tab after a restart of the coordinator; a disk that is slow, or fails for once
// or for good, before or after a write is durable; and crashes of the coordinator
// between any two effects and on either side of every write, followed by a restart
// under a clock that may have been set back or forward; an organiser who pauses the
// run and resumes it. In the second part there
// are no faults, and the run must end within a bounded time.
//
// The network (socket.go), the disk (disk.go) and the clock are simulated. The run,
// the strategies, the checker of contributions and the clients are the product's.
// scheme.go draws the settings of every strategy that runs live, alone and beneath secure
// aggregation, and how parameters are packed; peer.go and hostile.go are the clients.
//
// # What is checked
//
//   - transitions.go: tables of what may follow what, for the events and effects of
//     a strategy and for the answers to contributions; observer.go applies them.
//   - secure.go: what clients of secure aggregation reveal, and that a sum is the sum of what
//     they gave.
//   - private.go: noise, which is never used again; its account, which forgets no attempt; and
//     limits on participation, over all processes.
//   - reference.go: the arithmetic of every scheme, written out from the formulas in
//     math/big and float64. It does not import combine.
//   - invariants.go: versions, orders, messages, byte counts, memory, the end.
//
// # Replaying a schedule
//
// A violation names its seed and prints the newest events. One seed gives one
// schedule of a kind of strategy, event for event:
//
//	go test ./coordinator/faults -run 'TestFaults$' -scheme=dynamic -seed=1234 -v
package faults

import (
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"fedtab/client"
	"fedtab/protocol"
	"fedtab/run"
	"fedtab/strategy"
)

// Config names a schedule. Zero fields are drawn from the seed.
type Config struct {
	Seed   uint64
	Kind   string // of strategy, one of Kinds; "" is fedavg
	Rounds int    // that the run makes; 0 draws 2 to 40
	Rates  *Rates // nil draws them
	Trace  func(when time.Duration, format string, args ...any)

	mutant mutant
}

// mutant damages the product, so that tests can show that it is noticed. Nil
// functions change nothing.
type mutant struct {
	strategy func(strategy.Strategy) strategy.Strategy // between run and observer
	journal  func(run.Journal) run.Journal
	send     func(protocol.Message) protocol.Message
	up       func(protocol.Message) protocol.Message // what clients send
	client   func(*client.Secure)
	noise    func(io.Reader) io.Reader // random bytes of a process
	setup    func(*strategy.Setup)
}

// Rates are the probabilities of faults in the first part of a schedule.
type Rates struct {
	Lose      float64 // a socket dies, per message
	Duplicate float64 // a contribution arrives twice
	Replay    float64 // an old contribution is sent again
	Corrupt   float64 // a broken copy of a contribution is sent as well
	Forge     float64 // a contribution that was not ordered is sent
	Nonsense  float64 // well-formed messages without a meaning are sent
	Reorder   float64 // two messages overtake each other
	Slow      float64 // training takes longer than a round may
	Interrupt float64 // a client pauses, freezes, leaves, reloads ..., per order
	Fail      float64 // a write fails
	FailLate  float64 // of these: after it has become durable
	Permanent float64 // of these: with an error that no later try can cure
	SlowDisk  float64 // a write takes seconds
	Crash     float64 // the coordinator crashes, per effect
	Stop      float64 // the coordinator is stopped in good order, per event
	Pause     float64 // the organiser pauses the run, per event
}

// drawRates leaves each kind of fault out of a third of the schedules.
func drawRates(r *rand.Rand) Rates {
	upTo := func(limit float64) float64 {
		if maybe(r, 3) {
			return 0
		}
		return limit * r.Float64()
	}
	return Rates{
		Lose: upTo(.05), Duplicate: upTo(.2), Replay: upTo(.1), Corrupt: upTo(.1), Forge: upTo(.2), Nonsense: upTo(.1),
		Reorder: upTo(.05), Slow: upTo(.2), Interrupt: upTo(.2), Fail: upTo(.2), FailLate: .5, Permanent: upTo(.05),
		SlowDisk: upTo(.2), Crash: upTo(.02), Stop: upTo(.002),
	}
}

// Result counts what has happened, by name.
type Result map[string]int

// Add adds o to r.
func (r Result) Add(o Result) {
	for name, n := range o {
		r[name] += n
	}
}

// A Violation is an invariant that did not hold.
type Violation struct {
	Invariant string // its name
	Detail    string
	Seed      uint64
	When      time.Duration // virtual
	Trace     []string      // newest events, in their order
}

// Error says what was violated and when.
func (v *Violation) Error() string {
	return fmt.Sprintf("seed %d at %v: %s: %s", v.Seed, v.When, v.Invariant, v.Detail)
}

// maxEvents is a hundred times what the longest schedules have.
const maxEvents = 5_000_000

// Run runs one schedule until no event is left. The error is a *Violation: the
// first invariant that did not hold.
func Run(cfg Config) (Result, error) {
	s := newSim(cfg)
	s.start()
	for events := 0; s.violation == nil; events++ {
		if events > maxEvents {
			s.violated("the run ends", "%d of %d rounds after %d events", len(s.disk.commits), s.rounds, events)
		}
		more := true // also after a crash
		s.survive(func() { more = s.clock.Next() })
		if !more && s.violation == nil {
			s.checkEnd()
			break
		}
		s.checkNow()
		if s.process != nil && s.fault(s.rates.Stop) {
			s.survive(s.stop)
		}
		if s.process != nil && s.process.run != nil && s.clock.Now() < s.faultsEnd && s.breaks.Float64() < s.rates.Pause {
			s.survive(s.pause)
		}
	}
	s.result["schedules"], s.result["rounds"] = 1, len(s.disk.commits)
	if s.packed() {
		s.result["packed"] = 1
	}
	if s.violation != nil {
		return s.result, s.violation
	}
	return s.result, nil
}

// Kinds returns the kinds of strategy that run live, and those of them that are secure or
// differentially private.
func Kinds() (names []string) {
	for _, s := range strategy.Schemes() {
		if s.Name != "central" {
			names = append(names, s.Name)
		}
	}
	for _, of := range []string{"fedavg", "periodic", "minibatch", "oneshot", ofGroups, ofMembers, ofShares} {
		names = append(names, securePrefix+of)
	}
	for _, of := range []string{ofPoisson, treeNoise} {
		names = append(names, privatePrefix+of)
	}
	return names
}
