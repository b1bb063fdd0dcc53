package compress

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"unsafe"

	"fedtab/learn/kernel"
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
	if len(dst) == 0 {
		return nil
	}
	if !littleEndian || &Bytes(dst)[0] != &block[0] {
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(block[4*i:]))
		}
	}
	if kernel.Magnitude(dst) <= math.MaxFloat32 {
		return nil
	}
	i := slices.IndexFunc(dst, func(x float32) bool { return x-x != 0 }) // NaN or infinite
	return fmt.Errorf("%w: element %d", ErrNotFinite, i)
}

// littleEndian says whether numbers lie in memory as they do in a block.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// Bytes returns the memory of v, for a block to be put into that is as large as
// v or smaller. A float32 block at its beginning can be decoded into v in place.
func Bytes(v []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v))
}
