// Package strategy holds the schemes that combine models, one file each, as
// deterministic state machines.
//
// A strategy decides which clients to choose, what to order, how contributions
// combine and when to commit. It is told of events and returns effects:
//
//	effects := s.Step(event)
//
// It does no I/O, reads no clock, starts no goroutine and draws from no global
// random source, so the same code runs behind WebSockets, in virtual time, in a tab
// and under a fault simulator, and one seed gives one run. etcd's raft library has
// the same design.
//
// Vectors stay outside. A strategy sees a contribution's metadata and a
// Handle; it says where the vector goes (Add, Keep, Reject), and its Plan does
// the arithmetic of the commit off the goroutine that steps it. Memory is
// O(model) and not O(clients) wherever a scheme is linear.
//
// Opening a round and committing it are asynchronous: an Open effect is
// answered by an Opened event when the cohort is on disk, a Commit effect by
// a Committed event when the model is. A slow disk delays the round; it never
// blocks a step.
//
// A scheme is one file, and Schemes lists them: see Scheme for what it declares.
// docs/adr/0001-three-machines.md walks the interface through a drop-out, SCAFFOLD,
// FedBuff, dynamic averaging, Radon and a crash.
package strategy

import (
	"time"

	"fedtab/combine"
)

// ClientID numbers a participant within a run.
type ClientID uint32

// OrderID numbers an order; it is unique per client within a run.
type OrderID uint64

// Handle names a contribution's vectors, which the caller holds until an Add or
// a Reject settles them, or Keep and later Add or Drop.
type Handle uint64

// MeanID names a mean of kept contributions, see Mean. Strategies count them
// from 1.
type MeanID uint64

// A Strategy is one scheme in one run.
type Strategy interface {
	// Step takes one event and returns what is to be done, in order. The
	// slice is valid until the next Step.
	Step(Event) []Effect

	// Restore puts a fresh Strategy into the state that a Commit's Snapshot
	// described. It comes before the first Step.
	Restore(snapshot []byte) error
}

// Quarantine is a Strategy that judges the answers of clients alone, before they count
// again, whose contributions have made the model worse.
type Quarantine interface {
	// Owed returns how many good answers in a row a client still owes; 0: it is not in
	// quarantine.
	Owed(ClientID) int
}

// Event is something that has happened.
type Event interface{ event() }

type (
	// Joined says that a client takes part from now on: it has come, come
	// back, or ended its pause.
	Joined struct {
		Client  ClientID
		Address string // where it comes from; empty: not to be held against others
		Person  Person
	}

	// Left says that a client no longer takes part.
	Left struct{ Client ClientID }

	// Offered says that a client has answered an order (or a fetch) with
	// vectors that passed every check. An effect of the same Step settles
	// Handle: Add, Keep or Reject.
	Offered struct {
		Client ClientID
		Order  OrderID
		Handle Handle
		Weight float64       // that it may have, > 0: the examples behind it, or the most that one contribution may weigh
		Share  float64       // Weight over the examples behind it; 0 means 1
		Heavy  float64       // Weight over the median of those that its cohort may have; 0: not known
		Steps  uint64        // mini-batches behind it
		Norms  []float64     // Euclidean norm of each vector of parameters
		Took   time.Duration // since the order went out
	}

	// Declined says that a client will not answer an order.
	Declined struct {
		Client ClientID
		Order  OrderID
	}

	// Fired says that a timer ran out.
	Fired struct{ Timer Timer }

	// Opened says that an Open is durable.
	Opened struct{ Round uint64 }

	// Committed says that a Commit is durable and published.
	Committed struct {
		Round  uint64
		Noised []float64     // that the Plan has released with noise
		Seed   *combine.Seed // of noise that a later Plan may take back; nil: none
	}

	// RolledBack says that a Commit was not made: the model would not have
	// been finite, or its loss would have jumped past the guard's bound. The
	// base stays the newest version, and the sums are cleared.
	RolledBack struct{ Round uint64 }

	// Blamed says that the version of a Commit was worse than its guard allows,
	// and would not be without the contributions of Handles. The strategy
	// commits the others, or abandons the attempt.
	Blamed struct {
		Round   uint64
		Handles []Handle
	}

	// Judged answers a Judge.
	Judged struct {
		Client ClientID
		Good   bool
	}

	// Rewind asks that the model go back to that of an earlier version, by a new
	// one. What is open is abandoned.
	Rewind struct{ Plan combine.Plan }

	// Paused says that the run is paused. What is open is abandoned, and its
	// clients have missed nothing; a version that is being made comes first. Until
	// Resumed the strategy opens no round and gives no order. Clients come and go
	// meanwhile.
	Paused struct{}

	// Resumed ends the pause: a round opens if enough clients are present.
	Resumed struct{}

	// Averaged answers a Mean.
	Averaged struct {
		Mean  MeanID
		Norm2 float64 // squared Euclidean norm
	}

	// Reopened comes once, after Restore and before any other event, when
	// the run was stopped in the middle of a round: it goes on with the
	// round's own cohort and base. The cohort's clients are absent until
	// they join.
	Reopened struct {
		Open      Open
		Remaining time.Duration // until the deadline
	}
)

