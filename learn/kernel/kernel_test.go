package kernel

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// version is one implementation of the kernels that have several.
type version struct {
	name              string
	forward           func(y, x, w, b []float32, rows, in, out int, relu bool)
	inputGradient     func(dx, dy, w []float32, rows, in, out int)
	addWeightGradient func(w []float32, alpha float32, x, dy []float32, rows, in, out int)
	addColumnSums     func(b []float32, alpha float32, dy []float32, rows, out int)
	axpy              func(y []float32, alpha float32, x []float32)
	dot               func(x, y []float32) float64
}

// versions returns all implementations that can run here: the scalar one, and
// the exported functions with each of the vector versions.
func versions() []version {
	all := []version{{"scalar", scalarForward, scalarInputGradient, scalarAddWeightGradient, scalarAddColumnSums, scalarAxpy, scalarDot}}
	return append(all, vectorVersions()...)
}

// guarded returns a slice of n elements with guards around it, at a drawn offset
// from an aligned address, and a check that the guards are unchanged.
func guarded(t *rapid.T, n int) ([]float32, func()) {
	const guard = 12345
	pad := rapid.IntRange(1, 20).Draw(t, "pad")
	mem := make([]float32, pad+n+20)
	for i := range mem {
		mem[i] = guard
	}
	return mem[pad:][:n:n], func() {
		t.Helper()
		for i, v := range mem {
			if (i < pad || i >= pad+n) && v != guard {
				t.Fatalf("wrote beyond the slice, at %d of [0, %d)", i-pad, n)
			}
		}
	}
}

// fill draws a seed and not every element, which would be slow.
func fill(t *rapid.T, x []float32, label string) {
	state := rapid.Uint64().Draw(t, label)
	zeros := rapid.SampledFrom([]uint64{0, 50, 80, 100}).Draw(t, label+" zeros")
	for i := range x {
		state = state*6364136223846793005 + 1442695040888963407
		x[i] = float32(int32(state>>32)) / (1 << 31)
		if state>>16%100 < zeros {
			x[i] = 0
		}
	}
}

func dim(t *rapid.T, label string) int {
	return rapid.OneOf(rapid.IntRange(1, 40), rapid.IntRange(41, 150)).Draw(t, label)
}

// shape draws the shape of a product. Some are so large that their operands are packed or
// fetched ahead.
func shape(t *rapid.T) (rows, in, out int) {
	if rapid.IntRange(0, 19).Draw(t, "large") == 0 {
		s := rapid.SampledFrom([][3]int{{7, 523, 641}, {340, 211, 53}}).Draw(t, "shape")
		return s[0], s[1], s[2]
	}
	return dim(t, "rows"), dim(t, "in"), dim(t, "out")
}

// near fails unless got is want up to the rounding of a sum of n terms in [-1, 1].
func near(t *rapid.T, what string, got, want []float32, n int) {
	t.Helper()
	tol := 1e-6 * (1 + float64(n))
	for i := range want {
		if d := math.Abs(float64(got[i]) - float64(want[i])); !(d <= tol) {
			t.Fatalf("%s: element %d is %v, want %v", what, i, got[i], want[i])
		}
	}
}

// The reference computes in float64, by the loops of the documentation.
func refForward(x, w, b []float32, rows, in, out int, relu bool) []float32 {
	y := make([]float32, rows*out)
	for r := range rows {
		for o := range out {
			sum := float64(b[o])
			for i := range in {
				sum += float64(x[r*in+i]) * float64(w[i*out+o])
			}
			if relu && sum < 0 {
				sum = 0
			}
			y[r*out+o] = float32(sum)
		}
	}
	return y
}

func refInputGradient(dy, w []float32, rows, in, out int) []float32 {
	dx := make([]float32, rows*in)
	for r := range rows {
		for i := range in {
			var sum float64
			for o := range out {
				sum += float64(dy[r*out+o]) * float64(w[i*out+o])
			}
			dx[r*in+i] = float32(sum)
		}
	}
	return dx
}

func refAddWeightGradient(w []float32, alpha float32, x, dy []float32, rows, in, out int) {
	for i := range in {
		for o := range out {
			var sum float64
			for r := range rows {
				sum += float64(x[r*in+i]) * float64(dy[r*out+o])
			}
			w[i*out+o] += float32(float64(alpha) * sum)
		}
	}
}

