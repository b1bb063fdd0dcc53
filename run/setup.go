package run

import (
	"math"

	"fedtab/learn"
	"fedtab/learn/kernel"
	"fedtab/strategy"
)

// Setup returns what a strategy is told of a model whose version 0 follows from seed.
func Setup(m learn.Model, seed uint64) strategy.Setup {
	initial := make([]float32, m.Layout().Size)
	m.Init(initial, seed)
	return strategy.Setup{Parameters: len(initial), Convex: m.Spec().Convex(), Norm: math.Sqrt(kernel.SquaredNorm(initial))}
}
