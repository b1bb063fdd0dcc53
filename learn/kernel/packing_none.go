//go:build !wasm

package kernel

func quantise(symbols []uint8, x []float32, inverse, first, up float32) bool {
	return scalarQuantise(symbols, x, inverse, first, up)
}

func dither(symbols []uint8, x, u []float32, inverse float64) bool {
	return scalarDither(symbols, x, u, inverse)
}

func addSquares(y, x []float32) float64 { return scalarAddSquares(y, x) }

func subSquares(y, x []float32) float64 { return scalarSubSquares(y, x) }

func moveGrid(g *Grid, p, base, levels []float32) int { return scalarMoveGrid(g, p, base, levels) }

func magnitudes(x []float32, peak uint32) (float32, uint32) { return scalarMagnitudes(x, peak) }

func setFours(r *Reading, dst []float32, values *[256]float32) int {
	return scalarSetFours(r, dst, values)
}

func writeFours(w *Writing, symbols []uint8) int { return scalarWriteFours(w, symbols) }
