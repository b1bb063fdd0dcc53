package account

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
)

// Source draws uniform integers from random bytes. It reads ahead, so that the reader
// serves no other purpose meanwhile.
type Source struct {
	reader io.Reader
	buffer [4096]byte
	left   []byte
}

// NewSource returns a Source. Noise that a claim rests on needs a reader of the system's
// randomness, such as crypto/rand's; simulations may have a seeded one.
func NewSource(r io.Reader) *Source { return &Source{reader: r} }

// unreadable carries an error of the reader to catch. A sampler that went on without random
// bytes would return no noise.
type unreadable struct{ err error }

// catch turns the panic of a Source into an error.
func catch(err *error) {
	if r := recover(); r != nil {
		u, ok := r.(unreadable)
		if !ok {
			panic(r)
		}
		*err = fmt.Errorf("random bytes: %w", u.err)
	}
}

// bytes returns the next n <= 16 bytes.
func (s *Source) bytes(n int) []byte {
	if len(s.left) < n {
		if _, err := io.ReadFull(s.reader, s.buffer[:]); err != nil {
			panic(unreadable{err})
		}
		s.left = s.buffer[:]
	}
	b := s.left[:n]
	s.left = s.left[n:]
	return b
}

// word returns an integer of n <= 64 random bits.
func (s *Source) word(n int) uint64 {
	var w [8]byte
	copy(w[:], s.bytes((n+7)/8))
	return binary.LittleEndian.Uint64(w[:]) & (1<<n - 1)
}

// below returns an integer below n > 0, each with the same probability: what lies at n and
// above is drawn again rather than reduced.
func (s *Source) below(n uint64) uint64 {
	for size := bits.Len64(n - 1); ; {
		if x := s.word(size); x < n {
			return x
		}
	}
}

// wide is an integer of 128 bits.
type wide struct{ high, low uint64 }

func (a wide) less(b wide) bool {
	return a.high < b.high || a.high == b.high && a.low < b.low
}

func (a wide) add(b wide) wide {
	low, carry := bits.Add64(a.low, b.low, 0)
	high, _ := bits.Add64(a.high, b.high, carry)
	return wide{high, low}
}

// scale returns a*num/den, rounded down. The result must fit.
func (a wide) scale(num, den uint64) wide {
	carry, low := bits.Mul64(a.low, num)
	top, middle := bits.Mul64(a.high, num)
	middle, c := bits.Add64(middle, carry, 0)
	top += c
	high, rest := bits.Div64(top, middle, den)
	low, _ = bits.Div64(rest, low, den)
	return wide{high, low}
}

// belowWide returns an integer below n > 0.
func (s *Source) belowWide(n wide) wide {
	for {
		x := wide{low: s.word(64)}
		if n.high > 0 {
			x.high = s.word(bits.Len64(n.high))
		}
		if x.less(n) {
			return x
		}
	}
}

// bernoulli is true with probability num/den.
func (s *Source) bernoulli(num, den uint64) bool { return s.below(den) < num }

// bernoulliExp is true with probability exp(-(a/b) * (c/d)), for fractions of at most 1
// (Canonne, Kamath, Steinke 2020, algorithm 1).
func (s *Source) bernoulliExp(a, b, c, d uint64) bool {
	k := uint64(1)
	for s.bernoulli(a, b) && s.bernoulli(c, d) && s.bernoulli(1, k) {
		k++
	}
	return k%2 == 1
}
