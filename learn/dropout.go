package learn

import "fedtab/learn/rng"

// dropout is inverted dropout (Srivastava et al., 2014): in training it zeroes a
// random share of the values and scales the others up, which keeps the mean.
// Outside of training it is the identity.
type dropout struct {
	size int
	rate float32
}

func (l *dropout) flops() int { return l.size }

func (l *dropout) worker(maxBatch int) layerWorker {
	return &dropoutWorker{l, make([]float32, maxBatch*l.size)}
}

type dropoutWorker struct {
	*dropout
	mask []float32 // 0 or 1/(1-rate), of the last forward pass
}

func (l *dropoutWorker) forward(y, x, _ []float32, n int, src *rng.Source) {
	if src == nil || l.rate == 0 {
		copy(y, x)
		for i := range l.mask[:n*l.size] {
			l.mask[i] = 1
		}
		return
	}
	keep := 1 / (1 - l.rate)
	limit := uint64(float64(l.rate) * (1 << 53))
	for i, v := range x[:n*l.size] {
		m := keep
		if src.Uint64()>>11 < limit {
			m = 0
		}
		l.mask[i] = m
		y[i] = m * v
	}
}

func (l *dropoutWorker) backward(_ []float32, _ float32, dx, dy, _, _, _ []float32, _ int) {
	for i := range dx {
		dx[i] = dy[i] * l.mask[i]
	}
}
