// Package run executes one training run: its participants, orders, contributions
// and versions, from start to end. It drives one strategy and keeps one ledger of
// bytes.
//
// A Run is a pure state machine like those of strategy and client: it reads no
// clock and starts no goroutine. Its Env provides both: coordinator/live in
// production, where one goroutine owns the Run, and coordinator/simulate in
// virtual time. A Peer delivers messages to a participant: a WebSocket session
// of the hub, or a simulated client. Only the owner calls a Run's methods;
// Inspect may be called by any goroutine.
package run

import (
	"fmt"
	"math"
	"slices"
	"time"

	"fedtab/learn/data"
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

	phase      protocol.Phase
	roster     roster     // participants
	departures departures // participants that have left for good
	down       downlink   // the newest version and its encodings
	accounts   accounts   // bytes
	events     eventLog   // pending entries
	faults     faults     // refusals that await the round's end
	durable    durability // state of the journal

	open     *OpenRound
	attempt  *attempt                // sums of the open round
	attempts uint64                  // number of the newest
	absent   map[uint32]*outstanding // orders of the open round, of absent clients
	offers   map[strategy.Handle]*Offer
	guard    guard
	rewind   *rewind         // the way back to an earlier version, while it is asked for
	awaited  *awaited        // the cohort of a round that a restart has reopened, while it has time to reconnect
	handles  strategy.Handle // newest
	kept     map[strategy.Handle]*kept
	means    map[strategy.MeanID]*mean
	secure   *secureRun // nil: contributions come one by one
	timers   map[strategy.Timer]func()
	spent    *Spent // by all attempts that were written down; nil: the run makes no claim, or none was
	closed   uint64 // newest round that is closed

	abandoned *Abandoned // the newest attempt at the next version, if it was given up

	enquiry         *enquiry // that is open; nil: none
	enquiries       uint64   // number of the newest, beyond EnquiryOrders
	survey          survey
	constants       *data.Constants // of the participants' own data; nil: not known
	savingConstants bool

	typical     float64 // weight of a contribution to the last version, or of a surveyed participant; 0: unknown
	median      float64 // weight of the newest round's cohort
	newestOrder uint64  // number of the newest order that was opened
	firstOrder  uint64  // of the open attempt

	stepping bool // the strategy's effects are being executed

	told       map[string]time.Time // when news were at info last
	rounds     []RoundRecord
	evaluated  *Evaluation // newest
	evaluating bool
	gathering  func() // stops the wait for participants that evaluate, after a restart; nil: there is none
	finished   string // reason of the end; empty while the run goes on
	over       bool   // finished, and durably so
	stop       *stop  // that is asked for; nil: none
	paused     string // why it is paused; empty: it is not
	turn       *turn  // a pause, or its end, that is not answered; nil: none
	halted     bool   // the journal has failed permanently
}

// New returns a run that has not started. An error names an invalid setting, or saved
// state that does not match the configuration.
func New(cfg Config, env Env) (*Run, error) {
	if cfg.EvalEvery == 0 {
		cfg.EvalEvery = 1
	}
	if cfg.Log == nil {
		cfg.Log = discard{}
	}
	r := &Run{
		cfg: cfg, env: env, log: cfg.Log, n: cfg.Model.Layout().Size,
		phase: protocol.PhaseWaiting, roster: newRoster(cfg.Shards, cfg.mostExamples()), accounts: newAccounts(cfg.Uncounted, cfg.Metered),
		absent: map[uint32]*outstanding{}, offers: map[strategy.Handle]*Offer{}, kept: map[strategy.Handle]*kept{},
		median: math.Inf(1), guard: guard{evaluate: cfg.Judge}, means: map[strategy.MeanID]*mean{}, timers: map[strategy.Timer]func(){}, told: map[string]time.Time{}, events: eventLog{all: runBudget},
	}
	var err error
	if r.down, err = newDownlink(cfg.Model, cfg.Seed, cfg.Packing, cfg.Sums > 1); err != nil {
		return nil, fmt.Errorf("run %s: %w", cfg.ID, err)
	}
	if r.secure, err = newSecure(&cfg, r.n); err != nil {
		return nil, err
	}
	if r.attempt, err = r.newAttempt(); err != nil {
		return nil, err
	}
	if s := cfg.Saved; s != nil {
		if s.Participants > 0 {
			r.roster.next = s.Participants
		}
		for _, number := range s.Departed {
			r.departures.add(number)
		}
		r.rounds, r.finished, r.over, r.paused = s.Rounds, s.Finished, s.Finished != "", s.Paused
		r.accounts.restore(s.Ledger, s.Rounds)
		if s.Finished != "" {
			r.phase = protocol.PhaseFinished
		}
		if c := s.Last; c != nil {
			if err := r.down.restore(c); err != nil {
				return nil, fmt.Errorf("run %s: %w", cfg.ID, err)
			}
			if err := cfg.Strategy.Restore(slices.Concat(c.Snapshot, c.Seeds)); err != nil {
				return nil, fmt.Errorf("run %s: version %d: %w", cfg.ID, c.Round, err)
			}
			r.closed = c.Round
		}
		r.spent = s.spent()
		if n := len(r.rounds); n > 0 && r.rounds[n-1].Participants > 0 {
			r.typical = r.rounds[n-1].Weight / float64(r.rounds[n-1].Participants)
		}
		r.evaluated = s.Evaluated
		if s.Constants != nil && cfg.Own != nil {
			r.know(*s.Constants)
		}
	}
	// The first numbers are reserved before a participant can ask for one.
	r.roster.reserved = r.roster.next + numbersAhead
	if cfg.Journal != nil && r.finished == "" {
		if err := cfg.Journal.ReserveParticipants(cfg.ID, r.roster.reserved); err != nil {
			return nil, fmt.Errorf("run %s: %w", cfg.ID, err)
		}
	}
	return r, nil
}

