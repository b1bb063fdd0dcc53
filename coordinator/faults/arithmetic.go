package faults

import (
	"cmp"
	"fmt"
	"maps"
	"math"

	"fedtab/combine"
	"fedtab/learn/rng"
	"fedtab/protocol"
	"fedtab/run"
	"fedtab/strategy"
)

// What the schemes' arithmetic must give, written down once more: a version is
// made anew from its base and from what was accepted for it, bit for bit.

// Given is a contribution that was accepted.
type Given struct {
	Participant uint32
	Order       uint64
	Base        uint64 // version that its order rested on
	Vectors     [][]float32
	Weight      uint64
	Steps       uint64
}

// made is what a version is made of.
type made struct {
	seed     uint64
	version  uint64 // of the base
	base     []float32
	state    map[string][]float32 // of the server, as of the base
	given    []Given
	most     uint64 // examples that any of them can have
	among    int    // participants, when the attempt was opened
	halvings int    // of the server's rate
	adds     int    // that the sums are sized for; 0: as many as participants
}

// combine returns the version that is made of m, and the server's state after it.
func (s *Scheme) combine(m made) (next []float32, state map[string][]float32, err error) {
	c := s.Config.WithDefaults()
	given := sorted(m.given)
	next, state = make([]float32, len(m.base)), maps.Clone(m.state)
	if state == nil {
		state = map[string][]float32{}
	}
	rate := s.rate(c, m, len(given))

	// The first vectors by weight, or as they are.
	scale := func(g Given) (scale, weight float64) { return float64(g.Weight), float64(g.Weight) }
	switch {
	case c.Kind == "radon":
		return s.radon(m, given), state, nil
	case c.Combine != "" && c.Combine != "mean":
		err := s.robust(next, m, given, rate)
		return next, state, err
	case c.Kind == "minibatch":
		scale = func(g Given) (float64, float64) { return 1, float64(g.Weight) } // sums of gradients
	case c.Kind == "fedbuff":
		scale = func(g Given) (float64, float64) {
			return math.Pow(1+float64(m.version-g.Base), -c.Own.(strategy.FedBuffSettings).Staleness), 1
		}
	case c.Correction == "scaffold":
		scale = func(Given) (float64, float64) { return 1, 1 }
	case c.Correction == "fednova":
		scale = func(g Given) (float64, float64) {
			return float64(g.Weight) / norm(c, g), float64(g.Weight)
		}
	}
	sum, err := s.sum(m, given, 0, scale)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case c.Correction == "scaffold":
		changes, err := s.sum(m, given, 1, scale)
		if err != nil {
			return nil, nil, err
		}
		control := make([]float32, len(m.base))
		copy(control, state[combine.ControlVector])
		if err := changes.Mean(control, control, float64(len(given))/float64(max(m.among, len(given)))); err != nil {
			return nil, nil, err
		}
		state[combine.ControlVector] = control
	case c.Correction == "fednova":
		// The mean number of steps, by examples.
		var total, steps float64
		for _, g := range given {
			total += float64(g.Weight)
		}
		for _, g := range given {
			steps += float64(g.Weight) / total * norm(c, g)
		}
		if want := rate * steps; !close(want, rate*novaRate(c, given)) {
			return nil, nil, fmt.Errorf("FedNova's rate is %g, want %g", rate*novaRate(c, given), want)
		}
		rate *= novaRate(c, given) // whose rounding is its own
	case c.Server != "" && c.Server != "sgd":
		sign := 1.0
		if c.Kind == "minibatch" {
			sign = -c.LR
		}
		if err := sum.Mean(next, next, sign); err != nil {
			return nil, nil, err
		}
		server := combine.Server{Kind: combine.Kind(c.Server), LR: rate, Beta1: c.ServerMomentum, Beta2: c.ServerBeta2, Tau: c.ServerTau}
		return next, state, server.Step(next, m.base, next, state)
	case c.Kind == "minibatch":
		rate = -c.LR * rate
	}
	return next, state, sum.Mean(next, m.base, rate)
}

