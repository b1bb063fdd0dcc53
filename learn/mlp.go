package learn

import (
	"fmt"
	"math"

	"fedtab/learn/kernel"
	"fedtab/learn/rng"
)

// mlp is a stack of dense layers.
type mlp struct {
	spec   Spec
	layout Layout
	layers []dense
}

// dense is one layer: y = act(x w + b).
type dense struct {
	in, out int
	relu    bool
	w, b    Tensor
}

func newMLP(spec Spec) *mlp {
	m := &mlp{spec: spec.Clone()}
	in := spec.Features()
	add := func(name string, shape ...int) Tensor {
		t := Tensor{Name: name, Shape: shape, Offset: m.layout.Size}
		m.layout.Tensors = append(m.layout.Tensors, t)
		m.layout.Size += t.Size()
		return t
	}
	for i, l := range spec.Layers {
		m.layers = append(m.layers, dense{
			in: in, out: l.Units, relu: l.Activation == ReLU,
			w: add(fmt.Sprintf("dense%d.weight", i), in, l.Units),
			b: add(fmt.Sprintf("dense%d.bias", i), l.Units),
		})
		in = l.Units
	}
	return m
}

func (m *mlp) Spec() Spec     { return m.spec.Clone() }
func (m *mlp) Layout() Layout { return m.layout }

func (m *mlp) Init(params []float32, seed uint64) {
	checkParams(params, m.layout)
	clear(params)
	for i, t := range m.layout.Tensors {
		if len(t.Shape) != 2 {
			continue // a bias
		}
		b := float32(math.Sqrt(6 / float64(t.Shape[0])))
		src := rng.New(rng.Derive(seed, "init", uint64(i)))
		w := t.Of(params)
		for j := range w {
			// An explicit conversion rounds, and so keeps a compiler from
			// fusing the operations.
			u := float32(src.Uint64()>>40) * (1.0 / (1 << 23))
			w[j] = float32(float32(float32(u)-1) * b)
		}
	}
}

func checkParams(params []float32, l Layout) {
	if len(params) != l.Size {
		panic(fmt.Sprintf("learn: %d parameters, want %d", len(params), l.Size))
	}
}

// mlpWorker holds what passes between the layers.
type mlpWorker struct {
	*mlp
	maxBatch int
	y        [][]float32 // y[l] is what layer l gives, [maxBatch, out]
	dy       [][]float32 // the gradient with respect to that
}

func (m *mlp) NewWorker(maxBatch int) Worker {
	w := &mlpWorker{mlp: m, maxBatch: maxBatch}
	for _, l := range m.layers {
		w.y = append(w.y, make([]float32, maxBatch*l.out))
		w.dy = append(w.dy, make([]float32, maxBatch*l.out))
	}
	return w
}

func (w *mlpWorker) Step(params []float32, x []float32, y []int32, lr float32) Sums {
	if len(y) == 0 {
		return Sums{}
	}
	sums := w.forward(params, x, y, 1/float32(len(y)))
	w.backward(params, params, -lr, x, len(y))
	return sums
}

func (w *mlpWorker) Gradient(grad, params []float32, x []float32, y []int32) Sums {
	checkParams(grad, w.layout)
	clear(grad)
	if len(y) == 0 {
		return Sums{}
	}
	sums := w.forward(params, x, y, 1)
	w.backward(grad, params, 1, x, len(y))
	return sums
}

func (w *mlpWorker) Evaluate(params []float32, x []float32, y []int32) Sums {
	return w.forward(params, x, y, 0)
}

// forward runs the layers and the loss. The gradient with respect to the last
// layer, times scale, is left in dy, unless scale is 0.
func (w *mlpWorker) forward(params, x []float32, labels []int32, scale float32) Sums {
	n := len(labels)
	checkParams(params, w.layout)
	checkBatch(n, w.layers[0].in, w.maxBatch, x)
	for i := range w.layers {
		l := &w.layers[i]
		y := w.y[i][:n*l.out]
		kernel.Forward(y, x, l.w.Of(params), l.b.Of(params), n, l.in, l.out, l.relu)
		x = y
	}
	last := len(w.layers) - 1
	dz := w.dy[last]
	if scale == 0 {
		dz = nil
	}
	loss, correct := kernel.SoftmaxCrossEntropy(dz, x, labels, w.layers[last].out, scale)
	return Sums{Examples: n, Loss: loss, Correct: correct}
}

// backward adds alpha times the gradient to dst, which may be params: a
// layer's weights are done with before they are changed.
func (w *mlpWorker) backward(dst, params []float32, alpha float32, x []float32, n int) {
	for i := len(w.layers) - 1; i >= 0; i-- {
		l := &w.layers[i]
		dy := w.dy[i][:n*l.out]
		in := x
		if i > 0 {
			in = w.y[i-1][:n*l.in]
			dx := w.dy[i-1][:n*l.in]
			kernel.InputGradient(dx, dy, l.w.Of(params), n, l.in, l.out)
			if w.layers[i-1].relu {
				kernel.BackReLU(dx, in)
			}
		}
		kernel.AddWeightGradient(l.w.Of(dst), alpha, in, dy, n, l.in, l.out)
		kernel.AddColumnSums(l.b.Of(dst), alpha, dy, n, l.out)
	}
}
