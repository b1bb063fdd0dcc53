package learn

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"fedtab/learn/kernel"
)

// Bounds of a Spec. They bound the memory that a description from the network can
// make a client allocate.
const (
	MaxParameters = 1 << 24 // 64 MiB; also random features, and the values in one window
	MaxWidth      = 1 << 16 // values in an example, units in a layer
	MaxLayers     = 64
	MaxNumbers    = 1 << 22 // between two layers, per example
	MaxBuffers    = 1 << 28 // bytes of training without parameters and their gradients

	MaxClassWeight = 1e6
)

// LayerKind is the kind of a layer. The values are those of the wire format.
type LayerKind uint32

// The kinds of layer.
const (
	Dense       LayerKind = 1 // fully connected; takes its input as a flat vector
	Conv        LayerKind = 2 // convolution of images [height, width, channels]
	MaxPool     LayerKind = 3
	AveragePool LayerKind = 4
	Dropout     LayerKind = 5 // in training, zeroes random values and scales the others up
	RBF         LayerKind = 6 // random Fourier features of a Gaussian kernel; has no parameters
)

var layerKinds = [...]string{Dense: "dense", Conv: "conv", MaxPool: "maxpool", AveragePool: "avgpool", Dropout: "dropout", RBF: "rbf"}

// String returns the kind's name.
func (k LayerKind) String() string { return name(layerKinds[:], uint32(k), "LayerKind") }

// Activation is the function after a layer. The values are those of the wire
// format.
type Activation uint32

// The activations.
const (
	Identity Activation = 0
	ReLU     Activation = 1 // max(x, 0)
	Tanh     Activation = 2
	Sigmoid  Activation = 3 // 1 / (1 + exp(-x))
	GELU     Activation = 4 // x Phi(x), exact (Hendrycks and Gimpel, 2016)
)

var activations = [...]string{"identity", "relu", "tanh", "sigmoid", "gelu"}

// String returns the activation's name.
func (a Activation) String() string { return name(activations[:], uint32(a), "Activation") }

// Loss is the loss of an example; z is the output of the last layer. The values
// are those of the wire format.
type Loss uint32

// The losses. Logistic and Hinge with one unit are binary, s = 2y - 1. With several
// units they are one-vs-rest, s = 1 at the label and -1 elsewhere, and summed over
// the units.
const (
	Softmax            Loss = 0 // cross-entropy with the softmax of z: multinomial logistic
	Logistic           Loss = 1 // log(1 + exp(-s z))
	Hinge              Loss = 2 // max(0, 1 - s z): the support vector machine
	Squared            Loss = 3 // (z - y)^2 / 2
	Absolute           Loss = 4 // |z - y|
	EpsilonInsensitive Loss = 5 // max(0, |z - y| - Epsilon): support vector regression
)

var losses = [...]string{"softmax", "logistic", "hinge", "squared", "absolute", "epsilon-insensitive"}

// String returns the loss's name.
func (l Loss) String() string { return name(losses[:], uint32(l), "Loss") }

// Regression reports whether targets are real values and not classes.
func (l Loss) Regression() bool { return l >= Squared }

func name(names []string, v uint32, what string) string {
	if v < uint32(len(names)) && names[v] != "" {
		return names[v]
	}
	return fmt.Sprintf("%s(%d)", what, v)
}

// Names returns the names of all layer kinds, activations and losses, as task
// files write them.
func Names() (kinds, acts, loss []string) {
	return slices.Clone(layerKinds[Dense:]), slices.Clone(activations[:]), slices.Clone(losses[:])
}

// Layer describes one layer. Fields that its kind does not name are zero.
type Layer struct {
	Kind       LayerKind
	Units      int        // Dense: outputs; Conv: channels of the output; RBF: features
	Activation Activation // Dense, Conv
	Size       int        // Conv, pools: side of the window
	Stride     int        // Conv, pools: step of the window; 0 is 1 for Conv and Size for pools
	Same       bool       // Conv, pools: pad so that the output has ceil(input / stride) rows
	Rate       float32    // Dropout: share of values that is dropped, 0 <= Rate < 1
	Gamma      float32    // RBF: of exp(-Gamma |x - x'|^2)
	Seed       uint64     // RBF: of the features
}

