package secagg

import (
	"encoding/binary"
	"fmt"
)

// SecretSize is the length in bytes of a secret and of each of its shares.
const SecretSize = 32

// A Secret is a private key, a seed, or a share of one.
type Secret [SecretSize]byte

// words are the bytes of a secret as elements of GF(2^8), the field of AES (FIPS 197, 4.2:
// modulo x^8 + x^4 + x^3 + x + 1). Adding is exclusive or.
type words [SecretSize / 8]uint64

func (s *Secret) words() (w words) {
	for i := range w {
		w[i] = binary.LittleEndian.Uint64(s[8*i:])
	}
	return w
}

func (w *words) secret() (s Secret) {
	for i, x := range w {
		binary.LittleEndian.PutUint64(s[8*i:], x)
	}
	return s
}

func (w *words) add(x *words) {
	for i := range w {
		w[i] ^= x[i]
	}
}

// times multiplies every element by c. Its time depends on neither: no tables and no
// branches.
func (w *words) times(c byte) {
	for i, x := range w {
		var product uint64
		for bit := 7; bit >= 0; bit-- {
			high := product >> 7 & 0x0101010101010101
			product = product<<1&0xfefefefefefefefe ^ high*0x1b
			product ^= x & -(uint64(c) >> bit & 1)
		}
		w[i] = product
	}
}

// multiply returns the product of two elements.
func multiply(a, b byte) byte {
	w := words{uint64(a)}
	w.times(b)
	return byte(w[0])
}

// invert returns 1/a, or 0 for 0: a^254.
func invert(a byte) byte {
	result, square := byte(1), a
	for range 7 {
		square = multiply(square, square)
		result = multiply(result, square)
	}
	return result
}

// Split fills shares with those of a secret (Shamir 1979), byte by byte over GF(2^8):
// share i is the value at the point i+1 of a polynomial with the secret at 0 and the given
// coefficients, which must be random and secret. One more share than there are
// coefficients reconstructs the secret, and fewer tell nothing about it.
func Split(shares []Secret, secret Secret, coefficients []Secret) {
	if len(shares) > maxNeighbours {
		panic(fmt.Sprintf("secagg: %d shares, want at most %d", len(shares), maxNeighbours))
	}
	for i := range shares {
		var sum words
		for j := len(coefficients) - 1; j >= 0; j-- {
			c := coefficients[j].words()
			sum.add(&c)
			sum.times(byte(i + 1))
		}
		s := secret.words()
		sum.add(&s)
		shares[i] = sum.secret()
	}
}

// Share is a share and its point.
type Share struct {
	Point byte
	Value Secret
}

// Combine returns the secret of which these are the first threshold shares. The error,
// which wraps ErrShares, says that there are fewer, or that two have one point. A share
// that is wrong makes a secret that is wrong.
func Combine(shares []Share, threshold int) (Secret, error) {
	if threshold < 1 || len(shares) < threshold {
		return Secret{}, fmt.Errorf("%w: %d, want %d", ErrShares, len(shares), threshold)
	}
	shares = shares[:threshold]
	var seen [256]bool
	for _, s := range shares {
		if s.Point == 0 || seen[s.Point] {
			return Secret{}, fmt.Errorf("%w: point %d is 0 or occurs twice", ErrShares, s.Point)
		}
		seen[s.Point] = true
	}
	var sum words
	for i, s := range shares {
		above, below := byte(1), byte(1) // Lagrange's coefficient at 0
		for j, other := range shares {
			if j != i {
				above = multiply(above, other.Point)
				below = multiply(below, other.Point^s.Point)
			}
		}
		w := s.Value.words()
		w.times(multiply(above, invert(below)))
		sum.add(&w)
	}
	return sum.secret(), nil
}
