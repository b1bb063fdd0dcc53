//go:build goexperiment.simd && amd64

package kernel

import (
	"simd/archsimd"
	"unsafe"
)

func load256(p unsafe.Pointer) archsimd.Float32x8 {
	return archsimd.LoadFloat32x8Array((*[8]float32)(p))
}

func store256(p unsafe.Pointer, v archsimd.Float32x8) { v.StoreArray((*[8]float32)(p)) }

// gather256 is gather with vectors of 8.
func gather256(dst, init, base []float32, l *list) {
	cols := len(dst)
	if cols < 8 {
		scalarGather(dst, init, base, l)
		return
	}
	d, i, b := unsafe.Pointer(&dst[0]), unsafe.Pointer(&init[0]), unsafe.Pointer(&base[0])
	if cols%8 == 0 {
		columns256(d, i, b, cols, l)
		return
	}
	// The remaining columns are computed first, as part of a whole vector,
	// and stored last: dst may be init.
	var rest [8]float32
	c := cols - 8
	columns256(unsafe.Pointer(&rest), at(i, c), at(b, c), 8, l)
	c = cols &^ 7
	columns256(d, i, b, c, l)
	leave()
	copy(dst[c:], rest[8-(cols-c):])
}

// columns256 is gather for whole vectors.
func columns256(dst, init, base unsafe.Pointer, cols int, l *list) {
	c := 0
	for ; c+48 <= cols; c += 48 {
		block256x6(at(dst, c), at(init, c), at(base, c), l)
	}
	for ; c+32 <= cols; c += 32 {
		block256x4(at(dst, c), at(init, c), at(base, c), l)
	}
	for ; c+16 <= cols; c += 16 {
		block256x2(at(dst, c), at(init, c), at(base, c), l)
	}
	for ; c+8 <= cols; c += 8 {
		block256x1(at(dst, c), at(init, c), at(base, c), l)
	}
}

// block256x6 is gather for 48 columns.
func block256x6(dst, init, base unsafe.Pointer, l *list) {
	n, rows, factors := l.n, unsafe.Pointer(&l.row), unsafe.Pointer(&l.factor)
	p := unsafe.Add(base, l.row[0])
	var s0, s1, s2, s3, s4, s5 archsimd.Float32x8
	for k := 0; k < n; k++ {
		v := archsimd.BroadcastFloat32x8(*(*float32)(at(factors, k)))
		s0 = load256(p).MulAdd(v, s0)
		s1 = load256(at(p, 8)).MulAdd(v, s1)
		s2 = load256(at(p, 16)).MulAdd(v, s2)
		s3 = load256(at(p, 24)).MulAdd(v, s3)
		s4 = load256(at(p, 32)).MulAdd(v, s4)
		s5 = load256(at(p, 40)).MulAdd(v, s5)
		p = unsafe.Add(base, *(*uint32)(at(rows, k+1)))
	}
	f := archsimd.BroadcastFloat32x8(l.scale)
	s0 = s0.MulAdd(f, load256(init))
	s1 = s1.MulAdd(f, load256(at(init, 8)))
	s2 = s2.MulAdd(f, load256(at(init, 16)))
	s3 = s3.MulAdd(f, load256(at(init, 24)))
	s4 = s4.MulAdd(f, load256(at(init, 32)))
	s5 = s5.MulAdd(f, load256(at(init, 40)))
	if l.relu {
		var zero archsimd.Float32x8
		s0 = zero.Merge(s0, s0.Less(zero)) // keeps NaN; Max need not
		s1 = zero.Merge(s1, s1.Less(zero))
		s2 = zero.Merge(s2, s2.Less(zero))
		s3 = zero.Merge(s3, s3.Less(zero))
		s4 = zero.Merge(s4, s4.Less(zero))
		s5 = zero.Merge(s5, s5.Less(zero))
	}
	store256(dst, s0)
	store256(at(dst, 8), s1)
	store256(at(dst, 16), s2)
	store256(at(dst, 24), s3)
	store256(at(dst, 32), s4)
	store256(at(dst, 40), s5)
}

