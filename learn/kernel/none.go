//go:build !wasm && !(goexperiment.simd && amd64)

package kernel

// Name returns the version of the kernels that is in use.
func Name() string { return "scalar" }

func forward(y, x, w, b []float32, rows, in, out int, relu bool) {
	scalarForward(y, x, w, b, rows, in, out, relu)
}

func inputGradient(dx, dy, w []float32, rows, in, out int) {
	scalarInputGradient(dx, dy, w, rows, in, out)
}

func addWeightGradient(w []float32, alpha float32, x, dy []float32, rows, in, out int) {
	scalarAddWeightGradient(w, alpha, x, dy, rows, in, out)
}

func axpy(y []float32, alpha float32, x []float32) { scalarAxpy(y, alpha, x) }

func dot(x, y []float32) float64 { return scalarDot(x, y) }

func addColumnSums(b []float32, alpha float32, dy []float32, rows, out int) {
	scalarAddColumnSums(b, alpha, dy, rows, out)
}

func backReLU(dx, y []float32) { scalarBackReLU(dx, y) }

func copyLines(dst []float32, dstRow int, src []float32, srcRow, rows, n int) {
	scalarCopyLines(dst, dstRow, src, srcRow, rows, n)
}

func addLines(dst []float32, dstRow int, src []float32, srcRow, rows, n int) {
	scalarAddLines(dst, dstRow, src, srcRow, rows, n)
}

func maxWindow(best []float32, where []int32, x []float32, index, rows, cols, line int) {
	scalarMaxWindow(best, where, x, index, rows, cols, line)
}
