package kernel

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// drawWindow draws a window over images of some shape.
func drawWindow(t *rapid.T) *Window {
	g := &Window{
		Height: rapid.IntRange(1, 9).Draw(t, "height"), Width: rapid.IntRange(1, 9).Draw(t, "width"),
		Channels: rapid.SampledFrom([]int{1, 2, 3, 5, 8, 16}).Draw(t, "channels"), Size: rapid.IntRange(1, 5).Draw(t, "size"),
		Stride: rapid.IntRange(1, 3).Draw(t, "stride"),
	}
	g.Top, g.Left = rapid.IntRange(0, g.Size-1).Draw(t, "top"), rapid.IntRange(0, g.Size-1).Draw(t, "left")
	// As many windows as begin inside of the padded image.
	g.OutHeight, g.OutWidth = (g.Height+g.Top-1)/g.Stride+1, (g.Width+g.Left-1)/g.Stride+1
	return g
}

func drawNumbers(t *rapid.T, n int) []float32 {
	seed := rapid.Uint32().Draw(t, "seed")
	x := make([]float32, n)
	for i := range x {
		seed = seed*1664525 + 1013904223
		x[i] = float32(int32(seed)) / (1 << 31)
	}
	return x
}

// seen returns the value at (ky, kx) of a channel in window (oy, ox), and whether
// that is inside of the image.
func seen(x []float32, g *Window, oy, ox, ky, kx, c int) (v float32, at int, ok bool) {
	y, xx := oy*g.Stride+ky-g.Top, ox*g.Stride+kx-g.Left
	if y < 0 || y >= g.Height || xx < 0 || xx >= g.Width {
		return 0, 0, false
	}
	at = (y*g.Width+xx)*g.Channels + c
	return x[at], at, true
}

func (g *Window) each(f func(o, oy, ox int)) {
	for oy := range g.OutHeight {
		for ox := range g.OutWidth {
			f(oy*g.OutWidth+ox, oy, ox)
		}
	}
}

func TestPatches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawWindow(t)
		x := drawNumbers(t, g.Image())
		p, intact := guarded(t, g.Places()*g.Patch())
		copy(p, drawNumbers(t, len(p))) // is overwritten
		atEachLevel(func(level string) {
			Patches(p, x, g)
			g.each(func(o, oy, ox int) {
				for ky := range g.Size {
					for kx := range g.Size {
						for c := range g.Channels {
							want, _, _ := seen(x, g, oy, ox, ky, kx, c)
							if got := p[o*g.Patch()+(ky*g.Size+kx)*g.Channels+c]; got != want {
								t.Fatalf("%s: window %d sees %v at (%d, %d, %d), want %v", level, o, got, ky, kx, c, want)
							}
						}
					}
				}
			})
		})
		intact()
	})
}

// AddPatches is the transpose of Patches: <Patches(x), p> = <x, AddPatches(p)>.
func TestAddPatchesIsTheTranspose(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawWindow(t)
		x, p := drawNumbers(t, g.Image()), drawNumbers(t, g.Places()*g.Patch())
		atEachLevel(func(level string) {
			q, y := make([]float32, len(p)), make([]float32, len(x))
			Patches(q, x, g)
			AddPatches(y, p, g)
			if a, b := Dot(q, p), Dot(x, y); math.Abs(a-b) > 1e-4*(1+math.Abs(a)) {
				t.Fatalf("%s: %v and %v", level, a, b)
			}
		})
	})
}

// At every level a max pooling has the places of the scalar one, with ties and NaN.
func TestMaxPoolTies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawWindow(t)
		values := rapid.SampledFrom([]float32{-1, 0, 1, 1, float32(math.NaN())})
		x := rapid.SliceOfN(values, g.Image(), g.Image()).Draw(t, "x")
		n := g.Places() * g.Channels
		var first []float32
		var places []int32
		atEachLevel(func(level string) {
			y, where := make([]float32, n), make([]int32, n)
			MaxPool(y, where, x, g)
			if first == nil {
				first, places = y, where
			}
			for i := range y {
				if math.Float32bits(y[i]) != math.Float32bits(first[i]) || where[i] != places[i] {
					t.Fatalf("%s: maximum %d is %v at %d, another level has %v at %d", level, i, y[i], where[i], first[i], places[i])
				}
			}
		})
	})
}

func TestPools(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawWindow(t)
		x := drawNumbers(t, g.Image())
		n := g.Places() * g.Channels
		largest, mean, where := drawNumbers(t, n), drawNumbers(t, n), make([]int32, n)
		MaxPool(largest, where, x, g)
		AveragePool(mean, x, g)
		dy := drawNumbers(t, n)
		fromMax, fromMean := make([]float32, len(x)), make([]float32, len(x))
		BackMaxPool(fromMax, dy, where)
		BackAveragePool(fromMean, dy, g)
		wantMax, wantMean := make([]float64, len(x)), make([]float64, len(x))
		g.each(func(o, oy, ox int) {
			for c := range g.Channels {
				best, place, sum, count := float32(math.Inf(-1)), -1, 0., 0
				for ky := range g.Size {
					for kx := range g.Size {
						if v, at, ok := seen(x, g, oy, ox, ky, kx, c); ok {
							if v > best {
								best, place = v, at
							}
							sum += float64(v)
							count++
						}
					}
				}
				if count == 0 {
					continue
				}
				i := o*g.Channels + c
				if largest[i] != best || int(where[i]) != place {
					t.Fatalf("maximum %d is %v at %d, want %v at %d", i, largest[i], where[i], best, place)
				}
				if math.Abs(float64(mean[i])-sum/float64(count)) > 1e-5 {
					t.Fatalf("mean %d is %v, want %v", i, mean[i], sum/float64(count))
				}
				wantMax[place] += float64(dy[i])
				for ky := range g.Size {
					for kx := range g.Size {
						if _, at, ok := seen(x, g, oy, ox, ky, kx, c); ok {
							wantMean[at] += float64(dy[i]) / float64(count)
						}
					}
				}
			}
		})
		for i := range x {
			if math.Abs(float64(fromMax[i])-wantMax[i]) > 1e-5 || math.Abs(float64(fromMean[i])-wantMean[i]) > 1e-5 {
				t.Fatalf("pixel %d gets %v and %v, want %v and %v", i, fromMax[i], fromMean[i], wantMax[i], wantMean[i])
			}
		}
	})
}

func TestTranspose(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows, cols := rapid.IntRange(1, 40).Draw(t, "rows"), rapid.IntRange(1, 40).Draw(t, "cols")
		x, y := drawNumbers(t, rows*cols), make([]float32, rows*cols)
		Transpose(y, x, rows, cols)
		for r := range rows {
			for c := range cols {
				if y[c*rows+r] != x[r*cols+c] {
					t.Fatalf("[%d, %d] is %v, want %v", c, r, y[c*rows+r], x[r*cols+c])
				}
			}
		}
	})
}
