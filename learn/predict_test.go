package learn

import (
	"errors"
	"math"
	"testing"
)

func TestOutputs(t *testing.T) {
	m, err := New(MLP([]int{3}, []int{5}, 4))
	if err != nil {
		t.Fatal(err)
	}
	params := make([]float32, m.Layout().Size)
	m.Init(params, 1)
	const n = 600 // several blocks
	x := make([]float32, 3*n)
	for i := range x {
		x[i] = float32(i%17) / 4
	}
	got, err := Outputs(m, params, x)
	if err != nil || len(got) != 4*n {
		t.Fatalf("%d outputs, %v", len(got), err)
	}
	w := m.NewWorker(1)
	for i := range n {
		w.Evaluate(params, x[3*i:][:3], []float32{0})
		for c, want := range w.Outputs() {
			if z := got[4*i+c]; math.Abs(float64(z-want)) > 1e-5 {
				t.Fatalf("output %d of example %d: %v, want %v", c, i, z, want)
			}
		}
	}
	for _, bad := range [][2][]float32{{params[1:], x}, {params, x[1:]}} {
		if _, err := Outputs(m, bad[0], bad[1]); !errors.Is(err, ErrConfig) {
			t.Errorf("%d parameters and %d values: %v, want ErrConfig", len(bad[0]), len(bad[1]), err)
		}
	}
}

func TestScores(t *testing.T) {
	sig := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	for _, c := range []struct {
		name string
		loss Loss
		z    []float32
		want []float64
	}{
		{"softmax", Softmax, []float32{1, 2, 3}, []float64{.09003057, .24472847, .66524096}}, // scipy.special.softmax
		{"softmax of large outputs", Softmax, []float32{1e30, 1e30}, []float64{.5, .5}},
		{"logistic", Logistic, []float32{2}, []float64{sig(-2), sig(2)}},
		{"one-vs-rest", Logistic, []float32{2, -1, 0}, []float64{sig(2) / (sig(2) + sig(-1) + .5), sig(-1) / (sig(2) + sig(-1) + .5), .5 / (sig(2) + sig(-1) + .5)}},
		{"one-vs-rest, all far below 0", Logistic, []float32{-1e4, -1e4, -2e4}, []float64{.5, .5, 0}},
		{"hinge", Hinge, []float32{-3}, []float64{3, -3}},
		{"hinge of several", Hinge, []float32{-3, 2, 1}, []float64{-3, 2, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := MLP([]int{1}, nil, len(c.z))
			s.Loss = c.loss
			got := make([]float64, s.Classes())
			s.Scores(got, c.z)
			for i, want := range c.want {
				if !(math.Abs(got[i]-want) < 1e-7) {
					t.Fatalf("%v, want %v", got, c.want)
				}
			}
			if s.HasProbabilities() != (c.loss != Hinge) {
				t.Error("a support vector machine has no probabilities, the others have")
			}
		})
	}
}
