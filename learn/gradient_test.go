package learn

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// gradientSpecs are models that together cover every layer, activation, loss and
// penalty. No window divides the images, [7, 6, 2], evenly.
func gradientSpecs() map[string]Spec {
	image, flat := []int{7, 6, 2}, []int{9}
	last := Layer{Kind: Dense, Units: 3}
	one := Layer{Kind: Dense, Units: 1}
	specs := map[string]Spec{
		"conv":               {Input: image, Layers: []Layer{{Kind: Conv, Units: 4, Size: 3, Activation: Tanh}, last}},
		"conv same":          {Input: image, Layers: []Layer{{Kind: Conv, Units: 4, Size: 5, Same: true, Activation: ReLU}, last}},
		"conv stride":        {Input: image, Layers: []Layer{{Kind: Conv, Units: 3, Size: 3, Stride: 2, Same: true}, last}},
		"conv even window":   {Input: []int{6, 7}, Layers: []Layer{{Kind: Conv, Units: 2, Size: 4, Same: true, Activation: GELU}, last}},
		"two convs":          {Input: image, Layers: []Layer{{Kind: Conv, Units: 3, Size: 3, Activation: Tanh}, {Kind: Conv, Units: 5, Size: 2, Activation: Sigmoid}, last}},
		"max pool":           {Input: image, Layers: []Layer{{Kind: Conv, Units: 4, Size: 2}, {Kind: MaxPool, Size: 2}, last}},
		"max pool, overlap":  {Input: image, Layers: []Layer{{Kind: Conv, Units: 4, Size: 2}, {Kind: MaxPool, Size: 3, Stride: 2, Same: true}, last}},
		"average pool":       {Input: image, Layers: []Layer{{Kind: Conv, Units: 4, Size: 2}, {Kind: AveragePool, Size: 2}, last}},
		"average pool, same": {Input: image, Layers: []Layer{{Kind: Conv, Units: 4, Size: 2}, {Kind: AveragePool, Size: 3, Stride: 2, Same: true}, last}},
		"pool first":         {Input: image, Layers: []Layer{{Kind: MaxPool, Size: 2}, last}},
		"dropout":            {Input: flat, Layers: []Layer{{Kind: Dropout, Rate: .3}, {Kind: Dense, Units: 8, Activation: Tanh}, {Kind: Dropout, Rate: .5}, last}},
		"rbf":                {Input: flat, Layers: []Layer{{Kind: RBF, Units: 20, Gamma: .1, Seed: 5}, last}},
		"rbf in the middle":  {Input: flat, Layers: []Layer{{Kind: Dense, Units: 5}, {Kind: RBF, Units: 20, Gamma: .3, Seed: 5}, one}, Loss: EpsilonInsensitive, Epsilon: .05},
		"penalties":          {Input: flat, Layers: []Layer{{Kind: Dense, Units: 5, Activation: Tanh}, last}, L1: .01, L2: .1},
	}
	for a := Identity; a <= GELU; a++ {
		specs["activation "+a.String()] = Spec{Input: flat, Layers: []Layer{{Kind: Dense, Units: 6, Activation: a}, last}}
	}
	for l := Softmax; l <= EpsilonInsensitive; l++ {
		out := one
		if l == Softmax {
			out = last
		}
		specs["loss "+l.String()] = Spec{Input: flat, Layers: []Layer{{Kind: Dense, Units: 6, Activation: Tanh}, out}, Loss: l, Epsilon: .1}
		if !l.Regression() {
			specs["loss "+l.String()+", three classes"] = Spec{Input: flat, Layers: []Layer{last}, Loss: l}
			specs["loss "+l.String()+", three classes that weigh"] = Spec{Input: flat, Layers: []Layer{last}, Loss: l, ClassWeights: []float32{.5, 1, 20}}
			if l != Softmax {
				specs["loss "+l.String()+", two classes that weigh"] = Spec{Input: flat, Layers: []Layer{out}, Loss: l, ClassWeights: []float32{.5, 20}}
			}
		}
	}
	return specs
}