// Start starts or resumes the run.
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
	if r.down.version > 0 && (r.evaluated == nil || r.evaluated.Version != r.down.version) {
		r.evaluateAgain()
	}
	if r.stopReached() || r.roundsDone() {
		return
	}
	var cohort []strategy.ClientID
	reopened := r.cfg.Saved != nil && r.cfg.Saved.Open != nil
	if reopened {
		cohort = r.reopen(*r.cfg.Saved.Open)
	}
	switch {
	case r.paused != "":
		r.stayPaused()
	case reopened && r.secure != nil:
		r.tellSaved(r.cfg.Saved.Sums)
	case reopened:
		r.await(cohort)
	}
}

// reopen goes on with a round that an earlier process has left open, and returns its
// cohort.
func (r *Run) reopen(open OpenRound) []strategy.ClientID {
	r.open, r.phase, r.newestOrder, r.firstOrder = &open, protocol.PhaseTraining, open.Order, open.Order
	r.median = open.medianWeight()
	// A clock that was set back must not extend the round. The cohort gets
	// the grace period to reconnect, however long the coordinator was down.
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
	return cohort
}

// State returns the state of the run.
func (r *Run) State() State {
	s := State{
		Phase: r.shownPhase(), Version: r.down.version, Round: r.down.version, Participants: len(r.roster.present), Began: r.began,
		Abandoned: r.abandoned, Evaluated: r.evaluated, Ledger: r.accounts.all, Spent: r.spent, Finished: r.finished, Halted: r.halted, StoreFailed: r.durable.failures,
	}
	if r.finished == "" {
		s.Paused = r.paused
	}
	if r.halted && r.finished == haltedReason {
		s.Finished = ""
	}
	if r.durable.err != nil {
		s.StoreError = r.durable.err.Error()
	}
	if r.open != nil {
		s.Round = r.open.Round
	}
	if r.surveying() {
		s.Survey = &Survey{r.ready(), r.fewest()}
	}
	if n := len(r.missing()); n > 0 {
		s.Awaited, s.AwaitedUntil = n, r.awaited.until
	}
	if r.withholds() {
		return s.shown()
	}
	return s
}

// Rounds returns the committed rounds.
func (r *Run) Rounds() []RoundRecord {
	if !r.withholds() {
		return r.rounds
	}
	all := make([]RoundRecord, len(r.rounds))
	for i := range all {
		all[i] = r.rounds[i].Shown()
	}
	return all
}

// Model returns the newest version, which the caller must not write to.
func (r *Run) Model() (version uint64, hash [32]byte, params []float32) {
	return r.down.version, r.down.hash, r.down.params
}

// StoreError returns the last error of the journal, nil while it works.
func (r *Run) StoreError() error { return r.durable.err }

func (r *Run) notify(round *RoundRecord, clients ...ClientTraffic) {
	if r.cfg.Notify != nil {
		var rec *RoundRecord
		if round != nil {
			c := *round
			if r.withholds() {
				c, clients = c.Shown(), nil
			}
			rec = &c
		}
		r.cfg.Notify(Update{State: r.State(), Round: rec, Clients: clients})
	}
}

// step passes an event to the strategy and executes its effects.
func (r *Run) step(e strategy.Event) {
	if r.finished != "" || r.roundsDone() || r.surveying() {
		return // the strategy would open another round during the last evaluation
	}
	// An effect may cause another step at once, which reuses the strategy's
	// slice.
	outer := r.stepping
	r.stepping = true
	for _, effect := range slices.Clone(r.cfg.Strategy.Step(e)) {
		if r.finished != "" {
			break
		}
		r.apply(effect)
	}
	if r.stepping = outer; !outer {
		r.tryStop()
		r.tryTurn()
		r.tryRewind()
	}
}

func (r *Run) apply(effect strategy.Effect) {
	switch e := effect.(type) {
	case strategy.Open:
		r.openRound(e)
	case strategy.Order:
		r.order(e)
	case strategy.Expect:
		r.expect(e)
	case strategy.Size:
		r.size(e)
	case strategy.Add:
		r.add(e)
	case strategy.Keep:
		r.keep(e)
	case strategy.Unmask:
		r.unmask(e)
	case strategy.Drop:
		r.forgetKept(e.Handle)
	case strategy.Judge:
		r.judgeAlone(e)
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
