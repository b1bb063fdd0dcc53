//go:build goexperiment.simd && amd64

package kernel

import (
	"math/bits"
	"simd/archsimd"
	"unsafe"
)

func load512(p unsafe.Pointer) archsimd.Float32x16 {
	return archsimd.LoadFloat32x16Array((*[16]float32)(p))
}

func store512(p unsafe.Pointer, v archsimd.Float32x16) { v.StoreArray((*[16]float32)(p)) }

// fill512 begins fill, with the whole vectors of 16 in x, and returns the number of their
// elements.
func (l *list) fill512(x []float32, cols int) int {
	var zero archsimd.Float32x16
	p := unsafe.Pointer(unsafe.SliceData(x))
	row := archsimd.LoadInt32x16Array(&ascending).Mul(archsimd.BroadcastInt32x16(int32(4 * cols)))
	step := archsimd.BroadcastInt32x16(int32(16 * 4 * cols))
	n, k := 0, 0
	for ; k+16 <= len(x); k += 16 {
		v := load512(at(p, k))
		some := v.NotEqual(zero)
		row.Compress(some).StoreArray((*[16]int32)(unsafe.Pointer(&l.row[n])))
		store512(unsafe.Pointer(&l.factor[n]), v.Compress(some))
		n += bits.OnesCount16(some.ToBits())
		row = row.Add(step)
	}
	l.row[n] = 0
	l.n = n
	return k
}

var ascending = [16]int32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}

// gather512 is gather with vectors of 16.
func gather512(dst, init, base []float32, l *list) {
	cols := len(dst)
	if cols < 16 {
		gather256(dst, init, base, l)
		return
	}
	d, i, b := unsafe.Pointer(&dst[0]), unsafe.Pointer(&init[0]), unsafe.Pointer(&base[0])
	if cols%8 == 0 {
		c := cols &^ 15
		columns512(d, i, b, c, l)
		if c < cols {
			block256x1(at(d, c), at(i, c), at(b, c), l)
		}
		return
	}
	// The remaining columns are computed first, as part of a whole vector,
	// and stored last: dst may be init.
	var rest [16]float32
	c := cols - 16
	columns512(unsafe.Pointer(&rest), at(i, c), at(b, c), 16, l)
	c = cols &^ 15
	columns512(d, i, b, c, l)
	leave()
	copy(dst[c:], rest[16-(cols-c):])
}

// columns512 is gather for whole vectors.
func columns512(dst, init, base unsafe.Pointer, cols int, l *list) {
	c := 0
	for ; c+128 <= cols; c += 128 {
		block512x8(at(dst, c), at(init, c), at(base, c), l)
	}
	for ; c+64 <= cols; c += 64 {
		block512x4(at(dst, c), at(init, c), at(base, c), l)
	}
	for ; c+32 <= cols; c += 32 {
		block512x2(at(dst, c), at(init, c), at(base, c), l)
	}
	for ; c+16 <= cols; c += 16 {
		block512x1(at(dst, c), at(init, c), at(base, c), l)
	}
}

// block512x8 is gather for 128 columns.
func block512x8(dst, init, base unsafe.Pointer, l *list) {
	n, rows, factors := l.n, unsafe.Pointer(&l.row), unsafe.Pointer(&l.factor)
	p := unsafe.Add(base, l.row[0])
	var s0, s1, s2, s3, s4, s5, s6, s7 archsimd.Float32x16
	for k := 0; k < n; k++ {
		v := archsimd.BroadcastFloat32x16(*(*float32)(at(factors, k)))
		s0 = load512(p).MulAdd(v, s0)
		s1 = load512(at(p, 16)).MulAdd(v, s1)
		s2 = load512(at(p, 32)).MulAdd(v, s2)
		s3 = load512(at(p, 48)).MulAdd(v, s3)
		s4 = load512(at(p, 64)).MulAdd(v, s4)
		s5 = load512(at(p, 80)).MulAdd(v, s5)
		s6 = load512(at(p, 96)).MulAdd(v, s6)
		s7 = load512(at(p, 112)).MulAdd(v, s7)
		p = unsafe.Add(base, *(*uint32)(at(rows, k+1)))
	}
	f := archsimd.BroadcastFloat32x16(l.scale)
	s0 = s0.MulAdd(f, load512(init))
	s1 = s1.MulAdd(f, load512(at(init, 16)))
	s2 = s2.MulAdd(f, load512(at(init, 32)))
	s3 = s3.MulAdd(f, load512(at(init, 48)))
	s4 = s4.MulAdd(f, load512(at(init, 64)))
	s5 = s5.MulAdd(f, load512(at(init, 80)))
	s6 = s6.MulAdd(f, load512(at(init, 96)))
	s7 = s7.MulAdd(f, load512(at(init, 112)))
	if l.relu {
		var zero archsimd.Float32x16
		s0 = zero.Merge(s0, s0.Less(zero)) // keeps NaN; Max need not
		s1 = zero.Merge(s1, s1.Less(zero))
		s2 = zero.Merge(s2, s2.Less(zero))
		s3 = zero.Merge(s3, s3.Less(zero))
		s4 = zero.Merge(s4, s4.Less(zero))
		s5 = zero.Merge(s5, s5.Less(zero))
		s6 = zero.Merge(s6, s6.Less(zero))
		s7 = zero.Merge(s7, s7.Less(zero))
	}
	store512(dst, s0)
	store512(at(dst, 16), s1)
	store512(at(dst, 32), s2)
	store512(at(dst, 48), s3)
	store512(at(dst, 64), s4)
	store512(at(dst, 80), s5)
	store512(at(dst, 96), s6)
	store512(at(dst, 112), s7)
}