func (RolledBack) event() {}
func (Blamed) event()     {}
func (Judged) event()     {}
func (Rewind) event()     {}
func (Paused) event()     {}
func (Resumed) event()    {}
func (Averaged) event()   {}

func (Joined) event()    {}
func (Left) event()      {}
func (Offered) event()   {}
func (Declined) event()  {}
func (Fired) event()     {}
func (Opened) event()    {}
func (Committed) event() {}
func (Reopened) event()  {}

// Effect is something to be done.
type Effect interface{ effect() }

// Timer names a timer of a strategy. Setting one that runs replaces it.
type Timer uint32

// OrderKind says what an Order asks for; the values are the protocol's.
type OrderKind uint32

// The kinds of order that strategies give.
const (
	Fit      OrderKind = 1 // train for Work.Epochs or Work.Steps, send the delta
	Gradient OrderKind = 2 // send the summed gradient of one mini-batch
	Monitor  OrderKind = 3 // train on; send the delta once its squared norm exceeds Work.Delta, or when fetched
	Base     OrderKind = 5 // train Work.Parts models on disjoint parts of the local data, send their deltas
	Report   OrderKind = 6 // train nothing, send Work.Payloads
)

// Work holds what a client needs to know to fulfil an Order.
type Work struct {
	Kind   OrderKind
	Epochs int
	Steps  int // mini-batches; 0 goes by Epochs. Monitor: between two looks at the distance
	Batch  int // examples; 0 is all of the client's data
	LR     float64

	Stream  bool    // mini-batches follow those of the client's last order
	Prox    float64 // FedProx's mu
	Control bool    // SCAFFOLD: two vectors, the delta and the change of the control variate
	Delta   float64 // of Monitor
	Bound   float64 // of a secure run: norm to which the answer is clipped; it is masked
	Parts   int     // of Base; of Fit: parts of the local data whose models are averaged, 0 or 1: none

	Payloads []Payload // that the answer carries after its vectors of parameters
}

// PayloadKind says what a payload is; the values are the protocol's.
type PayloadKind uint32

// The kinds of payload.
const (
	Integers PayloadKind = 1 // modulo 2^Bits
	Bytes    PayloadKind = 2 // opaque
	Masks    PayloadKind = 3 // a masked vector of secure aggregation
)

// Payload declares what an answer carries beside vectors of parameters. A client
// that lacks its kind declines the order.
type Payload struct {
	Kind     PayloadKind
	Name     string
	Bits     int // of Integers: 1 to 64
	Count    int // of Integers
	MaxBytes int // of Bytes and Masks
}

// Vectors returns how many vectors of parameters answer the order.
func (w Work) Vectors() int {
	switch {
	case w.Kind == Report || w.Bound > 0:
		return 0
	case w.Kind == Base:
		return max(w.Parts, 1)
	case w.Control:
		return 2
	}
	return 1
}

// Reason says why a contribution was rejected.
type Reason uint32

// The reasons that strategies give.
const (
	Late      Reason = iota + 1 // its round is closed
	Unordered                   // the client has no such order
	Duplicate                   // the order has been answered
)

