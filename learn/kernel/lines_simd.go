//go:build goexperiment.simd && amd64

package kernel

import (
	"simd/archsimd"
	"unsafe"
)

func backReLU(dx, y []float32) {
	n := 0
	if vector() {
		n = len(dx) &^ 7
		p, q := unsafe.Pointer(unsafe.SliceData(dx)), unsafe.Pointer(unsafe.SliceData(y))
		var zero archsimd.Float32x8
		for i := 0; i < n; i += 8 {
			store256(at(p, i), load256(at(p, i)).Masked(load256(at(q, i)).Greater(zero)))
		}
		leave()
	}
	scalarBackReLU(dx[n:], y[n:])
}

// copyLines does not call copy for each row, which costs more than a short row does.
func copyLines(dst []float32, dstRow int, src []float32, srcRow, rows, n int) {
	if !vector() || n < 4 {
		scalarCopyLines(dst, dstRow, src, srcRow, rows, n)
		return
	}
	p := unsafe.Pointer(unsafe.SliceData(cut(dst, (rows-1)*dstRow+n)))
	q := unsafe.Pointer(unsafe.SliceData(cut(src, (rows-1)*srcRow+n)))
	for range rows {
		// The last elements may be copied twice.
		if n < 8 {
			a, b := *(*uint64)(q), *(*uint64)(at(q, 2))
			c, d := *(*uint64)(at(q, n-4)), *(*uint64)(at(q, n-2))
			*(*uint64)(p), *(*uint64)(at(p, 2)) = a, b
			*(*uint64)(at(p, n-4)), *(*uint64)(at(p, n-2)) = c, d
		} else {
			for i := 0; i+8 <= n; i += 8 {
				store256(at(p, i), load256(at(q, i)))
			}
			store256(at(p, n-8), load256(at(q, n-8)))
		}
		p, q = at(p, dstRow), at(q, srcRow)
	}
	leave()
}

func addLines(dst []float32, dstRow int, src []float32, srcRow, rows, n int) {
	whole := 0
	if vector() {
		whole = n &^ 7
		for r := range rows {
			to, from := dst[r*dstRow:][:n], src[r*srcRow:][:n]
			p, q := unsafe.Pointer(unsafe.SliceData(to)), unsafe.Pointer(unsafe.SliceData(from))
			for i := 0; i < whole; i += 8 {
				store256(at(p, i), load256(at(p, i)).Add(load256(at(q, i))))
			}
		}
		leave()
	}
	if whole < n {
		scalarAddLines(dst[whole:], dstRow, src[whole:], srcRow, rows, n-whole)
	}
}

// maxWindow has vectors for 8 channels.
func maxWindow(best []float32, where []int32, x []float32, index, rows, cols, line int) {
	channels := len(best)
	if !vector() || channels%8 != 0 {
		scalarMaxWindow(best, where, x, index, rows, cols, line)
		return
	}
	where = where[:channels]
	p := unsafe.Pointer(&x[:index+(rows-1)*line+cols*channels][0])
	channel := archsimd.LoadInt32x8Array((*[8]int32)(ascending[:]))
	for c := 0; c < channels; c += 8 {
		most := load256(at(p, index+c))
		place := channel.Add(archsimd.BroadcastInt32x8(int32(index + c)))
		for ky := range rows {
			for kx := range cols {
				from := index + ky*line + kx*channels + c
				v := load256(at(p, from))
				larger := v.Greater(most).Or(v.NotEqual(v)) // or NaN
				most = v.Merge(most, larger)
				place = channel.Add(archsimd.BroadcastInt32x8(int32(from))).Merge(place, larger)
			}
		}
		store256(unsafe.Pointer(&best[c]), most)
		place.StoreArray((*[8]int32)(where[c:]))
	}
	leave()
}
