package account

import (
	"fmt"
	"math"
)

// ClippingNoise returns the noise of the vector when the clipping norm adapts (Andrew et
// al. 2021, theorem 1): each step also releases the number of participants below the norm
// with noise of standard deviation countNoise, and both together count as one step of
// noise. A participant's bit moves the centred count by 1/2. The error says which noise
// the count alone would need.
func ClippingNoise(noise, countNoise float64) (float64, error) {
	if err := (Mechanism{Noise: noise, Rate: 1}).Validate(); err != nil {
		return 0, err
	}
	if !(countNoise > 0) || math.IsInf(countNoise, 1) {
		return 0, fmt.Errorf("noise of the count is %g, want a finite number > 0", countNoise)
	}
	if 2*countNoise <= noise {
		return 0, fmt.Errorf("noise of the count is %g, want more than %g: half of the noise of %g that the count and the vector have together", countNoise, noise/2, noise)
	}
	vector := noise / math.Sqrt((1-noise/(2*countNoise))*(1+noise/(2*countNoise)))
	if !(vector <= MaxNoise) {
		return 0, fmt.Errorf("noise of the vector is %g, want at most %g: raise the noise of the count, %g", vector, MaxNoise, countNoise)
	}
	return vector, nil
}

// CountNoise returns the standard deviation that Andrew et al. 2021 give the count: a
// twentieth of the expected cohort.
func CountNoise(cohort float64) float64 { return cohort / 20 }
