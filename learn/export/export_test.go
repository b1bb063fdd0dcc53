package export

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"fedtab/learn"
	"fedtab/learn/data"

	"github.com/nlpodyssey/safetensors"
	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"
)

// models returns models with every kind of layer and every member of a description.
func models(t testing.TB) map[string]*Model {
	fill, second := -1.5, 1.
	numbers := &data.Encoding{
		Columns: []data.EncodedColumn{
			{Name: "age\n\"\\\u2028<&", Mean: 40.1, Deviation: 1e-7, Fill: &fill},
			{Name: "sex", Categories: []string{"f", "", "m"}, Aliases: map[string]string{"w": "f", "": "", "male": "m", "\"": "m"}, Deviation: 1, Fill: &second},
			{Name: "größe", Deviation: 1},
		},
		Target: data.EncodedTarget{Name: "price", Mean: 1e21, Deviation: 123456.789},
	}
	classes := &data.Encoding{
		Columns: []data.EncodedColumn{{Name: "a", Mean: 1, Deviation: 2}, {Name: "b", Categories: []string{"x", "y"}, Deviation: 1}},
		Target:  data.EncodedTarget{Name: "ill", Classes: []string{"no", "yes"}, Aliases: map[string]string{"nein": "no"}, Deviation: 1},
	}
	regression := learn.MLP([]int{5}, []int{4}, 1)
	regression.Loss, regression.Epsilon, regression.L1, regression.L2 = learn.EpsilonInsensitive, .1, .001, 1e-9
	regression.Layers[0].Activation = learn.GELU
	logistic := learn.Spec{Input: []int{3}, Loss: learn.Logistic, Layers: []learn.Layer{
		{Kind: learn.RBF, Units: 7, Gamma: .25, Seed: math.MaxUint64}, {Kind: learn.Dense, Units: 1},
	}}
	images := learn.Spec{Input: []int{6, 8, 2}, Layers: []learn.Layer{
		{Kind: learn.Conv, Units: 3, Size: 3, Stride: 2, Same: true, Activation: learn.Tanh},
		{Kind: learn.MaxPool, Size: 2, Stride: 1},
		{Kind: learn.Dropout, Rate: .25},
		{Kind: learn.RBF, Units: 4, Gamma: 1},
		{Kind: learn.Dense, Units: 3},
	}}
	images.ClassWeights = []float32{.5, 2, 1e-3}
	pooled := learn.Spec{Input: []int{5, 5}, Layers: []learn.Layer{{Kind: learn.AveragePool, Size: 2, Stride: 2, Same: true}, {Kind: learn.Dense, Units: 2}}}
	all := map[string]*Model{
		"numbers": {Task: "prices", Run: "prices-1", Version: math.MaxUint64, Spec: regression, Encoding: numbers},
		"classes": {Task: "health", Run: "health-2", Version: 12, Spec: logistic, Encoding: classes, Classes: []string{"no", "yes"}},
		"images":  {Task: "pets", Run: "pets-3", Spec: images, Pixels: &data.Scaling{Scale: 1. / 255}, Classes: []string{"cat", "dog", "\"<cow>\""}},
		"pooled":  {Spec: pooled, Pixels: &data.Scaling{Scale: 1. / 64, Offset: -2}, Classes: []string{"0", "1"}},
	}
	for name, m := range all {
		lm, err := learn.New(m.Spec)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		m.Params = make([]float32, lm.Layout().Size)
		lm.Init(m.Params, 7)
		m.Hash = learn.Hash(m.Params)
	}
	return all
}

func file(t testing.TB, m *Model) []byte {
	t.Helper()
	b, err := m.Safetensors()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A model that is read back is the one that was written.
func TestRead(t *testing.T) {
	for name, m := range models(t) {
		t.Run(name, func(t *testing.T) {
			b := file(t, m)
			if limit := m.Bytes(); int64(len(b)) > limit {
				t.Errorf("%d bytes, more than the %d that Bytes says", len(b), limit)
			}
			got, err := Read(b)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, m) {
				t.Errorf("read back:\n%+v\nwant\n%+v", got, m)
			}
		})
	}
}

