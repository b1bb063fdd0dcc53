package bench

import (
	"fedtab/learn/data"
	"fedtab/learn/rng"
)

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
		var sums [10]float32
		row := x[i*features:][:features]
		for k := range row {
			for row[k] == 0 {
				row[k] = float32(src.Uint64()>>40)*(1./(1<<23)) - 1
			}
			sums[k%10] += row[k]
		}
		for c, sum := range sums {
			if sum > sums[y[i]] {
				y[i] = uint8(c)
			}
		}
	}
	return data.NewLabelled(shape, x, y, 10)
}

// Take returns the first n examples of a set of images.
func Take(s *data.Set, n int) (*data.Set, error) {
	pixels := data.Array{Dims: append([]int{n}, s.Shape...), Data: s.X[:n*s.Features()]}
	return data.NewSet(pixels, data.Array{Dims: []int{n}, Data: s.Y[:n]}, s.Classes())
}
