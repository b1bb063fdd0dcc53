package learn

import (
	"fmt"
	"math"
)

// Outputs returns the outputs of the last layer, [n, Spec().Outputs()], for the
// examples x, [n, features]. An error wraps ErrConfig.
func Outputs(m Model, params, x []float32) ([]float32, error) {
	p, err := NewPredictor(m, params, 0)
	if err != nil {
		return nil, err
	}
	spec := m.Spec()
	features := spec.Features()
	if len(x)%features != 0 {
		return nil, fmt.Errorf("learn: %d values, want a multiple of %d for an input of shape %v: %w", len(x), features, spec.Input, ErrConfig)
	}
	n := len(x) / features
	z := make([]float32, 0, n*spec.Outputs())
	for at := 0; at < n; at += p.Batch() {
		count := min(p.Batch(), n-at)
		z = append(z, p.Outputs(x[at*features:][:count*features])...)
	}
	return z, nil
}

// Predictor computes outputs batch by batch. It is not safe for concurrent use.
type Predictor struct {
	worker   Worker
	params   []float32
	targets  []float32 // any will do: the loss is not used
	features int
}

// NewPredictor returns a Predictor for batches of up to maxBatch examples, 0 for a size
// at which many examples are fast. It keeps params. An error wraps ErrConfig.
func NewPredictor(m Model, params []float32, maxBatch int) (*Predictor, error) {
	if len(params) != m.Layout().Size {
		return nil, fmt.Errorf("learn: parameters: %d, want %d: %w", len(params), m.Layout().Size, ErrConfig)
	}
	if maxBatch == 0 {
		maxBatch = pieceOf(m)
	}
	spec := m.Spec()
	return &Predictor{m.NewWorker(maxBatch), params, make([]float32, maxBatch), spec.Features()}, nil
}

// Batch returns the max number of examples of a batch.
func (p *Predictor) Batch() int { return len(p.targets) }

// Outputs returns the outputs of the last layer for a batch x, [n, features], as
// [n, Spec().Outputs()]. They are valid until the next call. It allocates on its first
// call only, and panics if x is of another shape.
func (p *Predictor) Outputs(x []float32) []float32 {
	p.worker.Evaluate(p.params, x, p.targets[:len(x)/p.features])
	return p.worker.Outputs()
}

// Measure returns the metrics of examples with outputs z, [len(targets), Outputs()], and
// targets: values in a regression, otherwise classes. The loss is not among them.
func (s *Spec) Measure(z, targets []float32) Metrics {
	var m Metrics
	s.measure(&m, z, targets)
	m.Examples = len(targets)
	for c, classes := 0, m.Classes(); c < classes; c++ {
		m.Correct += int(m.Confusion[c*classes+c])
	}
	return m
}

// HasProbabilities reports whether Scores gives probabilities. A support vector
// machine has none.
func (s *Spec) HasProbabilities() bool { return s.Loss == Softmax || s.Loss == Logistic }

// Scores overwrites scores, [Classes()], with the probability of each class for the
// outputs z of one example: the softmax; the logistic function of a single output,
// and its complement for class 0; with one-vs-rest the logistic function of each
// output, divided by their sum. With the loss Hinge the scores are the outputs, -z
// and z for a single one. It panics for a regression.
func (s *Spec) Scores(scores []float64, z []float32) {
	switch {
	case s.Loss.Regression():
		panic("learn: scores of a regression")
	case len(z) == 1 && s.Loss == Hinge:
		scores[0], scores[1] = -float64(z[0]), float64(z[0])
		return
	case len(z) == 1:
		scores[0], scores[1] = sigmoid(-float64(z[0])), sigmoid(float64(z[0]))
		return
	}
	top := math.Inf(-1)
	for c, v := range z {
		scores[c] = float64(v)
		if s.Loss == Logistic {
			scores[c] = logSigmoid(float64(v))
		}
		top = max(top, scores[c])
	}
	if s.Loss == Hinge {
		return
	}
	sum := 0.
	for c := range z {
		scores[c] = math.Exp(scores[c] - top)
		sum += scores[c]
	}
	for c := range z {
		scores[c] /= sum
	}
}

// logSigmoid is log(1 / (1 + exp(-x))), without overflow.
func logSigmoid(x float64) float64 {
	if x < 0 {
		return x - math.Log1p(math.Exp(x))
	}
	return -math.Log1p(math.Exp(-x))
}
