package simulation

import (
	"fedtab/learn/data"
	"fedtab/learn/rng"
)

// Drift is a concept drift: from some mini-batch on the labels of examples are others.
type Drift struct {
	after int       // mini-batches of every client
	to    []float32 // new label of each class
	on    bool
}

// NewDrift returns a drift after a number of mini-batches of every client, which permutes
// the labels of some classes.
func NewDrift(after, classes int, seed uint64) *Drift {
	return &Drift{after: after, to: permutation(seed, classes)}
}

// Of returns examples that drift.
func (d *Drift) Of(e data.Examples) data.Examples { return &drifting{e, d} }

// at takes in how many mini-batches every client has made.
func (d *Drift) at(steps int) {
	if d != nil && steps >= d.after {
		d.on = true
	}
}

// drifting are examples with concept drift.
type drifting struct {
	data.Examples
	*Drift
}

// Fill implements data.Examples.
func (d *drifting) Fill(x, y []float32, index []int32) {
	d.Examples.Fill(x, y, index)
	if d.on {
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
