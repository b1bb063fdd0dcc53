package export

import (
	"encoding/binary"
	"math"

	"fedtab/learn"
)

// ONNX returns the model as an ONNX file. Its input is features, [N, features], of a
// table: numbers as they are in the table, an indicator for each category; or images,
// [N, Spec.Input...], of pixels from 0 to 255. Its outputs are label, [N], the label
// of the predicted class, and probabilities, [N, classes], or scores if the loss gives
// none; or value, [N], in the unit of the target. The metadata describes the model.
// An error wraps ErrModel.
func (m *Model) ONNX() ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	tensors, err := m.tensors()
	if err != nil {
		return nil, err
	}
	g := &graph{}
	input, x := "features", ""
	if m.Pixels != nil {
		input = "images"
		x = g.node("Add", []string{g.node("Mul", []string{input, g.scalar(m.Pixels.Scale)}), g.scalar(m.Pixels.Offset)})
	} else {
		x = g.standardise(m, input)
	}
	z := g.layers(m, tensors, x)
	return g.model("fedtab", m.members(), m.Version,
		[][]byte{value(input, onnxFloat, m.Spec.Input...)}, g.outputs(m, z)), nil
}

// standardise adds what turns the numbers of a table into features, and returns the
// name of those. NaN is a missing value, for a number, or for all indicators of a
// column.
func (g *graph) standardise(m *Model, x string) string {
	var high, low, deviation, fill []float32
	fills, lows := false, false
	for _, c := range m.Encoding.Columns {
		for k := range max(len(c.Categories), 1) {
			// The mean is subtracted in two parts: what float32 cannot hold of it counts
			// where the mean is large and the deviation small.
			h, l, d := float32(c.Mean), float32(c.Mean-float64(float32(c.Mean))), float32(c.Deviation)
			f := math.NaN()
			if len(c.Categories) > 0 {
				h, l, d = 0, 0, 1
			}
			if c.Fill != nil {
				f, fills = *c.Fill, true
				if len(c.Categories) > 0 {
					f = 0
					if k == int(*c.Fill) {
						f = 1
					}
				}
			}
			lows = lows || l != 0
			high, low, deviation, fill = append(high, h), append(low, l), append(deviation, d), append(fill, float32(f))
		}
	}
	if fills {
		x = g.node("Where", []string{g.node("IsNaN", []string{x}), g.vector(fill...), x})
	}
	x = g.node("Sub", []string{x, g.vector(high...)})
	if lows {
		x = g.node("Sub", []string{x, g.vector(low...)})
	}
	return g.node("Div", []string{x, g.vector(deviation...)})
}

// layers adds the layers and returns the name of the last output, [N, outputs].
func (g *graph) layers(m *Model, tensors []tensor, x string) string {
	parameter := map[string]*tensor{}
	for i := range tensors {
		parameter[tensors[i].name] = &tensors[i]
	}
	shapes := m.Spec.Shapes()
	channelsFirst := false // of x, an image; the examples come [height, width, channels]
	names := m.layerNames()
	for i, l := range m.Spec.Layers {
		in := shapes[i]
		switch l.Kind {
		case learn.Dense, learn.RBF:
			if channelsFirst {
				x = g.node("Transpose", []string{x}, numbers("perm", 0, 2, 3, 1))
				channelsFirst = false
			}
			if len(in) > 1 {
				x = g.node("Reshape", []string{x, g.shape(-1, int64(features(in)))})
			}
			w, b := parameter[names[i]+".weight"], parameter[names[i]+".bias"]
			x = g.node("Gemm", []string{x, g.constant(w.name, w.shape, w.values), g.constant(b.name, b.shape, b.values)})
			if l.Kind == learn.RBF {
				x = g.node("Mul", []string{g.node("Cos", []string{x}), g.scalar(float32(math.Sqrt(2 / float64(l.Units))))})
			}
		case learn.Conv, learn.MaxPool, learn.AveragePool:
			if !channelsFirst {
				x = g.channelsFirst(x, in)
				channelsFirst = true
			}
			w := l.Window(in)
			inputs := []string{x}
			window := []attribute{
				numbers("kernel_shape", w.Size, w.Size),
				numbers("strides", w.Stride, w.Stride),
				numbers("pads", w.Top, w.Left, after(w.OutHeight, w.Height, w.Size, w.Stride, w.Top), after(w.OutWidth, w.Width, w.Size, w.Stride, w.Left)),
			}
			op := map[learn.LayerKind]string{learn.Conv: "Conv", learn.MaxPool: "MaxPool", learn.AveragePool: "AveragePool"}[l.Kind]
			if l.Kind == learn.Conv {
				p, b := parameter[names[i]+".weight"], parameter[names[i]+".bias"]
				inputs = append(inputs,
					g.constant(p.name, []int{l.Units, w.Channels, w.Size, w.Size}, outFirst(p.values, w.Size*w.Size, w.Channels, l.Units)),
					g.constant(b.name, b.shape, b.values))
			}
			x = g.node(op, inputs, window...)
		}
		x = g.activation(l.Activation, x)
	}
	return x
}

