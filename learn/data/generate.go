package data

import (
	"math"
	"math/rand/v2"
)

// Sample is what a generator makes: examples, and their classes or targets.
type Sample struct {
	Features int
	X        []float32 // [n, Features]
	Y        []uint8   // [n]; nil for a regression
	Targets  []float32 // [n]; nil with classes
}

// Len returns the number of examples.
func (s *Sample) Len() int { return len(s.X) / s.Features }

// Set returns the examples with the given indices. classes is 0 for a regression.
func (s *Sample) Set(index []int32, classes int) (*Set, error) {
	x := make([]float32, 0, len(index)*s.Features)
	var y []uint8
	var targets []float32
	for _, i := range index {
		x = append(x, s.X[int(i)*s.Features:][:s.Features]...)
		if s.Y == nil {
			targets = append(targets, s.Targets[i])
		} else {
			y = append(y, s.Y[i])
		}
	}
	if s.Y == nil {
		return NewMeasured([]int{s.Features}, x, targets)
	}
	return NewLabelled([]int{s.Features}, x, y, classes)
}

// Moons makes two half circles that interleave, as scikit-learn's make_moons: the first
// around (0, 0), the second, upside down, around (1, 0.5). noise is the standard deviation
// of what is added to both coordinates.
func Moons(n int, noise float64, r *rand.Rand) *Sample {
	s := &Sample{Features: 2}
	for i := range n {
		sin, cos := math.Sincos(math.Pi * r.Float64())
		if i%2 == 1 {
			sin, cos = .5-sin, 1-cos
		}
		s.X = append(s.X, float32(cos+noise*r.NormFloat64()), float32(sin+noise*r.NormFloat64()))
		s.Y = append(s.Y, uint8(i%2))
	}
	return s
}

// Blobs makes a Gaussian of standard deviation spread for each class, around a centre that
// is uniform in [-10, 10] along each feature, as scikit-learn's make_blobs.
func Blobs(n, features, classes int, spread float64, r *rand.Rand) *Sample {
	centres := make([]float64, classes*features)
	for i := range centres {
		centres[i] = 20*r.Float64() - 10
	}
	s := &Sample{Features: features}
	for i := range n {
		class := i % classes
		for _, c := range centres[class*features:][:features] {
			s.X = append(s.X, float32(c+spread*r.NormFloat64()))
		}
		s.Y = append(s.Y, uint8(class))
	}
	return s
}
