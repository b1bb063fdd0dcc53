package account

import (
	"fmt"
	"math"
)

// Sensitivity is how far the sum of integers moves between neighbours, in the 1-norm and
// the 2-norm.
type Sensitivity struct{ L1, L2 float64 }

// RoundedSensitivity bounds the norms of a vector of dimension coordinates and norm at most
// norm, in units of the grid, after each coordinate was rounded to a whole number at random.
// Rounding is repeated until the 2-norm is within the bound, which fails with probability at
// most beta each time (Kairouz, Liu, Steinke 2021, proposition 22).
func RoundedSensitivity(norm float64, dimension int, beta float64) (Sensitivity, error) {
	if !(norm > 0) || math.IsInf(norm, 1) {
		return Sensitivity{}, fmt.Errorf("norm is %g, want a finite number > 0", norm)
	}
	if dimension < 1 {
		return Sensitivity{}, fmt.Errorf("dimension is %d, want dimension >= 1", dimension)
	}
	if !(beta >= 0 && beta < 1) {
		return Sensitivity{}, fmt.Errorf("beta is %g, want 0 <= beta < 1, 0 for rounding without condition", beta)
	}
	root := math.Sqrt(float64(dimension))
	l2 := norm + root
	if beta > 0 {
		l2 = min(l2, math.Sqrt(norm*norm+root*root/4+math.Sqrt(-2*math.Log(beta))*(norm+root/2)))
	}
	// Whole numbers are at most their squares.
	return Sensitivity{L1: l2 * min(root, l2), L2: l2}, nil
}

func (s Sensitivity) validate() error {
	if !(s.L2 > 0 && s.L1 >= s.L2) || math.IsInf(s.L1, 1) {
		return fmt.Errorf("sensitivity is %g in the 1-norm and %g in the 2-norm, want 0 < 2-norm <= 1-norm", s.L1, s.L2)
	}
	return nil
}

// wholeOrders returns the curve of a bound for whole orders. Divergences grow with the order,
// so that the next whole order's bound holds for those between.
func wholeOrders(orders []float64, rdp func(order float64) float64) (Curve, error) {
	c := Curve{Orders: orders, RDP: make([]float64, len(orders))}
	for i, a := range orders {
		if !(a > 1) || math.IsInf(a, 0) {
			return Curve{}, fmt.Errorf("order is %g, want a finite number > 1", a)
		}
		c.RDP[i] = rdp(math.Ceil(a))
	}
	return c, nil
}

// SkellamRDP returns the curve of one release with Skellam noise of a variance in each
// coordinate, the sum of all shares that arrived (Agarwal, Kairouz, Liu 2021, section 3).
func SkellamRDP(variance float64, s Sensitivity, orders []float64) (Curve, error) {
	if err := s.validate(); err != nil {
		return Curve{}, err
	}
	if !(variance > 0) || math.IsInf(variance, 1) {
		return Curve{}, fmt.Errorf("variance is %g, want a finite number > 0", variance)
	}
	return wholeOrders(orders, func(a float64) float64 {
		square := s.L2 * s.L2
		return a*square/(2*variance) + min(((2*a-1)*square+6*s.L1)/(4*variance*variance), 3*s.L1/(2*variance))
	})
}

// DiscreteGaussians is the sum of shares of discrete Gaussian noise, which is not quite
// discrete Gaussian.
type DiscreteGaussians struct {
	Shares    int     // that arrived; a share that lacks is not counted on
	Variance  float64 // of each share, in each coordinate, at least 1/4
	Dimension int
}

// Tau bounds how far the sum's probabilities are from a discrete Gaussian's, as a logarithm
// in each coordinate (Kairouz, Liu, Steinke 2021, theorem 1).
func (d DiscreteGaussians) Tau() float64 {
	var total sum
	for k := 1; k < d.Shares; k++ {
		total.add(exp(-2 * math.Pi * math.Pi * d.Variance * float64(k) / float64(k+1)))
	}
	return 10 * total.value()
}

// RDP returns the curve of one release (Kairouz, Liu, Steinke 2021, proposition 14).
func (d DiscreteGaussians) RDP(s Sensitivity, orders []float64) (Curve, error) {
	switch {
	case d.Shares < 1:
		return Curve{}, fmt.Errorf("shares is %d, want shares >= 1", d.Shares)
	case !(d.Variance >= .25) || math.IsInf(d.Variance, 1):
		return Curve{}, fmt.Errorf("variance of a share is %g, want a finite number >= 0.25: the sum is compared with a discrete Gaussian from there on", d.Variance)
	case d.Dimension < 1:
		return Curve{}, fmt.Errorf("dimension is %d, want dimension >= 1", d.Dimension)
	}
	if err := s.validate(); err != nil {
		return Curve{}, err
	}
	deviation := math.Sqrt(float64(d.Shares) * d.Variance)
	l1, l2 := s.L1/deviation, s.L2/deviation
	tau, n := d.Tau(), float64(d.Dimension)
	return wholeOrders(orders, func(a float64) float64 {
		return min(
			a/2*l2*l2+tau*n,
			a/2*(l2*l2+2*l1*tau+tau*tau*n),
			a/2*(l2+math.Sqrt(n)*tau)*(l2+math.Sqrt(n)*tau),
		)
	})
}
