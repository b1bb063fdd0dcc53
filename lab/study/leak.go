package study

import (
	"math"

	"fedtab/learn"
	"fedtab/learn/kernel"
)

// Alike is the correlation from which on an example is recognised in what a unit shows.
const Alike = .9

// Leak is what an update gives away of the examples behind it.
type Leak struct {
	Shows   [][]float32 // by unit: what it shows; nil: nothing
	Closest []float64   // by unit: the largest correlation with an example; 0: there is none
	Best    []int       // by example: the unit that is most like it; -1: none is
	Like    []float64   // by example: the correlation with that unit; 0: there is none
	Known   []bool      // by example: a unit is more like it than like the others, by Alike or more
}

// Read reads the examples behind an update back from it, and compares them with x,
// [n, features], values from 0 to 1. The first layer of the model must be dense.
//
// One example changes the weights of a unit by a factor times its values, and the bias by
// the factor alone, so that their ratio is the example (Phong et al., "Privacy-Preserving
// Deep Learning: Revisited and Enhanced", 2017). Of several examples it is a weighted mean.
func Read(update []float32, layout learn.Layout, x []float32) *Leak {
	weights, biases := layout.Tensors[0], layout.Tensors[1].Of(update)
	units := len(biases)
	features := weights.Size() / units
	n := len(x) / features
	l := &Leak{
		Shows: make([][]float32, units), Closest: make([]float64, units),
		Best: make([]int, n), Like: make([]float64, n), Known: make([]bool, n),
	}
	read := make([]float32, units*features)
	for i, b := range biases {
		if l.Shows[i] = ratio(weights.Of(update)[i:], units, features, b); l.Shows[i] != nil {
			standardise(read[i*features:][:features], l.Shows[i])
		}
	}
	truth := make([]float32, len(x))
	for k := range n {
		l.Best[k] = -1
		standardise(truth[k*features:][:features], x[k*features:][:features])
	}
	like := make([]float32, units*n) // correlations: products of the rows of both
	kernel.InputGradient(like, read, truth, units, n, features)
	for i := range units {
		nearest := 0
		for k := range n {
			c := float64(like[i*n+k])
			if c > l.Closest[i] {
				nearest, l.Closest[i] = k, c
			}
			if c > l.Like[k] {
				l.Best[k], l.Like[k] = i, c
			}
		}
		if l.Closest[i] >= Alike {
			l.Known[nearest] = true
		}
	}
	return l
}

// ratio returns the weights w[0], w[stride], ... divided by a bias, limited to what values of
// examples can be; nil if the bias is 0.
func ratio(w []float32, stride, n int, bias float32) []float32 {
	if bias == 0 {
		return nil
	}
	x := make([]float32, n)
	for j := range x {
		x[j] = min(max(w[j*stride]/bias, 0), 1)
	}
	return x
}

// standardise writes x with mean 0 and length 1 to dst, so that a product of two is their
// correlation; zeros, if all values are equal.
func standardise(dst, x []float32) {
	var sum, square float64
	for _, v := range x {
		sum += float64(v)
	}
	mean := sum / float64(len(x))
	for _, v := range x {
		square += (float64(v) - mean) * (float64(v) - mean)
	}
	scale := 0.
	if square > 0 {
		scale = 1 / math.Sqrt(square)
	}
	for i, v := range x {
		dst[i] = float32((float64(v) - mean) * scale)
	}
}

// PSNR returns the peak signal-to-noise ratio of values from 0 to 1 in decibels; +Inf if
// they are equal.
func PSNR(got, want []float32) float64 {
	return -10 * math.Log10(kernel.SquaredDistance(got, want)/float64(len(want)))
}
