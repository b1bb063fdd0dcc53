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
	"slices"
	"time"

	"fedtab/learn"
	"fedtab/protocol"
	"fedtab/strategy"
)

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

// step gives the strategy an event and does what it answers.
func (r *Run) step(e strategy.Event) {
	if r.finished != "" || r.roundsDone() {
		return // it would open another round while the last is being evaluated
	}
	// An effect may be answered at once, by another step that reuses the
	// strategy's slice.
	for _, effect := range slices.Clone(r.cfg.Strategy.Step(e)) {
		if r.finished != "" {
			return
		}
		r.apply(effect)
	}
}

func (r *Run) apply(effect strategy.Effect) {
	switch e := effect.(type) {
	case strategy.Open:
		r.openRound(e)
	case strategy.Order:
		r.order(e)
	case strategy.Add:
		r.add(e)
	case strategy.Keep:
		r.keep(e.Handle)
	case strategy.Drop:
		delete(r.kept, e.Handle)
	case strategy.Fetch:
		r.fetch(e)
	case strategy.Mean:
		r.average(e)
	case strategy.Forget:
		delete(r.means, e.Mean)
	case strategy.Reject:
		r.reject(e)
	case strategy.SetTimer:
		r.setTimer(e.Timer, e.After)
	case strategy.StopTimer:
		r.stopTimer(e.Timer)
	case strategy.Abandon:
		r.abandon(e)
	case strategy.Commit:
		r.phase = protocol.PhaseCommitting
		r.attempt.commit = &e
		r.notify(nil)
		r.commitWhenAdded(r.attempt)
	case strategy.Finish:
		r.finish(e.Reason)
	default:
		panic(fmt.Sprintf("run: unknown effect %T", e))
	}
}

func (r *Run) setTimer(t strategy.Timer, after time.Duration) {
	r.stopTimer(t)
	r.timers[t] = r.env.AfterFunc(after, func() {
		delete(r.timers, t)
		r.step(strategy.Fired{Timer: t})
	})
}

func (r *Run) stopTimer(t strategy.Timer) {
	if stop := r.timers[t]; stop != nil {
		stop()
		delete(r.timers, t)
	}
}
