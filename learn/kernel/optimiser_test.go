package kernel

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// The steps of optimisers and the lookup have the bits of their scalar twins, at every
// level.
func TestOptimisers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := dim(t, "n")
		bytes := rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "bytes")
		var table [256]float32
		fill(t, table[:], "table")
		g, _ := guarded(t, n)
		fill(t, g, "g")
		state := make([]float32, n) // squares too
		for i := range state {
			state[i] = float32(i%9) / 8
		}
		step := AdamStep{Beta1: .9, Beta2: .999, Rate: .01, Epsilon: 1e-6, Decay: .99}
		check := func(what string, vector, scalar func(w, m, v []float32)) {
			atEachLevel(func(level string) {
				var got, want [3][]float32
				for i := range got {
					var intact func()
					got[i], intact = guarded(t, n)
					defer intact()
					copy(got[i], state)
					want[i] = append(want[i], state...)
				}
				vector(got[0], got[1], got[2])
				scalar(want[0], want[1], want[2])
				for i := range got {
					for j := range got[i] {
						if math.Float32bits(got[i][j]) != math.Float32bits(want[i][j]) {
							t.Fatalf("%s, %s: element %d of vector %d is %v, want %v", what, level, j, i, got[i][j], want[i][j])
						}
					}
				}
			})
		}
		check("momentum", func(w, m, _ []float32) { Momentum(w, m, g, .9, .1) }, func(w, m, _ []float32) { scalarMomentum(w, m, g, .9, .1) })
		check("nesterov", func(w, m, _ []float32) { Nesterov(w, m, g, .9, .1) }, func(w, m, _ []float32) { scalarNesterov(w, m, g, .9, .1) })
		check("adam", func(w, m, v []float32) { Adam(w, m, v, g, step) }, func(w, m, v []float32) { scalarAdam(w, m, v, g, step) })
		check("lookup", func(w, _, _ []float32) { Lookup(w, bytes, &table) }, func(w, _, _ []float32) { scalarLookup(w, bytes, &table) })
	})
}
