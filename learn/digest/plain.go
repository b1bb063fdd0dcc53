package digest

import (
	"encoding/binary"
	"math/bits"
)

// block is how many bytes are mixed in at a time.
const block = 64

// plain is SHA-256 as FIPS 180-4, section 6.2, has it.
type plain struct {
	state   [8]uint32
	pending [block]byte
	n       int    // of pending
	length  uint64 // bytes in all
}

func newPlain() plain {
	return plain{state: [8]uint32{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}}
}

// Write adds bytes. Its error is nil.
func (p *plain) Write(b []byte) (int, error) {
	written := len(b)
	p.length += uint64(written)
	if p.n > 0 {
		n := copy(p.pending[p.n:], b)
		p.n, b = p.n+n, b[n:]
		if p.n < block {
			return written, nil
		}
		p.mix(p.pending[:])
		p.n = 0
	}
	whole := len(b) &^ (block - 1)
	p.mix(b[:whole])
	p.n = copy(p.pending[:], b[whole:])
	return written, nil
}

// Sum returns the digest of what was written.
func (p *plain) Sum() (sum [Size]byte) {
	end := *p // more may be written
	var padding [block + 8]byte
	padding[0] = 0x80
	zeros := (block - 1 - 8 - p.n + block) % block
	binary.BigEndian.PutUint64(padding[1+zeros:], p.length<<3)
	end.Write(padding[:1+zeros+8])
	for i, v := range end.state {
		binary.BigEndian.PutUint32(sum[4*i:], v)
	}
	return sum
}

// mix takes whole blocks in.
func (p *plain) mix(b []byte) {
	s := p.state
	var w [64]uint32
	for ; len(b) >= block; b = b[block:] {
		for i := range 16 {
			w[i] = binary.BigEndian.Uint32(b[4*i:])
		}
		for i := 16; i < 64; i++ {
			x, y := w[i-2], w[i-15]
			w[i] = (bits.RotateLeft32(x, -17) ^ bits.RotateLeft32(x, -19) ^ x>>10) + w[i-7] +
				(bits.RotateLeft32(y, -7) ^ bits.RotateLeft32(y, -18) ^ y>>3) + w[i-16]
		}
		a, b1, c, d, e, f, g, h := s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]
		for i := range 64 {
			t1 := h + (bits.RotateLeft32(e, -6) ^ bits.RotateLeft32(e, -11) ^ bits.RotateLeft32(e, -25)) + (e&f ^ ^e&g) + roundConstants[i] + w[i]
			t2 := (bits.RotateLeft32(a, -2) ^ bits.RotateLeft32(a, -13) ^ bits.RotateLeft32(a, -22)) + (a&b1 ^ a&c ^ b1&c)
			a, b1, c, d, e, f, g, h = t1+t2, a, b1, c, d+t1, e, f, g
		}
		s[0], s[1], s[2], s[3] = s[0]+a, s[1]+b1, s[2]+c, s[3]+d
		s[4], s[5], s[6], s[7] = s[4]+e, s[5]+f, s[6]+g, s[7]+h
	}
	p.state = s
}

// roundConstants are the first 32 bits of the fractional parts of the cube roots of the first
// 64 primes (FIPS 180-4, section 4.2.2).
var roundConstants = [64]uint32{
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
}