// block512x4 is gather for 64 columns.
func block512x4(dst, init, base unsafe.Pointer, l *list) {
	n, rows, factors := l.n, unsafe.Pointer(&l.row), unsafe.Pointer(&l.factor)
	p := unsafe.Add(base, l.row[0])
	var s0, s1, s2, s3 archsimd.Float32x16
	for k := 0; k < n; k++ {
		v := archsimd.BroadcastFloat32x16(*(*float32)(at(factors, k)))
		s0 = load512(p).MulAdd(v, s0)
		s1 = load512(at(p, 16)).MulAdd(v, s1)
		s2 = load512(at(p, 32)).MulAdd(v, s2)
		s3 = load512(at(p, 48)).MulAdd(v, s3)
		p = unsafe.Add(base, *(*uint32)(at(rows, k+1)))
	}
	f := archsimd.BroadcastFloat32x16(l.scale)
	s0 = s0.MulAdd(f, load512(init))
	s1 = s1.MulAdd(f, load512(at(init, 16)))
	s2 = s2.MulAdd(f, load512(at(init, 32)))
	s3 = s3.MulAdd(f, load512(at(init, 48)))
	if l.relu {
		var zero archsimd.Float32x16
		s0 = zero.Merge(s0, s0.Less(zero)) // keeps NaN; Max need not
		s1 = zero.Merge(s1, s1.Less(zero))
		s2 = zero.Merge(s2, s2.Less(zero))
		s3 = zero.Merge(s3, s3.Less(zero))
	}
	store512(dst, s0)
	store512(at(dst, 16), s1)
	store512(at(dst, 32), s2)
	store512(at(dst, 48), s3)
}

// block512x2 is gather for 32 columns.
func block512x2(dst, init, base unsafe.Pointer, l *list) {
	n, rows, factors := l.n, unsafe.Pointer(&l.row), unsafe.Pointer(&l.factor)
	p := unsafe.Add(base, l.row[0])
	var s0, s1 archsimd.Float32x16
	for k := 0; k < n; k++ {
		v := archsimd.BroadcastFloat32x16(*(*float32)(at(factors, k)))
		s0 = load512(p).MulAdd(v, s0)
		s1 = load512(at(p, 16)).MulAdd(v, s1)
		p = unsafe.Add(base, *(*uint32)(at(rows, k+1)))
	}
	f := archsimd.BroadcastFloat32x16(l.scale)
	s0 = s0.MulAdd(f, load512(init))
	s1 = s1.MulAdd(f, load512(at(init, 16)))
	if l.relu {
		var zero archsimd.Float32x16
		s0 = zero.Merge(s0, s0.Less(zero)) // keeps NaN; Max need not
		s1 = zero.Merge(s1, s1.Less(zero))
	}
	store512(dst, s0)
	store512(at(dst, 16), s1)
}

