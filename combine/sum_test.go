package combine

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func newSum(t testing.TB, n int, bound float64) *Sum {
	s, err := NewSum(n, bound)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The same contributions give the same bits in any order, from any number of
// goroutines.
func TestSumAnyOrder(t *testing.T) {
	const n, clients = 3*blockLen + 17, 12
	r := rand.New(rand.NewPCG(1, 2))
	var v [clients][]float32
	var w [clients]float64
	for i := range v {
		v[i] = make([]float32, n)
		for j := range v[i] {
			v[i][j] = float32(r.NormFloat64()) * .01
		}
		w[i] = float64(1+r.IntN(600)) * math.Sqrt(r.Float64()+.1)
	}
	base := make([]float32, n)
	mean := func(order []int, goroutines bool) []float32 {
		s := newSum(t, n, 1<<36)
		var wait sync.WaitGroup
		for _, i := range order {
			if goroutines {
				wait.Go(func() { s.Add(v[i], w[i]) })
			} else {
				s.Add(v[i], w[i])
			}
		}
		wait.Wait()
		dst := make([]float32, n)
		if err := s.Mean(dst, base, 1); err != nil {
			t.Fatal(err)
		}
		return dst
	}
	// merged adds the first contributions of an order to one sum and the others
	// to a second, and merges the second into the first.
	merged := func(order []int, first int) []float32 {
		a, b := newSum(t, n, 1<<36), newSum(t, n, 1<<36)
		for j, i := range order {
			if j < first {
				a.Add(v[i], w[i])
			} else {
				b.Add(v[i], w[i])
			}
		}
		a.Merge(b)
		dst := make([]float32, n)
		if err := a.Mean(dst, base, 1); err != nil {
			t.Fatal(err)
		}
		return dst
	}
	first := mean(r.Perm(clients), false)
	for range 10 {
		if !slices.Equal(first, mean(r.Perm(clients), true)) {
			t.Fatal("another order gave other bits")
		}
		if !slices.Equal(first, merged(r.Perm(clients), r.IntN(clients+1))) {
			t.Fatal("merged sums gave other bits than one sum")
		}
	}
}

// The mean is the weighted mean, as float64 computes it, to within the
// rounding of one float32 and of six digits of a weight that is not whole.
func TestSumMean(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		clients := rapid.IntRange(1, 20).Draw(t, "clients")
		s, err := NewSum(1, 1e4*(1<<17)*64)
		if err != nil {
			t.Fatal(err)
		}
		base := rapid.Float32Range(-10, 10).Draw(t, "base")
		rate := rapid.Float64Range(0, 2).Draw(t, "rate")
		var sum, weights float64
		for range clients {
			x := rapid.Float32Range(-64, 64).Draw(t, "x")
			w := float64(rapid.IntRange(1, 60_000).Draw(t, "n"))
			w *= rapid.SampledFrom([]float64{1, math.Sqrt(.5), .01}).Draw(t, "staleness")
			s.Add([]float32{x}, w)
			sum += float64(x) * w
			weights += w
		}
		dst := []float32{0}
		if err := s.Mean(dst, []float32{base}, rate); err != nil {
			t.Fatal(err)
		}
		want := float64(base) + rate*sum/weights
		if got := float64(dst[0]); math.Abs(got-want) > 2e-4*(1+math.Abs(want)) {
			t.Fatalf("got %g, want %g", got, want)
		}
	})
}

// FedAvg with one client and a server learning rate of 1 is that client's
// model.
func TestSumOfOneIsItsModel(t *testing.T) {
	s := newSum(t, 3, 1<<36)
	base := []float32{1, -2, .5}
	local := []float32{1.25, -2.5, .375}
	delta := make([]float32, 3)
	for i := range delta {
		delta[i] = local[i] - base[i]
	}
	s.Add(delta, 600)
	next := make([]float32, 3)
	if err := (WeightedMean{ServerLR: 1}).Combine(&Vectors{Base: base, Next: next, Sums: []*Sum{s}}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(next, local) {
		t.Errorf("got %v, want %v", next, local)
	}
}

// At the bound itself nothing overflows.
func TestSumBound(t *testing.T) {
	const participants, weight, value = 1000, 1 << 17, 64
	s := newSum(t, 1, participants*weight*value)
	for range participants {
		s.Add([]float32{value}, weight)
	}
	dst := []float32{0}
	if err := s.Mean(dst, dst, 1); err != nil || dst[0] != value {
		t.Errorf("mean of equal values is %g (%v), want %d", dst[0], err, value)
	}
	s.Clear()
	if err := s.Mean(dst, dst, 1); err == nil {
		t.Error("the mean of nothing is no error")
	}
	for _, bound := range []float64{0, -1, math.NaN(), math.Inf(1), 1 << 47} {
		if _, err := NewSum(1, bound); err == nil {
			t.Errorf("NewSum took the bound %g", bound)
		}
	}
}

func BenchmarkSumAdd(b *testing.B) {
	s := newSum(b, 199_210, 1<<36)
	v := make([]float32, 199_210)
	for i := range v {
		v[i] = float32(i) * 1e-7
	}
	b.SetBytes(4 * 199_210)
	b.ReportAllocs()
	for b.Loop() {
		s.Add(v, 600)
	}
}

// A sum that is given another bound is empty, and as fine as that bound allows.
func TestSumReset(t *testing.T) {
	s, err := NewSum(1, 1<<46)
	if err != nil {
		t.Fatal(err)
	}
	mean := func() float32 {
		s.Add([]float32{7e-6}, 1)
		out := []float32{0}
		if err := s.Mean(out, out, 1); err != nil {
			t.Fatal(err)
		}
		return out[0]
	}
	if got := mean(); got != 0 {
		t.Errorf("a resolution of 2^-16 keeps %g", got)
	}
	if err := s.Reset(64); err != nil || s.Weight() != 0 {
		t.Errorf("%v, with a weight of %g", err, s.Weight())
	}
	if got := mean(); got != 7e-6 {
		t.Errorf("mean %g, want 7e-6", got)
	}
	if err := s.Reset(1 << 47); err == nil {
		t.Error("a bound of 2^47 is accepted")
	}
}

// Vectors that are added together give the same bits as one after the other.
func TestSumAddAll(t *testing.T) {
	const n = 2*blockLen + 5
	r := rand.New(rand.NewPCG(3, 4))
	var addends []Addend
	alone, together := newSum(t, n, 1<<36), newSum(t, n, 1<<36)
	for range 5 {
		a := Addend{Values: make([]float32, n), Scale: r.Float64(), Weight: 1 + r.Float64()}
		for i := range a.Values {
			a.Values[i] = float32(r.NormFloat64())
		}
		addends = append(addends, a)
		alone.AddScaled(a.Values, a.Scale, a.Weight)
	}
	together.AddAll(addends)
	if !slices.Equal(together.counts, alone.counts) || together.Weight() != alone.Weight() {
		t.Error("vectors that are added together give another sum")
	}
	defer func() {
		if recover() == nil || !slices.Equal(together.counts, alone.counts) {
			t.Error("a vector of another length is added, or those before it are")
		}
	}()
	together.AddAll([]Addend{addends[0], {Values: make([]float32, n-1), Scale: 1, Weight: 1}})
}
