package learn

import (
	"fmt"
	"math"

	"fedtab/learn/kernel"
	"fedtab/learn/rng"
)

// net is a chain of layers.
type net struct {
	spec   Spec
	layout Layout
	layers []layer
	sizes  []int // values per example: the input of each layer, then the last output
}

// layer is one layer without its parameters. It is safe for concurrent use.
type layer interface {
	// worker returns the buffers for batches of up to maxBatch examples.
	worker(maxBatch int) layerWorker
	// flops returns the floating-point operations of the forward pass for one
	// example, a multiplication and an addition counting as two.
	flops() int
}

// layerWorker computes one layer for n examples: x is [n, in], y is [n, out],
// params are the whole model's.
type layerWorker interface {
	// forward writes y. With src, which is nil outside of training, random
	// layers draw from it.
	forward(y, x, params []float32, n int, src *rng.Source)
	// backward takes dy, the gradient with respect to y, which it may change;
	// x and y are those of the last forward. It adds alpha times the gradient
	// with respect to the layer's parameters to dst, which may be params, and
	// writes dx, unless that is nil.
	backward(dst []float32, alpha float32, dx, dy, y, x, params []float32, n int)
}

// newNet makes the model of a valid spec.
func newNet(spec Spec, shapes [][]int) *net {
	m := &net{spec: spec.Clone()}
	add := func(name string, shape ...int) Tensor {
		t := Tensor{Name: name, Shape: shape, Offset: m.layout.Size}
		m.layout.Tensors = append(m.layout.Tensors, t)
		m.layout.Size += t.Size()
		return t
	}
	for i, l := range m.spec.Layers {
		in := product(shapes[i])
		m.sizes = append(m.sizes, in)
		switch l.Kind {
		case Dense:
			m.layers = append(m.layers, &dense{
				in: in, out: l.Units, act: l.Activation,
				w: add(fmt.Sprintf("dense%d.weight", i), in, l.Units),
				b: add(fmt.Sprintf("dense%d.bias", i), l.Units),
			})
		case Conv:
			g := l.window(shapes[i])
			m.layers = append(m.layers, &conv{
				window: g, out: l.Units, act: l.Activation,
				w: add(fmt.Sprintf("conv%d.weight", i), g.Size, g.Size, g.Channels, l.Units),
				b: add(fmt.Sprintf("conv%d.bias", i), l.Units),
			})
		case MaxPool, AveragePool:
			m.layers = append(m.layers, &pool{window: l.window(shapes[i]), max: l.Kind == MaxPool})
		case Dropout:
			m.layers = append(m.layers, &dropout{size: in, rate: l.Rate})
		case RBF:
			m.layers = append(m.layers, newRBF(in, l))
		}
	}
	m.sizes = append(m.sizes, product(shapes[len(shapes)-1]))
	return m
}

func (m *net) Spec() Spec     { return m.spec.Clone() }
func (m *net) Layout() Layout { return m.layout }

// Cost implements Model.
func (m *net) Cost() Cost {
	c := Cost{Parameters: m.layout.Size}
	for i, l := range m.layers {
		f := l.flops()
		c.Forward += f
		c.Training += 3 * f // the gradients of input and of parameters cost as much each
		if i == 0 {
			c.Training -= f // the gradient of the examples is not computed
		}
	}
	c.Numbers = numbersOf(m.sizes)
	return c
}

// numbersOf returns Cost.Numbers, given the input size of each layer and the last
// output size.
func numbersOf(sizes []int) int {
	n := sizes[0]
	for _, size := range sizes[1:] {
		n += 2 * size // what a layer gives, and its gradient
	}
	return n
}