// Spec describes a model: layers one after the other, and the loss.
type Spec struct {
	Input   []int // shape of one example: [height, width] or [height, width, channels] for images
	Layers  []Layer
	Loss    Loss
	Epsilon float32 // of EpsilonInsensitive
	L1, L2  float32 // penalties per example: L1 |w|_1 + L2/2 |w|_2^2, of weights and not of biases

	// ClassWeights multiply the losses of the examples of each class, so that a rare
	// class counts as much as a frequent one; nil: all are 1.
	ClassWeights []float32
}

// MLP returns a multilayer perceptron with ReLU hidden layers of the given sizes.
// MLP([]int{28, 28}, []int{200, 200}, 10) is the 2NN of McMahan et al. (2017).
func MLP(input []int, hidden []int, classes int) Spec {
	s := Spec{Input: slices.Clone(input)}
	for _, units := range hidden {
		s.Layers = append(s.Layers, Layer{Kind: Dense, Units: units, Activation: ReLU})
	}
	s.Layers = append(s.Layers, Layer{Kind: Dense, Units: classes})
	return s
}

// Convex reports whether the loss is convex in the parameters: exactly one layer
// has parameters, and every loss is convex in its output.
func (s Spec) Convex() bool {
	for i, l := range s.Layers {
		last := i == len(s.Layers)-1
		if last && (l.Kind != Dense || l.Activation != Identity) || !last && l.Kind != RBF {
			return false
		}
	}
	return len(s.Layers) > 0
}

// Features returns the number of features of an example.
func (s Spec) Features() int { return product(s.Input) }

func product(dims []int) int {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return n
}

// Outputs returns the number of outputs of the last layer.
func (s Spec) Outputs() int { return s.Layers[len(s.Layers)-1].Units }

// Classes returns the number of classes; 0 for regression.
func (s Spec) Classes() int {
	switch n := s.Outputs(); {
	case s.Loss.Regression():
		return 0
	case n == 1:
		return 2
	default:
		return n
	}
}

// Clone returns a copy that shares no memory with s.
func (s Spec) Clone() Spec {
	s.Input, s.Layers, s.ClassWeights = slices.Clone(s.Input), slices.Clone(s.Layers), slices.Clone(s.ClassWeights)
	return s
}

// String describes s in one line, such as "28x28 - conv 5x5x32 relu - ...".
func (s Spec) String() string {
	parts := []string{shapeText(s.Input)}
	for _, l := range s.Layers {
		var p string
		switch l.Kind {
		case Dense:
			p = fmt.Sprint(l.Units)
		case Conv:
			p = fmt.Sprintf("conv %dx%dx%d", l.Size, l.Size, l.Units)
		case MaxPool, AveragePool:
			p = fmt.Sprintf("%v %dx%d", l.Kind, l.Size, l.Size)
		case Dropout:
			p = fmt.Sprintf("dropout %g", l.Rate)
		case RBF:
			p = fmt.Sprintf("rbf %d (gamma %g)", l.Units, l.Gamma)
		default:
			p = l.Kind.String()
		}
		if l.Activation != Identity {
			p += " " + l.Activation.String()
		}
		parts = append(parts, p)
	}
	return strings.Join(append(parts, s.Loss.String()), " - ")
}

func shapeText(shape []int) string {
	parts := make([]string, len(shape))
	for i, d := range shape {
		parts[i] = fmt.Sprint(d)
	}
	return strings.Join(parts, "x")
}

// A SpecProblem is one invalid setting of a Spec. It wraps ErrSpec.
type SpecProblem struct {
	Layer int // in which layer, -1 for none
	Text  string
}

func (p *SpecProblem) Error() string {
	if p.Layer < 0 {
		return fmt.Sprintf("learn: %s: %v", p.Text, ErrSpec)
	}
	return fmt.Sprintf("learn: layer %d, %s: %v", p.Layer, p.Text, ErrSpec)
}