// block512x1 is gather for 16 columns.
func block512x1(dst, init, base unsafe.Pointer, l *list) {
	n, rows, factors := l.n, unsafe.Pointer(&l.row), unsafe.Pointer(&l.factor)
	p := unsafe.Add(base, l.row[0])
	var s0 archsimd.Float32x16
	for k := 0; k < n; k++ {
		v := archsimd.BroadcastFloat32x16(*(*float32)(at(factors, k)))
		s0 = load512(p).MulAdd(v, s0)
		p = unsafe.Add(base, *(*uint32)(at(rows, k+1)))
	}
	f := archsimd.BroadcastFloat32x16(l.scale)
	s0 = s0.MulAdd(f, load512(init))
	if l.relu {
		var zero archsimd.Float32x16
		s0 = zero.Merge(s0, s0.Less(zero)) // keeps NaN; Max need not
	}
	store512(dst, s0)
}

// tile512x2 is tile for the 32 columns from c on.
func tile512x2(t *tile, c int) {
	var s00, s01, s10, s11, s20, s21, s30, s31 archsimd.Float32x16
	p, step := at(t.base, c), t.stride
	x0, next, end := t.x, t.xNext, t.n*t.xNext
	x1, x2, x3 := at(x0, t.xRow), at(x0, 2*t.xRow), at(x0, 3*t.xRow)
	for i := 0; i < end; i += next {
		w0 := load512(p)
		w1 := load512(at(p, 16))
		v := archsimd.BroadcastFloat32x16(*(*float32)(at(x0, i)))
		s00 = v.MulAdd(w0, s00)
		s01 = v.MulAdd(w1, s01)
		v = archsimd.BroadcastFloat32x16(*(*float32)(at(x1, i)))
		s10 = v.MulAdd(w0, s10)
		s11 = v.MulAdd(w1, s11)
		v = archsimd.BroadcastFloat32x16(*(*float32)(at(x2, i)))
		s20 = v.MulAdd(w0, s20)
		s21 = v.MulAdd(w1, s21)
		v = archsimd.BroadcastFloat32x16(*(*float32)(at(x3, i)))
		s30 = w0.MulAdd(v, s30)
		s31 = w1.MulAdd(v, s31)
		p = at(p, step)
	}
	f := archsimd.BroadcastFloat32x16(t.scale)
	init, dst := at(t.init, c), at(t.dst, c)
	s00 = s00.MulAdd(f, load512(init))
	s01 = s01.MulAdd(f, load512(at(init, 16)))
	s10 = s10.MulAdd(f, load512(at(init, t.initRow)))
	s11 = s11.MulAdd(f, load512(at(init, t.initRow+16)))
	s20 = s20.MulAdd(f, load512(at(init, 2*t.initRow)))
	s21 = s21.MulAdd(f, load512(at(init, 2*t.initRow+16)))
	s30 = s30.MulAdd(f, load512(at(init, 3*t.initRow)))
	s31 = s31.MulAdd(f, load512(at(init, 3*t.initRow+16)))
	if t.relu {
		zero := load512(unsafe.Pointer(&zeros))
		s00 = zero.Merge(s00, s00.Less(zero))
		s01 = zero.Merge(s01, s01.Less(zero))
		s10 = zero.Merge(s10, s10.Less(zero))
		s11 = zero.Merge(s11, s11.Less(zero))
		s20 = zero.Merge(s20, s20.Less(zero))
		s21 = zero.Merge(s21, s21.Less(zero))
		s30 = zero.Merge(s30, s30.Less(zero))
		s31 = zero.Merge(s31, s31.Less(zero))
	}
	store512(dst, s00)
	store512(at(dst, 16), s01)
	store512(at(dst, t.dstRow), s10)
	store512(at(dst, t.dstRow+16), s11)
	store512(at(dst, 2*t.dstRow), s20)
	store512(at(dst, 2*t.dstRow+16), s21)
	store512(at(dst, 3*t.dstRow), s30)
	store512(at(dst, 3*t.dstRow+16), s31)
}

