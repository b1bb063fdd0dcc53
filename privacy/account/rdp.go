package account

import (
	"fmt"
	"math"
)

// Curve is Rényi differential privacy: a bound on the Rényi divergence for each order.
type Curve struct {
	Orders []float64 // each > 1, finite
	RDP    []float64 // >= 0; +Inf says that nothing is known at that order
}

// Orders returns the grid of orders that the command uses: steps of .02 where epsilon is
// large, whole numbers to 128, powers of two beyond, where it is small.
func Orders() []float64 {
	var orders []float64
	for i := 1; i < 500; i++ {
		orders = append(orders, 1+float64(i)*.02)
	}
	for i := 11; i <= 128; i++ {
		orders = append(orders, float64(i))
	}
	for i := 160; i <= 4096; i += i / 4 {
		orders = append(orders, float64(i))
	}
	return orders
}

// RDP composes mechanisms. Orders must be > 1.
func RDP(ms []Mechanism, adjacency Adjacency, orders []float64) (Curve, error) {
	if err := validate(ms); err != nil {
		return Curve{}, err
	}
	c := Curve{Orders: orders, RDP: make([]float64, len(orders))}
	for i, order := range orders {
		if !(order > 1) || math.IsInf(order, 0) {
			return Curve{}, fmt.Errorf("order is %g, want a finite number > 1", order)
		}
		for _, m := range ms {
			if m.Steps > 0 {
				c.RDP[i] += float64(m.Steps) * m.renyi(order, adjacency)
			}
		}
	}
	return c, nil
}

// Compose returns the curve of two releases, of which the second may depend on the first.
// Both have the same orders.
func (c Curve) Compose(d Curve) Curve {
	if len(c.Orders) != len(d.Orders) {
		panic("account: curves with different orders")
	}
	e := Curve{Orders: c.Orders, RDP: make([]float64, len(c.RDP))}
	for i := range e.RDP {
		if c.Orders[i] != d.Orders[i] {
			panic("account: curves with different orders")
		}
		e.RDP[i] = c.RDP[i] + d.RDP[i]
	}
	return e
}

// Epsilon returns the smallest epsilon of all orders, and its order (Canonne, Kamath,
// Steinke 2020, proposition 12; Balle et al. 2020, theorem 21). It is +Inf if no order has
// a bound.
func (c Curve) Epsilon(delta float64) (epsilon, order float64) {
	epsilon = math.Inf(1)
	for i, a := range c.Orders {
		e := c.RDP[i] + math.Log1p(-1/a) - (math.Log(delta)+math.Log(a))/(a-1)
		if c.RDP[i] == 0 {
			e = 0 // nothing was released
		}
		if e < epsilon {
			epsilon, order = max(e, 0), a
		}
	}
	return epsilon, order
}

// renyi bounds the Rényi divergence of one step.
func (m Mechanism) renyi(order float64, adjacency Adjacency) float64 {
	switch {
	case m.Rate == 1:
		d := adjacency.distance()
		return order * d * d / (2 * m.Noise * m.Noise)
	case adjacency == Substitution:
		p := pair{shift: 1 / m.Noise, rate: m.Rate, kind: substitute}
		return p.renyi(order)
	}
	floor := math.Floor(order)
	if floor == order {
		return m.logMoment(int(order)) / (order - 1)
	}
	// The logarithm of the moment is convex in the order, so that between two whole orders
	// the chord bounds it; the series does better where it converges.
	below := 0.0
	if floor > 1 {
		below = m.logMoment(int(floor))
	}
	f := order - floor
	chord := (1-f)*below + f*m.logMoment(int(floor)+1)
	return min(chord, m.logMomentSeries(order)) / (order - 1)
}

// logMoment returns the logarithm of the moment A of a whole order (Mironov, Talwar, Zhang
// 2019, section 3.3). A - 1 is summed rather than A: its terms are all positive, and
// nothing is lost when the rate is small.
func (m Mechanism) logMoment(order int) float64 {
	logRate, logRest := math.Log(m.Rate), math.Log1p(-m.Rate)
	n := float64(order)
	total := math.Inf(-1)
	logBinomial := math.Log(n)
	for k := 2; k <= order; k++ {
		j := float64(k)
		logBinomial += math.Log((n - j + 1) / j)
		e := j * (j - 1) / (2 * m.Noise * m.Noise)
		total = logAdd(total, logBinomial+(n-j)*logRest+j*logRate+logExpm1(e))
	}
	return logAdd(0, total)
}

// logExpm1 returns log(exp(x) - 1), x > 0.
func logExpm1(x float64) float64 {
	if x > 40 {
		return x
	}
	return math.Log(math.Expm1(x))
}

// maxTerms bounds the series of a fractional order. Its terms fall like a power of their
// number, and their signs alternate.
const maxTerms = 20_000

// logMomentSeries bounds the logarithm of the moment of a fractional order by the two
// series of Mironov, Talwar, Zhang 2019, section 3.3: one for each side of the point z at
// which both parts of the mixture are equal.
func (m Mechanism) logMomentSeries(order float64) float64 {
	logRate, logRest := math.Log(m.Rate), math.Log1p(-m.Rate)
	variance := m.Noise * m.Noise
	z := variance*(logRest-logRate) + .5
	width := math.Sqrt2 * m.Noise
	logBinomial, sign := 0.0, 1.0
	// Terms are scaled by the largest so far.
	var total sum
	scale := math.Inf(-1)
	magnitude := 0.0
	for i := range maxTerms {
		k := float64(i)
		j := order - k
		left := logBinomial + k*logRate + j*logRest + (k*k-k)/(2*variance) + logErfc((k-z)/width) - math.Ln2
		right := logBinomial + j*logRate + k*logRest + (j*j-j)/(2*variance) + logErfc((z-j)/width) - math.Ln2
		term := logAdd(left, right)
		if term > scale {
			shrink := exp(scale - term)
			total.total, total.rest, magnitude = total.total*shrink, total.rest*shrink, magnitude*shrink
			scale = term
		}
		t := exp(term - scale)
		total.add(sign * t)
		magnitude += t
		if k > order && t < 1e-16*total.value() || i == maxTerms-1 {
			// What is left of an alternating series is below its last term; the exponents of the
			// terms are rounded.
			return math.Log(total.value()+t+1e-14*magnitude) + scale
		}
		logBinomial += math.Log(math.Abs(j) / (k + 1))
		if j < 0 {
			sign = -sign
		}
	}
	return math.Inf(1)
}