// close says whether two positive numbers are the same but for rounding.
func close(a, b float64) bool { return math.Abs(a-b) <= 1e-12*math.Abs(b) }

// norm is FedNova's a_k: the sum of the factors with which a client's gradients
// enter its delta. Each later step leaves 1 - eta mu of it.
func norm(c strategy.Config, g Given) float64 {
	sum, factor := 0.0, 1.0
	for range max(g.Steps, 1) {
		sum += factor
		factor *= 1 - c.LR*c.Prox
	}
	return sum
}

func novaRate(c strategy.Config, given []Given) float64 {
	var examples, norms []float64
	total := 0.0
	for _, g := range given {
		total += float64(g.Weight)
		examples, norms = append(examples, float64(g.Weight)), append(norms, norm(c, g))
	}
	return combine.NovaRate(examples, norms, total)
}

// backoff is what rollbacks have made of a rate: each halves it, and 20 commits in
// a row without one double it again.
type backoff struct {
	halvings int
	row      int
}

func (b backoff) committed() backoff {
	switch {
	case b.halvings == 0:
	case b.row == 19:
		b = backoff{halvings: b.halvings - 1}
	default:
		b.row++
	}
	return b
}

// rate is what the mean is multiplied with.
func (s *Scheme) rate(c strategy.Config, m made, answers int) float64 {
	if c.Kind == "dynamic" {
		return c.ServerLR
	}
	scale := 1.0
	switch c.LRScale {
	case "sqrt":
		scale = math.Sqrt(float64(answers))
	case "linear":
		scale = float64(answers)
	}
	if m.version < uint64(c.Warmup) {
		scale = 1 + (scale-1)*float64(m.version)/float64(c.Warmup)
	}
	return cmp.Or(c.ServerLR, 1) * scale * math.Ldexp(1, -m.halvings)
}

// sum adds one vector of every answer.
func (s *Scheme) sum(m made, given []Given, vector int, scale func(Given) (scale, weight float64)) (*combine.Sum, error) {
	adds := float64(run.MaxParticipants)
	if m.most == protocol.MaxWeight && m.adds > 0 { // without shards
		adds = float64(m.adds)
	}
	sum, err := combine.NewSum(len(m.base), adds*s.Config.MaxScale(float64(m.most))*protocol.MaxDelta)
	if err != nil {
		return nil, err
	}
	for _, g := range given {
		by, weight := scale(g)
		sum.AddScaled(g.Vectors[vector], by, weight)
	}
	return sum, nil
}

// robust takes rate times what the combiner makes of the deltas.
func (s *Scheme) robust(next []float32, m made, given []Given, rate float64) error {
	c := s.Config.WithDefaults()
	var deltas [][]float32
	for _, g := range given {
		deltas = append(deltas, g.Vectors[0])
	}
	out := make([]float32, len(m.base))
	var err error
	switch c.Combine {
	case "median":
		err = combine.Median(out, deltas)
	case "trimmed-mean":
		err = combine.TrimmedMean(out, deltas, c.Trim)
	case "krum":
		_, err = combine.Krum(out, deltas, c.Byzantine, 1)
	case "geometric-median":
		_, err = combine.GeometricMedian(out, deltas, nil)
	case "radon":
		h := combine.Height(len(out), len(deltas))
		err = combine.RadonMachine(out, deltas[:combine.Need(len(out), h)], h, m.seed+m.version+1)
	}
	for i, d := range out {
		next[i] = float32(float64(m.base[i]) + rate*float64(d))
	}
	return err
}

// radon takes the Radon points of all base models.
func (s *Scheme) radon(m made, given []Given) []float32 {
	var points [][]float32
	for _, g := range given {
		points = append(points, g.Vectors...)
	}
	delta, d := make([]float32, len(m.base)), len(m.base)
	h := combine.Height(d, len(points))
	if combine.Need(d, h) != len(points) || combine.RadonMachine(delta, points, h, rng.Derive(m.seed, "radon")) != nil {
		return nil
	}
	for i, x := range delta {
		delta[i] = m.base[i] + x
	}
	return delta
}
