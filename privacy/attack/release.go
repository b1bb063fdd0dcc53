package attack

import (
	"math"
	"math/rand/v2"

	"fedtab/learn/kernel"
)

// Release is how updates become what a coordinator sees.
type Release struct {
	Clip  float64 // 2-norm that each update is clipped to; 0: they are not clipped
	Noise float64 // standard deviation of Gaussian noise in each coordinate of the sum, in multiples of Clip
}

// Sum writes the sum of updates to dst, each clipped, with noise on top. The updates stay as
// they are. Without noise random may be nil.
func (r Release) Sum(dst []float32, updates [][]float32, random *rand.Rand) {
	clear(dst)
	for _, u := range updates {
		scale := 1.
		if norm := math.Sqrt(kernel.SquaredNorm(u)); r.Clip > 0 && norm > r.Clip {
			scale = r.Clip / norm
		}
		kernel.Axpy(dst, float32(scale), u)
	}
	if deviation := r.Noise * r.Clip; deviation > 0 {
		for i := range dst {
			dst[i] += float32(deviation * random.NormFloat64())
		}
	}
}