// each runs a property on every version.
func each(t *testing.T, property func(*rapid.T, version)) {
	for _, v := range versions() {
		t.Run(v.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) { property(t, v) })
		})
	}
}

func TestForward(t *testing.T) {
	each(t, func(t *rapid.T, v version) {
		rows, in, out := shape(t)
		relu := rapid.Bool().Draw(t, "relu")
		x, _ := guarded(t, rows*in)
		w, _ := guarded(t, in*out)
		b, _ := guarded(t, out)
		y, intact := guarded(t, rows*out)
		fill(t, x, "x")
		fill(t, w, "w")
		fill(t, b, "b")
		v.forward(y, x, w, b, rows, in, out, relu)
		intact()
		near(t, "y", y, refForward(x, w, b, rows, in, out, relu), in)
	})
}

// Sums longer than listLen, tileInputs and tileRows, which the vector versions split.
func TestLongSums(t *testing.T) {
	const rows, long, out = 6, 2100, 19
	for _, v := range versions() {
		for _, every := range []int{1, 3} { // one element in every is nonzero
			x, w := make([]float32, rows*long), make([]float32, long*out)
			for i := 0; i < len(x); i += every {
				x[i] = float32(i*7919%1009)/1009 - 0.5
			}
			for i := range w {
				w[i] = float32(i*104729%1013)/1013 - 0.5
			}
			b := w[:out]
			check := func(what string, got, want []float32) {
				t.Helper()
				for i := range want {
					if math.Abs(float64(got[i]-want[i])) > 1e-3 {
						t.Errorf("%s, %s, every %d: element %d is %v, want %v", v.name, what, every, i, got[i], want[i])
						return
					}
				}
			}
			y := make([]float32, rows*out)
			v.forward(y, x, w, b, rows, long, out, true)
			check("forward", y, refForward(x, w, b, rows, long, out, true))

			// The same numbers as rows of another shape: [long, rows].
			g, want := make([]float32, rows*out), make([]float32, rows*out)
			v.addWeightGradient(g, 1, x, w, long, rows, out)
			refAddWeightGradient(want, 1, x, w, long, rows, out)
			check("addWeightGradient", g, want)

			sums, ones := make([]float32, out), make([]float32, long)
			for i := range ones {
				ones[i] = 1
			}
			want = make([]float32, out)
			v.addColumnSums(sums, 1, w, long, out)
			refAddWeightGradient(want, 1, ones, w, long, 1, out)
			check("addColumnSums", sums, want)
		}
	}
}

func TestInputGradient(t *testing.T) {
	each(t, func(t *rapid.T, v version) {
		rows, in, out := shape(t)
		dy, _ := guarded(t, rows*out)
		w, _ := guarded(t, in*out)
		dx, intact := guarded(t, rows*in)
		fill(t, dy, "dy")
		fill(t, w, "w")
		v.inputGradient(dx, dy, w, rows, in, out)
		intact()
		near(t, "dx", dx, refInputGradient(dy, w, rows, in, out), out)
	})
}

func TestAddWeightGradient(t *testing.T) {
	each(t, func(t *rapid.T, v version) {
		rows, in, out := shape(t)
		alpha := rapid.SampledFrom([]float32{1, -0.1, 0.5}).Draw(t, "alpha")
		x, _ := guarded(t, rows*in)
		dy, _ := guarded(t, rows*out)
		w, intact := guarded(t, in*out)
		fill(t, x, "x")
		fill(t, dy, "dy")
		fill(t, w, "w")
		want := append([]float32(nil), w...)
		refAddWeightGradient(want, alpha, x, dy, rows, in, out)
		v.addWeightGradient(w, alpha, x, dy, rows, in, out)
		intact()
		near(t, "w", w, want, rows)
	})
}

func TestAxpyAndDot(t *testing.T) {
	each(t, func(t *rapid.T, v version) {
		n := rapid.OneOf(rapid.IntRange(0, 70), rapid.IntRange(250, 2100)).Draw(t, "n")
		x, _ := guarded(t, n)
		y, intact := guarded(t, n)
		fill(t, x, "x")
		fill(t, y, "y")
		want := make([]float32, n)
		var dot float64
		for i := range x {
			dot += float64(x[i]) * float64(y[i])
			want[i] = y[i] + 0.3*x[i]
		}
		if got := v.dot(x, y); math.Abs(got-dot) > 1e-6*float64(n) {
			t.Fatalf("dot is %v, want %v", got, dot)
		}
		v.axpy(y, 0.3, x)
		intact()
		near(t, "y", y, want, 1)
	})
}

