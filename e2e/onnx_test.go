package e2e

import (
	"bytes"
	encoding "encoding/binary"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"fedtab/coordinator/dataset"
	"fedtab/coordinator/task"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/export"
	"fedtab/learn/rng"
)

// onnxCase is a model and raw examples for onnxruntime, and what learn makes of them.
type onnxCase struct {
	name    string
	model   *export.Model
	raw     []float32 // what the graph gets, [n, features]
	encoded []float32 // what learn gets
}

// TestONNX: onnxruntime, which is not ours, gives what learn gives, for every kind of
// layer, activation and loss, for tables with their encoding and for MNIST's CNN.
func TestONNX(t *testing.T) {
	var cases []onnxCase
	for name, s := range specs() {
		cases = append(cases, imageCase(t, name, s))
	}
	cases = append(cases, tableCase(t, "table of classes", learn.Softmax, 3), tableCase(t, "table of two classes", learn.Logistic, 1), tableCase(t, "table of numbers", learn.Squared, 1))
	cases = append(cases, mnistCase(t))
	for i, got := range runONNX(t, cases) {
		t.Run(cases[i].name, func(t *testing.T) { cases[i].check(t, got) })
	}
}

// specs has every kind of layer with its settings, every activation and every loss.
func specs() map[string]learn.Spec {
	dense := func(n int) learn.Layer { return learn.Layer{Kind: learn.Dense, Units: n} }
	net := func(input []int, layers ...learn.Layer) learn.Spec { return learn.Spec{Input: input, Layers: layers} }
	plain, colour := []int{9, 7}, []int{7, 9, 3}
	conv := learn.Layer{Kind: learn.Conv, Units: 4, Size: 3}
	with := func(l learn.Layer, stride int, same bool, a learn.Activation) learn.Layer {
		l.Stride, l.Same, l.Activation = stride, same, a
		return l
	}
	maxpool, avgpool := learn.Layer{Kind: learn.MaxPool, Size: 2}, learn.Layer{Kind: learn.AveragePool, Size: 3}
	all := map[string]learn.Spec{
		"softmax regression":          net(plain, dense(3)),
		"dense relu":                  net(plain, learn.Layer{Kind: learn.Dense, Units: 8, Activation: learn.ReLU}, dense(3)),
		"dense tanh, dropout":         net(colour, learn.Layer{Kind: learn.Dense, Units: 8, Activation: learn.Tanh}, learn.Layer{Kind: learn.Dropout, Rate: .5}, dense(3)),
		"dense sigmoid":               net([]int{6}, learn.Layer{Kind: learn.Dense, Units: 8, Activation: learn.Sigmoid}, dense(3)),
		"dense gelu":                  net([]int{2, 2, 2, 2}, learn.Layer{Kind: learn.Dense, Units: 8, Activation: learn.GELU}, dense(3)),
		"conv valid":                  net(plain, conv, dense(3)),
		"conv same, stride, gelu":     net(colour, with(conv, 2, true, learn.GELU), dense(3)),
		"conv same, even window":      net(plain, learn.Layer{Kind: learn.Conv, Units: 2, Size: 4, Same: true, Activation: learn.ReLU}, dense(3)),
		"conv, larger window":         net(plain, learn.Layer{Kind: learn.Conv, Units: 2, Size: 11, Stride: 5, Same: true}, dense(3)),
		"conv, stride above window":   net(plain, learn.Layer{Kind: learn.Conv, Units: 2, Size: 1, Stride: 4, Same: true}, dense(3)),
		"two convs, pools, dropout":   net(colour, with(conv, 1, true, learn.ReLU), maxpool, learn.Layer{Kind: learn.Dropout, Rate: .25}, with(conv, 1, false, learn.Tanh), dense(5), dense(3)),
		"max pool first":              net(colour, with(maxpool, 1, false, 0), dense(3)),
		"max pool same":               net(plain, with(learn.Layer{Kind: learn.MaxPool, Size: 4}, 3, true, 0), dense(3)),
		"average pool":                net(plain, avgpool, dense(3)),
		"average pool same, overlaps": net(colour, with(avgpool, 2, true, 0), dense(3)),
		"random features":             net(plain, learn.Layer{Kind: learn.RBF, Units: 20, Gamma: .01, Seed: 1 << 63}, dense(3)),
		"random features of a conv":   net(colour, conv, learn.Layer{Kind: learn.RBF, Units: 20, Gamma: .01, Seed: 5}, dense(3)),
	}
	for _, l := range []learn.Loss{learn.Logistic, learn.Hinge, learn.Squared, learn.Absolute, learn.EpsilonInsensitive} {
		for _, outputs := range []int{1, 3} {
			if l.Regression() && outputs > 1 {
				continue
			}
			s := net(plain, dense(outputs))
			s.Loss = l
			all[l.String()+" of "+strconv.Itoa(outputs)] = s
		}
	}
	return all
}

