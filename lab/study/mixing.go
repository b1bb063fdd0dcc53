package study

import (
	"fmt"
	"math"
	"math/rand/v2"

	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/rng"
)

// TrainPair trains two networks, each from the start of its own seed on examples of its own.
// The error wraps learn.ErrConfig or learn.ErrDiverged.
func TrainPair(m learn.Model, starts [2]uint64, own [2]data.Examples, cfg learn.FitConfig) (nets [2][]float32, err error) {
	for i := range nets {
		nets[i] = make([]float32, m.Layout().Size)
		m.Init(nets[i], starts[i])
		fit := learn.NewFit(m)
		if err := fit.Start(nets[i], own[i], cfg); err != nil {
			return nets, fmt.Errorf("study: %w", err)
		}
		if _, err := fit.Run(math.MaxInt32); err != nil {
			return nets, fmt.Errorf("study: %w", err)
		}
	}
	return nets, nil
}

// Mix writes 1 - theta times the one network plus theta times the other to dst.
func Mix(dst []float32, nets [2][]float32, theta float64) {
	for i := range dst {
		dst[i] = float32((1-theta)*float64(nets[0][i]) + theta*float64(nets[1][i]))
	}
}

// Spirals returns n examples of two classes in the plane, two spirals of a turn each with
// normal noise, in turns: values is [n, 2]. A network must bend its border around them.
func Spirals(seed uint64, n int, noise float64) (values []float32, labels []uint8) {
	r := rand.New(rng.New(rng.Derive(seed, "spirals")))
	for i := range n {
		t := math.Sqrt(.02 + .98*r.Float64()) // as many examples in each part of the area
		sin, cos := math.Sincos(2*math.Pi*t + math.Pi*float64(i%2))
		values = append(values, float32(2*t*cos+noise*r.NormFloat64()), float32(2*t*sin+noise*r.NormFloat64()))
		labels = append(labels, uint8(i%2))
	}
	return values, labels
}
