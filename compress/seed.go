package compress

import "fedtab/learn/rng"

// DitherSeed is what the dither of vector i of a contribution is drawn from, at
// both ends: one stream for every participant and order, so that the noise of a
// round averages out.
func DitherSeed(run uint64, participant uint32, order uint64, i int) uint64 {
	return rng.Derive(run, "dither", uint64(participant), order, uint64(i))
}
