package combine

import (
	"encoding/binary"
	"fmt"
	"math"
)

// partialHead is the scale and the weight before the counts.
const partialHead = 16

// AppendBinary appends the sum, for Partial to read in another process: the scale as a
// float64, the weight and the counts as 64-bit integers, all little-endian. Nothing may be
// added meanwhile. The error is nil.
func (s *Sum) AppendBinary(b []byte) ([]byte, error) {
	b = binary.LittleEndian.AppendUint64(b, math.Float64bits(s.scale))
	b = binary.LittleEndian.AppendUint64(b, uint64(s.weight.Load()))
	for _, c := range s.counts {
		b = binary.LittleEndian.AppendUint64(b, uint64(c))
	}
	return b, nil
}

// MergeBinary merges what AppendBinary has written, as Merge does. The error says what is
// not that of a sum of this length and scale; then nothing has been merged.
func (s *Sum) MergeBinary(b []byte) error {
	if want := partialHead + 8*len(s.counts); len(b) != want {
		return fmt.Errorf("combine: partial sum of %d bytes, want %d for %d values", len(b), want, len(s.counts))
	}
	if scale := math.Float64frombits(binary.LittleEndian.Uint64(b)); scale != s.scale {
		return fmt.Errorf("combine: partial sum at scale %g, want %g", scale, s.scale)
	}
	s.weight.Add(int64(binary.LittleEndian.Uint64(b[8:])))
	b = b[partialHead:]
	for i := range s.locks {
		lo := i * blockLen
		hi := min(lo+blockLen, len(s.counts))
		s.locks[i].Lock()
		for j := lo; j < hi; j++ {
			s.counts[j] += int64(binary.LittleEndian.Uint64(b[8*j:]))
		}
		s.locks[i].Unlock()
	}
	return nil
}