// block256x4 is gather for 32 columns.
func block256x4(dst, init, base unsafe.Pointer, l *list) {
	n, rows, factors := l.n, unsafe.Pointer(&l.row), unsafe.Pointer(&l.factor)
	p := unsafe.Add(base, l.row[0])
	var s0, s1, s2, s3 archsimd.Float32x8
	for k := 0; k < n; k++ {
		v := archsimd.BroadcastFloat32x8(*(*float32)(at(factors, k)))
		s0 = load256(p).MulAdd(v, s0)
		s1 = load256(at(p, 8)).MulAdd(v, s1)
		s2 = load256(at(p, 16)).MulAdd(v, s2)
		s3 = load256(at(p, 24)).MulAdd(v, s3)
		p = unsafe.Add(base, *(*uint32)(at(rows, k+1)))
	}
	f := archsimd.BroadcastFloat32x8(l.scale)
	s0 = s0.MulAdd(f, load256(init))
	s1 = s1.MulAdd(f, load256(at(init, 8)))
	s2 = s2.MulAdd(f, load256(at(init, 16)))
	s3 = s3.MulAdd(f, load256(at(init, 24)))
	if l.relu {
		var zero archsimd.Float32x8
		s0 = zero.Merge(s0, s0.Less(zero)) // keeps NaN; Max need not
		s1 = zero.Merge(s1, s1.Less(zero))
		s2 = zero.Merge(s2, s2.Less(zero))
		s3 = zero.Merge(s3, s3.Less(zero))
	}
	store256(dst, s0)
	store256(at(dst, 8), s1)
	store256(at(dst, 16), s2)
	store256(at(dst, 24), s3)
}

// block256x2 is gather for 16 columns.
func block256x2(dst, init, base unsafe.Pointer, l *list) {
	n, rows, factors := l.n, unsafe.Pointer(&l.row), unsafe.Pointer(&l.factor)
	p := unsafe.Add(base, l.row[0])
	var s0, s1 archsimd.Float32x8
	for k := 0; k < n; k++ {
		v := archsimd.BroadcastFloat32x8(*(*float32)(at(factors, k)))
		s0 = load256(p).MulAdd(v, s0)
		s1 = load256(at(p, 8)).MulAdd(v, s1)
		p = unsafe.Add(base, *(*uint32)(at(rows, k+1)))
	}
	f := archsimd.BroadcastFloat32x8(l.scale)
	s0 = s0.MulAdd(f, load256(init))
	s1 = s1.MulAdd(f, load256(at(init, 8)))
	if l.relu {
		var zero archsimd.Float32x8
		s0 = zero.Merge(s0, s0.Less(zero)) // keeps NaN; Max need not
		s1 = zero.Merge(s1, s1.Less(zero))
	}
	store256(dst, s0)
	store256(at(dst, 8), s1)
}

// block256x1 is gather for 8 columns.
func block256x1(dst, init, base unsafe.Pointer, l *list) {
	n, rows, factors := l.n, unsafe.Pointer(&l.row), unsafe.Pointer(&l.factor)
	p := unsafe.Add(base, l.row[0])
	var s0 archsimd.Float32x8
	for k := 0; k < n; k++ {
		v := archsimd.BroadcastFloat32x8(*(*float32)(at(factors, k)))
		s0 = load256(p).MulAdd(v, s0)
		p = unsafe.Add(base, *(*uint32)(at(rows, k+1)))
	}
	f := archsimd.BroadcastFloat32x8(l.scale)
	s0 = s0.MulAdd(f, load256(init))
	if l.relu {
		var zero archsimd.Float32x8
		s0 = zero.Merge(s0, s0.Less(zero)) // keeps NaN; Max need not
	}
	store256(dst, s0)
}

// tile256x2 is tile for the 16 columns from c on.
func tile256x2(t *tile, c int) {
	var s00, s01, s10, s11, s20, s21, s30, s31 archsimd.Float32x8
	p, step := at(t.base, c), t.stride
	x0, next, end := t.x, t.xNext, t.n*t.xNext
	x1, x2, x3 := at(x0, t.xRow), at(x0, 2*t.xRow), at(x0, 3*t.xRow)
	for i := 0; i < end; i += next {
		w0 := load256(p)
		w1 := load256(at(p, 8))
		v := archsimd.BroadcastFloat32x8(*(*float32)(at(x0, i)))
		s00 = v.MulAdd(w0, s00)
		s01 = v.MulAdd(w1, s01)
		v = archsimd.BroadcastFloat32x8(*(*float32)(at(x1, i)))
		s10 = v.MulAdd(w0, s10)
		s11 = v.MulAdd(w1, s11)
		v = archsimd.BroadcastFloat32x8(*(*float32)(at(x2, i)))
		s20 = v.MulAdd(w0, s20)
		s21 = v.MulAdd(w1, s21)
		v = archsimd.BroadcastFloat32x8(*(*float32)(at(x3, i)))
		s30 = w0.MulAdd(v, s30)
		s31 = w1.MulAdd(v, s31)
		p = at(p, step)
	}
	f := archsimd.BroadcastFloat32x8(t.scale)
	init, dst := at(t.init, c), at(t.dst, c)
	s00 = s00.MulAdd(f, load256(init))
	s01 = s01.MulAdd(f, load256(at(init, 8)))
	s10 = s10.MulAdd(f, load256(at(init, t.initRow)))
	s11 = s11.MulAdd(f, load256(at(init, t.initRow+8)))
	s20 = s20.MulAdd(f, load256(at(init, 2*t.initRow)))
	s21 = s21.MulAdd(f, load256(at(init, 2*t.initRow+8)))
	s30 = s30.MulAdd(f, load256(at(init, 3*t.initRow)))
	s31 = s31.MulAdd(f, load256(at(init, 3*t.initRow+8)))
	if t.relu {
		zero := load256(unsafe.Pointer(&zeros))
		s00 = zero.Merge(s00, s00.Less(zero))
		s01 = zero.Merge(s01, s01.Less(zero))
		s10 = zero.Merge(s10, s10.Less(zero))
		s11 = zero.Merge(s11, s11.Less(zero))
		s20 = zero.Merge(s20, s20.Less(zero))
		s21 = zero.Merge(s21, s21.Less(zero))
		s30 = zero.Merge(s30, s30.Less(zero))
		s31 = zero.Merge(s31, s31.Less(zero))
	}
	store256(dst, s00)
	store256(at(dst, 8), s01)
	store256(at(dst, t.dstRow), s10)
	store256(at(dst, t.dstRow+8), s11)
	store256(at(dst, 2*t.dstRow), s20)
	store256(at(dst, 2*t.dstRow+8), s21)
	store256(at(dst, 3*t.dstRow), s30)
	store256(at(dst, 3*t.dstRow+8), s31)
}