// Every field of what a file describes has a value in one of the models of these tests,
// so that one that is not written and read again is noticed.
func TestModelsHaveEveryField(t *testing.T) {
	have := map[string]bool{}
	var walk func(path string, v reflect.Value)
	walk = func(path string, v reflect.Value) {
		switch v.Kind() {
		case reflect.Pointer:
			if !v.IsNil() {
				walk(path, v.Elem())
			}
		case reflect.Slice:
			for i := range v.Len() {
				walk(path, v.Index(i))
			}
		case reflect.Struct:
			for i := range v.NumField() {
				name := path + "." + v.Type().Field(i).Name
				have[name] = have[name] || !v.Field(i).IsZero()
				walk(name, v.Field(i))
			}
		}
	}
	for _, m := range models(t) {
		walk("Model", reflect.ValueOf(m))
	}
	for name, ok := range have {
		if !ok {
			t.Errorf("no model has a value of %s", name)
		}
	}
}

// The header is JSON of the format, and describes every tensor of the layout.
func TestSafetensors(t *testing.T) {
	for name, m := range models(t) {
		t.Run(name, func(t *testing.T) {
			b := file(t, m)
			n := binary.LittleEndian.Uint64(b)
			if n%8 != 0 || b[8] != '{' {
				t.Fatalf("a header of %d bytes that begins with %q", n, b[8])
			}
			var header map[string]json.RawMessage
			if err := json.Unmarshal(b[8:8+n], &header); err != nil {
				t.Fatal(err)
			}
			var metadata map[string]string
			if err := json.Unmarshal(header["__metadata__"], &metadata); err != nil {
				t.Fatal(err)
			}
			if metadata["task"] != m.Task || metadata["version"] != fmt.Sprint(m.Version) || metadata["sha256"] != fmt.Sprintf("%x", m.Hash) {
				t.Errorf("metadata %v", metadata)
			}
			var encoding *data.Encoding
			if text := metadata["encoding"]; text != "" {
				if err := json.Unmarshal([]byte(text), &encoding); err != nil {
					t.Fatal(err)
				}
			}
			if !reflect.DeepEqual(encoding, m.Encoding) {
				t.Errorf("encoding %+v, want %+v", encoding, m.Encoding)
			}
			var dims map[string]string
			if err := json.Unmarshal([]byte(metadata["tensors"]), &dims); err != nil || len(dims) != len(header)-1 {
				t.Errorf("dimensions of %d tensors, want %d: %v", len(dims), len(header)-1, err)
			}
			// The trained parameters are the first bytes after the header.
			for i, x := range m.Params {
				if y := math.Float32frombits(binary.LittleEndian.Uint32(b[8+int(n)+4*i:])); x != y {
					t.Fatalf("parameter %d is %v, want %v", i, y, x)
				}
			}
		})
	}
	want := map[string]string{
		"conv0.weight": "[height, width, channels, out]", "conv0.bias": "[out]", "dense4.weight": "[in, out]", "dense4.bias": "[out]",
		"rbf3.weight": "[height * width * channels, out]", "rbf3.bias": "[out]",
	}
	got := map[string]string{}
	for _, tensor := range models(t)["images"].names() {
		got[tensor.name] = tensor.dims
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("dimensions %v, want %v", got, want)
	}
}

// The names and shapes of the tensors are the layout's.
func TestNames(t *testing.T) {
	for name, m := range models(t) {
		lm, err := learn.New(m.Spec)
		if err != nil {
			t.Fatal(err)
		}
		tensors := m.names()
		for i, want := range lm.Layout().Tensors {
			if got := tensors[i]; got.name != want.Name || !slices.Equal(got.shape, want.Shape) || got.fixed {
				t.Errorf("%s: tensor %d is %s %v, want %s %v", name, i, got.name, got.shape, want.Name, want.Shape)
			}
		}
		for _, got := range tensors[len(lm.Layout().Tensors):] {
			if !got.fixed {
				t.Errorf("%s: tensor %s is not in the layout", name, got.name)
			}
		}
	}
}

