package compress

import (
	"encoding/binary"
	"math"
	"slices"
	"unsafe"

	"fedtab/learn/kernel"
)

// AppendFloat32 appends v as little-endian IEEE 754 binary32: 32 bits per
// parameter, lossless. It is the baseline of the other codecs.
func AppendFloat32(dst []byte, v []float32) []byte {
	n := len(dst)
	dst = extend(dst, 4*len(v))
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
		return brokenBy(ErrLength, "bytes of float32:", len(block), 4*len(dst))
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
	return notFinite(i)
}

// littleEndian reports whether numbers in memory have the byte order of a block.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// extend makes dst n bytes longer; their contents are undefined.
//
//go:noinline
func extend(dst []byte, n int) []byte { return slices.Grow(dst, n)[:len(dst)+n] }

// Bytes returns the memory of v, for a block to be put into that is as large as
// v or smaller. A float32 block at its beginning can be decoded into v in place.
func Bytes(v []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v))
}

// float32s is the Encoder of raw float32. It packs anything, NaN included.
type float32s struct{}

// Append appends v as it is.
func (float32s) Append(dst []byte, v []float32, _ Options) ([]byte, error) {
	return AppendFloat32(dst, v), nil
}

type float32Decoder struct{ fixed }

// Open checks the length.
func (d *float32Decoder) Open(block []byte, n int, _ Options) error {
	return d.open(block, n, 4)
}

// Next decodes in place if dst is the block's own memory.
func (d *float32Decoder) Next(dst []float32) error {
	b, err := d.take(len(dst))
	if err != nil {
		return err
	}
	return DecodeFloat32(dst, b)
}

// Add adds to dst.
func (d *float32Decoder) Add(dst []float32, weight float32) error {
	b, err := d.take(len(dst))
	if err != nil {
		return err
	}
	for i := range dst {
		bits := binary.LittleEndian.Uint32(b[4*i:])
		if bits&infinite == infinite {
			return notFinite(i)
		}
		dst[i] += float32(math.Float32frombits(bits) * weight)
	}
	return nil
}

// fixed reads a block in which every value has the same size.
type fixed struct {
	rest  []byte
	width int // bytes of a value
}

func (f *fixed) open(block []byte, n, width int) error {
	if len(block) != width*n {
		return brokenBy(ErrLength, "bytes:", len(block), width*n)
	}
	f.rest, f.width = block, width
	return nil
}

func (f *fixed) take(n int) ([]byte, error) {
	if n*f.width > len(f.rest) {
		return nil, broken(ErrLength, "more than its values are asked for")
	}
	b := f.rest[:n*f.width]
	f.rest = f.rest[n*f.width:]
	return b, nil
}

// Close returns an error unless all values were read.
func (f *fixed) Close() error {
	if len(f.rest) != 0 {
		return brokenBy(ErrLength, "bytes not read:", len(f.rest), 0)
	}
	return nil
}
