package learn

import (
	"errors"
	"math"
	"strings"
	"testing"
)

// Steps on the gradients of f(w) = w0^2 + 10 w1^2 from (1, 1), by the formulas of
// the papers, in float64.
func TestOptimisersFollowTheirFormulas(t *testing.T) {
	const steps, lr, mu, b2, eps = 20, .02, .9, .999, 1e-8
	gradient := func(w [2]float64) [2]float64 { return [2]float64{2 * w[0], 20 * w[1]} }
	reference := map[OptimiserKind]func(w, g, m, v *float64, t int){
		SGD:      func(w, g, _, _ *float64, _ int) { *w -= lr * *g },
		Momentum: func(w, g, m, _ *float64, _ int) { *m = mu**m + *g; *w -= lr * *m },
		Nesterov: func(w, g, m, _ *float64, _ int) { *m = mu**m + *g; *w -= lr * (*g + mu**m) },
		Adam: func(w, g, m, v *float64, t int) {
			*m, *v = mu**m+(1-mu)**g, b2**v+(1-b2)**g**g
			*w -= lr * (*m / (1 - math.Pow(mu, float64(t)))) / (math.Sqrt(*v/(1-math.Pow(b2, float64(t)))) + eps)
		},
	}
	reference[AdamW] = func(w, g, m, v *float64, t int) {
		*w -= lr * .05 * *w
		reference[Adam](w, g, m, v, t)
	}
	for kind, f := range reference {
		t.Run(kind.String(), func(t *testing.T) {
			o := Optimiser{Kind: kind}
			if kind == AdamW {
				o.WeightDecay = .05
			}
			var s stepper
			s.start(o, 2)
			w := []float32{1, 1}
			want := [2]float64{1, 1}
			var m, v [2]float64
			for step := range steps {
				g := gradient(want)
				for i := range want {
					f(&want[i], &g[i], &m[i], &v[i], step+1)
				}
				got := gradient([2]float64{float64(w[0]), float64(w[1])})
				s.step(w, []float32{float32(got[0]), float32(got[1])}, lr)
				for i := range want {
					if math.Abs(float64(w[i])-want[i]) > 1e-5 {
						t.Fatalf("step %d: w[%d] is %v, want %v", step+1, i, w[i], want[i])
					}
				}
			}
		})
	}
}

func TestClipAndDecay(t *testing.T) {
	var s stepper
	s.start(Optimiser{Clip: 5}, 2)
	w := []float32{0, 0}
	s.step(w, []float32{30, 40}, 1)
	if math.Abs(float64(w[0])+3) > 1e-5 || math.Abs(float64(w[1])+4) > 1e-5 {
		t.Errorf("a gradient of norm 50 clipped to 5 moves by %v, want -3, -4", w)
	}
	s.step(w, []float32{.3, .4}, 1)
	if math.Abs(float64(w[0])+3.3) > 1e-5 {
		t.Errorf("w: %v, want [-.3 -.4]: the gradient is below the limit", w)
	}
	s.start(Optimiser{WeightDecay: .1}, 2)
	w = []float32{10, 0}
	s.step(w, []float32{1, 0}, .5)
	if math.Abs(float64(w[0])-9) > 1e-5 {
		t.Errorf("decayed to %v, want 9", w[0])
	}
}

