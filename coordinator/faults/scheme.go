package faults

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"fedtab/compress"
	"fedtab/privacy/secagg"
	"fedtab/protocol"
	"fedtab/run"
	"fedtab/strategy"
)

// shape is how a strategy uses orders and rounds. Shapes are bits, so that a row of
// a table names several.
type shape uint8

const (
	inRounds  shape = 1 << iota // an order is an attempt at a round; all accepted answers are in the version
	inLegs                      // the same, but a round has several orders, and the answers to the last are in the version
	monitored                   // each client has orders of its own; answers are kept, and may be dropped
	buffered                    // each client has orders of its own, of no round; answers are in the next version
	inSums                      // as inRounds, and an order's answers are in sums of several clients
	allShapes = inRounds | inLegs | monitored | buffered | inSums
	perClient = monitored | buffered
	perRound  = inRounds | inLegs | inSums
)

// scheme is a strategy with settings under which its run can end.
type scheme struct {
	strategy.Config
	strategy.FedBuffSettings
	strategy.DynamicSettings
	strategy.RadonSettings
	setup      strategy.Setup
	packing    run.Packing
	shape      shape
	inputs     int  // of the model
	binary     bool // the model has one output
	reliable   int  // peers without faults, as many as it needs
	examples   int  // that each client needs
	maxRounds  int
	maxVectors int  // of a contribution
	once       bool // it makes one version, and ends by itself
	all        bool // it needs the answer of each client that is present

	terms protocol.SecureTerms // of secure aggregation; zero: contributions come one by one
	group int                  // clients of a group at least; 0: a cohort is one group

	members []secagg.Key // that may take part; nil: anyone
}

func maybe(r *rand.Rand, n uint64) bool { return r.Uint64N(n) == 0 }

