package kernel

import "unsafe"

// In a browser, the loops are in a module of their own (package module), which works on
// this program's memory. Where it has not been loaded, its functions do nothing and
// return 0, and scalar Go does their work.

// Levels of the module.
const (
	absent  = iota
	simd128 // vectors of 128 bits; every product has the bits of scalar Go
	relaxed // the joint multiplication and addition of the processor
)

//go:wasmimport kernel level
func moduleLevel() int32

//go:wasmimport kernel count
//go:noescape
func moduleCount(x unsafe.Pointer, n int32) int32

//go:wasmimport kernel forward
//go:noescape
func moduleForward(y, x, w, b unsafe.Pointer, rows, in, out, relu, lists int32, work unsafe.Pointer)

//go:wasmimport kernel inputGradient
//go:noescape
func moduleInputGradient(dx, dy, w unsafe.Pointer, rows, in, out int32, work unsafe.Pointer)

//go:wasmimport kernel addWeightGradient
//go:noescape
func moduleAddWeightGradient(w unsafe.Pointer, alpha float32, x, dy unsafe.Pointer, rows, in, out, lists int32, work unsafe.Pointer)

//go:wasmimport kernel addColumnSums
//go:noescape
func moduleAddColumnSums(b unsafe.Pointer, alpha float32, dy unsafe.Pointer, rows, out int32)

//go:wasmimport kernel axpy
//go:noescape
func moduleAxpy(y, x unsafe.Pointer, n int32, alpha float32)

//go:wasmimport kernel scale
//go:noescape
func moduleScale(x unsafe.Pointer, n int32, alpha float32)

//go:wasmimport kernel sub
//go:noescape
func moduleSub(dst, x, y unsafe.Pointer, n int32)

//go:wasmimport kernel backReLU
//go:noescape
func moduleBackReLU(dx, y unsafe.Pointer, n int32)

//go:wasmimport kernel transpose
//go:noescape
func moduleTranspose(t, x unsafe.Pointer, rows, cols int32)

//go:wasmimport kernel copyWindows
//go:noescape
func moduleCopyWindows(dst unsafe.Pointer, dstWindow, dstRow int32, src unsafe.Pointer, srcWindow, srcRow, count, rows, n int32)

//go:wasmimport kernel addLines
//go:noescape
func moduleAddLines(dst unsafe.Pointer, dstRow int32, src unsafe.Pointer, srcRow, rows, n int32)

//go:wasmimport kernel maxWindow
//go:noescape
func moduleMaxWindow(best, where, x unsafe.Pointer, index, rows, cols, line, channels int32)

//go:wasmimport kernel exps
//go:noescape
func moduleExps(dst, z unsafe.Pointer, n int32, max float32) float64

//go:wasmimport kernel momentum
//go:noescape
func moduleMomentum(w, m, g unsafe.Pointer, n int32, mu, rate float32)

//go:wasmimport kernel nesterov
//go:noescape
func moduleNesterov(w, m, g unsafe.Pointer, n int32, mu, rate float32)

//go:wasmimport kernel adam
//go:noescape
func moduleAdam(w, m, v, g unsafe.Pointer, n int32, beta1, rest1, beta2, rest2, rate, epsilon, decay float32)

//go:wasmimport kernel lookup
//go:noescape
func moduleLookup(x, bytes, table unsafe.Pointer, n int32)

//go:wasmimport kernel quantise
//go:noescape
func moduleQuantise(symbols, x unsafe.Pointer, n int32, inverse, first, up float32) int32

//go:wasmimport kernel dither
//go:noescape
func moduleDither(symbols, x, u unsafe.Pointer, n int32, inverse float64) int32

//go:wasmimport kernel addSquares
//go:noescape
func moduleAddSquares(y, x unsafe.Pointer, n int32) float64

//go:wasmimport kernel subSquares
//go:noescape
func moduleSubSquares(y, x unsafe.Pointer, n int32) float64

//go:wasmimport kernel moveGrid
//go:noescape
func moduleMoveGrid(p, base, levels unsafe.Pointer, n int32, inverse, finer, step, limit float64) int32

