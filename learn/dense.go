package learn

import (
	"fedtab/learn/kernel"
	"fedtab/learn/rng"
)

// dense is a fully connected layer: y = act(x w + b).
type dense struct {
	in, out int
	act     Activation
	w, b    Tensor
}

func (l *dense) flops() int { return 2 * l.in * l.out }

func (l *dense) worker(maxBatch int) layerWorker {
	return &denseWorker{l, newActivated(l.act, maxBatch*l.out)}
}

type denseWorker struct {
	*dense
	activated
}

func (l *denseWorker) forward(y, x, params []float32, n int, _ *rng.Source) {
	kernel.Forward(y, x, l.w.Of(params), l.b.Of(params), n, l.in, l.out, l.act == ReLU)
	l.apply(y)
}

func (l *denseWorker) backward(dst []float32, alpha float32, dx, dy, y, x, params []float32, n int) {
	l.undo(dy, y)
	if dx != nil {
		kernel.InputGradient(dx, dy, l.w.Of(params), n, l.in, l.out)
	}
	kernel.AddWeightGradient(l.w.Of(dst), alpha, x, dy, n, l.in, l.out)
	kernel.AddColumnSums(l.b.Of(dst), alpha, dy, n, l.out)
}
