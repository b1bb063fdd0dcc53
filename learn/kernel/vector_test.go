package kernel

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestElementwise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.OneOf(rapid.IntRange(0, 70), rapid.IntRange(250, 1100)).Draw(t, "n")
		x, _ := guarded(t, n)
		y, _ := guarded(t, n)
		dst, intact := guarded(t, n)
		fill(t, x, "x")
		fill(t, y, "y")
		atEachLevel(func(level string) {
			Sub(dst, x, y)
			var dist, norm float64
			for i := range x {
				if got, want := dst[i], x[i]-y[i]; got != want {
					t.Fatalf("%s: Sub: element %d is %v, want %v", level, i, got, want)
				}
				dist += float64(dst[i]) * float64(dst[i])
				norm += float64(x[i]) * float64(x[i])
			}
			if got := SquaredDistance(x, y); math.Abs(got-dist) > 1e-5*dist {
				t.Fatalf("%s: SquaredDistance is %v, want %v", level, got, dist)
			}
			if got := SquaredNorm(x); math.Abs(got-norm) > 1e-5*norm {
				t.Fatalf("%s: SquaredNorm is %v, want %v", level, got, norm)
			}
			copy(dst, x)
			Scale(dst, -3)
			for i := range x {
				if got, want := dst[i], -3*x[i]; got != want {
					t.Fatalf("%s: Scale: element %d is %v, want %v", level, i, got, want)
				}
			}
		})
		intact()
	})
}

func TestMagnitude(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := dim(t, "n")
		x, _ := guarded(t, n)
		fill(t, x, "x")
		if n > 0 {
			odd := rapid.SampledFrom([]float64{0, 1e-42, -math.MaxFloat32, math.Inf(-1), math.NaN()})
			x[rapid.IntRange(0, n-1).Draw(t, "where")] = float32(odd.Draw(t, "odd"))
		}
		var want float64
		for _, v := range x {
			want = max(want, math.Abs(float64(v)))
		}
		atEachLevel(func(level string) {
			if got := float64(Magnitude(x)); got != want && (got == got || want == want) {
				t.Fatalf("%s: magnitude is %v, want %v", level, got, want)
			}
		})
	})
}

// Every level rounds alike, ties to even.
func TestAddFixed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, _ := guarded(t, dim(t, "n"))
		fill(t, x, "x")
		factor := rapid.SampledFrom([]float64{1, 1024, 1e6 / 3, 1 << 31, 1 << 61}).Draw(t, "factor")
		if factor == 1 { // halves
			for i := range x {
				x[i] = float32(math.Round(float64(x[i])*100)) / 2
			}
		}
		const before = -1 << 61
		want := make([]int64, len(x))
		for i := range want {
			want[i] = before + int64(math.RoundToEven(float64(x[i])*factor))
		}
		atEachLevel(func(level string) {
			got := slices.Repeat([]int64{before}, len(x)+1)
			AddFixed(got[:len(x)], x, factor)
			if !slices.Equal(got[:len(x)], want) || got[len(x)] != before {
				t.Fatalf("%s: got %v, want %v", level, got, want)
			}
		})
	})
}

func BenchmarkAddFixed(b *testing.B) {
	sum, x := make([]int64, 4096), make([]float32, 4096)
	b.SetBytes(4 * int64(len(x)))
	for b.Loop() {
		AddFixed(sum, x, 1e3)
	}
}