// Gradients agree with central differences of the loss, along random directions
// in the space of the parameters.
func TestGradientByDifferences(t *testing.T) {
	for name, spec := range gradientSpecs() {
		t.Run(name, func(t *testing.T) {
			m := must(t, spec)
			const n = 5
			r := rand.New(rand.NewPCG(1, 2))
			x, y := make([]float32, n*spec.Features()), make([]float32, n)
			for i := range x {
				x[i] = float32(r.NormFloat64())
			}
			for i := range y {
				if c := spec.Classes(); c > 0 {
					y[i] = float32(r.IntN(c))
				} else {
					y[i] = float32(r.NormFloat64())
				}
			}
			params := version0(m, 3)
			for i := range params {
				params[i] += float32(.05 * r.NormFloat64())
			}
			w := m.NewWorker(n)
			grad := make([]float32, len(params))
			scratch := make([]float32, len(params))
			loss := func(p []float32) float64 {
				w.Seed(7)
				return w.Gradient(scratch, p, x, y).Loss + n*m.Penalty(p)
			}
			w.Seed(7)
			w.Gradient(grad, params, x, y)
			moved := make([]float32, len(params))
			for direction := range 20 {
				var along, length float64
				d := make([]float64, len(params))
				for i := range d {
					d[i] = r.NormFloat64()
					along += d[i] * float64(grad[i])
					length += d[i] * d[i]
				}
				h := 1e-3 / math.Sqrt(length) * 3
				at := func(sign float64) float64 {
					for i := range moved {
						moved[i] = params[i] + float32(sign*h*d[i])
					}
					return loss(moved)
				}
				got := (at(1) - at(-1)) / (2 * h)
				if math.Abs(got-along) > 2e-2*(math.Abs(along)+math.Sqrt(length)*.05) {
					t.Fatalf("direction %d: the gradient gives %v, central differences %v", direction, along, got)
				}
			}
		})
	}
}

// A step moves the parameters by -lr times the gradient, for every model.
func TestStepFollowsGradient(t *testing.T) {
	for name, spec := range gradientSpecs() {
		t.Run(name, func(t *testing.T) {
			m := must(t, spec)
			const n, lr = 5, .1
			r := rand.New(rand.NewPCG(3, 4))
			x, y := make([]float32, n*spec.Features()), make([]float32, n)
			for i := range x {
				x[i] = float32(r.NormFloat64())
			}
			params := version0(m, 3)
			w := m.NewWorker(n)
			grad := make([]float32, len(params))
			w.Seed(7)
			before := w.Gradient(grad, params, x, y)
			want := make([]float32, len(params))
			for i := range want {
				want[i] = params[i] - lr/n*grad[i]
			}
			w.Seed(7)
			sums := w.Step(params, x, y, lr)
			if sums != before {
				t.Errorf("the step sees %+v, the gradient %+v", sums, before)
			}
			for i := range want {
				if math.Abs(float64(params[i]-want[i])) > 1e-5*(1+math.Abs(float64(want[i]))) {
					t.Fatalf("parameter %d is %v after a step, want %v", i, params[i], want[i])
				}
			}
			if allocs := testing.AllocsPerRun(10, func() { w.Step(params, x, y, lr) }); allocs > 0 {
				t.Errorf("a step allocates %v times", allocs)
			}
		})
	}
}

// Dropout zeroes the configured share, keeps the mean, and is the identity outside
// of training.
func TestDropout(t *testing.T) {
	const n, rate = 100_000, .3
	l := (&dropout{size: n, rate: rate}).worker(1)
	x, y := make([]float32, n), make([]float32, n)
	for i := range x {
		x[i] = 1
	}
	w := &netWorker{}
	w.Seed(1)
	l.forward(y, x, nil, 1, &w.src)
	dropped, sum := 0, 0.
	for _, v := range y {
		if v == 0 {
			dropped++
		}
		sum += float64(v)
	}
	// Five standard deviations of a binomial count.
	if sd := math.Sqrt(n * rate * (1 - rate)); math.Abs(float64(dropped)-n*rate) > 5*sd {
		t.Errorf("%d of %d dropped, want about %v", dropped, n, n*rate)
	}
	if math.Abs(sum/n-1) > .02 {
		t.Errorf("the mean is %v, want 1", sum/n)
	}
	l.forward(y, x, nil, 1, nil)
	for i, v := range y {
		if v != 1 {
			t.Fatalf("number %d is %v outside of training", i, v)
		}
	}
}

