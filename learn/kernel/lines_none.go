//go:build !wasm

package kernel

func transpose(t, x []float32, rows, cols int) { scalarTranspose(t, x, rows, cols) }

func copyWindows(dst []float32, dstWindow, dstRow int, src []float32, srcWindow, srcRow, count, rows, n int) {
	for i := range count {
		copyLines(dst[i*dstWindow:], dstRow, src[i*srcWindow:], srcRow, rows, n)
	}
}

func exps(dst, z []float32, max float32) float64 { return scalarExps(dst, z, max) }

func momentum(w, m, g []float32, mu, rate float32) { scalarMomentum(w, m, g, mu, rate) }
func nesterov(w, m, g []float32, mu, rate float32) { scalarNesterov(w, m, g, mu, rate) }
func adam(w, m, v, g []float32, s AdamStep)        { scalarAdam(w, m, v, g, s) }

func lookup(x []float32, bytes []uint8, table *[256]float32) { scalarLookup(x, bytes, table) }
