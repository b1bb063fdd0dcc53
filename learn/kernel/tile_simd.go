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

// dense says whether the tiles are faster for x. It looks at a sample of the
// numbers; the list wins when fewer than about half are not zero.
func dense(x []float32) bool {
	const step = 29 // prime, so as not to keep to one column
	nonzero := 0
	for i := 0; i < len(x); i += step {
		if x[i] != 0 {
			nonzero++
		}
	}
	return nonzero*step > len(x)/2
}

// rows does four rows of cols columns, at least lanes() of them.
func (t *tile) rows(cols int) {
	lanes := lanes()
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

// tileInputs is how many inputs forwardTiles takes at a time.
const tileInputs = 128

// forwardTiles does as many rows of forward as fit in tiles, and returns how
// many.
func forwardTiles(y, x, w, b []float32, rows, in, out int, relu bool) int {
	if rows < 4 || in == 0 || out < lanes() || !dense(x) {
		return 0
	}
	t := tile{dstRow: out, stride: out, xRow: in, xNext: 1, scale: 1}
	rows &^= 3
	// By blocks of inputs, whose weights stay in the nearest cache while all
	// rows use them.
	for i := 0; i < in; i += tileInputs {
		t.n = min(in-i, tileInputs)
		t.base = unsafe.Pointer(&w[i*out])
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
	if in < 4 || out < lanes() || !dense(x) {
		return 0
	}
	t := tile{
		base:   unsafe.Pointer(&dy[0]),
		dstRow: out, initRow: out, stride: out, xRow: 1, xNext: in, n: rows, scale: alpha,
	}
	done := in &^ 3
	for i := 0; i < done; i += 4 {
		t.dst, t.x = unsafe.Pointer(&w[i*out]), unsafe.Pointer(&x[i])
		t.init = t.dst
		t.rows(out)
	}
	return done
}
