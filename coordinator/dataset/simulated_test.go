package dataset_test

import (
	"strings"
	"testing"

	"fedtab/coordinator/dataset"
	"fedtab/coordinator/simulate"
	"fedtab/coordinator/task"
)

// Clients learn from the data of each source; the model of a regression gets close to the
// known optimum.
func TestSimulated(t *testing.T) {
	rows := dataset.NPZFile(t,
		dataset.NPY{Name: "x_train", Type: "<f8", Shape: "(8, 2)", Elements: dataset.Doubles(1, 0, 0, 1, 2, 0, 0, 2, 3, 0, 0, 3, 4, 0, 0, 4)},
		dataset.NPY{Name: "y_train", Type: "<i8", Shape: "(8,)", Elements: dataset.Longs(0, 1, 0, 1, 0, 1, 0, 1)},
		dataset.NPY{Name: "x_test", Type: "<f8", Shape: "(4, 2)", Elements: dataset.Doubles(1.5, 0, 0, 1.5, 2.5, 0, 0, 2.5)},
		dataset.NPY{Name: "y_test", Type: "|u1", Shape: "(4,)", Elements: []byte{0, 1, 0, 1}},
	)
	for _, c := range []struct {
		name, model, data string
		accuracy          float64
	}{
		{"cifar, a perceptron", "{kind: mlp, hidden: [16]}", "{source: cifar, dir: " + dataset.CIFARFolder(t, 10, 20) + ", pixels: {mean: 0.25, deviation: 0.1}, partition: {clients: 4}}", .3},
		{"cifar, convolutions", "{kind: layers, layers: [{conv: 4, size: 3, activation: relu}, {maxpool: 4}]}",
			"{source: cifar, dir: " + dataset.CIFARFolder(t, 10, 20) + ", pixels: {mean: 0.25, deviation: 0.1}, partition: {clients: 4}}", .3},
		{"emnist", "{kind: softmax}", "{source: emnist, split: digits, dir: " + dataset.EMNISTFolder(t, "digits", 80) + ", partition: {kind: shards, clients: 8}}", .15},
		{"npz", "{kind: softmax}", "{source: npz, npz: {path: " + rows + "}, partition: {clients: 2}}", .99},
		{"folder", "{kind: layers, layers: [{conv: 2, size: 3, activation: relu}]}",
			"{source: folder, size: 8, dir: " + dataset.PictureFolder(t, 10, "train", "test") + ", partition: {clients: 4}}", .9},
		{"moons", "{kind: mlp, hidden: [16]}", "{source: synthetic, generator: {kind: moons}, partition: {clients: 5}}", .85},
		{"blobs", "{kind: softmax}", "{source: synthetic, generator: {kind: blobs, features: 5}, partition: {kind: dirichlet, alpha: 0.5, clients: 5}}", .9},
		{"linear", "{kind: linear}", "{source: synthetic, generator: {kind: linear}, partition: {clients: 5}}", 0},
		{"fedprox", "{kind: softmax}", "{source: synthetic, generator: {kind: fedprox, alpha: 0, beta: 0}, partition: {clients: 8}}", .3},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := "name: x\nmodel: " + c.model + "\ndata: " + c.data + "\nstrategy: {kind: fedavg, fraction: 1, epochs: 2, batch: 10, lr: 0.05}\nstop: {rounds: 10}\n"
			tk, err := task.Parse("x.yaml", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			d, err := dataset.Open(tk)
			if err != nil {
				t.Fatal(err)
			}
			result, err := simulate.Run(t.Context(), tk, d, simulate.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if c.name == "linear" {
				// The noise has a deviation of 0.1; nothing learned is off by about 3.
				if e := result.Final.TestRMSE; e == nil || *e > .2 {
					t.Errorf("RMSE %v, want about 0.1", e)
				}
				return
			}
			if a := result.Final.TestAccuracy; a == nil || *a < c.accuracy {
				t.Errorf("accuracy %v, want at least %v", *a, c.accuracy)
			}
		})
	}
}

// A model that the shape of the examples does not allow is refused with its line.
func TestShapeRefused(t *testing.T) {
	text := "name: x\nmodel: {kind: layers, layers: [{conv: 4, size: 5}]}\ndata: {source: synthetic, generator: {kind: blobs, features: 9}}\nstrategy: {kind: fedavg, lr: 0.1}\nstop: {rounds: 1}\n"
	if _, err := task.Parse("x.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), "x.yaml:2: model.layers[0], conv: input shape: [9], want [height, width]") {
		t.Errorf("got %v", err)
	}
}
