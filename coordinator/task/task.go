// Package task reads task files: the model, the data, the strategy and the stop
// conditions of a run.
//
// Organisers write task files by hand in YAML, so decoding is strict: every unknown or
// wrong field is an error, and all errors are reported at once, each with its line,
// path, value and what is allowed. Values from the command line (--set PATH=VALUE)
// pass the same checks.
//
// Parse fills in every default, so that a Task describes a run completely. YAML writes
// it in one canonical form, which the database records; Changes compares a task with a
// recorded one.
package task

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"time"

	"fedtab/simulation"
	"fedtab/simulation/adversary"
	"fedtab/strategy"
)

// A Task is a valid task file with its defaults filled in.
type Task struct {
	Name        string           `yaml:"name" help:"in addresses: a-z, 0-9 and -"`
	Title       Text             `yaml:"title" help:"one line; left out: the name"`
	Description Text             `yaml:"description,omitempty" help:"a paragraph for the page"`
	Join        string           `yaml:"join" help:"open: any participant may join; invited: with an invite"`
	Download    *bool            `yaml:"download,omitempty" help:"whether the coordinator hands the model out"`
	Model       Model            `yaml:"model"`
	Data        Data             `yaml:"data"`
	Strategy    strategy.Config  `yaml:"strategy"`
	Optimiser   Optimiser        `yaml:"optimiser"`             // of local training
	Compress    Compress         `yaml:"compress"`              // codecs of models and contributions
	Privacy     Privacy          `yaml:"privacy,omitempty"`     // what is learned of single participants
	Devices     Devices          `yaml:"devices"`               // of simulated clients
	Adversaries adversary.Config `yaml:"adversaries,omitempty"` // among simulated clients; default: none
	Stop        Stop             `yaml:"stop"`
	EvalEvery   int              `yaml:"eval_every,omitempty" help:"rounds between evaluations of data that is not own"`
	Evaluate    Evaluate         `yaml:"evaluate,omitempty"` // of own data only
	Seed        uint64           `yaml:"seed" help:"of all random streams"`
	Seeds       Seeds            `yaml:"seeds,omitempty"` // of some of them

	Reproducible bool `yaml:"reproducible,omitempty" help:"tabs use arithmetic that rounds alike in every browser"`

	where places // for errors of CheckModel
}

// The values of Join.
const (
	Open    = "open"
	Invited = "invited" // an invite is needed (docs/protocol.md, "Invites")
)

// Limits of a Task.
const (
	MaxFile        = 1 << 20 // bytes; shipped tasks have about 1000
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

// defaults returns the task that a file's fields replace.
func defaults() Task {
	return Task{
		Join:      Open,
		Model:     Model{Epsilon: 0.1},
		Data:      Data{Partition: Partition{Kind: IID, Clients: 100}, From: From{Partition: Partition{Kind: IID, Clients: 100}}},
		Optimiser: Optimiser{Kind: "sgd", Momentum: 0.9, Beta2: 0.999, Epsilon: 1e-8},
		Devices:   simulation.DefaultDevices(),
		EvalEvery: 1,
		Seed:      1,
	}
}

// fill replaces zeros by the defaults that depend on other fields or on the strategy,
// and clears defaults of settings that a kind does not have. A recorded task keeps its
// meaning when a default changes.
func (t *Task) fill(schemes strategy.Registry) {
	if len(t.Title) == 0 {
		t.Title = Plain(t.Name)
	}
	if t.Description.String() == "" {
		t.Description = nil // as if it were left out
	}
	if t.Downloads() {
		t.Download = nil
	}
	t.Model.fill()
	t.Optimiser.fill()
	t.Data.fill()
	t.fillOwn()
	t.Adversaries = t.Adversaries.WithDefaults()
	if t.Privacy.Differential() {
		t.Strategy = t.Strategy.ForPrivate(t.Privacy.Population)
	}
	t.Strategy = schemes.WithDefaults(t.Strategy)
	t.Compress.fill(schemes.Packing(t.Strategy))
	t.Privacy.fill()
	t.fillSecure()
}

// Downloads reports whether the coordinator hands the model out as files.
func (t *Task) Downloads() bool { return t.Download == nil || *t.Download }

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

// Parse reads a task from text, the content of the file called name, and then applies
// sets in order. Each is PATH=VALUE: PATH as in "data.partition.clients", VALUE in
// YAML ("[100, 50]"). A section ("stop={rounds: 5}") sets the fields in it. An empty
// value ("stop.accuracy=") resets a field to its default.
//
// The error is an *Error if the task is invalid.
func Parse(name string, text []byte, sets ...string) (*Task, error) {
	return ParseWith(strategy.Schemes(), name, text, sets...)
}

// ParseWith is Parse with the given registry of schemes.
func ParseWith(schemes strategy.Registry, name string, text []byte, sets ...string) (*Task, error) {
	t, d := read(schemes, name, text, sets)
	if err := d.err(); err != nil {
		return nil, err
	}
	t.fill(schemes)
	t.where = d.places
	return t, nil
}

// read decodes and checks a task, whose defaults are not filled in yet.
func read(schemes strategy.Registry, name string, text []byte, sets []string) (*Task, *decoder) {
	t := defaults()
	d := newDecoder(name, "task", &t)
	d.task(schemes, text, sets)
	return &t, d
}

// task reads a task file, applies sets and checks the task.
func (d *decoder) task(schemes strategy.Registry, text []byte, sets []string) {
	t := d.into.Addr().Interface().(*Task)
	d.root, d.schemes, d.settings = t, schemes, map[string]any{}
	if d.document(text) {
		for _, s := range sets {
			d.set(s)
		}
		d.strategy(t)
		d.check(t)
	}
}

// CheckModel checks the model and the adversaries against the loaded data: examples of
// the given shape and number of classes (0 for numbers). The error is an *Error with the lines of the file
// that t was read from.
func (t *Task) CheckModel(shape []int, classes int) error {
	d := &decoder{places: t.where, root: t}
	d.modelForData(t.Model, shape, classes)
	d.adversaryProblems(t.Adversaries.DataProblems(shape, classes))
	return d.err()
}

// err returns all problems, or nil.
func (d *decoder) err() error {
	if len(d.problems) == 0 {
		return nil
	}
	return &Error{Problems: d.sorted()}
}

// byPlace orders problems: those of the file by line, then those of --set.
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
