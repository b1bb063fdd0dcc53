package compress

import (
	"fmt"
	"math"

	"fedtab/learn/rng"
)

// dither packs without bias: the same step for all values, no dead zone, no
// centroids, and rounding at random. With u uniform in [-1/2, 1/2), drawn from
// the seed that both ends have, the level is round(x/step + u). Of a class it is
// read in one of two ways, whichever has the smaller error:
//
//	subtractive  step x (level - u): the error is uniform, step^2/12 in the
//	             square, and has nothing to do with x (Schuchman, "Dither signals
//	             and their effect on quantization noise", 1964)
//	stochastic   step x level: step^2 y(1-y) in the square, with y what x/step
//	             is above a whole number. It is the smaller one for classes of
//	             values that are small beside the step; and it leaves zeros zero
//
// For both, the expectation over the seed is x. The step is chosen from the
// values alone, so it does not depend on the seed, nor do the bins; a block
// may be some percent off the size asked for. Segments whose values are all
// exactly 0 are kept apart by their class, all others by a bit beside it: a
// segment that happened to be rounded to zeros must not be told from them.
//
// The block is that of deadzone, with a bit for each class, 1 if it is
// subtractive, instead of the shifts. u for values 4k to 4k+3 of the vector is
// from output k of the generator rng.New(rng.Derive(seed, "dither")): its 16-bit
// quarters h, the lowest first, give u = (h + 1/2)/2^16 - 1/2.
type dither struct{ deadzone }

// subtractBelow is the mean of y(1-y) above which subtracting is better.
const subtractAbove = 1. / 12

var _ = fmt.Sprint
var _ = math.Abs
var _ = rng.New

type ditherDecoder struct{ deadzoneDecoder }
