package learn

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"fedtab/learn/data"
	"fedtab/learn/kernel"
	"fedtab/learn/rng"
)

// FitConfig is the configuration of local training.
type FitConfig struct {
	Epochs int     // passes over the examples
	Steps  int     // mini-batches; 0 goes by Epochs, more than 0 overrides it
	Batch  int     // examples in a mini-batch; 0 is all of them
	LR     float32 // learning rate, on the mean loss of a mini-batch
	Seed   uint64  // of the order in which examples are taken, and of dropout

	Optimiser Optimiser

	// From is the number of mini-batches that earlier orders have taken from
	// the same stream. They are skipped.
	From int
	// Prox is FedProx's mu: mu (w - w_0) is added to the gradient, w_0 being
	// the parameters at Start.
	Prox float32
	// Correction is added to the gradient of every mini-batch; nil adds
	// nothing. SCAFFOLD's is c - c_i. It must not change while training.
	Correction []float32
	// SumOnly takes no step: Fit.GradientSum returns the sum of the gradients of
	// one mini-batch. Epochs and Steps are ignored.
	SumOnly bool
}

// Validate reports everything that is wrong with c. Each problem wraps
// ErrConfig.
func (c FitConfig) Validate() error {
	var problems []error
	bad := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("learn: %s: %w", fmt.Sprintf(format, args...), ErrConfig))
	}
	if c.Steps < 0 || c.Steps > math.MaxInt32 {
		bad("%d steps, want 0 to %d", c.Steps, math.MaxInt32)
	}
	if c.Epochs < 0 || c.Epochs > math.MaxInt32 {
		bad("%d epochs, want 0 to %d", c.Epochs, math.MaxInt32)
	}
	if c.Epochs == 0 && c.Steps == 0 && !c.SumOnly {
		bad("neither epochs nor steps")
	}
	if c.Batch < 0 {
		bad("batch of %d examples, want 0 or more", c.Batch)
	}
	if c.From < 0 || c.From > math.MaxInt32 {
		bad("from mini-batch %d, want 0 to %d", c.From, math.MaxInt32)
	}
	if !(c.Prox >= 0) || math.IsInf(float64(c.Prox), 1) {
		bad("proximal term is %v, want 0 or a positive number", c.Prox)
	}
	if !(c.LR > 0) || math.IsInf(float64(c.LR), 1) {
		bad("learning rate is %v, want a positive number", c.LR)
	}
	if err := c.Optimiser.Validate(); err != nil {
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// plain reports whether a step is w -= lr g with g the gradient of the loss.
func (c *FitConfig) plain() bool {
	return c.Optimiser.plain() && c.Prox == 0 && c.Correction == nil && !c.SumOnly
}

// Fit is local training: steps of an Optimiser on mini-batches, in an order that
// is shuffled for each epoch. The last mini-batch of an epoch may be short. Run
// trains in slices, so that the caller regains control between them. A Fit may be
// started repeatedly and keeps its buffers. It is not safe for concurrent use.
//
// A large mini-batch is processed in pieces whose gradients are summed. Memory is
// that of the largest mini-batch that was started, or of a piece if that is smaller.
type Fit struct {
	model  Model
	piece  int    // max examples at a time
	worker Worker // for as many as y has
	x      []float32
	y      []float32
	order  []int32   // examples in the order of the epoch
	sum    []float32 // gradient of the pieces so far; allocated when needed
	part   []float32 // gradient of one piece
	good   []float32 // last snapshot of finite parameters
	base   []float32 // parameters at Start, for the proximal term; allocated when needed
	opt    stepper
	drops  bool // the model draws random numbers
	src    rng.Source
	rand   *rand.Rand

	params   []float32
	examples data.Examples
	cfg      FitConfig
	batch    int  // examples in a full mini-batch
	plain    bool // steps of SGD on the gradient as it is, which workers take by themselves
	planned  int  // steps
	steps    int  // done
	epoch    int
	at       int // examples of this epoch that are done
	pieced   int // examples of this mini-batch that are summed but not yet applied
	sums     Sums
	err      error
}

// pieceOf returns the max number of examples of a model in a piece.
func pieceOf(m Model) int { return atOnce(m.Cost().Numbers) }

// atOnce returns the number of examples in a piece, given the number of values
// that one example takes: large enough to be fast, at most 16 MB of values.
func atOnce(numbers int) int { return min(max((1<<22)/numbers, 1), 256) }

// NewFit returns a Fit for models like m. Call Start next.
func NewFit(m Model) *Fit {
	f := &Fit{model: m, piece: pieceOf(m)}
	f.rand = rand.New(&f.src)
	f.drops = slices.ContainsFunc(m.Spec().Layers, func(l Layer) bool { return l.Kind == Dropout && l.Rate > 0 })
	return f
}

// Start begins training params, in place, on ex. Training that is under way is
// abandoned. An error wraps ErrConfig.
func (f *Fit) Start(params []float32, ex data.Examples, cfg FitConfig) error {
	f.params, f.examples = nil, nil
	if err := cfg.Validate(); err != nil {
		return err
	}
	if err := compatible(f.model, params, ex); err != nil {
		return err
	}
	n := ex.Len()
	if n == 0 || n > math.MaxInt32 {
		return fmt.Errorf("learn: %d examples, want 1 to %d: %w", n, math.MaxInt32, ErrConfig)
	}
	f.params, f.examples, f.cfg = params, ex, cfg
	f.batch = n
	if cfg.Batch > 0 {
		f.batch = min(cfg.Batch, n)
	}
	f.planned = cfg.Steps
	switch {
	case cfg.SumOnly:
		f.planned = 1
	case cfg.Steps == 0:
		f.planned = cfg.Epochs * f.stepsPerEpoch()
	}
	if cfg.Correction != nil && len(cfg.Correction) != len(params) {
		return fmt.Errorf("learn: correction of length %d, want %d: %w", len(cfg.Correction), len(params), ErrConfig)
	}
	f.plain = cfg.plain()
	if at := min(f.batch, f.piece); len(f.y) < at {
		f.worker = f.model.NewWorker(at)
		f.x, f.y = make([]float32, at*ex.Features()), make([]float32, at)
	}
	if cap(f.order) < n {
		f.order = make([]int32, n)
	}
	f.order = f.order[:n]
	size := f.model.Layout().Size
	if (f.batch > f.piece || !f.plain) && f.sum == nil {
		f.sum = make([]float32, size)
	}
	if f.batch > f.piece && f.part == nil {
		f.part = make([]float32, size)
	}
	f.opt.start(cfg.Optimiser, size)
	if f.good == nil {
		f.good = make([]float32, size)
	}
	copy(f.good, params)
	if cfg.Prox > 0 {
		if f.base == nil {
			f.base = make([]float32, size)
		}
		copy(f.base, params)
	}
	per := f.stepsPerEpoch()
	f.steps, f.epoch, f.at, f.pieced = 0, cfg.From/per, cfg.From%per*f.batch, 0
	f.sums, f.err = Sums{}, nil
	f.shuffle()
	return nil
}

// compatible checks that params and ex have the sizes of m.
func compatible(m Model, params []float32, ex data.Examples) error {
	spec := m.Spec()
	switch {
	case len(params) != m.Layout().Size:
		return fmt.Errorf("learn: parameters: %d, want %d: %w", len(params), m.Layout().Size, ErrConfig)
	case ex.Features() != spec.Features():
		return fmt.Errorf("learn: features: %d, want %d for an input of shape %v: %w", ex.Features(), spec.Features(), spec.Input, ErrConfig)
	case ex.Classes() > spec.Classes():
		return fmt.Errorf("learn: classes: %d, want at most %d: %w", ex.Classes(), spec.Classes(), ErrConfig)
	}
	return nil
}

func (f *Fit) stepsPerEpoch() int { return (f.examples.Len() + f.batch - 1) / f.batch }

// shuffle puts the examples into the order of f.epoch, which depends on the
// seed and the epoch only.
func (f *Fit) shuffle() {
	f.src.Seed(rng.Derive(f.cfg.Seed, "shuffle", uint64(f.epoch)))
	for i := range f.order {
		f.order[i] = int32(i)
	}
	for i := len(f.order) - 1; i > 0; i-- {
		j := f.rand.Uint64N(uint64(i) + 1)
		f.order[i], f.order[j] = f.order[j], f.order[i]
	}
}

// Run trains for at most the given number of mini-batches and reports whether
// training is done. A piece of a large mini-batch counts as a mini-batch. The
// error wraps ErrDiverged when the loss or a parameter is NaN or infinite; params
// are then the last snapshot that was finite, at most lookEvery steps old.
func (f *Fit) Run(steps int) (done bool, err error) {
	if f.params == nil {
		return false, fmt.Errorf("learn: Run without Start: %w", ErrConfig)
	}
	for ; steps > 0 && f.err == nil && f.steps < f.planned; steps-- {
		f.one()
	}
	return f.steps >= f.planned, f.err
}

// one processes a mini-batch, or a piece of one.
func (f *Fit) one() {
	n := len(f.order)
	if f.at == n {
		f.epoch++
		f.at = 0
		f.shuffle()
	}
	batch := min(f.batch, n-(f.at-f.pieced)) // examples in this mini-batch
	count := min(f.piece, batch-f.pieced)
	x, y := f.x[:count*f.examples.Features()], f.y[:count]
	f.examples.Fill(x, y, f.order[f.at:][:count])
	if f.drops {
		f.worker.Seed(rng.Derive(f.cfg.Seed, "dropout", uint64(f.cfg.From+f.steps), uint64(f.pieced)))
	}
	lr := float32(float64(f.cfg.LR) * f.cfg.Optimiser.rate(f.steps, f.planned))
	var sums Sums
	if batch <= f.piece && f.plain {
		sums = f.worker.Step(f.params, x, y, lr)
	} else {
		sums = f.gradient(x, y, batch, lr)
	}
	f.at += count
	f.sums.Add(sums)
	f.pieced += count
	if f.pieced == batch {
		f.pieced = 0
		f.steps++
	}
	// A parameter can be NaN or infinite while every loss so far was finite.
	look := f.pieced == 0 && (f.steps%lookEvery == 0 || f.steps == f.planned)
	if !finite(sums.Loss) || look && !finite(kernel.SquaredNorm(f.params)) {
		f.err = fmt.Errorf("learn: after %d steps at learning rate %v: %w", f.steps, f.cfg.LR, ErrDiverged)
		copy(f.params, f.good)
	} else if look {
		copy(f.good, f.params)
	}
}

// lookEvery is the number of steps between two checks of the parameters. Finite
// parameters are kept as the snapshot.
const lookEvery = 64

// gradient adds a piece to the gradient of a mini-batch, and takes the step with
// the last piece.
func (f *Fit) gradient(x, y []float32, batch int, lr float32) Sums {
	var sums Sums
	if f.pieced == 0 {
		sums = f.worker.Gradient(f.sum, f.params, x, y)
	} else {
		sums = f.worker.Gradient(f.part, f.params, x, y)
		kernel.Axpy(f.sum, 1, f.part)
	}
	if f.pieced+len(y) == batch && !f.cfg.SumOnly {
		if f.plain {
			kernel.Axpy(f.params, -lr/float32(batch), f.sum)
			return sums
		}
		kernel.Scale(f.sum, 1/float32(batch))
		if f.cfg.Correction != nil {
			kernel.Axpy(f.sum, 1, f.cfg.Correction)
		}
		if mu := f.cfg.Prox; mu > 0 {
			kernel.Axpy(f.sum, mu, f.params)
			kernel.Axpy(f.sum, -mu, f.base)
		}
		if f.opt.plain() {
			kernel.Axpy(f.params, -lr, f.sum)
		} else {
			f.opt.step(f.params, f.sum, lr)
		}
	}
	return sums
}

// GradientSum returns the sum of the gradients of a SumOnly training's
// mini-batch. It is valid until the next Start.
func (f *Fit) GradientSum() []float32 { return f.sum }

func finite(v float64) bool { return v-v == 0 }

// Sums returns the totals over the examples seen since Start, each before the
// step that it took part in.
func (f *Fit) Sums() Sums { return f.sums }

// Steps returns the number of optimiser steps since Start.
func (f *Fit) Steps() int { return f.steps }

// TotalExamples returns the number of examples in the whole training; an example
// counts once in each epoch.
func (f *Fit) TotalExamples() int {
	if f.params == nil {
		return 0
	}
	n, per := f.examples.Len(), f.stepsPerEpoch()
	upTo := func(steps int) int { return steps/per*n + steps%per*f.batch }
	from := f.cfg.From % per
	return upTo(from+f.planned) - upTo(from)
}