// tile512x1 is tile for the 16 columns from c on.
func tile512x1(t *tile, c int) {
	var s00, s10, s20, s30 archsimd.Float32x16
	p, step := at(t.base, c), t.stride
	x0, next, end := t.x, t.xNext, t.n*t.xNext
	x1, x2, x3 := at(x0, t.xRow), at(x0, 2*t.xRow), at(x0, 3*t.xRow)
	for i := 0; i < end; i += next {
		w0 := load512(p)
		v := archsimd.BroadcastFloat32x16(*(*float32)(at(x0, i)))
		s00 = v.MulAdd(w0, s00)
		v = archsimd.BroadcastFloat32x16(*(*float32)(at(x1, i)))
		s10 = v.MulAdd(w0, s10)
		v = archsimd.BroadcastFloat32x16(*(*float32)(at(x2, i)))
		s20 = v.MulAdd(w0, s20)
		v = archsimd.BroadcastFloat32x16(*(*float32)(at(x3, i)))
		s30 = w0.MulAdd(v, s30)
		p = at(p, step)
	}
	f := archsimd.BroadcastFloat32x16(t.scale)
	init, dst := at(t.init, c), at(t.dst, c)
	s00 = s00.MulAdd(f, load512(init))
	s10 = s10.MulAdd(f, load512(at(init, t.initRow)))
	s20 = s20.MulAdd(f, load512(at(init, 2*t.initRow)))
	s30 = s30.MulAdd(f, load512(at(init, 3*t.initRow)))
	if t.relu {
		zero := load512(unsafe.Pointer(&zeros))
		s00 = zero.Merge(s00, s00.Less(zero))
		s10 = zero.Merge(s10, s10.Less(zero))
		s20 = zero.Merge(s20, s20.Less(zero))
		s30 = zero.Merge(s30, s30.Less(zero))
	}
	store512(dst, s00)
	store512(at(dst, t.dstRow), s10)
	store512(at(dst, 2*t.dstRow), s20)
	store512(at(dst, 3*t.dstRow), s30)
}

// inputGradient512 is inputGradient with vectors of 16, for at least 4
// inputs and 16 outputs. Tiles are 2 rows by 4 inputs; at the
// edges tiles overlap and write the same values. The weights are read once.
func inputGradient512(dx, dy, w []float32, rows, in, out int) {
	x, y, m := unsafe.Pointer(&dx[0]), unsafe.Pointer(&dy[0]), unsafe.Pointer(&w[0])
	for i := 0; i < in; i += 4 {
		i := min(i, in-4)
		for r := 0; r < rows; r += 2 {
			a, b := r, min(r+1, rows-1)
			dots512(at(x, a*in+i), at(x, b*in+i), at(y, a*out), at(y, b*out), at(m, i*out), out)
		}
	}
}

// dots512 computes the inner products of the vectors at a and b with the four
// vectors that follow one another at w, all of length n.
func dots512(xa, xb, a, b, w unsafe.Pointer, n int) {
	var a0, a1, a2, a3, b0, b1, b2, b3 archsimd.Float32x16
	w1, w2, w3 := at(w, n), at(w, 2*n), at(w, 3*n)
	k := 0
	for ; k+16 <= n; k += 16 {
		va, vb := load512(at(a, k)), load512(at(b, k))
		v := load512(at(w, k))
		a0 = v.MulAdd(va, a0)
		b0 = v.MulAdd(vb, b0)
		v = load512(at(w1, k))
		a1 = v.MulAdd(va, a1)
		b1 = v.MulAdd(vb, b1)
		v = load512(at(w2, k))
		a2 = v.MulAdd(va, a2)
		b2 = v.MulAdd(vb, b2)
		v = load512(at(w3, k))
		a3 = v.MulAdd(va, a3)
		b3 = v.MulAdd(vb, b3)
	}
	if rest := n - k; rest > 0 {
		// The last whole vector, without the elements counted before.
		k = n - 16
		keep := archsimd.Mask32x16FromBits(^uint16(0) << (16 - rest))
		va, vb := load512(at(a, k)).Masked(keep), load512(at(b, k)).Masked(keep)
		v := load512(at(w, k))
		a0 = v.MulAdd(va, a0)
		b0 = v.MulAdd(vb, b0)
		v = load512(at(w1, k))
		a1 = v.MulAdd(va, a1)
		b1 = v.MulAdd(vb, b1)
		v = load512(at(w2, k))
		a2 = v.MulAdd(va, a2)
		b2 = v.MulAdd(vb, b2)
		v = load512(at(w3, k))
		a3 = v.MulAdd(va, a3)
		b3 = v.MulAdd(vb, b3)
	}
	store128(xa, sums256(half512(a0), half512(a1), half512(a2), half512(a3)))
	store128(xb, sums256(half512(b0), half512(b1), half512(b2), half512(b3)))
}

// half512 adds the upper half of v to the lower.
func half512(v archsimd.Float32x16) archsimd.Float32x8 { return v.GetLo().Add(v.GetHi()) }