// layerNames returns the names of the layers, as their tensors begin.
func (m *Model) layerNames() []string {
	names := make([]string, len(m.Spec.Layers))
	for i, l := range m.Spec.Layers {
		names[i] = l.Kind.String() + string(appendInt(nil, i))
	}
	return names
}

// channelsFirst adds what makes [N, channels, height, width] of images of shape in.
func (g *graph) channelsFirst(x string, in []int) string {
	if len(in) == 2 { // of one channel
		return g.node("Reshape", []string{x, g.shape(-1, 1, int64(in[0]), int64(in[1]))})
	}
	return g.node("Transpose", []string{x}, numbers("perm", 0, 3, 1, 2))
}

// after returns the padding after a side that has n windows and the padding before.
func after(n, side, size, stride, before int) int {
	return max((n-1)*stride+size-side-before, 0)
}

// outFirst returns weights [places, channels, out] as [out, channels, places].
func outFirst(w []float32, places, channels, out int) []float32 {
	t := make([]float32, len(w))
	for p := range places {
		for c := range channels {
			for o := range out {
				t[(o*channels+c)*places+p] = w[(p*channels+c)*out+o]
			}
		}
	}
	return t
}

func (g *graph) activation(a learn.Activation, x string) string {
	switch a {
	case learn.ReLU:
		return g.node("Relu", []string{x})
	case learn.Tanh:
		return g.node("Tanh", []string{x})
	case learn.Sigmoid:
		return g.node("Sigmoid", []string{x})
	case learn.GELU: // x (1 + erf(x / sqrt(2))) / 2
		erf := g.node("Erf", []string{g.node("Mul", []string{x, g.scalar(float32(1 / math.Sqrt2))})})
		half := g.node("Mul", []string{g.node("Add", []string{erf, g.scalar(1)}), g.scalar(.5)})
		return g.node("Mul", []string{x, half})
	}
	return x
}

// outputs adds what makes predictions of the last outputs z, [N, outputs], and returns
// the graph's outputs.
func (g *graph) outputs(m *Model, z string) [][]byte {
	if m.Spec.Loss.Regression() {
		target := struct{ mean, deviation float64 }{0, 1}
		if m.Encoding != nil {
			target.mean, target.deviation = m.Encoding.Target.Mean, m.Encoding.Target.Deviation
		}
		z = g.node("Reshape", []string{z, g.shape(-1)})
		z = g.node("Mul", []string{z, g.scalar(float32(target.deviation))})
		g.named("value", "Add", []string{z, g.scalar(float32(target.mean))})
		return [][]byte{value("value", onnxFloat)}
	}
	const label = "label"
	one := m.Spec.Outputs() == 1
	if one {
		positive := g.node("Greater", []string{z, g.scalar(0)})
		g.named(label, "Reshape", []string{g.node("Cast", []string{positive}, number("to", onnxInt64)), g.shape(-1)})
	} else {
		g.named(label, "ArgMax", []string{z}, number("axis", 1), number("keepdims", 0))
	}
	scores := "probabilities"
	switch {
	case m.Spec.Loss == learn.Hinge && one:
		scores = g.named("scores", "Concat", []string{g.node("Neg", []string{z}), z}, number("axis", 1))
	case m.Spec.Loss == learn.Hinge:
		scores = g.named("scores", "Identity", []string{z})
	case one:
		g.named(scores, "Concat", []string{g.node("Sigmoid", []string{g.node("Neg", []string{z})}), g.node("Sigmoid", []string{z})}, number("axis", 1))
	default:
		if m.Spec.Loss == learn.Logistic {
			// The softmax of log sigmoid(z) is sigmoid(z) divided by its sum, without
			// underflow.
			z = g.node("Neg", []string{g.node("Softplus", []string{g.node("Neg", []string{z})})})
		}
		g.named(scores, "Softmax", []string{z}, number("axis", 1))
	}
	return [][]byte{value(label, onnxInt64), value(scores, onnxFloat, m.Spec.Classes())}
}

func appendInt64(b []byte, v int64) []byte { return binary.LittleEndian.AppendUint64(b, uint64(v)) }
