package simulation

import (
	"encoding/binary"
	"io"
	"math/rand/v2"

	"fedtab/learn/rng"
)

// Noise returns the random bytes of the noise of differential privacy, for Config.Run: one
// stream of each order. They follow from the seed, and so hide nothing from those who know it:
// a simulation shows what noise costs.
func Noise(seed uint64) func(order uint64) io.Reader {
	return func(order uint64) io.Reader {
		var key [32]byte
		for i := range uint64(4) {
			binary.LittleEndian.PutUint64(key[8*i:], rng.Derive(seed, "noise", order, i))
		}
		return rand.NewChaCha8(key)
	}
}
