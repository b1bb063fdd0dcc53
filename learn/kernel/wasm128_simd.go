//go:build goexperiment.simd && wasm

package kernel

import (
	"simd/archsimd"
	"unsafe"
)

func load128(p unsafe.Pointer) archsimd.Float32x4 {
	return archsimd.LoadFloat32x4Array((*[4]float32)(p))
}

func store128(p unsafe.Pointer, v archsimd.Float32x4) { v.StoreArray((*[4]float32)(p)) }

// gather128 is gather with vectors of 4.
func gather128(dst, init, base []float32, l *list) {
	cols := len(dst)
	if cols < 4 {
		scalarGather(dst, init, base, l)
		return
	}
	d, i, b := unsafe.Pointer(&dst[0]), unsafe.Pointer(&init[0]), unsafe.Pointer(&base[0])
	if cols%4 == 0 {
		columns128(d, i, b, cols, l)
		return
	}
	// The remaining columns are computed first, as part of a whole vector,
	// and stored last: dst may be init.
	var rest [4]float32
	c := cols - 4
	columns128(unsafe.Pointer(&rest), at(i, c), at(b, c), 4, l)
	c = cols &^ 3
	columns128(d, i, b, c, l)
	copy(dst[c:], rest[4-(cols-c):])
}

// columns128 is gather for whole vectors.
func columns128(dst, init, base unsafe.Pointer, cols int, l *list) {
	c := 0
	for ; c+32 <= cols; c += 32 {
		block128x8(at(dst, c), at(init, c), at(base, c), l)
	}
	for ; c+8 <= cols; c += 8 {
		block128x2(at(dst, c), at(init, c), at(base, c), l)
	}
	for ; c+4 <= cols; c += 4 {
		block128x1(at(dst, c), at(init, c), at(base, c), l)
	}
}

// block128x8 is gather for 32 columns.
func block128x8(dst, init, base unsafe.Pointer, l *list) {
	n := l.n
	var s0, s1, s2, s3, s4, s5, s6, s7 archsimd.Float32x4
	for k := 0; k < n; k++ {
		v := archsimd.BroadcastFloat32x4(l.factor[k&(listLen-1)])
		p := at(base, l.row[k&(listLen-1)])
		s0 = s0.Add(load128(p).Mul(v))
		s1 = s1.Add(load128(at(p, 4)).Mul(v))
		s2 = s2.Add(load128(at(p, 8)).Mul(v))
		s3 = s3.Add(load128(at(p, 12)).Mul(v))
		s4 = s4.Add(load128(at(p, 16)).Mul(v))
		s5 = s5.Add(load128(at(p, 20)).Mul(v))
		s6 = s6.Add(load128(at(p, 24)).Mul(v))
		s7 = s7.Add(load128(at(p, 28)).Mul(v))
	}
	f := archsimd.BroadcastFloat32x4(l.scale)
	s0 = load128(init).Add(s0.Mul(f))
	s1 = load128(at(init, 4)).Add(s1.Mul(f))
	s2 = load128(at(init, 8)).Add(s2.Mul(f))
	s3 = load128(at(init, 12)).Add(s3.Mul(f))
	s4 = load128(at(init, 16)).Add(s4.Mul(f))
	s5 = load128(at(init, 20)).Add(s5.Mul(f))
	s6 = load128(at(init, 24)).Add(s6.Mul(f))
	s7 = load128(at(init, 28)).Add(s7.Mul(f))
	if l.relu {
		var zero archsimd.Float32x4
		s0 = s0.Max(zero)
		s1 = s1.Max(zero)
		s2 = s2.Max(zero)
		s3 = s3.Max(zero)
		s4 = s4.Max(zero)
		s5 = s5.Max(zero)
		s6 = s6.Max(zero)
		s7 = s7.Max(zero)
	}
	store128(dst, s0)
	store128(at(dst, 4), s1)
	store128(at(dst, 8), s2)
	store128(at(dst, 12), s3)
	store128(at(dst, 16), s4)
	store128(at(dst, 20), s5)
	store128(at(dst, 24), s6)
	store128(at(dst, 28), s7)
}