// imageCase makes a model of images with parameters from a seed.
func imageCase(t *testing.T, name string, s learn.Spec) onnxCase {
	c := onnxCase{name: name, model: &export.Model{Spec: s, Pixels: &data.Scaling{Scale: 1. / 100, Offset: -.5}, Classes: classNames(s.Classes())}}
	c.fill(t)
	src := rng.New(7)
	for range 5 * s.Features() {
		p := float32(src.Uint64() >> 56)
		c.raw = append(c.raw, p)
		c.encoded = append(c.encoded, p*c.model.Pixels.Scale+c.model.Pixels.Offset)
	}
	return c
}

// tableCase makes a model of a table with numbers, of which one has a mean far above its
// deviation, a category, and values that are missing.
func tableCase(t *testing.T, name string, loss learn.Loss, outputs int) onnxCase {
	third, fill := 2., 3000.
	e := &data.Encoding{
		Columns: []data.EncodedColumn{
			{Name: "year", Mean: 1996.3712345, Deviation: .01, Fill: &fill},
			{Name: "colour", Categories: []string{"red", "green", "blue"}, Deviation: 1, Fill: &third},
			{Name: "size", Mean: -.5, Deviation: 3},
			{Name: "count", Deviation: 1},
		},
		Target: data.EncodedTarget{Name: "y", Deviation: 1},
	}
	s := learn.MLP([]int{6}, []int{4}, outputs)
	s.Loss = loss
	if loss.Regression() {
		e.Target.Mean, e.Target.Deviation = 250000, 80000
	}
	e.Target.Classes = classNames(s.Classes())
	c := onnxCase{name: name, model: &export.Model{Spec: s, Encoding: e, Classes: e.Target.Classes}}
	c.fill(t)
	nan := math.NaN()
	for _, row := range [][]float64{{1996.375, 0, 4, 1}, {1996.3671875, 2, -1.25, 0}, {1996.375, nan, 0, 7}, {nan, 1, 2, 2}} {
		x := make([]float32, s.Features())
		e.Encode(x, row)
		c.encoded = append(c.encoded, x...)
		for k, v := range row {
			if k != 1 {
				c.raw = append(c.raw, float32(v))
				continue
			}
			for i := range e.Columns[k].Categories {
				switch {
				case math.IsNaN(v):
					c.raw = append(c.raw, float32(v))
				case i == int(v):
					c.raw = append(c.raw, 1)
				default:
					c.raw = append(c.raw, 0)
				}
			}
		}
	}
	return c
}

