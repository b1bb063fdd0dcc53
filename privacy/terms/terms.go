// Package terms is how both sides of a run read the terms of its secure aggregation: the
// participant those of the Welcome, the coordinator those of the task.
package terms

import (
	"encoding/binary"
	"fmt"
	"math"

	"fedtab/learn/digest"
	"fedtab/privacy/integers"
	"fedtab/privacy/secagg"
	"fedtab/protocol"
)

// Bounds of the probabilities, as -log2, that an attempt reveals more than its sum, and that it
// fails, where no more participants collude and drop out than the terms say.
const (
	Privacy = 40
	Failure = 20
)

// Digest returns the digest by which the terms name members.
func Digest(members []secagg.Key) []byte {
	var b []byte
	for _, m := range members {
		b = append(b, m[:]...)
	}
	sum := digest.Sum(b)
	return sum[:]
}

// vectors returns the digest of how vectors are made. All clients of an attempt must agree on
// it: one that is told of less noise than the others would add less than they count on.
func vectors(t protocol.SecureTerms, f integers.Format) [digest.Size]byte {
	b := []byte("fedtab vectors 1\x00")
	for _, x := range []uint64{
		uint64(t.Max), uint64(t.Examples), math.Float64bits(t.Subset), uint64(f.Levels()),
		math.Float64bits(t.Noise), math.Float64bits(t.Clip), uint64(t.Participations),
	} {
		b = binary.LittleEndian.AppendUint64(b, x)
	}
	return digest.Sum(b)
}

// Left returns the noise that is left in a sum of Min when the share of participants that may
// collude with the coordinator keep theirs back, as a multiple of what one participant changes.
func Left(t protocol.SecureTerms) float64 {
	colluding := math.Floor(t.Corrupt * float64(t.Max))
	return t.Noise * math.Sqrt(max(1-colluding/float64(t.Min), 0))
}

// Of returns what the terms of a run say of the protocol, and of the vectors of a model with
// as many parameters, for members who sign if there are any. The error says which of them is not
// possible.
func Of(t protocol.SecureTerms, members []secagg.Key, run string, parameters int) (secagg.Terms, integers.Format, error) {
	f := integers.Format{
		Parameters: parameters, Clients: int(t.Max), Bits: int(t.Bits), Subset: t.Subset, Examples: int(t.Examples),
		Noise: t.Noise, Fewest: int(t.Min),
	}
	s := secagg.Terms{
		Members: members, Run: digest.Sum([]byte(run)), Min: int(t.Min), Bits: int(t.Bits),
		Risk: secagg.Risk{Dropout: t.Dropout, Corrupt: t.Corrupt, Privacy: Privacy, Failure: Failure},
	}
	if err := f.Validate(); err != nil {
		return s, f, err
	}
	switch {
	case t.Noise == 0 && (t.Clip != 0 || t.Participations != 0):
		return s, f, fmt.Errorf("%w: clip: %g, participations: %d, want 0 without noise", integers.ErrFormat, t.Clip, t.Participations)
	case t.Noise != 0 && !(t.Clip > 0 && t.Clip <= math.MaxFloat32):
		return s, f, fmt.Errorf("%w: clip: %g, want more than 0 beside noise", integers.ErrFormat, t.Clip)
	}
	s.Length, s.Vectors = f.Length(), vectors(t, f)
	if err := s.Validate(); err != nil {
		return s, f, err
	}
	if t.Min > t.Max {
		return s, f, fmt.Errorf("%w: min: %d, want at most max: %d", secagg.ErrTerms, t.Min, t.Max)
	}
	if fewest := s.Fewest(int(t.Max)); fewest == 0 {
		return s, f, fmt.Errorf("%w: a sum has at most %d participants, of which %d%% may drop out and %d%% collude, and no number of them leaves %d: want a larger max, or a smaller min, dropout or corrupt", secagg.ErrTerms, t.Max, int(100*t.Dropout), int(100*t.Corrupt), t.Min)
	}
	return s, f, nil
}
