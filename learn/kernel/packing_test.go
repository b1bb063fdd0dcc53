package kernel

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Quantising has the bits of its loop at every level, above all where a magnitude meets a
// threshold.
func TestQuantise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := dim(t, "n")
		x, _ := guarded(t, n)
		fill(t, x, "x")
		up := float32(rapid.SampledFrom([]float64{.3, .45, .5}).Draw(t, "up"))
		first := max(rapid.Float32Range(.5, 1.2).Draw(t, "first"), 1-up+2e-6)
		inverse := rapid.SampledFrom([]float32{.5, 1, 1. / 3, 60, 63.4, 70, 1 << 17, 1e-30}).Draw(t, "inverse")
		for i := range x {
			if i%5 == 0 { // at a threshold, or beside it
				threshold := max(float32(i%64)-up, first) / inverse
				x[i] = math.Float32frombits(math.Float32bits(threshold) + uint32(i%3) - 1)
			}
			if i%7 == 0 {
				x[i] = float32(math.Copysign(float64(x[i]), -1)) // -0 too
			}
		}
		want, beyond := make([]uint8, n), false
		for i, v := range x {
			y := float32(math.Float32frombits(math.Float32bits(v)&^(1<<31)) * inverse)
			level := int(y + up)
			beyond = beyond || level > MaxDirect
			if y < first {
				level = 0
			}
			want[i] = uint8(2 * level)
			if level > 0 && v < 0 {
				want[i]--
			}
		}
		atEachLevel(func(level string) {
			got := slices.Repeat([]uint8{255}, n+16)
			if more := Quantise(got[:n], x, inverse, first, up); more != beyond {
				t.Fatalf("%s: levels beyond %d: %v, want %v", level, MaxDirect, more, beyond)
			}
			if !beyond && !slices.Equal(got[:n], want) {
				t.Fatalf("%s: got %v, want %v", level, got[:n], want)
			}
			if !slices.Equal(got[n:], slices.Repeat([]uint8{255}, 16)) {
				t.Fatalf("%s: wrote beyond the slice", level)
			}
		})
	})
}

// Dithered levels have the bits of their loop at every level, also where a sum is a whole
// number or the one before.
func TestDither(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := dim(t, "n")
		x, _ := guarded(t, n)
		u, _ := guarded(t, n)
		fill(t, x, "x")
		fill(t, u, "u")
		inverse := rapid.SampledFrom([]float64{.5, 1, 1. / 3, 60, 63.4, 70, 1 << 17, 1e-30}).Draw(t, "inverse")
		for i := range u {
			u[i] = (float32(uint16(int32(u[i]*(1<<16))))+.5)/(1<<16) - .5
			if i%5 == 0 {
				x[i] = math.Float32frombits(math.Float32bits(float32((float64(i%64-32)+.5-float64(u[i]))/inverse)) + uint32(i%3) - 1)
			}
		}
		want, beyond := make([]uint8, n), false
		for i, v := range x {
			level := int(math.Floor(float64(v)*inverse + float64(u[i]) + .5))
			beyond = beyond || level > MaxDirect || level < -MaxDirect
			want[i] = uint8(2 * level)
			if level < 0 {
				want[i] = uint8(-2*level - 1)
			}
		}
		atEachLevel(func(level string) {
			got := slices.Repeat([]uint8{255}, n+16)
			if more := Dither(got[:n], x, u, inverse); more != beyond {
				t.Fatalf("%s: levels beyond %d: %v, want %v", level, MaxDirect, more, beyond)
			}
			if !beyond && !slices.Equal(got[:n], want) {
				t.Fatalf("%s: got %v, want %v", level, got[:n], want)
			}
			if !slices.Equal(got[n:], slices.Repeat([]uint8{255}, 16)) {
				t.Fatalf("%s: wrote beyond the slice", level)
			}
		})
	})
}

// Sums of squares and what is added and subtracted have the bits of their loops at every
// level.
func TestSquares(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.OneOf(rapid.IntRange(0, 70), rapid.IntRange(250, 1100)).Draw(t, "n")
		x, y := make([]float32, n), make([]float32, n)
		fill(t, x, "x")
		fill(t, y, "y")
		for _, loop := range []struct {
			name  string
			do    func(y, x []float32) float64
			wants func(x, y float32) (next, squared float32)
		}{
			{"AddSquares", AddSquares, func(x, y float32) (float32, float32) { return y + x, x }},
			{"SubSquares", SubSquares, func(x, y float32) (float32, float32) { return y - x, y - x }},
		} {
			want := make([]float32, n)
			var sums [4]float64
			for i := range want {
				next, squared := loop.wants(x[i], y[i])
				at := i % 4
				if i >= n&^3 {
					at = 0
				}
				want[i] = next
				sums[at] += float64(squared) * float64(squared)
			}
			sum := sums[0] + sums[1] + sums[2] + sums[3]
			atEachLevel(func(level string) {
				got, intact := guarded(t, n)
				copy(got, y)
				if s := loop.do(got, x); s != sum || !slices.Equal(got, want) {
					t.Fatalf("%s, %s: sum %v of %v, want %v of %v", level, loop.name, s, got, sum, want)
				}
				intact()
			})
		}
	})
}

