package integers

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"sort"

	"fedtab/privacy/account"
)

// With Noise each client adds a share of Skellam noise to its integers, from a secret source
// (Agarwal, Kairouz and Liu 2021). Shares add up to Skellam noise exactly, so that the sum of
// any Fewest clients has noise of the standard deviation Noise x what one of them changes: the
// shares of others add to it.
//
// What one changes is known without a doubt. A vector is rounded again until its norm, in
// steps, is within the bound that Sensitivity has (Kairouz, Liu and Steinke 2021): the integers
// are compared with it, and rounding errors do not matter.
//
// The levels are so few that the sum of all clients and their noise wraps in a round with a
// probability of at most 2^-20. Wrapping would spoil a round and tell nothing: it is computed
// of the sum.

const (
	// wrapLog2 is -log2 of the probability that a parameter of a round's sum wraps.
	wrapLog2 = 20

	// roundingBeta is the chance of rounding again at most, as in the experiments of Kairouz,
	// Liu and Steinke (2021): exp(-1/2).
	roundingBeta = .6065306597126334

	// maxRoundings is after how many a vector is rounded towards zero, whose norm is within the
	// bound: that takes exp(-50) of the vectors.
	maxRoundings = 100

	// maxShare is the largest variance of a share: beyond it the grid is finer than it need be,
	// and the table of the sampler large.
	maxShare = 1 << 24
)

// validateNoise checks the format of vectors with noise.
func (f Format) validateNoise() error {
	switch {
	case !(f.Noise >= account.MinNoise && f.Noise <= maxNoise):
		return fmt.Errorf("%w: noise: %g, want %g to %d", ErrFormat, f.Noise, account.MinNoise, maxNoise)
	case f.Fewest < 1 || f.Fewest > f.Clients:
		return fmt.Errorf("%w: fewest: %d, want 1 to %d, the clients of a sum", ErrFormat, f.Fewest, f.Clients)
	case f.Levels() < minLevels:
		return fmt.Errorf("%w: bits: %d, want more for sums of %d clients with a noise of %g: there is no room for %d steps to each side", ErrFormat, f.Bits, f.Clients, f.Noise, minLevels)
	}
	return nil
}

// maxNoise is the largest Noise.
const maxNoise = 1000

// norm returns the bound on the norm, in steps of a format with as many levels.
func (f Format) norm(levels int) float64 {
	return math.Sqrt(float64(f.Sent())) * float64(levels) / reach
}

// sensitivity returns what a client changes the sum by, at most, with as many levels.
func (f Format) sensitivity(levels int) account.Sensitivity {
	s, err := account.RoundedSensitivity(f.norm(levels), f.Sent(), roundingBeta)
	if err != nil {
		panic(err) // of a format that is not validated
	}
	return s
}

// Sensitivity returns what a client changes the integers of the sum by, at most.
func (f Format) Sensitivity() account.Sensitivity { return f.sensitivity(f.Levels()) }

// variance returns that of a client's share, with as many levels.
func (f Format) variance(levels int) float64 {
	deviation := f.Noise * f.sensitivity(levels).L2
	return deviation * deviation / float64(f.Fewest)
}

// Share returns the noise that a client adds to each of its integers.
func (f Format) Share() (account.Variance, error) {
	return account.NewVariance(f.variance(f.Levels()))
}

// noisyLevels returns the largest number of levels, at most most, whose noise leaves the sum
// room, and is not larger than it need be.
func (f Format) noisyLevels(most int) int {
	limit := float64(int(1)<<(f.Bits-1) - 1)
	return sort.Search(most, func(fewer int) bool {
		levels := fewer + 1
		v := f.variance(levels)
		return v > maxShare || float64(f.Clients*levels)+f.tail(v*float64(f.Clients)) > limit
	})
}

// tail returns what the noise of a sum exceeds in any parameter with a probability of at most
// 2^-wrapLog2: the bound of Chernoff for a Skellam variable,
//
//	P(X >= t) <= exp(-(t asinh(t/v) - (sqrt(t^2 + v^2) - v)))
//
// for both sides and all parameters.
func (f Format) tail(variance float64) float64 {
	want := math.Log(2*float64(f.Sent())) + wrapLog2*math.Ln2
	low, high := 0.0, 2*want+math.Sqrt(4*want*variance)
	for range 60 {
		t := (low + high) / 2
		if t*math.Asinh(t/variance)-t*t/(math.Hypot(t, variance)+variance) >= want {
			high = t
		} else {
			low = t
		}
	}
	return high + 1 // shares have variances that are rounded up
}

// roundWithin rounds until the norm is within the sensitivity.
func (f Format) roundWithin(out []uint32, steps []float64, r *rand.Rand) {
	for i, x := range steps {
		if math.IsNaN(x) {
			steps[i] = 0
		}
	}
	bound := f.Sensitivity().L2
	for range maxRoundings {
		if round(out, steps, r); squares(out) <= bound*bound {
			return
		}
	}
	for i, x := range steps {
		out[i] = uint32(int32(math.Trunc(x)))
	}
}

// squares returns the square of the norm of integers.
func squares(values []uint32) (sum float64) {
	for _, v := range values {
		sum += float64(int32(v)) * float64(int32(v))
	}
	return sum
}

// AddNoise adds a client's share to its integers, from secret random bytes. After an error they
// must not be sent.
func (f Format) AddNoise(values []uint32, random io.Reader) error {
	v, err := f.Share()
	if err != nil {
		return err
	}
	sampler, err := account.NewSkellam(v)
	if err != nil {
		return err
	}
	noise := make([]int64, len(values))
	if err := sampler.Sample(noise, account.NewSource(random)); err != nil {
		return fmt.Errorf("%w: a share of noise: %w", ErrFormat, err)
	}
	mask := uint32(uint64(1)<<f.Bits - 1)
	for i, x := range noise {
		values[i] = (values[i] + uint32(x)) & mask
	}
	return nil
}

// decodeNoisy returns what a sum with noise says: how many updates are in it does not show, so
// that Mean is their sum over Clients, which is the Weight.
func (f Format) decodeNoisy(sum []uint32, t Turn) *Total {
	total := &Total{Mean: make([]float32, f.Parameters), Weight: float64(f.Clients)}
	f.place(total.Mean, sum, t, f.step(t.Bound)/float64(f.Clients))
	return total
}

// Claim returns the account of releases of sums with noise: participations bounds in how many of
// them one client takes part, 0 for no bound.
func (f Format) Claim(delta float64, participations int) (account.Claim, error) {
	v, err := f.Share()
	if err != nil {
		return account.Claim{}, err
	}
	sampler, err := account.NewSkellam(v)
	if err != nil {
		return account.Claim{}, err
	}
	return account.Claim{Noise: f.Noise, Rate: 1, Delta: delta, Shares: &account.Shares{
		Sensitivity: f.Sensitivity(), Variance: v.Float() * float64(f.Fewest), Participations: participations,
		Error: sampler.Distance() * float64(f.Fewest) * float64(f.Sent()),
	}}, nil
}
