// Package dataset loads the data of a task, divides it into the task's shards, and
// makes the task's model and strategy for it.
package dataset

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"fedtab/coordinator/task"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/rng"
	"fedtab/run"
	"fedtab/strategy"
)

// A Dataset is a task's data on the coordinator's side.
type Dataset struct {
	Summary    string    // one line of text
	Public     bool      // the coordinator may serve its examples to participants
	Train      *data.Set // training set of all clients; nil if participants bring the data
	Test       *data.Set // test set that versions are evaluated on; nil with Train
	Validation *data.Set // set aside of the training examples, to select versions by; nil: none
	Shards     [][]int32 // indices into Train, or into the file that Divide reads, one list for each client of the partition
	Packed     *Packed   // the shards as served; set by Pack
	Hash       [32]byte  // SHA-256 of the shards before compression, set by Pack; of the schema of own data

	Own   *data.Schema // what participants bring; nil: the coordinator has the data
	Parts []*data.Own  // what the clients of a simulation bring; set by Divide

	Classes []string // names by label, if known
	Notes   []string // what preparation has changed, one line each

	Optimum []float32 // weights of the regression that generator linear makes; nil for other data

	sample   data.Examples  // that the guard judges by; nil: it has none
	content  *content       // of what Content hashes, which other tasks may share; nil: for this task alone
	encoding *data.Encoding // of a table's rows; nil for images and for own data
	clients  [][]int32      // shards that the data has itself; nil: the task divides it
	labels   []uint8        // of the file that Divide reads
	test     *data.Own      // rows of the organiser's test file for own data; nil: none
	standard atomic.Pointer[standard]
}

// Open loads and divides the data of a task.
func Open(t *task.Task) (*Dataset, error) { return new(Loader).Open(t) }

// Loader loads data once for tasks that differ in how it is divided, and in nothing else of
// their data. It may be used by several goroutines.
type Loader struct {
	mu     sync.Mutex
	loaded map[string]*Dataset // by the settings that it depends on
}

// Open is as the function of the package. The sets of examples are shared: nobody may change
// them.
func (l *Loader) Open(t *task.Task) (*Dataset, error) {
	key := loadKey(t)
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.loaded[key]
	if d == nil {
		var err error
		if d, err = load(t); err != nil {
			return nil, fmt.Errorf("task %s: %w", t.Name, err)
		}
		if d.Own != nil { // Divide reads it for each task
			return d, nil
		}
		if err := d.scale(t.Data.Pixels); err != nil {
			return nil, fmt.Errorf("task %s: data.pixels: %w", t.Name, err)
		}
		if n := t.Data.First; n > d.Train.Len() {
			return nil, fmt.Errorf("task %s: data.first is %d, want at most %d, as there are training examples", t.Name, n, d.Train.Len())
		} else if n > 0 {
			d.Train = d.Train.First(n)
		}
		if l.loaded == nil {
			l.loaded = map[string]*Dataset{}
		}
		d.content = new(content)
		l.loaded[key] = d
	}
	return d.divided(t)
}

// fixed are the sources whose examples are those of files: neither a seed nor the partition
// chooses them.
var fixed = []string{"mnist", "fashion-mnist", "idx", "cifar", "emnist", "npz"}

// loadKey returns what the examples of a task depend on, before some are set aside.
func loadKey(t *task.Task) string {
	var key strings.Builder
	given := slices.Contains(fixed, t.Data.Source)
	if !given {
		fmt.Fprintf(&key, "seed=%d\n", t.DataSeed())
	}
	settings := t.Settings()
	for _, path := range slices.Sorted(maps.Keys(settings)) {
		if strings.HasPrefix(path, "data.") && path != "data.validation" && !(given && strings.HasPrefix(path, "data.partition.")) {
			fmt.Fprintf(&key, "%s=%s\n", path, settings[path])
		}
	}
	return key.String()
}

// divided returns the data in the shards of a task.
func (d *Dataset) divided(t *task.Task) (*Dataset, error) {
	c := &Dataset{
		Summary: d.Summary, Public: d.Public, Train: d.Train, Test: d.Test, Hash: d.Hash,
		Classes: d.Classes, Notes: d.Notes, Optimum: d.Optimum, content: d.content, encoding: d.encoding, clients: d.clients, labels: d.labels, test: d.test,
	}
	central := t.Strategy.Scheme().Central
	if t.Data.Partition.Kind == task.ByFile && !central {
		if err := c.divideByFile(t.Data.Partition.Path); err != nil {
			return nil, fmt.Errorf("task %s: data.partition: %w", t.Name, err)
		}
		c.content = nil
	}
	if share := t.Data.Validation; share > 0 {
		if err := c.setAside(share, rng.Derive(t.DataSeed(), "validation")); err != nil {
			return nil, fmt.Errorf("task %s: data.validation: %w", t.Name, err)
		}
	}
	if guards(t) {
		c.sample = sampleOf(cmp.Or(c.Validation, c.Train))
	}
	switch {
	case central: // one client with all examples
		c.Shards = [][]int32{everything(c.Train.Len())}
		return c, nil
	case c.clients != nil:
		c.Shards = c.clients
		return c, nil
	}
	var err error
	c.Shards, err = partition(c.Train.Len(), c.Train.Y, c.Train.Classes(), t.Data.Partition, rng.Derive(t.DataSeed(), "partition"))
	if err != nil {
		return nil, fmt.Errorf("task %s: data.partition: %w", t.Name, err)
	}
	return c, nil
}

