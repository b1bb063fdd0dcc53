package faults

import (
	"time"

	"fedtab/coordinator/live"
	"fedtab/coordinator/virtual"
	"fedtab/learn"
	"fedtab/protocol"
	"fedtab/run"
)

// life is one process of the coordinator: the Env of its Run.
type life struct {
	world   *world
	number  int
	run     *run.Run
	checker *live.Checker
	witness *witness
	saved   *run.Saved // what it goes on from
	over    bool

	peers  map[uint32]*conn // the socket that the run takes for each participant's
	timers int              // that are set
	seen   run.Ledger       // what its peers were given and delivered

	committing uint64     // the round whose commit was asked for last
	asked      run.Ledger // what had been seen when that was asked for first
	since      run.Ledger // the same of the round before
}

// commitAsked is told of every try at a commit, with what the peers had seen
// when it was asked for.
func (l *life) commitAsked(round uint64, seen run.Ledger) {
	if l.committing != round {
		l.committing, l.since, l.asked = round, l.asked, seen
	}
}

// crash is what an effect panics with when the coordinator dies in it.
type crash struct{}

// effect is called before every effect of the coordinator on the world.
func (w *world) effect() {
	if w.life != nil && !w.life.over && w.fault(w.chances.Crash) {
		panic(crash{})
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
	w.note("the coordinator dies")
	w.result.Crashes++
	w.life.over = true
	w.journal.lost()
	w.down()
}

// shutdown stops the coordinator in good order.
func (w *world) shutdown() {
	w.note("the coordinator is stopped")
	w.life.run.Flush()
	w.journal.drain()
	w.down()
}

func (w *world) down() {
	w.life.over = true
	w.life = nil
	switch w.random.Uint64N(8) {
	case 0:
		w.skew -= w.between(0, 10*time.Hour)
	case 1:
		w.skew += w.between(0, 10*time.Hour)
	}
	w.soon(0, 20*time.Second, w.boot)
	for _, p := range w.participants {
		if c := p.conn; c != nil {
			// What is on its way to the participant may still arrive.
			c.upDead = true
			w.soon(p.actor(), time.Second, func() { p.lost(c) })
		}
	}
}

// leased is how many bodies may be on their way at a time: more than ever are,
// unless they are not given back.
const leased = 64

// The times of coordinator/server.go.
const (
	resumeGrace  = 5 * time.Second
	restartGrace = protocol.ReconnectMax
)

// boot starts the coordinator from what is durable.
func (w *world) boot() {
	if w.life != nil {
		return
	}
	w.lives++
	l := &life{world: w, number: w.lives, peers: map[uint32]*conn{}}
	w.life = l
	s, err := w.scheme.New(w.seed)
	if err != nil {
		panic(err) // of the schedule's making
	}
	n, vectors := uint64(w.model.Layout().Size), w.scheme.Config.Vectors()
	l.checker = live.NewChecker(int(n), vectors, w.seed, live.NewLease(leased*protocol.MaxBody(n, vectors)))
	cfg := run.Config{
		ID: "faults", Seed: w.seed, Model: w.model, Sums: w.scheme.Config.Sums(), MaxScale: w.scheme.Config.MaxScale, Packing: w.scheme.Packing, Stop: w.stop, EvalEvery: w.evalEvery, Evaluate: w.evaluate,
		Shards: w.shards, Journal: w.journal, ResumeGrace: resumeGrace, RestartGrace: restartGrace, Token: token,
	}
	if w.lives > 1 {
		l.saved = w.journal.load()
		cfg.Saved = l.saved
		if l.saved.Open != nil {
			w.result.Resumed++
		}
	}
	l.witness = newWitness(s, l)
	cfg.Strategy = l.witness
	w.note("life %d begins with version %d, order %d open", l.number, len(w.journal.commits), l.openOrder())
	r, err := run.New(cfg, l)
	if err != nil {
		// The journal failed at the very start: somebody has to start the
		// coordinator again.
		w.note("it cannot start: %v", err)
		w.journal.lost()
		w.down()
		return
	}
	l.run = r
	r.Start()
	if l.saved != nil && l.saved.Open != nil {
		w.clock.At(w.clock.Now()+restartGrace+time.Millisecond, ^uint32(0), l.checkExcused)
	}
}

func (l *life) openOrder() uint64 {
	if l.saved == nil || l.saved.Open == nil {
		return 0
	}
	return l.saved.Open.Order
}

// evaluate is the run's Evaluator: one version in thirty has reached any goal,
// and where there is a guard, one in ten is worse than it lets pass. Which ones
// those are changes with every roll-back, because what little bits can say may be
// the same version again.
func (w *world) evaluate(params []float32) (loss, accuracy float64, examples int) {
	switch hash := learn.Hash(params); {
	case hash[0] < 8:
		return .9, 1, 10
	case hash[1+w.result.RolledBack%31] < 25 && w.scheme.Config.Guard > 0:
		return 3, .1, 10
	}
	return 1, .5, 10
}

// Now implements run.Env: the wall clock, which may be set between two lives.
func (l *life) Now() time.Time { return virtual.Epoch.Add(l.world.clock.Now() + l.world.skew) }

// AfterFunc implements run.Env.
func (l *life) AfterFunc(d time.Duration, f func()) (stop func()) {
	l.world.effect()
	l.timers++
	pending := true
	cancel := l.world.clock.AfterFunc(d, func() {
		pending = false
		l.timers--
		if !l.over {
			f()
		}
	})
	return func() {
		if pending {
			pending = false
			l.timers--
			cancel()
		}
	}
}

// Compute implements run.Env: it takes its time, works overtake each other, and
// the result is done with later still.
func (l *life) Compute(work func(), then func()) {
	l.world.effect()
	l.world.soon(0, 50*time.Millisecond, func() {
		if l.over {
			return
		}
		work()
		l.world.soon(0, 50*time.Millisecond, func() {
			if !l.over {
				then()
			}
		})
	})
}

// Store implements run.Env.
func (l *life) Store(work func() error, then func(error)) {
	l.world.effect()
	l.world.journal.queue(l, work, then)
}
