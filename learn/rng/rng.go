// Package rng generates all random numbers of a run from the run's seed.
//
// The generator is SplitMix64 (Steele, Lea and Flood, "Fast splittable
// pseudorandom number generators", OOPSLA 2014): integer arithmetic only, a few
// lines in any language, the same output on every machine. It is not
// cryptographically secure.
//
// # Named streams
//
// Each use of random numbers has its own stream, named by a purpose and by keys
// such as the round and the client. Streams are independent: results do not depend
// on the order of the draws of different streams. The initial state of a stream is
//
//	Derive(seed, purpose, key1, key2, ...) =
//	    first 8 bytes, little-endian, of
//	    SHA-256(seed || key1 || key2 || ... || purpose)
//
// where the seed and the keys are 8 bytes each, little-endian, and the purpose
// is its UTF-8 bytes without length or terminator. The keys come first because the
// purpose has no fixed length; one purpose is always used with the same number of
// keys.
package rng

import (
	"encoding/binary"
	"math/rand/v2"

	"fedtab/learn/digest"
)

// Source is a SplitMix64 generator. It implements [rand.Source]. The zero
// value is the generator with seed 0.
type Source struct{ state uint64 }

// New returns a generator whose state is seed.
func New(seed uint64) *Source { return &Source{state: seed} }

// Seed sets the state, as if the generator were new.
func (s *Source) Seed(seed uint64) { s.state = seed }

// Uint64 returns the next 64 random bits:
//
//	state += 0x9e3779b97f4a7c15
//	z := state
//	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
//	z = (z ^ z>>27) * 0x94d049bb133111eb
//	return z ^ z>>31
//
// in arithmetic modulo 2^64.
func (s *Source) Uint64() uint64 {
	s.state += 0x9e3779b97f4a7c15
	z := s.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Derive returns the state from which the named stream starts; the package
// documentation says how.
func Derive(seed uint64, purpose string, keys ...uint64) uint64 {
	var short [128]byte // enough for every stream in use, so nothing is allocated
	b := binary.LittleEndian.AppendUint64(short[:0], seed)
	for _, k := range keys {
		b = binary.LittleEndian.AppendUint64(b, k)
	}
	b = append(b, purpose...)
	sum := digest.Sum(b)
	return binary.LittleEndian.Uint64(sum[:8])
}

// Stream returns the named stream as a [rand.Rand].
func Stream(seed uint64, purpose string, keys ...uint64) *rand.Rand {
	return rand.New(New(Derive(seed, purpose, keys...)))
}
