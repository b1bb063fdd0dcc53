package learn

import (
	"math"
	"runtime"
	"testing"

	"fedtab/learn/data"
)

// Memory agrees with the bytes that a Fit allocates, up to rounding.
func TestMemory(t *testing.T) {
	image := []int{28, 28}
	last := Layer{Kind: Dense, Units: 10}
	specs := map[string]Spec{
		"2NN": MLP(image, []int{200, 200}, 10),
		"CNN": fedavgCNN,
		"GELU, dropout, penalty": {Input: image, L2: .1, Layers: []Layer{
			{Kind: Dense, Units: 300, Activation: GELU}, {Kind: Dropout, Rate: .5}, last,
		}},
		"rbf": {Input: image, Layers: []Layer{{Kind: RBF, Units: 500, Gamma: .01}, last}},
		"stride and average": {Input: image, Layers: []Layer{
			{Kind: Conv, Units: 8, Size: 4, Stride: 2, Same: true, Activation: GELU}, {Kind: AveragePool, Size: 3, Stride: 2}, {Kind: Conv, Units: 16, Size: 6}, last,
		}},
		"large image": {Input: []int{128, 128}, Layers: []Layer{{Kind: Conv, Units: 4, Size: 7, Activation: ReLU}, last}},
	}
	const n = 600
	cfgs := map[string]FitConfig{
		"sgd":               {Batch: 10},
		"whole batch":       {},
		"momentum":          {Batch: 10, Optimiser: Optimiser{Kind: Momentum}},
		"adam, prox, a lot": {Batch: 500, Prox: .1, Optimiser: Optimiser{Kind: Adam}},
		"gradient":          {Batch: 10, SumOnly: true},
	}
	for model, spec := range specs {
		m := must(t, spec)
		params := version0(m, 1)
		set, err := data.NewSet(data.Array{Dims: append([]int{n}, spec.Input...), Data: make([]uint8, n*spec.Features())}, data.Array{Dims: []int{n}, Data: make([]uint8, n)}, 0)
		if err != nil {
			t.Fatal(err)
		}
		for name, cfg := range cfgs {
			cfg.Steps, cfg.LR = 1, .01
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			f := NewFit(m)
			if err := f.Start(params, set, cfg); err != nil {
				t.Fatal(err)
			}
			if _, err := f.Run(1); err != nil {
				t.Fatal(err)
			}
			runtime.ReadMemStats(&after)
			memory := cfg.Memory(m, n)
			got, want := float64(memory.Copies+memory.Buffers), float64(after.TotalAlloc-before.TotalAlloc)
			// An allocation is rounded up by at most 8 kB.
			if math.Abs(got-want) > .02*want+20e3 {
				t.Errorf("%s, %s: %.3f MB for %d examples at a time and %.3f MB of copies, allocated were %.3f MB", model, name,
					float64(memory.Buffers)/1e6, memory.Examples, float64(memory.Copies)/1e6, want/1e6)
			}
		}
	}
}