// Content returns a hash of all examples: those of the training, validation and test sets, or of own
// data those that Divide has read and the organiser's test file; and of clients that the
// data has itself. The data is not packed.
func (d *Dataset) Content() [32]byte {
	if c := d.content; c != nil {
		c.once.Do(func() { c.hash = d.hash() })
		return c.hash
	}
	return d.hash()
}

// content is the hash of examples, once somebody has asked for it.
type content struct {
	once sync.Once
	hash [32]byte
}

func (d *Dataset) hash() [32]byte {
	h := sha256.New()
	for _, s := range []*data.Set{d.Train, d.Validation, d.Test} {
		if s != nil {
			h.Write(data.AppendShard(nil, s, everything(s.Len())))
		}
	}
	for _, shard := range d.clients {
		binary.Write(h, binary.LittleEndian, uint32(len(shard)))
		binary.Write(h, binary.LittleEndian, shard)
	}
	for _, o := range append(d.Parts[:len(d.Parts):len(d.Parts)], d.test) {
		if o != nil {
			if err := o.Save(h); err != nil {
				panic(err) // a hash takes everything
			}
		}
	}
	return [32]byte(h.Sum(nil))
}

func load(t *task.Task) (*Dataset, error) {
	switch t.Data.Source {
	case "mnist":
		return loadMNIST()
	case "fashion-mnist":
		return loadFashion(t.Data.Dir)
	case "anes96":
		return loadANES96(t)
	case "synthetic":
		return generate(t)
	case "own":
		return openOwn(t)
	}
	var d *Dataset
	var err error
	switch t.Data.Source {
	case "idx":
		d, err = loadIDX(t.Data.IDX)
	case "csv":
		d, err = loadCSV(t)
	case "cifar":
		d, err = loadCIFAR(t.Data.Dir, t.Data.Classes)
	case "emnist":
		d, err = loadEMNIST(t.Data.Dir, t.Data.Split)
	case "npz":
		d, err = loadNPZ(t.Data.NPZ)
	case "folder":
		d, err = loadFolder(t)
	default:
		return nil, fmt.Errorf("data.source is %q, want a source", t.Data.Source)
	}
	if err != nil {
		return nil, err
	}
	d.Public = t.Data.Public
	return d, nil
}

// Sizes returns the number of examples of each shard.
func (d *Dataset) Sizes() []int {
	sizes := make([]int, len(d.Shards))
	for i, s := range d.Shards {
		sizes[i] = len(s)
	}
	return sizes
}

// ClassNames returns the names of the classes by label: numbers if the data has none.
func (d *Dataset) ClassNames() []string {
	if d.Classes != nil {
		return d.Classes
	}
	names := make([]string, d.Labels())
	for i := range names {
		names[i] = strconv.Itoa(i)
	}
	return names
}

// Model returns the task's model for the data. The error is a *task.Error if the
// model cannot take the examples, or if the data does not have a class whose figures
// end the run.
func (d *Dataset) Model(t *task.Task) (learn.Model, error) {
	if err := t.CheckModel(d.Shape(), d.Labels()); err != nil {
		return nil, err
	}
	var tested []int
	if set := cmp.Or(d.Validation, d.Test); set != nil && set.Y != nil {
		tested = data.Count(set.Y, d.Labels())
	}
	if err := t.CheckGoals(d.ClassNames(), tested); err != nil {
		return nil, err
	}
	spec := t.Model.Spec(d.Shape(), d.Labels(), t.StartSeed())
	if t.Model.ClassWeights == task.Balanced {
		spec.ClassWeights = data.BalancedWeights(d.Train.Y, d.Train.Classes())
	}
	m, err := learn.New(spec)
	if err != nil {
		return nil, fmt.Errorf("task %s: model: %w", t.Name, err)
	}
	return m, nil
}

