package learn

import (
	"fmt"
	"sync"
	"sync/atomic"

	"fedtab/learn/data"
)

// Evaluate returns the summed loss and the number of correct answers of the model
// with params over all of ex. It uses at most the given number of goroutines; 0
// and 1 use the caller's. Blocks of examples are summed in order, so the result
// does not depend on that number. An error wraps ErrConfig.
func Evaluate(m Model, params []float32, ex data.Examples, goroutines int) (Sums, error) {
	if err := compatible(m, params, ex); err != nil {
		return Sums{}, err
	}
	n, block := ex.Len(), pieceOf(m)
	sums := make([]Sums, (n+block-1)/block)
	var next atomic.Int64
	work := func() {
		worker := m.NewWorker(block)
		x := make([]float32, block*ex.Features())
		y := make([]float32, block)
		index := make([]int32, block)
		for {
			b := int(next.Add(1)) - 1
			if b >= len(sums) {
				return
			}
			count := min(block, n-b*block)
			for i := range index[:count] {
				index[i] = int32(b*block + i)
			}
			ex.Fill(x[:count*ex.Features()], y[:count], index[:count])
			sums[b] = worker.Evaluate(params, x[:count*ex.Features()], y[:count])
		}
	}
	var others sync.WaitGroup
	for range min(goroutines, len(sums)) - 1 {
		others.Go(work)
	}
	work()
	others.Wait()
	var total Sums
	for _, s := range sums {
		total.Add(s)
	}
	return total, nil
}

// Gradient overwrites grad, of the length of params, with the sum of the
// examples' gradients: the contribution of a client in distributed mini-batch.
// Pieces of the examples are summed in order. An error wraps ErrConfig.
func Gradient(m Model, grad, params []float32, ex data.Examples) (Sums, error) {
	if err := compatible(m, params, ex); err != nil {
		return Sums{}, err
	}
	if len(grad) != len(params) {
		return Sums{}, fmt.Errorf("learn: gradient of length %d, want %d: %w", len(grad), len(params), ErrConfig)
	}
	n, piece := ex.Len(), pieceOf(m)
	worker := m.NewWorker(piece)
	part := make([]float32, len(params))
	x := make([]float32, piece*ex.Features())
	y := make([]float32, piece)
	index := make([]int32, piece)
	clear(grad)
	var total Sums
	for at := 0; at < n; at += piece {
		count := min(piece, n-at)
		for i := range index[:count] {
			index[i] = int32(at + i)
		}
		ex.Fill(x[:count*ex.Features()], y[:count], index[:count])
		total.Add(worker.Gradient(part, params, x[:count*ex.Features()], y[:count]))
		for i, v := range part {
			grad[i] += v
		}
	}
	return total, nil
}
