// Package dataset loads the data that a task names, divides it into the
// task's shards and makes the task's model for it.
package dataset

import (
	"fmt"
	"runtime"

	"fedtab/coordinator/task"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/rng"
	"fedtab/run"
	"fedtab/strategy"
)

// A Dataset is a task's data on the coordinator's side.
type Dataset struct {
	Summary string    // one line for people
	Public  bool      // the coordinator may hand its examples out
	Train   *data.Set // what the clients learn from
	Test    *data.Set // what versions are evaluated on
	Shards  [][]int32 // indices into Train, one list for each client of the partition
	Packed  [][]byte  // the shards as they are served, once Pack has been called
	Hash    [32]byte  // of the examples of the shards, before they are compressed; likewise

	Features []string // names, of a table
	Target   string   // the column that is predicted, of a table
	Classes  []string // names by label, where they have any
	Notes    []string // what was done to the data, a line each
}

// Open loads and divides the data of a task.
func Open(t *task.Task) (*Dataset, error) {
	d, err := load(t)
	if err != nil {
		return nil, fmt.Errorf("task %s: %w", t.Name, err)
	}
	if err := d.scale(t.Data.Pixels); err != nil {
		return nil, fmt.Errorf("task %s: data.pixels: %w", t.Name, err)
	}
	if t.Strategy.Scheme().Central { // one learner with all of it
		all := make([]int32, d.Train.Len())
		for i := range all {
			all[i] = int32(i)
		}
		d.Shards = [][]int32{all}
		return d, nil
	}
	d.Shards, err = partition(d.Train, t.Data.Partition, rng.Derive(t.Seed, "partition"))
	if err != nil {
		return nil, fmt.Errorf("task %s: data.partition: %w", t.Name, err)
	}
	return d, nil
}

func load(t *task.Task) (*Dataset, error) {
	switch t.Data.Source {
	case "mnist":
		return loadMNIST()
	case "fashion-mnist":
		return loadFashion(t.Data.Dir)
	case "anes96":
		return loadANES96(t)
	}
	var d *Dataset
	var err error
	switch t.Data.Source {
	case "idx":
		d, err = loadIDX(t.Data.IDX)
	case "csv":
		d, err = loadCSV(t)
	default:
		return nil, fmt.Errorf("data.source is %q, which is no source", t.Data.Source)
	}
	if err != nil {
		return nil, err
	}
	d.Public = t.Data.Public
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

// Model returns the task's model for the data. The error is a *task.Error when
// they do not fit each other.
func (d *Dataset) Model(t *task.Task) (learn.Model, error) {
	if err := t.Fits(d.Train.Shape, d.Train.Classes()); err != nil {
		return nil, err
	}
	m, err := learn.New(t.Model.Spec(d.Train.Shape, d.Train.Classes(), t.Seed))
	if err != nil {
		return nil, fmt.Errorf("task %s: model: %w", t.Name, err)
	}
	return m, nil
}

// Strategy returns the task's strategy for the model, or why it fits it ill.
// Live, participants come and go; otherwise each shard is a client.
func (d *Dataset) Strategy(t *task.Task, m learn.Model, live bool) (strategy.Strategy, error) {
	setup := strategy.Setup{
		Seed: t.Seed, MinCohort: 1, Live: live, Clients: len(d.Shards),
		Parameters: m.Layout().Size, Convex: m.Spec().Convex(),
	}
	if a := t.Devices.Availability; a < 1 {
		setup.Quorum = max(1, int(a*float64(len(d.Shards))/2)) // from those who are there: at least half as many as usual
	}
	if live {
		setup.MinCohort, setup.Clients = 2, 0
	}
	if t.Optimiser.Kind == "momentum" {
		setup.ClientMomentum = t.Optimiser.Momentum
	}
	s, err := strategy.New(t.Strategy, setup)
	if err != nil {
		return nil, fmt.Errorf("task %s: %w", t.Name, err)
	}
	return s, nil
}

// Evaluator returns a function that measures a model on the test set: mean
// loss and the share of examples classified rightly. It uses every core.
func (d *Dataset) Evaluator(m learn.Model) run.Evaluator { return EvaluatorOf(m, d.Test) }

// EvaluatorOf does the same on any examples that are of the model's shape.
func EvaluatorOf(m learn.Model, test data.Examples) run.Evaluator {
	return func(params []float32) (float64, float64, int) {
		s, err := learn.Evaluate(m, params, test, runtime.GOMAXPROCS(0))
		if err != nil {
			panic(err) // the model was made for this data
		}
		n := float64(s.Examples)
		return s.Loss / n, float64(s.Correct) / n, s.Examples
	}
}
