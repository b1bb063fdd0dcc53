package compare

import (
	"math"
	"slices"
	"strings"

	"fedtab/coordinator/simulate"
)

// target is a figure of a version that a run is to reach.
type target struct {
	figure string
	value  float64
}

// met reports whether a figure is as good as the target: accuracies grow, errors fall.
func (t *target) met(x float64) bool {
	if growing[t.figure] {
		return x >= t.value
	}
	return x <= t.value
}

var growing = map[string]bool{"test_accuracy": true, "validation_accuracy": true}

// smoothing is the number of evaluations of whose mean the smooth measures tell: a single one
// meets a target, or is the last, by luck.
const smoothing = 5

// measured is what measures are made of.
type measured struct {
	result *simulate.Result
	points []point
	target *target // nil: none
}

// measure is a figure of a whole simulation; NaN is one that is not known, or a target that
// was not reached.
type measure struct {
	words string // in the head of a table
	unit  unit
	of    func(*measured) float64
}

type unit int

const (
	number unit = iota
	percent
	size
	seconds
)

func final(c string) func(*measured) float64 {
	return func(m *measured) float64 { return last(m.points, columns[c]) }
}

func best(c string) func(*measured) float64 {
	return func(m *measured) float64 {
		b := unknown64
		for i := range m.points {
			x := columns[c](&m.points[i])
			if growing[c] && x > b || !growing[c] && x < b || math.IsNaN(b) {
				b = x
			}
		}
		return b
	}
}

// last returns the newest figure that is known.
func last(points []point, of func(*point) float64) float64 {
	for i := len(points) - 1; i >= 0; i-- {
		if x := of(&points[i]); !math.IsNaN(x) {
			return x
		}
	}
	return unknown64
}

// smooth returns the mean of the last evaluations, or of all if they are fewer.
func smooth(c string) func(*measured) float64 {
	return func(m *measured) float64 {
		var window []float64
		for i := len(m.points) - 1; i >= 0 && len(window) < smoothing; i-- {
			if x := columns[c](&m.points[i]); !math.IsNaN(x) {
				window = append(window, x)
			}
		}
		if len(window) == 0 {
			return unknown64
		}
		return mean(window)
	}
}

// reached returns a figure of the first version that meets the target.
func reached(c string, evaluations int) func(*measured) float64 {
	return func(m *measured) float64 {
		var window []float64
		for i := range m.points {
			x := columns[m.target.figure](&m.points[i])
			if math.IsNaN(x) {
				continue
			}
			window = append(window, x)
			if len(window) > evaluations {
				window = window[1:]
			}
			if len(window) == evaluations && m.target.met(mean(window)) {
				return columns[c](&m.points[i])
			}
		}
		return unknown64
	}
}

// atTarget returns a figure of the first evaluation at which the target has been met, by it
// or by a version before.
func atTarget(c string) func(*measured) float64 {
	return func(m *measured) float64 {
		met := false
		for i := range m.points {
			if x := columns[m.target.figure](&m.points[i]); !math.IsNaN(x) && m.target.met(x) {
				met = true
			}
			if x := columns[c](&m.points[i]); met && !math.IsNaN(x) {
				return x
			}
		}
		return unknown64
	}
}

// atBest returns a figure of the version with the best validation figures: the highest
// accuracy, or the lowest loss where numbers are predicted; of equals, the earliest.
func atBest(c string) func(*measured) float64 {
	return func(m *measured) float64 {
		for _, by := range []string{"validation_accuracy", "validation_loss"} {
			most := best(by)(m)
			if i := slices.IndexFunc(m.points, func(p point) bool { return columns[by](&p) == most }); i >= 0 {
				return columns[c](&m.points[i])
			}
		}
		return unknown64
	}
}

func shares(of func(*simulate.Shares) float64) func(*measured) float64 {
	return func(m *measured) float64 {
		if m.result.Shares == nil {
			return unknown64
		}
		return of(m.result.Shares)
	}
}

// epsilonOf returns that of the run's account; none without noise.
func epsilonOf(m *measured) float64 {
	if m.result.Final.Privacy == nil || m.result.Final.Privacy.Epsilon == nil {
		return unknown64
	}
	return *m.result.Final.Privacy.Epsilon
}

