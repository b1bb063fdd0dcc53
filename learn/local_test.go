package learn

import (
	"math"
	"slices"
	"testing"

	"fedtab/learn/data"
)

// gradientOf returns the mean gradient of all of ex at params, computed by
// Gradient.
func gradientOf(t testing.TB, m Model, params []float32, ex data.Examples) []float32 {
	t.Helper()
	g := make([]float32, len(params))
	sums, err := Gradient(m, g, params, ex)
	if err != nil {
		t.Fatal(err)
	}
	for i := range g {
		g[i] /= float32(sums.Examples)
	}
	return g
}

func near(t testing.TB, what string, got, want []float32) {
	t.Helper()
	for i := range got {
		if math.Abs(float64(got[i]-want[i])) > 1e-6*(1+math.Abs(float64(want[i]))) {
			t.Fatalf("%s: element %d is %g, want %g", what, i, got[i], want[i])
		}
	}
}

// FedProx and SCAFFOLD's correction, against the formulas on whole-batch steps:
//
//	w -= lr (g(w) + correction + mu (w - w_0))
func TestProxAndCorrection(t *testing.T) {
	m := must(t, MLP([]int{2, 2}, []int{8}, 3))
	set := blobs(t, 30)
	correction := make([]float32, m.Layout().Size)
	for i := range correction {
		correction[i] = float32(i%7-3) * .02
	}
	for name, cfg := range map[string]FitConfig{
		"plain":      {},
		"prox":       {Prox: .7},
		"correction": {Correction: correction},
		"both":       {Prox: .3, Correction: correction},
	} {
		const lr, steps = .2, 5
		cfg.Steps, cfg.LR = steps, lr
		got := version0(m, 1)
		fitAll(t, NewFit(m), got, set, cfg, 2)
		w0 := version0(m, 1)
		want := slices.Clone(w0)
		for range steps {
			g := gradientOf(t, m, want, set)
			for i := range want {
				if cfg.Correction != nil {
					g[i] += correction[i]
				}
				g[i] += cfg.Prox * (want[i] - w0[i])
			}
			for i := range want {
				want[i] -= lr * g[i]
			}
		}
		near(t, name, got, want)
	}
	bad := FitConfig{Epochs: 1, LR: .1, Correction: correction[1:]}
	if err := NewFit(m).Start(version0(m, 1), set, bad); err == nil {
		t.Error("a correction of another length is taken")
	}
	for _, mu := range []float32{-1, float32(math.NaN()), float32(math.Inf(1))} {
		if err := (FitConfig{Epochs: 1, LR: .1, Prox: mu}).Validate(); err == nil {
			t.Errorf("mu: %g is accepted, want an error", mu)
		}
	}
}

// Training in many short orders, each from where the last one ended, is training
// in one long one, bit for bit: the stream of mini-batches goes on.
func TestFromContinues(t *testing.T) {
	m := must(t, MLP([]int{2, 2}, []int{8}, 3))
	dropping, err := New(Spec{Input: []int{2, 2}, Layers: []Layer{
		{Kind: Dense, Units: 8, Activation: ReLU}, {Kind: Dropout, Rate: .3}, {Kind: Dense, Units: 3},
	}})
	if err != nil {
		t.Fatal(err)
	}
	set := blobs(t, 23)
	for name, m := range map[string]Model{"mlp": m, "with dropout": dropping} {
		for _, batch := range []int{5, 23, 0, 1} {
			cfg := FitConfig{Steps: 24, Batch: batch, LR: .1, Seed: 5}
			want := version0(m, 1)
			fitAll(t, NewFit(m), want, set, cfg, 1000)
			got := version0(m, 1)
			total := 0
			for _, steps := range []int{1, 7, 2, 14} {
				part := cfg
				part.From, part.Steps = total, steps
				f := NewFit(m)
				fitAll(t, f, got, set, part, 3)
				if f.Steps() != steps || f.Sums().Examples != f.TotalExamples() {
					t.Errorf("%s: %d steps on %d examples, want %d on %d", name, f.Steps(), f.Sums().Examples, steps, f.TotalExamples())
				}
				total += steps
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s, batch %d: parameters differ from those of one long training", name, batch)
			}
		}
	}
}

// SumOnly takes no step, and leaves the sum of the gradients of its mini-batch.
func TestSumOnly(t *testing.T) {
	m := must(t, MLP([]int{2, 2}, []int{8}, 3))
	for _, test := range []struct{ examples, batch, from int }{{20, 0, 0}, {20, 7, 0}, {20, 7, 2}, {20, 7, 3}, {700, 0, 0}, {700, 600, 0}} {
		set := blobs(t, test.examples)
		f := NewFit(m)
		params := version0(m, 1)
		fitAll(t, f, params, set, FitConfig{Batch: test.batch, LR: .1, Seed: 5, From: test.from, SumOnly: true}, 1)
		if !slices.Equal(params, version0(m, 1)) {
			t.Fatalf("%+v: the parameters have moved", test)
		}
		// The order of the epoch gives these examples.
		at := test.from * f.batch % (f.stepsPerEpoch() * f.batch)
		index := slices.Clone(f.order[at:min(at+f.batch, test.examples)])
		if f.Sums().Examples != len(index) {
			t.Fatalf("%+v: %d examples, want %d", test, f.Sums().Examples, len(index))
		}
		want := make([]float32, len(params))
		if _, err := Gradient(m, want, params, data.NewSubset(set, index)); err != nil {
			t.Fatal(err)
		}
		near(t, "gradient", f.GradientSum(), want)
	}
}

// A proximal term and a correction cost no allocation in the steps.
func TestLocalTermsAllocateNothing(t *testing.T) {
	m := must(t, MLP([]int{2, 2}, []int{8}, 3))
	set := blobs(t, 40)
	correction := make([]float32, m.Layout().Size)
	f := NewFit(m)
	params := version0(m, 1)
	cfg := FitConfig{Steps: 100_000, Batch: 7, LR: .01, Prox: .1, Correction: correction}
	if err := f.Start(params, set, cfg); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(200, func() { f.Run(1) }); n > 0 {
		t.Errorf("%.1f allocations a step", n)
	}
}
