package faults

import (
	"math"
	"time"

	"fedtab/coordinator/live"
	"fedtab/learn"
	"fedtab/protocol"
	"fedtab/run"
	"fedtab/simulation"
	"fedtab/strategy"
)

// process is one process of the coordinator: the run's Env.
type process struct {
	sim      *sim
	number   int
	run      *run.Run // nil if it could not start
	checker  *live.Checker
	observer *observer
	saved    *run.Saved // what it went on from, nil for the first
	over     bool
	halted   bool

	sockets map[uint32]*socket // the run's Peer of each participant
	timers  int                // that are set
	seen    run.Ledger         // what its peers were sent and delivered

	committing uint64 // the round whose commit was asked for last
	asked      int64  // bytes up and down when it was asked for first
	previous   int64  // the same of the round before
}

const (
	resumeGrace  = 5 * time.Second // as in coordinator/server.go
	restartGrace = protocol.ReconnectMax
	maxBodies    = 64 // leased at a time: more than ever are, unless leases leak
)

// crash is what an effect panics with when the coordinator crashes in it.
type crash struct{}

// effect comes before every effect of the coordinator on its environment.
func (s *sim) effect() {
	if s.process != nil && !s.process.over && s.fault(s.rates.Crash) {
		panic(crash{})
	}
}

// crashed drops what was not durable; a new process starts later.
func (s *sim) crashed() {
	s.note("the coordinator crashes")
	s.result["crashes"]++
	s.process.over = true
	s.disk.flush(.5)
	s.down()
}

// stop stops the coordinator in good order.
func (s *sim) stop() {
	s.note("the coordinator is stopped")
	s.process.run.Flush()
	s.disk.flush(1)
	s.down()
}

// maxPause is how long a pause lasts at most, unless the coordinator is down at its end.
const maxPause = 2 * time.Minute

// pause has the organiser pause the run, and resume it later.
func (s *sim) pause() {
	s.process.run.Pause("a break", func(_ uint64, err error) {
		if err != nil {
			s.note("the run cannot be paused: %v", err)
			return
		}
		s.note("the run is paused")
		s.result["pauses"]++
		s.must(s.disk.paused == "a break", "a pause is answered when it is durable", "durable is %q", s.disk.paused)
	})
	s.soon(0, maxPause, s.resume)
}

// resume has the organiser resume a run that is paused, as soon as that is possible.
func (s *sim) resume() {
	p := s.process
	switch {
	case s.ended() || p != nil && p.run != nil && p.run.State().Paused == "":
		return // another process reads whether it is paused
	case p == nil || p.run == nil:
		s.soon(0, 10*time.Second, s.resume)
		return
	}
	p.run.Resume(func(_ uint64, err error) {
		if err != nil { // the pause is not durable yet
			s.soon(0, 10*time.Second, s.resume)
			return
		}
		s.note("the run is resumed")
		s.must(s.disk.paused == "", "a pause is answered when it is durable", "durable is %q after its end", s.disk.paused)
	})
}

func (s *sim) down() {
	s.process.over, s.process = true, nil
	if maybe(s.random, 4) {
		s.skew += s.between(-10*time.Hour, 10*time.Hour)
	}
	s.soon(0, 20*time.Second, s.boot)
	for _, p := range s.peers {
		if c := p.socket; c != nil {
			c.upDead = true // what is on its way to the client may still arrive
			s.soon(p.actor(), time.Second, func() { p.lost(c) })
		}
	}
}

