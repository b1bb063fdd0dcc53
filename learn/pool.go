package learn

import (
	"fedtab/learn/kernel"
	"fedtab/learn/rng"
)

// pool is max or average pooling: the max or the mean of each channel over each
// window.
type pool struct {
	window kernel.Window
	max    bool
}

func (l *pool) flops() int {
	return l.window.Places() * l.window.Patch()
}

func (l *pool) size() int { return l.window.Places() * l.window.Channels }

func (l *pool) worker(maxBatch int) layerWorker {
	w := &poolWorker{pool: l}
	if l.max {
		w.where = make([]int32, maxBatch*l.size())
	}
	return w
}

type poolWorker struct {
	*pool
	where []int32 // the places of the maxima
}

func (l *poolWorker) forward(y, x, _ []float32, n int, _ *rng.Source) {
	g, size := &l.window, l.size()
	for i := range n {
		yi, xi := y[i*size:][:size], x[i*g.Image():][:g.Image()]
		if l.max {
			kernel.MaxPool(yi, l.where[i*size:][:size], xi, g)
		} else {
			kernel.AveragePool(yi, xi, g)
		}
	}
}

func (l *poolWorker) backward(_ []float32, _ float32, dx, dy, _, _, _ []float32, n int) {
	if dx == nil {
		return
	}
	g, size := &l.window, l.size()
	clear(dx)
	for i := range n {
		di, xi := dy[i*size:][:size], dx[i*g.Image():][:g.Image()]
		if l.max {
			kernel.BackMaxPool(xi, di, l.where[i*size:][:size])
		} else {
			kernel.BackAveragePool(xi, di, g)
		}
	}
}
