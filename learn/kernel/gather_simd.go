//go:build goexperiment.simd && amd64

package kernel

import (
	"math"
	"unsafe"
)

// Both products with x use one loop, gather: a row of the result is a weighted sum
// of rows of another matrix, selected by a list,
//
//	for c := range cols {
//		sum := 0
//		for k := range l.n {
//			sum += l.factor[k] * base[l.row[k]+c]
//		}
//		dst[c] = init[c] + l.scale*sum
//	}
//
// then dst[c] = max(dst[c], 0) if l.relu is set. l.row holds offsets into base. A
// block of columns stays in registers while k runs.

// listLen is the max number of rows that one call of gather sums.
const listLen = 1024

// list selects rows of a matrix, their offsets and their factors, and says what becomes
// of the sum.
//
// The scale lies in memory: as an argument that lives across the loop, the compiler
// keeps it on the stack and loads it in every step by an SSE instruction, which some
// processors run slowly between AVX instructions (TestLoopsStayInRegisters).
type list struct {
	scale  float32
	relu   bool
	n      int
	row    [listLen]int
	factor [listLen]float32
}

// fill lists the nonzero ones of count elements of x, stride apart. Element k
// selects row first+k of a matrix with the given number of columns.
func (l *list) fill(x []float32, stride, count, first, cols int) {
	n, row := 0, first*cols
	for k, i := 0, 0; k < count; k, i = k+1, i+stride {
		v := x[i]
		l.row[n&(listLen-1)] = row
		l.factor[n&(listLen-1)] = v
		// Branch-free, since a branch would be mispredicted: add 1 unless the
		// element is 0 or -0.
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
		w = b // not read; a pointer must be valid
	}
	var l list
	l.scale = 1
	for r := forwardTiles(y, x, w, b, rows, in, out, relu); r < rows; r++ {
		dst, init := y[r*out:][:out], b
		for first := 0; ; {
			count := min(in-first, listLen)
			l.fill(x[r*in+first:], 1, count, first, out)
			first += count
			l.relu = relu && first == in
			gather(dst, init, w, &l)
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
	l.scale = alpha
	for i := weightTiles(w, alpha, x, dy, rows, in, out); i < in; i++ {
		wi := w[i*out:][:out]
		for first := 0; first < rows; first += listLen {
			l.fill(x[first*in+i:], in, min(rows-first, listLen), first, out)
			if l.n > 0 {
				gather(wi, wi, dy, &l)
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
	l.scale = alpha
	for first := 0; first < rows; first += listLen {
		l.n = min(rows-first, listLen)
		for k := range l.n {
			l.row[k], l.factor[k] = (first+k)*out, 1
		}
		gather(b, b, dy, &l)
	}
	leave()
}

// scalarGather is gather for fewer columns than a vector has.
func scalarGather(dst, init, base []float32, l *list) {
	for c := range dst {
		var sum float32
		for k, row := range l.row[:l.n] {
			sum += l.factor[k] * base[row+c]
		}
		v := init[c] + l.scale*sum
		if l.relu && v < 0 {
			v = 0
		}
		dst[c] = v
	}
}

// at returns the address of element i of x without a check. The last step of a
// loop computes an address one row past its reads, which checkptr would reject.
//
//go:nocheckptr
func at(x unsafe.Pointer, i int) unsafe.Pointer { return unsafe.Add(x, i*4) }
