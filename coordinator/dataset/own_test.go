package dataset

import (
	"testing"

	"fedtab/coordinator/task"
	"fedtab/learn/data"
)

// openTask opens the data of a task with the given data section.
func openTask(t *testing.T, section string) (*task.Task, *Dataset) {
	t.Helper()
	tk, err := task.Parse("own.yaml", []byte("name: own\nmodel: {kind: mlp}\ndata: "+section+"\nstrategy: {kind: fedavg, lr: 0.1}\nstop: {rounds: 1}\n"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := Open(tk)
	if err != nil {
		t.Fatal(err)
	}
	return tk, d
}

// The coordinator knows the shape and the classes of data that it does not have.
func TestOwn(t *testing.T) {
	for _, c := range []struct {
		name, section, summary string
		features, labels       int
	}{
		{"classes", "{source: own, table: {features: [{name: a, type: number, min: 0, max: 1}, {name: b, type: category, values: [x, y, z]}], label: {name: outcome, values: [healthy, ill]}}}",
			"own data: 2 features, classes healthy and ill", 4, 2},
		{"many classes", "{source: own, table: {features: [{name: b, type: boolean}], label: {name: y, values: [a, b, c, d, e]}}}",
			"own data: 1 feature, 5 classes", 2, 5},
		{"a number", "{source: own, table: {features: [{name: a, type: number}], label: {name: price, type: number}}, standardise: none}",
			"own data: 1 feature, to predict price", 1, 0},
		{"images", "{source: own, images: {width: 4, height: 3, channels: 3, classes: [cat, dog, owl]}}",
			"own data: coloured images of 4 x 3 pixels, classes cat, dog and owl", 36, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			tk, d := openTask(t, c.section)
			if d.Summary != c.summary || d.Labels() != c.labels {
				t.Errorf("%q with %d classes, want %q with %d", d.Summary, d.Labels(), c.summary, c.labels)
			}
			m, err := d.Model(tk)
			if err != nil {
				t.Fatal(err)
			}
			if got := m.Spec().Features(); got != c.features {
				t.Errorf("a model of %d features, want %d", got, c.features)
			}
			d.Pack()
			if d.Evaluator(m) != nil || d.Judge(tk, m) != nil || d.Packed != nil || d.Hash == [32]byte{} {
				t.Error("there are test examples, shards or no hash, want none of data that participants bring but its hash")
			}
		})
	}
}

// Constants that come later become part of the encoding.
func TestSetConstants(t *testing.T) {
	_, d := openTask(t, "{source: own, table: {features: [{name: a, type: number, min: 0, max: 9}, {name: b, type: boolean}], label: {name: price, type: number, min: 0, max: 9}}}")
	check := func(mean, deviation float64) {
		t.Helper()
		e := d.Encoding()
		if c := e.Columns[0]; c.Mean != mean || c.Deviation != deviation || e.Target.Mean != 10*mean || e.Target.Deviation != deviation {
			t.Errorf("%+v, want mean %v and deviation %v", e, mean, deviation)
		}
	}
	check(0, 1)
	if err := d.SetConstants(data.Constants{Mean: []float64{1, 2}, Deviation: []float64{3}}); err == nil {
		t.Error("one constant too few is accepted")
	}
	check(0, 1)
	if err := d.SetConstants(data.Constants{Mean: []float64{2, 20}, Deviation: []float64{4, 4}}); err != nil {
		t.Fatal(err)
	}
	check(2, 4)
}
