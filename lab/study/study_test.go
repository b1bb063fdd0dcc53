package study

import (
	"math"
	"slices"
	"testing"

	"fedtab/learn"
	"fedtab/learn/data"
)

// A regression takes the very steps of a model with a layer of random features.
func TestRegressionIsTheModel(t *testing.T) {
	const lambda, seed = .01, 3
	xs, ys := Points(seed, 20, .1)
	r, err := NewRegression(xs, ys, lambda, seed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Run(stageSteps / 4); err != nil {
		t.Fatal(err)
	}

	m, err := learn.New(learn.Spec{
		Input: []int{1}, Loss: learn.EpsilonInsensitive, Epsilon: epsilon, L2: lambda,
		Layers: []learn.Layer{{Kind: learn.RBF, Units: features, Gamma: gamma, Seed: 1}, {Kind: learn.Dense, Units: 1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	set, err := data.NewMeasured([]int{1}, xs, ys)
	if err != nil {
		t.Fatal(err)
	}
	params, fit := make([]float32, m.Layout().Size), learn.NewFit(m)
	err = fit.Start(params, set, learn.FitConfig{Steps: stageSteps, LR: 1, Seed: seed, Optimiser: learn.Optimiser{Kind: learn.Momentum, Momentum: .95}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fit.Run(stageSteps / 4); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(r.params, params) {
		t.Error("the parameters differ from those of a model with a layer of features")
	}
	grid, _ := Grid(50)
	worker := m.NewWorker(len(grid))
	worker.Evaluate(params, grid, make([]float32, len(grid)))
	if !slices.Equal(r.At(grid), worker.Outputs()) {
		t.Error("the curve differs from that of a model with a layer of features")
	}
}

// A regression is the same in however many slices it runs, and ends.
func TestRegressionInSlices(t *testing.T) {
	xs, ys := Points(1, 10, .1)
	var got [2][]float32
	for i, steps := range []int{math.MaxInt, 777} {
		r, err := NewRegression(xs, ys, 1, 1)
		if err != nil {
			t.Fatal(err)
		}
		for done := false; !done; {
			if done, err = r.Run(steps); err != nil {
				t.Fatal(err)
			}
		}
		got[i] = r.At(xs)
	}
	if !slices.Equal(got[0], got[1]) {
		t.Errorf("in slices the curve is %v, want %v", got[1], got[0])
	}
}

// The derivatives of the surface are those of its values, and each walker goes down.
func TestHimmelblau(t *testing.T) {
	const h = 1e-5
	for _, w := range Walkers() {
		f, dx, dy := Himmelblau(w[0], w[1])
		right, _, _ := Himmelblau(w[0]+h, w[1])
		up, _, _ := Himmelblau(w[0], w[1]+h)
		if math.Abs((right-f)/h-dx) > .01 || math.Abs((up-f)/h-dy) > .01 {
			t.Errorf("at %v: derivatives %g and %g, want about %g and %g", w, dx, dy, (right-f)/h, (up-f)/h)
		}
		next := Descend(w, WalkRate)
		if lower, _, _ := Himmelblau(next[0], next[1]); lower >= f {
			t.Errorf("from %v a step leads from %g to %g, want down", w, f, lower)
		}
	}
}

func TestMix(t *testing.T) {
	got := make([]float32, 2)
	Mix(got, [2][]float32{{0, 4}, {2, 8}}, .25)
	if want := []float32{.5, 5}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
