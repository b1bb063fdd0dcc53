package simulate

import (
	"fedtab/learn/data"
	"fedtab/learn/rng"
)

// drifting are examples with concept drift: from some step on their labels are
// permuted.
type drifting struct {
	data.Examples
	to []float32 // new label of each class
	on *bool
}

// Fill implements data.Examples.
func (d *drifting) Fill(x, y []float32, index []int32) {
	d.Examples.Fill(x, y, index)
	if *d.on {
		for i, label := range y {
			y[i] = d.to[int(label)]
		}
	}
}

// permutation returns a new label for every class, different from its own.
func permutation(seed uint64, classes int) []float32 {
	order := make([]int, classes)
	for i := range order {
		order[i] = i
	}
	r := rng.Stream(seed, "drift")
	for i := len(order) - 1; i > 0; i-- { // Sattolo's algorithm: one cycle
		j := int(r.Uint64N(uint64(i)))
		order[i], order[j] = order[j], order[i]
	}
	to := make([]float32, classes)
	for i, k := range order {
		to[i] = float32(k)
	}
	return to
}

// conceptDrift permutes the labels once every client has made driftAfter
// mini-batches.
func (s *simulation) conceptDrift(steps int) {
	if s.driftAfter > 0 && steps >= s.driftAfter {
		s.drifted = true
	}
}
