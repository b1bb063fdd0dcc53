package combine

import (
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestMeanKnown(t *testing.T) {
	dst := make([]float32, 2)
	norm2, err := Mean(dst, [][]float32{{1, 0}, {4, 8}}, []float64{2, 1})
	if err != nil {
		t.Fatal(err)
	}
	if dst[0] != 2 || dst[1] != float32(8./3) {
		t.Errorf("got %v, want [2 2.6666667]", dst)
	}
	if want := 4 + math.Pow(float64(float32(8./3)), 2); norm2 != want {
		t.Errorf("squared norm %g, want %g", norm2, want)
	}
	if _, err := Mean(dst, nil, nil); !errors.Is(err, ErrTooFew) {
		t.Errorf("mean of none: got %v, want ErrTooFew", err)
	}
	if _, err := Mean(dst, [][]float32{{1, 1}}, []float64{-1}); !errors.Is(err, ErrParameter) {
		t.Errorf("weight below 0: got %v, want ErrParameter", err)
	}
}

// The mean is that of the definition, and the squared norm its own.
func TestMean(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := random(t)
		n, d := rapid.IntRange(1, 20).Draw(t, "vectors"), rapid.IntRange(1, 600).Draw(t, "values")
		vectors := gaussian(r, n, d, 1)
		var weights []float64
		if rapid.Bool().Draw(t, "weighted") {
			for range n {
				weights = append(weights, 600*(1-r.Float64()))
			}
		}
		dst := make([]float32, d)
		norm2, err := Mean(dst, vectors, weights)
		if err != nil {
			t.Fatal(err)
		}
		var want2 float64
		for j, x := range dst {
			var sum, total float64
			for i, v := range vectors {
				w := 1.0
				if weights != nil {
					w = weights[i]
				}
				sum, total = sum+w*float64(v[j]), total+w
			}
			if !near(float64(x), sum/total, 1e-6) {
				t.Fatalf("coordinate %d: got %g, want %g", j, x, sum/total)
			}
			want2 += float64(x) * float64(x)
		}
		if !near(norm2, want2, 1e-12) {
			t.Fatalf("squared norm %g, want %g", norm2, want2)
		}
	})
}

// After a resolution that gives the mean of B to B, the models are no further
// from their mean than they were, that mean is the same, and if everybody is
// within Delta of the reference the divergence is at most Delta (Kamp et al.
// 2014). Here the deltas stand for the models, and the reference is 0.
func TestMeanOfSomeKeepsTheMeanOfAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := random(t)
		n, d := rapid.IntRange(2, 15).Draw(t, "clients"), rapid.IntRange(1, 20).Draw(t, "values")
		deltas := gaussian(r, n, d, 1)
		some := deltas[:rapid.IntRange(1, n).Draw(t, "balanced")]
		divergence := func() (mean []float32, spread, fromReference float64) {
			mean = make([]float32, d)
			if _, err := Mean(mean, deltas, nil); err != nil {
				t.Fatal(err)
			}
			for _, x := range deltas {
				spread += distance2(x, mean) / float64(n)
				fromReference += SquaredNorm(x) / float64(n)
			}
			return mean, spread, fromReference
		}
		before, spreadBefore, _ := divergence()
		balanced := make([]float32, d)
		norm2, err := Mean(balanced, some, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range some {
			copy(x, balanced)
		}
		after, spread, fromReference := divergence()
		for j := range after {
			if !near(float64(after[j]), float64(before[j]), 1e-6) {
				t.Fatalf("the mean of all moved from %v to %v", before, after)
			}
		}
		if spread > spreadBefore*(1+1e-6) || spread > fromReference*(1+1e-6) {
			t.Fatalf("divergence %g, was %g; mean squared distance from the reference %g", spread, spreadBefore, fromReference)
		}
		delta := norm2
		for _, x := range deltas {
			delta = max(delta, SquaredNorm(x))
		}
		if Violates(norm2, delta) || spread > delta*(1+1e-6) {
			t.Fatalf("divergence %g, want at most Delta = %g", spread, delta)
		}
	})
}

func TestViolates(t *testing.T) {
	for _, test := range []struct {
		norm2, delta float64
		want         bool
	}{
		{0, 0, false}, {1e-300, 0, true}, {1, 1, false}, {math.Nextafter(1, 2), 1, true},
		{1e300, math.Inf(1), false}, {math.NaN(), 1, true},
	} {
		if got := Violates(test.norm2, test.delta); got != test.want {
			t.Errorf("Violates(%g, %g) = %v, want %v", test.norm2, test.delta, got, test.want)
		}
	}
}
