package faults

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"fedtab/run"
	"fedtab/strategy"
)

// shape is how a strategy uses orders, rounds and contributions, and with that
// what can be expected of it.
type shape int

const (
	inRounds  shape = iota // one order number is an attempt; every accepted answer to it is in the version
	inLegs                 // the same, but a round has several orders, and only the answers to the last are in the version
	monitored              // clients have orders of their own, which outlast a round written down again; answers are kept, and may be dropped
	buffered               // clients have orders of their own, of no round; answers are in whatever version is made next
)

// Scheme is a strategy under test, such that clients can finish its run.
type Scheme struct {
	Config   strategy.Config
	Setup    strategy.Setup // but for the seed
	Packing  run.Packing
	Shape    shape
	Inputs   int  // of the model
	Calm     int  // participants that do nothing wrong, as many as it cannot do without
	Examples int  // that each participant needs
	Rounds   int  // most that a schedule makes; 0 is any number
	Once     bool // it makes one version, and ends by itself
	All      bool // it cannot do without the answer of anybody who is present
}

// New returns a fresh strategy, one for each life of the coordinator.
func (s *Scheme) New(seed uint64) (strategy.Strategy, error) {
	setup := s.Setup
	setup.Seed = seed
	return strategy.New(s.Config, setup)
}

// A kind draws schemes of one kind.
type kind struct {
	name  string
	least int // participants
	most  int
	draw  func(r *rand.Rand, clients int) Scheme
}

// kinds are all the kinds that run live: central does not.
var kinds = []kind{
	{"fedavg", 1, 12, drawFedAvg},
	{"minibatch", 1, 12, drawMinibatch},
	{"oneshot", 2, 12, drawOneshot},
	{"periodic", 1, 12, drawPeriodic},
	{"dynamic", 2, 12, drawDynamic},
	{"radon", 1, 18, drawRadon},
	{"fedbuff", 1, 12, drawFedBuff},
	{"daisy", 2, 12, drawDaisy},
}

// Kinds returns the kinds of strategy that Config.Kind may name.
func Kinds() []string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return names
}

// findKind returns the kind of a name; the empty name is FedAvg.
func findKind(name string) kind {
	if name == "" {
		return kinds[0]
	}
	for _, k := range kinds {
		if k.name == name {
			return k
		}
	}
	panic(fmt.Sprintf("faults: kind %q, want one of %q", name, Kinds()))
}

// drawScheme returns what all kinds share: minimum and deadline such that the
// participants who behave can finish.
func drawScheme(r *rand.Rand, kind string, clients, least int) Scheme {
	s := Scheme{
		Config: strategy.Config{
			Kind: kind, Batch: int(r.Uint64N(3)), LR: .1,
			MinClients: max(least, 1+int(r.Uint64N(uint64(min(clients, 3))))),
		},
		Setup: strategy.Setup{MinCohort: 2}, Inputs: 3, Calm: 3,
	}
	s.Config.Deadline = time.Duration(5+r.Uint64N(60)) * time.Second
	return s
}

// maybe says yes once in n times.
func maybe(r *rand.Rand, n uint64) bool { return r.Uint64N(n) == 0 }

func drawLocal(r *rand.Rand, c *strategy.Config) {
	if maybe(r, 3) {
		c.Batches = 1 + int(r.Uint64N(4))
	} else {
		c.Epochs = 1 + int(r.Uint64N(2))
	}
}

// drawServer draws a step of the server.
func drawServer(r *rand.Rand, c *strategy.Config) {
	if maybe(r, 4) {
		c.ServerLR = 2 * r.Float64()
	}
	if maybe(r, 3) {
		c.Server = []string{"sgd", "momentum", "adagrad", "adam", "yogi"}[r.Uint64N(5)]
	}
	drawScale(r, c)
}

func drawScale(r *rand.Rand, c *strategy.Config) {
	if maybe(r, 4) {
		c.LRScale = []string{"none", "sqrt", "linear"}[r.Uint64N(3)]
		if c.LRScale != "none" {
			c.Warmup = int(r.Uint64N(4))
		}
	}
	drawGuard(r, c)
}

// drawGuard draws a guard that rolls back what the evaluation measures as bad.
func drawGuard(r *rand.Rand, c *strategy.Config) {
	if maybe(r, 4) {
		c.Guard = 2
	}
}

// drawFamily draws a member of the family of federated averaging.
func drawFamily(r *rand.Rand, s *Scheme, clients int) {
	c := &s.Config
	if maybe(r, 4) {
		c.Prox = .1
	}
	switch r.Uint64N(6) {
	case 0:
		if c.Kind != "oneshot" {
			c.Correction, c.Prox = "scaffold", 0
		}
		drawScale(r, c)
	case 1:
		if c.Kind != "oneshot" {
			c.Correction = "fednova"
		}
		drawScale(r, c)
	case 2:
		drawRobust(r, s, clients)
		drawScale(r, c)
	default:
		drawServer(r, c)
	}
}

