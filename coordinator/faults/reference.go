package faults

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"

	"fedtab/learn/rng"
	"fedtab/protocol"
	"fedtab/run"
	"fedtab/strategy"

	"gonum.org/v1/gonum/mat"
)

// The reference arithmetic. It is written out from the schemes' formulas in exact
// sums (math/big) and float64, and shares no code with combine: what the product
// rounds, wraps or forgets shows as a difference. A value is known up to what
// fixed-point addition and the rounding to float32 may lose.

// given is an accepted contribution, and what it counts in a mean.
type given struct {
	participant uint32
	order       uint64
	stale       uint64 // versions between its base and the version's
	weight      float64
	steps       uint64
	vectors     [][]float32
	scale       float64 // of its vectors in a sum
	count       float64 // in the denominator
}

// input is what a version is made from.
type input struct {
	seed         uint64
	version      uint64 // of the base
	base         []float32
	state        map[string][]float32 // server vectors as of the base
	given        []given
	max          uint64 // examples of one client
	present      int    // clients, when the attempt was opened
	contributors int    // where some of what is given is of several; 0: as many as that
	cohort       int    // of them chosen
	backoff      backoff
}

// interval bounds a value.
type interval struct{ lo, hi float64 }

func point(x float64) interval  { return interval{x, x} }
func (i interval) mid() float64 { return (i.lo + i.hi) / 2 }

func (i interval) widen(by float64) interval { return interval{i.lo - by, i.hi + by} }

func (i interval) join(x float64) interval { return interval{min(i.lo, x), max(i.hi, x)} }

// none joins with a value to that value.
var none = interval{math.Inf(1), math.Inf(-1)}

// affine returns base + rate x.
func affine(base float32, rate float64, x interval) interval {
	a, b := float64(base)+rate*x.lo, float64(base)+rate*x.hi
	return interval{min(a, b), max(a, b)}
}

// ulp is more than float32 rounding takes off x.
func ulp(x float64) float64 { return math.Abs(x)*0x1p-23 + 0x1p-149 }

// holds says whether the interval, rounded to float32, has x.
func (i interval) holds(x float32) bool {
	v := float64(x)
	return v >= i.lo-ulp(i.lo) && v <= i.hi+ulp(i.hi)
}

// within says whether every value of got lies in want.
func within(what string, got []float32, want []interval) error {
	if len(got) != len(want) {
		return fmt.Errorf("%s: %d values, want %d", what, len(got), len(want))
	}
	for j, w := range want {
		if !w.holds(got[j]) {
			return fmt.Errorf("%s: value %d is %v, want %v to %v", what, j, got[j], w.lo, w.hi)
		}
	}
	return nil
}

// weightedMean returns sum(scale v) / sum(count) over vector v of all that is
// given. unit is the resolution of fixed-point addition: each term loses half of
// it.
func weightedMean(all []given, v int, unit float64) []interval {
	mean := make([]interval, len(all[0].vectors[v]))
	var count float64
	for _, g := range all {
		count += g.count
	}
	for j := range mean {
		sum := new(big.Float).SetPrec(1024) // exact
		for _, g := range all {
			sum.Add(sum, new(big.Float).SetPrec(128).Mul(big.NewFloat(g.scale), big.NewFloat(float64(g.vectors[v][j]))))
		}
		x, _ := sum.Quo(sum, big.NewFloat(count)).Float64()
		mean[j] = point(x).widen(unit / 2 * float64(len(all)) / count)
	}
	return mean
}

