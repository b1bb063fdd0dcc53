package account

import "math"

// exp returns e to the power of x. math.Exp mixes two encodings of vector instructions on
// amd64: while the upper halves of the registers are in use, which a preemption leaves them
// with under GOEXPERIMENT=simd, each call takes a hundred times as long.
func exp(x float64) float64 {
	switch {
	case x < -746:
		return 0
	case !(x > -708 && x < 709):
		return math.Exp(x)
	}
	k := math.Floor(x*math.Log2E + .5)
	r := (x - k*0x1.62e42feep-1) - k*0x1.a39ef35793c76p-33
	return (1 + math.Expm1(r)) * math.Float64frombits(uint64(1023+int(k))<<52)
}

// erfcx returns exp(x*x) * erfc(x), which does not underflow.
func erfcx(x float64) float64 {
	if x < 10 {
		// The square's rounding error matters in an exponent.
		square := x * x
		return exp(square) * math.Erfc(x) * (1 + math.FMA(x, x, -square))
	}
	// The asymptotic series; at x = 10 its 16th term is below 1e-18.
	sum, term := 1.0, 1.0
	for k := 1; k <= 16; k++ {
		term *= -(2*float64(k) - 1) / (2 * x * x)
		sum += term
	}
	return sum / (x * math.Sqrt(math.Pi))
}

// logErfc returns log(erfc(x)).
func logErfc(x float64) float64 {
	if x < 5 {
		return math.Log(math.Erfc(x))
	}
	return math.Log(erfcx(x)) - x*x
}

// mills returns the upper tail of the standard normal distribution over its density.
func mills(x float64) float64 {
	return math.Sqrt(math.Pi/2) * erfcx(x/math.Sqrt2)
}

// tail returns the probability that a standard normal variable exceeds x.
func tail(x float64) float64 {
	return math.Erfc(x/math.Sqrt2) / 2
}

// logAdd returns log(exp(a) + exp(b)).
func logAdd(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	if math.IsInf(b, -1) {
		return a
	}
	return a + math.Log1p(exp(b-a))
}

// sum adds with compensation (Neumaier).
type sum struct{ total, rest float64 }

func (s *sum) add(x float64) {
	t := s.total + x
	if math.Abs(s.total) >= math.Abs(x) {
		s.rest += (s.total - t) + x
	} else {
		s.rest += (x - t) + s.total
	}
	s.total = t
}

func (s *sum) value() float64 { return s.total + s.rest }

// bisect returns neighbouring points around the place where f falls from true to false.
// f is true at low, false at high. scale is the middle of two points.
func bisect(low, high float64, scale func(a, b float64) float64, f func(x float64) bool) (yes, no float64) {
	for range 2000 {
		x := scale(low, high)
		if !(x > low && x < high) {
			break
		}
		if f(x) {
			low = x
		} else {
			high = x
		}
	}
	return low, high
}

func middle(a, b float64) float64    { return a + (b-a)/2 }
func geometric(a, b float64) float64 { return math.Sqrt(a) * math.Sqrt(b) }
