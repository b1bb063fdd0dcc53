// Package integers says how the updates of secure aggregation become integers, of which only
// the sum is learned, and what that sum says.
//
// A client with n examples has the weight w = min(n, Examples) / Examples, in steps of 2^-16.
// It multiplies its update by w, adds what it has not sent in earlier rounds, and takes of it
// the parameters whose turn it is. What is left is clipped to the Euclidean norm Bound, and each
// parameter rounded to one of its two neighbours among the multiples of a public step, at random
// and without bias. A parameter beyond Levels steps becomes Levels steps. What rounding, the turn
// and that limit leave over is sent in later rounds (error feedback); what is
// clipped is not.
//
// Beside the parameters a vector has the weight, the loss, and whether the norm was below the
// bound. No sum of up to Clients vectors wraps, modulo 2^Bits:
//
//	parameters  |x| <= Levels = floor((2^(Bits-1) - 1) / Clients), so |sum| < 2^(Bits-1)
//	others      digits of base floor((2^Bits - 1) / Clients) + 1, so sum < 2^Bits
//
// The mean of the updates is the sum of the parameters over that of the weights.
//
// With Noise a vector has parameters alone, and each client adds its share of noise to them:
// noise.go.
package integers

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"fedtab/learn/rng"
)

// ErrFormat is wrapped by the errors of settings that are not possible.
var ErrFormat = errors.New("integers")

// minLevels is the fewest steps to each side of zero: with fewer, rounding is most of what is
// sent.
const minLevels = 2

// reach is where parameters are limited, in multiples of Bound / sqrt(parameters sent), which
// is their root mean square where nothing is clipped. Layers differ: some have many
// parameters beyond four of these.
const reach = 12

// minSubset is the least share of the parameters that a round sends: with less, what is not sent
// is old before its turn comes.
const minSubset = .001

// Units of what is sent beside the parameters.
const (
	weightUnits = 1 << 16
	lossUnits   = 1 << 20
	maxLoss     = 64 // mean loss of an example; a larger one counts as this
)

// A Format is what an update is made of.
type Format struct {
	Parameters int     // of the model
	Clients    int     // of a sum, at most
	Bits       int     // an integer is modulo 2^Bits
	Subset     float64 // share of the parameters that a round sends, 0 < Subset <= 1
	Examples   int     // of one client that count, at most

	Noise  float64 // standard deviation of the noise in the sum of Fewest, as a multiple of what one client changes; 0: none
	Fewest int     // clients of a sum, at least, with Noise
}

// A Turn is what differs from round to round. It is public.
type Turn struct {
	Seed  uint64  // of the run: chooses whose turn it is
	Round uint64  // from 1
	Bound float64 // norm of the parameters of one client
}

// Validate returns an error, which wraps ErrFormat, unless the format is possible.
func (f Format) Validate() error {
	switch {
	case f.Parameters < 1:
		return fmt.Errorf("%w: parameters: %d, want at least 1", ErrFormat, f.Parameters)
	case f.Clients < 1:
		return fmt.Errorf("%w: clients: %d, want at least 1", ErrFormat, f.Clients)
	case !(f.Subset >= minSubset && f.Subset <= 1):
		return fmt.Errorf("%w: subset: %g, want %g <= subset <= 1", ErrFormat, f.Subset, minSubset)
	case f.Examples < 1:
		return fmt.Errorf("%w: examples: %d, want at least 1", ErrFormat, f.Examples)
	case f.Bits < 1 || f.Bits > 32:
		return fmt.Errorf("%w: bits: %d, want 1 to 32", ErrFormat, f.Bits)
	case f.Noise != 0:
		return f.validateNoise()
	case f.Levels() < minLevels:
		return fmt.Errorf("%w: bits: %d, want at least %d for sums of %d clients", ErrFormat, f.Bits, BitsFor(f.Clients), f.Clients)
	}
	return nil
}

// BitsFor returns the fewest bits with which sums of as many clients are possible.
func BitsFor(clients int) int {
	bits := 1
	for (1<<(bits-1)-1)/clients < minLevels {
		bits++
	}
	return bits
}

// Levels returns how many steps a parameter is from zero at most.
func (f Format) Levels() int {
	most := (1<<(f.Bits-1) - 1) / f.Clients
	if f.Noise > 0 {
		return f.noisyLevels(most)
	}
	return most
}

// base returns the base of the digits.
func (f Format) base() uint64 { return (1<<f.Bits-1)/uint64(f.Clients) + 1 }

// digits returns how many digits the numbers from 0 to units have.
func (f Format) digits(units uint64) (n int) {
	for ; units > 0; units /= f.base() {
		n++
	}
	return n
}

// turns returns in how many rounds every parameter has its turn.
func (f Format) turns() int { return max(int(math.Ceil(1/f.Subset-1e-9)), 1) }

// Sent returns how many parameters a round sends.
func (f Format) Sent() int { return (f.Parameters + f.turns() - 1) / f.turns() }

// Length returns the number of integers of a vector.
func (f Format) Length() int {
	if f.Noise > 0 {
		return f.Sent()
	}
	return f.Sent() + f.digits(weightUnits) + f.digits(lossUnits) + 1
}

// step returns the step of the parameters.
func (f Format) step(bound float64) float64 {
	return bound * reach / (math.Sqrt(float64(f.Sent())) * float64(f.Levels()))
}