// boot starts a process from what is durable.
func (s *sim) boot() {
	if s.process != nil {
		return
	}
	s.processes++
	p := &process{sim: s, number: s.processes, sockets: map[uint32]*socket{}}
	s.process = p
	setup := s.setup
	if s.mutant.setup != nil {
		s.mutant.setup(&setup)
	}
	st, err := strategy.New(s.Config, setup)
	if err != nil {
		panic(err)
	}
	n, vectors, open := uint64(len(s.initial)), s.maxVectors, uint64(0)
	p.checker = live.NewChecker(int(n), vectors, s.seed, live.NewLease(maxBodies*protocol.MaxBody(n, vectors)))
	if s.Guard == 2 {
		p.checker.KeepIn(live.NewVault("", math.MaxInt64))
	}
	cfg := run.Config{
		ID: "faults", Seed: s.seed, OrderSeed: s.seed, Model: s.model, Sums: s.Sums(), MaxScale: s.MaxScale, Packing: s.packing, Stop: s.stopAt, EvalEvery: s.evalEvery, Evaluate: s.evaluate, Judge: s.judge(),
		Secure: s.secureRun(), Differential: s.noise(), Shards: s.shards, Journal: s.disk, ResumeGrace: resumeGrace, RestartGrace: restartGrace, Token: token,
	}
	if s.differential() {
		cfg.MaxScale = func(float64) float64 { return 1 }
	}
	if s.processes > 1 {
		p.saved = s.disk.load()
		cfg.Saved = p.saved
		if p.saved.Open != nil {
			s.result["resumed"]++
			open = p.saved.Open.Order
			if len(p.saved.Sums) > 0 {
				s.result["restarts with a sum"]++
			}
		}
		if p.saved.Paused != "" {
			s.result["restarted in a pause"]++
			s.soon(0, maxPause, s.resume)
		}
	}
	p.observer = newObserver(st, p)
	cfg.Strategy = p.observer
	if s.mutant.strategy != nil {
		cfg.Strategy = s.mutant.strategy(cfg.Strategy)
	}
	if s.mutant.journal != nil {
		cfg.Journal = s.mutant.journal(cfg.Journal)
	}
	s.note("process %d begins with version %d, order %d open", p.number, len(s.disk.commits), open)
	if p.run, err = run.New(cfg, p); err != nil {
		p.run = nil
		s.note("it cannot start: %v", err)
		s.disk.flush(.5)
		s.down()
		return
	}
	p.run.Start()
	if open != 0 {
		s.clock.At(s.clock.Now()+restartGrace+time.Millisecond, ^uint32(0), p.checkAbsent)
	}
}

// judge is the guard's Evaluator, nil without a guard.
func (s *sim) judge() run.Evaluator {
	if s.Guard != 2 {
		return nil
	}
	return s.evaluate
}

// evaluate is the run's Evaluator: one version in thirty reaches every goal, and
// with a guard one in ten is worse than the guard allows. Which these are changes
// with every rollback, because a coarse packing may give the same version again.
func (s *sim) evaluate(params []float32) learn.Metrics {
	of := func(loss float64, correct int) learn.Metrics {
		return learn.Metrics{
			Sums:      learn.Sums{Examples: 10, Loss: 10 * loss, Correct: correct},
			Confusion: []int64{int64(correct), int64(10 - correct), 0, 0},
		}
	}
	switch hash := learn.Hash(params); {
	case hash[0] < 8:
		return of(.9, 10)
	case hash[1+(s.result["rolled back"]+s.result["blamed"])%31] < 25 && s.Guard == 2:
		return of(3, 1)
	}
	return of(1, 5)
}

// alive returns f, without effect once the process is over.
func (p *process) alive(f func()) func() {
	return func() {
		if !p.over {
			f()
		}
	}
}

// Now implements run.Env: the wall clock, which may be set between processes.
func (p *process) Now() time.Time { return simulation.Epoch.Add(p.sim.clock.Now() + p.sim.skew) }

// AfterFunc implements run.Env.
func (p *process) AfterFunc(d time.Duration, f func()) (stop func()) {
	p.sim.effect()
	p.timers++
	pending := true
	done := func() bool {
		was := pending
		if pending {
			pending = false
			p.timers--
		}
		return was
	}
	cancel := p.sim.clock.AfterFunc(d, func() { done(); p.alive(f)() })
	return func() {
		if done() {
			cancel()
		}
	}
}

// Compute implements run.Env: works take time and overtake each other.
func (p *process) Compute(work func(), then func()) {
	p.sim.effect()
	p.sim.soon(0, 50*time.Millisecond, p.alive(func() {
		work()
		p.sim.soon(0, 50*time.Millisecond, p.alive(then))
	}))
}

// Store implements run.Env.
func (p *process) Store(work func() error, then func(error)) {
	p.sim.effect()
	p.sim.disk.pending = append(p.sim.disk.pending, write{work, then, p.seen.Up + p.seen.Down})
	p.sim.disk.next()
}
