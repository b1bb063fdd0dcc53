package kernel

import "math"

// The loops of package compress along vectors. Every version gives the same bits.

// MaxDirect is the largest magnitude of a level that Quantise and Dither write.
const MaxDirect = 63

// Quantise sets symbols to the levels of x: 2*level, less 1 where x is negative. It
// reports whether a level is beyond MaxDirect; symbols are then undefined. x is finite,
// levels are below 2^31, and first + up is more than 1. symbols is at least as long as x.
//
//	for i := range x {
//		y := abs(x[i]) * inverse
//		level := int(y + up)
//		if y < first {
//			level = 0
//		}
//		symbols[i] = 2*level - (level > 0 && x[i] < 0)
//	}
func Quantise(symbols []uint8, x []float32, inverse, first, up float32) (beyond bool) {
	return quantise(cut(symbols, len(x)), x, inverse, first, up)
}

func scalarQuantise(symbols []uint8, x []float32, inverse, first, up float32) bool {
	symbols = symbols[:len(x)]
	var all int32
	limit := int32(math.Float32bits(first))
	for i, v := range x {
		b := int32(math.Float32bits(v))
		y := float32(math.Float32frombits(uint32(b&0x7fffffff)) * inverse)
		// Positive floats are in the order of their bits: below is all ones where
		// y < first. A branch would be mispredicted too often.
		below := (int32(math.Float32bits(y)) - limit) >> 31
		level := int32(y + up)
		all |= level
		symbols[i] = uint8((2*level + b>>31) &^ below)
	}
	return all > MaxDirect
}

// Dither sets symbols to the levels of x with noise u: 2*level, or -2*level-1 where level
// is negative. It reports whether a level's magnitude is beyond MaxDirect; symbols are
// then undefined. Levels are below 2^30 in magnitude. symbols and u are at least as long
// as x.
//
//	for i := range x {
//		level := int(floor(float64(x[i])*inverse + float64(u[i]) + 1/2))
//		symbols[i] = 2*level ^ level>>31
//	}
func Dither(symbols []uint8, x, u []float32, inverse float64) (beyond bool) {
	return dither(cut(symbols, len(x)), x, cut(u, len(x)), inverse)
}

func scalarDither(symbols []uint8, x, u []float32, inverse float64) bool {
	symbols, u = symbols[:len(x)], u[:len(x)]
	var largest uint32
	for i, v := range x {
		level := int32(math.Floor(float64(float64(v)*inverse) + float64(u[i]) + .5))
		s := uint32(2*level) ^ uint32(level>>31)
		largest = max(largest, s)
		symbols[i] = uint8(s)
	}
	return largest > 2*MaxDirect
}

// AddSquares adds x to y and returns the sum of the squares of x, which is the sum of four
// sums, of every fourth element each; the last len(y)%4 elements go to the first. x is at
// least as long as y.
//
//	var sums [4]float64
//	for i := range y {
//		y[i] += x[i]
//		sums[i%4] += float64(x[i]) * float64(x[i]) // sums[0] for the last len(y)%4
//	}
//	sum := sums[0] + sums[1] + sums[2] + sums[3]
func AddSquares(y, x []float32) float64 { return addSquares(y, cut(x, len(y))) }

func scalarAddSquares(y, x []float32) float64 {
	x = x[:len(y)]
	var s squares
	for len(y) >= 4 {
		a, b := y[:4:4], x[:4:4]
		a[0] += b[0]
		a[1] += b[1]
		a[2] += b[2]
		a[3] += b[3]
		s.add((*[4]float32)(b))
		y, x = y[4:], x[4:]
	}
	for i, v := range x {
		y[i] += v
		s[0] += float64(v) * float64(v)
	}
	return s.sum()
}

// SubSquares subtracts x from y and returns the sum of the squares of the result, as
// AddSquares does that of x. x is at least as long as y.
//
//	for i := range y {
//		y[i] -= x[i]
//		sums[i%4] += float64(y[i]) * float64(y[i])
//	}
func SubSquares(y, x []float32) float64 { return subSquares(y, cut(x, len(y))) }