// chosen calls do with each place in a vector and the parameter that has its turn there. In every
// cycle of turns each parameter has one, in an order that the seed shuffles.
func (f Format) chosen(t Turn, do func(at, parameter int)) {
	turns, sent := uint64(f.turns()), f.Sent()
	if turns == 1 {
		for i := range f.Parameters {
			do(i, i)
		}
		return
	}
	order := make([]int32, f.Parameters)
	for i := range order {
		order[i] = int32(i)
	}
	r := rng.Stream(t.Seed, "subset", (t.Round-1)/turns)
	r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	first := min(int((t.Round-1)%turns)*sent, f.Parameters-sent) // the last turn has some of the one before it
	for at, parameter := range order[first : first+sent] {
		do(at, int(parameter))
	}
}

// An Update is what a client adds to the sum.
type Update struct {
	Values   []float32 // of its parameters; Encode leaves in them what is to be sent in later rounds
	Residual []float32 // what Encode has left of earlier updates; nil: nothing
	Examples int       // behind it
	Loss     float64   // mean, of training
}

// Encode returns the integers of an update. r rounds. With Noise they must not be sent before
// AddNoise.
func (f Format) Encode(u *Update, t Turn, r *rand.Rand) []uint32 {
	weight := uint64(math.Round(min(float64(u.Examples)/float64(f.Examples), 1) * weightUnits))
	weight = max(weight, 1)
	share := float32(float64(weight) / weightUnits)
	for i := range u.Values {
		u.Values[i] *= share
	}
	if u.Residual != nil {
		for i, x := range u.Residual {
			u.Values[i] += x
		}
	}
	out := make([]uint32, f.Sent(), f.Length())
	sum := 0.0
	f.chosen(t, func(_, p int) { sum += float64(u.Values[p]) * float64(u.Values[p]) })
	norm := math.Sqrt(sum)
	factor, below := 1.0, uint64(1)
	if !(norm <= t.Bound) {
		factor, below = t.Bound/norm, 0
	}
	step, levels := f.step(t.Bound), float64(f.Levels())
	steps := make([]float64, f.Sent())
	f.chosen(t, func(at, p int) {
		steps[at] = min(max(float64(u.Values[p])*factor/step, -levels), levels)
	})
	if f.Noise > 0 {
		f.roundWithin(out, steps, r)
	} else {
		round(out, steps, r)
	}
	f.chosen(t, func(at, p int) { u.Values[p] = float32(float64(u.Values[p])*factor - float64(int32(out[at]))*step) })
	if f.Noise > 0 {
		return out
	}
	loss := max(min(u.Loss/maxLoss, 1), 0) * float64(share)
	if math.IsNaN(loss) {
		loss = 0
	}
	out = f.appendDigits(out, weight, weightUnits)
	out = f.appendDigits(out, uint64(math.Round(loss*lossUnits)), lossUnits)
	return append(out, uint32(below))
}

// round rounds each number to one of its neighbours, without bias.
func round(out []uint32, steps []float64, r *rand.Rand) {
	for i, x := range steps {
		low := math.Floor(x)
		if r.Float64() < x-low {
			low++
		}
		out[i] = uint32(int32(low))
	}
}

// appendDigits appends the digits of a number from 0 to units, the lowest first.
func (f Format) appendDigits(out []uint32, x, units uint64) []uint32 {
	for range f.digits(units) {
		out = append(out, uint32(x%f.base()))
		x /= f.base()
	}
	return out
}

// A Total is what the sum of updates says.
type Total struct {
	Mean   []float32 // weighted, of the updates: of the parameters whose turn it is; 0 for others
	Weight float64   // sum of the clients' weights, each at most 1
	Loss   float64   // weighted mean of their losses
	Below  int       // clients whose norm was not beyond the bound
}

// Decode returns what the sum of the vectors of some clients says, modulo 2^Bits. The error,
// which wraps ErrFormat, says that it is not the sum of vectors of this format.
func (f Format) Decode(sum []uint32, t Turn) (*Total, error) {
	if len(sum) != f.Length() {
		return nil, fmt.Errorf("%w: a sum of %d integers, want %d", ErrFormat, len(sum), f.Length())
	}
	if f.Noise > 0 {
		return f.decodeNoisy(sum, t), nil
	}
	rest := sum[f.Sent():]
	number := func(units uint64) (x float64) {
		unit := 1.0
		for range f.digits(units) {
			x += unit * float64(rest[0])
			unit *= float64(f.base())
			rest = rest[1:]
		}
		return x / float64(units)
	}
	total := &Total{Mean: make([]float32, f.Parameters)}
	total.Weight = number(weightUnits)
	total.Loss = number(lossUnits) * maxLoss / total.Weight
	total.Below = int(rest[0])
	if !(total.Weight > 0 && total.Weight <= float64(f.Clients)) || total.Below > f.Clients || !(total.Loss <= 2*maxLoss) {
		return nil, fmt.Errorf("%w: a weight of %g, a loss of %g and %d within the bound, of at most %d clients: one of them has sent what is not an update", ErrFormat, total.Weight, total.Loss, total.Below, f.Clients)
	}
	f.place(total.Mean, sum, t, f.step(t.Bound)/total.Weight)
	return total, nil
}

// place writes the parameters of a sum to dst, in units of their integers.
func (f Format) place(dst []float32, sum []uint32, t Turn, unit float64) {
	shift := 32 - f.Bits
	f.chosen(t, func(at, p int) { dst[p] = float32(float64(int32(sum[at]<<shift)>>shift) * unit) })
}
