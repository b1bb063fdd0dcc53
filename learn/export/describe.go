package export

import (
	"encoding/hex"
	"strconv"

	"fedtab/learn"
	"fedtab/learn/data"
)

// formatVersion is the version of the members that describe a model. A reader refuses
// another.
const formatVersion = 1

// member is one member of a model's description.
type member struct {
	key  string
	text string // JSON, or the string itself
	json bool
}

// members describes a model.
func (m *Model) members() []member {
	list := []member{
		{"format", "fedtab", false},
		{"format_version", strconv.Itoa(formatVersion), true},
		{"task", m.Task, false},
		{"run", m.Run, false},
		{"version", strconv.FormatUint(m.Version, 10), true},
		{"sha256", hex.EncodeToString(m.Hash[:]), false},
		{"spec", string(appendSpec(nil, m.Spec)), true},
	}
	if len(m.Classes) > 0 {
		list = append(list, member{"classes", string(appendStrings(nil, m.Classes)), true})
	}
	if m.Encoding != nil {
		list = append(list,
			member{"encoding", string(appendEncoding(nil, m.Encoding)), true},
			member{"features", string(appendStrings(nil, m.Encoding.Features())), true})
	}
	if m.Pixels != nil {
		o := newObject(nil)
		o.float32("scale", m.Pixels.Scale)
		o.float32("offset", m.Pixels.Offset)
		list = append(list, member{"pixels", string(o.end()), true}, member{"input_layout", m.inputLayout(), false})
	}
	o := newObject(nil)
	for _, t := range m.names() {
		o.string(t.name, t.dims)
	}
	return append(list, member{"tensors", string(o.end()), true})
}

// Sidecar returns the description of a model as a JSON object, one member a line. It
// has no parameters, and m.Params may be nil.
func (m *Model) Sidecar() []byte {
	b := []byte("{")
	for i, member := range m.members() {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(append(b, "\n  "...), member.key), ": "...)
		if member.json {
			b = append(b, member.text...)
		} else {
			b = appendString(b, member.text)
		}
	}
	return append(b, "\n}\n"...)
}

// appendSpec appends the description of the layers and the loss, in the words of task
// files.
func appendSpec(b []byte, s learn.Spec) []byte {
	shapes := s.Shapes()
	o := newObject(b)
	o.b = appendInts(o.key("input").b, s.Input)
	o.b = appendList(o.key("layers").b, len(s.Layers), func(b []byte, i int) []byte { return appendLayer(b, s.Layers[i], shapes[i]) })
	o.string("loss", s.Loss.String())
	for _, setting := range []struct {
		name string
		v    float32
	}{{"epsilon", s.Epsilon}, {"l1", s.L1}, {"l2", s.L2}} {
		if setting.v != 0 {
			o.float32(setting.name, setting.v)
		}
	}
	if w := s.ClassWeights; w != nil {
		o.b = appendList(o.key("class_weights").b, len(w), func(b []byte, i int) []byte { return appendFloat32(b, w[i]) })
	}
	return o.end()
}

func appendLayer(b []byte, l learn.Layer, in []int) []byte {
	o := newObject(b)
	o.string("kind", l.Kind.String())
	switch l.Kind {
	case learn.Dense, learn.Conv, learn.RBF:
		o.int("units", l.Units)
	}
	switch l.Kind {
	case learn.Conv, learn.MaxPool, learn.AveragePool:
		o.int("size", l.Size)
		o.int("stride", l.Window(in).Stride)
		o.string("padding", map[bool]string{false: "valid", true: "same"}[l.Same])
	}
	switch l.Kind {
	case learn.Dense, learn.Conv:
		o.string("activation", l.Activation.String())
	case learn.Dropout:
		o.float32("rate", l.Rate)
	case learn.RBF:
		o.float32("gamma", l.Gamma)
		o.string("seed", strconv.FormatUint(l.Seed, 10)) // a number in JSON is often binary64
	}
	return o.end()
}

// appendEncoding appends e as encoding/json does.
func appendEncoding(b []byte, e *data.Encoding) []byte {
	o := newObject(b)
	o.b = appendList(o.key("columns").b, len(e.Columns), func(b []byte, i int) []byte {
		c := &e.Columns[i]
		o := newObject(b)
		o.string("name", c.Name)
		if len(c.Categories) > 0 {
			o.b = appendStrings(o.key("categories").b, c.Categories)
		}
		o.texts("aliases", c.Aliases)
		o.float("mean", c.Mean)
		o.float("deviation", c.Deviation)
		if c.Fill != nil {
			o.float("fill", *c.Fill)
		}
		return o.end()
	})
	t := newObject(o.key("target").b)
	t.string("name", e.Target.Name)
	if len(e.Target.Classes) > 0 {
		t.b = appendStrings(t.key("classes").b, e.Target.Classes)
	}
	t.texts("aliases", e.Target.Aliases)
	t.float("mean", e.Target.Mean)
	t.float("deviation", e.Target.Deviation)
	o.b = t.end()
	return o.end()
}
