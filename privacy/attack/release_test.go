package attack

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"fedtab/privacy/account"
)

// Updates are clipped one by one, and stay as they are.
func TestRelease(t *testing.T) {
	updates := [][]float32{{3, 4}, {0, .5}, {0, 0}}
	for _, c := range []struct {
		name string
		Release
		want []float32
	}{
		{"as they are", Release{}, []float32{3, 4.5}},
		{"clipped", Release{Clip: 1}, []float32{.6, 1.3}},
		{"noise without a norm", Release{Noise: 1}, []float32{3, 4.5}},
	} {
		got := []float32{7, 7}
		c.Sum(got, updates, nil)
		for i := range got {
			if math.Abs(float64(got[i]-c.want[i])) > 1e-6 {
				t.Errorf("%s: %v, want %v", c.name, got, c.want)
				break
			}
		}
	}
	if !slices.Equal(updates[0], []float32{3, 4}) {
		t.Errorf("the update has become %v", updates[0])
	}
}

// Noise has the deviation that the account takes it to have, in every coordinate.
func TestReleaseNoise(t *testing.T) {
	const n = 100_000
	seen := make([]float32, n)
	Release{Clip: 3, Noise: .5}.Sum(seen, [][]float32{make([]float32, n)}, rand.New(rand.NewPCG(1, 2)))
	x := make([]float64, n)
	for i, v := range seen {
		x[i] = float64(v)
	}
	if mean, deviation := spread(x); math.Abs(deviation-1.5) > .02 || math.Abs(mean) > .02 {
		t.Errorf("noise of mean %.3f and deviation %.3f, want 0 and 1.5", mean, deviation)
	}
}

// Of few false alarms the bound is the one that (epsilon, delta) of all epsilon give together.
func TestMaxTPR(t *testing.T) {
	for _, distance := range []float64{.1, 1, 2, 4} {
		for _, fpr := range []float64{.0001, .001, .01} {
			want := 1.
			for e := 0.; e < 40; e += .001 {
				want = min(want, math.Exp(e)*fpr+account.GaussianDelta(distance, e))
			}
			if got := MaxTPR(distance, fpr); math.Abs(got-want) > 1e-5 {
				t.Errorf("distance %g, FPR %g: %.6f, want %.6f", distance, fpr, got, want)
			}
		}
	}
	if got := MaxTPR(0, .01); math.Abs(got-.01) > 1e-12 {
		t.Errorf("without a distance it is %g, want the FPR", got)
	}
}

// An attacker who knows both updates that a participant may have sent, and all others, comes
// up to the bound for the substitution of its data, and not above it.
func TestKnowingAll(t *testing.T) {
	const runs, z = 20_000, 1.
	random := rand.New(rand.NewPCG(3, 4))
	r := Release{Clip: 1, Noise: z}
	others := [][]float32{{.3, -.2}, {0, .9}}
	var scores [2][]float64
	for i, mine := range [2][]float32{{2, 0}, {-5, 0}} {
		seen := make([]float32, 2)
		for range runs {
			r.Sum(seen, append(others, mine), random)
			scores[i] = append(scores[i], float64(seen[0]))
		}
	}
	distance, err := account.Distance([]account.Mechanism{{Noise: z, Rate: 1, Steps: 1}}, account.Substitution)
	if err != nil {
		t.Fatal(err)
	}
	for _, fpr := range []float64{.01, .1} {
		got, most := NewROC(scores[0], scores[1]).TPR(fpr), MaxTPR(distance, fpr)
		if got.Low > most*1.05 || got.High < most*.95 {
			t.Errorf("at FPR %g the TPR is %.3f to %.3f, want %.3f", fpr, got.Low, got.High, most)
		}
	}
}