// An independent implementation of the format reads the same tensors.
func TestSafetensorsOutsideReader(t *testing.T) {
	for name, m := range models(t) {
		t.Run(name, func(t *testing.T) {
			got, err := safetensors.Deserialize(file(t, m))
			if err != nil {
				t.Fatal(err)
			}
			want, err := m.tensors()
			if err != nil {
				t.Fatal(err)
			}
			if got.Len() != len(want) {
				t.Errorf("%d tensors, want %d", got.Len(), len(want))
			}
			for _, want := range want {
				got, ok := got.Tensor(want.name)
				if !ok || got.DType() != safetensors.F32 || fmt.Sprint(got.Shape()) != fmt.Sprint(want.shape) {
					t.Fatalf("%s: %v of shape %v, want float32 of %v", want.name, got.DType(), got.Shape(), want.shape)
				}
				for i, x := range want.values {
					if y := math.Float32frombits(binary.LittleEndian.Uint32(got.Data()[4*i:])); x != y {
						t.Fatalf("%s[%d] is %g, want %g", want.name, i, y, x)
					}
				}
			}
		})
	}
}

// docs/models.md has every member of the description.
func TestDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/models.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range models(t) {
		for _, member := range m.members() {
			if !strings.Contains(string(text), "`"+member.key+"`") {
				t.Errorf("docs/models.md does not have `%s`", member.key)
			}
		}
	}
}

// The sidecar is a JSON object with what the metadata has.
func TestSidecar(t *testing.T) {
	for name, m := range models(t) {
		var got map[string]json.RawMessage
		if err := json.Unmarshal(m.Sidecar(), &got); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, m.Sidecar())
		}
		for _, member := range m.members() {
			text := string(got[member.key])
			if !member.json {
				var s string
				if err := json.Unmarshal(got[member.key], &s); err != nil {
					t.Fatal(err)
				}
				text = s
			}
			if text != member.text {
				t.Errorf("%s: %s is %s, want %s", name, member.key, text, member.text)
			}
		}
		if len(got) != len(m.members()) {
			t.Errorf("%s: %d members, want %d", name, len(got), len(m.members()))
		}
	}
}

// An ONNX file has the same members as properties, and not much beside the parameters.
func TestONNXProperties(t *testing.T) {
	for name, m := range models(t) {
		b, err := m.ONNX()
		if err != nil {
			t.Fatal(err)
		}
		if limit := m.Bytes(); int64(len(b)) > limit {
			t.Errorf("%s: %d bytes, more than the %d that Bytes says", name, len(b), limit)
		}
		got := map[string]string{}
		fields(t, b, func(field protowire.Number, v []byte) {
			if field != 14 {
				return
			}
			var key, value string
			fields(t, v, func(field protowire.Number, v []byte) {
				if field == 1 {
					key = string(v)
				} else {
					value = string(v)
				}
			})
			got[key] = value
		})
		for _, member := range m.members() {
			if got[member.key] != member.text {
				t.Errorf("%s: %s is %q, want %q", name, member.key, got[member.key], member.text)
			}
		}
	}
}

// fields visits the fields of a message that have a length.
func fields(t *testing.T, b []byte, visit func(field protowire.Number, v []byte)) {
	t.Helper()
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		if kind == protowire.BytesType {
			v, k := protowire.ConsumeBytes(b[n:])
			if k < 0 {
				t.Fatal(protowire.ParseError(k))
			}
			visit(field, v)
		}
		k := protowire.ConsumeFieldValue(field, kind, b[n:])
		if k < 0 {
			t.Fatal(protowire.ParseError(k))
		}
		b = b[n+k:]
	}
}

