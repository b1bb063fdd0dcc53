// Package run is the life of one run: who takes part, what has been ordered,
// which contributions have come, when a version is committed and when the run
// is over. It drives one strategy and keeps one ledger of bytes.
//
// A Run is a pure state machine like those of strategy and client: it reads no
// clock and starts no goroutine. An Env does that for it: coordinator/live in
// production, where one goroutine owns the Run, and coordinator/simulate in
// virtual time. A Peer delivers messages to a participant: a WebSocket session
// of the hub, or a simulated client. Only the owner calls a Run's methods;
// Inspect may be called by any goroutine.
package run

import (
	"fmt"
	"time"

	"fedtab/combine"
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

// Shared is a message for many peers. Frames is for the peers' use: the first
// may leave its encoding there for the others.
type Shared struct {
	Message protocol.Message
	Frames  any
	size    int64
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
	ID           string
	Title        string
	Seed         uint64
	Model        learn.Model
	Strategy     strategy.Strategy
	Sums         int // that contributions go into; 0 means 1
	Packing      Packing
	Uncounted    bool            // what is sent counts as no bytes: the data is all in one place
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

// Run is one run. Make it with New, then call Start once.
type Run struct {
	cfg   Config
	env   Env
	log   Logger
	n     int // parameters
	began time.Time

	phase       protocol.Phase
	version     uint64
	hash        [32]byte
	params      []float32 // of version; never written to once published
	state       map[string][]float32
	initialHash [32]byte
	models      map[protocol.Codec]*Shared // messages that carry version in full, made when first needed
	grid        *grid                      // nil unless versions travel as differences

	members    map[uint32]*member
	present    []uint32 // participants, ascending
	nextNumber uint32
	reserved   uint32
	assignment uint64

	open    *OpenRound
	attempt *attempt // sums of the open round
	offers  map[strategy.Handle]*Offer
	handles strategy.Handle
	kept    map[strategy.Handle]*kept
	means   map[strategy.MeanID]*mean
	timers  map[strategy.Timer]func()
	closed  uint64

	newestOrder uint64 // number of the newest order that was opened
	firstOrder  uint64 // of the open attempt

	rounds     []RoundRecord
	evaluated  *Evaluation
	evaluating bool
	period     Traffic                   // since the last commit
	clients    map[uint32]*ClientTraffic // the same, of each participant
	ledger     Ledger
	finished   string
	over       bool   // finished, and durably so
	stored     error  // the last failure of the journal, nil when it works
	failures   uint64 // of the journal
	retrying   int    // writes that wait for another try

	entries  []LogEntry // of the event log, not written yet
	flushing bool       // a flush is due
	logging  bool       // entries are being written
	dropped  int        // entries lost since the last flush, because there were too many
}

// attempt is one try at a round. Sums that are still being added to when it
// is abandoned stay with it.
type attempt struct {
	sums     []*combine.Sum
	adding   int
	commit   *strategy.Commit // waits for adding to reach 0
	lossSum  float64
	examples uint64
	weight   float64

	contributions []Contribution
}

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
	Finished     string
	StoreError   string // why the journal failed last, empty while it works
	StoreFailed  uint64 // how often it has failed
}

// Ledger counts all that has travelled, and what became of it.
type Ledger struct {
	Traffic
	MessagesUp   int64
	MessagesDown int64

	Answers    [protocol.Reasons]int64 // to contributions, by reason
	Abandoned  int64                   // attempts at rounds
	RolledBack int64                   // versions that were not made
}

// New returns a run that waits for Start.
func New(cfg Config, env Env) (*Run, error) {
	if cfg.EvalEvery == 0 {
		cfg.EvalEvery = 1
	}
	if cfg.Log == nil {
		cfg.Log = discard{}
	}
	r := &Run{
		cfg: cfg, env: env, log: cfg.Log, n: cfg.Model.Layout().Size,
		phase: protocol.PhaseWaiting, members: map[uint32]*member{}, nextNumber: 1,
		offers: map[strategy.Handle]*Offer{}, timers: map[strategy.Timer]func(){},
		models: map[protocol.Codec]*Shared{}, kept: map[strategy.Handle]*kept{}, means: map[strategy.MeanID]*mean{}, clients: map[uint32]*ClientTraffic{},
	}
	r.params = make([]float32, r.n)
	cfg.Model.Init(r.params, cfg.Seed)
	r.hash = learn.Hash(r.params)
	r.initialHash = r.hash
	var err error
	if r.attempt, err = r.newAttempt(); err != nil {
		return nil, err
	}
	if cfg.Packing.Down == protocol.CodecGrid {
		if r.grid, err = r.newGrid(); err != nil {
			return nil, err
		}
	}
	if s := cfg.Saved; s != nil {
		if s.Participants > 0 {
			r.nextNumber = s.Participants
		}
		r.rounds, r.finished, r.over = s.Rounds, s.Finished, s.Finished != ""
		if s.Finished != "" {
			r.phase = protocol.PhaseFinished
		}
		if c := s.Last; c != nil {
			if len(c.Params) != r.n {
				return nil, fmt.Errorf("run %s: version %d has %d parameters, the model has %d", cfg.ID, c.Round, len(c.Params), r.n)
			}
			if err := cfg.Strategy.Restore(c.Snapshot); err != nil {
				return nil, fmt.Errorf("run %s: version %d: %w", cfg.ID, c.Round, err)
			}
			r.version, r.hash, r.params, r.state, r.closed = c.Round, c.Hash, c.Params, c.State, c.Round
			if r.grid != nil {
				if err := r.grid.restore(c.Round, c.Params, c.State); err != nil {
					return nil, fmt.Errorf("run %s: %w", cfg.ID, err)
				}
			}
		}
		for i := len(r.rounds) - 1; i >= 0; i-- {
			if rec := &r.rounds[i]; rec.TestAccuracy != nil {
				r.evaluated = &Evaluation{Version: rec.Round, Loss: *rec.TestLoss, Accuracy: *rec.TestAccuracy}
				break
			}
		}
	}
	// The first numbers are there before anybody can ask for one.
	r.reserved = r.nextNumber + participantsAhead
	if cfg.Journal != nil && r.finished == "" {
		if err := cfg.Journal.ReserveParticipants(cfg.ID, r.reserved); err != nil {
			return nil, fmt.Errorf("run %s: %w", cfg.ID, err)
		}
	}
	return r, nil
}

// newAttempt returns empty sums, sized so that no count can overflow.
func (r *Run) newAttempt() (*attempt, error) {
	bound := float64(MaxParticipants) * float64(r.maxWeight()) * protocol.MaxDelta
	a := &attempt{}
	for range max(r.cfg.Sums, 1) {
		sum, err := combine.NewSum(r.n, bound)
		if err != nil {
			return nil, fmt.Errorf("run %s: %w", r.cfg.ID, err)
		}
		a.sums = append(a.sums, sum)
	}
	return a, nil
}

// MaxParticipants is how many participants a run takes at a time.
const MaxParticipants = 10_000

// maxWeight is the largest weight that any contribution may have.
func (r *Run) maxWeight() uint64 {
	if len(r.cfg.Shards.Sizes) == 0 {
		return protocol.MaxWeight
	}
	total := 0
	for _, n := range r.cfg.Shards.Sizes {
		total += n
	}
	return uint64(total)
}

// Start begins, or goes on with, the run.
func (r *Run) Start() {
	r.began = r.env.Now()
	if r.cfg.Saved != nil {
		r.began = r.began.Add(-r.cfg.Saved.Elapsed)
	}
	if r.finished != "" {
		return
	}
	if d := r.cfg.Stop.Time; d > 0 {
		r.env.AfterFunc(d-r.env.Now().Sub(r.began), func() { r.finish(fmt.Sprintf("time limit of %v reached", d)) })
	}
	if r.version > 0 && (r.evaluated == nil || r.evaluated.Version != r.version) {
		r.evaluate() // what the crash cut off
	}
	if r.stopReached() || r.roundsDone() {
		return
	}
	if s := r.cfg.Saved; s != nil && s.Open != nil {
		open := *s.Open
		r.open, r.phase, r.newestOrder, r.firstOrder = &open, protocol.PhaseTraining, open.Order, open.Order
		// A clock that was set back must not make the round longer; and its
		// cohort needs time to come back, however long the coordinator was down.
		remaining := min(open.Deadline.Sub(r.env.Now()), open.Deadline.Sub(open.Opened))
		remaining = max(remaining, r.cfg.RestartGrace)
		r.open.Deadline = r.env.Now().Add(remaining)
		cohort := make([]strategy.ClientID, len(open.Cohort))
		for i, p := range open.Cohort {
			cohort[i] = strategy.ClientID(p)
		}
		r.step(strategy.Reopened{Remaining: remaining, Open: strategy.Open{
			Round: open.Round, Order: strategy.OrderID(open.Order), Base: open.Base, Cohort: cohort, State: open.State,
		}})
		r.env.AfterFunc(r.cfg.RestartGrace, func() { r.excuse(cohort) })
	}
}

// excuse stops waiting for those of a reopened cohort who have not come back,
// or are paused.
func (r *Run) excuse(cohort []strategy.ClientID) {
	for _, c := range cohort {
		if m := r.members[uint32(c)]; m == nil || !m.active {
			r.step(strategy.Left{Client: c})
		}
	}
}

// State returns how the run stands.
func (r *Run) State() State {
	s := State{
		Phase: r.phase, Version: r.version, Round: r.version, Participants: len(r.present),
		Evaluated: r.evaluated, Ledger: r.ledger, Finished: r.finished, StoreFailed: r.failures,
	}
	if r.stored != nil {
		s.StoreError = r.stored.Error()
	}
	if r.open != nil {
		s.Round = r.open.Round
	}
	return s
}

// Stats says how much a Run keeps that comes and goes, for those who look for
// leaks.
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
	s := Stats{Members: len(r.members), Offers: len(r.offers), Kept: len(r.kept) + len(r.means), Timers: len(r.timers), Retries: r.retrying}
	for _, m := range r.members {
		if m.peer == nil {
			s.Lost++
		}
	}
	return s
}