// tile256x1 is tile for the 8 columns from c on.
func tile256x1(t *tile, c int) {
	var s00, s10, s20, s30 archsimd.Float32x8
	p, step := at(t.base, c), t.stride
	x0, next, end := t.x, t.xNext, t.n*t.xNext
	x1, x2, x3 := at(x0, t.xRow), at(x0, 2*t.xRow), at(x0, 3*t.xRow)
	for i := 0; i < end; i += next {
		w0 := load256(p)
		v := archsimd.BroadcastFloat32x8(*(*float32)(at(x0, i)))
		s00 = v.MulAdd(w0, s00)
		v = archsimd.BroadcastFloat32x8(*(*float32)(at(x1, i)))
		s10 = v.MulAdd(w0, s10)
		v = archsimd.BroadcastFloat32x8(*(*float32)(at(x2, i)))
		s20 = v.MulAdd(w0, s20)
		v = archsimd.BroadcastFloat32x8(*(*float32)(at(x3, i)))
		s30 = w0.MulAdd(v, s30)
		p = at(p, step)
	}
	f := archsimd.BroadcastFloat32x8(t.scale)
	init, dst := at(t.init, c), at(t.dst, c)
	s00 = s00.MulAdd(f, load256(init))
	s10 = s10.MulAdd(f, load256(at(init, t.initRow)))
	s20 = s20.MulAdd(f, load256(at(init, 2*t.initRow)))
	s30 = s30.MulAdd(f, load256(at(init, 3*t.initRow)))
	if t.relu {
		zero := load256(unsafe.Pointer(&zeros))
		s00 = zero.Merge(s00, s00.Less(zero))
		s10 = zero.Merge(s10, s10.Less(zero))
		s20 = zero.Merge(s20, s20.Less(zero))
		s30 = zero.Merge(s30, s30.Less(zero))
	}
	store256(dst, s00)
	store256(at(dst, t.dstRow), s10)
	store256(at(dst, 2*t.dstRow), s20)
	store256(at(dst, 3*t.dstRow), s30)
}

// inputGradient256 is inputGradient with vectors of 8, for at least 4
// inputs and 8 outputs. Tiles are 2 rows by 4 inputs; at the
// edges tiles overlap and write the same values. The weights are read once.
func inputGradient256(dx, dy, w []float32, rows, in, out int) {
	x, y, m := unsafe.Pointer(&dx[0]), unsafe.Pointer(&dy[0]), unsafe.Pointer(&w[0])
	for i := 0; i < in; i += 4 {
		i := min(i, in-4)
		for r := 0; r < rows; r += 2 {
			a, b := r, min(r+1, rows-1)
			dots256(at(x, a*in+i), at(x, b*in+i), at(y, a*out), at(y, b*out), at(m, i*out), out)
		}
	}
}

