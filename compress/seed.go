package compress

import "fedtab/learn/rng"

// DitherSeed returns the seed of the dither of vector i of a contribution, the
// same at both ends. Every participant and order has its own, so that the noise of
// a round averages out.
func DitherSeed(run uint64, participant uint32, order uint64, i int) uint64 {
	return rng.Derive(run, "dither", uint64(participant), order, uint64(i))
}
