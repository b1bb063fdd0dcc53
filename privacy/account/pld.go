package account

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/dsp/fourier"
)

// Bounds are two bounds on a figure, and the grid of losses that they were computed on.
type Bounds struct {
	Lower, Upper float64
	Step         float64 // distance of the grid's points
	Points       int     // of the transform; 0 says that nothing was composed
}

// PLDEpsilon bounds the least epsilon >= 0 with which mechanisms, composed, are
// (epsilon, delta) differentially private.
func PLDEpsilon(ms []Mechanism, adjacency Adjacency, delta float64) (Bounds, error) {
	if err := ValidateDelta(delta); err != nil {
		return Bounds{}, err
	}
	return pldBounds(ms, adjacency, -math.Log(delta), 0, func(up, down *composed) (float64, float64) {
		high := up.epsilonAbove(delta)
		return down.epsilonBelow(delta, high), high
	})
}

// PLDDelta bounds the least delta.
func PLDDelta(ms []Mechanism, adjacency Adjacency, epsilon float64) (Bounds, error) {
	if err := validateEpsilon(epsilon); err != nil {
		return Bounds{}, err
	}
	return pldBounds(ms, adjacency, 0, epsilon, func(up, down *composed) (float64, float64) {
		return down.delta(epsilon), up.delta(epsilon)
	})
}

// pldBounds computes a figure of all pairs of an adjacency, which are largest where it is.
// logDelta or epsilon say where it must be sharp.
func pldBounds(ms []Mechanism, adjacency Adjacency, logDelta, epsilon float64, figure func(up, down *composed) (low, high float64)) (Bounds, error) {
	if err := validate(ms); err != nil {
		return Bounds{}, err
	}
	var used []Mechanism
	for _, m := range ms {
		if m.Steps > 0 {
			used = append(used, m)
		}
	}
	if len(used) == 0 {
		return Bounds{}, nil
	}
	b := Bounds{Upper: -1}
	for _, k := range adjacency.kinds() {
		up, down, err := compose(used, k, logDelta, epsilon)
		if err != nil {
			return Bounds{}, err
		}
		low, high := figure(up, down)
		b.Lower = max(b.Lower, low)
		if high > b.Upper {
			b.Upper, b.Step, b.Points = high, up.step, len(up.mass)
		}
	}
	return b, nil
}

// Of a grid: the step in standard deviations of a step's loss, which adds at most
// fineness*fineness/4 of its variance; the largest transform; the most cells of a step,
// and those of the grid that serves to choose the step.
const (
	fineness  = .01
	maxPoints = 1 << 20
	maxCells  = 1 << 18
	maxCoarse = 1 << 11
)

// rare is the share of delta that outputs may have at which nobody looks.
const rare = 1e-7

// outside is the tilted mass that may lie outside the window of the transform, on each
// side.
const outside = 1e-18

// errWide says that losses do not fit a grid that resolves them.
var errWide = errors.New("losses spread too far for a grid, want more noise or fewer steps")

// compose returns the privacy loss distribution of mechanisms, rounded up and down.
func compose(ms []Mechanism, k kind, logDelta, epsilon float64) (up, down *composed, err error) {
	pairs := make([]pair, len(ms))
	drawn := make([]samples, len(ms))
	steps := 0
	for i, m := range ms {
		pairs[i] = m.pair(k)
		drawn[i] = pairs[i].sample()
		steps += m.Steps
	}
	// Outputs so rare that delta does not show them are not looked at: their losses would
	// take most of the grid.
	tilt := chooseTilt(ms, drawn, logDelta, epsilon)
	for i, m := range ms {
		unseen := exp(-logDelta) * rare / float64(steps)
		if logDelta == 0 {
			// Of a delta that is not known the moments' bound is some hundred times too large, and
			// more for a low rate.
			unseen *= exp(min(0, total(ms, drawn, tilt).logMean-tilt*epsilon)) * m.Rate / 100
		}
		pairs[i] = pairs[i].cut(unseen)
		drawn[i] = pairs[i].sample()
	}
	tilt = chooseTilt(ms, drawn, logDelta, epsilon)
	plain, tilted := total(ms, drawn, 0).variance, total(ms, drawn, tilt).variance
	spread := math.Sqrt(max(min(plain, tilted), plain/100) / float64(steps))
	// The step resolves also the bulk of a loss whose spread comes from rare outputs.
	step := fineness * spread
	for _, p := range pairs {
		_, a := p.at(-.7)
		_, b := p.at(.7)
		step = min(step, (b-a)/4)
	}
	if !(step > 0) {
		return nil, nil, fmt.Errorf("noise %g, rate %g: %w", ms[0].Noise, ms[0].Rate, errWide)
	}
	// A coarse grid tells how wide the window is.
	coarse, finest := step, step
	for _, p := range pairs {
		coarse, finest = max(coarse, p.losses()/maxCoarse), max(finest, p.losses()/maxCells)
	}
	ups, _ := discretise(ms, pairs, coarse, tilt)
	low, high, _ := window(ups, coarse)
	for step = max(finest, (high-low)/(.99*maxPoints)); step <= 100; step *= 1.1 {
		ups, downs := discretise(ms, pairs, step, tilt)
		if up = transform(ups, step, tilt); up == nil {
			continue
		}
		if down = transform(downs, step, tilt); down == nil {
			continue
		}
		up.pessimistic = true
		return up, down, nil
	}
	return nil, nil, fmt.Errorf("noise %g, rate %g: %w", ms[0].Noise, ms[0].Rate, errWide)
}

