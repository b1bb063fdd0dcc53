package combine_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"fedtab/combine"
	"fedtab/learn/rng"
)

// Through Sum, with NovaWeight and NovaRate, the next model is the
// formula's.
func TestNovaIsLinear(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rng.Stream(rapid.Uint64().Draw(t, "seed"), "nova")
		vector := func(spread float64) []float32 {
			v := make([]float32, 5)
			for j := range v {
				v[j] = float32(spread * r.NormFloat64())
			}
			return v
		}
		near := func(got float32, want float64) bool {
			return math.Abs(float64(got)-want) <= 1e-6*max(1, math.Abs(want))
		}
		clients := rapid.IntRange(1, 20).Draw(t, "clients")
		equal := rapid.Bool().Draw(t, "equal work")
		base, deltas := vector(1), make([][]float32, clients)
		sum, err := combine.NewSum(5, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		examples, norms := make([]float64, clients), make([]float64, clients)
		var n float64
		for k := range deltas {
			deltas[k] = vector(.1)
			examples[k], norms[k] = float64(1+r.IntN(600)), combine.MomentumNorm(1+r.IntN(100), .9)
			if equal {
				norms[k] = 40
			}
			n += examples[k]
			sum.Add(deltas[k], combine.NovaWeight(examples[k], norms[k]))
		}
		var effective float64
		direction, plain := make([]float64, 5), make([]float64, 5)
		for k, delta := range deltas {
			p := examples[k] / n
			effective += p * norms[k]
			for j, x := range delta {
				direction[j] += p * float64(x) / norms[k]
				plain[j] += p * float64(x)
			}
		}
		got := make([]float32, 5)
		rate := combine.NovaRate(examples, norms, sum.Weight())
		if err := sum.Mean(got, base, rate); err != nil {
			t.Fatal(err)
		}
		for j := range got {
			want := float64(base[j]) + effective*direction[j]
			if !near(got[j], want) {
				t.Fatalf("coordinate %d: got %g, want %g", j, got[j], want)
			}
			if average := float64(base[j]) + plain[j]; equal && !near(got[j], average) {
				t.Fatalf("coordinate %d with equal work: got %g, want federated averaging's %g", j, got[j], average)
			}
		}

		// The rate has the same bits in any order of the clients.
		order := r.Perm(clients)
		e, a := make([]float64, clients), make([]float64, clients)
		for to, from := range order {
			e[to], a[to] = examples[from], norms[from]
		}
		if again := combine.NovaRate(e, a, sum.Weight()); again != rate {
			t.Fatalf("another order of the clients gives the rate %v, want %v", again, rate)
		}
	})
}
