package study

import (
	"fmt"
	"math"
	"math/rand/v2"

	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/kernel"
	"fedtab/learn/rng"
)

// Width is the end of Figure 1's axis, which begins at 0.
const Width = 10

// True is the curve of Figure 1 without noise: y = sin x + 0.3 x.
func True(x float64) float64 { return math.Sin(x) + .3*x }

// Points returns n points of the curve with normal noise of a standard deviation, in the
// order in which the seed draws them.
func Points(seed uint64, n int, noise float64) (xs, ys []float32) {
	r := rand.New(rand.NewPCG(rng.Derive(seed, "points"), 0))
	for range n {
		x := Width * r.Float64()
		y := True(x) + noise*r.NormFloat64()
		xs, ys = append(xs, float32(x)), append(ys, float32(y))
	}
	return xs, ys
}

// Grid returns n places at equal distances, and the curve there.
func Grid(n int) (xs, ys []float32) {
	for i := range n {
		x := Width * (float64(i) + .5) / float64(n)
		xs, ys = append(xs, float32(x)), append(ys, float32(True(x)))
	}
	return xs, ys
}

// Regression is support vector regression with a Gaussian kernel by random features: it
// minimises lambda/2 |w|^2 + mean max(0, |y - f| - 0.02).
//
// Its features are computed once, so that a step is one of a linear model: the bits are
// those of a model with a layer of features.
type Regression struct {
	w, b     []float32 // of the features
	model    learn.Model
	fit      *learn.Fit
	examples *data.Set
	params   []float32
	rate     float64 // of the stage
	last     float64 // stages end above it
	seed     uint64
}

// The features: exp(-gamma |x - x'|^2) is narrow enough that a curve can go through every
// point.
const (
	features = 100
	gamma    = 4
	epsilon  = .02
)

// Each stage has half of the rate of the one before: subgradients need rates that fall.
const (
	stageSteps = 800
	lastRate   = 1e-4 // share of the first rate
)

// NewRegression begins a regression of points with a lambda > 0. seed is that of the
// training. The error wraps data.ErrFormat or learn.ErrConfig.
func NewRegression(xs, ys []float32, lambda float64, seed uint64) (*Regression, error) {
	r := &Regression{seed: seed, rate: min(1, .1/lambda)}
	r.last = lastRate * r.rate
	r.w, r.b = learn.RandomFeatures(1, learn.Layer{Kind: learn.RBF, Units: features, Gamma: gamma, Seed: 1})
	var err error
	if r.examples, err = data.NewMeasured([]int{features}, r.features(xs), ys); err != nil {
		return nil, fmt.Errorf("study: points: %w", err)
	}
	r.model, err = learn.New(learn.Spec{
		Input: []int{features}, Loss: learn.EpsilonInsensitive, Epsilon: epsilon, L2: float32(lambda),
		Layers: []learn.Layer{{Kind: learn.Dense, Units: 1}},
	})
	if err != nil {
		return nil, fmt.Errorf("study: %w", err)
	}
	r.params, r.fit = make([]float32, r.model.Layout().Size), learn.NewFit(r.model)
	return r, r.begin()
}

// features returns the features of places, [len(xs), features].
func (r *Regression) features(xs []float32) []float32 {
	y := make([]float32, len(xs)*features)
	kernel.Forward(y, xs, r.w, r.b, len(xs), 1, features, false)
	scale := math.Sqrt(2. / features)
	for i, v := range y {
		y[i] = float32(scale * math.Cos(float64(v)))
	}
	return y
}

// begin begins a stage.
func (r *Regression) begin() error {
	err := r.fit.Start(r.params, r.examples, learn.FitConfig{
		Steps: stageSteps, LR: float32(r.rate), Seed: r.seed, Optimiser: learn.Optimiser{Kind: learn.Momentum, Momentum: 0.95},
	})
	if err != nil {
		return fmt.Errorf("study: %w", err)
	}
	return nil
}

// Run takes at most a number of steps, and reports whether the regression is done. The error
// wraps learn.ErrDiverged.
func (r *Regression) Run(steps int) (done bool, err error) {
	for steps > 0 && r.rate > r.last {
		n := min(steps, stageSteps-r.fit.Steps())
		over, err := r.fit.Run(n)
		if err != nil {
			return false, fmt.Errorf("study: lambda %g: %w", r.model.Spec().L2, err)
		}
		steps -= n
		if over {
			r.rate *= .5
			if err := r.begin(); err != nil {
				return false, err
			}
		}
	}
	return r.rate <= r.last, nil
}

// At returns the curve of the regression at places.
func (r *Regression) At(xs []float32) []float32 {
	worker := r.model.NewWorker(len(xs))
	worker.Evaluate(r.params, r.features(xs), make([]float32, len(xs)))
	return append([]float32(nil), worker.Outputs()...)
}

// Bias returns what the curve is where no feature counts.
func (r *Regression) Bias() float64 { return float64(r.params[features]) }

// MeanError returns the mean absolute difference of two curves at the same places.
func MeanError(got, want []float32) float64 {
	var sum float64
	for i, y := range got {
		sum += math.Abs(float64(y) - float64(want[i]))
	}
	return sum / float64(len(got))
}
