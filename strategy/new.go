package strategy

import (
	"encoding/binary"
	"math/rand/v2"

	"fedtab/learn/digest"
	"fedtab/learn/rng"
)

// Setup is what a strategy is told beside its Config.
type Setup struct {
	Seed       uint64  // of the run
	MinCohort  int     // fewest clients to choose for a round, where as many are present: 2 live, 1 simulated
	Live       bool    // participants come and go; otherwise there are Clients of them
	Clients    int     // of a simulation
	Quorum     int     // of them, for a round to open; 0 means all, as in the papers
	Parameters int     // d, of the model
	Convex     bool    // its loss is convex in the parameters
	Norm       float64 // Euclidean norm of version 0, from which the clipping bound starts

	Secure *Secure // contributions are summed before the strategy has them; nil: each comes by itself

	ClientMomentum float64 // of the clients' optimiser, which FedNova must know

	Private *Private // the run is differentially private; nil: it is not

	// Secret is what choices among clients follow from in a live run, where participants know
	// the seed; nil: Seed.
	Secret *[32]byte
}

// stream returns the random stream of choices for a purpose, as rng.Stream does. That of a
// secret has all of its bits, and tells nothing of other streams.
func (s *Setup) stream(purpose string, keys ...uint64) *rand.Rand {
	if s.Secret == nil {
		return rng.Stream(s.Seed, purpose, keys...)
	}
	return rand.New(rand.NewChaCha8(s.digest(purpose, keys)))
}

// chance returns a number from 0 to 1, without 1, for a purpose.
func (s *Setup) chance(purpose string, keys ...uint64) float64 {
	bits := uint64(0)
	if s.Secret == nil {
		bits = rng.Derive(s.Seed, purpose, keys...)
	} else {
		sum := s.digest(purpose, keys)
		bits = binary.LittleEndian.Uint64(sum[:])
	}
	return float64(bits>>11) * 0x1p-53
}

// digest is SHA-256(secret || keys || purpose), numbers as 8 bytes, little-endian.
func (s *Setup) digest(purpose string, keys []uint64) [digest.Size]byte {
	b := s.Secret[:len(s.Secret):len(s.Secret)]
	for _, k := range keys {
		b = binary.LittleEndian.AppendUint64(b, k)
	}
	return digest.Sum(append(b, purpose...))
}

// New returns the strategy that cfg names, or says why it cannot work with the
// model or the clients, and what would.
func New(cfg Config, setup Setup) (Strategy, error) { return Schemes().New(cfg, setup) }
