// Package dataset loads the data that a task names, divides it into the
// task's shards and makes the task's model for it.
package dataset

import (
	"fmt"
	"runtime"

	"fedtab/coordinator/run"
	"fedtab/coordinator/task"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/rng"
)

// A Dataset is a task's data on the coordinator's side.
type Dataset struct {
	Summary string    // one line for people
	Public  bool      // the coordinator may hand its examples out
	Train   *data.Set // what the clients learn from
	Test    *data.Set // what versions are evaluated on
	Shards  [][]int32 // indices into Train, one list for each client of the partition
	Packed  [][]byte  // the shards as they are served, once Pack has been called
}

// Open loads and divides the data of a task.
func Open(t *task.Task) (*Dataset, error) {
	var d *Dataset
	var err error
	switch t.Data.Source {
	case "mnist":
		d, err = loadMNIST()
	default:
		err = fmt.Errorf("data.source is %q, want \"mnist\"", t.Data.Source)
	}
	if err != nil {
		return nil, fmt.Errorf("task %s: %w", t.Name, err)
	}
	p := t.Data.Partition
	seed := rng.Derive(t.Seed, "partition")
	switch p.Kind {
	case "iid":
		d.Shards, err = data.IID(d.Train.Len(), p.Clients, seed)
	case "shards":
		d.Shards, err = data.LabelShards(d.Train.Y, p.Clients, p.PerClient, seed)
	case "dirichlet":
		d.Shards, err = data.Dirichlet(d.Train.Y, d.Train.Classes(), p.Clients, p.Alpha, seed)
	default:
		err = fmt.Errorf("data.partition.kind is %q", p.Kind)
	}
	if err != nil {
		return nil, fmt.Errorf("task %s: data.partition: %w", t.Name, err)
	}
	return d, nil
}

// Sizes returns how many examples each shard has.
func (d *Dataset) Sizes() []int {
	sizes := make([]int, len(d.Shards))
	for i, s := range d.Shards {
		sizes[i] = len(s)
	}
	return sizes
}

// Model returns the task's model for the data.
func (d *Dataset) Model(t *task.Task) (learn.Model, error) {
	m, err := learn.New(t.Model.Spec(d.Train.Shape, d.Train.Classes(), t.Seed))
	if err != nil {
		return nil, fmt.Errorf("task %s: model: %w", t.Name, err)
	}
	return m, nil
}

// Evaluator returns a function that measures a model on the test set: mean
// loss and the share of examples classified rightly. It uses every core.
func (d *Dataset) Evaluator(m learn.Model) run.Evaluator {
	return func(params []float32) (float64, float64, int) {
		s, err := learn.Evaluate(m, params, d.Test, runtime.GOMAXPROCS(0))
		if err != nil {
			panic(err) // the model was made for this data
		}
		n := float64(s.Examples)
		return s.Loss / n, float64(s.Correct) / n, s.Examples
	}
}
