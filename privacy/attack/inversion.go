package attack

import (
	"math"

	"fedtab/learn"
	"fedtab/learn/kernel"
)

// Alike is the correlation from which on an example is recognised in what a unit shows.
const Alike = .9

// Inversion is what an update gives away of the examples behind it.
type Inversion struct {
	Shows   [][]float32 // by unit, and after them of all units together: what they show; nil: nothing
	Closest []float64   // likewise: the largest correlation with an example; 0: there is none
	Best    []int       // by example: the number in Shows of what is most like it; -1: nothing is
	Like    []float64   // by example: the correlation with that; 0: there is none
	Known   []bool      // by example: something is more like it than like the others, by Alike or more
}

// Invert reads the examples behind an update, or a sum of updates, back from it, and compares
// them with x, [n, features], values from 0 to 1. The first layer of the model must be dense.
//
// One example changes the weights of a unit by a factor times its values, and the bias by
// the factor alone, so that their ratio is the example (Phong et al., "Privacy-Preserving
// Deep Learning: Revisited and Enhanced", 2017). Of several examples it is a weighted mean.
// All units together are the example that explains their weights with the least squared
// error, which noise hides last.
func Invert(update []float32, layout learn.Layout, x []float32) *Inversion {
	weights, biases := layout.Tensors[0], layout.Tensors[1].Of(update)
	units := len(biases)
	features := weights.Size() / units
	n := len(x) / features
	l := &Inversion{
		Shows: make([][]float32, units+1), Closest: make([]float64, units+1),
		Best: make([]int, n), Like: make([]float64, n), Known: make([]bool, n),
	}
	for i, b := range biases {
		l.Shows[i] = ratio(weights.Of(update)[i:], units, features, b)
	}
	l.Shows[units] = together(weights.Of(update), biases, features)
	read := make([]float32, len(l.Shows)*features)
	for i, shown := range l.Shows {
		if shown != nil {
			standardise(read[i*features:][:features], shown)
		}
	}
	truth := make([]float32, len(x))
	for k := range n {
		l.Best[k] = -1
		standardise(truth[k*features:][:features], x[k*features:][:features])
	}
	like := make([]float32, len(l.Shows)*n) // correlations: products of the rows of both
	kernel.InputGradient(like, read, truth, len(l.Shows), n, features)
	for i := range l.Shows {
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
		x[j] = limited(w[j*stride] / bias)
	}
	return x
}

// limited returns the value of an example that is nearest to x.
func limited(x float32) float32 { return min(max(x, 0), 1) }

// together returns the x for which weights w, [n, units], are least different from the products
// of x and the biases; nil if all biases are 0.
func together(w, biases []float32, n int) []float32 {
	square := float32(kernel.SquaredNorm(biases))
	if square == 0 {
		return nil
	}
	x := make([]float32, n)
	for j := range x {
		x[j] = limited(float32(kernel.Dot(w[j*len(biases):][:len(biases)], biases)) / square)
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
