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
