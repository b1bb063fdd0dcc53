package combine

import (
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// One parameter at 1, pseudo-gradients 0.5 and -0.25, worked out by hand with
// short numbers: lr .1, beta1 .5, beta2 .75, tau .25 (so that v begins at
// .0625).
func TestServerKnown(t *testing.T) {
	steps := []float32{.5, -.25}
	for _, test := range []struct {
		kind   Kind
		next   []float64
		first  []float64
		second []float64
	}{
		{SGD, []float64{1.05, 1.025}, nil, nil},
		{Momentum, []float64{1.05, 1.05}, []float64{.5, 0}, nil},
		// v = .0625 + .25 = .3125, then + .0625 = .375; m = .25, then .125 - .125 = 0
		{Adagrad, []float64{1 + .025/(math.Sqrt(.3125)+.25), 1 + .025/(math.Sqrt(.3125)+.25)}, []float64{.25, 0}, []float64{.3125, .375}},
		// v = .75 x .0625 + .25 x .25 = .109375, then .75 x .109375 + .25 x .0625 = .09765625 (root .3125)
		{Adam, []float64{1 + .025/(math.Sqrt(.109375)+.25), 1 + .025/(math.Sqrt(.109375)+.25)}, []float64{.25, 0}, []float64{.109375, .09765625}},
		// v < g^2: .0625 + .25 x .25 = .125; then v > g^2: .125 - .25 x .0625 = .109375
		{Yogi, []float64{1 + .025/(math.Sqrt(.125)+.25), 1 + .025/(math.Sqrt(.125)+.25)}, []float64{.25, 0}, []float64{.125, .109375}},
	} {
		t.Run(string(test.kind), func(t *testing.T) {
			s := Server{Kind: test.kind, LR: .1, Beta1: .5, Beta2: .75, Tau: .25}
			model, state := []float32{1}, map[string][]float32{}
			for i, g := range steps {
				if err := s.Step(model, model, []float32{g}, state); err != nil {
					t.Fatal(err)
				}
				if !near(float64(model[0]), test.next[i], 1e-6) {
					t.Errorf("step %d: model %g, want %g", i+1, model[0], test.next[i])
				}
				if test.first != nil && !near(float64(state[MomentumState][0]), test.first[i], 1e-7) {
					t.Errorf("step %d: m %g, want %g", i+1, state[MomentumState][0], test.first[i])
				}
				if test.second != nil && !near(float64(state[SecondState][0]), test.second[i], 1e-7) {
					t.Errorf("step %d: v %g, want %g", i+1, state[SecondState][0], test.second[i])
				}
			}
			if want := len(s.State()); len(state) != want {
				t.Errorf("state has %d vectors, want %d", len(state), want)
			}
		})
	}
}

// Many steps follow a float64 reference written straight from Algorithm 2.
func TestServerAgainstReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := random(t)
		s := DefaultServer(rapid.SampledFrom(Kinds()).Draw(t, "kind"))
		s.LR *= rapid.Float64Range(.1, 2).Draw(t, "lr")
		d := rapid.IntRange(1, 20).Draw(t, "values")
		model := gaussian(r, 1, d, 1)[0]
		state := map[string][]float32{}
		x, m, v := make([]float64, d), make([]float64, d), make([]float64, d)
		for j := range x {
			x[j], v[j] = float64(model[j]), s.Tau*s.Tau
		}
		for range 30 {
			mean := gaussian(r, 1, d, .01)[0]
			mean[r.IntN(d)] = 0
			if err := s.Step(model, model, mean, state); err != nil {
				t.Fatal(err)
			}
			for j, g32 := range mean {
				g := float64(g32)
				switch s.Kind {
				case SGD:
					x[j] += s.LR * g
					continue
				case Momentum:
					m[j] = s.Beta1*m[j] + g
					x[j] += s.LR * m[j]
					continue
				}
				m[j] = s.Beta1*m[j] + (1-s.Beta1)*g
				switch s.Kind {
				case Adagrad:
					v[j] += g * g
				case Adam:
					v[j] = s.Beta2*v[j] + (1-s.Beta2)*g*g
				case Yogi:
					sign := 0.0
					if v[j] != g*g {
						sign = math.Copysign(1, v[j]-g*g)
					}
					v[j] -= (1 - s.Beta2) * g * g * sign
				}
				x[j] += s.LR * m[j] / (math.Sqrt(v[j]) + s.Tau)
			}
		}
		for j := range x {
			if !near(float64(model[j]), x[j], 1e-5) {
				t.Fatalf("%s: coordinate %d is %g after 30 steps, want %g", s.Kind, j, model[j], x[j])
			}
		}
	})
}

