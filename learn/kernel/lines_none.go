//go:build !wasm

package kernel

func backReLU(dx, y []float32) { scalarBackReLU(dx, y) }

func transpose(t, x []float32, rows, cols int) { scalarTranspose(t, x, rows, cols) }

func copyLines(dst []float32, dstRow int, src []float32, srcRow, rows, n int) {
	scalarCopyLines(dst, dstRow, src, srcRow, rows, n)
}

func addLines(dst []float32, dstRow int, src []float32, srcRow, rows, n int) {
	scalarAddLines(dst, dstRow, src, srcRow, rows, n)
}

func maxWindow(best []float32, where []int32, x []float32, index, rows, cols, line int) {
	scalarMaxWindow(best, where, x, index, rows, cols, line)
}

func momentum(w, m, g []float32, mu, rate float32) { scalarMomentum(w, m, g, mu, rate) }
func nesterov(w, m, g []float32, mu, rate float32) { scalarNesterov(w, m, g, mu, rate) }
func adam(w, m, v, g []float32, s AdamStep)        { scalarAdam(w, m, v, g, s) }

func lookup(x []float32, bytes []uint8, table *[256]float32) { scalarLookup(x, bytes, table) }
