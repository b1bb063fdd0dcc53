//go:build goexperiment.simd && (amd64 || wasm)

package kernel

import "unsafe"

// tile is the other way to do what gather does, for x without many zeros: four
// rows of the result at a time, which share each row of base once it is
// loaded.
//
//	for j := range 4 {
//		for c := range cols {
//			sum := 0
//			for k := range n {
//				sum += x[j*xRow+k*xNext] * base[k*stride+c]
//			}
//			dst[j*stride+c] = init[j*initRow+c] + scale*sum
//		}
//	}
//
// with dst = max(dst, 0) in the end if relu is set. dst may be init.
//
// MulAdd overwrites its receiver. The versions let it overwrite the number from
// x, of which one instruction makes another copy, and each vector of base only
// where it is used last.
type tile struct {
	dst, init, base, x  unsafe.Pointer
	dstRow, initRow     int
	stride, xRow, xNext int
	n                   int
	scale               float32
	relu                bool
}

// suits says whether tiles are faster than lists for x and a result of so many
// columns. It looks at a sample of the numbers; the list wins when fewer than
// about half are not zero, unless its rows would be shorter than a vector.
func suits(x []float32, cols int) bool {
	if cols < lanes() {
		return true
	}
	const step = 29 // prime, so as not to keep to one column
	nonzero := 0
	for i := 0; i < len(x); i += step {
		if x[i] != 0 {
			nonzero++
		}
	}
	return nonzero*step > len(x)/2
}

// rows does four rows of cols columns.
func (t *tile) rows(cols int) {
	lanes := lanes()
	if cols < lanes {
		t.narrow(cols)
		return
	}
	whole := cols &^ (lanes - 1)
	var rest [4 * maxLanes]float32
	if whole < cols {
		// As in gather: what is left over is done first and put in place last.
		c := cols - lanes
		last := *t
		last.dst, last.dstRow = unsafe.Pointer(&rest), lanes
		last.init, last.base = at(t.init, c), at(t.base, c)
		last.columns(lanes)
	}
	t.columns(whole)
	if n := cols - whole; n > 0 {
		for j := range 4 {
			dst := unsafe.Slice((*float32)(at(t.dst, j*t.dstRow+whole)), n)
			copy(dst, rest[(j+1)*lanes-n:])
		}
	}
}

// narrow does four rows of fewer columns than a vector has. Those of base have
// been widened.
func (t *tile) narrow(cols int) {
	lanes := lanes()
	var rows [4 * maxLanes]float32
	for j := range 4 {
		copy(rows[j*lanes:], unsafe.Slice((*float32)(at(t.init, j*t.initRow)), cols))
	}
	wide := *t
	wide.init, wide.initRow = unsafe.Pointer(&rows), lanes
	wide.dst, wide.dstRow = wide.init, lanes
	wide.columns(lanes)
	for j := range 4 {
		copy(unsafe.Slice((*float32)(at(t.dst, j*t.dstRow)), cols), rows[j*lanes:])
	}
}

// widen writes n rows of x, of cols numbers each, to wide, a vector each, with
// zeros behind them.
func widen(wide, x []float32, n, cols int) {
	lanes := lanes()
	for k := range n {
		copy(wide[k*lanes:][:cols], x[k*cols:])
	}
}

// minTiled is the fewest columns for which a vector of the widest kind, most of
// it empty, is faster than numbers one by one.
const minTiled = 4

// tileInputs is how many inputs forwardTiles takes at a time.
const tileInputs = 128

// forwardTiles does as many rows of forward as fit in tiles, and returns how
// many.
func forwardTiles(y, x, w, b []float32, rows, in, out int, relu bool) int {
	if rows < 4 || in == 0 || out < minTiled || !suits(x, out) {
		return 0
	}
	t := tile{dstRow: out, stride: out, xRow: in, xNext: 1, scale: 1}
	var wide []float32
	if out < lanes() {
		wide, t.stride = make([]float32, tileInputs*maxLanes), lanes()
	}
	rows &^= 3
	// By blocks of inputs, whose weights stay in the nearest cache while all
	// rows use them.
	for i := 0; i < in; i += tileInputs {
		t.n = min(in-i, tileInputs)
		t.base = unsafe.Pointer(&w[i*out])
		if wide != nil {
			widen(wide, w[i*out:], t.n, out)
			t.base = unsafe.Pointer(&wide[0])
		}
		t.relu = relu && i+t.n == in
		for r := 0; r < rows; r += 4 {
			t.dst, t.x = unsafe.Pointer(&y[r*out]), unsafe.Pointer(&x[r*in+i])
			t.init, t.initRow = t.dst, out
			if i == 0 {
				t.init, t.initRow = unsafe.Pointer(&b[0]), 0
			}
			t.rows(out)
		}
	}
	return rows
}

// weightTiles does as many inputs of addWeightGradient as fit in tiles, and
// returns how many.
func weightTiles(w []float32, alpha float32, x, dy []float32, rows, in, out int) int {
	if in < 4 || out < minTiled || !suits(x, out) {
		return 0
	}
	t := tile{dstRow: out, initRow: out, stride: out, xRow: 1, xNext: in, scale: alpha}
	block := rows
	var wide []float32
	if out < lanes() {
		block = tileInputs
		wide, t.stride = make([]float32, tileInputs*maxLanes), lanes()
	}
	done := in &^ 3
	for r := 0; r < rows; r += block {
		t.n = min(rows-r, block)
		t.base = unsafe.Pointer(&dy[r*out])
		if wide != nil {
			widen(wide, dy[r*out:], t.n, out)
			t.base = unsafe.Pointer(&wide[0])
		}
		for i := 0; i < done; i += 4 {
			t.dst, t.x = unsafe.Pointer(&w[i*out]), unsafe.Pointer(&x[r*in+i])
			t.init = t.dst
			t.rows(out)
		}
	}
	return done
}