// verify says whether a version, and the server vectors beside it, are what a
// scheme makes of in.
func (s *scheme) verify(in input, next []float32, state map[string][]float32) error {
	c := s.Config
	slices.SortFunc(in.given, func(a, b given) int {
		return cmp.Or(cmp.Compare(a.participant, b.participant), cmp.Compare(a.order, b.order))
	})
	rate, limit := s.rate(c, in), float64(in.max) // limit of scale x value, in units of MaxDelta
	adds := float64(run.MaxParticipants)
	if len(in.given) == 0 {
		return fmt.Errorf("a version of no contributions")
	}
	switch {
	case c.Kind == "radon":
		var points [][]float32
		for _, g := range in.given {
			points = append(points, g.vectors...)
		}
		return checkRadon(next, in.base, points, 1, rng.Derive(in.seed, "radon"))
	case c.Combine != "" && c.Combine != "mean":
		return s.robust(c, in, next, rate)
	}
	work := 0.0 // FedNova: the mean of a_k by examples
	var examples float64
	for i := range in.given {
		g := &in.given[i]
		g.scale, g.count = g.weight, g.weight
		switch {
		case c.Kind == "minibatch" && !s.secured(): // sums of gradients
			g.scale = 1
		case c.Kind == "fedbuff":
			g.scale, g.count = math.Pow(1+float64(g.stale), -s.Staleness), 1
		case c.Correction == "scaffold":
			g.scale, g.count = 1, 1
		case c.Correction == "fednova":
			a, factor := 0.0, 1.0 // a_k: of each step's gradient (1 - eta mu)^later is left
			for range max(g.steps, 1) {
				a, factor = a+factor, factor*(1-c.LR*c.Prox)
			}
			g.scale = g.weight / a
			work += g.weight * a
		}
		examples += g.weight
	}
	if c.Kind == "fedbuff" || c.Correction == "scaffold" { // whose scale is at most 1
		limit = 1
	} else if in.max == protocol.MaxWeight { // no shards bound the weights
		adds = float64(max(in.cohort, len(in.given)))
	}
	_, exponent := math.Frexp(adds * limit * protocol.MaxDelta)
	unit := math.Ldexp(1, exponent-62)
	mean := weightedMean(in.given, 0, unit)
	states := map[string][]interval{}
	switch {
	case c.Correction == "scaffold": // c <- c + |S|/N mean(c_i+ - c_i)
		n := float64(len(in.given))
		for j, x := range weightedMean(in.given, 1, unit) {
			states["control"] = append(states["control"], affine(before(in.state["control"], j, 0), n/max(float64(in.present), n), x))
		}
	case c.Correction == "fednova": // sum p_k a_k, where p_k are the shares of the examples
		rate *= work / examples
	case c.Kind == "minibatch":
		for j, x := range mean { // a step against the gradient
			mean[j] = affine(0, -c.LR, x)
		}
	}
	return s.stepped(in, rate, mean, states, next, state)
}

// stepped says whether a version, and the server vectors beside it, are a step of the server
// along mean. states are the vectors that are not its optimiser's.
func (s *scheme) stepped(in input, rate float64, mean []interval, states map[string][]interval, next []float32, state map[string][]float32) error {
	c, want := s.Config, make([]interval, len(mean))
	for j, g := range mean {
		if c.Server == "" || c.Server == "sgd" || c.Kind == "dynamic" || c.Kind == "daisy" {
			want[j] = affine(in.base[j], rate, g)
			continue
		}
		g = g.widen(ulp(g.mid())) // the pseudo-gradient is rounded to float32
		m, v := before(in.state["momentum"], j, 0), before(in.state["second"], j, c.ServerTau*c.ServerTau)
		first, second := none, none
		want[j] = none
		turn := math.Sqrt(float64(v)) // where yogi's second moment jumps
		for _, x := range []float64{g.lo, g.hi, g.mid(), 0, turn, turn * (1 - 1e-9), -turn, -turn * (1 - 1e-9)} {
			if x < g.lo || x > g.hi {
				continue
			}
			next, m, v := serverStep(c, rate, float64(in.base[j]), x, float64(m), float64(v))
			want[j], first, second = want[j].join(next), first.join(m), second.join(v)
		}
		want[j] = want[j].widen((want[j].hi - want[j].lo) / 2) // it may turn between these
		states["momentum"] = append(states["momentum"], first)
		if c.Server != "momentum" {
			states["second"] = append(states["second"], second)
		}
	}
	if len(state) != len(states) {
		return fmt.Errorf("%d server vectors, want %d", len(state), len(states))
	}
	for _, name := range slices.Sorted(maps.Keys(states)) {
		if err := within(name, state[name], states[name]); err != nil {
			return err
		}
	}
	return within("model", next, want)
}

