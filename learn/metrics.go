package learn

import (
	"math"
	"slices"
)

// Metrics are totals over examples; [Metrics.Figures] computes every figure of an
// evaluation from them. The totals of disjoint sets of examples add up to those of
// their union, so that an evaluation can be divided among participants.
type Metrics struct {
	Sums

	// Confusion counts the examples by class and prediction: Confusion[y*classes+p]
	// examples of class y are taken for p. It is nil in a regression.
	Confusion []int64

	// Of a regression; 0 with classes.
	AbsoluteError float64 // sum of |prediction - target|
	SquaredError  float64 // sum of (prediction - target)^2
	TargetMean    float64 // of the targets
	TargetSquares float64 // sum of the targets' squared deviations from TargetMean
}

// Add adds t to m. Both are of one model.
func (m *Metrics) Add(t Metrics) {
	// Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for
	// computing sample variances", 1979.
	if a, b := float64(m.Examples), float64(t.Examples); b > 0 {
		d := t.TargetMean - m.TargetMean
		m.TargetMean += d * b / (a + b)
		m.TargetSquares += t.TargetSquares + d*d*a*b/(a+b)
	}
	m.AbsoluteError += t.AbsoluteError
	m.SquaredError += t.SquaredError
	m.Sums.Add(t.Sums)
	if m.Confusion == nil {
		m.Confusion = slices.Clone(t.Confusion)
		return
	}
	for i, n := range t.Confusion {
		m.Confusion[i] += n
	}
}

// Classes returns the number of classes, 0 in a regression.
func (m Metrics) Classes() int {
	return int(math.Round(math.Sqrt(float64(len(m.Confusion)))))
}

// InUnits returns the metrics of a regression whose targets were divided by
// deviation after mean was subtracted, in the unit that they had before. The loss
// is not changed.
func (m Metrics) InUnits(mean, deviation float64) Metrics {
	m.AbsoluteError *= deviation
	m.SquaredError *= deviation * deviation
	m.TargetMean = m.TargetMean*deviation + mean
	m.TargetSquares *= deviation * deviation
	return m
}

// measure sets the errors of a block of examples with outputs z, [len(targets),
// outputs], or adds their predictions to the confusion counts. It leaves the sums.
func (s *Spec) measure(m *Metrics, z, targets []float32) {
	if s.Loss.Regression() {
		for i, y := range targets {
			d := float64(z[i]) - float64(y)
			m.AbsoluteError += math.Abs(d)
			m.SquaredError += d * d
			m.TargetMean += float64(y) / float64(len(targets))
		}
		for _, y := range targets {
			d := float64(y) - m.TargetMean
			m.TargetSquares += d * d
		}
		return
	}
	classes, k := s.Classes(), s.Outputs()
	if m.Confusion == nil {
		m.Confusion = make([]int64, classes*classes)
	}
	for i, y := range targets {
		m.Confusion[int(y)*classes+s.Class(z[i*k:][:k])]++
	}
}

// Class returns the class that outputs z of one example stand for: the one with the
// largest output, the first of equals. One output stands for class 1 if it is
// positive.
func (s *Spec) Class(z []float32) int {
	if len(z) == 1 {
		if z[0] > 0 {
			return 1
		}
		return 0
	}
	top := 0
	for c, v := range z {
		if v > z[top] {
			top = c
		}
	}
	return top
}

// Figures are what an evaluation says of a model. A figure without a value is NaN:
// the accuracy of a regression, the recall of a class without examples.
type Figures struct {
	Examples int
	Loss     float64 // mean

	// Of a classification.
	Accuracy         float64 // share of the examples that are classified correctly
	BalancedAccuracy float64 // mean of the classes' recalls
	F1               float64 // mean of the classes' F1 (macro F1)
	Classes          []ClassFigures

	// Of a regression, in the unit of the target.
	RMSE float64 // root of the mean squared error
	MAE  float64 // mean absolute error
	R2   float64 // share of the targets' variance that is explained; below 0, the targets' mean is a better prediction
}

// ClassFigures are the figures of one class.
type ClassFigures struct {
	Examples  int64
	Precision float64 // share of its predictions that are right
	Recall    float64 // share of its examples that are found
	F1        float64 // harmonic mean of both; 0 if none is found
}

// Figures computes the figures.
func (m Metrics) Figures() Figures {
	n, nan := float64(m.Examples), math.NaN()
	f := Figures{
		Examples: m.Examples, Loss: m.Loss / n, Accuracy: nan, BalancedAccuracy: nan, F1: nan,
		RMSE: nan, MAE: nan, R2: nan,
	}
	if m.Confusion == nil {
		if n > 0 {
			f.RMSE, f.MAE = math.Sqrt(m.SquaredError/n), m.AbsoluteError/n
			if m.TargetSquares > 0 {
				f.R2 = 1 - m.SquaredError/m.TargetSquares
			}
		}
		return f
	}
	f.Accuracy = float64(m.Correct) / n
	k := m.Classes()
	f.Classes = make([]ClassFigures, k)
	var recall, f1 mean
	for c := range k {
		var examples, predicted int64
		for o := range k {
			examples += m.Confusion[c*k+o]
			predicted += m.Confusion[o*k+c]
		}
		right := float64(m.Confusion[c*k+c])
		f.Classes[c] = ClassFigures{
			Examples: examples, Precision: right / float64(predicted), Recall: right / float64(examples),
			F1: 2 * right / float64(examples+predicted),
		}
		recall.add(f.Classes[c].Recall)
		f1.add(f.Classes[c].F1)
	}
	f.BalancedAccuracy, f.F1 = recall.value(), f1.value()
	return f
}

// mean is the mean of the numbers that are not NaN; NaN without one.
type mean struct{ sum, n float64 }

func (m *mean) add(x float64) {
	if !math.IsNaN(x) {
		m.sum += x
		m.n++
	}
}

func (m mean) value() float64 { return m.sum / m.n }