// A model that does not fit together is refused by every writer.
func TestWritersRefuse(t *testing.T) {
	nan, three := math.NaN(), 3.
	for _, c := range []struct {
		name, of, want string
		spoil          func(m *Model)
	}{
		{"spec", "images", "activation Activation(77)", func(m *Model) { m.Spec.Layers[0].Activation = 77 }},
		{"parameters", "images", "parameters: 1, want the layout's", func(m *Model) { m.Params = m.Params[:1] }},
		{"not finite", "images", "value 2 is NaN", func(m *Model) { m.Params[2] = float32(nan) }},
		{"classes", "images", "classes: 2 names, want 3", func(m *Model) { m.Classes = m.Classes[:2] }},
		{"classes of numbers", "numbers", "classes: 1 names, want 0", func(m *Model) { m.Classes = []string{"x"} }},
		{"neither", "images", "want an encoding for a table, or a scaling", func(m *Model) { m.Pixels = nil }},
		{"both", "numbers", "want an encoding for a table, or a scaling", func(m *Model) { m.Pixels = &data.Scaling{Scale: 1} }},
		{"pixels", "images", "want finite numbers and scale != 0", func(m *Model) { m.Pixels.Scale = 0 }},
		{"features", "numbers", "encoding: 4 features, want an input of shape [4], not [5]", func(m *Model) { m.Encoding.Columns = m.Encoding.Columns[:2] }},
		{"deviation", "numbers", "deviation 0, want", func(m *Model) { m.Encoding.Columns[0].Deviation = 0 }},
		{"mean", "numbers", "mean NaN", func(m *Model) { m.Encoding.Columns[0].Mean = nan }},
		{"fill", "numbers", "fill is NaN", func(m *Model) { m.Encoding.Columns[0].Fill = &nan }},
		{"fill of a category", "numbers", "fill is 3, want the index of one of 3", func(m *Model) { m.Encoding.Columns[1].Fill = &three }},
		{"target", "numbers", "target: mean", func(m *Model) { m.Encoding.Target.Deviation = -1 }},
		{"other classes", "classes", `encoding: classes ["no" "yes"], want those of the model, ["yes" "no"]`, func(m *Model) { m.Classes = []string{"yes", "no"} }},
		{"aliases of nothing", "numbers", `column "sex": aliases map[x:y], want them to stand for categories ["f" "" "m"]`, func(m *Model) { m.Encoding.Columns[1].Aliases = map[string]string{"x": "y"} }},
		{"aliases of no class", "classes", `target: aliases map[x:y], want them to stand for classes ["no" "yes"]`, func(m *Model) { m.Encoding.Target.Aliases = map[string]string{"x": "y"} }},
		{"long names", "classes", "description of", func(m *Model) { m.Encoding.Columns[0].Name = strings.Repeat("x", maxHeader) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := models(t)[c.of]
			c.spoil(m)
			_, err := m.Safetensors()
			if !errors.Is(err, ErrModel) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("safetensors: %v, want %s", err, c.want)
			}
			if _, err := m.ONNX(); c.name != "long names" && (!errors.Is(err, ErrModel) || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("ONNX: %v, want %s", err, c.want)
			}
		})
	}
}

// rewritten returns a file whose header and body are changed.
func rewritten(b []byte, edit func(header string, body []byte) (string, []byte)) []byte {
	n := binary.LittleEndian.Uint64(b)
	header, body := edit(string(b[8:8+n]), slices.Clone(b[8+n:]))
	return append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...), body...)
}

