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

// A set that begins with the violators, and grows until its weighted mean is
// within Delta or it has all clients, and whose mean all of it get, leaves
// the weighted mean of all where it is and all within Delta: the models
// are no further from their mean than from the reference, and that is at most
// Delta (Kamp et al. 2014). Here the deltas stand for the models, and the
// reference is 0 until all are in the set.
func TestMeanOfSomeKeepsTheMeanOfAll(t *testing.T) {
	some, all := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		r := random(t)
		n, d := rapid.IntRange(2, 15).Draw(t, "clients"), rapid.IntRange(1, 20).Draw(t, "values")
		deltas := gaussian(r, n, d, 1)
		var weights []float64
		if rapid.Bool().Draw(t, "weighted") {
			for range n {
				weights = append(weights, 600*(1-r.Float64()))
			}
		}
		delta := float64(d) * rapid.SampledFrom([]float64{.5, 1, 1.5, 3}).Draw(t, "Delta, in squared lengths")
		share := func(i int) float64 { // of client i
			if weights == nil {
				return 1 / float64(n)
			}
			var total float64
			for _, w := range weights {
				total += w
			}
			return weights[i] / total
		}
		average := func() []float64 {
			mean := make([]float64, d)
			for i, x := range deltas {
				for j := range mean {
					mean[j] += share(i) * float64(x[j])
				}
			}
			return mean
		}
		before := average()

		var set, others []int
		for i, x := range deltas {
			if Violates(SquaredNorm(x), delta) {
				set = append(set, i)
			} else {
				others = append(others, i)
			}
		}
		if len(set) == 0 {
			return
		}
		reference, balanced := make([]float32, d), make([]float32, d)
		for {
			var vectors [][]float32
			var of []float64
			for _, i := range set {
				vectors = append(vectors, deltas[i])
				if weights != nil {
					of = append(of, weights[i])
				}
			}
			norm2, err := Mean(balanced, vectors, of)
			if err != nil {
				t.Fatal(err)
			}
			if !Violates(norm2, delta) {
				some++
				break
			}
			if len(others) == 0 {
				all++
				copy(reference, balanced)
				break
			}
			set, others = append(set, others[0]), others[1:]
		}
		for _, i := range set {
			copy(deltas[i], balanced)
		}

		mean := average()
		for j := range mean {
			if !near(mean[j], before[j], 1e-6) {
				t.Fatalf("the mean of all moved from %v to %v", before, mean)
			}
		}
		var spread, fromReference float64
		for i, x := range deltas {
			for j := range x {
				e, f := float64(x[j])-mean[j], float64(x[j])-float64(reference[j])
				spread += share(i) * e * e
				fromReference += share(i) * f * f
			}
			if d2 := distance2(x, reference); d2 > delta*(1+1e-6) {
				t.Fatalf("model %d is %g from the reference, want at most Delta = %g", i, d2, delta)
			}
		}
		if spread > fromReference*(1+1e-6)+1e-12 || fromReference > delta*(1+1e-6) {
			t.Fatalf("%g from the mean, %g from the reference, want at most that and Delta = %g", spread, fromReference, delta)
		}
	})
	if !t.Failed() && !testing.Short() && (some == 0 || all == 0) { // the short form draws a fifth as often
		t.Errorf("%d sets are balanced and %d grow to all clients: the test shows nothing", some, all)
	}
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
