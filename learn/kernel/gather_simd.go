//go:build goexperiment.simd && (amd64 || wasm)

package kernel

import (
	"math"
	"unsafe"
)

// Both products with x come down to one loop, gather: a row of the result is a
// sum of rows of another matrix, picked by a list,
//
//	for c := range cols {
//		sum := 0
//		for k := range l.n {
//			sum += l.factor[k] * base[l.row[k]+c]
//		}
//		dst[c] = init[c] + scale*sum
//	}
//
// with dst[c] = max(dst[c], 0) in the end if relu is set. A block of columns
// stays in registers while k runs.

// listLen is how many rows are summed in one go.
const listLen = 1024

// list picks rows of a matrix: where they begin, and their factors.
type list struct {
	n      int
	row    [listLen]int
	factor [listLen]float32
}

// fill lists what is not zero among count numbers of x, stride apart. Number k
// picks row first+k of a matrix with the given number of columns.
func (l *list) fill(x []float32, stride, count, first, cols int) {
	n, row := 0, first*cols
	for k, i := 0, 0; k < count; k, i = k+1, i+stride {
		v := x[i]
		l.row[n&(listLen-1)] = row
		l.factor[n&(listLen-1)] = v
		// Without a branch, which could not be foreseen: add 1 unless the
		// number is 0 or -0.
		u := math.Float32bits(v) << 1
		n += int((u | -u) >> 31)
		row += cols
	}
	l.n = n
}

func forward(y, x, w, b []float32, rows, in, out int, relu bool) {
	if !vector() {
		scalarForward(y, x, w, b, rows, in, out, relu)
		return
	}
	if in == 0 {
		w = b // never read, but it has an address
	}
	var l list
	for r := forwardTiles(y, x, w, b, rows, in, out, relu); r < rows; r++ {
		dst, init := y[r*out:][:out], b
		for first := 0; ; {
			count := min(in-first, listLen)
			l.fill(x[r*in+first:], 1, count, first, out)
			first += count
			gather(dst, init, w, &l, 1, relu && first == in)
			if first == in {
				break
			}
			init = dst
		}
	}
	leave()
}

func addWeightGradient(w []float32, alpha float32, x, dy []float32, rows, in, out int) {
	if !vector() {
		scalarAddWeightGradient(w, alpha, x, dy, rows, in, out)
		return
	}
	var l list
	for i := weightTiles(w, alpha, x, dy, rows, in, out); i < in; i++ {
		wi := w[i*out:][:out]
		for first := 0; first < rows; first += listLen {
			l.fill(x[first*in+i:], in, min(rows-first, listLen), first, out)
			if l.n > 0 {
				gather(wi, wi, dy, &l, alpha, false)
			}
		}
	}
	leave()
}

func addColumnSums(b []float32, alpha float32, dy []float32, rows, out int) {
	if !vector() {
		scalarAddColumnSums(b, alpha, dy, rows, out)
		return
	}
	var l list
	for first := 0; first < rows; first += listLen {
		l.n = min(rows-first, listLen)
		for k := range l.n {
			l.row[k], l.factor[k] = (first+k)*out, 1
		}
		gather(b, b, dy, &l, alpha, false)
	}
	leave()
}

// scalarGather is gather for fewer columns than a vector has.
func scalarGather(dst, init, base []float32, l *list, scale float32, relu bool) {
	for c := range dst {
		var sum float32
		for k, row := range l.row[:l.n] {
			sum += l.factor[k] * base[row+c]
		}
		v := init[c] + scale*sum
		if relu && v < 0 {
			v = 0
		}
		dst[c] = v
	}
}

// at returns the address of number i of x, without a check: a loop's last step
// goes one row past what it reads, which the race detector's checks of pointers
// would not have.
//
//go:nocheckptr
func at(x unsafe.Pointer, i int) unsafe.Pointer { return unsafe.Add(x, i*4) }
