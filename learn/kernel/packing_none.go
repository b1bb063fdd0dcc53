//go:build !wasm

package kernel

func quantise(symbols []uint8, x []float32, inverse, first, up float32) bool {
	return scalarQuantise(symbols, x, inverse, first, up)
}

func dither(symbols []uint8, x, u []float32, inverse float64) bool {
	return scalarDither(symbols, x, u, inverse)
}

func magnitudes(x []float32, peak uint32) (float32, uint32) { return scalarMagnitudes(x, peak) }

func setFours(r *Reading, dst []float32, values *[256]float32) int {
	return scalarSetFours(r, dst, values)
}

func writeFours(w *Writing, symbols []uint8) int { return scalarWriteFours(w, symbols) }