// Strategy returns the task's strategy for the model, or an error if they cannot be
// combined. In a live run participants come and go; in a simulation each shard is a
// client. seed is that of the scheme's choices among clients: the run's own in a
// simulation, a secret one in a live run.
func (d *Dataset) Strategy(t *task.Task, m learn.Model, live bool, seed uint64) (strategy.Strategy, error) {
	return d.strategy(t, m, live, strategy.Setup{Seed: seed}, 0)
}

// Live is what a live run has beside its task and seed.
type Live struct {
	Secret [32]byte // from which cohorts follow
	Told   float64  // epsilon that earlier runs of the task have told, which counts against the budget
	Cuts   []int    // releases after which a tree of noise was begun out of turn
}

// LiveStrategy is Strategy for a live run.
func (d *Dataset) LiveStrategy(t *task.Task, m learn.Model, seed uint64, l Live) (strategy.Strategy, error) {
	return d.strategy(t, m, true, strategy.Setup{Seed: seed, Secret: &l.Secret}, l.Told, l.Cuts...)
}

func (d *Dataset) strategy(t *task.Task, m learn.Model, live bool, choices strategy.Setup, told float64, cuts ...int) (strategy.Strategy, error) {
	setup := run.Setup(m, t.StartSeed())
	setup.Seed, setup.Secret = choices.Seed, choices.Secret
	setup.MinCohort, setup.Live, setup.Clients = 1, live, len(d.Shards)
	if a := t.Devices.Availability; a < 1 {
		setup.Quorum = max(1, int(a*float64(len(d.Shards))/2)) // half of the mean number of present clients
	}
	if live {
		setup.MinCohort, setup.Clients = 2, 0
	}
	if t.Optimiser.Kind == "momentum" {
		setup.ClientMomentum = t.Optimiser.Momentum
	}
	if live && t.Privacy.Members != "" {
		if _, err := task.ReadMembers(t.Privacy.Members); err != nil {
			return nil, fmt.Errorf("task %s: privacy.members: %w", t.Name, err)
		}
	}
	setup.Secure = t.Privacy.Setup(t.Strategy.Combined(setup.Parameters))
	var err error
	if setup.Private, err = t.Private(setup.Parameters, told, cuts...); err != nil {
		return nil, err
	}
	s, err := strategy.New(t.Strategy, setup)
	if err != nil {
		return nil, fmt.Errorf("task %s: %w", t.Name, err)
	}
	return s, nil
}

// Evaluator returns a function that evaluates a model on the test set; nil if there is
// none. It uses all cores. Errors are in the unit of the target.
func (d *Dataset) Evaluator(m learn.Model) run.Evaluator {
	tests := d.tests()
	if tests == nil {
		return nil
	}
	return d.evaluator(m, tests)
}

// Validator is Evaluator on the validation set.
func (d *Dataset) Validator(m learn.Model) run.Evaluator {
	if d.Validation == nil {
		return nil
	}
	return d.evaluator(m, d.Validation)
}

func (d *Dataset) evaluator(m learn.Model, on data.Examples) run.Evaluator {
	evaluate := EvaluatorOf(m, on)
	if d.Encoding() == nil || d.Labels() > 0 {
		return evaluate
	}
	return func(params []float32) learn.Metrics {
		target := &d.Encoding().Target
		return evaluate(params).InUnits(target.Mean, target.Deviation)
	}
}

// Target returns the name of a table's predicted column; it is empty for images.
func (d *Dataset) Target() string {
	if d.Encoding() == nil {
		return ""
	}
	return d.Encoding().Target.Name
}

// Judge returns a function that evaluates a model on Sample, for the guard of the task's
// strategy; nil if it has none.
func (d *Dataset) Judge(t *task.Task, m learn.Model) run.Evaluator {
	sample := d.Sample(t)
	if sample == nil {
		return nil
	}
	return EvaluatorOf(m, sample)
}

// Sample returns the examples that the guard of the task's strategy judges by: few of the
// validation set, or else of the training set, and of own data those of the organiser's test
// file. It is nil if the strategy has no guard, or if there are none.
func (d *Dataset) Sample(t *task.Task) data.Examples {
	if d.Own == nil || d.test == nil || !guards(t) || d.test.Trained() == 0 {
		return d.sample
	}
	tests := d.tests()
	return data.NewSubset(tests, spaced(tests.Len()))
}

// EvaluatorOf is Evaluator for any examples of the model's shape. Errors are in the
// unit that the model predicts.
func EvaluatorOf(m learn.Model, test data.Examples) run.Evaluator {
	return func(params []float32) learn.Metrics {
		metrics, err := learn.Evaluate(m, params, test, runtime.GOMAXPROCS(0))
		if err != nil {
			panic(err) // the model was made for this data
		}
		return metrics
	}
}