func one[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func drawClients(r *rand.Rand, kind string) int {
	switch kind {
	case secureGroups:
		return 12 + r.IntN(4)
	case "radon":
		return 1 + r.IntN(18)
	case "oneshot", "dynamic", "daisy":
		return 2 + r.IntN(11)
	}
	if strings.HasPrefix(kind, securePrefix) {
		return 5 + r.IntN(8)
	}
	return 1 + r.IntN(12)
}

// drawScheme draws the settings of a kind of strategy.
func drawScheme(r *rand.Rand, kind string, clients int) scheme {
	kind = cmp.Or(kind, "fedavg")
	of, secured := strings.CutPrefix(kind, securePrefix)
	if kind = of; of == ofGroups || of == ofMembers || of == ofShares {
		kind = "fedavg"
	}
	mechanism, noised := strings.CutPrefix(kind, privatePrefix)
	if noised {
		kind = "fedavg"
	} else if of == ofShares {
		mechanism, noised = of, true
	}
	s := scheme{
		Config: strategy.Config{Kind: kind, Batch: r.IntN(3), LR: .1, Deadline: time.Duration(5+r.IntN(60)) * time.Second},
		setup:  strategy.Setup{MinCohort: 2}, shape: inRounds, inputs: 3, reliable: 3, examples: 1, maxRounds: math.MaxInt,
	}
	c := &s.Config
	c.MinClients = 1 + r.IntN(min(clients, 3))
	if kind != "minibatch" && kind != "dynamic" { // local training
		if maybe(r, 3) && kind != "radon" {
			c.Batches = 1 + r.IntN(4)
		} else {
			c.Epochs = 1 + r.IntN(2)
		}
	}
	if kind != "radon" && kind != "dynamic" && kind != "fedbuff" {
		c.MinReports = r.IntN(4)
	}
	if maybe(r, 4) && kind != "oneshot" && kind != "radon" {
		c.Guard = 2
	} else {
		c.Guard = math.Inf(1)
	}
	switch kind {
	case "fedavg":
		c.Fraction = one(r, 1, r.Float64(), r.Float64(), r.Float64(), r.Float64())
		s.drawFamily(r, clients)
	case "periodic":
		s.drawFamily(r, clients)
	case "oneshot":
		c.MinClients, s.maxRounds, s.once = max(c.MinClients, 2), 1, true
		s.drawFamily(r, clients)
	case "minibatch":
		c.Fraction = r.Float64()
		s.drawServer(r)
		s.drawRate(r)
	case "fedbuff":
		s.shape, s.Buffer = buffered, 1+r.IntN(6)
		c.Fraction, s.Staleness, c.Prox = one(r, 0, r.Float64()), one(r, .5, .5, 2*r.Float64()), one(r, 0, 0, 0, .1)
		c.Own = s.FedBuffSettings
		s.drawServer(r)
	case "daisy":
		c.MinClients, s.shape, s.maxRounds = max(c.MinClients, 2), inLegs, 12
		c.Own, c.MaxKept = strategy.DaisySettings{AverageEvery: 1 + r.IntN(5)}, one(r, 0, 0, 0, 3+r.IntN(10))
		s.drawRate(r)
	case "dynamic": // every client violates its condition at last
		c.MinClients, s.shape, s.maxRounds = max(c.MinClients, 2), monitored, 8
		c.Batches, s.Delta = 1+r.IntN(8), one(r, 0, 1e-5, 1e-3, 1e-2, 3e-2)
		s.Augment, s.FullShare, c.ServerLR = one(r, 0, 0, 3*r.Float64()), one(r, 0, 0, r.Float64()), one(r, 0, 0, 0, .5+r.Float64())
		c.Own = s.DynamicSettings
	case "radon": // 4 parameters: 6 base models, or 36
		s.binary, s.once, s.all, s.maxRounds, s.setup.Convex = true, true, true, 1, true
		s.Models, s.Height = 2+r.IntN(11), r.IntN(2)
		if clients > 6 && maybe(r, 3) {
			s.Models = 1
		}
		c.MinClients = max(c.MinClients, (5+s.Models)/s.Models)
		if c.MinClients > clients {
			s.Models, c.MinClients = 6, 1
		}
		s.reliable, s.examples, c.Own = max(s.reliable, c.MinClients), s.Models, s.RadonSettings
	}
	if noised {
		s.drawPrivate(r, clients, mechanism)
	}
	if secured {
		s.drawSecure(r, clients, of)
	}
	s.drawPacking(r)
	s.exact()
	s.Config, s.maxVectors = s.WithDefaults(), s.Vectors()
	return s
}

// exact turns off what makes a sum other than what was sent, so that the two can be
// compared exactly; tests of strategy have the clipping bound.
func (s *scheme) exact() {
	c := &s.Config
	if _, has := c.Scheme().Setting("max_weight"); has {
		c.MaxWeight = math.Inf(1)
	}
	if _, has := c.Scheme().Setting("clip"); has && (c.Combine == "" || c.Combine == "mean") {
		c.Clip = "none"
	}
	if _, has := c.Scheme().Setting("guard"); !has {
		c.Guard = 0
	}
}

// drawFamily draws a member of the family of federated averaging.
func (s *scheme) drawFamily(r *rand.Rand, clients int) {
	c := &s.Config
	c.Prox = one(r, 0, 0, 0, .1)
	s.drawRate(r)
	switch draw := r.IntN(6); {
	case draw == 0 && c.Kind != "oneshot":
		c.Correction, c.Prox = "scaffold", 0
	case draw == 1 && c.Kind != "oneshot":
		c.Correction = "fednova"
	case draw == 2:
		s.drawRobust(r, clients)
	case draw > 2:
		s.drawServer(r)
	}
}

// drawRate draws a scale of the server's rate.
func (s *scheme) drawRate(r *rand.Rand) {
	if s.LRScale = one(r, "", "", "", "none", "sqrt", "linear"); s.LRScale == "sqrt" || s.LRScale == "linear" {
		s.Warmup = r.IntN(4)
	}
}

// drawServer draws a step of the server.
func (s *scheme) drawServer(r *rand.Rand) {
	s.ServerLR = one(r, 0, 0, 0, 2*r.Float64())
	s.Server = one(r, "", "", "sgd", "momentum", "adagrad", "adam", "yogi")
}

// drawRobust draws a combiner for which there are enough clients.
func (s *scheme) drawRobust(r *rand.Rand, clients int) {
	s.Combine = one(r, "median", "trimmed-mean", "krum", "geometric-median", "radon")
	need := map[string]int{"median": 3, "geometric-median": 3, "krum": 5, "trimmed-mean": 5, "radon": 6}[s.Combine]
	switch {
	case clients < 3: // too few for any
		s.Combine = ""
		return
	case need > clients:
		s.Combine, need = "median", 3
	}
	s.binary = s.Combine == "radon"
	s.MinClients, s.reliable = max(s.MinClients, need), max(s.reliable, need)
	if need == 3 {
		s.MaxKept = one(r, 0, 3+r.IntN(10))
	}
}

// drawPacking draws a packing that the scheme bears (package task checks the same of
// a task), for two schedules of five; in the others parameters are raw. Some models
// are made large enough for several classes of rows.
func (s *scheme) drawPacking(r *rand.Rand) {
	if r.IntN(5) > 1 {
		return
	}
	if !s.binary && maybe(r, 8) {
		s.inputs = 70
	}
	bears, p := s.Packing(), &s.packing
	up, down := []protocol.Codec{protocol.CodecPlanes, protocol.CodecFloat32}, []protocol.Codec{protocol.CodecPlanes, protocol.CodecFloat32}
	if s.secured() {
		up = up[1:] // what is masked is not packed
	} else if bears.Lossy {
		up = append(up, protocol.CodecDither, protocol.CodecFloat16)
	}
	if bears.Lossy {
		down = append(down, protocol.CodecFloat16, protocol.CodecGrid, protocol.CodecGrid)
	}
	if bears.Lossy && bears.Biased && !s.secured() {
		up = append(up, protocol.CodecDeadzone, protocol.CodecDeadzone)
	}
	p.Up, p.Down = one(r, up...), one(r, down...)
	if p.Up == protocol.CodecDeadzone || p.Up == protocol.CodecDither {
		p.Bits = one[float64](r, 1, 3, 8, compress.MaxBits)
		if p.Up == protocol.CodecDeadzone {
			p.Bits = one[float64](r, compress.MinBits, p.Bits)
		}
		p.Feedback = bears.Feedback && maybe(r, 2)
	}
	if p.Down == protocol.CodecGrid {
		p.Coarseness = one(r, .01, .1, 1, 3, 30)
		if bears.Local && maybe(r, 2) {
			p.Local = protocol.CodecFloat16 // so fine, on few values too, that means can be checked
		}
	}
}

// localSlack bounds by how much a local model of a norm differs, in each value, from the
// mean that it is packed from.
func (s *sim) localSlack(norm2 float64) float64 {
	if s.packing.Local != protocol.CodecFloat16 {
		return 0
	}
	return math.Sqrt(norm2)*0x1p-11 + 0x1p-24
}

func (s *scheme) packed() bool { return s.packing != run.Packing{} }

// drawLacks draws the codecs that a client lacks: where parameters are packed, one
// client in four lacks some.
func (s *sim) drawLacks() []protocol.Codec {
	if !s.packed() || !maybe(s.random, 4) {
		return nil
	}
	return slices.DeleteFunc(compress.Codecs(), func(c protocol.Codec) bool { return c == protocol.CodecFloat32 || s.chance(.6) })
}

// vectors returns how many vectors answer an order, and the role of the first: of
// the scheme, not of what anyone claims.
func (s *scheme) vectors(cohort []uint32, participant uint32) (n int, role protocol.Role) {
	switch {
	case s.Kind == "minibatch":
		return 1, protocol.RoleGradient
	case s.Kind == "radon": // r^h base models, as evenly as possible over the cohort
		need := 1
		for r, h := s.setup.Parameters+2, 0; need*r <= len(cohort)*s.Models && (s.Height == 0 || h < s.Height); h++ {
			need *= r
		}
		i, n := slices.Index(cohort, participant), len(cohort)
		if i < need%n {
			return need/n + 1, protocol.RoleDelta
		}
		return need / n, protocol.RoleDelta
	}
	return s.Sums(), protocol.RoleDelta
}
