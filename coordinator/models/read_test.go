package models

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/export"
)

// tensor is a tensor of a file that a test writes.
type tensor struct {
	name, kind string
	shape      []int
	data       []byte
}

// floats returns a tensor of F32 with the values 0, 1, 2 and so on.
func floats(name string, shape ...int) tensor {
	n := 1
	for _, d := range shape {
		n *= d
	}
	var b []byte
	for i := range n {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(i)))
	}
	return tensor{name, "F32", shape, b}
}

// written returns a safetensors file as other programs write it.
func written(tensors ...tensor) []byte {
	type entry struct {
		Kind    string `json:"dtype"`
		Shape   []int  `json:"shape"`
		Offsets [2]int `json:"data_offsets"`
	}
	header := map[string]any{"__metadata__": map[string]string{"format": "pt"}}
	var body []byte
	for _, t := range tensors {
		header[t.name] = entry{t.kind, t.shape, [2]int{len(body), len(body) + len(t.data)}}
		body = append(body, t.data...)
	}
	text, err := json.Marshal(header)
	if err != nil {
		panic(err)
	}
	return append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...), body...)
}

func newModel(t testing.TB, spec learn.Spec) learn.Model {
	t.Helper()
	m, err := learn.New(spec)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// PyTorch's weights have the outputs first, its channels come before height and width, and
// modules are in the natural order of their names, whatever they are called.
func TestReadPyTorch(t *testing.T) {
	dense := newModel(t, learn.MLP([]int{2}, []int{3}, 2))
	conv := newModel(t, learn.Spec{Input: []int{2, 2, 2}, Layers: []learn.Layer{{Kind: learn.Conv, Units: 2, Size: 1}, {Kind: learn.Dropout, Rate: .5}, {Kind: learn.Dense, Units: 2}}})
	var deep learn.Spec
	deep.Input = []int{1}
	for range 12 {
		deep.Layers = append(deep.Layers, learn.Layer{Kind: learn.Dense, Units: 1})
	}
	deep.Loss = learn.Squared
	var twelve []tensor
	for i := range 12 {
		one := func(kind string, shape ...int) tensor {
			return tensor{fmt.Sprintf("net.%d.%s", 2*i, kind), "F32", shape, binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(i)))}
		}
		twelve = append(twelve, one("weight", 1, 1), one("bias", 1))
	}
	twelves := make([]float32, 24)
	for i := range twelves {
		twelves[i] = float32(i / 2)
	}
	for _, c := range []struct {
		name string
		m    learn.Model
		file []byte
		want []float32
	}{
		{"linear", dense, written(floats("0.weight", 3, 2), floats("0.bias", 3), floats("2.weight", 2, 3), floats("2.bias", 2)), []float32{0, 2, 4, 1, 3, 5, 0, 1, 2, 0, 3, 1, 4, 2, 5, 0, 1}},
		{"named, in another order", dense, written(floats("out.bias", 2), floats("out.weight", 2, 3), floats("zero.weight", 3, 2), floats("zero.bias", 3)), []float32{0, 2, 4, 1, 3, 5, 0, 1, 2, 0, 3, 1, 4, 2, 5, 0, 1}},
		{"convolution", conv, written(floats("0.weight", 2, 2, 1, 1), floats("0.bias", 2), floats("3.weight", 2, 8), floats("3.bias", 2)),
			[]float32{0, 2, 1, 3, 0, 1 /* of channel 0, place 0, then channel 1: */, 0, 8, 4, 12, 1, 9, 5, 13, 2, 10, 6, 14, 3, 11, 7, 15, 0, 1}},
		{"natural order", newModel(t, deep), written(twelve...), twelves},
	} {
		got, described, err := Read(c.file, c.m)
		if err != nil || described != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, described %v, %v; want %v", c.name, got, described != nil, err, c.want)
		}
	}
}

