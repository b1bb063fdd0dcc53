package account

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

// An audit attacks one step many times, on two data sets of which one lacks a participant,
// and bounds epsilon from below by how well it tells them apart (Jagielski, Ullman, Oprea
// 2020). What it finds must be below the claim, and not far below: else the noise is not
// what the claim says, or the test has no power.
func TestAudit(t *testing.T) {
	const (
		delta        = 1e-5
		participants = 20
		dimension    = 4
		unit         = 1 << 8 // of the grid: the clipping norm
	)
	runs := 200_000
	if !testing.Short() {
		runs = 2_000_000
	}
	random := rand.New(rand.NewPCG(1, 2))
	discrete, err := NewDiscreteGaussian(Variance{unit * unit, 1})
	if err != nil {
		t.Fatal(err)
	}
	source := seeded(7)
	curve, err := DiscreteGaussians{1, unit * unit, dimension}.RDP(Sensitivity{unit * math.Sqrt(dimension), unit}, Orders())
	if err != nil {
		t.Fatal(err)
	}
	wide, _ := curve.Epsilon(delta)
	exact, err := GaussianEpsilon(1, delta)
	if err != nil {
		t.Fatal(err)
	}
	// Vectors of norm 1, the target's along one axis.
	vectors := make([][dimension]float64, participants)
	for i := range vectors {
		norm := 0.0
		for j := range dimension {
			vectors[i][j] = random.NormFloat64()
			norm += vectors[i][j] * vectors[i][j]
		}
		for j := range dimension {
			vectors[i][j] /= math.Sqrt(norm)
		}
	}
	vectors[0] = [dimension]float64{1}
	noise := make([]int64, dimension)
	for _, c := range []struct {
		name  string
		claim float64
		noise func() (along float64)
	}{
		{"Gaussian", exact, random.NormFloat64},
		{"discrete Gaussian", wide, func() float64 {
			if err := discrete.Sample(noise, source); err != nil {
				t.Fatal(err)
			}
			return float64(noise[0]) / unit
		}},
	} {
		without := 0.0
		for _, v := range vectors[1:] {
			without += v[0]
		}
		// The attacker knows all others, and says that the target is there above a threshold.
		const threshold = 3
		var right, wrong int
		for range runs {
			if without+vectors[0][0]+c.noise() > without+threshold {
				right++
			}
			if without+c.noise() > without+threshold {
				wrong++
			}
		}
		found := math.Log((atLeast(right, runs) - delta) / atMost(wrong, runs))
		if found > c.claim || found < c.claim/2 {
			t.Errorf("%s: an attack shows epsilon >= %.3f, the claim is %.3f: want it below, within a factor of 2", c.name, found, c.claim)
		}
		t.Logf("%s: %d runs show epsilon >= %.3f, the claim is %.3f", c.name, runs, found, c.claim)
	}
}

// confidence of both bounds of an audit together.
const confidence = .999

// atLeast and atMost bound a probability by its frequency (Clopper, Pearson 1934).
func atLeast(hits, runs int) float64 {
	if hits == 0 {
		return 0
	}
	return distuv.Beta{Alpha: float64(hits), Beta: float64(runs-hits) + 1}.Quantile((1 - confidence) / 2)
}

func atMost(hits, runs int) float64 {
	if hits == runs {
		return 1
	}
	return distuv.Beta{Alpha: float64(hits) + 1, Beta: float64(runs - hits)}.Quantile((1 + confidence) / 2)
}
