package account

import (
	"math"
	"testing"
)

// Rényi divergences of a scalar release, summed over the integers, are below the bounds and
// near them.
func TestDiscreteAccounts(t *testing.T) {
	const shift = 3
	orders := []float64{2, 3, 8}
	s := Sensitivity{shift, shift}
	for _, variance := range []float64{20, 60} {
		gaussian := func(x int) float64 { return -float64(x) * float64(x) / (2 * variance) }
		mean := variance / 2
		skellam := func(x int) float64 {
			total := math.Inf(-1)
			for y := max(0, -x); y < 400; y++ {
				a, _ := math.Lgamma(float64(y) + 1)
				b, _ := math.Lgamma(float64(y+x) + 1)
				total = logAdd(total, float64(2*y+x)*math.Log(mean)-2*mean-a-b)
			}
			return total
		}
		one, err := DiscreteGaussians{Shares: 1, Variance: variance, Dimension: 1}.RDP(s, orders)
		if err != nil {
			t.Fatal(err)
		}
		difference, err := SkellamRDP(variance, s, orders)
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range orders {
			for _, c := range []struct {
				name   string
				log    func(int) float64
				bound  float64
				excess float64
			}{{"discrete Gaussian", gaussian, one.RDP[i], 1.01}, {"Skellam", skellam, difference.RDP[i], 2}} {
				moment, total := math.Inf(-1), math.Inf(-1)
				for x := -120; x <= 120; x++ {
					moment = logAdd(moment, a*c.log(x-shift)-(a-1)*c.log(x))
					total = logAdd(total, c.log(x))
				}
				exact := (moment - total) / (a - 1)
				if exact > c.bound*(1+1e-9) || c.bound > c.excess*exact {
					t.Errorf("%s, variance %g, order %g: bound %g, want at least %g and at most %g times it", c.name, variance, a, c.bound, exact, c.excess)
				}
			}
		}
	}
}

// A sum of shares costs what one discrete Gaussian of its variance costs, and more where
// shares are narrow.
func TestSharesOfNoise(t *testing.T) {
	s := Sensitivity{100, 10}
	whole, err := DiscreteGaussians{1, 100, 1000}.RDP(s, []float64{2, 16})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		shares   int
		variance float64
		least    float64 // the bound over that of one
		most     float64
	}{{10, 10, 1, 1 + 1e-12}, {100, 1, 1.001, 2}, {400, .25, 10, math.Inf(1)}} {
		parts, err := DiscreteGaussians{c.shares, c.variance, 1000}.RDP(s, []float64{2, 16})
		if err != nil {
			t.Fatal(err)
		}
		for i := range parts.RDP {
			if ratio := parts.RDP[i] / whole.RDP[i]; !(ratio >= c.least && ratio <= c.most) {
				t.Errorf("%d shares of variance %g: %g times the bound of one, want %g to %g", c.shares, c.variance, ratio, c.least, c.most)
			}
		}
	}
	// Fewer shares are less noise.
	few, _ := DiscreteGaussians{7, 10, 1000}.RDP(s, []float64{2, 16})
	many, _ := DiscreteGaussians{10, 10, 1000}.RDP(s, []float64{2, 16})
	if few.RDP[0] <= many.RDP[0] {
		t.Errorf("bound %g with 7 shares, %g with 10", few.RDP[0], many.RDP[0])
	}
}

func TestRoundedSensitivity(t *testing.T) {
	for _, c := range []struct {
		norm      float64
		dimension int
		beta      float64
		want      float64
	}{
		{100, 400, 0, 120},
		// Kairouz, Liu, Steinke 2021, theorem 1: the square is 10000 + 100 + 1 * (100 + 10).
		{100, 400, math.Exp(-.5), math.Sqrt(10_210)},
		{1, 1, 1e-300, 2}, // no worse than without condition
	} {
		got, err := RoundedSensitivity(c.norm, c.dimension, c.beta)
		if err != nil || !near(got.L2, c.want, 1e-12) || got.L1 != got.L2*min(math.Sqrt(float64(c.dimension)), got.L2) {
			t.Errorf("%+v: %v, %v; want %g", c, got, err, c.want)
		}
	}
	for _, err := range []error{
		refused(RoundedSensitivity(0, 1, 0)), refused(RoundedSensitivity(1, 0, 0)), refused(RoundedSensitivity(1, 1, 1)), refused(RoundedSensitivity(1, 1, math.NaN())),
		refused(SkellamRDP(0, Sensitivity{1, 1}, []float64{2})), refused(SkellamRDP(1, Sensitivity{1, 2}, []float64{2})), refused(SkellamRDP(1, Sensitivity{1, 1}, []float64{1})),
		refused(DiscreteGaussians{0, 1, 1}.RDP(Sensitivity{1, 1}, nil)), refused(DiscreteGaussians{1, .2, 1}.RDP(Sensitivity{1, 1}, nil)),
		refused(DiscreteGaussians{1, 1, 0}.RDP(Sensitivity{1, 1}, nil)), refused(DiscreteGaussians{1, 1, 1}.RDP(Sensitivity{}, nil)),
	} {
		if err == nil {
			t.Error("an argument out of bounds is accepted")
		}
	}
}

func refused[T any](_ T, err error) error { return err }