// The features' inner products approximate the Gaussian kernel.
func TestRBFIsTheGaussianKernel(t *testing.T) {
	const units, gamma = 20_000, .2
	l := newRBF(3, Layer{Units: units, Gamma: gamma, Seed: 1})
	w := l.worker(2)
	x := []float32{.5, -1, 2, 1, .3, 1.2}
	y := make([]float32, 2*units)
	w.forward(y, x, nil, 2, nil)
	var dot, distance float64
	for i := range units {
		dot += float64(y[i]) * float64(y[units+i])
	}
	for i := range 3 {
		d := float64(x[i] - x[3+i])
		distance += d * d
	}
	// The standard error of the mean of 20,000 terms in [-2, 2] is under .01.
	if want := math.Exp(-gamma * distance); math.Abs(dot-want) > .05 {
		t.Errorf("the inner product is %v, want about %v", dot, want)
	}
}

// The FedAvg paper's CNN has the size that the paper states.
func TestFedAvgCNN(t *testing.T) {
	m := must(t, fedavgCNN)
	if got := m.Layout().Size; got != 1_663_370 {
		t.Errorf("%d parameters, want the paper's 1,663,370", got)
	}
	// 28x28x25x32 + 14x14x800x64 + 3136x512 + 512x10 multiplications and additions.
	if c := m.Cost(); c.Forward < 2*12_273_664 || c.Forward > 2*12_400_000 {
		t.Errorf("%d operations forward", c.Forward)
	}
	if got := m.Spec().String(); !strings.HasPrefix(got, "28x28 - conv 5x5x32 relu - maxpool 2x2") {
		t.Errorf("it is described as %q", got)
	}
}

// DISCO's network for MNIST has 55,386 parameters on its images of three
// channels, layer by layer 608, 3,216, 51,232 and 330, and fewer on ours of one.
func TestDISCOsCNN(t *testing.T) {
	for _, c := range []struct {
		input []int
		want  int
	}{{[]int{28, 28, 3}, 55_386}, {[]int{28, 28}, 54_986}} {
		m := must(t, Spec{Input: c.input, Layers: []Layer{
			{Kind: Conv, Units: 8, Size: 5, Activation: ReLU}, {Kind: Conv, Units: 16, Size: 5, Activation: ReLU}, {Kind: MaxPool, Size: 2},
			{Kind: Dropout, Rate: .25}, {Kind: Dense, Units: 32, Activation: ReLU}, {Kind: Dropout, Rate: .25}, {Kind: Dense, Units: 10},
		}})
		if got := m.Layout().Size; got != c.want {
			t.Errorf("%v: %d parameters, want %d", c.input, got, c.want)
		}
	}
}

// fedavgCNN is the network of McMahan et al. (2017) for MNIST.
var fedavgCNN = Spec{Input: []int{28, 28}, Layers: []Layer{
	{Kind: Conv, Units: 32, Size: 5, Same: true, Activation: ReLU}, {Kind: MaxPool, Size: 2},
	{Kind: Conv, Units: 64, Size: 5, Same: true, Activation: ReLU}, {Kind: MaxPool, Size: 2},
	{Kind: Dense, Units: 512, Activation: ReLU}, {Kind: Dense, Units: 10},
}}

