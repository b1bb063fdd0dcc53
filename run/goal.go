package run

import (
	"fmt"
	"math"

	"fedtab/learn"
)

// Goal is a figure of an evaluation that ends a run once it is reached.
type Goal struct {
	Metric Metric
	Class  int     // of a figure of one class; -1 for a figure of the whole model
	Name   string  // of the class, for people
	Reach  float64 // the figure is to be at least this, or at most where Metric.Falls

	Validation bool // it is a figure of the validation set, not of the test set
}

// Metric names a figure of an evaluation.
type Metric string

// The metrics. Precision and recall are those of one class.
const (
	Accuracy         Metric = "accuracy"
	BalancedAccuracy Metric = "balanced_accuracy"
	Precision        Metric = "precision"
	Recall           Metric = "recall"
	F1               Metric = "f1" // without a class, the mean of the classes'
	Loss             Metric = "loss"
	RMSE             Metric = "rmse"
	MAE              Metric = "mae"
	R2               Metric = "r2"
)

// Falls reports whether a lower figure is better.
func (m Metric) Falls() bool { return m == Loss || m == RMSE || m == MAE }

// Value returns the figure of an evaluation, NaN if it has none.
func (g Goal) Value(f learn.Figures) float64 {
	if g.Class >= 0 {
		if g.Class >= len(f.Classes) {
			return math.NaN()
		}
		c := f.Classes[g.Class]
		switch g.Metric {
		case Precision:
			return c.Precision
		case Recall:
			return c.Recall
		case F1:
			return c.F1
		}
		return math.NaN()
	}
	switch g.Metric {
	case Accuracy:
		return f.Accuracy
	case BalancedAccuracy:
		return f.BalancedAccuracy
	case F1:
		return f.F1
	case Loss:
		return f.Loss
	case RMSE:
		return f.RMSE
	case MAE:
		return f.MAE
	case R2:
		return f.R2
	}
	return math.NaN()
}

// Reached reports whether an evaluation reaches the goal.
func (g Goal) Reached(f learn.Figures) bool {
	v := g.Value(f)
	if g.Metric.Falls() {
		return v <= g.Reach
	}
	return v >= g.Reach
}

// String returns the figure in words: test accuracy, validation recall of ill.
func (g Goal) String() string {
	words := map[Metric]string{BalancedAccuracy: "balanced accuracy", F1: "F1", RMSE: "RMSE", MAE: "MAE", R2: "R2"}[g.Metric]
	if words == "" {
		words = string(g.Metric)
	}
	set := "test"
	if g.Validation {
		set = "validation"
	}
	if g.Class >= 0 {
		return fmt.Sprintf("%s %s of %s", set, words, g.Name)
	}
	return set + " " + words
}