func scalarSubSquares(y, x []float32) float64 {
	x = x[:len(y)]
	var s squares
	for len(y) >= 4 {
		a, b := y[:4:4], x[:4:4]
		a[0] -= b[0]
		a[1] -= b[1]
		a[2] -= b[2]
		a[3] -= b[3]
		s.add((*[4]float32)(a))
		y, x = y[4:], x[4:]
	}
	for i := range y {
		y[i] -= x[i]
		s[0] += float64(y[i]) * float64(y[i])
	}
	return s.sum()
}

// squares are sums of squares.
type squares [4]float64

func (s *squares) add(v *[4]float32) {
	s[0] += float64(v[0]) * float64(v[0])
	s[1] += float64(v[1]) * float64(v[1])
	s[2] += float64(v[2]) * float64(v[2])
	s[3] += float64(v[3]) * float64(v[3])
}

func (s *squares) sum() float64 { return s[0] + s[1] + s[2] + s[3] }

// Grid are points p = base + step * level, with whole levels below Limit in magnitude.
type Grid struct {
	Inverse float64 // 1/step of the points that are given
	Finer   float64 // by which the levels of those are multiplied: a power of two
	Step    float64 // of the points that are made
	Limit   float64 // at most 2^31
}

// Move moves points p of the grid around base by whole levels. It returns the number of
// those moved: the next one's level is beyond the limit, or p has no more. base and levels
// are at least as long as p; no level is -0.
//
//	for i := range p {
//		level := RoundToEven((p[i]-base[i])*Inverse)*Finer + levels[i] // float64
//		if abs(level) >= Limit {
//			return i
//		}
//		p[i] = float32(base[i] + Step*level)
//	}
func (g *Grid) Move(p, base, levels []float32) int {
	return moveGrid(g, p, cut(base, len(p)), cut(levels, len(p)))
}

func scalarMoveGrid(g *Grid, p, base, levels []float32) int {
	base, levels = base[:len(p)], levels[:len(p)]
	for i, b := range base {
		k := float64(math.RoundToEven((float64(p[i])-float64(b))*g.Inverse)*g.Finer) + float64(levels[i])
		if !(math.Abs(k) < g.Limit) {
			return i
		}
		p[i] = float32(float64(b) + float64(g.Step*k))
	}
	return len(p)
}

// Magnitudes returns the sum of the magnitudes of x, and the larger of peak and the bits
// of the largest one: their order is that of the magnitudes, NaN last.
//
//	var sums [4]float32
//	for i := range x {
//		sums[i%4] += abs(x[i]) // sums[0] for the last len(x)%4
//		peak = max(peak, bits(abs(x[i])))
//	}
//	sum := sums[0] + sums[1] + sums[2] + sums[3]
func Magnitudes(x []float32, peak uint32) (sum float32, largest uint32) { return magnitudes(x, peak) }

func scalarMagnitudes(x []float32, peak uint32) (float32, uint32) {
	var s0, s1, s2, s3 float32
	m0, m1 := peak, uint32(0)
	for len(x) >= 4 {
		v := x[:4:4]
		b0, b1 := math.Float32bits(v[0])&0x7fffffff, math.Float32bits(v[1])&0x7fffffff
		b2, b3 := math.Float32bits(v[2])&0x7fffffff, math.Float32bits(v[3])&0x7fffffff
		m0 = max(m0, b0, b2)
		m1 = max(m1, b1, b3)
		s0 += math.Float32frombits(b0)
		s1 += math.Float32frombits(b1)
		s2 += math.Float32frombits(b2)
		s3 += math.Float32frombits(b3)
		x = x[4:]
	}
	for _, v := range x {
		b := math.Float32bits(v) & 0x7fffffff
		m0 = max(m0, b)
		s0 += math.Float32frombits(b)
	}
	return s0 + s1 + s2 + s3, max(m0, m1)
}