// mnistCase is the CNN that ships and test images.
func mnistCase(t *testing.T) onnxCase {
	tk, err := task.Find("mnist-cnn", nil)
	if err != nil {
		t.Fatal(err)
	}
	d, err := dataset.Open(tk)
	if err != nil {
		t.Fatal(err)
	}
	m, err := d.Model(tk)
	if err != nil {
		t.Fatal(err)
	}
	c := onnxCase{name: "mnist-cnn", model: &export.Model{Spec: m.Spec(), Pixels: &data.Scaling{Scale: 1. / 255}, Classes: d.ClassNames()}}
	c.fill(t)
	const n = 10
	c.encoded = make([]float32, n*784)
	d.Test.Fill(c.encoded, make([]float32, n), []int32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	for _, p := range d.Test.X[:n*784] {
		c.raw = append(c.raw, float32(p))
	}
	return c
}

// fill gives the model parameters, biases too.
func (c *onnxCase) fill(t *testing.T) {
	m, err := learn.New(c.model.Spec)
	if err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
	p := make([]float32, m.Layout().Size)
	m.Init(p, 3)
	for _, tensor := range m.Layout().Tensors {
		if len(tensor.Shape) == 1 {
			for i, values := 0, tensor.Of(p); i < len(values); i++ {
				values[i] = float32(i%5) / 10
			}
		}
	}
	c.model.Params, c.model.Hash = p, learn.Hash(p)
}

func classNames(n int) []string {
	var names []string
	for i := range n {
		names = append(names, strconv.Itoa(i))
	}
	return names
}

// onnxOutput is an output of a graph.
type onnxOutput struct {
	Type   string
	Shape  []int
	Values []float64
}

// runONNX runs all cases in one process.
func runONNX(t *testing.T, cases []onnxCase) []map[string]onnxOutput {
	t.Helper()
	type job struct {
		File   string `json:"file"`
		Input  string `json:"input"`
		Shape  []int  `json:"shape"`
		Values string `json:"values"`
	}
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var jobs []job
	for i, c := range cases {
		file, err := c.model.ONNX()
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		var values bytes.Buffer
		if err := encoding.Write(&values, encoding.LittleEndian, c.raw); err != nil {
			t.Fatal(err)
		}
		j := job{
			File: write(strconv.Itoa(i)+".onnx", file), Input: "features",
			Shape: append([]int{len(c.raw) / c.model.Spec.Features()}, c.model.Spec.Input...), Values: write(strconv.Itoa(i)+".f32", values.Bytes()),
		}
		if c.model.Pixels != nil {
			j.Input = "images"
		}
		jobs = append(jobs, j)
	}
	in, err := json.Marshal(jobs)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(node(t), "run.mjs")
	cmd.Dir, cmd.Stdin = "onnx", bytes.NewReader(in)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v (e2e/browsers.sh installs onnxruntime-node):\n%s", err, errs.Bytes())
	}
	var results []map[string]onnxOutput
	if err := json.Unmarshal(out, &results); err != nil {
		t.Fatalf("%v:\n%.300s", err, out)
	}
	if len(results) != len(cases) {
		t.Fatalf("results: %d, want %d", len(results), len(cases))
	}
	return results
}

// check compares the outputs of a graph with learn's.
func (c *onnxCase) check(t *testing.T, got map[string]onnxOutput) {
	s := c.model.Spec
	m, err := learn.New(s)
	if err != nil {
		t.Fatal(err)
	}
	z, err := learn.Outputs(m, c.model.Params, c.encoded)
	if err != nil {
		t.Fatal(err)
	}
	n := len(c.encoded) / s.Features()
	want := map[string][]float64{}
	if s.Loss.Regression() {
		mean, deviation := 0., 1.
		if e := c.model.Encoding; e != nil {
			mean, deviation = e.Target.Mean, e.Target.Deviation
		}
		for _, v := range z {
			want["value"] = append(want["value"], mean+deviation*float64(v))
		}
	} else {
		name := "probabilities"
		if !s.HasProbabilities() {
			name = "scores"
		}
		scores := make([]float64, s.Classes())
		for i := range n {
			zi := z[i*s.Outputs():][:s.Outputs()]
			s.Scores(scores, zi)
			want[name] = append(want[name], scores...)
			want["label"] = append(want["label"], float64(s.Class(zi)))
		}
	}
	if len(got) != len(want) {
		t.Errorf("outputs: %d, want %d", len(got), len(want))
	}
	for name, values := range want {
		out := got[name]
		if len(out.Values) != len(values) || out.Shape[0] != n {
			t.Errorf("%s: %d values of shape %v, want %d", name, len(out.Values), out.Shape, len(values))
			continue
		}
		for i, v := range values {
			if d := math.Abs(out.Values[i] - v); !(d <= 1e-4*max(1, math.Abs(v))) {
				t.Errorf("%s[%d]: %v, want %v", name, i, out.Values[i], v)
			}
		}
	}
	if !s.Loss.Regression() && got["label"].Type != "int64" {
		t.Errorf("label is %s, want int64", got["label"].Type)
	}
}