func TestReadRefuses(t *testing.T) {
	replace := func(old, new string) func(string, []byte) (string, []byte) {
		return func(h string, b []byte) (string, []byte) {
			if !strings.Contains(h, old) {
				panic("there is no " + old + " in " + h)
			}
			return strings.Replace(h, old, new, 1), b
		}
	}
	for _, c := range []struct {
		name, want string
		edit       func(header string, body []byte) (string, []byte)
	}{
		{"no JSON", `header, byte 0: want '{'`, func(h string, b []byte) (string, []byte) { return "x", b }},
		{"text after the header", "want the end", func(h string, b []byte) (string, []byte) { return h + "{}", b }},
		{"no UTF-8", "is not UTF-8", replace("health", "\xff")},
		{"other format", `format "pt"`, replace(`"fedtab"`, `"pt"`)},
		{"other version", `format_version "2", want "fedtab" and "1"`, replace(`"format_version":"1"`, `"format_version":"2"`)},
		{"number of version", `version: "-1", want a whole number`, replace(`"version":"12"`, `"version":"-1"`)},
		{"hash", "sha256: \"00\", want 32 bytes", func(h string, b []byte) (string, []byte) {
			at := strings.Index(h, `"sha256":"`) + len(`"sha256":"`)
			return h[:at] + "00" + h[at+64:], b
		}},
		{"one parameter is another", "the SHA-256 of the parameters is", func(h string, b []byte) (string, []byte) { b[0] ^= 1; return h, b }},
		{"not finite", "parameters: value 1 is NaN", func(h string, b []byte) (string, []byte) {
			copy(b[4:], "\xff\xff\xff\xff")
			return h, b
		}},
		{"other random features", "tensor rbf0.bias: value 6 is", func(h string, b []byte) (string, []byte) {
			copy(b[len(b)-4:], "\x00\x00\x00\x45")
			return h, b
		}},
		{"byte after the tensors", "bytes after the header, want the", func(h string, b []byte) (string, []byte) { return h, append(b, 0) }},
		{"byte missing", "bytes after the header, want the", func(h string, b []byte) (string, []byte) { return h, b[1:] }},
		{"unknown tensor", `tensor "dense9.bias" is not of the model`, replace(`"dense1.bias":{`, `"dense9.bias":{`)},
		{"no tensor", "there is no tensor dense1.bias", func(h string, b []byte) (string, []byte) {
			at := strings.Index(h, `,"dense1.bias"`)
			end := at + strings.Index(h[at:], "}")
			h = h[:at] + h[end+1:]
			return strings.NewReplacer("[32,116]", "[28,112]", "[116,144]", "[112,140]").Replace(h), b
		}},
		{"tensor twice", `key "dense1.bias" comes twice`, replace(`"rbf0.bias":{`, `"dense1.bias":{`)},
		{"type", `dtype "F16", want F32`, replace(`"F32"`, `"F16"`)},
		{"shape", "tensor dense1.weight: shape [1 7], want [7 1], [in, out]", replace("[7,1]", "[1,7]")},
		{"overlap", "want 28 to 32, without gap or overlap", replace("[28,32]", "[24,28]")},
		{"offsets", "1 offsets, want 2", replace("[28,32]", "[28]")},
		{"huge offset", "want a whole number from 0 to 2147483647", replace("[28,32]", "[28,99999999999999999999]")},
		{"member of a tensor", `unknown member "x"`, replace(`"dtype":"F32"`, `"x":"F32"`)},
		{"spec", "metadata: spec, byte", replace(`\"loss\":\"logistic\"`, `\"loss\":\"quadratic\"`)},
		{"unknown setting", `unknown member "bias"`, replace(`\"gamma\"`, `\"bias\"`)},
		{"large model", "shape [7 1], want [65535 1]", replace(`\"units\":7`, `\"units\":65535`)},
		{"no layers", "want 1 to 64", func(h string, b []byte) (string, []byte) {
			before, rest, _ := strings.Cut(h, `\"layers\":[`)
			_, after, _ := strings.Cut(rest, `],\"loss`)
			return before + `\"layers\":[],\"loss` + after, b
		}},
		{"no classes", "classes: 0 names, want 2", replace(`"classes":"[`, `"names":"[`)},
		{"deviation", "deviation 0, want finite numbers", replace(`\"deviation\":2`, `\"deviation\":0`)},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Read(rewritten(file(t, models(t)["classes"]), c.edit))
			if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
	for _, b := range [][]byte{nil, {1, 2}, {255, 255, 255, 255, 255, 255, 255, 255, '{'}, {9, 0, 0, 0, 0, 0, 0, 0, '{', '}'}} {
		if _, err := Read(b); !errors.Is(err, ErrFormat) {
			t.Errorf("%v: %v", b, err)
		}
	}
}

// Other programs may write the tensors in another order.
func TestReadOtherOrder(t *testing.T) {
	m := models(t)["pooled"] // weights of 72 bytes, biases of 8
	got, err := Read(rewritten(file(t, m), func(h string, b []byte) (string, []byte) {
		h = strings.NewReplacer("[0,72]", "[8,80]", "[72,80]", "[0,8]").Replace(h)
		return h, append(slices.Clone(b[72:]), b[:72]...)
	}))
	if err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("%+v, %v, want %+v", got, err, m)
	}
}

