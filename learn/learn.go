// Package learn describes models, computes their gradients and runs local
// training in slices.
//
// It is pure computation. It reads no clock and no network, starts goroutines
// only where a caller asks Evaluate for them, and with equal arguments gives
// equal bits on one build and processor.
//
// The parameters of a model are one flat []float32; a [Layout] names its parts. A
// [Spec] describes a model on the wire; [New] returns the [Model], whose Workers
// hold the buffers of the computation. [Fit] is the training loop of a client:
// epochs of mini-batch SGD over examples that are shuffled from a seed.
//
// # Version 0
//
// All participants generate the same initial parameters, so their construction is
// part of the protocol. Tensor i of the layout, counted from 0
// with the biases included, is filled in order. Biases are zero. The weights of
// a layer with fan_in inputs per unit are uniform in [-b, b), after He et al.
// (2015):
//
//	b     = binary32(sqrt(6 / fan_in))    // computed in binary64, rounded once
//	state = Derive(seed, "init", i)       // package rng
//	u     = next SplitMix64 output >> 40  // the top 24 bits
//	value = (binary32(u) * 2^-23 - 1) * b
//
// The last line is binary32 arithmetic with every operation rounded by itself
// (no fused multiply-add); the part in parentheses is exact. A layer [in, out]
// is stored row by row, out being the faster index; the weights of a
// convolution are [height, width, channels, out] in the same way, and their
// fan_in is height * width * channels. [Hash] of the result is
// what participants compare.
package learn

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"fedtab/learn/digest"
)

// Tensor is a named part of the flat vector of parameters.
type Tensor struct {
	Name   string
	Shape  []int
	Offset int // of its first element
}

// Size returns the number of elements.
func (t Tensor) Size() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Of returns the tensor's part of params.
func (t Tensor) Of(params []float32) []float32 {
	end := t.Offset + t.Size()
	return params[t.Offset:end:end]
}

// Layout names the parts of the flat vector of parameters.
type Layout struct {
	Tensors []Tensor // one after the other, without gaps
	Size    int      // of the whole vector
}

// Row returns the length of the tensor's rows, its last dimension; 0 if it has
// only one.
func (t Tensor) Row() int {
	if len(t.Shape) < 2 {
		return 0
	}
	return t.Shape[len(t.Shape)-1]
}

// Sums are totals over examples; divide by Examples for means.
type Sums struct {
	Examples int
	Loss     float64 // sum of the examples' losses
	Correct  int     // examples classified correctly; 0 in regression
}

// Add adds t to s.
func (s *Sums) Add(t Sums) {
	s.Examples += t.Examples
	s.Loss += t.Loss
	s.Correct += t.Correct
}

// Model is a model without its parameters. It is safe for concurrent use.
type Model interface {
	// Spec returns what the model was made from.
	Spec() Spec
	// Layout returns the layout of the parameters. It must not be changed.
	Layout() Layout
	// Init fills params, of length Layout().Size, with version 0 of the run
	// with the given seed.
	Init(params []float32, seed uint64)
	// NewWorker returns the buffers for batches of up to maxBatch examples.
	NewWorker(maxBatch int) Worker
	// Penalty returns the L1 and L2 terms of the mean loss. The gradients include
	// them, the Sums do not.
	Penalty(params []float32) float64
	// Cost returns the size of the model and its operations for an example.
	Cost() Cost
}

// Cost is the size of a model and its number of operations for one example.
type Cost struct {
	Parameters int
	Forward    int // floating-point operations for one example, a multiplication and an addition counting as two
	Training   int // the same with the gradient
	Numbers    int // between the layers and their gradients, for one example; FitConfig.Memory has the bytes
}

// Worker computes losses and gradients. It is not safe for concurrent use; its
// methods allocate on their first use only. params has length Layout().Size, x is [len(y),
// features], y holds targets: values in regression, otherwise classes below
// Outputs (below 2 for one output). len(y) is at most the worker's maxBatch. Other
// shapes panic. The Sums are of the batch, before the step.
type Worker interface {
	// Step does one step of SGD on the mean loss of the batch, penalties
	// included: params -= lr * gradient.
	Step(params, x, y []float32, lr float32) Sums
	// Gradient overwrites grad, which is like params, with the sum over the
	// batch of the examples' gradients, penalties included.
	Gradient(grad, params, x, y []float32) Sums
	// Evaluate computes the loss and counts correct answers.
	Evaluate(params, x, y []float32) Sums
	// Outputs returns the outputs of the last batch, [examples, Spec().Outputs()],
	// row-major. They are valid until the next call of another method.
	Outputs() []float32
	// Seed seeds the random numbers of the next Steps and Gradients (dropout).
	Seed(seed uint64)
}

// New makes the model that spec describes.
func New(spec Spec) (Model, error) {
	shapes, problems := spec.shapes()
	if len(problems) > 0 {
		errs := make([]error, len(problems))
		for i, p := range problems {
			errs[i] = p
		}
		return nil, errors.Join(errs...)
	}
	return newNet(spec, shapes), nil
}

// Hash returns the SHA-256 of the parameters, written one after the other as
// little-endian IEEE 754 binary32.
func Hash(params []float32) [32]byte {
	h := digest.New()
	var buf [4096]byte
	for len(params) > 0 {
		n := min(len(params), len(buf)/4)
		for i, v := range params[:n] {
			binary.LittleEndian.PutUint32(buf[4*i:], math.Float32bits(v))
		}
		h.Write(buf[:4*n])
		params = params[n:]
	}
	return h.Sum()
}

// checkBatch panics when a batch is larger than a worker's or of another shape.
func checkBatch(n, features, maxBatch int, x []float32) {
	if n > maxBatch || len(x) != n*features {
		panic(fmt.Sprintf("learn: batch of %d examples with %d numbers, want at most %d examples of %d", n, len(x), maxBatch, features))
	}
}