// Every type of number is read; the values are exact in all of them.
func TestReadTypes(t *testing.T) {
	m := newModel(t, learn.MLP([]int{3}, nil, 2))
	values := []float64{0, 1, -2.5, 0x1p-14, 3.140625, -96}
	for kind, number := range map[string]func(v float64) []byte{
		"F64": func(v float64) []byte { return binary.LittleEndian.AppendUint64(nil, math.Float64bits(v)) },
		"F32": func(v float64) []byte { return binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(v))) },
		"BF16": func(v float64) []byte {
			return binary.LittleEndian.AppendUint16(nil, uint16(math.Float32bits(float32(v))>>16))
		},
		// numpy.float16(v).tobytes()
		"F16": func(v float64) []byte {
			return binary.LittleEndian.AppendUint16(nil, map[float64]uint16{0: 0, 1: 0x3c00, -2.5: 0xc100, 0x1p-14: 0x0400, 3.140625: 0x4248, -96: 0xd600}[v])
		},
	} {
		w := tensor{name: "weight", kind: kind, shape: []int{2, 3}}
		for _, v := range values {
			w.data = append(w.data, number(v)...)
		}
		got, _, err := Read(written(w, floats("bias", 2)), m)
		if want := []float32{0, 0x1p-14, 1, 3.140625, -2.5, -96, 0, 1}; err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v, want %v", kind, got, err, want)
		}
	}
	// The smallest and a large subnormal of binary16, and what is no number.
	for bits, want := range map[uint16]float64{1: 0x1p-24, 0x83ff: -0x3ffp-24, 0x7bff: 65504} {
		w := tensor{"weight", "F16", []int{1, 1}, binary.LittleEndian.AppendUint16(nil, bits)}
		got, _, err := Read(written(w, floats("bias", 1)), newModel(t, learn.Spec{Input: []int{1}, Layers: []learn.Layer{{Kind: learn.Dense, Units: 1}}, Loss: learn.Squared}))
		if err != nil || float64(got[0]) != want {
			t.Errorf("%#x: %v, %v, want %v", bits, got, err, want)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	m := newModel(t, learn.MLP([]int{2}, []int{3}, 2))
	good := []tensor{floats("0.weight", 3, 2), floats("0.bias", 3), floats("2.weight", 2, 3), floats("2.bias", 2)}
	with := func(at int, t tensor) []byte {
		all := slices.Clone(good)
		all[at] = t
		return written(all...)
	}
	nan := floats("0.bias", 3)
	copy(nan.data[4:], "\x00\x00\xc0\x7f")
	huge := good[0]
	huge.kind, huge.data = "F64", binary.LittleEndian.AppendUint64(nil, math.Float64bits(1e300))
	huge.shape = []int{1}
	for _, c := range []struct {
		name, want string
		file       []byte
	}{
		{"shape", "tensor 0.weight has the shape [2 3], want [3 2], [out, in], for dense0.weight", with(0, floats("0.weight", 2, 3))},
		{"bias", "tensor 2.bias has the shape [3], want [2], [out], for dense1.bias", with(3, floats("2.bias", 3))},
		{"both", "tensor 0.weight has the shape [4 2], want [3 2], [out, in], for dense0.weight; tensor 0.bias has the shape [4], want [3], [out], for dense0.bias; tensor 2.weight has the shape [2 4], want [2 3], [out, in], for dense1.weight",
			written(floats("0.weight", 4, 2), floats("0.bias", 4), floats("2.weight", 2, 4), floats("2.bias", 2))},
		{"no bias", "there is no tensor 2.bias, want [2] for dense1.bias", written(good[:3]...)},
		{"no layer", "there are no tensors for dense1.weight, want [2 3] and [2]", written(good[:2]...)},
		{"extra layer", "4.weight and 4.bias are of no layer", written(append(slices.Clone(good), floats("4.weight", 9, 9), floats("4.bias", 9))...)},
		{"extra tensor", "tensor 1.running_mean, of shape [3], is neither a weight nor a bias", written(append(slices.Clone(good), floats("1.running_mean", 3))...)},
		{"our names", "tensor dense0.weight is named as fedtab's", with(0, floats("dense0.weight", 3, 2))},
		{"type", `dtype "I64", want F32, F64, F16 or BF16`, with(0, tensor{"0.weight", "I64", []int{3, 2}, make([]byte, 48)})},
		{"size", "want as many as that takes", with(0, tensor{"0.weight", "F32", []int{3, 3}, make([]byte, 24)})},
		{"overflow", "want as many as that takes", with(0, tensor{"0.weight", "F32", []int{math.MaxInt32, math.MaxInt32, math.MaxInt32}, make([]byte, 24)})},
		{"NaN", "tensor 0.bias: value 1 is NaN", with(1, nan)},
		{"beyond float32", "tensor 0.weight: value 0 is +Inf", with(0, huge)},
		{"truncated", "want as many as that takes", written(good...)[:len(written(good...))-1]},
		{"byte after", "bytes after the header", append(written(good...), 0)},
		{"truncated header", "promise a header", written(good...)[:40]},
		{"huge header", "header of 1048577 bytes, want at most 1048576", append(append(binary.LittleEndian.AppendUint64(nil, 1<<20+1), "{}"+strings.Repeat(" ", 1<<20-1)...), 0)},
		{"empty", "file of 0 bytes", nil},
		{"no safetensors", "no safetensors file", []byte("PK\x03\x04 a zip of torch.save")},
	} {
		_, _, err := Read(c.file, m)
		if !errors.Is(err, export.ErrFormat) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

func table(names ...string) *data.Encoding {
	e := &data.Encoding{Target: data.EncodedTarget{Name: "price", Mean: 7, Deviation: 3}}
	for i, name := range names {
		e.Columns = append(e.Columns, data.EncodedColumn{Name: name, Mean: float64(i + 1), Deviation: float64(i + 2)})
	}
	e.Columns = append(e.Columns, data.EncodedColumn{Name: "kind", Categories: []string{"x", "y"}, Deviation: 1})
	return e
}

// A model says what keeps it from being another's version.
func TestCompare(t *testing.T) {
	regression := func() *export.Model {
		spec := learn.MLP([]int{4}, []int{3}, 1)
		spec.Loss = learn.Squared
		return &export.Model{Spec: spec, Encoding: table("area", "age")}
	}
	images := func() *export.Model {
		return &export.Model{Classes: []string{"a", "b"}, Pixels: &data.Scaling{Scale: 1}, Spec: learn.Spec{Input: []int{4, 4}, Layers: []learn.Layer{{Kind: learn.MaxPool, Size: 2}, {Kind: learn.Dropout, Rate: .1}, {Kind: learn.Dense, Units: 2}}}}
	}
	for _, c := range []struct {
		name string
		of   func() *export.Model
		edit func(m *export.Model)
		want string // empty: none differs
	}{
		{"equal", regression, func(*export.Model) {}, ""},
		{"what does not count", images, func(m *export.Model) {
			m.Spec.Loss, m.Spec.Layers[0].Stride, m.Spec.Layers[1].Rate = learn.Hinge, 2, .2
		}, ""},
		{"scaling", regression, func(m *export.Model) { m.Encoding.Columns[0].Mean = 9 }, ""},
		{"column", regression, func(m *export.Model) { m.Encoding.Columns[1].Name = "floor" }, `features: number 2 of 4 is "floor", want "age"`},
		{"category", regression, func(m *export.Model) { m.Encoding.Columns[2].Categories[1] = "z" }, `features: number 4 of 4 is "kind=z", want "kind=y"`},
		{"columns", regression, func(m *export.Model) { m.Encoding = table("area") }, "it has 3 features (area, kind=x, kind=y), want 4 (area, age, kind=x, kind=y)"},
		{"target", regression, func(m *export.Model) { m.Encoding.Target.Name = "rent" }, `it predicts "rent", want "price"`},
		{"layers", regression, func(m *export.Model) { m.Spec.Layers[0].Units = 5 }, "layer 0 of its model 4 - 5 relu - 1 - squared differs, want 4 - 3 relu - 1 - squared"},
		{"activation", regression, func(m *export.Model) { m.Spec.Layers[0].Activation = learn.Tanh }, "layer 0"},
		{"more layers", regression, func(m *export.Model) { m.Spec.Layers = append(m.Spec.Layers, m.Spec.Layers[1]) }, "want 4 - 3 relu"},
		{"kind of layer", images, func(m *export.Model) { m.Spec.Layers[0] = learn.Layer{Kind: learn.Dense, Units: 4} }, "layer 0"},
		{"stride", images, func(m *export.Model) { m.Spec.Layers[0].Stride = 1 }, "layer 0"},
		{"classes", images, func(m *export.Model) { m.Classes[1] = "c" }, `classes: number 2 of 2 is "c", want "b"`},
		{"pixels", images, func(m *export.Model) { m.Pixels.Offset = 1 }, "its pixels have the scale 1 and the offset 1, want 1 and 0"},
		{"a table", images, func(m *export.Model) { m.Encoding, m.Pixels = table("area", "age"), nil }, "it is a model of a table, want one of images"},
	} {
		have := c.of()
		c.edit(have)
		err := Compare(have, c.of())
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	if err := Compare(images(), regression()); err == nil || !strings.Contains(err.Error(), "it is a model of images, want one of a table") {
		t.Errorf("images for a table: %v", err)
	}
}

// A model of a table that is standardised in another way predicts the same of the same rows.
func TestRescale(t *testing.T) {
	from, to := table("area", "age"), table("area", "age")
	to.Columns[0].Mean, to.Columns[0].Deviation = -3, .5
	to.Columns[1].Deviation = 10
	to.Target.Mean, to.Target.Deviation = -1, .25
	m := newModel(t, learn.Spec{Input: []int{4}, Layers: []learn.Layer{{Kind: learn.Dense, Units: 3, Activation: learn.Tanh}, {Kind: learn.Dense, Units: 1}}, Loss: learn.Squared})
	params := make([]float32, m.Layout().Size)
	m.Init(params, 1)
	predict := func(e *data.Encoding, row []float64) float64 {
		x := make([]float32, 4)
		e.Encode(x, row)
		z, err := learn.Outputs(m, params, x)
		if err != nil {
			t.Fatal(err)
		}
		return e.Target.Mean + e.Target.Deviation*float64(z[0])
	}
	rows := [][]float64{{1, 2, 0}, {-4, 9, 1}, {0, 0, 1}}
	var want []float64
	for _, row := range rows {
		want = append(want, predict(from, row))
	}
	if err := Rescale(params, m, from, to); err != nil {
		t.Fatal(err)
	}
	for i, row := range rows {
		if got := predict(to, row); math.Abs(got-want[i]) > 1e-5 {
			t.Errorf("row %v: %v, want %v", row, got, want[i])
		}
	}
	rbf := newModel(t, learn.Spec{Input: []int{4}, Layers: []learn.Layer{{Kind: learn.RBF, Units: 3, Gamma: 1}, {Kind: learn.Dense, Units: 1}}, Loss: learn.Squared})
	if err := Rescale(make([]float32, rbf.Layout().Size), rbf, from, to); err == nil || !strings.Contains(err.Error(), "column area has the mean 1 and the deviation 2, want -3 and 0.5, as the first layer is rbf") {
		t.Errorf("random features: %v", err)
	}
}

// What is read has the model's parameters, all of them finite, or is refused as no file of
// it.
func FuzzReadSafetensors(f *testing.F) {
	m := newModel(f, learn.Spec{Input: []int{3, 3}, Layers: []learn.Layer{{Kind: learn.Conv, Units: 2, Size: 2}, {Kind: learn.Dense, Units: 2}}})
	files := [][]byte{
		written(floats("0.weight", 2, 1, 2, 2), floats("0.bias", 2), floats("2.weight", 2, 8), floats("2.bias", 2)),
		written(floats("a10", 0), floats("weight"), tensor{"bias", "F16", []int{2}, []byte{1, 2, 3, 4}}),
	}
	described := &export.Model{Spec: m.Spec(), Params: make([]float32, m.Layout().Size), Classes: []string{"a", "b"}, Pixels: &data.Scaling{Scale: 1}}
	described.Hash = learn.Hash(described.Params)
	ours, err := described.Safetensors()
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(files, ours) {
		n := binary.LittleEndian.Uint64(file)
		f.Add(string(file[8:8+n]), file[8+n:])
	}
	f.Fuzz(func(t *testing.T, header string, body []byte) {
		file := append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...), body...)
		params, described, err := Read(file, m)
		if err != nil {
			if !errors.Is(err, export.ErrFormat) {
				t.Fatal(err)
			}
			return
		}
		if described == nil && len(params) != m.Layout().Size {
			t.Fatalf("%d parameters, want %d", len(params), m.Layout().Size)
		}
		for i, v := range params {
			if v-v != 0 {
				t.Fatalf("parameter %d is %v", i, v)
			}
		}
	})
}