// drawRobust draws a combiner that the participants are enough for.
func drawRobust(r *rand.Rand, s *Scheme, clients int) {
	c := &s.Config
	c.Combine = []string{"median", "trimmed-mean", "krum", "geometric-median", "radon"}[r.Uint64N(5)]
	least := 1
	switch c.Combine {
	case "krum", "trimmed-mean":
		least = 5
	case "radon":
		s.Inputs, least = 1, 6 // of 4 parameters
	}
	if least > clients || least > 1 && c.Kind == "fedavg" && c.Fraction < 1 {
		c.Combine, s.Inputs = "median", 3
		return
	}
	c.MinClients, s.Calm = max(c.MinClients, least), max(s.Calm, least)
	if least == 1 && maybe(r, 2) {
		c.MaxKept = 3 + int(r.Uint64N(10))
	}
}

func drawFedAvg(r *rand.Rand, clients int) Scheme {
	s := drawScheme(r, "fedavg", clients, 1)
	s.Config.Fraction = r.Float64()
	if maybe(r, 5) {
		s.Config.Fraction = 1
	}
	s.Config.MinReports = int(r.Uint64N(4))
	drawLocal(r, &s.Config)
	drawFamily(r, &s, clients)
	return s
}

func drawMinibatch(r *rand.Rand, clients int) Scheme {
	s := drawScheme(r, "minibatch", clients, 1)
	s.Config.Fraction = r.Float64()
	s.Config.MinReports = int(r.Uint64N(4))
	drawServer(r, &s.Config)
	return s
}

func drawPeriodic(r *rand.Rand, clients int) Scheme {
	s := drawScheme(r, "periodic", clients, 1)
	s.Config.MinReports = int(r.Uint64N(4))
	drawLocal(r, &s.Config)
	drawFamily(r, &s, clients)
	return s
}

func drawOneshot(r *rand.Rand, clients int) Scheme {
	s := drawScheme(r, "oneshot", clients, 2)
	s.Config.MinReports = int(r.Uint64N(4))
	s.Once = true
	drawLocal(r, &s.Config)
	drawFamily(r, &s, clients)
	s.Config.Guard = 0 // there is no version before the one
	return s
}

func drawDaisy(r *rand.Rand, clients int) Scheme {
	s := drawScheme(r, "daisy", clients, 2)
	s.Shape, s.Rounds = inLegs, 12
	s.Config.MinReports = int(r.Uint64N(4))
	s.Config.Own = strategy.DaisySettings{AverageEvery: 1 + int(r.Uint64N(5))}
	if maybe(r, 4) {
		s.Config.MaxKept = 3 + int(r.Uint64N(10))
	}
	drawLocal(r, &s.Config)
	drawScale(r, &s.Config)
	return s
}

// drawRadon draws a Radon machine of d = 4 parameters, which takes 6 base models
// or 36.
func drawRadon(r *rand.Rand, clients int) Scheme {
	s := drawScheme(r, "radon", clients, 1)
	s.Inputs, s.Once, s.All = 1, true, true
	s.Setup.Convex = true
	own := strategy.RadonSettings{Models: 2 + int(r.Uint64N(11))}
	if maybe(r, 2) {
		own.Height = 1
	}
	if clients > 6 && maybe(r, 3) {
		own.Models, s.Config.MinClients, s.Calm = 1, 6, 6
	}
	s.Config.MinClients = max(s.Config.MinClients, (5+own.Models)/own.Models)
	s.Calm = max(s.Calm, s.Config.MinClients)
	if s.Config.MinClients > clients {
		own.Models, s.Config.MinClients = 6, 1
	}
	s.Examples, s.Config.Own = own.Models, own
	s.Config.Epochs = 1 + int(r.Uint64N(2))
	return s
}

func drawFedBuff(r *rand.Rand, clients int) Scheme {
	s := drawScheme(r, "fedbuff", clients, 1)
	s.Shape = buffered
	own := strategy.FedBuffSettings{Buffer: 1 + int(r.Uint64N(6))}
	if maybe(r, 2) {
		s.Config.Fraction = r.Float64()
	}
	if maybe(r, 3) {
		own.Staleness = 2 * r.Float64()
	}
	s.Config.Own = own
	if maybe(r, 4) {
		s.Config.Prox = .1
	}
	drawLocal(r, &s.Config)
	drawServer(r, &s.Config)
	s.Config.LRScale, s.Config.Warmup = "", 0
	return s
}

// drawDynamic draws a dynamic averaging in which every client violates its
// condition sooner or later.
func drawDynamic(r *rand.Rand, clients int) Scheme {
	s := drawScheme(r, "dynamic", clients, 2)
	s.Shape, s.Rounds = monitored, 8
	s.Config.Batches = 1 + int(r.Uint64N(8))
	own := strategy.DynamicSettings{Delta: []float64{0, 1e-5, 1e-3, 1e-2, 3e-2}[r.Uint64N(5)]}
	if maybe(r, 3) {
		own.Augment = 3 * r.Float64()
	}
	if maybe(r, 3) {
		own.FullShare = r.Float64()
	}
	s.Config.Own = own
	if maybe(r, 4) {
		s.Config.ServerLR = .5 + r.Float64()
	}
	drawGuard(r, &s.Config)
	return s
}

// sorted returns answers by participant, and by order where one has several.
func sorted(given []Given) []Given {
	given = slices.Clone(given)
	slices.SortFunc(given, func(a, b Given) int {
		if a.Participant != b.Participant {
			return int(int64(a.Participant) - int64(b.Participant))
		}
		return int(int64(a.Order) - int64(b.Order))
	})
	return given
}
