package protocol

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
)

// The payloads of enquiries, by name.
const (
	TotalsPayload     = "totals"
	SquaresPayload    = "squares"
	EvaluationPayload = "evaluation"
)

// SecurePayload is the name of masked vectors, and of what a Secure carries.
const SecurePayload = "secure"

// ErrPayload: a vector differs from what its Payload declares.
var ErrPayload = errors.New("not the payload that was ordered")

// size returns the max bytes of the block that answers p.
func (p *Payload) size() uint64 {
	switch p.Kind {
	case PayloadIntegers:
		return integersSize(p.Count, p.Bits)
	case PayloadBytes, PayloadMasked:
		return p.MaxBytes
	}
	return 0
}

// integersSize returns the bytes of count integers of the given bits, or 2^60 if
// their bits exceed 2^63.
func integersSize(count uint64, width uint32) uint64 {
	high, low := bits.Mul64(count, uint64(width))
	if high != 0 || low > 1<<63 {
		return 1 << 60
	}
	return (low + 7) / 8
}

// Supports reports whether a client with the Hello h can answer an order with the
// payloads.
func (h *Hello) Supports(payloads []Payload) bool {
	return !slices.ContainsFunc(payloads, func(p Payload) bool {
		return p.Kind != PayloadFloat32 && !slices.Contains(h.Payloads, p.Kind)
	})
}

// Validate returns an error unless an order may declare p.
func (p *Payload) Validate() error {
	switch {
	case p.Kind != PayloadIntegers && p.Kind != PayloadBytes && p.Kind != PayloadMasked:
		return fmt.Errorf("payload %q: kind: %d, want 1 (integers), 2 (bytes) or 3 (masked)", p.Name, p.Kind)
	case p.Kind == PayloadIntegers && (p.Bits < 1 || p.Bits > 64):
		return fmt.Errorf("payload %q: bits: %d, want 1 to 64", p.Name, p.Bits)
	case p.Kind == PayloadIntegers && p.Count > MaxCount:
		return fmt.Errorf("payload %q: count: %d, want at most %d", p.Name, p.Count, MaxCount)
	case p.size() == 0 || p.size() > MaxBlock:
		return fmt.Errorf("payload %q: %d bytes, want 1 to %d", p.Name, p.size(), MaxBlock)
	}
	return nil
}

// Matches returns an error, which wraps ErrPayload, unless v answers p. The block
// of v may be announced only.
func (p *Payload) Matches(v *Vector) error {
	size := uint64(len(v.Block)) + v.Size
	switch {
	case v.Kind != p.Kind || v.Name != p.Name:
		return fmt.Errorf("%w: kind %d %q, want kind %d %q", ErrPayload, v.Kind, v.Name, p.Kind, p.Name)
	case v.Role != 0 || v.Codec != 0 || v.Part != 0 || len(v.BaseHash) != 0:
		return fmt.Errorf("%w: %q has a role, codec, part or base, want none", ErrPayload, v.Name)
	case p.Kind == PayloadIntegers && (v.Bits != p.Bits || v.Count != p.Count || size != p.size()):
		return fmt.Errorf("%w: %q: %d integers of %d bits in %d bytes, want %d of %d bits in %d", ErrPayload, v.Name, v.Count, v.Bits, size, p.Count, p.Bits, p.size())
	case p.Kind != PayloadIntegers && (v.Bits != 0 || v.Count != 0 || size == 0 || size > p.MaxBytes):
		return fmt.Errorf("%w: %q: %d bytes, want 1 to %d", ErrPayload, v.Name, size, p.MaxBytes)
	}
	return nil
}

// OrderedSize returns the max bytes of the vectors that answer the payloads: what
// the body of the answer may have beside MaxBody.
func OrderedSize(payloads []Payload) (n int64) {
	for i := range payloads {
		n += int64(min(payloads[i].size(), MaxBlock))
	}
	return n
}

// PayloadSize returns the bytes of a contribution's vectors that are not float32,
// inline or announced.
func PayloadSize(m *Contribution) (n int64) {
	for i := range m.Vectors {
		if v := &m.Vectors[i]; v.Kind != PayloadFloat32 {
			n += int64(len(v.Block)) + int64(v.Size)
		}
	}
	return n
}

// IntegersVector returns the vector that answers p, of PayloadIntegers, with the
// given integers: element i is bits i*Bits to (i+1)*Bits-1 of the block, counted
// from the lowest bit of its first byte. Bits above Bits are dropped: the integers
// count modulo 2^Bits. It panics unless there are p.Count of them.
func IntegersVector(p *Payload, integers []uint64) Vector {
	if uint64(len(integers)) != p.Count {
		panic(fmt.Sprintf("protocol: payload %q: %d integers, want %d", p.Name, len(integers), p.Count))
	}
	block := make([]byte, 0, p.size()+8)
	mask := ^uint64(0) >> (64 - p.Bits)
	var held uint64 // bits that do not fill a byte yet, at most 7
	var n uint
	for _, x := range integers {
		x &= mask
		held |= x << n
		if n += uint(p.Bits); n < 64 {
			for ; n >= 8; n -= 8 {
				block = append(block, byte(held))
				held >>= 8
			}
			continue
		}
		for range 8 {
			block = append(block, byte(held))
			held >>= 8
		}
		n -= 64
		held = x >> (uint(p.Bits) - n) // 0 if nothing is left: a shift by 64
		for ; n >= 8; n -= 8 {
			block = append(block, byte(held))
			held >>= 8
		}
	}
	if n > 0 {
		block = append(block, byte(held))
	}
	return Vector{Kind: PayloadIntegers, Name: p.Name, Bits: p.Bits, Count: p.Count, Block: block}
}

// Integers writes the integers of a complete vector that Matches p to dst, of
// length Count. The error wraps ErrPayload: bits after the last integer are not
// zero.
func Integers(dst []uint64, v *Vector) error {
	width := uint(v.Bits)
	mask := ^uint64(0) >> (64 - width)
	at := uint64(0) // bit
	for i := range dst {
		at = uint64(i) * uint64(width)
		dst[i] = bitsAt(v.Block, at) & mask
	}
	for end := v.Count * uint64(width); end < 8*uint64(len(v.Block)); end++ {
		if v.Block[end/8]>>(end%8)&1 != 0 {
			return fmt.Errorf("%w: %q: bits after the last integer, want zeros", ErrPayload, v.Name)
		}
	}
	return nil
}

// bitsAt returns the 64 bits of b from the given bit on; those after its end are 0.
func bitsAt(b []byte, at uint64) uint64 {
	b, shift := b[at/8:], at%8
	var x, last uint64
	for j := range min(len(b), 8) {
		x |= uint64(b[j]) << (8 * j)
	}
	if len(b) > 8 {
		last = uint64(b[8])
	}
	return x>>shift | last<<(63-shift)<<1
}
