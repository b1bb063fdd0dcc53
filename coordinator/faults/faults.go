// Package faults runs the coordinator's state machine, real strategies and real
// clients through everything that can go wrong, in virtual time, and checks
// what must hold all the same.
//
// One seed draws one schedule: sockets that die with what is in flight, in
// either direction and noticed late by either side; participants that join
// late, leave, pause, reload, take over their own socket, are slow, or send
// the same thing twice, late, out of order or broken; a journal that is slow,
// fails, or fails after it has written; and crashes of the coordinator between
// any two of its effects, followed by a restart from what was durable, with a
// clock that may have been set back.
//
// The network, the disk and the clock are the simulator's; run, strategy and
// client are those of production. Invariants are in invariants.go.
package faults

import (
	"fmt"
	"math/rand/v2"
	"time"

	"fedtab/coordinator/run"
	"fedtab/coordinator/virtual"
	"fedtab/learn"
	"fedtab/learn/rng"
	"fedtab/protocol"
	"fedtab/strategy"
)

// Config names a schedule.
type Config struct {
	Seed     uint64
	Strategy func(seed uint64, random *rand.Rand) (strategy.Strategy, error) // nil draws a FedAvg
	Trace    func(format string, args ...any)                                // nil keeps no trace
}

// Result counts what happened.
type Result struct {
	Rounds      int // committed
	Crashes     int // of the coordinator
	Sockets     int // lost
	Failures    int // of the journal
	Abandoned   int64
	Accepted    int64
	Refused     int64
	VirtualTime time.Duration
}

// Limits of a schedule, beyond which it counts as stuck.
const (
	maxEvents  = 2_000_000
	maxVirtual = 1000 * time.Hour
)

// Run runs one schedule to its end. The error is the first invariant that was
// violated.
func Run(cfg Config) (Result, error) {
	w := newWorld(cfg)
	w.start()
	for events := 0; ; events++ {
		switch {
		case w.violation != nil:
			return w.result, fmt.Errorf("at %v: %w", w.clock.Now(), w.violation)
		case w.life != nil && w.life.run.State().Finished != "" && w.journal.finished != "":
			w.checkEnd()
			if w.violation != nil {
				return w.result, fmt.Errorf("at the end: %w", w.violation)
			}
			w.result.Rounds = len(w.journal.commits)
			w.result.VirtualTime = w.clock.Now()
			return w.result, nil
		case events > maxEvents, w.clock.Now() > maxVirtual:
			return w.result, fmt.Errorf("stuck: %d rounds of %d after %d events and %v", len(w.journal.commits), w.rounds, events, w.clock.Now())
		}
		more := true
		w.survive(func() { more = w.clock.Next() })
		if !more {
			return w.result, fmt.Errorf("stuck: nothing is left to happen at %v, after %d rounds of %d", w.clock.Now(), len(w.journal.commits), w.rounds)
		}
	}
}

// world is everything around the runs of one schedule.
type world struct {
	clock  virtual.Clock
	random *rand.Rand
	trace  func(string, ...any)

	seed     uint64
	model    learn.Model
	rounds   int // that the run is to make
	strategy func() (strategy.Strategy, error)
	faults   chances

	journal      *journal
	life         *life // the coordinator, nil while it is down
	lives        int
	skew         time.Duration // of the coordinator's wall clock
	crashIn      int           // effects until the next crash, 0 for never
	crashesLeft  int
	participants []*participant
	bench        *bench

	initial     []float32 // version 0
	initialHash [32]byte

	numbers   map[uint32]*participant // who was given which number
	counted   map[key]bool            // contributions that are in a durable version
	up, down  int64                   // bytes that the peers saw, over all lives
	dying     *life                   // whose last writes are being done
	sent      map[uint64][]float32    // deltas by fingerprint, as they were delivered
	result    Result
	violation error
}

