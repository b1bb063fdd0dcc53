package learn

import (
	"fedtab/learn/kernel"
	"fedtab/learn/rng"
)

// conv is a convolutional layer (a cross-correlation): each position of y is
// act(patch w + b), with w [size, size, channels, out]. It is computed as matrix
// products over the patches of a few images at a time, which stay in cache.
type conv struct {
	window kernel.Window
	out    int
	act    Activation
	w, b   Tensor
}

// rowsAtOnce is the approximate number of patches in a matrix product.
const rowsAtOnce = 256

// groupOf returns the number of images whose patches are computed at a time.
func groupOf(g *kernel.Window, batch int) int {
	return min(max(rowsAtOnce/g.Places(), 1), batch)
}

func (l *conv) flops() int { return 2 * l.window.Places() * l.window.Patch() * l.out }

func (l *conv) worker(maxBatch int) layerWorker {
	g := &l.window
	group := groupOf(g, maxBatch)
	return &convWorker{
		conv: l, activated: newActivated(l.act, maxBatch*g.Places()*l.out), group: group,
		patches: make([]float32, group*g.Places()*g.Patch()),
		turned:  make([]float32, g.Patch()*l.out),
		zero:    make([]float32, g.Patch()),
	}
}

type convWorker struct {
	*conv
	activated
	group   int       // images at a time
	patches []float32 // of them, [group * places, patch]; then the gradient of that
	turned  []float32 // w transposed, [out, patch]
	zero    []float32
}

// look computes the patches of count images.
func (l *convWorker) look(x []float32, count int) []float32 {
	g := &l.window
	n := g.Places() * g.Patch()
	for i := range count {
		kernel.Patches(l.patches[i*n:][:n], x[i*g.Image():][:g.Image()], g)
	}
	return l.patches[:count*n]
}

func (l *convWorker) forward(y, x, params []float32, n int, _ *rng.Source) {
	g := &l.window
	for i := 0; i < n; i += l.group {
		count := min(l.group, n-i)
		rows := count * g.Places()
		kernel.Forward(y[i*g.Places()*l.out:][:rows*l.out], l.look(x[i*g.Image():], count), l.w.Of(params), l.b.Of(params), rows, g.Patch(), l.out, l.act == ReLU)
	}
	l.apply(y)
}

func (l *convWorker) backward(dst []float32, alpha float32, dx, dy, y, x, params []float32, n int) {
	l.undo(dy, y)
	g := &l.window
	if dx != nil {
		kernel.Transpose(l.turned, l.w.Of(params), g.Patch(), l.out)
		clear(dx)
	}
	for i := 0; i < n; i += l.group {
		count := min(l.group, n-i)
		rows := count * g.Places()
		d := dy[i*g.Places()*l.out:][:rows*l.out]
		kernel.AddWeightGradient(l.w.Of(dst), alpha, l.look(x[i*g.Image():], count), d, rows, g.Patch(), l.out)
		if dx == nil {
			continue
		}
		p := l.patches[:rows*g.Patch()]
		kernel.Forward(p, d, l.turned, l.zero, rows, l.out, g.Patch(), false)
		for k := range count {
			kernel.AddPatches(dx[(i+k)*g.Image():][:g.Image()], p[k*g.Places()*g.Patch():], g)
		}
	}
	kernel.AddColumnSums(l.b.Of(dst), alpha, dy, n*g.Places(), l.out)
}
