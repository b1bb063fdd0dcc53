package dataset

import (
	"encoding/binary"
	"hash/maphash"
	"math"

	"fedtab/learn/data"
)

// overlap returns the number of test examples that are training examples too. It
// compares features and labels by a 64-bit hash, so that copies of a file are found
// under any name, and memory is 9 bytes and the map's overhead per test example.
func overlap(train, test *data.Set) (n int) {
	seed := maphash.MakeSeed()
	found := make(map[uint64]bool, test.Len())
	for i := range test.Len() {
		found[digest(seed, test, i)] = false
	}
	for i := range train.Len() {
		key := digest(seed, train, i)
		if _, ok := found[key]; ok {
			found[key] = true
		}
	}
	for i := range test.Len() {
		if found[digest(seed, test, i)] {
			n++
		}
	}
	return n
}

// digest returns the hash of example i.
func digest(seed maphash.Seed, s *data.Set, i int) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	float := func(x float32) {
		var b [4]byte
		binary.LittleEndian.PutUint32(b[:], math.Float32bits(x))
		h.Write(b[:])
	}
	size := s.Features()
	if s.Values == nil {
		h.Write(s.X[i*size:][:size])
	} else {
		for _, x := range s.Values[i*size:][:size] {
			float(x)
		}
	}
	if s.Y == nil {
		float(s.Targets[i])
	} else {
		h.WriteByte(s.Y[i])
	}
	return h.Sum64()
}