// chances are the probabilities of a schedule's faults, each drawn once from the
// seed so that schedules differ in kind.
type chances struct {
	lose      float64 // a socket dies with a message
	duplicate float64 // a contribution is sent twice
	replay    float64 // an old contribution is sent again
	broken    float64 // a contribution is spoilt
	swap      float64 // two messages overtake each other
	slow      float64 // training takes longer than a round may
	moody     float64 // a participant pauses, freezes, leaves or reloads, per order
	fail      float64 // the journal fails
	failLate  float64 // of these, after it has written
	slowDisk  float64
}

func newWorld(cfg Config) *world {
	r := rng.Stream(cfg.Seed, "faults")
	model, err := learn.New(learn.MLP([]int{2}, nil, 2))
	if err != nil {
		panic(err) // the smallest model there is
	}
	w := &world{
		random: r, seed: cfg.Seed, model: model, trace: cfg.Trace,
		rounds:  2 + int(r.Uint64N(20)),
		initial: make([]float32, model.Layout().Size), counted: map[key]bool{},
		numbers: map[uint32]*participant{}, sent: map[uint64][]float32{},
		bench: newBench(model),
	}
	model.Init(w.initial, cfg.Seed)
	w.initialHash = learn.Hash(w.initial)
	if w.trace == nil {
		w.trace = func(string, ...any) {}
	}
	// A third of the schedules leaves a kind of fault out.
	some := func(most float64) float64 {
		if r.Uint64N(3) == 0 {
			return 0
		}
		return most * r.Float64()
	}
	w.faults = chances{
		lose: some(.05), duplicate: some(.2), replay: some(.1), broken: some(.1), swap: some(.05),
		slow: some(.2), moody: some(.1), fail: some(.2), failLate: .5, slowDisk: some(.2),
	}
	w.journal = newJournal(w)
	if r.Uint64N(3) > 0 {
		w.crashesLeft = int(r.Uint64N(12))
		w.aim()
	}
	clients := 1 + int(r.Uint64N(10))
	newStrategy := cfg.Strategy
	if newStrategy == nil {
		sc := strategy.Config{
			Kind: "fedavg", Fraction: r.Float64(), LR: .1, MinClients: 1 + int(r.Uint64N(uint64(min(clients, 3)))),
			MinReports: int(r.Uint64N(3)), Deadline: time.Duration(5+r.Uint64N(60)) * time.Second,
		}
		newStrategy = func(seed uint64, _ *rand.Rand) (strategy.Strategy, error) {
			return strategy.New(sc, strategy.Setup{Seed: seed, MinCohort: 2})
		}
	}
	w.strategy = func() (strategy.Strategy, error) {
		return newStrategy(cfg.Seed, rng.Stream(cfg.Seed, "strategy"))
	}
	for i := range clients {
		w.participants = append(w.participants, newParticipant(w, i))
	}
	return w
}

// chance says yes with probability p.
func (w *world) chance(p float64) bool { return w.random.Float64() < p }

// between draws a duration.
func (w *world) between(least, most time.Duration) time.Duration {
	return least + time.Duration(w.random.Float64()*float64(most-least))
}

func (w *world) violated(format string, args ...any) {
	if w.violation == nil {
		w.violation = fmt.Errorf(format, args...)
		w.trace("VIOLATION %v", w.violation)
	}
}

func (w *world) start() {
	w.survive(w.boot)
	for _, p := range w.participants {
		w.clock.At(w.between(0, 20*time.Second), p.actor(), p.connect)
	}
}

// crash is what an effect panics with when the coordinator dies in it.
type crash struct{}

// aim chooses the effect in which the coordinator dies next.
func (w *world) aim() {
	w.crashIn = 0
	if w.crashesLeft > 0 {
		w.crashesLeft--
		w.crashIn = 1 + int(w.random.Uint64N(400))
	}
}

// effect is called for every effect of the coordinator on the world, before it
// happens.
func (w *world) effect() {
	if w.crashIn > 0 {
		if w.crashIn--; w.crashIn == 0 {
			panic(crash{})
		}
	}
}

// survive does something that the coordinator may die in.
func (w *world) survive(f func()) {
	defer func() {
		switch e := recover(); e.(type) {
		case nil:
		case crash:
			w.crashed()
		default:
			panic(e)
		}
	}()
	f()
}

