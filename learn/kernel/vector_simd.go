//go:build goexperiment.simd && amd64

package kernel

import (
	"simd/archsimd"
	"unsafe"
)

func scale(x []float32, alpha float32) {
	n := 0
	if vector() {
		n = len(x) &^ 7
		v, p := archsimd.BroadcastFloat32x8(alpha), unsafe.Pointer(unsafe.SliceData(x))
		for i := 0; i < n; i += 8 {
			store256(at(p, i), load256(at(p, i)).Mul(v))
		}
		leave()
	}
	scalarScale(x[n:], alpha)
}

func sub(dst, x, y []float32) {
	n := 0
	if vector() {
		n = len(dst) &^ 7
		d, p, q := unsafe.Pointer(unsafe.SliceData(dst)), unsafe.Pointer(unsafe.SliceData(x)), unsafe.Pointer(unsafe.SliceData(y))
		for i := 0; i < n; i += 8 {
			store256(at(d, i), load256(at(p, i)).Sub(load256(at(q, i))))
		}
		leave()
	}
	scalarSub(dst[n:], x[n:], y[n:])
}

// squaredDistance is float32 within a block of 256 elements, float64 beyond.
func squaredDistance(x, y []float32) float64 {
	const block = 256
	var total float64
	for vector() && len(x) >= block {
		var sums blockSums
		n := min(len(x)/block, len(sums))
		p, q := unsafe.Pointer(&x[0]), unsafe.Pointer(&y[0])
		for b := range n {
			var s0, s1, s2, s3 archsimd.Float32x8
			for i := b * block; i < (b+1)*block; i += 32 {
				d := load256(at(p, i)).Sub(load256(at(q, i)))
				s0 = d.MulAdd(d, s0)
				d = load256(at(p, i+8)).Sub(load256(at(q, i+8)))
				s1 = d.MulAdd(d, s1)
				d = load256(at(p, i+16)).Sub(load256(at(q, i+16)))
				s2 = d.MulAdd(d, s2)
				d = load256(at(p, i+24)).Sub(load256(at(q, i+24)))
				s3 = d.MulAdd(d, s3)
			}
			sums.store(b, s0, s1, s2, s3)
		}
		leave()
		total = sums.addTo(total, n)
		x, y = x[n*block:], y[n*block:]
	}
	return total + scalarSquaredDistance(x, y)
}

func magnitude(x []float32) uint32 {
	n := 0
	var largest uint32
	if vector() {
		n = len(x) &^ 15
		var m0, m1 archsimd.Uint32x8
		magnitude := archsimd.BroadcastUint32x8(^uint32(1 << 31))
		p := unsafe.Pointer(unsafe.SliceData(x))
		for i := 0; i < n; i += 16 {
			m0 = m0.Max(load256(at(p, i)).ToBits().And(magnitude))
			m1 = m1.Max(load256(at(p, i+8)).ToBits().And(magnitude))
		}
		var eight [8]uint32
		m0.Max(m1).StoreArray(&eight)
		for _, v := range eight {
			largest = max(largest, v)
		}
		leave()
	}
	return max(largest, scalarMagnitude(x[n:]))
}

// addFixed needs AVX-512: AVX2 has no conversion to int64.
func addFixed(sum []int64, x []float32, factor float64) {
	n := 0
	if best == avx512 {
		n = len(sum) &^ 7
		f := archsimd.BroadcastFloat64x8(factor)
		p, q := unsafe.Pointer(unsafe.SliceData(sum)), unsafe.Pointer(unsafe.SliceData(x))
		for i := 0; i < n; i += 8 {
			counts := (*[8]int64)(at(p, 2*i))
			rounded := load256(at(q, i)).ConvertToFloat64().Mul(f).RoundScaled(0) // half to even
			archsimd.LoadInt64x8Array(counts).Add(rounded.ConvertToInt64()).StoreArray(counts)
		}
		leave()
	}
	scalarAddFixed(sum[n:], x[n:], factor)
}
