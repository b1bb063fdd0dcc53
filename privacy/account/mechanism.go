package account

import (
	"fmt"
	"math"
)

// Bounds on what is accounted. Outside them a claim would mean nothing, or its figures
// would leave the range in which float64 resolves them.
const (
	MinNoise = 0.01
	MaxNoise = 1e6
	MinRate  = 1e-9
	MaxSteps = 1_000_000_000
	MinDelta = 1e-30
)

// Adjacency says which two data sets are neighbours, that is, what the claim hides.
type Adjacency int

const (
	// AddRemove: a participant is there or not. The larger of both directions counts.
	AddRemove Adjacency = iota
	// Substitution: a participant's data are replaced by any other data.
	Substitution
)

// String returns the name in flags and answers.
func (a Adjacency) String() string {
	return [...]string{"add-remove", "substitution"}[a]
}

// ParseAdjacency returns the adjacency of a name.
func ParseAdjacency(name string) (Adjacency, error) {
	for _, a := range []Adjacency{AddRemove, Substitution} {
		if a.String() == name {
			return a, nil
		}
	}
	return 0, fmt.Errorf("adjacency is %q, want %s or %s", name, AddRemove, Substitution)
}

// distance is how far the sum moves between neighbours if a vector's norm is at most 1.
func (a Adjacency) distance() float64 {
	if a == Substitution {
		return 2
	}
	return 1
}

// Mechanism is a number of equal steps. In each of them every participant takes part
// independently with probability Rate (Poisson sampling; at 1 all do), the vectors are
// added, and each coordinate of the sum gets Gaussian noise of standard deviation Noise.
type Mechanism struct {
	Noise float64 // in multiples of the norm that vectors are clipped to
	Rate  float64
	Steps int // 0 has no loss
}

// Validate reports the first field that is out of bounds.
func (m Mechanism) Validate() error {
	switch {
	case !(m.Noise >= MinNoise && m.Noise <= MaxNoise):
		return fmt.Errorf("noise is %g, want %g <= noise <= %g: the standard deviation as a multiple of the clipping norm", m.Noise, MinNoise, MaxNoise)
	case !(m.Rate >= MinRate && m.Rate <= 1):
		return fmt.Errorf("rate is %g, want %g <= rate <= 1: the probability that a participant takes part in a step", m.Rate, MinRate)
	case m.Steps < 0 || m.Steps > MaxSteps:
		return fmt.Errorf("steps is %d, want 0 <= steps <= %d", m.Steps, MaxSteps)
	}
	return nil
}

// validate checks mechanisms that are composed.
func validate(ms []Mechanism) error {
	total := 0
	for _, m := range ms {
		if err := m.Validate(); err != nil {
			return err
		}
		if total += m.Steps; total > MaxSteps {
			return fmt.Errorf("steps are more than %d in all, want at most as many", MaxSteps)
		}
	}
	return nil
}

// ValidateDelta reports a delta that no claim can have.
func ValidateDelta(delta float64) error {
	if !(delta >= MinDelta && delta < 1) {
		return fmt.Errorf("delta is %g, want %g <= delta < 1, and less than 1 / participants for a claim that protects each of them", delta, MinDelta)
	}
	return nil
}

func validateEpsilon(epsilon float64) error {
	if !(epsilon >= 0) || math.IsInf(epsilon, 0) {
		return fmt.Errorf("epsilon is %g, want a finite number >= 0", epsilon)
	}
	return nil
}