// Rounds returns the committed rounds.
func (r *Run) Rounds() []RoundRecord { return r.rounds }

// Model returns the newest version, which the caller must not write to.
func (r *Run) Model() (version uint64, hash [32]byte, params []float32) {
	return r.version, r.hash, r.params
}

// StoreError returns why the journal failed last, nil while it works.
func (r *Run) StoreError() error { return r.stored }

func (r *Run) notify(round *RoundRecord, clients ...ClientTraffic) {
	if r.cfg.Notify != nil {
		var rec *RoundRecord
		if round != nil {
			c := *round
			rec = &c
		}
		r.cfg.Notify(Update{State: r.State(), Round: rec, Clients: clients})
	}
}

// storeRetry is how long the run waits before it tries again to write what
// the journal could not take, as when a disk is full.
const storeRetry = 2 * time.Second

// save writes through the journal, again and again until it works, and then
// goes on. The event log so far is written before it, unless a write of that is
// under way.
func (r *Run) save(what string, write func(Journal) error, then func()) {
	r.try(what, write, then, func() { r.save(what, write, then) })
}

// saveRound does the same for a step of a round, which is of no use any more
// once the run is over.
func (r *Run) saveRound(what string, write func(Journal) error, then func()) {
	if r.finished != "" {
		return
	}
	r.try(what, write, func() {
		if r.finished == "" {
			then()
		}
	}, func() { r.saveRound(what, write, then) })
}

