//go:build goexperiment.simd && amd64

package kernel

import (
	"math"
	"unsafe"
)

// tile is the dense counterpart of gather, for x with few zeros: four rows of the
// result at a time, which share each load of a row of base.
//
//	for j := range 4 {
//		for c := range cols {
//			sum := 0
//			for k := range n {
//				sum += x[j*xRow+k*xNext] * base[k*stride+c]
//			}
//			dst[j*dstRow+c] = init[j*initRow+c] + scale*sum
//		}
//	}
//
// then dst = max(dst, 0) if relu is set. dst may be init.
//
// MulAdd overwrites its receiver. The versions let it overwrite the broadcast of
// x, which one instruction makes again, and each vector of base at its last use.
type tile struct {
	dst, init, base, x  unsafe.Pointer
	dstRow, initRow     int
	stride, xRow, xNext int
	n                   int
	scale               float32
	relu                bool
}

// lanes is the number of elements in the smaller vectors, of which all levels have loops.
const lanes = 8

// suits reports whether tiles are faster than lists for x and a result of cols
// columns: about half or more of a sample of x is nonzero, or cols is less than a
// vector.
func suits(x []float32, cols int) bool {
	if cols < lanes {
		return true
	}
	const step = 29 // prime, so that the sample covers all columns
	nonzero := 0
	for i := 0; i < len(x); i += step {
		// Branch-free, since a branch would be mispredicted: 1 unless x[i] is 0 or -0.
		u := math.Float32bits(x[i]) << 1
		nonzero += int((u | -u) >> 31)
	}
	return nonzero*step > len(x)/2
}

// rows computes four rows of cols columns.
func (t *tile) rows(cols int) {
	if cols < lanes {
		t.narrow(cols)
		return
	}
	whole := cols &^ (lanes - 1)
	var rest [4 * lanes]float32
	if whole < cols {
		// As in gather: the remaining columns are computed first and stored last.
		c := cols - lanes
		last := *t
		last.dst, last.dstRow = unsafe.Pointer(&rest), lanes
		last.init, last.base = at(t.init, c), at(t.base, c)
		last.columns(lanes)
	}
	t.columns(whole)
	if n := cols - whole; n > 0 {
		leave() // copy has instructions of SSE
		for j := range 4 {
			dst := unsafe.Slice((*float32)(at(t.dst, j*t.dstRow+whole)), n)
			copy(dst, rest[(j+1)*lanes-n:])
		}
	}
}

// narrow computes four rows of fewer columns than a vector has. The rows of base
// are those of widen.
func (t *tile) narrow(cols int) {
	var rows [4 * lanes]float32
	for j := range 4 {
		copy(rows[j*lanes:], unsafe.Slice((*float32)(at(t.init, j*t.initRow)), cols))
	}
	wide := *t
	wide.init, wide.initRow = unsafe.Pointer(&rows), lanes
	wide.dst, wide.dstRow = wide.init, lanes
	wide.columns(lanes)
	leave() // copy has instructions of SSE
	for j := range 4 {
		copy(unsafe.Slice((*float32)(at(t.dst, j*t.dstRow)), cols), rows[j*lanes:])
	}
}

// widen writes n rows of cols elements from x to wide, each padded to a vector.
func widen(wide, x []float32, n, cols int) {
	for k := range n {
		copy(wide[k*lanes:][:cols], x[k*cols:])
	}
}

// minTiled is the min number of columns for which a padded vector is faster than scalar code.
const minTiled = 4

// tileInputs is the max number of inputs that forwardTiles sums at a time.
const tileInputs = 128

// tileRows is the max number of rows that weightTiles sums at a time, at most tileInputs.
const tileRows = 100

// forwardTiles computes the rows of forward in whole tiles of four and returns
// their number.
func forwardTiles(y, x, w, b []float32, rows, in, out int, relu bool) int {
	if rows < 4 || in == 0 || out < minTiled || !suits(x, out) {
		return 0
	}
	t := tile{dstRow: out, stride: out, xRow: in, xNext: 1, scale: 1}
	var wide []float32
	if out < lanes {
		wide, t.stride = make([]float32, tileInputs*lanes), lanes
	}
	rows &^= 3
	// By blocks of inputs, whose weights stay in the L1 cache for all rows.
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

// weightTiles computes the inputs of addWeightGradient in whole tiles of four and
// returns their number.
func weightTiles(w []float32, alpha float32, x, dy []float32, rows, in, out int) int {
	if in < 4 || out < minTiled || !suits(x, out) {
		return 0
	}
	t := tile{dstRow: out, initRow: out, stride: out, xRow: 1, xNext: in, scale: alpha}
	// By equal blocks of rows, of which those of dy stay in the L1 cache for all inputs.
	blocks := (rows + tileRows - 1) / tileRows
	block := (rows + blocks - 1) / blocks
	var wide []float32
	if out < lanes {
		wide, t.stride = make([]float32, tileInputs*lanes), lanes
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