// block128x2 is gather for 8 columns.
func block128x2(dst, init, base unsafe.Pointer, l *list) {
	n := l.n
	var s0, s1 archsimd.Float32x4
	for k := 0; k < n; k++ {
		v := archsimd.BroadcastFloat32x4(l.factor[k&(listLen-1)])
		p := at(base, l.row[k&(listLen-1)])
		s0 = s0.Add(load128(p).Mul(v))
		s1 = s1.Add(load128(at(p, 4)).Mul(v))
	}
	f := archsimd.BroadcastFloat32x4(l.scale)
	s0 = load128(init).Add(s0.Mul(f))
	s1 = load128(at(init, 4)).Add(s1.Mul(f))
	if l.relu {
		var zero archsimd.Float32x4
		s0 = s0.Max(zero)
		s1 = s1.Max(zero)
	}
	store128(dst, s0)
	store128(at(dst, 4), s1)
}

// block128x1 is gather for 4 columns.
func block128x1(dst, init, base unsafe.Pointer, l *list) {
	n := l.n
	var s0 archsimd.Float32x4
	for k := 0; k < n; k++ {
		v := archsimd.BroadcastFloat32x4(l.factor[k&(listLen-1)])
		p := at(base, l.row[k&(listLen-1)])
		s0 = s0.Add(load128(p).Mul(v))
	}
	f := archsimd.BroadcastFloat32x4(l.scale)
	s0 = load128(init).Add(s0.Mul(f))
	if l.relu {
		var zero archsimd.Float32x4
		s0 = s0.Max(zero)
	}
	store128(dst, s0)
}

// tile128x2 is tile for the 8 columns from c on.
func tile128x2(t *tile, c int) {
	var s00, s01, s10, s11, s20, s21, s30, s31 archsimd.Float32x4
	base, step := at(t.base, c), t.stride
	x0, next := t.x, t.xNext
	x1, x2, x3 := at(x0, t.xRow), at(x0, 2*t.xRow), at(x0, 3*t.xRow)
	for k, row, i := t.n, 0, 0; k > 0; k, row, i = k-1, row+step, i+next {
		p := at(base, row)
		w0 := load128(p)
		w1 := load128(at(p, 4))
		v := archsimd.BroadcastFloat32x4(*(*float32)(at(x0, i)))
		s00 = s00.Add(w0.Mul(v))
		s01 = s01.Add(w1.Mul(v))
		v = archsimd.BroadcastFloat32x4(*(*float32)(at(x1, i)))
		s10 = s10.Add(w0.Mul(v))
		s11 = s11.Add(w1.Mul(v))
		v = archsimd.BroadcastFloat32x4(*(*float32)(at(x2, i)))
		s20 = s20.Add(w0.Mul(v))
		s21 = s21.Add(w1.Mul(v))
		v = archsimd.BroadcastFloat32x4(*(*float32)(at(x3, i)))
		s30 = s30.Add(w0.Mul(v))
		s31 = s31.Add(w1.Mul(v))
	}
	f := archsimd.BroadcastFloat32x4(t.scale)
	init, dst := at(t.init, c), at(t.dst, c)
	s00 = load128(init).Add(s00.Mul(f))
	s01 = load128(at(init, 4)).Add(s01.Mul(f))
	s10 = load128(at(init, t.initRow)).Add(s10.Mul(f))
	s11 = load128(at(init, t.initRow+4)).Add(s11.Mul(f))
	s20 = load128(at(init, 2*t.initRow)).Add(s20.Mul(f))
	s21 = load128(at(init, 2*t.initRow+4)).Add(s21.Mul(f))
	s30 = load128(at(init, 3*t.initRow)).Add(s30.Mul(f))
	s31 = load128(at(init, 3*t.initRow+4)).Add(s31.Mul(f))
	if t.relu {
		var zero archsimd.Float32x4
		s00 = s00.Max(zero)
		s01 = s01.Max(zero)
		s10 = s10.Max(zero)
		s11 = s11.Max(zero)
		s20 = s20.Max(zero)
		s21 = s21.Max(zero)
		s30 = s30.Max(zero)
		s31 = s31.Max(zero)
	}
	store128(dst, s00)
	store128(at(dst, 4), s01)
	store128(at(dst, t.dstRow), s10)
	store128(at(dst, t.dstRow+4), s11)
	store128(at(dst, 2*t.dstRow), s20)
	store128(at(dst, 2*t.dstRow+4), s21)
	store128(at(dst, 3*t.dstRow), s30)
	store128(at(dst, 3*t.dstRow+4), s31)
}

