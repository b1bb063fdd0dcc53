package learn

import (
	"encoding/json"
	"math"
	"os"
	"strconv"
	"testing"
)

// sequence is the formula of testdata/oracle.py.
func sequence(n, seed int, scale float64) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(float64((i*7919+seed)%1000-500) / 500 * scale)
	}
	return x
}

// Losses and gradients are PyTorch's, computed once in float64 by
// testdata/oracle.py.
func TestAgainstTorch(t *testing.T) {
	b, err := os.ReadFile("testdata/oracle.json")
	if err != nil {
		t.Fatal(err)
	}
	var oracle struct {
		Cases map[string]struct {
			Loss, Norm float64
			Penalty    float64
			At         map[string]float64
		}
		Steps map[string][]float64
	}
	if err := json.Unmarshal(b, &oracle); err != nil {
		t.Fatal(err)
	}
	mlp := func(a Activation) Spec {
		return Spec{Input: []int{6}, Layers: []Layer{{Kind: Dense, Units: 5, Activation: a}, {Kind: Dense, Units: 3}}}
	}
	one := func(l Loss) Spec {
		return Spec{Input: []int{6}, Layers: []Layer{{Kind: Dense, Units: 1}}, Loss: l, Epsilon: .25}
	}
	three := Layer{Kind: Dense, Units: 3}
	images := func(ls ...Layer) Spec { return Spec{Input: []int{7, 6, 2}, Layers: append(ls, three)} }
	small := Layer{Kind: Conv, Units: 4, Size: 2}
	penalised := func(s Spec, l1, l2 float32) Spec { s.L1, s.L2 = l1, l2; return s }
	features := Layer{Kind: RBF, Units: 20, Gamma: .25, Seed: 5}
	specs := map[string]Spec{
		"mlp relu": mlp(ReLU), "mlp gelu": mlp(GELU), "mlp tanh": mlp(Tanh), "mlp sigmoid": mlp(Sigmoid),
		"cnn valid":  {Input: []int{7, 6, 2}, Layers: []Layer{{Kind: Conv, Units: 4, Size: 3, Activation: ReLU}, {Kind: MaxPool, Size: 2}, {Kind: Dense, Units: 3}}},
		"cnn same":   {Input: []int{6, 6, 2}, Layers: []Layer{{Kind: Conv, Units: 4, Size: 3, Same: true, Activation: Tanh}, {Kind: AveragePool, Size: 2}, {Kind: Dense, Units: 3}}},
		"cnn stride": {Input: []int{7, 7, 1}, Layers: []Layer{{Kind: Conv, Units: 4, Size: 3, Stride: 2, Activation: ReLU}, {Kind: Dense, Units: 3}}},
		"logistic":   one(Logistic), "hinge": one(Hinge), "squared": one(Squared), "absolute": one(Absolute), "epsilon-insensitive": one(EpsilonInsensitive),
		"logistic, three classes":      {Input: []int{6}, Layers: []Layer{three}, Loss: Logistic},
		"hinge, three classes":         {Input: []int{6}, Layers: []Layer{three}, Loss: Hinge},
		"penalties":                    penalised(mlp(ReLU), .01, .1),
		"svm":                          penalised(one(Hinge), 0, .1),
		"svr":                          {Input: []int{6}, Layers: []Layer{features, {Kind: Dense, Units: 1}}, Loss: EpsilonInsensitive, Epsilon: .25, L2: .1},
		"rbf in the middle":            {Input: []int{6}, Layers: []Layer{{Kind: Dense, Units: 5}, features, three}},
		"dropout":                      {Input: []int{6}, Layers: []Layer{{Kind: Dropout, Rate: .25}, {Kind: Dense, Units: 5, Activation: Tanh}, {Kind: Dropout, Rate: .5}, three}},
		"cnn even window":              images(Layer{Kind: Conv, Units: 4, Size: 4, Same: true, Activation: GELU}),
		"cnn same stride":              images(Layer{Kind: Conv, Units: 4, Size: 3, Stride: 2, Same: true, Activation: ReLU}),
		"cnn even window, same stride": images(Layer{Kind: Conv, Units: 4, Size: 4, Stride: 3, Same: true, Activation: ReLU}),
		"maxpool overlapping":          images(small, Layer{Kind: MaxPool, Size: 3, Stride: 2}),
		"avgpool overlapping":          images(small, Layer{Kind: AveragePool, Size: 3, Stride: 2}),
		"maxpool same":                 images(small, Layer{Kind: MaxPool, Size: 3, Stride: 2, Same: true}),
		"avgpool same":                 images(small, Layer{Kind: AveragePool, Size: 3, Stride: 2, Same: true}),
		"two convs":                    images(Layer{Kind: Conv, Units: 3, Size: 3, Activation: Tanh}, Layer{Kind: Conv, Units: 5, Size: 2, Activation: Sigmoid}),
		"pool first":                   images(Layer{Kind: MaxPool, Size: 2}),
	}
	for name, want := range oracle.Cases {
		t.Run(name, func(t *testing.T) {
			const n = 4
			m := must(t, specs[name])
			params := sequence(m.Layout().Size, 17, .3)
			x, y := sequence(n*specs[name].Features(), 5, 1), sequence(n, 3, 1)
			if c := specs[name].Classes(); c > 0 {
				for i := range y {
					y[i] = float32((3*i + 1) % c)
				}
			}
			grad := make([]float32, len(params))
			w := m.NewWorker(n)
			w.Seed(7) // of dropout
			sums := w.Gradient(grad, params, x, y)
			if math.Abs(sums.Loss-want.Loss) > 1e-5*want.Loss {
				t.Errorf("loss %v, want %v", sums.Loss, want.Loss)
			}
			if got := m.Penalty(params); math.Abs(got-want.Penalty) > 1e-5*want.Penalty {
				t.Errorf("penalty %v, want %v", got, want.Penalty)
			}
			var norm float64
			for _, g := range grad {
				norm += float64(g) * float64(g)
			}
			if norm = math.Sqrt(norm); math.Abs(norm-want.Norm) > 1e-5*want.Norm {
				t.Errorf("the gradient's norm is %v, want %v", norm, want.Norm)
			}
			for at, g := range want.At {
				i, err := strconv.Atoi(at)
				if err != nil {
					t.Fatal(err)
				}
				if math.Abs(float64(grad[i])-g) > 1e-5*(want.Norm+math.Abs(g)) {
					t.Errorf("gradient %d is %v, want %v", i, grad[i], g)
				}
			}
		})
	}
	if len(oracle.Cases) != len(specs) {
		t.Errorf("%d cases, want %d", len(oracle.Cases), len(specs))
	}
	for name, o := range map[string]Optimiser{
		"momentum": {Kind: Momentum}, "nesterov": {Kind: Nesterov}, "sgd, decay": {WeightDecay: .05},
		"adam": {Kind: Adam}, "adam, decay": {Kind: Adam, WeightDecay: .05}, "adamw": {Kind: AdamW, WeightDecay: .05},
	} {
		var s stepper
		s.start(o, 3)
		w := []float32{1, 2, 3}
		for range 5 {
			s.step(w, []float32{w[0], w[1] * -.5, w[2] * .25}, .1)
		}
		for i, want := range oracle.Steps[name] {
			if math.Abs(float64(w[i])-want) > 1e-5 {
				t.Errorf("%s: after five steps w[%d] is %v, want %v", name, i, w[i], want)
			}
		}
		if len(oracle.Steps[name]) != 3 {
			t.Errorf("%s is not in the oracle's file", name)
		}
	}
}
