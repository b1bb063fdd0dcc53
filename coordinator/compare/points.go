package compare

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"fedtab/api"
	"fedtab/coordinator/simulate"
)

// point is a version of a simulation, or a check of one in lock-step. What is not known is
// NaN.
type point struct {
	round, participants, examples, bytes, seconds     float64
	trainLoss, testLoss, testAccuracy, testRMSE, rate float64
	backdoor, distance, modelsUp, bytesUp             float64

	validationLoss, validationAccuracy, validationRMSE float64
}

// axes are the words and the scale of columns in figures, where these are not their names and 1.
var axes = map[string]struct {
	words string
	scale float64
}{
	"bytes":               {"MB both ways", 1e-6},
	"bytes_up":            {"MB up", 1e-6},
	"examples":            {"examples seen", 1},
	"seconds":             {"virtual seconds", 1},
	"test_accuracy":       {"test accuracy, %", 100},
	"validation_accuracy": {"validation accuracy, %", 100},
	"validation_rmse":     {"validation RMSE", 1},
	"backdoor_success":    {"success of the backdoor, %", 100},
	"test_rmse":           {"test RMSE", 1},
}

// axisOf returns the words and the scale of a column.
func axisOf(name string) (words string, scale float64) {
	if a, ok := axes[name]; ok {
		return a.words, a.scale
	}
	return strings.ReplaceAll(name, "_", " "), 1
}

// columns are the figures of a point that curves are made of.
var columns = map[string]func(*point) float64{
	"round":               func(p *point) float64 { return p.round },
	"examples":            func(p *point) float64 { return p.examples }, // seen in training so far
	"bytes":               func(p *point) float64 { return p.bytes },    // both ways so far
	"bytes_up":            func(p *point) float64 { return p.bytesUp },  // so far
	"seconds":             func(p *point) float64 { return p.seconds },  // virtual, so far
	"participants":        func(p *point) float64 { return p.participants },
	"train_loss":          func(p *point) float64 { return p.trainLoss },
	"test_loss":           func(p *point) float64 { return p.testLoss },
	"test_accuracy":       func(p *point) float64 { return p.testAccuracy },
	"test_rmse":           func(p *point) float64 { return p.testRMSE },
	"validation_loss":     func(p *point) float64 { return p.validationLoss },
	"validation_accuracy": func(p *point) float64 { return p.validationAccuracy },
	"validation_rmse":     func(p *point) float64 { return p.validationRMSE },
	"rate":                func(p *point) float64 { return p.rate },
	"backdoor_success":    func(p *point) float64 { return p.backdoor },
	"distance":            func(p *point) float64 { return p.distance }, // of the clients' models from the newest version, squared
	"models_up":           func(p *point) float64 { return p.modelsUp }, // so far
}

func column(name string) func(*point) float64 { return columns[name] }

func columnNames() []string { return sorted(columns) }

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// unknown64 is a figure that is not known.
var unknown64 = math.NaN()

func known(x *float64) float64 {
	if x == nil {
		return unknown64
	}
	return *x
}

// pointsOf returns the versions of a simulation, or the checks of dynamic averaging, whose
// versions are few.
func pointsOf(r *simulate.Result) (all []point) {
	setting := func(path string) float64 {
		n, _ := strconv.ParseFloat(r.Settings[path], 64)
		return n
	}
	fill := func(p *point, t *api.Test) {
		p.testLoss, p.testAccuracy, p.testRMSE = known(t.TestLoss), known(t.TestAccuracy), known(t.TestRMSE)
		p.validationLoss, p.validationAccuracy, p.validationRMSE = known(t.ValidationLoss), known(t.ValidationAccuracy), known(t.ValidationRMSE)
	}
	batch := setting("strategy.batch")
	if r.Strategy == "dynamic" {
		for i := range r.Checks {
			c := &r.Checks[i]
			p := point{
				round: float64(c.Steps), participants: float64(r.Clients), examples: float64(c.Steps) * batch * float64(r.Clients), bytes: float64(c.BytesUp + c.BytesDown),
				seconds: unknown64, trainLoss: unknown64, rate: unknown64, backdoor: unknown64, distance: c.Distance, modelsUp: float64(c.ModelsUp), bytesUp: float64(c.BytesUp),
			}
			fill(&p, &c.Test)
			all = append(all, p)
		}
		return all
	}
	var examples, bytes, up, models float64
	for i := range r.Rounds {
		x := &r.Rounds[i]
		switch batches, epochs := setting("strategy.batches"), setting("strategy.epochs"); {
		case batches > 0:
			examples += float64(x.Participants) * batches * batch
		default:
			if x.Weight != nil { // with noise it is not told
				examples += *x.Weight * max(epochs, 1)
			}
		}
		bytes += float64(x.BytesUp + x.BytesDown)
		up += float64(x.BytesUp)
		models += float64(x.ModelsUp)
		p := point{
			round: float64(x.Round), participants: float64(x.Participants), examples: examples, bytes: bytes, seconds: x.VirtualSeconds,
			trainLoss: known(x.TrainLoss), rate: known(x.Rate), backdoor: known(x.BackdoorSuccess), distance: unknown64, modelsUp: models, bytesUp: up,
		}
		fill(&p, &x.Test)
		all = append(all, p)
	}
	return all
}
