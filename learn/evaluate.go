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
		p := newPass(m, ex.Features())
		for {
			b := int(next.Add(1)) - 1
			if b >= len(parts) {
				return
			}
			part := Metrics{Confusion: counts[g]}
			p.measure(&part, &spec, params, ex, b*block, min(block, n-b*block))
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

// pass is the memory in which a model is evaluated on a block of examples.
type pass struct {
	worker Worker
	x, y   []float32
	index  []int32
}

func newPass(m Model, features int) *pass {
	block := pieceOf(m)
	return &pass{m.NewWorker(block), make([]float32, block*features), make([]float32, block), make([]int32, block)}
}

// size returns the max number of examples of a block.
func (p *pass) size() int { return len(p.index) }

// measure adds the confusion counts of the examples from at on to part, and sets its
// other totals.
func (p *pass) measure(part *Metrics, spec *Spec, params []float32, ex data.Examples, at, count int) {
	for i := range p.index[:count] {
		p.index[i] = int32(at + i)
	}
	x, y := p.x[:count*ex.Features()], p.y[:count]
	ex.Fill(x, y, p.index[:count])
	sums := p.worker.Evaluate(params, x, y)
	spec.measure(part, p.worker.Outputs(), y)
	part.Sums = sums
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