func (p *SpecProblem) Unwrap() error { return ErrSpec }

// Problems reports everything that is wrong with s.
func (s Spec) Problems() []*SpecProblem {
	_, problems := s.shapes()
	return problems
}

// shapes returns the input shape of each layer, then the shape of the last output.
func (s Spec) shapes() (shapes [][]int, problems []*SpecProblem) {
	in := func(layer int, format string, args ...any) {
		problems = append(problems, &SpecProblem{layer, fmt.Sprintf(format, args...)})
	}
	bad := func(format string, args ...any) { in(-1, format, args...) }
	var shape []int // nil once it is unknown
	if len(s.Input) == 0 || len(s.Input) > 8 {
		bad("input: %d dimensions, want 1 to 8", len(s.Input))
	} else {
		shape = s.Input
		width := 1
		for _, d := range s.Input {
			if d < 1 || d > MaxWidth || width*d > MaxWidth {
				bad("input: shape %v, want positive sides and at most %d values", s.Input, MaxWidth)
				shape = nil
				break
			}
			width *= d
		}
	}
	if len(s.Layers) == 0 || len(s.Layers) > MaxLayers {
		bad("layers: %d, want 1 to %d", len(s.Layers), MaxLayers)
		return nil, problems
	}
	size := 0
	for i, l := range s.Layers {
		shapes = append(shapes, shape)
		out, parameters, problem := l.shape(shape)
		if problem != "" {
			in(i, "%v: %s", l.Kind, problem)
		}
		before := size
		if size += parameters; size > MaxParameters && before <= MaxParameters {
			in(i, "%v, input shape %v: %d parameters in the model, want at most %d", l.Kind, shape, size, MaxParameters)
		}
		shape = out
	}
	shapes = append(shapes, shape)
	last := len(s.Layers) - 1
	if l := s.Layers[last]; l.Kind != Dense {
		in(last, "the last: kind %v, want dense", l.Kind)
	} else if l.Activation != Identity {
		in(last, "the last: activation %v, want %v before the loss", l.Activation, Identity)
	}
	switch units := s.Layers[last].Units; {
	case s.Loss > EpsilonInsensitive:
		bad("loss: %v, want one of %s", s.Loss, strings.Join(losses[:], ", "))
	case s.Loss == Softmax && units < 2:
		in(last, "the last: %d units, want at least 2 classes", units)
	case s.Loss.Regression() && units != 1:
		in(last, "the last: %d units, want 1 for the loss %v", units, s.Loss)
	}
	for _, p := range []struct {
		name string
		v    float32
	}{{"epsilon", s.Epsilon}, {"l1", s.L1}, {"l2", s.L2}} {
		if !(p.v >= 0) || math.IsInf(float64(p.v), 1) {
			bad("%s: %v, want 0 <= %[1]s < +Inf", p.name, p.v)
		}
	}
	if n := s.Classes(); s.ClassWeights != nil && len(s.ClassWeights) != n {
		bad("class weights: %d, want one for each of the %d classes", len(s.ClassWeights), n)
	}
	for c, w := range s.ClassWeights {
		if !(w > 0 && w <= MaxClassWeight) {
			bad("weight of class %d: %v, want 0 < weight <= %v", c, w, float32(MaxClassWeight))
		}
	}
	if len(problems) > 0 {
		return nil, problems
	}
	sizes := make([]int, len(shapes))
	for i, shape := range shapes {
		sizes[i] = product(shape)
	}
	n := atOnce(numbersOf(sizes))
	for i, bytes := range s.buffers(shapes, n) {
		if bytes > MaxBuffers {
			in(i, "%v, input shape %v: %s of training buffers (examples at a time: %d), want at most %s",
				s.Layers[i].Kind, shapes[i], bytesText(bytes), n, bytesText(MaxBuffers))
			return nil, problems
		}
	}
	return shapes, nil
}