// try writes through the journal and goes on with then, or later with again.
func (r *Run) try(what string, write func(Journal) error, then, again func()) {
	if r.cfg.Journal == nil {
		then()
		return
	}
	r.flush()
	r.env.Store(func() error { return write(r.cfg.Journal) }, func(err error) {
		r.journalAnswered(err)
		if err != nil {
			r.log.Error("cannot store, trying again", "what", what, "in", storeRetry, "error", err)
			r.retrying++
			r.env.AfterFunc(storeRetry, func() { r.retrying--; again() })
			return
		}
		then()
	})
}

// journalAnswered keeps whether the journal works, and tells observers when
// that has changed.
func (r *Run) journalAnswered(err error) {
	if err != nil {
		r.failures++
	}
	changed := (err == nil) != (r.stored == nil)
	r.stored = err
	if changed {
		if err == nil {
			r.log.Info("the journal works again")
		}
		r.notify(nil)
	}
}

// Entries of the event log are written together: each write waits for the
// disk, and a hundred tabs come in one moment.
const (
	flushAfter = 200 * time.Millisecond
	maxEntries = 10_000 // that wait; more are dropped, and their number is logged
)

// record adds to the event log. A failure costs entries, never the run.
func (r *Run) record(kind string, participant uint32, detail string) {
	round := r.version
	if r.open != nil {
		round = r.open.Round
	}
	r.log.Debug(kind, "participant", participant, "round", round, "detail", detail)
	if r.cfg.Journal == nil {
		return
	}
	if len(r.entries) >= maxEntries {
		r.dropped++
		return
	}
	r.entries = append(r.entries, LogEntry{At: r.env.Now(), Round: round, Participant: participant, Kind: kind, Detail: detail})
	if !r.flushing {
		r.flushing = true
		r.env.AfterFunc(flushAfter, func() { r.flushing = false; r.flush() })
	}
}

