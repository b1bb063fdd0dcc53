package learn

import (
	"math"

	"fedtab/learn/kernel"
	"fedtab/learn/rng"
)

// rbf maps examples to random Fourier features (Rahimi and Recht, 2007), whose
// inner products approximate the Gaussian kernel exp(-gamma |x - x'|^2):
//
//	y = sqrt(2/units) cos(x w + b),  w ~ N(0, 2 gamma),  b ~ U[0, 2 pi)
//
// A linear model on top of it is a kernel machine. w and b come from the seed
// and are not trained.
type rbf struct {
	in, units int
	w, b      []float32 // [in, units], [units]
}

func newRBF(in int, l Layer) *rbf {
	r := &rbf{in: in, units: l.Units, w: make([]float32, in*l.Units), b: make([]float32, l.Units)}
	src := rng.New(rng.Derive(l.Seed, "rbf"))
	uniform := func() float64 { return (float64(src.Uint64()>>11) + .5) / (1 << 53) } // in (0, 1)
	for i := range r.w {
		// Box and Muller, 1958; one of the two is enough.
		r.w[i] = float32(math.Sqrt(-2*math.Log(uniform())) * math.Cos(2*math.Pi*uniform()) * math.Sqrt(2*float64(l.Gamma)))
	}
	for i := range r.b {
		r.b[i] = float32(2 * math.Pi * uniform())
	}
	return r
}

// RandomFeatures returns the frequencies w, [in, l.Units], and the phases b,
// [l.Units], of the layer l of kind RBF with in inputs. Its outputs are
// sqrt(2/l.Units) cos(x w + b).
func RandomFeatures(in int, l Layer) (w, b []float32) {
	r := newRBF(in, l)
	return r.w, r.b
}

func (l *rbf) flops() int { return 2 * l.in * l.units }

func (l *rbf) worker(maxBatch int) layerWorker {
	return &rbfWorker{l, make([]float32, maxBatch*l.units)}
}

type rbfWorker struct {
	*rbf
	z []float32 // x w + b
}

func (l *rbfWorker) scale() float64 { return math.Sqrt(2 / float64(l.units)) }

func (l *rbfWorker) forward(y, x, _ []float32, n int, _ *rng.Source) {
	z := l.z[:n*l.units]
	kernel.Forward(z, x, l.w, l.b, n, l.in, l.units, false)
	for i, v := range z {
		y[i] = float32(l.scale() * math.Cos(float64(v)))
	}
}

func (l *rbfWorker) backward(_ []float32, _ float32, dx, dy, _, _, _ []float32, n int) {
	if dx == nil {
		return
	}
	for i := range dy {
		dy[i] *= float32(-l.scale() * math.Sin(float64(l.z[i])))
	}
	kernel.InputGradient(dx, dy, l.w, n, l.in, l.units)
}