// shape returns the output shape of l for an input shape (nil: unknown), its
// number of parameters, trained or fixed, and a problem or "".
func (l Layer) shape(in []int) (out []int, parameters int, problem string) {
	if l.Activation > GELU {
		return nil, 0, fmt.Sprintf("activation %v, want one of %s", l.Activation, strings.Join(activations[:], ", "))
	}
	switch l.Kind {
	case Dense, RBF:
		if l.Units < 1 || l.Units > MaxWidth {
			return nil, 0, fmt.Sprintf("%d units, want 1 to %d", l.Units, MaxWidth)
		}
		if l.Kind == RBF {
			if !(l.Gamma > 0) || math.IsInf(float64(l.Gamma), 1) {
				return nil, 0, fmt.Sprintf("gamma: %v, want 0 < gamma < +Inf", l.Gamma)
			}
			return []int{l.Units}, l.fixed(in), ""
		}
		if in != nil {
			parameters = product(in)*l.Units + l.Units
		}
		return []int{l.Units}, parameters, ""
	case Dropout:
		if !(l.Rate >= 0 && l.Rate < 1) {
			problem = fmt.Sprintf("rate: %v, want 0 <= rate < 1", l.Rate)
		}
		return in, 0, problem
	case Conv, MaxPool, AveragePool:
	default:
		return nil, 0, fmt.Sprintf("no such kind, want one of %s", strings.Join(layerKinds[Dense:], ", "))
	}
	if l.Size < 1 || l.Size > MaxWidth || l.Stride < 0 || l.Stride > MaxWidth {
		return nil, 0, fmt.Sprintf("window of %d with stride %d, want 1 to %d, and a stride of 1 or more (0 for the default)", l.Size, l.Stride, MaxWidth)
	}
	if l.Kind == Conv && (l.Units < 1 || l.Units > MaxWidth) {
		return nil, 0, fmt.Sprintf("%d channels, want 1 to %d", l.Units, MaxWidth)
	}
	if in == nil {
		return nil, 0, ""
	}
	if len(in) != 2 && len(in) != 3 {
		return nil, 0, fmt.Sprintf("input shape: %v, want [height, width] or [height, width, channels]", in)
	}
	g := l.window(in)
	if g.OutHeight < 1 || g.OutWidth < 1 {
		return nil, 0, fmt.Sprintf("window: %dx%d, larger than the input %v; want a smaller one, or same padding", l.Size, l.Size, in)
	}
	channels := g.Channels
	if l.Kind == Conv {
		channels = l.Units
		if g.Patch() > MaxParameters {
			return nil, 0, fmt.Sprintf("window: %dx%d on an input of shape %v has %d values, want at most %d", l.Size, l.Size, in, g.Patch(), MaxParameters)
		}
		parameters = g.Patch()*l.Units + l.Units
	}
	if n := g.OutHeight * g.OutWidth * channels; n > MaxNumbers {
		return nil, parameters, fmt.Sprintf("output: %d values for an input of shape %v, want at most %d", n, in, MaxNumbers)
	}
	return []int{g.OutHeight, g.OutWidth, channels}, parameters, ""
}

// window returns the layer's window for images of shape in.
func (l Layer) window(in []int) kernel.Window {
	g := kernel.Window{Height: in[0], Width: in[1], Channels: 1, Size: l.Size, Stride: l.Stride}
	if len(in) == 3 {
		g.Channels = in[2]
	}
	if g.Stride == 0 {
		g.Stride = 1
		if l.Kind != Conv {
			g.Stride = l.Size
		}
	}
	g.OutHeight, g.Top = places(g.Height, g.Size, g.Stride, l.Same)
	g.OutWidth, g.Left = places(g.Width, g.Size, g.Stride, l.Same)
	return g
}

// places returns the number of windows along a side, and the padding before it.
// With same padding an odd pixel goes after, as in TensorFlow.
func places(side, size, stride int, same bool) (n, before int) {
	if !same {
		if size > side {
			return 0, 0
		}
		return (side-size)/stride + 1, 0
	}
	n = (side + stride - 1) / stride
	return n, max((n-1)*stride+size-side, 0) / 2
}
