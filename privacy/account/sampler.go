package account

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// Variance is a fraction, so that samplers need no rounded arithmetic.
type Variance struct{ Num, Den uint64 }

// Bounds with which the samplers' numbers fit 64 bits.
const (
	maxDenominator = 1 << 8
	maxGaussian    = 1 << 40
	maxSkellam     = 1 << 26
	// farthest is where the discrete Laplace distribution is cut, in multiples of its scale:
	// exp(-1024) lies beyond.
	farthest = 1 << 10
)

// NewVariance returns the least fraction with a denominator of 256 that is at least a
// variance.
func NewVariance(variance float64) (Variance, error) {
	if !(variance > 0) || variance > maxGaussian {
		return Variance{}, fmt.Errorf("variance is %g, want 0 < variance <= %d", variance, uint64(maxGaussian))
	}
	return Variance{uint64(math.Ceil(variance * maxDenominator)), maxDenominator}, nil
}

// Float returns the value.
func (v Variance) Float() float64 { return float64(v.Num) / float64(v.Den) }

func (v Variance) validate(largest uint64) error {
	if v.Num == 0 || v.Den == 0 || v.Den > maxDenominator || v.Num > largest*v.Den {
		return fmt.Errorf("variance is %d/%d, want a fraction above 0 and at most %d, with a denominator of at most %d", v.Num, v.Den, largest, maxDenominator)
	}
	return nil
}

// DiscreteGaussian draws integers x with probability proportional to
// exp(-x*x / (2*variance)), exactly (Canonne, Kamath, Steinke 2020, algorithms 1 to 3).
type DiscreteGaussian struct {
	num, den uint64 // of the variance
	scale    uint64 // of the discrete Laplace distribution that is thinned
}

// NewDiscreteGaussian returns a sampler.
func NewDiscreteGaussian(v Variance) (*DiscreteGaussian, error) {
	if err := v.validate(maxGaussian); err != nil {
		return nil, err
	}
	root := uint64(math.Sqrt(v.Float()))
	return &DiscreteGaussian{v.Num, v.Den, root + 1}, nil
}

// Sample fills dst. After an error dst must not be used.
func (g *DiscreteGaussian) Sample(dst []int64, s *Source) (err error) {
	defer catch(&err)
	for i := range dst {
		dst[i] = g.draw(s)
	}
	return nil
}

// draw thins y of the discrete Laplace distribution of scale t with probability
// exp(-(|y| - variance/t)^2 / (2*variance)). The exponent is a product of two fractions of
// about 1, a/(den*t*t) and a/(2*num) with a = | |y|*den*t - num |.
func (g *DiscreteGaussian) draw(s *Source) int64 {
	for {
		y, negative := s.laplace(g.scale)
		if y > farthest*g.scale {
			continue
		}
		a := y * g.den * g.scale
		if a < g.num {
			a = g.num - a
		} else {
			a -= g.num
		}
		if !s.bernoulliExpAny(a, g.den*g.scale*g.scale, a, 2*g.num) {
			continue
		}
		if negative {
			return -int64(y)
		}
		return int64(y)
	}
}

// bernoulliExpAny is bernoulliExp for fractions of any size: each is divided until it is at
// most 1, and as many trials must succeed.
func (s *Source) bernoulliExpAny(a, b, c, d uint64) bool {
	m, n := max(1, (a+b-1)/b), max(1, (c+d-1)/d)
	for range m {
		for range n {
			if !s.bernoulliExp(a, b*m, c, d*n) {
				return false
			}
		}
	}
	return true
}

// laplace draws an integer with probability proportional to exp(-|x|/t), as its absolute
// value and its sign.
func (s *Source) laplace(t uint64) (size uint64, negative bool) {
	for {
		u := s.below(t)
		if !s.bernoulliExp(u, t, 1, 1) {
			continue
		}
		whole := uint64(0)
		for s.bernoulliExp(1, 1, 1, 1) {
			whole++
		}
		size, negative = u+t*whole, s.word(1) == 1
		if size > 0 || !negative { // 0 is drawn with one sign alone
			return size, negative
		}
	}
}

// Skellam draws the difference of two Poisson variables of the same mean. A sum of Skellam
// variables is one, with the sum of their variances.
type Skellam struct {
	first int    // value of the first entry
	sums  []wide // cumulative weights of the Poisson distribution
	error float64
}

// NewSkellam returns a sampler for a variance of at most 2^26. Its table takes 16 bytes for
// each of about 18 standard deviations.
func NewSkellam(v Variance) (*Skellam, error) {
	if err := v.validate(maxSkellam); err != nil {
		return nil, err
	}
	// The mean is half of the variance.
	num, den := v.Num, 2*v.Den
	mode := num / den
	// All weights are about 2.5 standard deviations times the largest: 2^126 in all.
	start := wide{high: 1 << (60 - bits.Len64(mode+1)/2)}
	var down, up []wide
	for w, k := start, mode; k > 0; k-- {
		if w = w.scale(k*den, num); w == (wide{}) {
			break
		}
		down = append(down, w)
	}
	for w, k := start, mode+1; ; k++ {
		if w = w.scale(num, den*k); w == (wide{}) {
			break
		}
		up = append(up, w)
	}
	slices.Reverse(down)
	k := &Skellam{first: int(mode) - len(down)}
	total := wide{}
	for _, w := range append(append(down, start), up...) {
		total = total.add(w)
		k.sums = append(k.sums, total)
	}
	// Each weight is off by at most one unit for each step from the mode, and what is cut by
	// no more in all.
	n := float64(len(k.sums))
	k.error = 4 * n * n / (float64(total.high) * 0x1p64)
	return k, nil
}

// Distance bounds the statistical distance of a draw from a Skellam variable: below 2^-70.
// For a claim that rests on n draws, delta grows by n times (1 + exp(epsilon)) times it.
func (k *Skellam) Distance() float64 { return 2 * k.error }

// Sample fills dst. After an error dst must not be used.
func (k *Skellam) Sample(dst []int64, s *Source) (err error) {
	defer catch(&err)
	for i := range dst {
		up, down := k.poisson(s), k.poisson(s)
		dst[i] = int64(up) - int64(down)
	}
	return nil
}

func (k *Skellam) poisson(s *Source) int {
	x := s.belowWide(k.sums[len(k.sums)-1])
	i, _ := slices.BinarySearchFunc(k.sums, x, func(sum, x wide) int {
		if x.less(sum) {
			return 1
		}
		return -1
	})
	return k.first + i
}
