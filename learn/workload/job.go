package workload

import (
	"fmt"

	"fedtab/learn"
	"fedtab/learn/data"
)

// Job is a training that every engine repeats: some steps of SGD from given parameters, on
// the same mini-batches.
type Job struct {
	Spec  learn.Spec
	Batch int     // examples in a mini-batch
	LR    float32 // learning rate
	Steps int     // mini-batches
	Every int     // steps between two readings of the loss; divides Steps
	Seed  uint64  // of the order of the examples, and of Params
}

// Seed is the seed of the parameters, the dense inputs and the order of the examples.
const Seed = 1

// NewJob returns the job of a model, "2nn" or "cnn", on an input, "mnist" or "dense", in
// mini-batches of a size. A pass takes half a second or less on a fast core, and reads the
// loss once; the caller may change Steps and Every.
func NewJob(model, input string, batch int) (Job, error) {
	j := Job{Batch: batch, LR: .1, Steps: 200, Seed: Seed}
	if batch < 1 {
		return Job{}, fmt.Errorf("workload: mini-batches of %d, want >= 1", batch)
	}
	switch model {
	case "2nn":
		j.Spec = learn.MLP(shape, []int{200, 200}, classes)
		if batch > 100 {
			j.Steps = 100
		}
	case "cnn":
		j.Spec = cnn()
		j.Steps = max(2, 200/batch)
	default:
		return Job{}, fmt.Errorf("workload: model %q, want 2nn or cnn", model)
	}
	switch input {
	case "mnist", "dense":
	default:
		return Job{}, fmt.Errorf("workload: input %q, want mnist or dense", input)
	}
	if model == "cnn" || input == "dense" {
		j.LR = .05 // of .1 the first steps are so large that rounding decides where they lead
	}
	j.Every = j.Steps
	return j, nil
}

// cnn is the convolutional network of McMahan et al. (2017), section 3.
func cnn() learn.Spec {
	conv := func(channels int) learn.Layer {
		return learn.Layer{Kind: learn.Conv, Units: channels, Size: 5, Same: true, Activation: learn.ReLU}
	}
	pool := learn.Layer{Kind: learn.MaxPool, Size: 2}
	return learn.Spec{Input: shape, Layers: []learn.Layer{
		conv(32), pool, conv(64), pool,
		{Kind: learn.Dense, Units: 512, Activation: learn.ReLU}, {Kind: learn.Dense, Units: classes},
	}}
}

// Params returns the parameters that the job begins at.
func (j Job) Params() ([]float32, error) {
	m, err := learn.New(j.Spec)
	if err != nil {
		return nil, err
	}
	params := make([]float32, m.Layout().Size)
	m.Init(params, j.Seed)
	return params, nil
}

// Samples returns how many examples are trained on, repetitions included.
func (j Job) Samples() int { return j.Batch * j.Steps }

// Trainer repeats a job.
type Trainer struct {
	job    Job
	fit    *learn.Fit
	from   []float32
	params []float32
	set    data.Examples
}

// NewTrainer returns a Trainer of a job, which begins at params and takes its examples
// from set.
func NewTrainer(j Job, params []float32, set data.Examples) (*Trainer, error) {
	m, err := learn.New(j.Spec)
	if err != nil {
		return nil, err
	}
	if j.Every < 1 || j.Steps%j.Every != 0 {
		return nil, fmt.Errorf("workload: the loss is read every %d of %d steps, want a divisor", j.Every, j.Steps)
	}
	if set.Len()%j.Batch != 0 {
		return nil, fmt.Errorf("workload: %d examples in mini-batches of %d, want a multiple", set.Len(), j.Batch)
	}
	return &Trainer{job: j, fit: learn.NewFit(m), from: params, params: make([]float32, len(params)), set: set}, nil
}

// Pass trains once, by the steps that a tab takes, and returns the learning curve: the mean
// loss of each Every mini-batches, every mini-batch before its step.
func (t *Trainer) Pass() (curve []float64, err error) {
	j := t.job
	copy(t.params, t.from)
	if err := t.fit.Start(t.params, t.set, learn.FitConfig{Steps: j.Steps, Batch: j.Batch, LR: j.LR, Seed: j.Seed}); err != nil {
		return nil, err
	}
	for done := false; !done; {
		before, until := t.fit.Sums(), t.fit.Steps()+j.Every
		for !done && t.fit.Steps() < until { // Run counts the pieces of a large mini-batch
			if done, err = t.fit.Run(1); err != nil {
				return nil, err
			}
		}
		after := t.fit.Sums()
		curve = append(curve, (after.Loss-before.Loss)/float64(after.Examples-before.Examples))
	}
	return curve, nil
}

// recorder remembers which examples are asked for.
type recorder struct {
	data.Examples
	order []int32
}

func (r *recorder) Fill(x, y []float32, index []int32) {
	r.order = append(r.order, index...)
	r.Examples.Fill(x, y, index)
}

// Reference trains a job once and returns its curve, and the examples of all mini-batches
// one after the other.
func Reference(j Job, params []float32, set data.Examples) (curve []float64, order []int32, err error) {
	r := &recorder{Examples: set}
	t, err := NewTrainer(j, params, r)
	if err != nil {
		return nil, nil, err
	}
	if curve, err = t.Pass(); err != nil {
		return nil, nil, err
	}
	if len(r.order) != j.Samples() {
		return nil, nil, fmt.Errorf("workload: %d examples were trained on, want %d", len(r.order), j.Samples())
	}
	return curve, r.order, nil
}