// discretise returns mechanisms on a grid, rounded up and down.
func discretise(ms []Mechanism, pairs []pair, step, tilt float64) (ups, downs []part) {
	for i, p := range pairs {
		first, cells := p.cells(step)
		ups = append(ups, newPart(upper(p, first, cells, step), step, tilt, ms[i].Steps))
		downs = append(downs, newPart(lower(first, cells), step, tilt, ms[i].Steps))
	}
	return ups, downs
}

// moments are those of the loss of all steps, weighted by exp(tilt*loss).
type moments struct{ mean, variance, logMean float64 }

func total(ms []Mechanism, drawn []samples, tilt float64) moments {
	var all moments
	for i, m := range ms {
		mean, variance, logMean := drawn[i].tilted(tilt)
		all.mean += float64(m.Steps) * mean
		all.variance += float64(m.Steps) * variance
		all.logMean += float64(m.Steps) * logMean
	}
	return all
}

// chooseTilt returns the weight exp(tilt*loss) under which the losses that decide lie in
// the middle, as in a saddle point approximation: the tilt at which the moments bound
// epsilon best for a delta, or delta best for an epsilon. Losses that have a largest value
// are not tilted until nothing else is left. Any tilt gives valid bounds.
func chooseTilt(ms []Mechanism, drawn []samples, logDelta, epsilon float64) float64 {
	plain := total(ms, drawn, 0).variance
	_, tilt := bisect(1e-4, 1e5, geometric, func(t float64) bool {
		all := total(ms, drawn, t)
		if all.variance < plain/100 {
			return false
		}
		if logDelta > 0 {
			return t*all.mean-all.logMean < logDelta
		}
		return all.mean < epsilon
	})
	return tilt
}

// part is one mechanism of a composition: its tilted atoms, which add up to 1.
type part struct {
	first   int
	steps   int
	stay    float64   // log of the mass without an infinite loss
	logMean float64   // of the weights exp(tilt * loss)
	logs    []float64 // of the tilted masses, -Inf for none
	tilted  []float64
}

func newPart(a atoms, step, tilt float64, steps int) part {
	p := part{first: a.first, steps: steps, stay: math.Log1p(-a.infinite), logs: make([]float64, len(a.mass)), tilted: make([]float64, len(a.mass))}
	top := math.Inf(-1)
	for i, m := range a.mass {
		p.logs[i] = math.Log(m) + tilt*step*float64(a.first+i)
		top = max(top, p.logs[i])
	}
	var total sum
	for _, l := range p.logs {
		total.add(exp(l - top))
	}
	p.logMean = top + math.Log(total.value())
	for i := range p.logs {
		p.logs[i] -= p.logMean
		p.tilted[i] = exp(p.logs[i])
	}
	return p
}

// moments returns the mean and the variance of the tilted losses.
func (p part) moments(step float64) (mean, variance float64) {
	for i, m := range p.tilted {
		mean += m * step * float64(p.first+i)
	}
	for i, m := range p.tilted {
		d := step*float64(p.first+i) - mean
		variance += m * d * d
	}
	return mean, variance
}