// Points are moved alike at every level, ties to even, up to the first level beyond the
// limit.
func TestMoveGrid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := dim(t, "n")
		base, levels, points := make([]float32, n), make([]float32, n), make([]float32, n)
		fill(t, base, "base")
		fill(t, levels, "levels")
		step := float64(float32(rapid.SampledFrom([]float64{1. / 1024, .003, 1e-7}).Draw(t, "step")))
		finer := float64(rapid.SampledFrom([]int{1, 2, 1 << 20}).Draw(t, "finer"))
		g := Grid{Inverse: 1 / (step * finer), Finer: finer, Step: step, Limit: 1 << 21}
		reach := rapid.SampledFrom([]float64{1, 1000, 1 << 20, 1 << 21}).Draw(t, "reach")
		for i := range levels {
			points[i] = float32(float64(base[i]) + step*finer*float64(i%7-3))
			levels[i] = float32(math.Round(float64(levels[i])*reach)) + 0
			if i%11 == 0 { // between two points
				points[i] = float32(float64(base[i]) + step*finer*1.5)
			}
		}
		if rapid.IntRange(0, 4).Draw(t, "odd") == 0 {
			points[rapid.IntRange(0, n-1).Draw(t, "where")] = float32(rapid.SampledFrom([]float64{math.NaN(), math.Inf(-1), math.MaxFloat32}).Draw(t, "is"))
		}
		want, count := slices.Clone(points), n
		for i, b := range base {
			level := math.RoundToEven((float64(points[i])-float64(b))*g.Inverse)*finer + float64(levels[i])
			if !(math.Abs(level) < g.Limit) {
				count = i
				break
			}
			want[i] = float32(float64(b) + step*level)
		}
		atEachLevel(func(level string) {
			got, intact := guarded(t, n)
			copy(got, points)
			if moved := g.Move(got, base, levels); moved != count || !slices.EqualFunc(got, want, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) }) {
				t.Fatalf("%s: %d moved, %v, want %d, %v", level, moved, got, count, want)
			}
			intact()
		})
	})
}

func TestMagnitudes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := dim(t, "n")
		x, _ := guarded(t, n)
		fill(t, x, "x")
		odd := rapid.SampledFrom([]float64{0, 1e-42, -math.MaxFloat32, math.Inf(-1), math.NaN(), math.Copysign(0, -1)})
		if n > 0 && rapid.Bool().Draw(t, "is odd") {
			x[rapid.IntRange(0, n-1).Draw(t, "where")] = float32(odd.Draw(t, "odd"))
		}
		before := rapid.SampledFrom([]uint32{0, math.Float32bits(.5), math.Float32bits(1e9)}).Draw(t, "peak")
		peak := before
		var sums [4]float32
		for i, v := range x {
			b := math.Float32bits(v) &^ (1 << 31)
			peak = max(peak, b)
			at := i % 4
			if i >= n&^3 {
				at = 0
			}
			sums[at] += math.Float32frombits(b)
		}
		want := sums[0] + sums[1] + sums[2] + sums[3]
		atEachLevel(func(level string) {
			sum, largest := Magnitudes(x, before)
			if math.Float32bits(sum) != math.Float32bits(want) && (sum == sum || want == want) || largest != peak {
				t.Fatalf("%s: got %v and %#x, want %v and %#x", level, sum, largest, want, peak)
			}
		})
	})
}

// The loops of packing on segments of 200 values, a row of the 2NN, at each level.
func BenchmarkPacking(b *testing.B) {
	const row, rows = 200, 1000
	state := uint64(1)
	draw := func(n int) int {
		state = state*6364136223846793005 + 1442695040888963407
		return int(state >> 33 % uint64(n))
	}
	x, symbols, values := make([]float32, row*rows), make([]uint8, row*rows), [256]float32{}
	for i := range x {
		x[i] = float32(draw(100)-50) / 40
		symbols[i] = uint8(draw(8))
	}
	u, y := x[:row], slices.Clone(x)
	const log = 10
	var entries [MaxStates]uint32
	for i := range 1 << log {
		n := 1 + i%3/2
		entries[i] = uint32(draw(8) | n<<8 | draw(1<<log-1<<n+1)<<16)
	}
	in, out := make([]byte, len(x)), make([]byte, 2*len(x)+8)
	table := writingTable(draw, log)
	for name, loop := range map[string]func(){
		"quantise": func() {
			for i := 0; i < len(x); i += row {
				Quantise(symbols[i:i+row], x[i:i+row], 1.5, .6, .45)
			}
		},
		"dither": func() {
			for i := 0; i < len(x); i += row {
				Dither(symbols[i:i+row], x[i:i+row], u, 1.5)
			}
		},
		"addSquares": func() { AddSquares(y, x) },
		"subSquares": func() { SubSquares(y, x) },
		"moveGrid": func() {
			g := Grid{Inverse: 1024, Finer: 1, Step: 1. / 1024, Limit: 1 << 31}
			g.Move(y, x, x)
		},
		"magnitudes": func() {
			for i := 0; i < len(x); i += row {
				Magnitudes(x[i:i+row], 0)
			}
		},
		"setFours": func() {
			r := Reading{Entries: &entries, In: in, Start: 128, Pos: 8*len(in) - 8}
			for i := 0; i < len(x); i += row {
				r.SetFours(x[i:i+row], &values)
			}
		},
		"writeFours": func() {
			w := Writing{Table: table, Out: out, States: [4]uint32{1 << log, 1 << log, 1 << log, 1 << log}}
			w.Fours(symbols)
		},
	} {
		atEachLevel(func(level string) {
			b.Run(name+"/"+level, func(b *testing.B) {
				for b.Loop() {
					loop()
				}
				b.ReportMetric(float64(b.N)*row*rows/b.Elapsed().Seconds()/1e6, "M/s")
			})
		})
	}
}
