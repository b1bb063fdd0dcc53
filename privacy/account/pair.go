package account

import "math"

// pair is what an observer of one step tells apart: P and Q, the distributions of the
// output along the line on which neighbours differ, in standard deviations of the noise.
// Any release of the same step is a function of it, so that what bounds the pair bounds
// the release. The loss log(P/Q) grows with the output y.
type pair struct {
	shift float64 // 1 / noise
	rate  float64
	kind  kind
	// Outputs that are looked at, and P's mass on either side of them.
	low, high    float64
	below, above float64
}

// kind says which data set P belongs to.
type kind int

const (
	remove     kind = iota // P has the participant, Q does not
	add                    // Q has the participant, P does not; mirrored, so that the loss grows
	substitute             // both have it, with opposite vectors (Koskela, Jälkö, Honkela 2020, section 5)
)

// kinds are the pairs of an adjacency: a claim holds for all of them.
func (a Adjacency) kinds() []kind {
	if a == Substitution {
		return []kind{substitute}
	}
	return []kind{remove, add}
}

// pair returns what one step tells apart, with all but 6e-39 of the outputs.
func (m Mechanism) pair(k kind) pair {
	p := pair{shift: 1 / m.Noise, rate: m.Rate, kind: k}
	return p.cut(tail(edge))
}

// edge is the distance from the centre of a normal distribution beyond which nothing is
// looked at.
const edge = 13

// cut returns the pair with at most a mass of outputs on either side that are not looked at.
func (p pair) cut(mass float64) pair {
	p.low, _ = bisect(-edge, 0, middle, func(y float64) bool { return tail(-y) <= mass })
	end := edge + p.shift
	if p.kind == add {
		end = edge
	}
	_, p.high = bisect(0, end, middle, func(y float64) bool { return p.tail(y) > mass })
	p.below, p.above = tail(-p.low), p.tail(p.high)
	return p
}

// tail returns P's mass above y.
func (p pair) tail(y float64) float64 {
	if p.kind == add {
		return tail(y)
	}
	return (1-p.rate)*tail(y) + p.rate*tail(y-p.shift)
}

// mixed returns log((1-rate) + rate*exp(shift*y - shift*shift/2)): the log density of the
// sum with the participant, over that without.
func (p pair) mixed(y float64) float64 {
	e := p.shift*y - p.shift*p.shift/2
	if p.rate == 1 {
		return e
	}
	if e > 30 {
		return math.Log(p.rate) + e + math.Log1p((1-p.rate)/p.rate*exp(-e))
	}
	return math.Log1p(p.rate * math.Expm1(e))
}

// unmixed returns the y at which mixed is l, -Inf for an l below all its values.
func (p pair) unmixed(l float64) float64 {
	e := l
	if p.rate < 1 {
		if l > 30 {
			e = l + math.Log1p((p.rate-1)*exp(-l)) - math.Log(p.rate)
		} else if r := math.Expm1(l) / p.rate; r <= -1 {
			return math.Inf(-1)
		} else {
			e = math.Log1p(r)
		}
	}
	return e/p.shift + p.shift/2
}

// at returns the density of P and the loss at y.
func (p pair) at(y float64) (density, loss float64) {
	logDensity := -y*y/2 - math.Log(2*math.Pi)/2
	switch p.kind {
	case add:
		return exp(logDensity), -p.mixed(-y)
	case substitute:
		l := p.mixed(y)
		return exp(logDensity + l), l - p.mixed(-y)
	}
	l := p.mixed(y)
	return exp(logDensity + l), l
}

// where returns the y at which the loss is l, -Inf or +Inf if none is as low or as high.
func (p pair) where(l float64) float64 {
	switch p.kind {
	case add:
		return -p.unmixed(-l)
	case substitute:
		if p.rate == 1 {
			return l / (2 * p.shift)
		}
		if l < 0 {
			return -p.where(-l)
		}
		// With u = exp(shift*y) the loss is l where w*u*u - a*u - exp(l)*w = 0,
		// a = (1-rate)*(exp(l)-1), w = rate*exp(-shift*shift/2). Both are divided by exp(l).
		logW := math.Log(p.rate) - p.shift*p.shift/2
		a := -(1 - p.rate) * math.Expm1(-l)
		w := exp(logW)
		logRoot := math.Log(a + math.Sqrt(a*a+4*w*w*exp(-l)))
		if a == 0 {
			logRoot = math.Ln2 + logW - l/2
		}
		return (logRoot + l - math.Ln2 - logW) / p.shift
	}
	return p.unmixed(l)
}

// renyi returns the Rényi divergence of P from Q by the trapezoidal rule, which converges
// exponentially for analytic functions on the line: the step is a quarter of what makes the
// error negligible, given the integrand's singularities at a distance of pi / shift.
func (p pair) renyi(order float64) float64 {
	step := min(.1, .25/p.shift)
	low, high := -edge-(order-1)*p.shift, edge+2*order*p.shift
	if (high-low)/step > 1e6 {
		return math.Inf(1) // too large for a claim
	}
	total := math.Inf(-1)
	for y := low; y <= high; y += step {
		logP, logQ := 0.0, 0.0
		if p.kind != add {
			logP = p.mixed(y)
		}
		switch p.kind {
		case add:
			logQ = p.mixed(-y)
		case substitute:
			logQ = p.mixed(-y)
		}
		total = logAdd(total, order*logP-(order-1)*logQ-y*y/2)
	}
	// Rounding is below 1e-12 of the moment.
	return max(0, total+math.Log(step)-math.Log(2*math.Pi)/2+1e-12) / (order - 1)
}

// samples are outputs at equal distances, with P's mass about each and its loss.
type samples struct{ mass, loss []float64 }

// sample is for the choice of the grid alone: no bound rests on it.
func (p pair) sample() samples {
	const n = 1 << 11
	low, high := p.low, p.high
	s := samples{make([]float64, n), make([]float64, n)}
	for i := range n {
		density, loss := p.at(low + (high-low)*float64(i)/(n-1))
		s.mass[i], s.loss[i] = density*(high-low)/(n-1), loss
	}
	return s
}

// tilted returns the mean and the variance of the loss under P weighted by
// exp(tilt * loss), and the logarithm of the weights' mean.
func (s samples) tilted(tilt float64) (mean, variance, logMean float64) {
	top := math.Inf(-1)
	for _, l := range s.loss {
		top = max(top, tilt*l)
	}
	var total, first float64
	for i, l := range s.loss {
		w := s.mass[i] * exp(tilt*l-top)
		total += w
		first += w * l
	}
	mean = first / total
	for i, l := range s.loss {
		variance += s.mass[i] * exp(tilt*l-top) * (l - mean) * (l - mean)
	}
	return mean, variance / total, math.Log(total) + top
}