// logMoment bounds the logarithm of the mean of exp(s * (loss - centre)).
func (p part) logMoment(s, centre, step float64) float64 {
	top := math.Inf(-1)
	for i, l := range p.logs {
		top = max(top, l+s*(step*float64(p.first+i)-centre))
	}
	total := 1e-12 // of all that is not added
	for i, l := range p.logs {
		if e := l + s*(step*float64(p.first+i)-centre) - top; e > -50 {
			total += exp(e)
		}
	}
	return math.Log(total) + top
}

// window returns losses outside which the tilted sum has a mass of at most beyond, by
// Chernoff's bound.
func window(parts []part, step float64) (low, high, beyond float64) {
	var centre, variance float64
	means := make([]float64, len(parts))
	for i, p := range parts {
		m, v := p.moments(step)
		means[i] = m
		centre += float64(p.steps) * m
		variance += float64(p.steps) * v
	}
	budget := -math.Log(outside)
	reach := func(sign float64) float64 {
		best := math.Inf(1)
		// The best exponent of a normal distribution, and others about it.
		for j := -6; j <= 4; j++ {
			s := math.Sqrt(2*budget/max(variance, step*step)) * math.Pow(2, float64(j)/2)
			total := budget
			for i, p := range parts {
				total += float64(p.steps) * p.logMoment(sign*s, means[i], step)
			}
			best = min(best, total/s)
		}
		// No sum lies beyond all its extremes.
		extreme := 0.0
		for i, p := range parts {
			end := p.first
			if sign > 0 {
				end += len(p.logs) - 1
			}
			extreme += float64(p.steps) * (sign * (step*float64(end) - means[i]))
		}
		if extreme <= best {
			return extreme
		}
		beyond += outside
		return best
	}
	low, high = centre-reach(-1), centre+reach(1)
	return low, high, beyond
}

// composed is the tilted privacy loss distribution of a composition. mass[i] belongs to the
// loss (first+i)*step.
type composed struct {
	step, tilt  float64
	first       int
	mass        []float64
	logScale    float64 // untilted, a mass is mass * exp(logScale - tilt*loss)
	aliased     float64 // tilted mass that may be anywhere
	rounding    float64 // bound on the error of each mass
	infinite    float64
	pessimistic bool // errors are added rather than subtracted
}

// transform composes parts by the fast Fourier transform. It returns nil if the window needs
// more than maxPoints.
func transform(parts []part, step, tilt float64) *composed {
	low, high, beyond := window(parts, step)
	width := (high-low)/step + 4
	if !(width <= maxPoints) || math.Abs(low/step) > 1<<50 || math.Abs(high/step) > 1<<50 {
		return nil
	}
	n := 1 << 10
	for float64(n) < width {
		n *= 2
	}
	c := &composed{step: step, tilt: tilt, first: int(math.Floor(low/step)) - 1, aliased: beyond}
	fft := fourier.NewFFT(n)
	var logs, angles []float64 // of the product
	worst := make([]float64, n/2+1)
	steps := 0
	logStay := 0.0
	for _, p := range parts {
		folded := make([]float64, n)
		for i, m := range p.tilted {
			folded[wrap(p.first+i, n)] += m
		}
		spectrum := fft.Coefficients(nil, folded)
		if logs == nil {
			logs, angles = make([]float64, len(spectrum)), make([]float64, len(spectrum))
		}
		for j, z := range spectrum {
			// Of a factor near 0 the logarithm is kept finite.
			l := math.Log(max(math.Hypot(real(z), imag(z)), 1e-300))
			logs[j] += float64(p.steps) * l
			// Whole turns are dropped before they cost digits.
			angles[j] += math.Remainder(float64(p.steps)*math.Atan2(imag(z), real(z)), 2*math.Pi)
			worst[j] = max(worst[j], -l)
		}
		steps += p.steps
		c.logScale += float64(p.steps) * p.logMean
		logStay += float64(p.steps) * p.stay
	}
	c.infinite = -math.Expm1(logStay)
	product := make([]complex128, n/2+1)
	energy, derivative := 0.0, 0.0
	for j := range product {
		r := exp(logs[j])
		sin, cos := math.Sincos(angles[j])
		product[j] = complex(r*cos, r*sin)
		both := 2.0
		if j == 0 || j == n/2 {
			both = 1
		}
		energy += both * r * r
		// By how much an error of a factor moves the product, at most.
		derivative += both * float64(steps) * exp(min(0, logs[j]+worst[j]))
	}
	sequence := fft.Sequence(nil, product)
	c.mass = make([]float64, n)
	for i := range c.mass {
		c.mass[i] = max(0, sequence[wrap(c.first+i, n)]/float64(n))
	}
	// A transform's error is below a few units of the last place for each of its log2(n)
	// levels; powers multiply that of the first by the number of steps.
	unit := 0x1p-53 * 4 * math.Log2(float64(n))
	c.rounding = unit * (derivative + math.Sqrt(energy)) / float64(n)
	return c
}

