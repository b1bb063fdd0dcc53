package combine

import (
	"testing"

	"pgregory.net/rapid"
)

func TestNorms(t *testing.T) {
	for _, test := range []struct {
		name      string
		got, want float64
	}{
		{"three plain steps", SGDNorm(3), 3},
		{"momentum .5: 1 + 1.5 + 1.75", MomentumNorm(3, .5), 4.25},
		{"one step with momentum", MomentumNorm(1, .9), 1},
		{"momentum 0", MomentumNorm(7, 0), 7},
		{"proximal .5: 1 + .5 + .25", ProximalNorm(3, .5), 1.75},
		{"proximal 0", ProximalNorm(7, 0), 7},
	} {
		if !near(test.got, test.want, 1e-14) {
			t.Errorf("%s: got %g, want %g", test.name, test.got, test.want)
		}
	}
}

// The norms are what local training on a gradient that never changes makes of
// it: delta = -lr a g. With the proximal term the model is drawn to where it
// began.
func TestNormsByTraining(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		steps := rapid.IntRange(1, 300).Draw(t, "steps")
		rho := rapid.Float64Range(0, .99).Draw(t, "rho")
		lr := rapid.Float64Range(.01, 1).Draw(t, "lr")
		mu := rapid.Float64Range(0, .9).Draw(t, "mu")
		var w, v, p float64
		for range steps {
			v = rho*v + 1
			w -= lr * v
			p -= lr * (1 + mu*p)
		}
		if a := MomentumNorm(steps, rho); !near(a, -w/lr, 1e-9) {
			t.Fatalf("momentum %g, %d steps: got %g, want %g", rho, steps, a, -w/lr)
		}
		if a := ProximalNorm(steps, lr*mu); !near(a, -p/lr, 1e-9) {
			t.Fatalf("lr mu = %g, %d steps: got %g, want %g", lr*mu, steps, a, -p/lr)
		}
	})
}

// Two clients by hand: 100 examples and 1 step, 300 examples and 4 steps.
func TestNovaKnown(t *testing.T) {
	// p = .25, .75; effective steps .25 + 3 = 3.25; direction .25 x 1/1 + .75 x 8/4 = 1.75
	w := []float64{NovaWeight(100, 1), NovaWeight(300, 4)} // 100, 75
	mean := (w[0]*1 + w[1]*8) / (w[0] + w[1])
	if got := NovaRate([]float64{100, 300}, []float64{1, 4}, w[0]+w[1]) * mean; !near(got, 3.25*1.75, 1e-14) {
		t.Errorf("got %g, want %g", got, 3.25*1.75)
	}
}