// crashed takes everything away that was not durable, and starts the coordinator
// again some time later.
func (w *world) crashed() {
	w.trace("the coordinator dies")
	w.result.Crashes++
	if w.life != nil {
		w.life.tally()
		w.life.over = true
		w.dying = w.life
	}
	w.life = nil
	w.journal.abandoned()
	w.aim()
	if w.chance(.2) {
		w.skew -= w.between(0, 10*time.Hour)
	}
	w.clock.At(w.clock.Now()+w.between(0, 20*time.Second), 0, w.boot)
	for _, p := range w.participants {
		if c := p.conn; c != nil {
			c.dead = true
			w.clock.At(w.clock.Now()+w.between(0, time.Second), p.actor(), func() { p.lost(c) })
		}
	}
}

// boot starts the coordinator from what is durable.
func (w *world) boot() {
	w.lives++
	l := &life{world: w, number: w.lives, perRun: map[*conn]int{}, accepted: map[key]bool{}}
	w.life = l
	w.trace("life %d begins with version %d, open round %+v", l.number, len(w.journal.commits), w.journal.open)
	s, err := w.strategy()
	if err != nil {
		panic(err) // of the test's making
	}
	l.checker = run.NewChecker(w.model.Layout().Size, run.NewLease(leased*protocol.MaxBody(uint64(w.model.Layout().Size), 1)))
	l.resumed = w.journal.open
	cfg := run.Config{
		ID: "faults", Seed: w.seed, Model: w.model, Strategy: s, Stop: run.Stop{Rounds: w.rounds},
		Evaluate: func([]float32) (float64, float64, int) { return 1, .5, 10 },
		Journal:  w.journal, ResumeGrace: 5 * time.Second, RestartGrace: protocol.ReconnectMax,
		Token: func(p uint32) []byte { return []byte{byte(p >> 24), byte(p >> 16), byte(p >> 8), byte(p)} },
	}
	if w.lives > 1 {
		cfg.Saved = w.journal.load()
	}
	r, err := run.New(cfg, l)
	if err != nil {
		// The journal failed at the very start: as `serve`, give up and let
		// the organiser (or systemd) start it again.
		w.trace("cannot start: %v", err)
		w.crashed()
		return
	}
	l.run = r
	l.booted = true
	r.Start()
}

// life is one process of the coordinator: the Env of its Run.
type life struct {
	world   *world
	number  int
	run     *run.Run
	checker *run.Checker
	booted  bool
	over    bool
	resumed *run.OpenRound // the round that it has to go on with

	// What the world saw, to compare with the run's own ledger.
	up, down         int64
	messages, models int64
	perRun           map[*conn]int // acknowledgements by connection
	accepted         map[key]bool  // contributions answered with accepted, in no commit yet
}

// key names a contribution: order numbers are unique for each participant.
type key struct {
	participant uint32
	order       uint64
}

// Now implements run.Env: the wall clock, which may have been set back between
// two lives.
func (l *life) Now() time.Time { return virtual.Epoch.Add(l.world.clock.Now() + l.world.skew) }

// AfterFunc implements run.Env.
func (l *life) AfterFunc(d time.Duration, f func()) (stop func()) {
	return l.world.clock.AfterFunc(d, func() {
		if !l.over {
			f()
		}
	})
}

// Compute implements run.Env: it takes its time, and works overtake each other.
func (l *life) Compute(work func(), then func()) {
	l.world.effect()
	l.world.clock.AfterFunc(l.world.between(0, 50*time.Millisecond), func() {
		if !l.over {
			work()
			then()
		}
	})
}

// Store implements run.Env.
func (l *life) Store(work func() error, then func(error)) {
	l.world.effect()
	l.world.journal.queue(l, work, then)
}

// tally compares the run's ledger with what the world saw.
func (l *life) tally() {
	if l.run == nil {
		return
	}
	g := l.run.State().Ledger
	l.world.result.Abandoned += g.Abandoned
	for reason, n := range g.Answers {
		if reason == int(protocol.ReasonAccepted) {
			l.world.result.Accepted += n
		} else {
			l.world.result.Refused += n
		}
	}
}
