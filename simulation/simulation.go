// Package simulation runs a run and its clients in one process, in virtual time: the
// strategy, run and client of production, with thousands of clients.
//
//	simulation.go   Simulation: what it is made of, and its events one by one
//	participant.go  a client and its connection
//	clock.go        virtual time and its queue of events
//	device.go       how fast clients are, and when they are there
//	lockstep.go     clients that make their mini-batches together (dynamic averaging)
//	pool.go         training on all cores
//	hold.go, declined.go, drift.go
//	                adversaries that wait, runs that are stuck, data that changes
//	checker.go      contributions as the coordinator takes them in
//	memory.go       what is kept so that a simulation can go on after an interruption
//
// Events are delivered in the order of (time, client, sequence). Only training takes
// real time. It runs on all cores, ahead of the virtual time at which it ends, and
// the order of the cores' work does not change results: one seed gives the same
// result, byte for byte, at any GOMAXPROCS.
//
// The package is pure, so that the page's lab runs it too.
package simulation

import (
	"errors"
	"fmt"
	"math"
	"time"

	"fedtab/client"
	"fedtab/compress"
	"fedtab/privacy/secagg"
	"fedtab/protocol"
	"fedtab/run"
	"fedtab/simulation/adversary"
	"fedtab/strategy"
)

// Config is what a simulation is made of.
type Config struct {
	Run      run.Config      // of the run; ID, graces and Notify are the simulation's
	Task     string          // name that clients join by
	Strategy strategy.Config // that the run's strategy was made of
	Clients  int
	Seed     uint64 // of devices and adversaries

	// Equip gives client i, from 0, its examples, as the adversary that it may be has them.
	Equip func(i int, c *client.Client, m *adversary.Member) error

	Devices     Devices
	Adversaries adversary.Config
	Codecs      compress.Extra                // that clients and coordinator have beside those of this build
	Drift       *Drift                        // of the examples; nil: none
	Checker     Checker                       // nil: one in memory, without the guard's vault
	Primitives  func(i int) secagg.Primitives // cryptography of client i, from 0, of a run with secure aggregation
	Steps       int                           // mini-batches of every client after which a lock-step simulation ends; 0: no end
	Workers     int                           // goroutines that train beside the caller's. Results do not depend on it

	OnUpdate func(u run.Update, fresh bool) // called with every committed round, and again with its evaluation: then it is not fresh
	OnCheck  func(c Check, redone bool)     // called with every Check of a lock-step simulation
	OnWire   func(Wire)                     // called with every message when it is sent

	// Memory keeps the state of the simulation, so that it can go on after an
	// interruption; nil: nothing is kept.
	Memory Memory
}

// Wire is a message on its way, in virtual time since the start.
type Wire struct {
	Client     int // from 0
	Sent, Here time.Duration
	Message    protocol.Message
}

// resumeGrace is how long the run waits for a participant that has lost its
// connection, as in the server.
const resumeGrace = 5 * time.Second

// maxIdle is the max virtual time without a new version, in a run without a time
// limit; the run is stuck then.
const maxIdle = 30 * 24 * time.Hour

// ErrStuck is wrapped by the error of a run that makes no progress.
var ErrStuck = errors.New("simulation: the run makes no progress")

// Simulation is the Env of a Run in virtual time.
type Simulation struct {
	cfg   Config
	clock Clock
	run   *run.Run
	pool  *pool

	begun   bool
	figures uint64 // of the coordinator, that the memory keeps
	newest  uint64 // version that was committed; beyond all before the first

	samples int64         // trained on since TakeSamples
	commit  time.Duration // when the newest version was made

	participants []*participant
	holding      []*participant // with answers in held
	lock         lockstep
	declined     declined
	sliceSteps   int // mini-batches of a slice
	checkEvery   int // slices between two Checks
	steps        int // mini-batches of a round; 0: it has no such number
}