func wrap(i, n int) int { return ((i % n) + n) % n }

// delta bounds delta at an epsilon: the mean of 1 - exp(epsilon - loss) over larger losses.
func (c *composed) delta(epsilon float64) float64 {
	exponent := c.logScale - c.tilt*epsilon
	if exponent > 700 {
		// Errors are larger than any delta.
		if c.pessimistic {
			return 1
		}
		return 0
	}
	var total, weight sum
	left := 0.0
	start := max(0, int(math.Floor(epsilon/c.step))-c.first-1)
	for i := start; i < len(c.mass); i++ {
		over := c.step*float64(c.first+i) - epsilon
		if over <= 0 {
			continue
		}
		w := -math.Expm1(-over) * exp(-c.tilt*over)
		if over > 1 && w < negligible {
			left = w // all tilted masses from here on are at most 1
			break
		}
		total.add(w * c.mass[i])
		weight.add(w)
	}
	scale := exp(exponent)
	// Exponents of this size are rounded, and so are the masses of a step.
	relative := 1e-13 + 0x1p-50*(math.Abs(c.logScale)+c.tilt*math.Abs(epsilon))
	slack := c.aliased + left + c.rounding*weight.value() + relative*total.value()
	if c.pessimistic {
		return min(1, (total.value()+slack)*scale+c.infinite)
	}
	return max(0, (total.value()-slack)*scale)
}

// negligible is a weight beside which errors of the transform are large.
const negligible = 1e-24

// precision of an epsilon, relative: what remains is rounded to the safe side.
const precision = 1e-10

// epsilonAbove returns the least epsilon whose delta, bounded from above, is at most a given
// one.
func (c *composed) epsilonAbove(delta float64) float64 {
	if c.delta(0) <= delta {
		return 0
	}
	low, high := 0.0, max(1, c.step*float64(c.first+len(c.mass)))
	for c.delta(high) > delta {
		if low, high = high, 2*high; high > 1e300 {
			return math.Inf(1)
		}
	}
	_, high = c.narrow(low, high, delta)
	return high
}

// epsilonBelow returns an epsilon whose delta, bounded from below, is larger than a given
// one, as near below an upper bound as it finds. Far below, errors swamp the delta.
func (c *composed) epsilonBelow(delta, high float64) float64 {
	if math.IsInf(high, 1) {
		high = c.step * float64(c.first+len(c.mass))
	}
	low := high
	for gap := 1e-6 * high; ; gap *= 4 {
		if low = high - gap; low <= 0 {
			low = 0
			break
		}
		if c.delta(low) > delta {
			break
		}
	}
	if !(c.delta(low) > delta) {
		return 0
	}
	low, _ = c.narrow(low, high, delta)
	return low
}

// narrow closes in on the epsilon at which delta falls to a given one, from both sides. The
// logarithm of delta is nearly a straight line: regula falsi, with a middle whenever one
// side stays (Illinois).
func (c *composed) narrow(low, high, delta float64) (above, below float64) {
	fLow, fHigh := math.Log(c.delta(low)/delta), math.Log(c.delta(high)/delta)
	for high-low > precision*high {
		x := low + (high-low)*fLow/(fLow-fHigh)
		if gap := (high - low) / 64; !(x > low && x < high) {
			x = middle(low, high)
		} else {
			// A point beyond the root closes the other side.
			x = min(max(x, low+min(gap, precision*high/4)), high-min(gap, precision*high/4))
		}
		if f := math.Log(c.delta(x) / delta); f > 0 {
			low, fLow, fHigh = x, f, fHigh/2
		} else {
			high, fHigh, fLow = x, f, fLow/2
		}
	}
	return low, high
}
