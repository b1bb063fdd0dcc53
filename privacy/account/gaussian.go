package account

import (
	"fmt"
	"math"
)

// GaussianDelta returns the exact delta of the Gaussian mechanism without sampling: the
// released vectors of neighbours differ by at most distance standard deviations of the
// noise (Balle, Wang 2018, theorem 8). Steps compose by the square root: distance is
// sqrt(steps) / noise for AddRemove, twice that for Substitution.
func GaussianDelta(distance, epsilon float64) float64 {
	if distance <= 0 {
		return 0
	}
	a, b := epsilon/distance-distance/2, epsilon/distance+distance/2
	if math.IsInf(a, 1) {
		return 0
	}
	if a < -5 {
		return tail(a) - exp(epsilon-b*b/2)*mills(b)/math.Sqrt(2*math.Pi)
	}
	// Both tails have the density at a in common, so that nothing but it underflows.
	return exp(-a*a/2) / math.Sqrt(2*math.Pi) * (mills(a) - mills(b))
}

// GaussianEpsilon returns the least epsilon >= 0 whose GaussianDelta is at most delta.
func GaussianEpsilon(distance, delta float64) (float64, error) {
	if err := ValidateDelta(delta); err != nil {
		return 0, err
	}
	if !(distance >= 0) || distance > maxDistance {
		return 0, fmt.Errorf("distance is %g, want 0 <= distance <= %g standard deviations", distance, maxDistance)
	}
	if GaussianDelta(distance, 0) <= delta {
		return 0, nil
	}
	// Half of the noise's energy, and as far beyond as MinDelta needs.
	high := distance*distance/2 + 20*distance
	_, epsilon := bisect(0, high, middle, func(e float64) bool { return GaussianDelta(distance, e) > delta })
	return epsilon, nil
}

// maxDistance is far beyond every distance at which anything is hidden.
const maxDistance = 1e7

// GaussianNoise returns the least noise with which steps without sampling are
// (epsilon, delta) differentially private.
func GaussianNoise(steps int, adjacency Adjacency, epsilon, delta float64) (float64, error) {
	if err := ValidateDelta(delta); err != nil {
		return 0, err
	}
	if err := validateEpsilon(epsilon); err != nil {
		return 0, err
	}
	if steps < 1 || steps > MaxSteps {
		return 0, fmt.Errorf("steps is %d, want 1 <= steps <= %d", steps, MaxSteps)
	}
	distance, _ := bisect(0x1p-200, maxDistance, geometric, func(d float64) bool { return GaussianDelta(d, epsilon) <= delta })
	return adjacency.distance() * math.Sqrt(float64(steps)) / distance, nil
}

// Distance returns the distance of GaussianDelta for mechanisms of which none samples.
func Distance(ms []Mechanism, adjacency Adjacency) (float64, error) {
	if err := validate(ms); err != nil {
		return 0, err
	}
	square := 0.0
	for _, m := range ms {
		if m.Rate != 1 {
			return 0, fmt.Errorf("rate is %g, want 1: the Gaussian mechanism is exact without sampling alone", m.Rate)
		}
		square += float64(m.Steps) / (m.Noise * m.Noise)
	}
	return adjacency.distance() * math.Sqrt(square), nil
}
