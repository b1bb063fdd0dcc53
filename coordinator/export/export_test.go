package export

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"testing"

	"fedtab/learn"
	"fedtab/run"

	"github.com/nlpodyssey/safetensors"
)

// A reader written from the format's specification gets every tensor.
func TestSafetensors(t *testing.T) {
	m, err := learn.New(learn.MLP([]int{4}, []int{3}, 2))
	if err != nil {
		t.Fatal(err)
	}
	params := make([]float32, m.Layout().Size)
	m.Init(params, 7)
	var b bytes.Buffer
	if err := Safetensors(&b, m.Layout(), params, map[string]string{"task": "test"}); err != nil {
		t.Fatal(err)
	}
	file := b.Bytes()
	n := binary.LittleEndian.Uint64(file)
	if n%8 != 0 || file[8] != '{' {
		t.Fatalf("a header of %d bytes that begins with %q", n, file[8])
	}
	var header map[string]json.RawMessage
	if err := json.Unmarshal(file[8:8+n], &header); err != nil {
		t.Fatal(err)
	}
	data := file[8+n:]
	var metadata map[string]string
	if err := json.Unmarshal(header["__metadata__"], &metadata); err != nil || metadata["task"] != "test" {
		t.Errorf("metadata %v, %v", metadata, err)
	}
	delete(header, "__metadata__")
	covered := 0
	for _, want := range m.Layout().Tensors {
		var got struct {
			Type    string `json:"dtype"`
			Shape   []int
			Offsets [2]int `json:"data_offsets"`
		}
		if err := json.Unmarshal(header[want.Name], &got); err != nil {
			t.Fatalf("%s: %v", want.Name, err)
		}
		values := want.Of(params)
		if got.Type != "F32" || !slices.Equal(got.Shape, want.Shape) || got.Offsets[1]-got.Offsets[0] != 4*len(values) {
			t.Fatalf("%s: %+v, want shape %v", want.Name, got, want.Shape)
		}
		for i, x := range values {
			if y := math.Float32frombits(binary.LittleEndian.Uint32(data[got.Offsets[0]+4*i:])); x != y {
				t.Fatalf("%s[%d] is %g, want %g", want.Name, i, y, x)
			}
		}
		covered += 4 * len(values)
		delete(header, want.Name)
	}
	if len(header) > 0 || covered != len(data) {
		t.Errorf("%d tensors too many, %d of %d bytes covered", len(header), covered, len(data))
	}
	if err := Safetensors(&b, m.Layout(), params[1:], nil); err == nil {
		t.Error("too few parameters are no error")
	}
}

func TestPick(t *testing.T) {
	accuracy := func(a float64) *learn.Figures { return &learn.Figures{Accuracy: a} }
	loss := func(l float64) *learn.Figures { return &learn.Figures{Loss: l, Accuracy: math.NaN()} }
	rounds := []run.RoundRecord{
		{Round: 1}, {Round: 2, Test: accuracy(.9)}, {Round: 3, Test: accuracy(.9)},
		{Round: 4, Test: accuracy(.8)}, {Round: 5},
	}
	regression := []run.RoundRecord{
		{Round: 1, Test: loss(math.NaN())}, {Round: 2, Test: loss(3)}, {Round: 3, Test: loss(2)}, {Round: 4, Test: loss(2)}, {Round: 5, Test: loss(math.NaN())},
	}
	for _, test := range []struct {
		rounds []run.RoundRecord
		want   string
		got    uint64 // 0: an error
	}{
		{rounds, "newest", 5}, {rounds, "best", 2}, {regression, "best", 3}, {rounds, "4", 4},
		{rounds, "0", 0}, {rounds, "6", 0}, {rounds, "-1", 0}, {rounds, "", 0}, {rounds, "last", 0},
		{nil, "newest", 0}, {rounds[:1], "best", 0},
	} {
		got, err := Pick(test.rounds, test.want)
		if got != test.got || (err != nil) != (test.got == 0) {
			t.Errorf("Pick(%d rounds, %q) = %d, %v; want %d", len(test.rounds), test.want, got, err, test.got)
		}
	}
}

// An independent implementation of the format reads the same tensors.
func TestSafetensorsOutsideReader(t *testing.T) {
	m, err := learn.New(learn.MLP([]int{28, 28}, []int{200, 200}, 10))
	if err != nil {
		t.Fatal(err)
	}
	params := make([]float32, m.Layout().Size)
	m.Init(params, 7)
	var b bytes.Buffer
	if err := Safetensors(&b, m.Layout(), params, map[string]string{"task": "test"}); err != nil {
		t.Fatal(err)
	}
	file, err := safetensors.Deserialize(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if got := file.Len(); got != len(m.Layout().Tensors) {
		t.Errorf("%d tensors, want %d", got, len(m.Layout().Tensors))
	}
	for _, want := range m.Layout().Tensors {
		got, ok := file.Tensor(want.Name)
		if !ok || got.DType() != safetensors.F32 || fmt.Sprint(got.Shape()) != fmt.Sprint(want.Shape) {
			t.Fatalf("%s: %v of shape %v, want float32 of %v", want.Name, got.DType(), got.Shape(), want.Shape)
		}
		for i, x := range want.Of(params) {
			if y := math.Float32frombits(binary.LittleEndian.Uint32(got.Data()[4*i:])); x != y {
				t.Fatalf("%s[%d] is %g, want %g", want.Name, i, y, x)
			}
		}
	}
}
