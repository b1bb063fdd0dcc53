package learn

import "fmt"

// Memory is what training takes, in bytes.
type Memory struct {
	Parameters int // trained ones, and fixed ones of RBF layers
	Copies     int // vectors of that length: gradients, corrections, the last snapshot, the optimiser's state
	Buffers    int // examples, activations and their gradients
	Examples   int // number of examples that Buffers hold; not bytes
}

// Total returns the sum of the byte counts.
func (m Memory) Total() int { return m.Parameters + m.Copies + m.Buffers }

// Memory returns the memory of training m with c on a number of examples, without
// the examples. New, NewFit and Start allocate it; the caller allocates the
// parameters and the correction, which are included.
func (c FitConfig) Memory(m Model, examples int) Memory {
	spec := m.Spec()
	shapes, _ := spec.shapes()
	piece := pieceOf(m)
	batch := examples
	if c.Batch > 0 {
		batch = min(c.Batch, examples)
	}
	held := min(batch, piece)
	buffers := spec.buffers(shapes, held)
	shortest := batch // of the mini-batches
	if rest := examples % max(batch, 1); rest > 0 {
		shortest = rest
	}
	copies := 1 // the last good parameters
	for _, needed := range []bool{
		batch > piece || !c.plain(), // the gradient of a mini-batch
		batch > piece,               // and of a piece of it
		c.plain() && shortest <= piece && (spec.L1 > 0 || spec.L2 > 0), // the worker's own
		c.Prox > 0,
		c.Correction != nil,
		c.Optimiser.Kind != SGD,
		c.Optimiser.Kind == Adam || c.Optimiser.Kind == AdamW,
	} {
		if needed {
			copies++
		}
	}
	own := m.Layout().Size
	for i, l := range spec.Layers {
		own += l.fixed(shapes[i])
	}
	return Memory{
		Parameters: 4 * own,
		Copies:     4 * copies * m.Layout().Size,
		Buffers:    buffers[len(buffers)-1] + 4*examples, // and their order
		Examples:   held,
	}
}

// fixed returns the number of a layer's parameters that are not trained.
func (l Layer) fixed(in []int) int {
	if l.Kind != RBF || in == nil {
		return 0
	}
	return product(in)*l.Units + l.Units
}

// buffers returns the bytes of a Fit's buffers for n examples at a time: element i
// is for the examples and the layers up to and including layer i.
func (s Spec) buffers(shapes [][]int, n int) []int {
	upTo := make([]int, len(s.Layers))
	bytes := 4 * n * (product(shapes[0]) + 1) // and the targets
	for i, l := range s.Layers {
		bytes += 4 * l.buffers(shapes[i], shapes[i+1], n)
		upTo[i] = bytes
	}
	return upTo
}

// buffers returns the number of values in a layer's worker for n examples, with
// the layer's output and its gradient.
func (l Layer) buffers(in, out []int, n int) int {
	given := n * product(out)
	total := 2 * given
	switch l.Kind {
	case Conv:
		g := l.Window(in)
		total += groupOf(&g, n)*g.Places()*g.Patch() + g.Patch()*l.Units + g.Patch()
	case MaxPool, Dropout, RBF: // places of the maxima, mask, x w + b
		total += given
	}
	if l.Activation == GELU {
		total += given
	}
	return total
}

// bytesText writes a number of bytes with three digits.
func bytesText(n int) string {
	if n >= 1e9 {
		return fmt.Sprintf("%.3g GB", float64(n)/1e9)
	}
	return fmt.Sprintf("%.3g MB", float64(n)/1e6)
}
