package combine

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"fedtab/learn/rng"
)

// random returns a generator whose seed rapid draws.
func random(t *rapid.T) *rand.Rand {
	return rand.New(rng.New(rapid.Uint64().Draw(t, "seed")))
}

// gaussian returns n vectors of d values from N(0, spread^2).
func gaussian(r *rand.Rand, n, d int, spread float64) [][]float32 {
	models := make([][]float32, n)
	for i := range models {
		models[i] = make([]float32, d)
		for j := range models[i] {
			models[i][j] = float32(spread * r.NormFloat64())
		}
	}
	return models
}

// permuted returns the vectors in another order, with their weights.
func permuted(r *rand.Rand, models [][]float32, weights []float64) ([][]float32, []float64) {
	m, w := slices.Clone(models), slices.Clone(weights)
	r.Shuffle(len(m), func(i, j int) {
		m[i], m[j] = m[j], m[i]
		w[i], w[j] = w[j], w[i]
	})
	return m, w
}

func sameBits(x, y []float32) bool {
	return slices.EqualFunc(x, y, func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) })
}

// inRange says whether x lies within the range of the vectors in every
// coordinate.
func inRange(x []float32, vectors [][]float32) bool {
	for j, v := range x {
		lo, hi := vectors[0][j], vectors[0][j]
		for _, w := range vectors {
			lo, hi = min(lo, w[j]), max(hi, w[j])
		}
		if !(v >= lo && v <= hi) {
			return false
		}
	}
	return true
}

func near(got, want, tolerance float64) bool {
	return math.Abs(got-want) <= tolerance*max(1, math.Abs(want))
}

// panics says whether f panics.
func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}

// Keys are in the order of the values and lead back to them.
func TestKeys(t *testing.T) {
	ascending := []float32{
		float32(math.Inf(-1)), -math.MaxFloat32, -1, -math.SmallestNonzeroFloat32,
		float32(math.Copysign(0, -1)), 0, math.SmallestNonzeroFloat32, 1, math.MaxFloat32, float32(math.Inf(1)), float32(math.NaN()),
	}
	for i, x := range ascending {
		if got := value(key(x)); math.Float32bits(got) != math.Float32bits(x) {
			t.Errorf("value(key(%g)) = %g", x, got)
		}
		if i > 0 && key(ascending[i-1]) >= key(x) {
			t.Errorf("the key of %g is not below that of %g", ascending[i-1], x)
		}
	}
}

// Vectors of different lengths are a bug of the caller.
func TestShapesPanic(t *testing.T) {
	dst, short, long := make([]float32, 2), []float32{1, 2}, []float32{1, 2, 3}
	odd := [][]float32{short, short, short, long, short}
	for name, f := range map[string]func(){
		"Median":             func() { Median(dst, odd) },
		"TrimmedMean":        func() { TrimmedMean(dst, odd, .2) },
		"Krum":               func() { Krum(dst, odd, 1, 1) },
		"GeometricMedian":    func() { GeometricMedian(dst, odd, nil) },
		"weights":            func() { GeometricMedian(dst, odd[:2], []float64{1}) },
		"Mean":               func() { Mean(dst, odd, nil) },
		"RadonMachine":       func() { RadonMachine(dst, odd, 1, 0) },
		"RadonPoint, points": func() { RadonPoint(make([]float64, 2), make([][]float64, 3)) },
		"RadonPoint, values": func() { RadonPoint(make([]float64, 1), [][]float64{{1}, {2, 3}, {3}}) },
		"Step":               func() { DefaultServer(SGD).Step(dst, short, long, nil) },
		"NovaRate":           func() { NovaRate([]float64{1, 2}, []float64{1}, 1) },
		"NovaRate of none":   func() { NovaRate(nil, nil, 1) },
		"SGDNorm":            func() { SGDNorm(0) },
		"MomentumNorm":       func() { MomentumNorm(1, 1) },
		"ProximalNorm":       func() { ProximalNorm(1, 1) },
	} {
		if !panics(f) {
			t.Errorf("%s did not panic", name)
		}
	}
}