// NaN reaches the output; otherwise divergence would not be detected.
func TestForwardKeepsNaN(t *testing.T) {
	for _, v := range versions() {
		for _, out := range []int{1, 10, 40} {
			nan := float32(math.NaN())
			x, w, b := []float32{1, nan}, make([]float32, 2*out), make([]float32, out)
			y := make([]float32, out)
			v.forward(y, x, w, b, 1, 2, out, true)
			for o, got := range y {
				if got == got {
					t.Errorf("%s, %d outputs: output %d is %v, want NaN", v.name, out, o, got)
				}
			}
		}
	}
}

// The same input gives the same bits at every alignment.
func TestAlignmentDoesNotMatter(t *testing.T) {
	each(t, func(t *rapid.T, v version) {
		rows, in, out := shape(t)
		run := func() []float32 {
			x, _ := guarded(t, rows*in)
			w, _ := guarded(t, in*out)
			b, _ := guarded(t, out)
			y, _ := guarded(t, rows*out)
			dx, _ := guarded(t, rows*in)
			for i := range x {
				x[i] = float32(i*7919%1009)/1009 - 0.5
			}
			for i := range w {
				w[i] = float32(i*104729%1013)/1013 - 0.5
			}
			clear(b)
			v.forward(y, x, w, b, rows, in, out, true)
			v.inputGradient(dx, y, w, rows, in, out)
			v.addWeightGradient(w, -0.1, x, y, rows, in, out)
			return append(append(append([]float32(nil), y...), dx...), w...)
		}
		a, b := run(), run()
		for i := range a {
			if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
				t.Fatalf("number %d is %v and %v", i, a[i], b[i])
			}
		}
	})
}

func TestBackReLU(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := dim(t, "n")
		x, y := make([]float32, n), make([]float32, n)
		fill(t, x, "x")
		fill(t, y, "y")
		atEachLevel(func(level string) {
			dst, intact := guarded(t, n)
			copy(dst, x)
			BackReLU(dst, y)
			intact()
			for i := range x {
				want := x[i]
				if y[i] <= 0 {
					want = 0
				}
				if dst[i] != want {
					t.Fatalf("%s: element %d is %v, want %v", level, i, dst[i], want)
				}
			}
		})
	})
}

func TestAddColumnSums(t *testing.T) {
	each(t, func(t *rapid.T, v version) {
		rows, out := dim(t, "rows"), dim(t, "out")
		dy, _ := guarded(t, rows*out)
		b, intact := guarded(t, out)
		fill(t, dy, "dy")
		fill(t, b, "b")
		want := make([]float32, out)
		for o := range want {
			var sum float64
			for r := range rows {
				sum += float64(dy[r*out+o])
			}
			want[o] = float32(float64(b[o]) + 0.5*sum)
		}
		v.addColumnSums(b, 0.5, dy, rows, out)
		intact()
		near(t, "b", b, want, rows)
	})
}

// Values by hand: the softmax of (0, ln 2, ln 3) is (1, 2, 3)/6.
func TestSoftmaxCrossEntropyByHand(t *testing.T) {
	z := []float32{0, float32(math.Ln2), float32(math.Log(3)), 5, 5, 5}
	dz := make([]float32, 6)
	loss, correct := SoftmaxCrossEntropy(dz, z, []float32{1, 0}, 3, 0.5)
	if want := math.Log(3) + math.Log(3); math.Abs(loss-want) > 1e-6 {
		t.Errorf("loss is %v, want %v", loss, want)
	}
	if correct != 1 { // of the three equal logits the first counts
		t.Errorf("%d correct, want 1", correct)
	}
	for i, want := range []float64{1. / 12, 1./6 - .5, 1. / 4, 1./6 - .5, 1. / 6, 1. / 6} {
		if math.Abs(float64(dz[i])-want) > 1e-6 {
			t.Errorf("dz[%d] is %v, want %v", i, dz[i], want)
		}
	}
	if got, _ := SoftmaxCrossEntropy(nil, z, []float32{1, 0}, 3, 0); got != loss {
		t.Errorf("loss without gradient is %v, want %v", got, loss)
	}
	if SoftmaxCrossEntropy(z, z, []float32{1, 0}, 3, 0.5); z[0] != dz[0] || z[5] != dz[5] {
		t.Errorf("in place the gradient is %v, want %v", z, dz)
	}
}

