package models

import (
	"fmt"
	"slices"
	"strings"

	"fedtab/learn"
	"fedtab/learn/export"
)

// module is a module of PyTorch with parameters: two tensors of a state_dict with one
// prefix, such as 0.weight and 0.bias.
type module struct {
	prefix       string // with the dot
	weight, bias *export.RawTensor
}

// layer is a layer with parameters, and the shapes that PyTorch gives them.
type layer struct {
	in           []int // shape of the input
	weight, bias learn.Tensor
	shape        []int  // of the weights in PyTorch: [out, in], or [out, channels, height, width]
	dims         string // what its dimensions are
}

// fromPyTorch returns the parameters of m from the state_dict of a model with the same
// layers. A layer gets the first module by name, in natural order, whose shapes are its own.
// The error names each tensor that does not fit, and wraps export.ErrFormat.
func fromPyTorch(tensors []export.RawTensor, m learn.Model) ([]float32, error) {
	layers := layersOf(m)
	for _, t := range tensors {
		if slices.ContainsFunc(m.Layout().Tensors, func(own learn.Tensor) bool { return own.Name == t.Name }) {
			return nil, fmt.Errorf("tensor %s is named as fedtab's, but the metadata does not describe the model: want the file as coordinator export has written it, or PyTorch's names: %w", t.Name, export.ErrFormat)
		}
	}
	modules, problems := modulesOf(tensors)
	params := make([]float32, m.Layout().Size)
	var left []layer
	for _, l := range layers {
		i := slices.IndexFunc(modules, func(p module) bool { return len(l.misfits(p)) == 0 })
		if i < 0 {
			left = append(left, l)
			continue
		}
		l.fill(params, modules[i])
		modules = slices.Delete(modules, i, i+1)
	}
	for i, l := range left {
		if i < len(modules) {
			problems = append(problems, l.misfits(modules[i])...)
		} else {
			problems = append(problems, fmt.Sprintf("there are no tensors for %s, want %v and %v", l.weight.Name, l.shape, l.bias.Shape))
		}
	}
	for _, p := range modules[min(len(left), len(modules)):] {
		problems = append(problems, fmt.Sprintf("%sweight and %[1]sbias are of no layer of the model %v", p.prefix, m.Spec()))
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("%s: %w", strings.Join(problems, "; "), export.ErrFormat)
	}
	return params, nil
}

// layersOf returns the layers of m that have parameters.
func layersOf(m learn.Model) (all []layer) {
	spec, tensors := m.Spec(), m.Layout().Tensors
	shapes := spec.Shapes()
	for i, l := range spec.Layers {
		if l.Kind != learn.Dense && l.Kind != learn.Conv {
			continue
		}
		at := layer{in: shapes[i], weight: tensors[0], bias: tensors[1]}
		if w := at.weight.Shape; l.Kind == learn.Conv {
			at.shape, at.dims = []int{w[3], w[2], w[0], w[1]}, "[out, channels, height, width]"
		} else {
			at.shape, at.dims = []int{w[1], w[0]}, "[out, in]"
		}
		all = append(all, at)
		tensors = tensors[2:]
	}
	return all
}

// modulesOf pairs tensors, in the natural order of their names, and says which are not of a
// pair.
func modulesOf(tensors []export.RawTensor) (all []module, problems []string) {
	tensors = slices.SortedFunc(slices.Values(tensors), func(a, b export.RawTensor) int { return natural(a.Name, b.Name) })
	for i := range tensors {
		t := &tensors[i]
		dot := strings.LastIndexByte(t.Name, '.') + 1
		prefix, kind := t.Name[:dot], t.Name[dot:]
		if kind != "weight" && kind != "bias" {
			problems = append(problems, fmt.Sprintf("tensor %s, of shape %v, is neither a weight nor a bias", t.Name, t.Shape))
			continue
		}
		at := slices.IndexFunc(all, func(p module) bool { return p.prefix == prefix })
		if at < 0 {
			at = len(all)
			all = append(all, module{prefix: prefix})
		}
		if kind == "weight" {
			all[at].weight = t
		} else {
			all[at].bias = t
		}
	}
	return all, problems
}

// natural compares names so that numbers in them count as numbers: 2.weight precedes
// 10.weight.
func natural(a, b string) int {
	for a != "" && b != "" {
		x, restA := span(a)
		y, restB := span(b)
		if x != y {
			if digit(x[0]) && digit(y[0]) {
				x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
				if len(x) != len(y) {
					return len(x) - len(y)
				}
			}
			if c := strings.Compare(x, y); c != 0 {
				return c
			}
		}
		a, b = restA, restB
	}
	return len(a) - len(b)
}

// span splits off the digits, or all that is none, at the beginning of a name.
func span(s string) (first, rest string) {
	n := 1
	for n < len(s) && digit(s[n]) == digit(s[0]) {
		n++
	}
	return s[:n], s[n:]
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// misfits says what keeps a module from being the layer; nothing if it can be.
func (l *layer) misfits(p module) (problems []string) {
	for _, part := range []struct {
		kind   string
		tensor *export.RawTensor
		shape  []int
		dims   string
		of     string
	}{{"weight", p.weight, l.shape, l.dims, l.weight.Name}, {"bias", p.bias, l.bias.Shape, "[out]", l.bias.Name}} {
		switch t := part.tensor; {
		case t == nil:
			problems = append(problems, fmt.Sprintf("there is no tensor %s%s, want %v for %s", p.prefix, part.kind, part.shape, part.of))
		case !slices.Equal(t.Shape, part.shape):
			problems = append(problems, fmt.Sprintf("tensor %s has the shape %v, want %v, %s, for %s", t.Name, t.Shape, part.shape, part.dims, part.of))
		}
	}
	return problems
}

// fill writes a module to the layer's part of the parameters. PyTorch's channels come before
// height and width, also where they become the input of a dense layer; fedtab's come last.
func (l *layer) fill(params []float32, p module) {
	copy(l.bias.Of(params), p.bias.Values)
	to, from := l.weight.Of(params), p.weight.Values
	out := l.shape[0]
	channels, places := 1, len(from)/out
	switch {
	case len(l.shape) == 4:
		channels = l.shape[1]
	case len(l.in) == 3:
		channels = l.in[2]
	}
	places /= channels
	at := 0
	for o := range out {
		for c := range channels {
			for place := range places {
				to[(place*channels+c)*out+o] = from[at]
				at++
			}
		}
	}
}