// tile128x1 is tile for the 4 columns from c on.
func tile128x1(t *tile, c int) {
	var s00, s10, s20, s30 archsimd.Float32x4
	base, step := at(t.base, c), t.stride
	x0, next := t.x, t.xNext
	x1, x2, x3 := at(x0, t.xRow), at(x0, 2*t.xRow), at(x0, 3*t.xRow)
	for k, row, i := t.n, 0, 0; k > 0; k, row, i = k-1, row+step, i+next {
		p := at(base, row)
		w0 := load128(p)
		v := archsimd.BroadcastFloat32x4(*(*float32)(at(x0, i)))
		s00 = s00.Add(w0.Mul(v))
		v = archsimd.BroadcastFloat32x4(*(*float32)(at(x1, i)))
		s10 = s10.Add(w0.Mul(v))
		v = archsimd.BroadcastFloat32x4(*(*float32)(at(x2, i)))
		s20 = s20.Add(w0.Mul(v))
		v = archsimd.BroadcastFloat32x4(*(*float32)(at(x3, i)))
		s30 = s30.Add(w0.Mul(v))
	}
	f := archsimd.BroadcastFloat32x4(t.scale)
	init, dst := at(t.init, c), at(t.dst, c)
	s00 = load128(init).Add(s00.Mul(f))
	s10 = load128(at(init, t.initRow)).Add(s10.Mul(f))
	s20 = load128(at(init, 2*t.initRow)).Add(s20.Mul(f))
	s30 = load128(at(init, 3*t.initRow)).Add(s30.Mul(f))
	if t.relu {
		var zero archsimd.Float32x4
		s00 = s00.Max(zero)
		s10 = s10.Max(zero)
		s20 = s20.Max(zero)
		s30 = s30.Max(zero)
	}
	store128(dst, s00)
	store128(at(dst, t.dstRow), s10)
	store128(at(dst, 2*t.dstRow), s20)
	store128(at(dst, 3*t.dstRow), s30)
}

// inputGradient128 is inputGradient with vectors of 4, for at least 4
// inputs and 4 outputs. Tiles are 2 rows by 4 inputs; at the
// edges tiles overlap and write the same values.
func inputGradient128(dx, dy, w []float32, rows, in, out int) {
	x, y, m := unsafe.Pointer(&dx[0]), unsafe.Pointer(&dy[0]), unsafe.Pointer(&w[0])
	for r := 0; r < rows; r += 2 {
		a, b := r, min(r+1, rows-1)
		for i := 0; i < in; i += 4 {
			i := min(i, in-4)
			dots128(at(x, a*in+i), at(x, b*in+i), at(y, a*out), at(y, b*out), at(m, i*out), out)
		}
	}
}

