package learn

import (
	"fmt"
	"sync"
	"sync/atomic"

	"fedtab/learn/data"
)

// Evaluate returns the metrics of the model with params over all of ex. It uses at
// most the given number of goroutines; 0 and 1 use the caller's. Blocks of examples
// are summed in order, so the result does not depend on that number. An error wraps
// ErrConfig.
func Evaluate(m Model, params []float32, ex data.Examples, goroutines int) (Metrics, error) {
	if err := compatible(m, params, ex); err != nil {
		return Metrics{}, err
	}
	n, block := ex.Len(), pieceOf(m)
	spec := m.Spec()
	parts := make([]Metrics, (n+block-1)/block)
	goroutines = max(min(goroutines, len(parts)), 1)
	counts := make([][]int64, goroutines) // confusion, by goroutine: counts add up in any order
	var next atomic.Int64
	work := func(g int) {
		worker := m.NewWorker(block)
		x := make([]float32, block*ex.Features())
		y := make([]float32, block)
		index := make([]int32, block)
		for {
			b := int(next.Add(1)) - 1
			if b >= len(parts) {
				return
			}
			count := min(block, n-b*block)
			for i := range index[:count] {
				index[i] = int32(b*block + i)
			}
			ex.Fill(x[:count*ex.Features()], y[:count], index[:count])
			part := Metrics{Confusion: counts[g]}
			sums := worker.Evaluate(params, x[:count*ex.Features()], y[:count])
			spec.measure(&part, worker.Outputs(), y[:count])
			part.Sums = sums
			counts[g], part.Confusion = part.Confusion, nil
			parts[b] = part
		}
	}
	var others sync.WaitGroup
	for g := range goroutines - 1 {
		others.Go(func() { work(g + 1) })
	}
	work(0)
	others.Wait()
	var total Metrics
	if c := spec.Classes(); c > 0 {
		total.Confusion = make([]int64, c*c)
	}
	for _, p := range parts {
		total.Add(p)
	}
	for _, c := range counts {
		total.Add(Metrics{Confusion: c})
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
