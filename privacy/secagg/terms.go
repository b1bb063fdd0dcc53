package secagg

import (
	"encoding/binary"
	"fmt"
	"math"

	"fedtab/learn/digest"
)

// Terms are what a client knows of a run before any message of an attempt: from the
// task, not from the attempt's messages.
type Terms struct {
	Run [digest.Size]byte // digest of what names the run
	Risk
	Min    int // min participants of a sum, at least 3
	Length int // integers of a vector
	Bits   int // width of an integer: sums are modulo 2^Bits

	// Vectors is a digest of how the integers are made, noise included. The protocol does not
	// look at it: attempts whose clients were told different things fail.
	Vectors [digest.Size]byte

	// Members are the Ed25519 public keys of those who may take part. With them, keys and
	// the set of survivors are signed. None: everyone may, and nothing is signed.
	Members []Key
}

// Validate returns an error, which wraps ErrTerms, unless the terms are possible.
func (t *Terms) Validate() error {
	if err := t.Risk.Validate(); err != nil {
		return err
	}
	switch {
	case t.Min < 3 || t.Min > MaxClients:
		return fmt.Errorf("%w: min: %d, want 3 to %d", ErrTerms, t.Min, MaxClients)
	case t.Length < 1 || t.Length > MaxLength:
		return fmt.Errorf("%w: length: %d, want 1 to %d", ErrTerms, t.Length, MaxLength)
	case t.Bits < 1 || t.Bits > MaxBits:
		return fmt.Errorf("%w: bits: %d, want 1 to %d", ErrTerms, t.Bits, MaxBits)
	case t.Members != nil && (len(t.Members) < t.Min || len(t.Members) > MaxClients):
		return fmt.Errorf("%w: %d members, want min (%d) to %d", ErrTerms, len(t.Members), t.Min, MaxClients)
	}
	seen := make(map[Key]bool, len(t.Members))
	for i, m := range t.Members {
		if seen[m] {
			return fmt.Errorf("%w: member %d occurs twice", ErrTerms, i)
		}
		seen[m] = true
	}
	return nil
}

// signed reports whether keys and survivors are signed by members.
func (t *Terms) signed() bool { return len(t.Members) > 0 }

// quorum returns how many of n clients must sign one set of survivors, so that no other set
// has as many signatures: two sets would share more clients than collude.
func (t *Terms) quorum(n int) int { return (n+t.corrupt(n))/2 + 1 }

// parameters returns the graph's of an attempt of which n clients have sent keys. Others may have
// dropped out before: that as many as may can drop out yet is asked of those that are invited
// (Fewest).
func (t *Terms) parameters(n int) (Parameters, error) {
	if n < t.Min {
		return Parameters{}, fmt.Errorf("%w: %d have sent keys, want %d", ErrTooFew, n, t.Min)
	}
	return t.Parameters(n)
}

// remaining returns an error, which wraps ErrTooFew, unless enough of n clients remain when as
// many drop out as may.
func (t *Terms) remaining(n int) error {
	if remain := n - t.dropped(n); remain < t.Min {
		return fmt.Errorf("%w: %d of %d clients remain after dropout, want %d", ErrTooFew, remain, n, t.Min)
	} else if t.signed() && remain < t.quorum(n) {
		return fmt.Errorf("%w: %d of %d clients remain after dropout, and %d must sign", ErrTooFew, remain, n, t.quorum(n))
	}
	return nil
}

// graphsChecked is up to how many clients Fewest looks for a graph: where there is one of as many
// there is one of more.
const graphsChecked = 64

// Fewest returns the number of clients from which on, up to most, every attempt is possible
// even if as many drop out as may; 0: there is none. Numbers are rounded down, so that one may be
// possible where the next is not.
func (t *Terms) Fewest(most int) (fewest int) {
	for n := t.Min; n <= min(most, MaxClients); n++ {
		err := t.remaining(n)
		if err == nil && (fewest == 0 || n <= graphsChecked) {
			_, err = t.Parameters(n)
		}
		switch {
		case err != nil:
			fewest = 0
		case fewest == 0:
			fewest = n
		}
	}
	return fewest
}

// Attempt names an attempt of a run. Attempts are ordered by round, then number; no two have
// the same, over restarts too.
type Attempt struct{ Round, Number uint64 }

// after reports whether a is later than b.
func (a Attempt) after(b Attempt) bool {
	return a.Round > b.Round || a.Round == b.Round && a.Number > b.Number
}

// digest of the terms and the attempt: every signature, and by the roster every key, is bound
// to it.
func (t *Terms) digest(a Attempt) [digest.Size]byte {
	b := append([]byte("fedtab secure aggregation 1\x00"), t.Run[:]...)
	for _, x := range []uint64{
		a.Round, a.Number,
		math.Float64bits(t.Dropout), math.Float64bits(t.Corrupt), uint64(t.Privacy), uint64(t.Failure),
		uint64(t.Min), uint64(t.Length), uint64(t.Bits), uint64(len(t.Members)),
	} {
		b = binary.LittleEndian.AppendUint64(b, x)
	}
	b = append(b, t.Vectors[:]...)
	for _, m := range t.Members {
		b = append(b, m[:]...)
	}
	return digest.Sum(b)
}

// Contexts of what is signed, derived and hashed. No two are the start of one another.
const (
	keysContext      = "fedtab secagg keys\x00"
	rosterContext    = "fedtab secagg roster\x00"
	shareContext     = "fedtab secagg share\x00"
	maskContext      = "fedtab secagg mask\x00"
	selfContext      = "fedtab secagg self\x00"
	commitContext    = "fedtab secagg commit\x00"
	survivorsContext = "fedtab secagg survivors\x00"
)

// keysSigned returns what a member signs with its keys.
func keysSigned(terms [digest.Size]byte, mask, share Key) []byte {
	b := append([]byte(keysContext), terms[:]...)
	b = append(b, mask[:]...)
	return append(b, share[:]...)
}

// survivorsSigned returns what a member signs before shares are released.
func survivorsSigned(roster [digest.Size]byte, sharing, survivors set) []byte {
	b := append([]byte(survivorsContext), roster[:]...)
	b = append(b, sharing...)
	return append(b, survivors...)
}
