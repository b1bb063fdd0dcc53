package workload

import (
	"fmt"

	"fedtab/learn/data"
	"fedtab/learn/rng"
)

// shape and classes are those of MNIST.
var shape = []int{28, 28}

const classes = 10

// Whole is a number of examples that mini-batches of 10, 32 and 128 divide. So do its
// multiples.
const Whole = 640

// Dense returns n examples of a shape without zeros, in ten classes: values are uniform in
// [-1, 1), and the class is that of the ten interleaved tenths of the values which has the
// largest sum. Products that skip zeros gain nothing on it, and a model can learn it.
func Dense(shape []int, n int, seed uint64) (*data.Set, error) {
	features := 1
	for _, d := range shape {
		features *= d
	}
	src := rng.New(rng.Derive(seed, "dense", 0))
	x, y := make([]float32, n*features), make([]uint8, n)
	for i := range y {
		var sums [classes]float32
		row := x[i*features:][:features]
		for k := range row {
			for row[k] == 0 {
				row[k] = float32(src.Uint64()>>40)*(1./(1<<23)) - 1
			}
			sums[k%classes] += row[k]
		}
		for c, sum := range sums {
			if sum > sums[y[i]] {
				y[i] = uint8(c)
			}
		}
	}
	return data.NewLabelled(shape, x, y, classes)
}

// Take returns the first n examples of sets of images of MNIST's shape and classes. The
// error says what is wrong with a set, or that there are too few examples.
func Take(n int, sets ...*data.Set) (*data.Set, error) {
	features := shape[0] * shape[1]
	var x, y []uint8
	for _, s := range sets {
		if s.X == nil || s.Features() != features || s.Classes() != classes {
			return nil, fmt.Errorf("workload: examples of shape %v in %d classes, want images of shape %v in %d", s.Shape, s.Classes(), shape, classes)
		}
		x, y = append(x, s.X...), append(y, s.Y...)
	}
	if len(y) < n {
		return nil, fmt.Errorf("workload: %d examples, want at least %d", len(y), n)
	}
	return data.NewSet(data.Array{Dims: append([]int{n}, shape...), Data: x[:n*features]}, data.Array{Dims: []int{n}, Data: y[:n]}, classes)
}