// dots128 computes the inner products of the vectors at a and b with the four
// vectors that follow one another at w, all of length n.
func dots128(xa, xb, a, b, w unsafe.Pointer, n int) {
	var a0, a1, a2, a3, b0, b1, b2, b3 archsimd.Float32x4
	w1, w2, w3 := at(w, n), at(w, 2*n), at(w, 3*n)
	k := 0
	for ; k+4 <= n; k += 4 {
		va, vb := load128(at(a, k)), load128(at(b, k))
		v := load128(at(w, k))
		a0 = a0.Add(v.Mul(va))
		b0 = b0.Add(v.Mul(vb))
		v = load128(at(w1, k))
		a1 = a1.Add(v.Mul(va))
		b1 = b1.Add(v.Mul(vb))
		v = load128(at(w2, k))
		a2 = a2.Add(v.Mul(va))
		b2 = b2.Add(v.Mul(vb))
		v = load128(at(w3, k))
		a3 = a3.Add(v.Mul(va))
		b3 = b3.Add(v.Mul(vb))
	}
	if rest := n - k; rest > 0 {
		// The last whole vector, without the elements counted before.
		k = n - 4
		keep := load128(at(unsafe.Pointer(&lastOnes), rest))
		va, vb := load128(at(a, k)).Mul(keep), load128(at(b, k)).Mul(keep)
		v := load128(at(w, k))
		a0 = a0.Add(v.Mul(va))
		b0 = b0.Add(v.Mul(vb))
		v = load128(at(w1, k))
		a1 = a1.Add(v.Mul(va))
		b1 = b1.Add(v.Mul(vb))
		v = load128(at(w2, k))
		a2 = a2.Add(v.Mul(va))
		b2 = b2.Add(v.Mul(vb))
		v = load128(at(w3, k))
		a3 = a3.Add(v.Mul(va))
		b3 = b3.Add(v.Mul(vb))
	}
	*(*[4]float32)(xa) = [4]float32{sum128(a0), sum128(a1), sum128(a2), sum128(a3)}
	*(*[4]float32)(xb) = [4]float32{sum128(b0), sum128(b1), sum128(b2), sum128(b3)}
}

// lastOnes, read from element n on, are 4 factors of which the last n are one.
var lastOnes = [8]float32{4: 1, 1, 1, 1}

// sum128 returns the sum of v's elements.
func sum128(v archsimd.Float32x4) float32 {
	return (v.GetElem(0) + v.GetElem(1)) + (v.GetElem(2) + v.GetElem(3))
}

// axpy128 is axpy with vectors of 4.
func axpy128(y []float32, alpha float32, x []float32) {
	v := archsimd.BroadcastFloat32x4(alpha)
	n := len(y) &^ 3
	p, q := unsafe.Pointer(unsafe.SliceData(y)), unsafe.Pointer(unsafe.SliceData(x))
	for i := 0; i < n; i += 4 {
		store128(at(p, i), load128(at(p, i)).Add(load128(at(q, i)).Mul(v)))
	}
	scalarAxpy(y[n:], alpha, x[n:])
}

// dot128 is dot with vectors of 4: float32 within a block of 128
// elements, float64 beyond.
func dot128(x, y []float32) float64 {
	const block = 128
	var total float64
	for len(x) >= block {
		p, q := unsafe.Pointer(&x[0]), unsafe.Pointer(&y[0])
		var s0, s1, s2, s3 archsimd.Float32x4
		for i := 0; i < block; i += 16 {
			s0 = s0.Add(load128(at(p, i)).Mul(load128(at(q, i))))
			s1 = s1.Add(load128(at(p, i+4)).Mul(load128(at(q, i+4))))
			s2 = s2.Add(load128(at(p, i+8)).Mul(load128(at(q, i+8))))
			s3 = s3.Add(load128(at(p, i+12)).Mul(load128(at(q, i+12))))
		}
		total += (float64(sum128(s0)) + float64(sum128(s1))) + (float64(sum128(s2)) + float64(sum128(s3)))
		x, y = x[block:], y[block:]
	}
	return total + scalarDot(x, y)
}