//go:wasmimport kernel magnitudes
//go:noescape
func moduleMagnitudes(x unsafe.Pointer, n int32, peak unsafe.Pointer) float32

//go:wasmimport kernel setFours
//go:noescape
func moduleSetFours(dst unsafe.Pointer, n int32, in unsafe.Pointer, start int32, states, entries, values unsafe.Pointer) int32

//go:wasmimport kernel writeFours
//go:noescape
func moduleWriteFours(symbols unsafe.Pointer, n int32, out, states, table unsafe.Pointer) int32

// level is that of the module, which is there before the program runs.
var level = moduleLevel()

// Exact makes all products have the bits of scalar Go. It reports whether the module that
// is bound cannot: then scalar Go computes them, until [Bound] is called after another one
// has been bound.
func Exact() (lacking bool) {
	if level == relaxed {
		level = absent
	}
	return level == absent && moduleLevel() == relaxed
}

// Bound takes the module that is bound now.
func Bound() { level = moduleLevel() }

// Name returns the version of the kernels that is in use.
func Name() string {
	switch level {
	case absent:
		return "scalar"
	case simd128:
		return "wasm-simd128"
	}
	return "wasm-relaxed"
}

// work is lent to the module: it has no memory of its own.
var work []float32

// maxInputs is how many inputs the module's forward sums at a time.
const maxInputs = 512

// lend returns work for sums of n elements.
func lend(n int) unsafe.Pointer {
	if size := 16*n + 128; len(work) < size {
		work = make([]float32, size)
	}
	return unsafe.Pointer(&work[0])
}

// Lists of the nonzero elements are faster than dense products below this share of them.
const listShare = .3

// suits reports whether lists are faster for x.
func suits(x []float32) int32 {
	if float64(moduleCount(unsafe.Pointer(&x[0]), int32(len(x)))) < listShare*float64(len(x)) {
		return 1
	}
	return 0
}

func number(b bool) int32 {
	if b {
		return 1
	}
	return 0
}

func forward(y, x, w, b []float32, rows, in, out int, relu bool) {
	if level == absent || in == 0 {
		scalarForward(y, x, w, b, rows, in, out, relu)
		return
	}
	moduleForward(unsafe.Pointer(&y[0]), unsafe.Pointer(&x[0]), unsafe.Pointer(&w[0]), unsafe.Pointer(&b[0]),
		int32(rows), int32(in), int32(out), number(relu), suits(x), lend(maxInputs))
}

func inputGradient(dx, dy, w []float32, rows, in, out int) {
	if level == absent || out == 0 {
		scalarInputGradient(dx, dy, w, rows, in, out)
		return
	}
	moduleInputGradient(unsafe.Pointer(&dx[0]), unsafe.Pointer(&dy[0]), unsafe.Pointer(&w[0]), int32(rows), int32(in), int32(out), lend(out))
}

func addWeightGradient(w []float32, alpha float32, x, dy []float32, rows, in, out int) {
	if level == absent {
		scalarAddWeightGradient(w, alpha, x, dy, rows, in, out)
		return
	}
	moduleAddWeightGradient(unsafe.Pointer(&w[0]), alpha, unsafe.Pointer(&x[0]), unsafe.Pointer(&dy[0]), int32(rows), int32(in), int32(out), suits(x), lend(rows))
}

func addColumnSums(b []float32, alpha float32, dy []float32, rows, out int) {
	if level == absent {
		scalarAddColumnSums(b, alpha, dy, rows, out)
		return
	}
	moduleAddColumnSums(unsafe.Pointer(&b[0]), alpha, unsafe.Pointer(&dy[0]), int32(rows), int32(out))
}

func axpy(y []float32, alpha float32, x []float32) {
	if level == absent || len(y) == 0 {
		scalarAxpy(y, alpha, x)
		return
	}
	moduleAxpy(unsafe.Pointer(&y[0]), unsafe.Pointer(&x[0]), int32(len(y)), alpha)
}

func scale(x []float32, alpha float32) {
	if level == absent || len(x) == 0 {
		scalarScale(x, alpha)
		return
	}
	moduleScale(unsafe.Pointer(&x[0]), int32(len(x)), alpha)
}