func TestSchedules(t *testing.T) {
	for _, c := range []struct {
		o        Optimiser
		t, total int
		want     float64
	}{
		{Optimiser{}, 99, 100, 1},
		{Optimiser{Schedule: StepDecay, Every: 10, Factor: .5}, 19, 100, .5},
		{Optimiser{Schedule: StepDecay, Every: 10, Factor: .5}, 20, 100, .25},
		{Optimiser{Schedule: Exponential, Every: 10, Factor: .5}, 5, 100, math.Sqrt(.5)},
		{Optimiser{Schedule: Cosine}, 0, 100, 1},
		{Optimiser{Schedule: Cosine}, 50, 100, .5},
		{Optimiser{Schedule: Cosine, Factor: .2}, 100, 100, .2},
		{Optimiser{Schedule: Inverse, Every: 10}, 10, 100, .5},
		{Optimiser{Warmup: 4}, 0, 100, .25},
		{Optimiser{Warmup: 4}, 3, 100, 1},
		{Optimiser{Warmup: 4, Schedule: StepDecay, Factor: .5}, 5, 100, .5},
	} {
		if got := c.o.rate(c.t, c.total); math.Abs(got-c.want) > 1e-7 {
			t.Errorf("%v at step %d of %d: %v, want %v", c.o.Schedule, c.t, c.total, got, c.want)
		}
	}
}

func TestOptimiserRefuses(t *testing.T) {
	o := Optimiser{Kind: 9, Momentum: 1, Beta2: -1, Epsilon: 2, WeightDecay: -.1, Clip: -1, Schedule: 9, Every: -1, Factor: 2, Warmup: -1}
	err := o.Validate()
	for _, want := range []string{"optimiser", "momentum is 1", "beta2", "epsilon", "weight_decay", "clip", "schedule", "every", "factor is 2", "warmup"} {
		if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}

// Training with any optimiser, on a perceptron and on a network of convolutions,
// makes the loss small and allocates nothing once it is under way.
func TestFitWithEveryOptimiser(t *testing.T) {
	for name, spec := range map[string]Spec{
		"mlp": MLP([]int{2, 2}, []int{8}, 3),
		"cnn": {Input: []int{2, 2}, Layers: []Layer{
			{Kind: Conv, Units: 8, Size: 2, Same: true, Activation: ReLU}, {Kind: MaxPool, Size: 2}, {Kind: Dropout, Rate: .1}, {Kind: Dense, Units: 3}}},
	} {
		for kind := SGD; kind <= AdamW; kind++ {
			t.Run(name+" "+kind.String(), func(t *testing.T) {
				m := must(t, spec)
				lr := map[OptimiserKind]float32{SGD: .5, Momentum: .1, Nesterov: .1, Adam: .02, AdamW: .02}[kind]
				cfg := FitConfig{Epochs: 60, Batch: 7, LR: lr, Seed: 1, Optimiser: Optimiser{Kind: kind, Warmup: 5, Schedule: Cosine, Clip: 10}}
				if kind == SGD {
					cfg.Optimiser.Clip = 0 // in place
				}
				f, params := NewFit(m), version0(m, 1)
				if err := f.Start(params, blobs(t, 40), cfg); err != nil {
					t.Fatal(err)
				}
				if _, err := f.Run(10); err != nil {
					t.Fatal(err)
				}
				if allocs := testing.AllocsPerRun(20, func() { f.Run(1) }); allocs > 0 {
					t.Errorf("a step allocates %v times", allocs)
				}
				if done, err := f.Run(math.MaxInt); err != nil || !done {
					t.Fatal(done, err)
				}
				s, err := Evaluate(m, params, blobs(t, 40), 1)
				if err != nil {
					t.Fatal(err)
				}
				if s.Correct < 36 {
					t.Errorf("%d of %d right after training, loss %v", s.Correct, s.Examples, s.Loss/40)
				}
			})
		}
	}
}

// Training that diverges returns ErrDiverged and leaves finite parameters.
func TestDivergedKeepsGoodParameters(t *testing.T) {
	m := must(t, MLP([]int{2, 2}, []int{8}, 3))
	f, params := NewFit(m), version0(m, 1)
	if err := f.Start(params, blobs(t, 40), FitConfig{Epochs: 50, Batch: 4, LR: 1e30, Seed: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Run(math.MaxInt); !errors.Is(err, ErrDiverged) {
		t.Fatalf("got %v, want ErrDiverged", err)
	}
	for i, v := range params {
		if v-v != 0 {
			t.Fatalf("parameter %d is %v", i, v)
		}
	}
}