type (
	// Open begins a round, or a new attempt at it. It is answered by Opened.
	Open struct {
		Round    uint64 // the version that the round makes
		Order    OrderID
		Base     uint64 // version to train from
		Cohort   []ClientID
		Deadline time.Duration // from the time that the orders go out
		State    []byte        // what Reopened must bring back beside this
		Releases uint64        // as of Commit, with what this attempt is charged before its orders go out
	}

	// Order asks a client for work.
	Order struct {
		Client ClientID
		Order  OrderID
		Round  uint64
		Base   uint64
		Work   Work
		Start  MeanID // local model to start from; 0: the base, or for Monitor the client's own
		Fresh  bool   // of Monitor: start from the base all the same
	}

	// Expect says what a client of a reopened cohort was ordered before the
	// restart, so that its answer can be judged before it joins and gets the
	// order again.
	Expect struct {
		Client ClientID
		Order  OrderID
		Round  uint64
		Base   uint64
		Work   Work
	}

	// Add adds Scale x vector i behind Handle to sum i, for every i, counts
	// Weight in each of them, and forgets the handle. The mean of a sum is
	// its total over the weights counted.
	Add struct {
		Handle Handle
		Scale  float64
		Weight float64
	}

	// Size says that at most Adds contributions are added before the sums are
	// cleared. Without it there may be as many as participants. It comes before
	// the first of them, and lets the sums be finer.
	Size struct{ Adds int }

	// Keep accepts a contribution and holds its vectors, multiplied by Scale, until
	// Add or Drop, for schemes that need single models: memory O(clients).
	Keep struct {
		Handle Handle
		Scale  float64 // 0 means 1
	}

	// Judge accepts a contribution, evaluates the base plus Scale x its first
	// vector by the guard's bound, and forgets it. It is answered by Judged.
	Judge struct {
		Handle Handle
		Client ClientID
		Scale  float64
		Guard  float64
	}

	// Drop forgets a kept contribution.
	Drop struct{ Handle Handle }

	// Fetch asks a client for its local model, ahead of time: the answer to
	// its Monitor order. It is answered by Offered, Declined or Left.
	Fetch struct {
		Client ClientID
		Order  OrderID
	}

	// Mean computes the weighted mean of the first vectors of kept
	// contributions, in the order given, for Orders to start from, and is
	// answered by Averaged. Forget gives its memory back.
	Mean struct {
		Mean    MeanID
		Handles []Handle
		Weights []float64
	}

	// Forget forgets a mean.
	Forget struct{ Mean MeanID }

	// Reject forgets a contribution and tells its sender why.
	Reject struct {
		Handle Handle
		Reason Reason
	}

	// SetTimer asks for a Fired event.
	SetTimer struct {
		Timer Timer
		After time.Duration
	}

	// StopTimer stops a timer.
	StopTimer struct{ Timer Timer }

	// Abandon abandons an attempt at a round: its sums are cleared, and the
	// clients that still work on Order are told to stop; 0: none, each goes on with
	// its own.
	Abandon struct {
		Round  uint64
		Order  OrderID
		Reason string
		Few    Few // zero: it was not for want of answers
	}

	// Commit makes version Round from version Base by Plan once every Add before it
	// is done, stores it together with Snapshot, and publishes it. It is answered by
	// Committed, or by RolledBack. The sums are cleared, and the contributions in
	// Kept are forgotten.
	Commit struct {
		Round    uint64
		Base     uint64
		Plan     combine.Plan
		Kept     []Handle   // for Plan, in this order
		Snapshot []byte     // for Restore: the state as of Committed; what the Plan has released with noise follows it (see AppendNoised)
		Seeds    []byte     // for Restore, behind Snapshot and before Vectors.Seed of the Plan: of noise that a later plan may take back
		Clients  []ClientID // whose contributions are in it, ascending
		Rate     float64    // effective learning rate: of the clients, times the server's
		State    []byte     // as of Open, on the way back to an earlier version, which has had none; nil: nothing must be brought back
		Releases uint64     // versions with noise that are charged to the run's account, this one included
		Guard    float64    // refuse a version whose loss exceeds Guard times the last; 0: only what is not finite
	}

	// Finish ends the run: the scheme has nothing left to do.
	Finish struct{ Reason string }
)

// Few says how many answers there were to an attempt that needed more.
type Few struct {
	Answers, Asked, Needed int
	TimeUp                 bool // others were still awaited at the deadline
}

func (Open) effect()      {}
func (Order) effect()     {}
func (Expect) effect()    {}
func (Size) effect()      {}
func (Add) effect()       {}
func (Reject) effect()    {}
func (SetTimer) effect()  {}
func (StopTimer) effect() {}
func (Abandon) effect()   {}
func (Commit) effect()    {}
func (Finish) effect()    {}
func (Keep) effect()      {}
func (Judge) effect()     {}
func (Drop) effect()      {}
func (Fetch) effect()     {}
func (Mean) effect()      {}
func (Forget) effect()    {}