// A copy of the map from before a step takes the step back, and a step made
// again has the same bits.
func TestServerStepBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := random(t)
		s := DefaultServer(rapid.SampledFrom(Kinds()).Draw(t, "kind"))
		base := gaussian(r, 1, 10, 1)[0]
		state := map[string][]float32{}
		step := func() []float32 {
			mean := gaussian(r, 1, 10, .1)[0]
			before := maps.Clone(state)
			next, again := make([]float32, 10), slices.Clone(mean)
			if err := s.Step(next, base, mean, state); err != nil {
				t.Fatal(err)
			}
			if err := s.Step(again, base, again, before); err != nil { // next may be mean
				t.Fatal(err)
			}
			if !sameBits(next, again) {
				t.Fatalf("%s: the step taken again gives another model", s.Kind)
			}
			for _, name := range s.State() {
				if !sameBits(state[name], before[name]) {
					t.Fatalf("%s: the step taken again gives another %s", s.Kind, name)
				}
			}
			return next
		}
		for range 4 {
			base = step()
		}
	})
}

// The server optimisers with nothing but a learning rate are averaging:
// base + lr mean.
func TestServerSGDIsAveraging(t *testing.T) {
	base, mean := []float32{1, -2, .5}, []float32{.25, -.5, -.125}
	for _, s := range []Server{DefaultServer(SGD), {Kind: Momentum, LR: 1}} {
		next := make([]float32, 3)
		if err := s.Step(next, base, mean, map[string][]float32{}); err != nil {
			t.Fatal(err)
		}
		if want := []float32{1.25, -2.5, .375}; !slices.Equal(next, want) {
			t.Errorf("%s: got %v, want %v", s.Kind, next, want)
		}
	}
}

func TestServerRefuses(t *testing.T) {
	for _, kind := range Kinds() {
		if err := DefaultServer(kind).Validate(); err != nil {
			t.Errorf("the defaults of %s: %v", kind, err)
		}
	}
	wrong := Server{Kind: "adamw", LR: math.NaN(), Beta1: 1, Beta2: -.1}
	err := wrong.Validate()
	if !errors.Is(err, ErrParameter) {
		t.Fatalf("got %v, want ErrParameter", err)
	}
	for _, field := range []string{"kind", "lr", "beta1", "beta2"} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("%v says nothing of %s", err, field)
		}
	}
	if err := (Server{Kind: Adam, LR: .1}).Validate(); !errors.Is(err, ErrParameter) || !strings.Contains(err.Error(), "tau") {
		t.Errorf("tau of 0: got %v, want ErrParameter", err)
	}

	base, mean := []float32{1, 2}, []float32{1, 1}
	for name, state := range map[string]map[string][]float32{
		"m of another length": {MomentumState: {1}, SecondState: {1, 1}},
		"v of another length": {MomentumState: {1, 1}, SecondState: {1, 1, 1}},
		"v of no length":      {MomentumState: {1, 1}, SecondState: {}},
		"v below 0":           {MomentumState: {1, 1}, SecondState: {1, -1}},
		"v is NaN":            {MomentumState: {1, 1}, SecondState: {1, float32(math.NaN())}},
	} {
		next := []float32{7, 7}
		before := maps.Clone(state)
		if err := DefaultServer(Yogi).Step(next, base, mean, state); err == nil {
			t.Errorf("%s: no error", name)
		}
		if next[0] != 7 || next[1] != 7 || !maps.EqualFunc(state, before, sameBits) {
			t.Errorf("%s: the refused step changed something", name)
		}
	}
}

func BenchmarkServerStep(b *testing.B) {
	const d = 199_210
	base, mean, next := make([]float32, d), make([]float32, d), make([]float32, d)
	for i := range mean {
		mean[i] = float32(i%100-50) * 1e-4
	}
	for _, kind := range Kinds() {
		b.Run(string(kind), func(b *testing.B) {
			s, state := DefaultServer(kind), map[string][]float32{}
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Step(next, base, mean, state); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
