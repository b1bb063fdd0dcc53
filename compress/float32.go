package compress

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"unsafe"
)

// AppendFloat32 appends v as little-endian IEEE 754 binary32: 32 bits per
// parameter, nothing lost. It is the baseline that others are compared with.
func AppendFloat32(dst []byte, v []float32) []byte {
	n := len(dst)
	dst = slices.Grow(dst, 4*len(v))[:n+4*len(v)]
	out := dst[n:]
	for i, x := range v {
		binary.LittleEndian.PutUint32(out[4*i:], math.Float32bits(x))
	}
	return dst
}

// DecodeFloat32 reads len(dst) values from block, which may be dst's own memory
// (Bytes). It refuses a block of another length and any value that is not
// finite.
func DecodeFloat32(dst []float32, block []byte) error {
	if len(block) != 4*len(dst) {
		return fmt.Errorf("%w: float32 block of %d bytes, want %d for %d values", ErrBlock, len(block), 4*len(dst), len(dst))
	}
	const exponent = 0x7f800000 // all ones in NaN and in infinities
	for i := range dst {
		bits := binary.LittleEndian.Uint32(block[4*i:])
		if bits&exponent == exponent {
			return fmt.Errorf("%w: element %d", ErrNotFinite, i)
		}
		dst[i] = math.Float32frombits(bits)
	}
	return nil
}

// Bytes returns the memory of v, for a block to be put into that is as large as
// v or smaller. A float32 block at its beginning can be decoded into v in place.
func Bytes(v []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v))
}
