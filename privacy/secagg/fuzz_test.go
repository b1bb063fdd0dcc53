package secagg_test

import (
	"slices"
	"testing"

	"fedtab/privacy/secagg"
)

// Whatever body one message has, of a client or of the server: nothing panics, and if there is a sum
// it is that of the survivors.
func FuzzAttempt(f *testing.F) {
	for kind := secagg.KindKeys; kind <= secagg.KindReveal; kind++ {
		f.Add(kind, false, []byte{})
		f.Add(kind, true, []byte{5, 0, 0, 0, 4, 0, 3, 0})
	}
	for _, signed := range []bool{false, true} { // what is sent is a good seed
		terms := fuzzTerms(signed)
		w := newNetwork(f, terms, 5, 1)
		w.changes = func(client uint64, up bool, m []byte) [][]byte {
			f.Add(m[0], signed, slices.Clone(m[secagg.HeaderSize:]))
			return one(m)
		}
		w.run()
	}
	f.Fuzz(func(t *testing.T, kind byte, signed bool, body []byte) {
		w := newNetwork(t, fuzzTerms(signed), 5, 1)
		w.changes = func(client uint64, up bool, m []byte) [][]byte {
			if client == 2 && m[0] == kind {
				m = append(slices.Clone(m[:secagg.HeaderSize]), body...)
			}
			return one(m)
		}
		w.run()
		if w.finished != nil && !(kind == secagg.KindMasked && slices.Contains(w.finished.Survivors, 2)) {
			w.wantSum(len(w.finished.Survivors))
		}
	})
}

func fuzzTerms(signed bool) secagg.Terms {
	t := terms()
	t.Min, t.Length = 3, 5
	if signed {
		t = members(t, 5)
	}
	return t
}
