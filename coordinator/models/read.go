package models

import (
	"fmt"
	"slices"
	"strings"

	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/export"
)

// Read reads the parameters of the model m from a safetensors file: one of fedtab, whose
// description it returns too, or a state_dict of PyTorch, of which it is nil. That of a
// fedtab file may be of another model; Compare says whether it is. An error wraps
// export.ErrFormat.
func Read(file []byte, m learn.Model) (params []float32, described *export.Model, err error) {
	ours, err := export.Described(file)
	if err != nil {
		return nil, nil, err
	}
	if ours {
		if described, err = export.Read(file); err != nil {
			return nil, nil, err
		}
		return described.Params, described, nil
	}
	tensors, err := export.ReadTensors(file)
	if err != nil {
		return nil, nil, err
	}
	params, err = fromPyTorch(tensors, m)
	return params, nil, err
}

// Compare returns an error that says what differs between a model and the one wanted, of
// what its parameters mean: classes, columns and layers. Neither the loss nor what
// standardises the columns counts; Rescale takes the latter into account.
func Compare(have, want *export.Model) error {
	switch {
	case have.Encoding != nil && want.Encoding == nil:
		return fmt.Errorf("it is a model of a table, want one of images")
	case have.Encoding == nil && want.Encoding != nil:
		return fmt.Errorf("it is a model of images, want one of a table")
	}
	if e := want.Encoding; e != nil {
		if err := compareNames("features", have.Encoding.Features(), e.Features()); err != nil {
			return err
		}
		if h := have.Encoding.Target.Name; h != e.Target.Name {
			return fmt.Errorf("it predicts %q, want %q", h, e.Target.Name)
		}
	} else if *have.Pixels != *want.Pixels {
		return fmt.Errorf("its pixels have the scale %v and the offset %v, want %v and %v", have.Pixels.Scale, have.Pixels.Offset, want.Pixels.Scale, want.Pixels.Offset)
	}
	if err := compareNames("classes", have.Classes, want.Classes); err != nil {
		return err
	}
	return compareLayers(&have.Spec, &want.Spec)
}

// compareNames names the first difference of two lists.
func compareNames(what string, have, want []string) error {
	if len(have) != len(want) {
		return fmt.Errorf("it has %d %s (%s), want %d (%s)", len(have), what, few(have), len(want), few(want))
	}
	for i := range want {
		if have[i] != want[i] {
			return fmt.Errorf("%s: number %d of %d is %q, want %q", what, i+1, len(want), have[i], want[i])
		}
	}
	return nil
}

// few lists the first names.
func few(names []string) string {
	const most = 8
	text := strings.Join(names[:min(len(names), most)], ", ")
	if len(names) > most {
		text += ", ..."
	}
	return text
}

func compareLayers(have, want *learn.Spec) error {
	if !slices.Equal(have.Input, want.Input) || len(have.Layers) != len(want.Layers) {
		return fmt.Errorf("its model is %v, want %v", have, want)
	}
	shapes := want.Shapes()
	for i := range want.Layers {
		h, w := have.Layers[i], want.Layers[i]
		if h.Kind != w.Kind || effective(h, shapes[i]) != effective(w, shapes[i]) {
			return fmt.Errorf("layer %d of its model %v differs, want %v", i, have, want)
		}
	}
	return nil
}

// effective returns a layer with its default stride, and without the rate of dropout, which is
// training's alone.
func effective(l learn.Layer, in []int) learn.Layer {
	switch l.Kind {
	case learn.Conv, learn.MaxPool, learn.AveragePool:
		l.Stride = l.Window(in).Stride
	}
	l.Rate = 0
	return l
}

// Rescale changes parameters of a model of a table that is standardised in one way, so that
// they predict the same of one that is standardised in another. The columns are the same. An
// error names what stands in the way.
func Rescale(params []float32, m learn.Model, from, to *data.Encoding) error {
	if err := rescaleInputs(params, m, from, to); err != nil {
		return err
	}
	f, t := from.Target, to.Target
	if f.Mean == t.Mean && f.Deviation == t.Deviation {
		return nil
	}
	tensors := m.Layout().Tensors
	if last := m.Spec().Layers[len(m.Spec().Layers)-1]; last.Activation != learn.Identity {
		return fmt.Errorf("%s has the mean %v and the deviation %v, want %v and %v, as the last layer is not linear", f.Name, f.Mean, f.Deviation, t.Mean, t.Deviation)
	}
	scale := f.Deviation / t.Deviation
	weights, biases := tensors[len(tensors)-2].Of(params), tensors[len(tensors)-1].Of(params)
	for i := range weights {
		weights[i] = float32(float64(weights[i]) * scale)
	}
	for i := range biases {
		biases[i] = float32(float64(biases[i])*scale + (f.Mean-t.Mean)/t.Deviation)
	}
	return nil
}

// rescaleInputs puts what standardises each column into the first layer: where a feature was
// (v - mean) / deviation of another mean and deviation, it is scale x + shift of the new one.
func rescaleInputs(params []float32, m learn.Model, from, to *data.Encoding) error {
	tensors := m.Layout().Tensors
	weights, biases := tensors[0].Of(params), tensors[1].Of(params)
	feature := 0
	for k, f := range from.Columns {
		t := to.Columns[k]
		at := feature
		feature += max(len(f.Categories), 1)
		if f.Mean == t.Mean && f.Deviation == t.Deviation {
			continue
		}
		if m.Spec().Layers[0].Kind != learn.Dense {
			return fmt.Errorf("column %s has the mean %v and the deviation %v, want %v and %v, as the first layer is %v", f.Name, f.Mean, f.Deviation, t.Mean, t.Deviation, m.Spec().Layers[0].Kind)
		}
		row := weights[at*len(biases):]
		scale, shift := t.Deviation/f.Deviation, (t.Mean-f.Mean)/f.Deviation
		for j := range biases {
			w := float64(row[j])
			row[j] = float32(w * scale)
			biases[j] = float32(float64(biases[j]) + w*shift)
		}
	}
	return nil
}

// Constants returns what standardises the numbers of own data as an encoding of the same
// columns does.
func Constants(s *data.TableSchema, e *data.Encoding) data.Constants {
	var c data.Constants
	add := func(mean, deviation float64) {
		c.Mean, c.Deviation = append(c.Mean, mean), append(c.Deviation, deviation)
	}
	for i := range s.Features {
		if s.Features[i].Type == data.NumberField {
			add(e.Columns[i].Mean, e.Columns[i].Deviation)
		}
	}
	if s.Label.Type == data.NumberField {
		add(e.Target.Mean, e.Target.Deviation)
	}
	return c
}