// New returns a simulation before its first event. Close ends it.
func New(c Config) (*Simulation, error) {
	s := &Simulation{
		cfg: c, newest: math.MaxUint64, sliceSteps: max(c.Strategy.Batches, 1), checkEvery: max(c.Run.EvalEvery, 1), steps: c.Strategy.Steps(),
		pool: newPool(c.Run.Model, c.Workers, c.Memory != nil),
	}
	if s.cfg.Checker == nil {
		s.cfg.Checker = newDecoder(c.Run.Model.Layout().Size, c.Strategy.Vectors(), c.Run.Seed, c.Codecs)
	}
	rc := &s.cfg.Run
	rc.ID, rc.ResumeGrace, rc.RestartGrace = "simulation", resumeGrace, resumeGrace
	rc.Evaluate, rc.Validate, rc.Judge = s.Recorded(rc.Evaluate), s.Recorded(rc.Validate), s.Recorded(rc.Judge)
	rc.Notify = s.notify
	s.declined.reset()
	var err error
	if s.run, err = run.New(*rc, s); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// begin starts the run, and makes the clients, which join at once.
func (s *Simulation) begin() error {
	c := &s.cfg
	s.begun = true
	s.run.Start()
	group := adversary.NewGroup(c.Adversaries, c.Clients, c.Seed)
	group.Know(c.Codecs)
	models, packers := &sharedModels{own: client.OwnModels()}, &client.Packers{Codecs: c.Codecs}
	for i := range c.Clients {
		member := group.Member(i)
		p := &participant{
			sim: s, index: uint32(i + 1), member: member, device: newDevice(c.Seed, i+1, &c.Devices),
			client: client.New(c.client(i, member, models, packers)),
		}
		if err := c.Equip(i, p.client, p.member); err != nil {
			return err
		}
		if c.Memory != nil {
			p.kept = c.Memory.Calls(p.index)
		}
		s.participants = append(s.participants, p)
		s.clock.At(0, p.index, func() { p.attend(c.Run.OrderSeed, &c.Devices) })
	}
	return nil
}

// client returns the configuration of client i.
func (c *Config) client(i int, m *adversary.Member, models client.Models, packers *client.Packers) client.Config {
	config := client.Config{Name: "simulated", Task: c.Task, Models: models, Packers: packers}
	if c.Primitives != nil {
		config.Secure = &client.Secure{Primitives: c.Primitives(i), Apart: true}
		if m.Lies() {
			config.Secure.Masks = m.Masks
		}
	}
	return config
}

// Next does the next event, and reports whether there are more. An error is the reason why
// a run that is not over goes no further.
func (s *Simulation) Next() (more bool, err error) {
	if !s.begun {
		if err := s.begin(); err != nil {
			return false, err
		}
	}
	if s.run.State().Finished != "" {
		return false, nil
	}
	if m := s.cfg.Memory; m != nil {
		if err := m.Err(); err != nil {
			return false, err
		}
		if m.Due() {
			s.Keep()
		}
	}
	limited := s.cfg.Run.Stop.Time != 0
	if err := s.declined.err(s.run.State().Version + 1); err != nil && !limited {
		return false, err
	}
	if len(s.lock.ready) > 0 && s.quiet() {
		s.release()
		s.commit = s.clock.Now() // a slice is progress too
	} else if !s.clock.Next() || !limited && s.clock.Now()-s.commit > maxIdle {
		return false, fmt.Errorf("%w (at virtual time %v, phase %v)", ErrStuck, s.clock.Now(), s.run.State().Phase)
	}
	return s.run.State().Finished == "", nil
}

// Close ends the goroutines that train.
func (s *Simulation) Close() { s.pool.close() }

// Run returns the run.
func (s *Simulation) Run() *run.Run { return s.run }

// Time returns the virtual time since the start.
func (s *Simulation) Time() time.Duration { return s.clock.Now() }

// TakeSamples returns how many examples were trained on since the last call.
func (s *Simulation) TakeSamples() int64 {
	n := s.samples
	s.samples = 0
	return n
}

// notify takes in a change of the run.
func (s *Simulation) notify(u run.Update) {
	if u.Round == nil {
		return
	}
	fresh := u.Round.Round != s.newest
	if s.newest = u.Round.Round; fresh {
		s.verify()
		s.tidy()
		s.declined.reset()
	}
	s.commit = s.clock.Now()
	if s.steps > 0 {
		s.cfg.Drift.at(int(u.Round.Round) * s.steps)
	}
	if s.cfg.OnUpdate != nil {
		s.cfg.OnUpdate(u, fresh)
	}
}

// tidy frees versions that clients do not need any more, so that memory does not grow
// with the number of clients that have ever taken part.
func (s *Simulation) tidy() {
	oldest := s.run.Oldest()
	for _, p := range s.participants {
		if !p.busy && p.modelFree < s.clock.Now() { // and no version difference is on its way to it
			p.client.Release(oldest)
		}
	}
}

// wire tells of a message that is sent now.
func (s *Simulation) wire(p *participant, here time.Duration, m protocol.Message) {
	if s.cfg.OnWire != nil {
		s.cfg.OnWire(Wire{int(p.index) - 1, s.clock.Now(), here, m})
	}
}

// Now implements run.Env.
func (s *Simulation) Now() time.Time { return Epoch.Add(s.clock.Now()) }

// AfterFunc implements run.Env.
func (s *Simulation) AfterFunc(d time.Duration, f func()) (stop func()) {
	return s.clock.AfterFunc(d, f)
}

// Compute implements run.Env: the coordinator takes no virtual time.
func (s *Simulation) Compute(work func(), then func()) { work(); then() }

// Store implements run.Env.
func (s *Simulation) Store(work func() error, then func(error)) { then(work()) }

// Slow reports whether client i, from 0, is one of the slow ones.
func (s *Simulation) Slow(i int) bool { return s.participants[i].device.slow }

// Lies reports whether client i, from 0, is an adversary.
func (s *Simulation) Lies(i int) bool { return s.participants[i].member.Lies() }
