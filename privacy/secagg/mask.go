package secagg

import (
	"encoding/binary"
	"fmt"
)

// MaxBits is the max width of an integer.
const MaxBits = 32

// MaxLength is the max number of integers of a vector: protocol.MaxCount.
const MaxLength = 1 << 25

// packedSize returns the bytes of n integers of the given bits.
func packedSize(n, bits int) int { return (n*bits + 7) / 8 }

// AppendPacked appends integers modulo 2^bits: integer i is bits i*bits to (i+1)*bits-1,
// counted from the lowest bit of the first byte, as in protocol.IntegersVector. Bits
// after the last integer are 0.
func AppendPacked(b []byte, integers []uint32, bits int) []byte {
	mask := uint64(1)<<bits - 1
	var held uint64 // bits that fill no byte yet
	n := 0
	for _, x := range integers {
		held |= uint64(x) & mask << n
		for n += bits; n >= 8; n -= 8 {
			b = append(b, byte(held))
			held >>= 8
		}
	}
	if n > 0 {
		b = append(b, byte(held))
	}
	return b
}

// A Sum adds vectors of integers modulo 2^bits.
type Sum struct {
	bits   int
	values []uint32 // modulo 2^32, of which 2^bits is a divisor
}

// NewSum returns the sum of no vectors.
func NewSum(length, bits int) *Sum { return &Sum{bits, make([]uint32, length)} }

// Add adds a packed vector. The error, which wraps ErrMessage, says that it has another
// length, or bits after the last integer; the sum is then what it was.
func (s *Sum) Add(packed []byte) error {
	if err := checkPacked(packed, len(s.values), s.bits); err != nil {
		return err
	}
	mask := uint32(uint64(1)<<s.bits - 1)
	i, at := 0, 0 // at: bit
	for ; i < len(s.values) && at>>3+8 <= len(packed); i, at = i+1, at+s.bits {
		s.values[i] += uint32(binary.LittleEndian.Uint64(packed[at>>3:])>>(at&7)) & mask
	}
	var end [16]byte
	from := at >> 3
	copy(end[:], packed[min(from, len(packed)):])
	for at -= 8 * from; i < len(s.values); i, at = i+1, at+s.bits {
		s.values[i] += uint32(binary.LittleEndian.Uint64(end[at>>3:])>>(at&7)) & mask
	}
	return nil
}

// checkPacked returns an error unless b is n packed integers.
func checkPacked(b []byte, n, bits int) error {
	if len(b) != packedSize(n, bits) {
		return fmt.Errorf("%w: a vector of %d bytes, want %d: %d integers of %d bits", ErrMessage, len(b), packedSize(n, bits), n, bits)
	}
	if used := n * bits % 8; used != 0 && b[len(b)-1]>>used != 0 {
		return fmt.Errorf("%w: bits after the last integer of a vector, want zeros", ErrMessage)
	}
	return nil
}

// AddValues adds a vector.
func (s *Sum) AddValues(values []uint32) {
	values = values[:len(s.values)]
	for i, x := range values {
		s.values[i] += x
	}
}

// Subtract takes a vector away.
func (s *Sum) Subtract(values []uint32) {
	values = values[:len(s.values)]
	for i, x := range values {
		s.values[i] -= x
	}
}

// Values appends the sum, modulo 2^bits.
func (s *Sum) Values(dst []uint32) []uint32 {
	mask := uint32(uint64(1)<<s.bits - 1)
	for _, x := range s.values {
		dst = append(dst, x&mask)
	}
	return dst
}

// streamWidth returns the bytes of a key stream that mask one integer. Integers of up to
// 16 bits take 2: half the stream, and the bits above are dropped at the end.
func streamWidth(bits int) int {
	if bits <= 16 {
		return 2
	}
	return 4
}

// addStream adds the next mask integers, little endian in stream, times sign to dst. The sign is
// 1 or -1, modulo 2^32.
func addStream(dst []uint32, stream []byte, width int, sign uint32) {
	if width == 2 {
		for ; len(dst) >= 4; dst, stream = dst[4:], stream[8:] {
			four := binary.LittleEndian.Uint64(stream)
			dst[0] += sign * uint32(uint16(four))
			dst[1] += sign * uint32(uint16(four>>16))
			dst[2] += sign * uint32(uint16(four>>32))
			dst[3] += sign * uint32(four>>48)
		}
		for i := range dst {
			dst[i] += sign * uint32(binary.LittleEndian.Uint16(stream[2*i:]))
		}
		return
	}
	for ; len(dst) >= 2; dst, stream = dst[2:], stream[8:] {
		two := binary.LittleEndian.Uint64(stream)
		dst[0] += sign * uint32(two)
		dst[1] += sign * uint32(two>>32)
	}
	for i := range dst {
		dst[i] += sign * binary.LittleEndian.Uint32(stream[4*i:])
	}
}

// An expander adds the masks of keys. Its buffer fits a processor's first cache.
type expander struct {
	primitives Primitives
	width      int
	buffer     [16 << 10]byte
}

// expand adds the mask of a key to dst, or takes it away: the key stream of AES-256-CTR.
func (e *expander) expand(dst []uint32, key []byte, negative bool) error {
	stream, err := e.primitives.Stream(key)
	if err != nil {
		return err
	}
	sign := uint32(1)
	if negative {
		sign = -sign
	}
	for len(dst) > 0 {
		n := min(len(dst), len(e.buffer)/e.width)
		piece := e.buffer[:n*e.width]
		if err := stream.Next(piece); err != nil {
			return err
		}
		addStream(dst[:n], piece, e.width, sign)
		dst = dst[n:]
	}
	return nil
}