// flush writes what waits of the event log, unless a write of it is under way:
// on a slow disk they would pile up before the next commit.
func (r *Run) flush() {
	if !r.logging {
		r.Flush()
	}
}

// Flush writes what waits of the event log. Whoever stops a Run calls it last.
func (r *Run) Flush() {
	if len(r.entries) == 0 {
		return
	}
	entries := r.entries
	r.entries = nil
	if r.dropped > 0 {
		entries = append(entries, LogEntry{At: r.env.Now(), Round: r.version, Kind: "dropped", Detail: fmt.Sprintf("%d entries that were too many at once", r.dropped)})
		r.dropped = 0
	}
	r.logging = true
	r.env.Store(func() error { return r.cfg.Journal.Log(r.cfg.ID, entries) }, func(err error) {
		r.logging = false
		r.journalAnswered(err)
		if err != nil {
			r.log.Error("cannot write the event log", "entries_lost", len(entries), "error", err)
		}
		if !r.flushing {
			r.flush() // what came meanwhile
		}
	})
}

// End finishes the run for a reason of its owner's.
func (r *Run) End(reason string) { r.finish(reason) }

func (r *Run) finish(reason string) {
	if r.finished != "" {
		return
	}
	r.finished = reason
	r.phase = protocol.PhaseFinished
	for t := range r.timers {
		r.stopTimer(t)
	}
	for h := range r.offers {
		r.settle(h)
	}
	clear(r.kept)
	clear(r.means)
	r.open = nil
	r.log.Info("run finished", "reason", reason, "version", r.version)
	r.save("finish", func(j Journal) error { return j.Finish(r.cfg.ID, reason, r.env.Now()) }, func() {
		r.over = true
		r.broadcastStatus()
		for _, p := range r.present {
			if m := r.members[p]; m.peer != nil {
				m.peer.Close(protocol.CloseFinished, reason)
			}
		}
		r.notify(nil)
	})
}

// stopReached finishes the run if it has made its rounds or reached its
// accuracy.
func (r *Run) stopReached() bool {
	if a := r.cfg.Stop.Accuracy; a > 0 && r.evaluated != nil && r.evaluated.Accuracy >= a {
		r.finish(fmt.Sprintf("test accuracy %.4g reached at version %d", r.evaluated.Accuracy, r.evaluated.Version))
		return true
	}
	if r.roundsDone() && !r.evaluating {
		r.finish(fmt.Sprintf("%d rounds done", r.cfg.Stop.Rounds))
		return true
	}
	return false
}

// roundsDone says whether the run has made all its rounds. It is over when the
// last of them has been evaluated.
func (r *Run) roundsDone() bool {
	return r.cfg.Stop.Rounds > 0 && r.version >= uint64(r.cfg.Stop.Rounds)
}
