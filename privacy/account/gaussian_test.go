package account

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestGaussian(t *testing.T) {
	for _, c := range []struct{ distance, epsilon, want float64 }{
		// By 50 digits of the formula of Balle and Wang 2018, theorem 8 (mpmath).
		{1, 1, 0.12693673750664395},
		{1, 0, 0.38292492254802621},
		{0.01, 0.001, 0.0035110920258420983},
		{0.0001, 0, 3.9894228023520675e-5},
		{0.5, 3, 3.4009117356735288e-10},
		{5, 20, 0.047322964188519659},
		{5, 1, 0.9798516780897752},
		{10, 200, 1.4622051775690748e-51},
		{30, 300, 0.99999965397434447},
		{1, 12, 5.2084420689504657e-32},
		{200, 20000, 0.49800533846203827},
		{0.1, 1.1, 2.959131157982284e-30},
	} {
		if got := GaussianDelta(c.distance, c.epsilon); !near(got, c.want, 1e-11) {
			t.Errorf("distance %g, epsilon %g: delta %.17g, want %.17g", c.distance, c.epsilon, got, c.want)
		}
	}
}

// The inverses are inverse, on the safe side.
func TestGaussianInverse(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		delta := math.Exp(rapid.Float64Range(math.Log(MinDelta), -.1).Draw(r, "log delta"))
		distance := math.Exp(rapid.Float64Range(-7, 5).Draw(r, "log distance"))
		epsilon, err := GaussianEpsilon(distance, delta)
		if err != nil {
			r.Fatal(err)
		}
		if d := GaussianDelta(distance, epsilon); d > delta || epsilon > 0 && !near(d, delta, 1e-6) {
			r.Errorf("distance %g, delta %g: epsilon %g has delta %g", distance, delta, epsilon, d)
		}
		if epsilon == 0 {
			return
		}
		noise, err := GaussianNoise(9, Substitution, epsilon, delta)
		if err != nil {
			r.Fatal(err)
		}
		if d := 2 * 3 / noise; !near(d, distance, 1e-6) {
			r.Errorf("distance %g, delta %g: epsilon %g gets noise for distance %g", distance, delta, epsilon, d)
		}
	})
}

func TestGaussianRefused(t *testing.T) {
	for _, err := range []error{
		second(GaussianEpsilon(1, 0)), second(GaussianEpsilon(-1, .1)), second(GaussianEpsilon(math.NaN(), .1)),
		second(GaussianNoise(0, AddRemove, 1, .1)), second(GaussianNoise(1, AddRemove, -1, .1)), second(GaussianNoise(1, AddRemove, 1, 1)),
		second(Distance([]Mechanism{{1, .5, 1}}, AddRemove)), second(Distance([]Mechanism{{0, 1, 1}}, AddRemove)),
	} {
		if err == nil {
			t.Error("an argument out of bounds is accepted")
		}
	}
}

func second(_ float64, err error) error { return err }

func TestClippingNoise(t *testing.T) {
	for _, c := range []struct {
		noise, count, want float64
		err                string
	}{
		// Andrew et al. 2021, section 4: with a cohort of 100 and its twentieth, the vector's noise
		// grows by less than a percent.
		{1, CountNoise(100), 1 / math.Sqrt(1-1./100), ""},
		{.5, 5, .5 / math.Sqrt(1-.25/100), ""},
		{10, 5, 0, "noise of the count is 5, want more than 5: half of the noise of 10 that the count and the vector have together"},
		{1, 0, 0, "noise of the count is 0, want a finite number > 0"},
		{0, 1, 0, "noise is 0, want 0.01 <= noise <= 1e+06: the standard deviation as a multiple of the clipping norm"},
		{1, math.Inf(1), 0, "noise of the count is +Inf, want a finite number > 0"},
	} {
		got, err := ClippingNoise(c.noise, c.count)
		if c.err != "" {
			if err == nil || err.Error() != c.err {
				t.Errorf("%g, %g: %v, want %s", c.noise, c.count, err, c.err)
			}
			continue
		}
		if err != nil || !near(got, c.want, 1e-12) {
			t.Errorf("%g, %g: %g, %v; want %g", c.noise, c.count, got, err, c.want)
		}
		// Together they are one release of the noise: precisions add up.
		if sum := 1/(got*got) + 1/(4*c.count*c.count); !near(sum, 1/(c.noise*c.noise), 1e-12) {
			t.Errorf("%g, %g: precisions add up to %g", c.noise, c.count, sum)
		}
	}
}

func TestSpecial(t *testing.T) {
	for x := -707.; x < 709; x += .37 {
		if got, want := exp(x), math.Exp(x); !near(got, want, 1e-15) {
			t.Errorf("exp(%g): %g, want %g", x, got, want)
		}
	}
	for _, x := range []float64{math.Inf(-1), -800, -740, 710, math.Inf(1)} {
		if got, want := exp(x), math.Exp(x); got != want {
			t.Errorf("exp(%g): %g, want %g", x, got, want)
		}
	}
	for _, c := range []struct{ x, want float64 }{ // by 50 digits (mpmath)
		{-3, 16205.988853999587},
		{-0.5, 1.9523604891825571},
		{0, 1.0},
		{0.1, 0.89645697996912664},
		{2, 0.25539567631050574},
		{5, 0.11070463773306863},
		{9.5, 0.059064678352563891},
		{10, 0.056140992743822586},
		{12, 0.046854221014893763},
		{30, 0.018795888861416751},
		{1000000.0, 5.6418958354747419e-7},
	} {
		if got := erfcx(c.x); !near(got, c.want, 1e-13) {
			t.Errorf("erfcx(%g): %.17g, want %.17g", c.x, got, c.want)
		}
		if got, want := logErfc(c.x), math.Log(c.want)-c.x*c.x; !near(got, want, 1e-13) {
			t.Errorf("logErfc(%g): %.17g, want %.17g", c.x, got, want)
		}
	}
}
