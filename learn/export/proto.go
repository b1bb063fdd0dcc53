package export

import (
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// The messages of ONNX that a model needs
// (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto), with their field numbers.

// Versions of the format, those of ONNX 1.8: before operator set 13 Softmax took the
// input as a matrix.
const (
	irVersion = 7
	opset     = 13
)

// Values of TensorProto.DataType.
const (
	onnxFloat = 1
	onnxInt64 = 7
)

func appendBytesField(b []byte, field protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), v)
}

func appendStringField(b []byte, field protowire.Number, v string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), v)
}

func appendIntField(b []byte, field protowire.Number, v int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), uint64(v))
}

// attribute is a named setting of a node: a whole number, or a list of them.
type attribute struct {
	name string
	list bool
	ints []int
}

func number(name string, v int) attribute        { return attribute{name, false, []int{v}} }
func numbers(name string, list ...int) attribute { return attribute{name, true, list} }
func (a attribute) encode() []byte {
	const typeInt, typeInts = 2, 7 // AttributeProto.AttributeType
	b := appendStringField(nil, 1, a.name)
	if !a.list {
		return appendIntField(appendIntField(b, 3, a.ints[0]), 20, typeInt)
	}
	for _, v := range a.ints {
		b = appendIntField(b, 8, v)
	}
	return appendIntField(b, 20, typeInts)
}

// graph is a graph under construction.
type graph struct {
	nodes     []byte // GraphProto.node
	constants []constant
	n         int // nodes and constants, for their names
}

// constant is an initialiser: of values or of whole numbers.
type constant struct {
	name   string
	shape  []int
	values []float32
	ints   []int64
}

// name returns a new name.
func (g *graph) name(of string) string {
	g.n++
	return of + "_" + strconv.Itoa(g.n)
}

// constant adds a constant and returns its name.
func (g *graph) constant(name string, shape []int, values []float32) string {
	g.constants = append(g.constants, constant{name: name, shape: shape, values: values})
	return name
}

// shape adds a constant that is a shape, and returns its name.
func (g *graph) shape(dims ...int64) string {
	name := g.name("shape")
	g.constants = append(g.constants, constant{name: name, shape: []int{len(dims)}, ints: dims})
	return name
}

// vector adds a constant of one dimension, and returns its name.
func (g *graph) vector(values ...float32) string {
	return g.constant(g.name("constant"), []int{len(values)}, values)
}

// scalar adds a constant without dimensions, and returns its name.
func (g *graph) scalar(v float32) string {
	return g.constant(g.name("constant"), nil, []float32{v})
}

// node adds a node with one output, and returns the output's name.
func (g *graph) node(op string, inputs []string, attributes ...attribute) string {
	return g.named(g.name(op), op, inputs, attributes...)
}

// named is node with the name of the output.
func (g *graph) named(output, op string, inputs []string, attributes ...attribute) string {
	var b []byte
	for _, in := range inputs {
		b = appendStringField(b, 1, in)
	}
	b = appendStringField(b, 2, output)
	b = appendStringField(b, 3, output)
	b = appendStringField(b, 4, op)
	for _, a := range attributes {
		b = appendBytesField(b, 5, a.encode())
	}
	g.nodes = appendBytesField(g.nodes, 1, b)
	return output
}

// head returns a TensorProto without its raw data, and the length of that in bytes.
func (c *constant) head() (b []byte, raw int) {
	for _, d := range c.shape {
		b = appendIntField(b, 1, d)
	}
	kind, raw := onnxFloat, 4*len(c.values)
	if c.ints != nil {
		kind, raw = onnxInt64, 8*len(c.ints)
	}
	return appendStringField(appendIntField(b, 2, kind), 8, c.name), raw
}

// value returns a ValueInfoProto of a tensor. The first dimension is the number of
// examples, N.
func value(name string, kind int, dims ...int) []byte {
	shape := appendBytesField(nil, 1, appendStringField(nil, 2, "N"))
	for _, d := range dims {
		shape = appendBytesField(shape, 1, appendIntField(nil, 1, d))
	}
	tensor := appendBytesField(appendIntField(nil, 1, kind), 2, shape)
	return appendBytesField(appendStringField(nil, 1, name), 2, appendBytesField(nil, 1, tensor))
}

// sizeOf returns the size of a field of n bytes.
func sizeOf(field protowire.Number, n int) int {
	return protowire.SizeTag(field) + protowire.SizeBytes(n)
}

// model appends the ModelProto to a new slice: the parameters are copied once.
func (g *graph) model(name string, properties []member, version uint64, inputs, outputs [][]byte) []byte {
	const tensorField, rawField = 5, 9
	rest := appendStringField(g.nodes, 2, name)
	for _, v := range inputs {
		rest = appendBytesField(rest, 11, v)
	}
	for _, v := range outputs {
		rest = appendBytesField(rest, 12, v)
	}
	size := len(rest)
	for _, c := range g.constants {
		head, raw := c.head()
		size += sizeOf(tensorField, len(head)+sizeOf(rawField, raw))
	}
	b := appendIntField(nil, 1, irVersion)
	b = appendStringField(b, 2, "fedtab")
	b = protowire.AppendVarint(protowire.AppendTag(b, 5, protowire.VarintType), version)
	b = appendBytesField(b, 8, appendIntField(nil, 2, opset))
	for _, p := range properties {
		b = appendBytesField(b, 14, appendStringField(appendStringField(nil, 1, p.key), 2, p.text))
	}
	file := append(make([]byte, 0, len(b)+sizeOf(7, size)), b...)
	file = protowire.AppendVarint(protowire.AppendTag(file, 7, protowire.BytesType), uint64(size))
	file = append(file, rest...)
	for _, c := range g.constants {
		head, raw := c.head()
		file = protowire.AppendVarint(protowire.AppendTag(file, tensorField, protowire.BytesType), uint64(len(head)+sizeOf(rawField, raw)))
		file = append(file, head...)
		file = protowire.AppendVarint(protowire.AppendTag(file, rawField, protowire.BytesType), uint64(raw))
		file = appendValues(file, c.values)
		for _, v := range c.ints {
			file = appendInt64(file, v)
		}
	}
	return file
}
