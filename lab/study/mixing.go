package study

import (
	"fmt"
	"math"

	"fedtab/learn"
	"fedtab/learn/data"
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
