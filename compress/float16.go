package compress

import (
	"encoding/binary"
	"math"
)

// float16 packs IEEE 754 binary16, little-endian, rounded to the nearest and
// ties to even: 16 bits per parameter. From 2^-14 on the error is at most
// 2^-11 of the value, below it at most 2^-25. A value that would
// round to more than 65504 in magnitude is refused, not saturated, because a
// parameter of that size has diverged.
type float16 struct{}

// maxFloat16 is the smallest magnitude that would round to infinity.
const maxFloat16 = 65520

// Append packs v.
func (float16) Append(dst []byte, v []float32, _ Options) ([]byte, error) {
	n := len(dst)
	dst = extend(dst, 2*len(v))
	out := dst[n:]
	for i, x := range v {
		if !(x > -maxFloat16 && x < maxFloat16) {
			if math.Float32bits(x)&infinite == infinite {
				return dst[:n], notFinite(i)
			}
			return dst[:n], outOfRange("more than 65504 in magnitude", i)
		}
		binary.LittleEndian.PutUint16(out[2*i:], halfOf(x))
	}
	return dst, nil
}

// halfOf returns the bits of x, of less than maxFloat16, as binary16.
func halfOf(x float32) uint16 {
	b := math.Float32bits(x)
	sign := uint16(b >> 16 & 0x8000)
	b &= 0x7fffffff
	if b < 113<<23 { // below 2^-14: a multiple of 2^-24
		// Adding 1/2 leaves the multiple in the last bits, rounded by the
		// addition itself.
		return sign | uint16(math.Float32bits(math.Float32frombits(b)+.5)-126<<23)
	}
	b += 0xfff + b>>13&1
	return sign | uint16((b-112<<23)>>13)
}

// halfValue is the inverse of halfOf. It is not finite where h is not.
func halfValue(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	b := uint32(h&0x7fff) << 13
	switch {
	case h&0x7c00 == 0x7c00:
		b |= infinite
	case h&0x7c00 != 0:
		b += 112 << 23
	default:
		b = math.Float32bits(float32(h&0x3ff) * (1. / (1 << 24)))
	}
	return math.Float32frombits(b | sign)
}

type float16Decoder struct{ fixed }

// Open checks the length.
func (d *float16Decoder) Open(block []byte, n int, _ Options) error {
	return d.open(block, n, 2)
}

// Next sets dst to the next values.
func (d *float16Decoder) Next(dst []float32) error { return d.next(dst, 1, false) }

// Add adds weight x the next values to dst.
func (d *float16Decoder) Add(dst []float32, weight float32) error { return d.next(dst, weight, true) }

func (d *float16Decoder) next(dst []float32, weight float32, add bool) error {
	b, err := d.take(len(dst))
	if err != nil {
		return err
	}
	for i := range dst {
		h := binary.LittleEndian.Uint16(b[2*i:])
		if h&0x7c00 == 0x7c00 {
			return notFinite(i)
		}
		x := halfValue(h)
		if add {
			x = dst[i] + float32(x*weight)
		}
		dst[i] = x
	}
	return nil
}
