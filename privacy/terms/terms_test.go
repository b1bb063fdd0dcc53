package terms

import (
	"errors"
	"math"
	"testing"

	"fedtab/privacy/integers"
	"fedtab/privacy/secagg"
	"fedtab/protocol"
)

func TestOf(t *testing.T) {
	good := protocol.SecureTerms{Min: 5, Max: 100, Dropout: .3, Corrupt: .2, Examples: 600, Bits: 12, Subset: 1}
	s, f, err := Of(good, nil, "a run", 199210)
	if err != nil {
		t.Fatal(err)
	}
	if s.Length != f.Length() || s.Length != 199210+3+4+1 || s.Fewest(100) != 6 {
		t.Errorf("%d integers, at least %d participants, want 199,218 and 6", s.Length, s.Fewest(100))
	}
	other, _, _ := Of(good, nil, "another run", 199210)
	if other.Run == s.Run {
		t.Error("two runs have one digest")
	}
	for name, c := range map[string]struct {
		change func(*protocol.SecureTerms)
		want   error
	}{
		"few":       {func(s *protocol.SecureTerms) { s.Min = 2 }, secagg.ErrTerms},
		"max":       {func(s *protocol.SecureTerms) { s.Max = 4 }, secagg.ErrTerms},
		"drop-outs": {func(s *protocol.SecureTerms) { s.Max, s.Dropout = 8, .5 }, secagg.ErrTerms},
		"narrow":    {func(s *protocol.SecureTerms) { s.Bits = 7 }, integers.ErrFormat},
		"noise":     {func(s *protocol.SecureTerms) { s.Noise = -1 }, integers.ErrFormat},
		"no room":   {func(s *protocol.SecureTerms) { s.Noise, s.Clip = 500, 1 }, integers.ErrFormat},
		"no clip":   {func(s *protocol.SecureTerms) { s.Bits, s.Noise = 20, 1 }, integers.ErrFormat},
		"limit":     {func(s *protocol.SecureTerms) { s.Participations = 3 }, integers.ErrFormat},
		"subset":    {func(s *protocol.SecureTerms) { s.Subset = 0 }, integers.ErrFormat},
	} {
		bad := good
		c.change(&bad)
		if _, _, err := Of(bad, nil, "a run", 10); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// Clients that were told different things of the noise, or of what else vectors are made by, have
// no attempt together.
func TestVectors(t *testing.T) {
	good := protocol.SecureTerms{Min: 160, Max: 200, Dropout: .1, Corrupt: .1, Examples: 1, Bits: 16, Subset: 1, Noise: 2.14, Clip: 1, Participations: 11}
	digest := func(s protocol.SecureTerms) [32]byte {
		t.Helper()
		of, _, err := Of(s, nil, "a run", 100)
		if err != nil {
			t.Fatal(err)
		}
		return of.Vectors
	}
	want := digest(good)
	for name, change := range map[string]func(*protocol.SecureTerms){
		"noise":          func(s *protocol.SecureTerms) { s.Noise = .01 },
		"clip":           func(s *protocol.SecureTerms) { s.Clip = 2 },
		"participations": func(s *protocol.SecureTerms) { s.Participations = 12 },
		"levels":         func(s *protocol.SecureTerms) { s.Bits = 17 },
		"max":            func(s *protocol.SecureTerms) { s.Max = 201 },
		"examples":       func(s *protocol.SecureTerms) { s.Examples = 2 },
		"subset":         func(s *protocol.SecureTerms) { s.Subset = .5 },
	} {
		other := good
		if change(&other); digest(other) == want {
			t.Errorf("%s: the same digest, want another", name)
		}
	}
	if got, want := Left(good), 2.14*math.Sqrt(1-20./160); math.Abs(got-want) > 1e-12 {
		t.Errorf("%g is left, want %g", got, want)
	}
	if good.Min = 20; Left(good) != 0 {
		t.Errorf("%g is left where all of a sum may collude, want 0", Left(good))
	}
}