// measures are all that a table can tell of a simulation.
var measures = map[string]measure{
	"final_accuracy":                {"accuracy at the end", percent, final("test_accuracy")},
	"smooth_accuracy":               {"accuracy at the end, mean of 5", percent, smooth("test_accuracy")},
	"smooth_loss":                   {"test loss at the end, mean of 5", number, smooth("test_loss")},
	"best_accuracy":                 {"best accuracy", percent, best("test_accuracy")},
	"final_loss":                    {"test loss at the end", number, final("test_loss")},
	"best_loss":                     {"best test loss", number, best("test_loss")},
	"final_rmse":                    {"RMSE at the end", number, final("test_rmse")},
	"best_rmse":                     {"best RMSE", number, best("test_rmse")},
	"train_loss":                    {"training loss at the end", number, final("train_loss")},
	"gap":                           {"test loss less training loss", number, func(m *measured) float64 { return final("test_loss")(m) - final("train_loss")(m) }},
	"rounds":                        {"rounds", number, func(m *measured) float64 { return float64(m.result.Final.Round) }},
	"examples":                      {"examples seen", number, final("examples")},
	"seconds":                       {"virtual time", seconds, func(m *measured) float64 { return m.result.Final.VirtualSeconds }},
	"bytes":                         {"bytes", size, func(m *measured) float64 { return float64(m.result.Final.BytesUp + m.result.Final.BytesDown) }},
	"bytes_up":                      {"bytes up", size, func(m *measured) float64 { return float64(m.result.Final.BytesUp) }},
	"bytes_down":                    {"bytes down", size, func(m *measured) float64 { return float64(m.result.Final.BytesDown) }},
	"models_up":                     {"models up", number, func(m *measured) float64 { return float64(m.result.Final.ModelsUp) }},
	"bits_up":                       {"bits up per parameter", number, func(m *measured) float64 { return known(m.result.Final.BitsUp) }},
	"bits_down":                     {"bits down per parameter", number, func(m *measured) float64 { return known(m.result.Final.BitsDown) }},
	"raw_ratio":                     {"raw size over bytes", number, func(m *measured) float64 { return known(m.result.Final.RawRatio) }},
	"rolled_back":                   {"versions rolled back", number, func(m *measured) float64 { return float64(m.result.Final.RolledBack) }},
	"abandoned":                     {"attempts given up", number, func(m *measured) float64 { return float64(m.result.Final.Abandoned) }},
	"backdoor_success":              {"backdoor", percent, func(m *measured) float64 { return known(m.result.Final.BackdoorSuccess) }},
	"rounds_to_target":              {"rounds to the target", number, reached("round", 1)},
	"smooth_rounds_to_target":       {"rounds to the target, mean of 5", number, reached("round", smoothing)},
	"examples_to_target":            {"examples to the target", number, reached("examples", 1)},
	"bytes_to_target":               {"bytes to the target", size, reached("bytes", 1)},
	"bytes_up_to_target":            {"bytes up to the target", size, reached("bytes_up", 1)},
	"seconds_to_target":             {"virtual time to the target", seconds, reached("seconds", 1)},
	"accuracy_at_target":            {"accuracy at the target", percent, atTarget("test_accuracy")},
	"loss_at_target":                {"test loss at the target", number, atTarget("test_loss")},
	"final_validation_accuracy":     {"validation accuracy at the end", percent, final("validation_accuracy")},
	"best_validation_accuracy":      {"best validation accuracy", percent, best("validation_accuracy")},
	"final_validation_loss":         {"validation loss at the end", number, final("validation_loss")},
	"best_validation_loss":          {"best validation loss", number, best("validation_loss")},
	"final_validation_rmse":         {"validation RMSE at the end", number, final("validation_rmse")},
	"best_validation_rmse":          {"best validation RMSE", number, best("validation_rmse")},
	"validation_accuracy_at_target": {"validation accuracy at the target", percent, atTarget("validation_accuracy")},
	"validation_loss_at_target":     {"validation loss at the target", number, atTarget("validation_loss")},
	"accuracy_at_best":              {"test accuracy where that on the validation set is best", percent, atBest("test_accuracy")},
	"loss_at_best":                  {"test loss where the validation set is best", number, atBest("test_loss")},
	"epsilon":                       {"epsilon", number, epsilonOf},
	"client_accuracy":               {"accuracy for a client", percent, shares(func(s *simulate.Shares) float64 { return s.Mean })},
	"client_deviation":              {"its deviation", percent, shares(func(s *simulate.Shares) float64 { return s.Deviation })},
	"worst_tenth":                   {"accuracy for the worst tenth", percent, shares(func(s *simulate.Shares) float64 { return s.Worst })},
}

// validates reports whether a measure is of the validation set: one of its figures, or when a
// target that is one of them was reached. A target on the test set makes it one of that.
func (p *Part) validates(measure string) bool {
	validation := strings.Contains(measure, "validation_")
	for figure := range p.Target {
		switch {
		case strings.HasSuffix(measure, "_target") && strings.HasPrefix(figure, "test_"):
			return false
		case strings.HasSuffix(measure, "_to_target"):
			validation = strings.HasPrefix(figure, "validation_")
		}
	}
	return validation
}

// onValidation returns the measure of the validation set that is most like another one.
func onValidation(measure string) string {
	for _, name := range []string{strings.Replace(measure, "_", "_validation_", 1), "validation_" + measure} {
		if _, ok := measures[name]; ok {
			return name
		}
	}
	return "best_validation_loss"
}

func measureNames() []string { return sorted(measures) }

// Spread is a measure over seeds.
type Spread struct {
	Mean      float64
	Deviation float64 // of the sample; 0 for one seed
	Least     float64
	Most      float64
	Seeds     int // that have the figure
	Lacking   int // that have none
}

// spreadOf returns the spread of the values that are known.
func spreadOf(values []float64) Spread {
	s := Spread{Mean: unknown64, Deviation: unknown64, Least: unknown64, Most: unknown64}
	var all []float64
	for _, x := range values {
		if math.IsNaN(x) {
			s.Lacking++
		} else {
			all = append(all, x)
		}
	}
	if s.Seeds = len(all); s.Seeds == 0 {
		return s
	}
	s.Mean, s.Least, s.Most, s.Deviation = mean(all), all[0], all[0], 0
	for _, x := range all {
		s.Least, s.Most = min(s.Least, x), max(s.Most, x)
		s.Deviation += (x - s.Mean) * (x - s.Mean)
	}
	if s.Seeds > 1 {
		s.Deviation = math.Sqrt(s.Deviation / float64(s.Seeds-1))
	}
	return s
}

func mean(all []float64) float64 {
	var sum float64
	for _, x := range all {
		sum += x
	}
	return sum / float64(len(all))
}
