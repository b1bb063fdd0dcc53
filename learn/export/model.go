// Package export writes trained models with all that predicting from raw data needs,
// as safetensors and as ONNX, and reads its safetensors back.
//
// A [Model] is the description, the parameters, and how raw data becomes the model's
// input: the [data.Encoding] of a table, or the scaling of an image's pixels. Every
// file describes it by the same members; docs/models.md ("Files") lists them. In
// safetensors and ONNX they are texts of the metadata, [Sidecar] is one JSON object of
// them.
//
// The package works on bytes, and is small enough for the tab to link.
package export

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"fedtab/learn"
	"fedtab/learn/data"
)

// Model is a trained model.
type Model struct {
	Task    string // name of the task
	Run     string // identity of the run
	Version uint64
	Hash    [32]byte // learn.Hash of Params

	Spec    learn.Spec
	Params  []float32 // of the layout of learn.New(Spec)
	Classes []string  // by label; nil in a regression

	Encoding *data.Encoding // of a table's rows; nil for images
	Pixels   *data.Scaling  // of an image's pixels; nil for a table
}

// check reports what is wrong with m, without its parameters. The error wraps
// ErrModel.
func (m *Model) check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("export: %s: %w", fmt.Sprintf(format, args...), ErrModel)
	}
	if problems := m.Spec.Problems(); len(problems) > 0 {
		return fmt.Errorf("export: %w: %w", problems[0], ErrModel)
	}
	switch n := m.Spec.Classes(); {
	case len(m.Classes) != n:
		return bad("classes: %d names, want %d", len(m.Classes), n)
	case (m.Encoding == nil) == (m.Pixels == nil):
		return bad("want an encoding for a table, or a scaling of pixels for images")
	}
	if p := m.Pixels; p != nil {
		if !finite(float64(p.Scale)) || !finite(float64(p.Offset)) || p.Scale == 0 {
			return bad("pixels: scale %v and offset %v, want finite numbers and scale != 0", p.Scale, p.Offset)
		}
		return nil
	}
	e := m.Encoding
	features := 0
	for _, c := range e.Columns {
		n := max(len(c.Categories), 1)
		features += n
		switch fill := c.Fill; {
		case !finite(c.Mean) || !finite(c.Deviation) || c.Deviation <= 0:
			return bad("column %q: mean %v and deviation %v, want finite numbers and deviation > 0", c.Name, c.Mean, c.Deviation)
		case !known(c.Aliases, c.Categories):
			return bad("column %q: aliases %v, want them to stand for categories %q", c.Name, c.Aliases, c.Categories)
		case fill == nil:
		case !finite(*fill):
			return bad("column %q: fill is %v, want a finite number", c.Name, *fill)
		case c.Categories != nil && (*fill != math.Trunc(*fill) || *fill < 0 || *fill >= float64(n)):
			return bad("column %q: fill is %v, want the index of one of %d categories", c.Name, *fill, n)
		}
	}
	t := e.Target
	switch {
	case len(m.Spec.Input) != 1 || features != m.Spec.Features():
		return bad("encoding: %d features, want an input of shape [%[1]d], not %v", features, m.Spec.Input)
	case !slices.Equal(t.Classes, m.Classes):
		return bad("encoding: classes %q, want those of the model, %q", t.Classes, m.Classes)
	case !known(t.Aliases, t.Classes):
		return bad("target: aliases %v, want them to stand for classes %q", t.Aliases, t.Classes)
	case !finite(t.Mean) || !finite(t.Deviation) || t.Deviation <= 0:
		return bad("target: mean %v and deviation %v, want finite numbers and deviation > 0", t.Mean, t.Deviation)
	}
	return nil
}

// tensor is a tensor of a file.
type tensor struct {
	name   string
	shape  []int
	dims   string // what the dimensions are
	values []float32
	fixed  bool // follows from the description
}

// tensors returns the tensors of a checked model: those of the layout, then the
// frequencies and phases of random features.
func (m *Model) tensors() ([]tensor, error) {
	lm, err := learn.New(m.Spec)
	if err != nil {
		return nil, fmt.Errorf("export: %w: %w", err, ErrModel)
	}
	layout := lm.Layout()
	if len(m.Params) != layout.Size {
		return nil, fmt.Errorf("export: parameters: %d, want the layout's %d: %w", len(m.Params), layout.Size, ErrModel)
	}
	if err := finiteValues("parameters", m.Params, ErrModel); err != nil {
		return nil, err
	}
	tensors := m.names()
	for i := range tensors {
		if t := &tensors[i]; !t.fixed {
			t.values = layout.Tensors[i].Of(m.Params)
		}
	}
	shapes := m.Spec.Shapes()
	at := len(layout.Tensors)
	for i, l := range m.Spec.Layers {
		if l.Kind == learn.RBF {
			tensors[at].values, tensors[at+1].values = learn.RandomFeatures(features(shapes[i]), l)
			at += 2
		}
	}
	return tensors, nil
}

// names is tensors without the values. It allocates little, whatever the spec.
func (m *Model) names() []tensor {
	var trained, fixed []tensor
	shapes := m.Spec.Shapes()
	for i, l := range m.Spec.Layers {
		in := "in"
		if len(shapes[i]) == 3 {
			in = "height * width * channels"
		} else if len(shapes[i]) == 2 {
			in = "height * width"
		}
		bias := tensor{name: fmt.Sprintf("%v%d.bias", l.Kind, i), shape: []int{l.Units}, dims: "[out]"}
		weight := tensor{name: fmt.Sprintf("%v%d.weight", l.Kind, i), shape: []int{features(shapes[i]), l.Units}, dims: "[" + in + ", out]"}
		switch l.Kind {
		case learn.Dense:
			trained = append(trained, weight, bias)
		case learn.Conv:
			g := l.Window(shapes[i])
			weight.shape, weight.dims = []int{g.Size, g.Size, g.Channels, l.Units}, "[height, width, channels, out]"
			trained = append(trained, weight, bias)
		case learn.RBF:
			weight.fixed, bias.fixed = true, true
			fixed = append(fixed, weight, bias)
		}
	}
	return append(trained, fixed...)
}

// Bytes returns about the size of a safetensors or an ONNX file of m, whose Params
// may be nil.
func (m *Model) Bytes() int64 {
	n := 0
	for _, t := range m.names() {
		n += 4 * features(t.shape)
	}
	const others = 16 << 10 // names and offsets of tensors, nodes of a graph
	return int64(n + len(m.Sidecar()) + others)
}

func features(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

func finite(x float64) bool { return x-x == 0 }

func finiteValues(what string, values []float32, is error) error {
	for i, v := range values {
		if v-v != 0 {
			return fmt.Errorf("export: %s: value %d is %v, want a finite number: %w", what, i, v, is)
		}
	}
	return nil
}

// inputLayout says what the dimensions of an image are.
func (m *Model) inputLayout() string {
	names := []string{"height", "width", "channels"}
	switch n := len(m.Spec.Input); n {
	case 2, 3:
		return "[" + strings.Join(names[:n], ", ") + "]"
	}
	return "row-major"
}

// known reports whether all aliases stand for one of values.
func known(aliases map[string]string, values []string) bool {
	for _, to := range aliases {
		if !slices.Contains(values, to) {
			return false
		}
	}
	return true
}
