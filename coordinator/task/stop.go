package task

import (
	"fmt"
	"slices"
	"time"

	"fedtab/run"
)

// Stop has the stop conditions: a run is over as soon as one of them holds. Zero is
// no condition.
type Stop struct {
	Rounds   int           `yaml:"rounds,omitempty" help:"after which the run ends"`
	Accuracy float64       `yaml:"accuracy,omitempty" help:"that ends the run, on the validation set or else on the test set"`
	Metrics  []Goal        `yaml:"metrics,omitempty"` // other figures, likewise
	Time     time.Duration `yaml:"time,omitempty" help:"since the run was created, after which it ends"`
	Steps    int           `yaml:"steps,omitempty" help:"mini-batches of every client, for schemes with batches"`
}

// Goal is a figure of an evaluation and the value that ends the run.
type Goal struct {
	Metric string  `yaml:"metric"`          // one of the metrics of package run
	Class  string  `yaml:"class,omitempty"` // of precision, recall and f1: by name, or by label in quotes
	Reach  float64 `yaml:"reach"`           // at least this; at most, if Metric is an error or the loss
}

// maxGoals bounds the list of goals: three figures for each of the most classes.
const maxGoals = 3 * maxCategory

var (
	classMetrics = []run.Metric{run.Precision, run.Recall, run.F1}
	ofClasses    = []run.Metric{run.Accuracy, run.BalancedAccuracy, run.Precision, run.Recall, run.F1, run.Loss}
	ofNumbers    = []run.Metric{run.RMSE, run.MAE, run.R2, run.Loss}
)

// empty reports whether there is no condition.
func (s Stop) empty() bool {
	return s.Rounds == 0 && s.Accuracy == 0 && s.Metrics == nil && s.Time == 0 && s.Steps == 0
}

// same reports whether both have the same conditions.
func (s Stop) same(t Stop) bool {
	return s.Rounds == t.Rounds && s.Accuracy == t.Accuracy && s.Time == t.Time && s.Steps == t.Steps && slices.Equal(s.Metrics, t.Metrics)
}

// RunStop returns the stop conditions of a run over data with the given classes. Steps
// become rounds where a round has a fixed number of mini-batches. The task must have
// passed CheckGoals for the classes.
func (t *Task) RunStop(classes []string) run.Stop {
	s := run.Stop{Rounds: t.Stop.Rounds, Time: t.Stop.Time}
	if a := t.Stop.Accuracy; a > 0 {
		s.Goals = append(s.Goals, run.Goal{Metric: run.Accuracy, Class: -1, Reach: a, Validation: t.Data.Validation > 0})
	}
	for _, g := range t.Stop.Metrics {
		s.Goals = append(s.Goals, run.Goal{Metric: run.Metric(g.Metric), Class: slices.Index(classes, g.Class), Name: g.Class, Reach: g.Reach, Validation: t.Data.Validation > 0})
	}
	if b := t.Strategy.Steps(); t.Stop.Steps > 0 && b > 0 {
		rounds := (t.Stop.Steps + b - 1) / b
		if s.Rounds == 0 || rounds < s.Rounds {
			s.Rounds = rounds
		}
	}
	return s
}

// Extended returns the stop conditions of a run of t with others in place of its own: of
// rounds, 0 keeps them, and of accuracy, nil keeps it and 0 is no such condition. classes
// are as in RunStop.
func (t *Task) Extended(rounds int, accuracy *float64, classes []string) run.Stop {
	e := *t
	if rounds > 0 {
		e.Stop.Rounds, e.Stop.Steps = rounds, 0
	}
	if accuracy != nil {
		e.Stop.Accuracy = *accuracy
	}
	return e.RunStop(classes)
}

// CheckGoals checks that the data has the classes that stop.metrics names, and examples in
// the set that goals are judged on of those that its figures are about: tested has their
// numbers by class, nil in a regression and if they are unknown. The error is an *Error with
// the lines of the file that t was read from.
func (t *Task) CheckGoals(classes []string, tested []int) error {
	d := &decoder{places: t.where, root: t}
	set, share := "test", "data.holdout"
	if t.Data.Validation > 0 {
		set, share = "validation", "data.validation"
	}
	none := slices.Index(tested, 0)
	for i, g := range t.Stop.Metrics {
		path := fmt.Sprintf("stop.metrics[%d]", i)
		c := slices.Index(classes, g.Class)
		switch {
		case g.Class != "" && c < 0:
			d.want(false, path+".class", quoted(g.Class), "a class of the data: "+someOf(classes))
		case g.Class != "" && tested != nil && tested[c] == 0:
			d.want(false, path+".class", quoted(g.Class), fmt.Sprintf("a class with %s examples: this one has none, so its figures are unknown", set))
		case none >= 0 && (g.Metric == string(run.BalancedAccuracy) || g.Metric == string(run.F1) && g.Class == ""):
			d.want(false, path+".metric", quoted(g.Metric),
				fmt.Sprintf("another figure, or a larger %s: class %s has no %s examples, and the mean would leave it out", share, quoted(classes[none]), set))
		}
	}
	return d.err()
}

