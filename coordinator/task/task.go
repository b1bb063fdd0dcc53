// Package task reads task files: what is learned, from which data, by which
// strategy, and when a run is over.
//
// A task is a small YAML file that an organiser writes by hand, so reading it
// is strict and its errors are the documentation at hand: every unknown or
// wrong field is refused, all at once, each with its line, its path, its
// value and what is allowed. Values from the command line (--set PATH=VALUE)
// go through the very same checks.
//
// Parse replaces every default, so that a Task says all there is to say about
// a run; YAML writes it down in one canonical form, which the database
// records and Hash tells apart.
package task

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"fedtab/run"
	"fedtab/strategy"
)

// A Task is a checked task file with its defaults filled in.
type Task struct {
	Name        string          `yaml:"name"`                  // in URLs: [a-z0-9][a-z0-9-]{0,62}
	Title       string          `yaml:"title"`                 // for people; default: Name
	Description string          `yaml:"description,omitempty"` // a paragraph for the page
	Model       Model           `yaml:"model"`
	Data        Data            `yaml:"data"`
	Strategy    strategy.Config `yaml:"strategy"`
	Optimiser   Optimiser       `yaml:"optimiser"` // of local training
	Compress    Compress        `yaml:"compress"`  // of what travels
	Devices     Devices         `yaml:"devices"`   // of simulated clients
	Stop        Stop            `yaml:"stop"`
	EvalEvery   int             `yaml:"eval_every"` // rounds between evaluations in a simulation; default 1
	Seed        uint64          `yaml:"seed"`       // of everything random; default 1

	where places // for what is found to be wrong once the data is there
}

// Stop says when a run is over: as soon as one of its conditions holds. A
// zero is no condition.
type Stop struct {
	Rounds   int           `yaml:"rounds,omitempty"`
	Accuracy float64       `yaml:"accuracy,omitempty"` // on the test set, 0 to 1
	Time     time.Duration `yaml:"time,omitempty"`     // since the run was created
	Steps    int           `yaml:"steps,omitempty"`    // mini-batches of every client, for strategies that count them (batches)
}

// Limits of a Task.
const (
	MaxFile        = 1 << 20 // bytes; a task takes less than one kilobyte
	MaxName        = 63      // as a DNS label
	MaxTitle       = 120     // characters: a heading
	MaxDescription = 2000    // characters: a paragraph or two
	MaxHidden      = 16      // layers
	MaxUnits       = 16384   // in one layer
	MaxClients     = 10000   // simulated
	MaxShards      = 1000    // per client
	MaxRounds      = 1000000
	MaxTime        = 366 * 24 * time.Hour
)

// defaults is the task that a file's fields replace.
func defaults() Task {
	return Task{
		Model:     Model{Epsilon: 0.1},
		Data:      Data{Partition: Partition{Kind: IID, Clients: 100}},
		Optimiser: Optimiser{Kind: "sgd", Momentum: 0.9, Beta2: 0.999, Epsilon: 1e-8},
		Devices:   defaultDevices(),
		EvalEvery: 1,
		Seed:      1,
	}
}

// fill replaces the zeros that stand for a default which depends on other
// fields, or that the strategy would replace: a recorded task must not change
// its meaning when a default does. Defaults of what a kind does not have go.
func (t *Task) fill(schemes strategy.Registry) {
	if t.Title == "" {
		t.Title = t.Name
	}
	t.Model.fill()
	t.Optimiser.fill()
	t.Data.fill()
	t.Strategy = schemes.WithDefaults(t.Strategy)
	t.Compress.fill(schemes.Packing(t.Strategy))
}

// RunStop says when a run of the task is over. Steps become rounds where a round
// has a fixed number of mini-batches.
func (t *Task) RunStop() run.Stop {
	s := run.Stop{Rounds: t.Stop.Rounds, Accuracy: t.Stop.Accuracy, Time: t.Stop.Time}
	if b := t.Strategy.Steps(); t.Stop.Steps > 0 && b > 0 {
		rounds := (t.Stop.Steps + b - 1) / b
		if s.Rounds == 0 || rounds < s.Rounds {
			s.Rounds = rounds
		}
	}
	return s
}

// Load reads the task file at path.
func Load(path string) (*Task, error) { return load(path, nil) }

func load(path string, sets []string) (*Task, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("task file: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("task file: %w", err)
	}
	return Parse(path, text, sets...)
}

// Parse reads a task from text, the content of the file called name, and then
// applies sets in order. Each is PATH=VALUE: PATH as in
// "data.partition.clients", VALUE in YAML ("[100, 50]"). Setting a section
// ("stop={rounds: 5}") sets the fields that it names; setting a field to
// nothing ("stop.accuracy=") gives it back its default.
//
// The error is an *Error when the task is wrong.
func Parse(name string, text []byte, sets ...string) (*Task, error) {
	return ParseWith(strategy.Schemes(), name, text, sets...)
}

// ParseWith does the same where the strategy is one of schemes.
func ParseWith(schemes strategy.Registry, name string, text []byte, sets ...string) (*Task, error) {
	t := defaults()
	d := &decoder{
		places: places{name, map[string]origin{}}, root: &t, broken: map[string]bool{},
		schemes: schemes, settings: map[string]any{},
	}
	if d.document(text) {
		for _, s := range sets {
			d.set(s)
		}
		d.strategy(&t)
		d.check(&t)
	}
	if err := d.err(); err != nil {
		return nil, err
	}
	t.fill(schemes)
	t.where = d.places
	return &t, nil
}

// Fits checks the model against the data that has been loaded: examples of a
// shape, in so many classes (0: the targets are numbers). The error is an *Error
// with the lines of the file that t was read from.
func (t *Task) Fits(shape []int, classes int) error {
	d := &decoder{places: t.where, root: t}
	d.fitsData(t.Model, shape, classes)
	return d.err()
}

// err returns all problems, or nil.
func (d *decoder) err() error {
	if len(d.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(d.problems, byPlace)
	return &Error{Problems: d.problems}
}

// byPlace puts the file's problems first, by line.
func byPlace(a, b Problem) int {
	switch {
	case a.Set == "" && b.Set == "":
		return a.Line - b.Line
	case a.Set == "":
		return -1
	case b.Set == "":
		return 1
	}
	return 0
}

// Hash returns the SHA-256 of t.YAML().
func (t *Task) Hash() [32]byte { return sha256.Sum256(t.YAML()) }