func sub(dst, x, y []float32) {
	if level == absent || len(dst) == 0 {
		scalarSub(dst, x, y)
		return
	}
	moduleSub(unsafe.Pointer(&dst[0]), unsafe.Pointer(&x[0]), unsafe.Pointer(&y[0]), int32(len(dst)))
}

func backReLU(dx, y []float32) {
	if level == absent || len(dx) == 0 {
		scalarBackReLU(dx, y)
		return
	}
	moduleBackReLU(unsafe.Pointer(&dx[0]), unsafe.Pointer(&y[0]), int32(len(dx)))
}

func transpose(t, x []float32, rows, cols int) {
	if level == absent {
		scalarTranspose(t, x, rows, cols)
		return
	}
	moduleTranspose(unsafe.Pointer(&t[0]), unsafe.Pointer(&x[0]), int32(rows), int32(cols))
}

func copyWindows(dst []float32, dstWindow, dstRow int, src []float32, srcWindow, srcRow, count, rows, n int) {
	if level == absent {
		for i := range count {
			scalarCopyLines(dst[i*dstWindow:], dstRow, src[i*srcWindow:], srcRow, rows, n)
		}
		return
	}
	last := count - 1
	first(dst[last*dstWindow:], dstRow, rows, n)
	first(src[last*srcWindow:], srcRow, rows, n)
	moduleCopyWindows(unsafe.Pointer(&dst[0]), int32(4*dstWindow), int32(4*dstRow), unsafe.Pointer(&src[0]), int32(4*srcWindow), int32(4*srcRow), int32(count), int32(rows), int32(n))
}

func addLines(dst []float32, dstRow int, src []float32, srcRow, rows, n int) {
	if level == absent {
		scalarAddLines(dst, dstRow, src, srcRow, rows, n)
		return
	}
	moduleAddLines(first(dst, dstRow, rows, n), int32(4*dstRow), first(src, srcRow, rows, n), int32(4*srcRow), int32(rows), int32(n))
}

// first returns the address of x, which has n elements in each of some rows.
func first(x []float32, row, rows, n int) unsafe.Pointer {
	return unsafe.Pointer(unsafe.SliceData(cut(x, (rows-1)*row+n)))
}

func maxWindow(best []float32, where []int32, x []float32, index, rows, cols, line int) {
	if level == absent {
		scalarMaxWindow(best, where, x, index, rows, cols, line)
		return
	}
	last := index + (rows-1)*line + cols*len(best)
	moduleMaxWindow(unsafe.Pointer(&best[0]), unsafe.Pointer(&where[:len(best)][0]), unsafe.Pointer(&x[:last][index]), int32(index), int32(rows), int32(cols), int32(4*line), int32(len(best)))
}

func exps(dst, z []float32, max float32) float64 {
	if level == absent || len(z) == 0 {
		return scalarExps(dst, z, max)
	}
	to := lend(len(z)) // where nobody looks
	if dst != nil {
		to = unsafe.Pointer(&dst[:len(z)][0])
	}
	return moduleExps(to, unsafe.Pointer(&z[0]), int32(len(z)), max)
}

func momentum(w, m, g []float32, mu, rate float32) {
	if level == absent || len(g) == 0 {
		scalarMomentum(w, m, g, mu, rate)
		return
	}
	moduleMomentum(unsafe.Pointer(&w[0]), unsafe.Pointer(&m[0]), unsafe.Pointer(&g[0]), int32(len(g)), mu, rate)
}

func nesterov(w, m, g []float32, mu, rate float32) {
	if level == absent || len(g) == 0 {
		scalarNesterov(w, m, g, mu, rate)
		return
	}
	moduleNesterov(unsafe.Pointer(&w[0]), unsafe.Pointer(&m[0]), unsafe.Pointer(&g[0]), int32(len(g)), mu, rate)
}

func adam(w, m, v, g []float32, s AdamStep) {
	if level == absent || len(g) == 0 {
		scalarAdam(w, m, v, g, s)
		return
	}
	moduleAdam(unsafe.Pointer(&w[0]), unsafe.Pointer(&m[0]), unsafe.Pointer(&v[0]), unsafe.Pointer(&g[0]), int32(len(g)),
		s.Beta1, 1-s.Beta1, s.Beta2, 1-s.Beta2, s.Rate, s.Epsilon, s.Decay)
}