func TestSoftmaxCrossEntropyExtremes(t *testing.T) {
	loss, _ := SoftmaxCrossEntropy(nil, []float32{1e30, -1e30}, []float32{0}, 2, 0)
	if loss != 0 {
		t.Errorf("loss of a correct answer with probability 1 is %v, want 0", loss)
	}
	loss, _ = SoftmaxCrossEntropy(nil, []float32{float32(math.NaN()), 0}, []float32{0}, 2, 0)
	if !math.IsNaN(loss) {
		t.Errorf("loss of a NaN is %v, want NaN", loss)
	}
}

func TestShortSlicesPanic(t *testing.T) {
	long, short := make([]float32, 100), make([]float32, 11)
	for name, f := range map[string]func(){
		"forward, y":  func() { Forward(short, long, long, long, 3, 4, 4, false) },
		"forward, x":  func() { Forward(long, short, long, long, 3, 4, 4, false) },
		"forward, w":  func() { Forward(long, long, short, long, 3, 4, 4, false) },
		"forward, b":  func() { Forward(long, long, long, short[:3], 3, 4, 4, false) },
		"input, dx":   func() { InputGradient(short, long, long, 3, 4, 4) },
		"weight, w":   func() { AddWeightGradient(short, 1, long, long, 3, 4, 4) },
		"weight, dy":  func() { AddWeightGradient(long, 1, long, short, 3, 4, 4) },
		"axpy":        func() { Axpy(long, 1, short) },
		"dot":         func() { Dot(long, short) },
		"column sums": func() { AddColumnSums(long, 1, short, 3, 4) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			// The slices' capacity must not hide that they are too short.
			f()
		})
	}
}

// BenchmarkGEMM multiplies matrices without zeros: large ones, which show the
// peak, those of the 2NN, and that of a CNN's second convolution.
func BenchmarkGEMM(b *testing.B) {
	for _, s := range []struct{ rows, in, out int }{
		{256, 256, 256}, {512, 512, 512},
		{10, 784, 200}, {32, 784, 200}, {128, 784, 200}, {10, 200, 200}, {10, 200, 10},
		{196, 800, 64},
	} {
		x := make([]float32, s.rows*s.in)
		w := make([]float32, s.in*s.out)
		y := make([]float32, s.rows*s.out)
		bias := make([]float32, s.out)
		for i := range x {
			x[i] = float32(i%7) + 1
		}
		for i := range w {
			w[i] = 1e-3 * float32(i%5)
		}
		for i := range y {
			y[i] = 1e-6
		}
		run := func(name string, f func()) {
			b.Run(fmt.Sprintf("%s/%dx%dx%d", name, s.rows, s.in, s.out), func(b *testing.B) {
				for b.Loop() {
					f()
				}
				flop := 2 * float64(s.rows) * float64(s.in) * float64(s.out) * float64(b.N)
				b.ReportMetric(flop/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
		run("weight", func() { AddWeightGradient(w, -1e-9, x, y, s.rows, s.in, s.out) })
		run("input", func() { InputGradient(x, y, w, s.rows, s.in, s.out) })
		for i := range x {
			x[i] = float32(i%7) + 1
		}
		run("forward", func() { Forward(y, x, w, bias, s.rows, s.in, s.out, true) })
	}
}

// BenchmarkSparse multiplies a batch of which one value in five is not zero, as in MNIST,
// with the vectors of each kind that this processor has.
func BenchmarkSparse(b *testing.B) {
	const rows, in, out = 32, 784, 200
	x, w, y, bias := make([]float32, rows*in), make([]float32, in*out), make([]float32, rows*out), make([]float32, out)
	for i := 0; i < len(x); i += 5 {
		x[i] = float32(i%7) + 1
	}
	for i := range w {
		w[i] = 1e-3 * float32(i%5)
	}
	atEachLevel(func(level string) {
		b.Run("forward/"+level, func(b *testing.B) {
			for b.Loop() {
				Forward(y, x, w, bias, rows, in, out, true)
			}
		})
		b.Run("weight/"+level, func(b *testing.B) {
			for b.Loop() {
				AddWeightGradient(w, -1e-9, x, y, rows, in, out)
			}
		})
	})
}
