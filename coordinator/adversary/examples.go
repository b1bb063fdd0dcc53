package adversary

import (
	"fedtab/learn/data"
)

// flipped are examples with every label turned round: class k - 1 - y.
type flipped struct{ data.Examples }

// Fill implements data.Examples.
func (f *flipped) Fill(x, y []float32, index []int32) {
	f.Examples.Fill(x, y, index)
	for i := range y {
		y[i] = float32(f.Classes()-1) - y[i]
	}
}

// poisoned are examples with a trigger and the class that it is to mean.
type poisoned struct {
	data.Examples
	patch  []int // features that the trigger sets
	target float32
	half   bool // every other example only
}

// patchSize is the height and the width of the trigger.
const patchSize = 3

// Patch returns the features of the trigger: a square in the bottom right corner of an
// image of shape [height, width, ...], or the last features of other examples.
func Patch(shape []int) []int {
	features := 1
	for _, n := range shape {
		features *= n
	}
	var patch []int
	if len(shape) < 2 {
		for i := range min(patchSize, features) {
			patch = append(patch, features-1-i)
		}
		return patch
	}
	channels := features / (shape[0] * shape[1])
	for row := max(shape[0]-patchSize, 0); row < shape[0]; row++ {
		for column := max(shape[1]-patchSize, 0); column < shape[1]; column++ {
			for c := range channels {
				patch = append(patch, (row*shape[1]+column)*channels+c)
			}
		}
	}
	return patch
}

// Fill implements data.Examples.
func (p *poisoned) Fill(x, y []float32, index []int32) {
	p.Examples.Fill(x, y, index)
	features := p.Features()
	for i, example := range index {
		if p.half && example%2 == 1 {
			continue
		}
		for _, j := range p.patch {
			x[i*features+j] = 1
		}
		y[i] = p.target
	}
}

// Triggered returns the test examples of other classes than target, with the trigger
// and target as their class: the accuracy on them is the success of a backdoor.
func Triggered(test data.Examples, shape []int, target int) data.Examples {
	var others []int32
	x, y := make([]float32, test.Features()), make([]float32, 1)
	for i := range int32(test.Len()) {
		test.Fill(x, y, []int32{i})
		if int(y[0]) != target {
			others = append(others, i)
		}
	}
	return &poisoned{Examples: data.NewSubset(test, others), patch: Patch(shape), target: float32(target)}
}