// before returns a server vector's value before this version.
func before(v []float32, j int, start float64) float32 {
	if v == nil {
		return float32(start)
	}
	return v[j]
}

// serverStep is a step of a server optimiser along g, from the model x, the momentum
// m and the second moment v: Hsu, Qi and Brown 2019 for momentum, Reddi et al. 2021,
// Algorithm 2, for the others.
func serverStep(c strategy.Config, rate, x, g, m, v float64) (_, _, _ float64) {
	if c.Server == "momentum" {
		m = c.ServerMomentum*m + g
		return x + rate*m, m, 0
	}
	m = c.ServerMomentum*m + (1-c.ServerMomentum)*g
	switch c.Server {
	case "adagrad":
		v += g * g
	case "adam":
		v = c.ServerBeta2*v + (1-c.ServerBeta2)*g*g
	case "yogi":
		if v > g*g {
			v -= (1 - c.ServerBeta2) * g * g
		} else if v < g*g {
			v += (1 - c.ServerBeta2) * g * g
		}
	}
	return x + rate*m/(math.Sqrt(v)+c.ServerTau), m, v
}

// rate is what the mean is multiplied by.
func (s *scheme) rate(c strategy.Config, in input) float64 {
	if c.Kind == "dynamic" {
		return c.ServerLR
	}
	n := float64(cmp.Or(in.contributors, len(in.given)))
	scale := map[string]float64{"sqrt": math.Sqrt(n), "linear": n}[c.LRScale]
	scale = cmp.Or(scale, 1)
	if in.version < uint64(c.Warmup) {
		scale = 1 + (scale-1)*float64(in.version)/float64(c.Warmup)
	}
	return cmp.Or(c.ServerLR, 1) * scale * math.Ldexp(1, -in.backoff.halvings)
}

// robust checks rate times what a robust combiner makes of the deltas.
func (s *scheme) robust(c strategy.Config, in input, next []float32, rate float64) error {
	n, d := len(in.given), len(next)
	deltas := make([][]float32, n)
	for i, g := range in.given {
		deltas[i] = g.vectors[0]
	}
	moved := func(v []float64) []interval { // base + rate v, where v is rounded to float32
		want := make([]interval, d)
		for j, x := range v {
			want[j] = affine(in.base[j], rate, point(x).widen(ulp(x)))
		}
		return want
	}
	out, trim := make([]float64, d), 0
	switch c.Combine {
	case "radon":
		return checkRadon(next, in.base, deltas, rate, in.seed+in.version+1)
	case "geometric-median":
		return checkGeometric(next, in.base, deltas, rate)
	case "krum":
		return checkKrum(deltas, c.Byzantine, func(delta []float32) error { return within("model", next, moved(wide(delta))) })
	case "median": // all but the middle one or two are trimmed
		trim = (n - 1) / 2
	case "trimmed-mean":
		trim = min(int(c.Trim*float64(n)+1e-9), (n-1)/2)
	}
	column := make([]float64, n)
	for j := range out {
		for i := range deltas {
			column[i] = float64(deltas[i][j])
		}
		slices.Sort(column)
		for _, x := range column[trim : n-trim] {
			out[j] += x / float64(n-2*trim)
		}
	}
	return within("model", next, moved(out))
}

func wide(v []float32) []float64 {
	w := make([]float64, len(v))
	for j, x := range v {
		w[j] = float64(x)
	}
	return w
}

func distance(x, y []float64) (d float64) {
	for j := range x {
		d = math.Hypot(d, x[j]-y[j])
	}
	return d
}

// checkKrum accepts a delta with the least sum of squared distances to its n - f - 2
// nearest neighbours (Blanchard et al. 2017), or as good as that.
func checkKrum(deltas [][]float32, f int, check func([]float32) error) (err error) {
	n := len(deltas)
	scores := make([]float64, n)
	for i := range deltas {
		var squares []float64
		for j := range deltas {
			if i != j {
				squares = append(squares, math.Pow(distance(wide(deltas[i]), wide(deltas[j])), 2))
			}
		}
		slices.Sort(squares)
		for _, x := range squares[:n-f-2] {
			scores[i] += x
		}
	}
	least := slices.Min(scores)
	for i, delta := range deltas {
		if scores[i] <= least*(1+1e-9) {
			if err = check(delta); err == nil {
				return nil
			}
		}
	}
	return err
}

