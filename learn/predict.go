package learn

import (
	"fmt"
	"math"
)

// Outputs returns the outputs of the last layer, [n, Spec().Outputs()], for the
// examples x, [n, features]. An error wraps ErrConfig.
func Outputs(m Model, params, x []float32) ([]float32, error) {
	spec := m.Spec()
	features, k := spec.Features(), spec.Outputs()
	switch {
	case len(params) != m.Layout().Size:
		return nil, fmt.Errorf("learn: parameters: %d, want %d: %w", len(params), m.Layout().Size, ErrConfig)
	case len(x)%features != 0:
		return nil, fmt.Errorf("learn: %d values, want a multiple of %d for an input of shape %v: %w", len(x), features, spec.Input, ErrConfig)
	}
	n, block := len(x)/features, pieceOf(m)
	worker := m.NewWorker(block)
	targets := make([]float32, block) // any will do: the loss is not used
	z := make([]float32, 0, n*k)
	for at := 0; at < n; at += block {
		count := min(block, n-at)
		worker.Evaluate(params, x[at*features:][:count*features], targets[:count])
		z = append(z, worker.Outputs()...)
	}
	return z, nil
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