func TestSpecNamesLayerAndShapes(t *testing.T) {
	for _, c := range []struct {
		name string
		spec Spec
		want string
	}{
		{"conv on a vector", Spec{Input: []int{9}, Layers: []Layer{{Kind: Conv, Units: 1, Size: 3}, {Kind: Dense, Units: 2}}}, "layer 0, conv: input shape: [9], want [height, width]"},
		{"a window too large", Spec{Input: []int{4, 4}, Layers: []Layer{{Kind: Conv, Units: 1, Size: 5}, {Kind: Dense, Units: 2}}}, "layer 0, conv: window: 5x5, larger than the input [4 4]"},
		{"pooled away", Spec{Input: []int{4, 4}, Layers: []Layer{{Kind: MaxPool, Size: 3}, {Kind: MaxPool, Size: 3}, {Kind: Dense, Units: 2}}}, "layer 1, maxpool: window: 3x3, larger than the input [1 1 1]"},
		{"all dropped", Spec{Input: []int{4}, Layers: []Layer{{Kind: Dropout, Rate: 1}, {Kind: Dense, Units: 2}}}, "layer 0, dropout: rate: 1"},
		{"no gamma", Spec{Input: []int{4}, Layers: []Layer{{Kind: RBF, Units: 9}, {Kind: Dense, Units: 2}}}, "layer 0, rbf: gamma: 0"},
		{"two outputs in regression", Spec{Input: []int{4}, Layers: []Layer{{Kind: Dense, Units: 2}}, Loss: Squared}, "layer 0, the last: 2 units, want 1 for the loss squared"},
		{"a pool at the end", Spec{Input: []int{4, 4}, Layers: []Layer{{Kind: MaxPool, Size: 2}}}, "layer 0, the last: kind maxpool"},
		{"a negative penalty", Spec{Input: []int{4}, Layers: []Layer{{Kind: Dense, Units: 2}}, L2: -1}, "l2: -1"},
		{"an unknown loss", Spec{Input: []int{4}, Layers: []Layer{{Kind: Dense, Units: 2}}, Loss: 99}, "loss: Loss(99), want one of softmax"},
		{"too many numbers", Spec{Input: []int{256, 256}, Layers: []Layer{{Kind: Conv, Units: 128, Size: 3}, {Kind: Dense, Units: 2}}}, "want at most 4194304"},
		{"random features", Spec{Input: []int{1 << 16}, Layers: []Layer{{Kind: RBF, Units: 1 << 16, Gamma: 1}, {Kind: Dense, Units: 2}}}, "layer 0, rbf, input shape [65536]: 4295032832 parameters in the model"},
		{"a window past counting", Spec{Input: []int{1, 1, 1 << 16}, Layers: []Layer{{Kind: Conv, Units: 1 << 16, Size: 1 << 16, Same: true}, {Kind: Dense, Units: 2}}}, "layer 0, conv: window: 65536x65536 on an input of shape [1 1 65536] has 281474976710656 values, want at most 16777216"},
		{"windows larger than the image", Spec{Input: []int{28, 28}, Layers: []Layer{{Kind: Conv, Units: 1, Size: 4000, Same: true}, {Kind: Dense, Units: 2}}}, "layer 0, conv, input shape [28 28]: 50.3 GB of training buffers"},
		{"windows of a large image", Spec{Input: []int{256, 256}, Layers: []Layer{{Kind: Conv, Units: 1, Size: 4000, Same: true}, {Kind: Dense, Units: 2}}}, "4.19e+03 GB of training buffers"},
		{"few places, large windows", Spec{Input: []int{256, 256}, Layers: []Layer{{Kind: Conv, Units: 1, Size: 4000, Stride: 256, Same: true}, {Kind: Dense, Units: 2}}}, "layer 0, conv, input shape [256 256]:"},
		{"deep and wide", Spec{Input: []int{256, 256}, Layers: append(slices.Repeat([]Layer{{Kind: Conv, Units: 64, Size: 1}}, 60), Layer{Kind: Dense, Units: 2})}, "layer 5, conv, input shape [256 256 64]: 286 MB of training buffers (examples at a time: 1), want at most 268 MB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := New(c.spec); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