func lookup(x []float32, bytes []uint8, table *[256]float32) {
	if level == absent || len(bytes) == 0 {
		scalarLookup(x, bytes, table)
		return
	}
	moduleLookup(unsafe.Pointer(&x[0]), unsafe.Pointer(&bytes[0]), unsafe.Pointer(table), int32(len(bytes)))
}

// minQuantised is the min number of elements that the module quantises.
const minQuantised = 16

func quantise(symbols []uint8, x []float32, inverse, first, up float32) bool {
	if level == absent || len(x) < minQuantised {
		return scalarQuantise(symbols, x, inverse, first, up)
	}
	return moduleQuantise(unsafe.Pointer(&symbols[0]), unsafe.Pointer(&x[0]), int32(len(x)), inverse, first, up) != 0
}

func dither(symbols []uint8, x, u []float32, inverse float64) bool {
	if level == absent || len(x) < minQuantised {
		return scalarDither(symbols, x, u, inverse)
	}
	return moduleDither(unsafe.Pointer(&symbols[0]), unsafe.Pointer(&x[0]), unsafe.Pointer(&u[0]), int32(len(x)), inverse) != 0
}

func addSquares(y, x []float32) float64 {
	if level == absent || len(y) == 0 {
		return scalarAddSquares(y, x)
	}
	return moduleAddSquares(unsafe.Pointer(&y[0]), unsafe.Pointer(&x[0]), int32(len(y)))
}

func subSquares(y, x []float32) float64 {
	if level == absent || len(y) == 0 {
		return scalarSubSquares(y, x)
	}
	return moduleSubSquares(unsafe.Pointer(&y[0]), unsafe.Pointer(&x[0]), int32(len(y)))
}

func moveGrid(g *Grid, p, base, levels []float32) int {
	n := 0
	if level != absent && len(p) > 0 { // the module moves whole fours
		n = int(moduleMoveGrid(unsafe.Pointer(&p[0]), unsafe.Pointer(&base[0]), unsafe.Pointer(&levels[0]), int32(len(p)), g.Inverse, g.Finer, g.Step, g.Limit))
	}
	return n + scalarMoveGrid(g, p[n:], base[n:], levels[n:])
}

func magnitudes(x []float32, peak uint32) (float32, uint32) {
	if level == absent || len(x) == 0 {
		return scalarMagnitudes(x, peak)
	}
	sum := moduleMagnitudes(unsafe.Pointer(&x[0]), int32(len(x)), unsafe.Pointer(&peak))
	return sum, peak
}

// maxPosition is more than the module's positions, which are in bits.
const maxPosition = 1 << 31

func setFours(r *Reading, dst []float32, values *[256]float32) int {
	if level == absent || len(dst) < 4 || 8*len(r.In) >= maxPosition {
		return scalarSetFours(r, dst, values)
	}
	_ = r.In[r.Pos>>3] // Start is at least 64
	return int(moduleSetFours(unsafe.Pointer(&dst[0]), int32(len(dst)), unsafe.Pointer(&r.In[0]), int32(r.Start), unsafe.Pointer(&r.States), unsafe.Pointer(r.Entries), unsafe.Pointer(values)))
}

func writeFours(w *Writing, symbols []uint8) int {
	if level == absent || len(symbols) == 0 {
		return scalarWriteFours(w, symbols)
	}
	_ = w.Out[:w.At+(len(symbols)*int(w.Table.Log)+7)/8+8] // it writes eight bytes at a time
	return int(moduleWriteFours(unsafe.Pointer(&symbols[0]), int32(len(symbols)), unsafe.Pointer(&w.Out[0]), unsafe.Pointer(&w.States), unsafe.Pointer(w.Table)))
}

// These are no part of a step.

func dot(x, y []float32) float64                   { return scalarDot(x, y) }
func squaredDistance(x, y []float32) float64       { return scalarSquaredDistance(x, y) }
func magnitude(x []float32) uint32                 { return scalarMagnitude(x) }
func addFixed(sum []int64, x []float32, f float64) { scalarAddFixed(sum, x, f) }