func (m *net) Init(params []float32, seed uint64) {
	checkParams(params, m.layout)
	clear(params)
	for i, t := range m.layout.Tensors {
		if !t.weight() {
			continue
		}
		fanIn := product(t.Shape[:len(t.Shape)-1])
		b := float32(math.Sqrt(6 / float64(fanIn)))
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

// weight reports whether a tensor holds weights, and not biases.
func (t Tensor) weight() bool { return len(t.Shape) > 1 }

func checkParams(params []float32, l Layout) {
	if len(params) != l.Size {
		panic(fmt.Sprintf("learn: %d parameters, want %d", len(params), l.Size))
	}
}

// netWorker holds the activations and their gradients.
type netWorker struct {
	*net
	maxBatch int
	layers   []layerWorker
	y        [][]float32 // y[l] is the output of layer l, [maxBatch, out]
	dy       [][]float32 // the gradient with respect to y
	out      []float32   // of the last batch, a part of y
	src      rng.Source
	grad     []float32 // for steps that cannot be done in place; allocated when needed
}

func (m *net) NewWorker(maxBatch int) Worker {
	w := &netWorker{net: m, maxBatch: maxBatch}
	for i, l := range m.layers {
		w.layers = append(w.layers, l.worker(maxBatch))
		w.y = append(w.y, make([]float32, maxBatch*m.sizes[i+1]))
		w.dy = append(w.dy, make([]float32, maxBatch*m.sizes[i+1]))
	}
	return w
}

func (w *netWorker) Seed(seed uint64) { w.src.Seed(seed) }

func (w *netWorker) Step(params, x, y []float32, lr float32) Sums {
	n := len(y)
	if n == 0 {
		return Sums{}
	}
	if w.spec.L1 > 0 || w.spec.L2 > 0 {
		if w.grad == nil {
			w.grad = make([]float32, w.layout.Size)
		}
		sums := w.Gradient(w.grad, params, x, y)
		kernel.Axpy(params, -lr/float32(n), w.grad)
		return sums
	}
	sums := w.forward(params, x, y, 1/float32(n), true)
	w.backward(params, params, -lr, x, n)
	return sums
}

func (w *netWorker) Gradient(grad, params, x, y []float32) Sums {
	checkParams(grad, w.layout)
	clear(grad)
	if len(y) == 0 {
		return Sums{}
	}
	sums := w.forward(params, x, y, 1, true)
	w.backward(grad, params, 1, x, len(y))
	w.addPenalty(grad, params, float32(len(y)))
	return sums
}

func (w *netWorker) Evaluate(params, x, y []float32) Sums {
	return w.forward(params, x, y, 0, false)
}

func (w *netWorker) Outputs() []float32 { return w.out }

// forward runs the layers and the loss. The gradient with respect to the last
// layer, times scale, is left in dy, unless scale is 0.
func (w *netWorker) forward(params, x, targets []float32, scale float32, train bool) Sums {
	n := len(targets)
	checkParams(params, w.layout)
	checkBatch(n, w.sizes[0], w.maxBatch, x)
	var src *rng.Source
	if train {
		src = &w.src
	}
	for i, l := range w.layers {
		y := w.y[i][:n*w.sizes[i+1]]
		l.forward(y, x, params, n, src)
		x = y
	}
	w.out = x
	last := len(w.layers) - 1
	dz := w.dy[last][:n*w.sizes[last+1]]
	if scale == 0 {
		dz = nil
	}
	loss, correct := w.spec.loss(dz, x, targets, scale)
	return Sums{Examples: n, Loss: loss, Correct: correct}
}

// backward adds alpha times the gradient to dst, which may be params: each layer
// computes dx before it changes its weights.
func (w *netWorker) backward(dst, params []float32, alpha float32, x []float32, n int) {
	for i := len(w.layers) - 1; i >= 0; i-- {
		in, dx := x, []float32(nil)
		if i > 0 {
			in, dx = w.y[i-1][:n*w.sizes[i]], w.dy[i-1][:n*w.sizes[i]]
		}
		w.layers[i].backward(dst, alpha, dx, w.dy[i][:n*w.sizes[i+1]], w.y[i][:n*w.sizes[i+1]], in, params, n)
	}
}

// addPenalty adds the gradient of the penalties on n examples.
func (w *netWorker) addPenalty(grad, params []float32, n float32) {
	l1, l2 := w.spec.L1*n, w.spec.L2*n
	if l1 == 0 && l2 == 0 {
		return
	}
	for _, t := range w.layout.Tensors {
		if !t.weight() {
			continue
		}
		g := t.Of(grad)
		for i, v := range t.Of(params) {
			switch {
			case v > 0:
				g[i] += l1
			case v < 0:
				g[i] -= l1
			}
			g[i] += l2 * v
		}
	}
}

// Penalty implements Model.
func (m *net) Penalty(params []float32) float64 {
	var l1, l2 float64
	for _, t := range m.layout.Tensors {
		if t.weight() {
			for _, v := range t.Of(params) {
				l1 += math.Abs(float64(v))
				l2 += float64(v) * float64(v)
			}
		}
	}
	return float64(m.spec.L1)*l1 + float64(m.spec.L2)/2*l2
}