// dots256 computes the inner products of the vectors at a and b with the four
// vectors that follow one another at w, all of length n.
func dots256(xa, xb, a, b, w unsafe.Pointer, n int) {
	var a0, a1, a2, a3, b0, b1, b2, b3 archsimd.Float32x8
	w1, w2, w3 := at(w, n), at(w, 2*n), at(w, 3*n)
	k := 0
	for ; k+8 <= n; k += 8 {
		va, vb := load256(at(a, k)), load256(at(b, k))
		v := load256(at(w, k))
		a0 = v.MulAdd(va, a0)
		b0 = v.MulAdd(vb, b0)
		v = load256(at(w1, k))
		a1 = v.MulAdd(va, a1)
		b1 = v.MulAdd(vb, b1)
		v = load256(at(w2, k))
		a2 = v.MulAdd(va, a2)
		b2 = v.MulAdd(vb, b2)
		v = load256(at(w3, k))
		a3 = v.MulAdd(va, a3)
		b3 = v.MulAdd(vb, b3)
	}
	if rest := n - k; rest > 0 {
		// The last whole vector, without the elements counted before.
		k = n - 8
		keep := archsimd.LoadInt32x8Array((*[8]int32)(at(unsafe.Pointer(&lastOnes), rest))).ToMask()
		va, vb := load256(at(a, k)).Masked(keep), load256(at(b, k)).Masked(keep)
		v := load256(at(w, k))
		a0 = v.MulAdd(va, a0)
		b0 = v.MulAdd(vb, b0)
		v = load256(at(w1, k))
		a1 = v.MulAdd(va, a1)
		b1 = v.MulAdd(vb, b1)
		v = load256(at(w2, k))
		a2 = v.MulAdd(va, a2)
		b2 = v.MulAdd(vb, b2)
		v = load256(at(w3, k))
		a3 = v.MulAdd(va, a3)
		b3 = v.MulAdd(vb, b3)
	}
	store128(xa, sums256(a0, a1, a2, a3))
	store128(xb, sums256(b0, b1, b2, b3))
}

// lastOnes, read from element n on, are 8 masks of which the last n are set.
var lastOnes = [16]int32{8: -1, -1, -1, -1, -1, -1, -1, -1}

func store128(p unsafe.Pointer, v archsimd.Float32x4) { v.StoreArray((*[4]float32)(p)) }

// sums256 returns the sums of its arguments' elements.
func sums256(a, b, c, d archsimd.Float32x8) archsimd.Float32x4 {
	s := a.ConcatAddPairsGrouped(b).ConcatAddPairsGrouped(c.ConcatAddPairsGrouped(d))
	return s.GetLo().Add(s.GetHi())
}

// axpy256 is axpy with vectors of 8.
func axpy256(y []float32, alpha float32, x []float32) {
	v := archsimd.BroadcastFloat32x8(alpha)
	n := len(y) &^ 7
	p, q := unsafe.Pointer(unsafe.SliceData(y)), unsafe.Pointer(unsafe.SliceData(x))
	for i := 0; i < n; i += 8 {
		store256(at(p, i), load256(at(q, i)).MulAdd(v, load256(at(p, i))))
	}
	scalarAxpy(y[n:], alpha, x[n:])
}

// blockSums are the sums of blocks of 256 elements, four for each. Scalar code adds them
// after leave: between the blocks each of its instructions would wait for the vectors.
type blockSums [64][4]float32

// store stores the sums of block b, which are those of the arguments' elements.
func (s *blockSums) store(b int, s0, s1, s2, s3 archsimd.Float32x8) {
	store128(unsafe.Pointer(&s[b]), sums256(s0, s1, s2, s3))
}

// addTo adds the sums of the first n blocks to total, one after the other.
func (s *blockSums) addTo(total float64, n int) float64 {
	for i := range s[:n] {
		four := &s[i]
		total += (float64(four[0]) + float64(four[1])) + (float64(four[2]) + float64(four[3]))
	}
	return total
}

// dot256 is dot with vectors of 8: float32 within a block of 256
// elements, float64 beyond.
func dot256(x, y []float32) float64 {
	const block = 256
	var total float64
	for len(x) >= block {
		var sums blockSums
		n := min(len(x)/block, len(sums))
		p, q := unsafe.Pointer(&x[0]), unsafe.Pointer(&y[0])
		for b := range n {
			var s0, s1, s2, s3 archsimd.Float32x8
			for i := b * block; i < (b+1)*block; i += 32 {
				s0 = load256(at(p, i)).MulAdd(load256(at(q, i)), s0)
				s1 = load256(at(p, i+8)).MulAdd(load256(at(q, i+8)), s1)
				s2 = load256(at(p, i+16)).MulAdd(load256(at(q, i+16)), s2)
				s3 = load256(at(p, i+24)).MulAdd(load256(at(q, i+24)), s3)
			}
			sums.store(b, s0, s1, s2, s3)
		}
		leave()
		total = sums.addTo(total, n)
		x, y = x[n*block:], y[n*block:]
	}
	return total + scalarDot(x, y)
}