func FuzzRead(f *testing.F) {
	for _, m := range models(f) {
		b := file(f, m)
		n := binary.LittleEndian.Uint64(b)
		f.Add(string(b[8:8+n]), b[8+n:])
		f.Add(string(b[8:8+n/2]), b[8+n/2:])
	}
	f.Fuzz(func(t *testing.T, header string, body []byte) {
		m, err := Read(append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...), body...))
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Fatal(err)
			}
			return
		}
		again, err := Read(file(t, m))
		if err != nil || !reflect.DeepEqual(again, m) {
			t.Fatalf("written and read again:\n%+v, %v\nwant\n%+v", again, err, m)
		}
		if _, err := m.ONNX(); err != nil {
			t.Fatal(err)
		}
	})
}

// Strings and numbers are what encoding/json reads, and the decoder reads what it
// writes.
func TestJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "string")
		var got string
		if err := json.Unmarshal(appendString(nil, s), &got); err != nil || got != s {
			t.Fatalf("%q, %v, want %q", got, err, s)
		}
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		d := newDecoder("test", string(text))
		if got := d.str(); d.end() != nil || got != s {
			t.Fatalf("%s is read as %q, %v, want %q", text, got, d.err, s)
		}
		x := rapid.Float64().Draw(t, "number")
		var y float64
		if err := json.Unmarshal(appendFloat(nil, x), &y); err != nil || x != y {
			t.Fatalf("%v, %v, want %v", y, err, x)
		}
		d = newDecoder("test", string(appendFloat(nil, x)))
		if y := d.float(); d.end() != nil || x != y {
			t.Fatalf("%v, %v, want %v", y, d.err, x)
		}
	})
	if got := appendString(nil, "a\xffb"); string(got) != "\"a\ufffdb\"" {
		t.Errorf("a byte that is not UTF-8: %s", got)
	}
}

// The decoder takes and refuses what encoding/json does, but for depth, members and
// keys that come twice.
func FuzzDecoder(f *testing.F) {
	for _, text := range []string{`{"a":[1,-0.5e+3,true,false,null,"\u00e9\ud83d\ude00\ud83dx"]}`, ` [ ] `, `01`, `1.`, `"\x"`, `{"a":1,}`, `-`, "\"\x01\"", `"`, `[1 2]`, "{\"a\"\x00"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d := newDecoder("test", text)
		d.skip(0)
		err := d.end()
		switch {
		case err == nil && !json.Valid([]byte(text)):
			t.Fatalf("%q is taken, and is not JSON", text)
		case err != nil && json.Valid([]byte(text)) && !strings.Contains(err.Error(), "levels") && !strings.Contains(err.Error(), "twice") && !strings.Contains(err.Error(), "members") && !strings.Contains(err.Error(), "UTF-8"):
			t.Fatalf("%q is JSON: %v", text, err)
		}
		d = newDecoder("test", text)
		got := d.str()
		var want string
		if d.end() == nil && (json.Unmarshal([]byte(text), &want) != nil || got != want) {
			t.Fatalf("%q is read as %q, want %q", text, got, want)
		}
	})
}