// checkGeometric accepts a model whose sum of distances from the deltas is within a
// thousandth of the least: of the best delta, or of where Weiszfeld's iteration ends.
func checkGeometric(next, base []float32, deltas [][]float32, rate float64) error {
	sum := func(z []float64) (s float64) {
		for _, x := range deltas {
			s += distance(z, wide(x))
		}
		return s
	}
	least, z := math.Inf(1), make([]float64, len(next))
	for _, x := range deltas {
		least = min(least, sum(wide(x)))
	}
	for range 300 {
		var total float64
		moved := make([]float64, len(z))
		for _, x := range deltas {
			w := 1 / max(distance(z, wide(x)), 1e-12)
			total += w
			for j := range moved {
				moved[j] += w * float64(x[j])
			}
		}
		for j := range z {
			z[j] = moved[j] / total
		}
	}
	least = min(least, sum(z))
	rounding := 0.0
	for j := range z {
		z[j] = (float64(next[j]) - float64(base[j])) / rate
		rounding += float64(len(deltas)) * ulp(float64(next[j])) / rate
	}
	if s := sum(z); s > 1.001*least+rounding {
		return fmt.Errorf("model: the sum of distances is %g, want at most a thousandth more than %g", s, least)
	}
	return nil
}

// checkRadon checks base + rate times the iterated Radon point of the first r^h
// deltas, r = d + 2, which seed shuffles into groups (Kamp et al. 2017). Nothing is
// checked where a group has several Radon points.
func checkRadon(next, base []float32, deltas [][]float32, rate float64, seed uint64) error {
	d, need := len(next), 1
	for need*(d+2) <= len(deltas) {
		need *= d + 2
	}
	if need == 1 {
		return fmt.Errorf("model: %d deltas, want at least %d", len(deltas), d+2)
	}
	points, r := make([][]float64, need), rand.New(rng.New(seed))
	for i, x := range deltas[:need] {
		points[i] = wide(x)
	}
	for i := range points {
		j := i + int(r.Uint64N(uint64(need-i)))
		points[i], points[j] = points[j], points[i]
	}
	spread := 0.0
	for _, x := range points {
		spread = max(spread, distance(x, points[0]))
	}
	for len(points) > 1 {
		var level [][]float64
		for group := range slices.Chunk(points, d+2) {
			x, ok := radonPoint(group)
			if !ok {
				return nil
			}
			level = append(level, x)
		}
		points = level
	}
	want := make([]interval, d)
	for j, x := range points[0] {
		want[j] = affine(base[j], rate, point(x).widen(1e-6*spread))
	}
	return within("model", next, want)
}

// radonPoint solves sum a_i (x_i, 1) = 0; the point is sum a_i x_i / sum a_i over the
// positive a_i. It reports false where the solution is not unique, or nearly so.
func radonPoint(points [][]float64) ([]float64, bool) {
	d, spread := len(points[0]), 0.0
	for _, x := range points {
		spread = max(spread, distance(x, points[0]))
	}
	m := mat.NewDense(d+1, d+1, nil)
	right := mat.NewVecDense(d+1, nil)
	right.SetVec(d, -1) // the first point, whose a is 1
	for k, x := range points[1:] {
		for i := range d {
			m.Set(i, k, (x[i]-points[0][i])/spread)
		}
		m.Set(d, k, 1)
	}
	var lu mat.LU
	var a mat.VecDense
	lu.Factorize(m)
	if !(lu.Cond() < 1e6) || lu.SolveVecTo(&a, false, right) != nil {
		return nil, false
	}
	p, total := slices.Clone(points[0]), 1.0
	for k, x := range points[1:] {
		if w := a.AtVec(k); w > 0 {
			total += w
			for j := range p {
				p[j] += w * x[j]
			}
		}
	}
	for j := range p {
		p[j] /= total
	}
	return p, true
}
