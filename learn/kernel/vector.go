package kernel

import "math"

// Scale multiplies x by alpha.
//
//	for i := range x {
//		x[i] *= alpha
//	}
func Scale(x []float32, alpha float32) { scale(x, alpha) }

// Sub computes dst = x - y; dst may be x or y. x and y are at least as long as
// dst.
//
//	for i := range dst {
//		dst[i] = x[i] - y[i]
//	}
func Sub(dst, x, y []float32) { sub(dst, cut(x, len(dst)), cut(y, len(dst))) }

// SquaredDistance returns the squared Euclidean distance of x and y, which
// have the same length. Its relative error is that of [Dot].
//
//	sum := float64(0)
//	for i := range x {
//		d := x[i] - y[i] // float32
//		sum += float64(d) * float64(d)
//	}
func SquaredDistance(x, y []float32) float64 { return squaredDistance(x, cut(y, len(x))) }

// Magnitude returns the largest magnitude in x; 0 if x is empty, NaN if x contains
// NaN.
//
//	for i := range x {
//		largest = max(largest, abs(x[i]))
//	}
func Magnitude(x []float32) float32 {
	return math.Float32frombits(magnitude(x))
}

// AddFixed adds x to sum in fixed point with factor counts per unit. Every version
// gives the same bits. x is at least as long as sum; products are finite, with
// magnitudes below 2^62.
//
//	for i := range sum {
//		sum[i] += int64(math.RoundToEven(float64(x[i]) * factor))
//	}
func AddFixed(sum []int64, x []float32, factor float64) { addFixed(sum, cut(x, len(sum)), factor) }

func scalarScale(x []float32, alpha float32) {
	for i := range x {
		x[i] *= alpha
	}
}

func scalarSub(dst, x, y []float32) {
	x, y = x[:len(dst)], y[:len(dst)]
	for i := range dst {
		dst[i] = x[i] - y[i]
	}
}

func scalarSquaredDistance(x, y []float32) float64 {
	y = y[:len(x)]
	var sum float64
	for i, v := range x {
		d := float64(v - y[i])
		sum += d * d
	}
	return sum
}

// scalarMagnitude compares the bits without the sign: their order is that of the
// magnitudes, NaN last.
func scalarMagnitude(x []float32) uint32 {
	var largest uint32
	for _, v := range x {
		largest = max(largest, math.Float32bits(v)&^(1<<31))
	}
	return largest
}

func scalarAddFixed(sum []int64, x []float32, factor float64) {
	x = x[:len(sum)]
	for i := range sum {
		sum[i] += int64(math.RoundToEven(float64(x[i]) * factor))
	}
}