// someOf lists the first classes.
func someOf(classes []string) string {
	const shown = 20
	if len(classes) <= shown {
		return oneOf(classes)
	}
	return oneOf(classes[:shown]) + fmt.Sprintf(" and %d more", len(classes)-shown)
}

// stop checks a Stop section.
func (d *decoder) stop(t *Task) {
	s := t.Stop
	d.want(s.Rounds >= 0 && s.Rounds <= MaxRounds, "stop.rounds", s.Rounds,
		fmt.Sprintf("1 <= rounds <= %d (0: no such condition)", MaxRounds))
	d.want(s.Accuracy >= 0 && s.Accuracy <= 1, "stop.accuracy", s.Accuracy, "0 < accuracy <= 1 (0: no such condition)")
	if s.Accuracy > 0 && d.target() == numbers {
		d.wrong("stop.accuracy", fmt.Sprintf("stop.accuracy is %v, want none, because numbers are predicted: metrics has rmse, mae and r2", s.Accuracy))
	}
	d.want(s.Time == 0 || s.Time >= time.Second && s.Time <= MaxTime, "stop.time", s.Time,
		fmt.Sprintf("1s <= time <= %v (0s: no such condition)", MaxTime))
	d.want(s.Steps >= 0 && s.Steps <= 1_000_000_000, "stop.steps", s.Steps, "1 <= steps <= 1000000000 mini-batches of every client (0: no such condition)")
	d.want(s.Steps == 0 || t.Strategy.Batches > 0, "stop.steps", s.Steps, "strategy.batches beside it: rounds of epochs do not count mini-batches")
	d.want(len(s.Metrics) <= maxGoals, "stop.metrics", fmt.Sprintf("a list of %d", len(s.Metrics)), fmt.Sprintf("at most %d", maxGoals))
	for i, g := range s.Metrics {
		d.goal(fmt.Sprintf("stop.metrics[%d]", i), g)
	}
	if s.empty() && !d.brokenAt("stop.rounds") && !d.brokenAt("stop.accuracy") && !d.brokenAt("stop.metrics") && !d.brokenAt("stop.time") {
		d.wrong("stop", "stop has no condition, want at least one of rounds, accuracy, metrics, time, steps")
	}
}

// goal checks a Goal.
func (d *decoder) goal(path string, g Goal) {
	known, why := ofClasses, ", because the data has classes"
	switch d.target() {
	case numbers:
		known, why = ofNumbers, ", because numbers are predicted"
	case "": // the data is wrong or unknown
		known, why = slices.Concat(ofClasses, ofNumbers), ""
	}
	m := run.Metric(g.Metric)
	if !d.want(slices.Contains(known, m), path+".metric", quoted(g.Metric), oneOf(metricNames(known))+why) {
		return
	}
	perClass := slices.Contains(classMetrics, m)
	switch {
	case g.Class != "" && !perClass:
		d.wrong(path+".class", fmt.Sprintf("%s.class is %s, want none, because %s is of the whole model (it belongs to %s)", path, quoted(g.Class), g.Metric, oneOf(metricNames(classMetrics))))
	case g.Class == "" && perClass && m != run.F1:
		d.wrong(path+".class", fmt.Sprintf("%s.class is missing, want the class whose %s is meant", path, g.Metric))
	}
	switch {
	case m.Falls():
		d.want(g.Reach > 0, path+".reach", g.Reach, "reach > 0, the value that is low enough")
	default:
		d.want(g.Reach > 0 && g.Reach <= 1, path+".reach", g.Reach, "0 < reach <= 1")
	}
}

func metricNames(metrics []run.Metric) []string {
	all := make([]string, len(metrics))
	for i, m := range metrics {
		all[i] = string(m)
	}
	return all
}
