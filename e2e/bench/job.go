package bench

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
	Seed  uint64  // of the order of the examples
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
		return nil, fmt.Errorf("bench: the loss is read every %d of %d steps, want a divisor", j.Every, j.Steps)
	}
	if set.Len()%j.Batch != 0 {
		return nil, fmt.Errorf("bench: %d examples in mini-batches of %d, want a multiple", set.Len(), j.Batch)
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
		return nil, nil, fmt.Errorf("bench: %d examples were trained on, want %d", len(r.order), j.Samples())
	}
	return curve, r.order, nil
}

// Layer is a layer as the peers' scripts build it.
type Layer struct {
	Kind   string  `json:"kind"` // dense, conv with same padding, maxpool
	Size   int     `json:"size,omitempty"`
	ReLU   bool    `json:"relu,omitempty"`
	Weight *Tensor `json:"weight,omitempty"`
	Bias   *Tensor `json:"bias,omitempty"`
}

// Tensor is a part of the parameters.
type Tensor struct {
	Offset int   `json:"offset"`
	Shape  []int `json:"shape"`
}

// Layers describes a model to the peers' scripts. The error names a layer that they do not
// have.
func Layers(m learn.Model) (layers []Layer, err error) {
	spec, tensors := m.Spec(), m.Layout().Tensors
	for i, l := range spec.Layers {
		out := Layer{Kind: l.Kind.String(), Size: l.Size, ReLU: l.Activation == learn.ReLU}
		known := l.Activation == learn.Identity || l.Activation == learn.ReLU
		switch l.Kind {
		case learn.Dense:
		case learn.Conv:
			known = known && l.Same && l.Stride <= 1
		case learn.MaxPool:
			known = known && !l.Same && (l.Stride == 0 || l.Stride == l.Size)
		default:
			known = false
		}
		if !known {
			return nil, fmt.Errorf("bench: layer %d is %+v, want dense, conv with same padding and stride 1, or maxpool, with ReLU or nothing", i, l)
		}
		if l.Kind != learn.MaxPool {
			out.Weight = &Tensor{tensors[0].Offset, tensors[0].Shape}
			out.Bias = &Tensor{tensors[1].Offset, tensors[1].Shape}
			tensors = tensors[2:]
		}
		layers = append(layers, out)
	}
	return layers, nil
}
