//go:build goexperiment.simd && wasm

package kernel

// Name returns the version of the kernels that is in use.
func Name() string { return "wasm-simd128" }

func vector() bool { return true }

func leave() {}

func gather(dst, init, base []float32, l *list) {
	gather128(dst, init, base, l)
}

// maxLanes is the largest that lanes returns.
const maxLanes = 4

// lanes returns the number of elements in a vector.
func lanes() int { return 4 }

// columns computes the first cols columns of a tile, a multiple of lanes().
func (t *tile) columns(cols int) {
	c := 0
	for ; c+8 <= cols; c += 8 {
		tile128x2(t, c)
	}
	for ; c < cols; c += 4 {
		tile128x1(t, c)
	}
}

func inputGradient(dx, dy, w []float32, rows, in, out int) {
	if in < 4 || out < 4 {
		scalarInputGradient(dx, dy, w, rows, in, out)
		return
	}
	inputGradient128(dx, dy, w, rows, in, out)
}

func axpy(y []float32, alpha float32, x []float32) { axpy128(y, alpha, x) }

func dot(x, y []float32) float64 { return dot128(x, y) }
