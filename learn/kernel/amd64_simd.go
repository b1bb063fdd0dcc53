//go:build goexperiment.simd && amd64

package kernel

import "simd/archsimd"

// level is a set of vector instructions.
type level int

const (
	scalar level = iota
	avx2
	avx512
)

// best is the level in use. Only tests change it.
var best = detect()

func detect() level {
	switch {
	case archsimd.X86.AVX512():
		return avx512
	case archsimd.X86.AVX2() && archsimd.X86.FMA():
		return avx2
	}
	return scalar
}

// Name returns the version of the kernels that is in use.
func Name() string {
	switch best {
	case avx512:
		return "avx512"
	case avx2:
		return "avx2"
	}
	return "scalar"
}

func vector() bool { return best != scalar }

// leave ends a stretch of vector code. The compiler's scalar code uses SSE
// instructions, which are slow while the upper halves of the registers are in
// use.
func leave() { archsimd.ClearAVXUpperBits() }

func gather(dst, init, base []float32, l *list) {
	if best == avx512 {
		gather512(dst, init, base, l)
	} else {
		gather256(dst, init, base, l)
	}
}

// zeros is loaded where a zero made before the loop would take a register that
// the loop needs: there, a value that goes to the stack and back costs three
// quarters of the speed when it lies across two cache lines.
var zeros [16]float32

// columns computes the first cols columns of a tile, a multiple of lanes.
func (t *tile) columns(cols int) {
	c := 0
	if best == avx512 {
		for ; c+32 <= cols; c += 32 {
			tile512x2(t, c)
		}
		for ; c+16 <= cols; c += 16 {
			tile512x1(t, c)
		}
	}
	for ; c+16 <= cols; c += 16 {
		tile256x2(t, c)
	}
	for ; c < cols; c += 8 {
		tile256x1(t, c)
	}
}

func inputGradient(dx, dy, w []float32, rows, in, out int) {
	switch {
	case best == avx512 && in >= 4 && out >= 16:
		inputGradient512(dx, dy, w, rows, in, out)
	case vector() && in >= 4 && out >= 8:
		inputGradient256(dx, dy, w, rows, in, out)
	default:
		scalarInputGradient(dx, dy, w, rows, in, out)
		return
	}
	leave()
}

func axpy(y []float32, alpha float32, x []float32) {
	if !vector() {
		scalarAxpy(y, alpha, x)
		return
	}
	axpy256(y, alpha, x)
	leave()
}

func dot(x, y []float32) float64 {
	if !vector() {
		return scalarDot(x, y)
	}
	return dot256(x, y)
}
