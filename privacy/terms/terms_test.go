package terms

import (
	"errors"
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
		"no room":   {func(s *protocol.SecureTerms) { s.Noise = 500 }, integers.ErrFormat},
		"subset":    {func(s *protocol.SecureTerms) { s.Subset = 0 }, integers.ErrFormat},
	} {
		bad := good
		c.change(&bad)
		if _, _, err := Of(bad, nil, "a run", 10); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
