//go:build goexperiment.simd && amd64

package kernel

import (
	"math"
	"math/bits"
	"simd/archsimd"
	"unsafe"
)

// Both products with x use one loop, gather: a row of the result is a weighted sum
// of rows of another matrix, selected by a list,
//
//	for c := range cols {
//		sum := 0
//		for k := range l.n {
//			sum += l.factor[k] * base[l.row[k]/4+c]
//		}
//		dst[c] = init[c] + l.scale*sum
//	}
//
// then dst[c] = max(dst[c], 0) if l.relu is set. A block of columns stays in registers
// while k runs.

// listLen is the max number of rows that one call of gather sums.
const listLen = 256

// list selects rows of a matrix, and says what becomes of the sum.
//
// Rows are distances from base in bytes, and row[n] is 0: a loop computes the address of
// the next row at the end of a step. The compiler computes one that a step begins with
// again for each vector.
//
// The scale lies in memory: as an argument that lives across the loop, the compiler
// keeps it on the stack and loads it in every step by an SSE instruction, which some
// processors run slowly between AVX instructions (TestLoopsStayInRegisters).
type list struct {
	scale  float32
	relu   bool
	n      int
	row    [2 * listLen]uint32 // longer than listLen: fill512 writes whole vectors
	factor [2 * listLen]float32
}

// listRows is the max number of rows that addWeightGradient lists at a time, a multiple of
// 32: those of dy stay in the L1 cache, or near it, for all inputs.
const listRows = 64

// maxRows returns how many rows of cols elements a list can select from.
func maxRows(cols int) int { return max(1, min(listLen, math.MaxUint32/4/cols)) }

// add appends the elements of x that are marked in mask: bit k stands for the element
// k*xStep bytes from x, which selects row first+k of a matrix.
func (l *list) add(mask uint32, x unsafe.Pointer, xStep, first, cols int) {
	n := l.n
	for ; mask != 0; mask &= mask - 1 {
		k := bits.TrailingZeros32(mask)
		l.row[n&(2*listLen-1)] = uint32((first + k) * cols * 4)
		// As bits: an instruction for a float32 here would be one of SSE.
		*(*uint32)(unsafe.Pointer(&l.factor[n&(2*listLen-1)])) = *(*uint32)(unsafe.Add(x, k*xStep))
		n++
	}
	l.row[n&(2*listLen-1)] = 0
	l.n = n
}

// fill lists the nonzero ones of x, at most listLen. Element k selects row k of a
// matrix with the given number of columns.
func (l *list) fill(x []float32, cols int) {
	l.n, l.row[0] = 0, 0
	var zero archsimd.Float32x8
	p := unsafe.Pointer(unsafe.SliceData(x))
	first := 0
	if best == avx512 {
		first = l.fill512(x, cols)
		p = at(p, first)
	}
	for ; first < len(x); first += 32 {
		n := min(len(x)-first, 32)
		var mask uint32
		k := 0
		for ; k+8 <= n; k += 8 {
			mask |= uint32(load256(at(p, k)).NotEqual(zero).ToBits()) << k
		}
		for ; k < n; k++ { // by its bits, as in add
			u := *(*uint32)(at(p, k)) << 1
			mask |= (u | -u) >> 31 << k
		}
		l.add(mask, p, 4, first, cols)
		p = at(p, n)
	}
}

// marks finds the nonzero elements of up to 8 columns of x, [rows, in], beginning with one:
// bit k of element j of masks[r] is set if element column+j of row 32*r+k is not zero.
func marks(masks *[listRows / 32][8]uint32, x []float32, column, rows, in int) {
	if column+8 > in {
		clear(masks[:])
		leave()
		for r := range rows {
			for j, v := range x[r*in:][column:in] {
				if v != 0 {
					masks[r/32][j] |= 1 << (r % 32)
				}
			}
		}
		return
	}
	p := unsafe.Pointer(&x[column])
	var zero archsimd.Float32x8
	for r := 0; r < rows; r += 32 {
		var sum archsimd.Uint32x8
		bit := archsimd.BroadcastUint32x8(1)
		for range min(rows-r, 32) {
			sum = sum.Or(load256(p).NotEqual(zero).ToInt32x8().ToBits().And(bit))
			bit = bit.Add(bit)
			p = at(p, in)
		}
		sum.StoreArray(&masks[r/32])
	}
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
	done := forwardTiles(y, x, w, b, rows, in, out, relu)
	// By blocks of inputs, whose weights stay in the L2 cache for all rows.
	block := maxRows(out)
	for first := 0; first < in || first == 0; first += block {
		count := min(in-first, block)
		l.relu = relu && first+count == in
		for r := done; r < rows; r++ {
			dst := y[r*out:][:out]
			init := dst
			if first == 0 {
				init = b
			}
			l.fill(x[r*in+first:][:count], out)
			gather(dst, init, w[first*out:], &l)
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
	var masks [listRows / 32][8]uint32
	done := weightTiles(w, alpha, x, dy, rows, in, out)
	block := min(listRows, maxRows(out))
	for first := 0; first < rows; first += block {
		count := min(rows-first, block)
		xs := x[first*in:]
		for i := done; i < in; i += 8 {
			marks(&masks, xs, i, count, in)
			for j := i; j < min(i+8, in); j++ {
				l.n = 0
				for r := 0; r < count; r += 32 {
					l.add(masks[r/32][j-i], unsafe.Pointer(&xs[r*in+j]), 4*in, r, out)
				}
				if l.n > 0 {
					wj := w[j*out:][:out]
					gather(wj, wj, dy[first*out:], &l)
				}
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
	block := maxRows(out)
	for first := 0; first < rows; first += block {
		l.n = min(rows-first, block)
		for k := range l.n {
			l.row[k], l.factor[k] = uint32(k*out*4), 1
		}
		l.row[l.n] = 0
		gather(b, b, dy[first*out:], &l)
	}
	leave()
}

// scalarGather is gather for fewer columns than a vector has.
func scalarGather(dst, init, base []float32, l *list) {
	leave()
	for c := range dst {
		var sum float32
		for k, row := range l.row[:l.n] {
			sum += l.factor[k] * base[int(row/4)+c]
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
