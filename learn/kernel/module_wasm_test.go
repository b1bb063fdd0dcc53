package kernel

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// vectorVersions are those of the module that is bound.
func vectorVersions() []version {
	if level == absent {
		return nil
	}
	return []version{{Name(), Forward, InputGradient, AddWeightGradient, AddColumnSums, Axpy, Dot}}
}

// atEachLevel calls f with every level that can run here.
func atEachLevel(f func(level string)) {
	with := level
	defer func() { level = with }()
	level = absent
	f(Name())
	if with != absent {
		level = with
		f(Name())
	}
}

// Without relaxed instructions, which round as the processor likes, every product has the
// bits of scalar Go.
func TestModuleHasTheBitsOfScalarGo(t *testing.T) {
	if level == relaxed {
		return
	}
	rapid.Check(t, func(t *rapid.T) {
		rows, in, out := shape(t)
		relu := rapid.Bool().Draw(t, "relu")
		x, w, b, dy := make([]float32, rows*in), make([]float32, in*out), make([]float32, out), make([]float32, rows*out)
		for name, values := range map[string][]float32{"x": x, "w": w, "b": b, "dy": dy} {
			fill(t, values, name)
		}
		same := func(what string, of int, module, scalar func(to []float32)) {
			t.Helper()
			got, want := make([]float32, of), make([]float32, of)
			for i := range got {
				got[i] = float32(i%7) / 8
			}
			copy(want, got)
			module(got)
			scalar(want)
			for i := range want {
				if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
					t.Fatalf("%s, [%d, %d, %d]: element %d is %v, want %v", what, rows, in, out, i, got[i], want[i])
				}
			}
		}
		same("forward", rows*out, func(y []float32) { Forward(y, x, w, b, rows, in, out, relu) }, func(y []float32) { scalarForward(y, x, w, b, rows, in, out, relu) })
		same("input gradient", rows*in, func(dx []float32) { InputGradient(dx, dy, w, rows, in, out) }, func(dx []float32) { scalarInputGradient(dx, dy, w, rows, in, out) })
		same("weight gradient", in*out, func(g []float32) { AddWeightGradient(g, -.1, x, dy, rows, in, out) }, func(g []float32) { scalarAddWeightGradient(g, -.1, x, dy, rows, in, out) })
		same("column sums", out, func(s []float32) { AddColumnSums(s, -.1, dy, rows, out) }, func(s []float32) { scalarAddColumnSums(s, -.1, dy, rows, out) })
		same("axpy", rows*out, func(y []float32) { Axpy(y, .3, dy) }, func(y []float32) { scalarAxpy(y, .3, dy) })
	})
}

// Exponentials have the bits of scalar Go, on both modules.
func TestExpsHaveTheBitsOfScalarGo(t *testing.T) {
	if level == absent {
		return
	}
	inf := float32(math.Inf(-1))
	kinds := []*rapid.Generator[float32]{
		rapid.Float32Range(-40, 0), rapid.Float32Range(-1e-8, 0), rapid.Float32Range(-800, -80), // also around 0 and the smallest float32
		rapid.SampledFrom([]float32{0, -1. / (1 << 28), -3. / (1 << 54), -math.Ln2, -math.MaxFloat32, inf, float32(math.NaN())}),
	}
	rapid.Check(t, func(t *rapid.T) {
		max := rapid.SampledFrom([]float32{0, 1, -7.5, 1e30}).Draw(t, "max")
		z := rapid.SliceOfN(rapid.OneOf(kinds...), 1, 21).Draw(t, "z")
		for i := range z {
			z[i] += max
		}
		z[rapid.IntRange(0, len(z)-1).Draw(t, "largest")] = max
		want := make([]float32, len(z))
		got, intact := guarded(t, len(z))
		copy(got, z)
		wantSum := scalarExps(want, z, max)
		for name, sum := range map[string]float64{"alone": exps(nil, z, max), "in place": exps(got, got, max)} {
			if math.Float64bits(sum) != math.Float64bits(wantSum) && !(sum != sum && wantSum != wantSum) {
				t.Errorf("%s: the sum is %v, want %v", name, sum, wantSum)
			}
		}
		intact()
		for i, v := range want {
			if math.Float32bits(got[i]) != math.Float32bits(v) && !(got[i] != got[i] && v != v) {
				t.Errorf("exp(%v - %v) is %v, want %v", z[i], max, got[i], v)
			}
		}
	})
}
