package lab

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"fedtab/client"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/rng"
	"fedtab/run"
	"fedtab/simulation"
	"fedtab/simulation/adversary"
	"fedtab/strategy"
)

// problem is what schemes work on: data, a model, and clients. Those of equal problems are
// the same.
type problem struct {
	data    source
	network bool // or else a linear model
	samples int  // of the moons and the blobs, with those that are tested on; 0: moonsExamples, blobsExamples
	clients int
	alpha   float64 // of the Dirichlet distribution that divides the classes; 0: all clients are alike
	slow    float64 // share of the clients that are slow
	liars   int
	seed    uint64
}

// source is where examples are from.
type source int

const (
	moons source = iota
	blobs
	digits
)

// How examples are made, and how fast clients are.
const (
	moonsExamples, moonsNoise    = 600, .2
	blobsExamples, blobsSpread   = 600, 1.8
	blobsClasses                 = 3
	digitsExamples, digitsTested = 800, 400
	heldOut                      = 1. / 3 // share of the moons and the blobs that is tested on
	pointUnits, digitUnits       = 16, 32 // of the network's hidden layer
	deviceSpeed                  = 2000.  // examples a second
	slowFactor                   = 10.
	lie                          = adversary.SignFlip
	lieScale                     = 3.
)

// world is a problem with its examples and its model.
type world struct {
	problem
	train, test *data.Set
	shards      [][]int32
	model       learn.Model
}

// open makes the examples of a problem. Two moons and blobs are those that a task with
// generators of these names has.
func (p problem) open() *world {
	w := &world{problem: p}
	switch p.data {
	case moons:
		w.draw(data.Moons(p.examples(), moonsNoise, rng.Stream(p.seed, "generator moons")), 2)
	case blobs:
		w.draw(data.Blobs(p.examples(), 2, blobsClasses, blobsSpread, rng.Stream(p.seed, "generator blobs")), blobsClasses)
	case digits:
		x, y := glyphs(digitsExamples+digitsTested, rng.Stream(p.seed, "glyphs"))
		set := func(from, to int) *data.Set {
			const size = glyphSide * glyphSide
			s, err := data.NewLabelled([]int{glyphSide, glyphSide}, x[from*size:to*size], y[from:to], glyphClasses)
			must(err)
			return s
		}
		w.train, w.test = set(0, digitsExamples), set(digitsExamples, digitsExamples+digitsTested)
	}
	var err error
	seed := rng.Derive(p.seed, "partition")
	if p.alpha > 0 {
		w.shards, err = data.Dirichlet(w.train.Y, w.train.Classes(), p.clients, p.alpha, seed)
	} else {
		w.shards, err = data.IID(w.train.Len(), p.clients, seed)
	}
	must(err)
	w.model, err = learn.New(w.spec())
	must(err)
	return w
}

// examples returns how many moons or blobs are made.
func (p problem) examples() int {
	switch {
	case p.samples > 0:
		return p.samples
	case p.data == blobs:
		return blobsExamples
	}
	return moonsExamples
}

// draw parts the examples of a sample.
func (w *world) draw(s *data.Sample, classes int) {
	train, test, err := data.Holdout(s.Len(), heldOut, rng.Derive(w.seed, "holdout"))
	must(err)
	w.train, err = s.Set(train, classes)
	must(err)
	w.test, err = s.Set(test, classes)
	must(err)
}

// must panics if what the lab itself has made is not possible.
func must(err error) {
	if err != nil {
		panic("lab: " + err.Error())
	}
}

// spec returns the model: the network has one hidden layer; the linear model of two classes
// has one output, so that Radon points need few models.
func (w *world) spec() learn.Spec {
	switch {
	case w.network && w.data == digits:
		return learn.MLP(w.train.Shape, []int{digitUnits}, w.train.Classes())
	case w.network:
		return learn.MLP(w.train.Shape, []int{pointUnits}, w.train.Classes())
	case w.train.Classes() == 2:
		s := learn.MLP(w.train.Shape, nil, 1)
		s.Loss = learn.Logistic
		return s
	}
	return learn.MLP(w.train.Shape, nil, w.train.Classes())
}

// evaluate is the run's evaluator.
func (w *world) evaluate(params []float32) learn.Metrics {
	m, err := learn.Evaluate(w.model, params, w.test, 1)
	must(err)
	return m
}

// devices are those of the problem's clients.
func (p problem) devices() simulation.Devices {
	d := simulation.DefaultDevices()
	d.Speed, d.SlowFraction, d.SlowFactor = deviceSpeed, p.slow, slowFactor
	return d
}

// adversaries are those among the problem's clients.
func (p problem) adversaries() adversary.Config {
	if p.liars == 0 {
		return adversary.Config{}
	}
	return adversary.Config{Kind: lie, Fraction: float64(p.liars) / float64(p.clients), Scale: lieScale}
}

// maxRounds ends every run of the lab; what a person sees ends it before.
const maxRounds = 100_000

// simulate returns a simulation of a scheme, or why it is not possible for the problem. What
// it is made of is what coordinator/simulate makes of the task file of the same way.
func (w *world) simulate(o way) (*simulation.Simulation, error) {
	cfg := o.config()
	clients, shards := w.clients, w.shards
	if cfg.Scheme().Central {
		clients, shards = 1, [][]int32{all(w.train.Len())}
	}
	setup := run.Setup(w.model, w.seed)
	setup.Seed, setup.MinCohort, setup.Clients = w.seed, 1, clients
	s, err := strategy.New(cfg, setup)
	if err != nil {
		return nil, err
	}
	sizes := make([]int, clients)
	for i, shard := range shards {
		sizes[i] = len(shard)
	}
	c := simulation.Config{
		Task: o.name(), Strategy: cfg, Clients: clients, Seed: w.seed, Devices: w.devices(), Adversaries: w.adversaries(),
		Run: run.Config{
			Title: o.name(), Seed: w.seed, OrderSeed: w.seed, Model: w.model, Strategy: s, Sums: cfg.Sums(), MaxScale: cfg.MaxScale, MaxWeight: cfg.MaxWeight,
			Uncounted: cfg.Scheme().Central, Stop: run.Stop{Rounds: maxRounds}, EvalEvery: 1, Evaluate: w.evaluate, Shards: run.Shards{Source: "/data/" + o.name(), Sizes: sizes},
		},
		Equip: func(i int, c *client.Client, m *adversary.Member) error {
			c.SetExamples(m.Examples(data.NewSubset(w.train, shards[i]), w.train.Shape, w.train.White()))
			return nil
		},
	}
	if o.watch != nil {
		o.watch(&c)
	}
	return simulation.New(c)
}

// all returns the indices of n examples.
func all(n int) []int32 {
	index := make([]int32, n)
	for i := range index {
		index[i] = int32(i)
	}
	return index
}

// way is a scheme with its settings.
type way struct {
	kind     string
	settings []setting
	watch    func(*simulation.Config) // adds what is told; nil: nothing
}

// setting is one of a scheme.
type setting struct {
	key   string
	value any // int, float64 or string
}

// name is that of the task.
func (o way) name() string { return "lab-" + o.kind }

// config returns the scheme's settings, with its defaults for what is not given: who shows a
// scheme without what protects it from liars says so in settings.
func (o way) config() strategy.Config {
	c := strategy.Config{Kind: o.kind}
	c.Own = c.Scheme().Own
	for _, s := range o.settings {
		if !c.Set(s.key, s.value) {
			panic(fmt.Sprintf("lab: scheme %s has no setting %s", o.kind, s.key))
		}
	}
	return c.WithDefaults()
}

// task writes the task file by which `coordinator simulate` repeats so many rounds of what the
// lab shows. There is none for the digits, which the lab alone has.
func (w *world) task(o way, rounds int) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("name: %s", o.name())
	switch {
	case w.network:
		line("model: {kind: mlp, hidden: [%d]}", pointUnits)
	case w.train.Classes() == 2:
		line("model: {kind: logistic}")
	default:
		line("model: {kind: softmax}")
	}
	generator := fmt.Sprintf("{kind: moons, examples: %d, noise: %v}", w.examples(), moonsNoise)
	if w.data == blobs {
		generator = fmt.Sprintf("{kind: blobs, examples: %d, features: 2, classes: %d, spread: %v}", w.examples(), blobsClasses, blobsSpread)
	}
	partition := fmt.Sprintf("{kind: iid, clients: %d}", w.clients)
	if w.alpha > 0 {
		partition = fmt.Sprintf("{kind: dirichlet, alpha: %v, clients: %d}", w.alpha, w.clients)
	}
	line("data: {source: synthetic, generator: %s, holdout: %v, partition: %s}", generator, heldOut, partition)
	var settings []string
	for _, s := range o.settings {
		settings = append(settings, s.key+": "+yaml(s.value))
	}
	line("strategy: {kind: %s, %s}", o.kind, strings.Join(settings, ", "))
	line("devices: {speed: %v, slow_fraction: %v, slow_factor: %v}", deviceSpeed, w.slow, slowFactor)
	if a := w.adversaries(); a.Kind != "" {
		line("adversaries: {kind: %s, fraction: %v, scale: %v}", a.Kind, a.Fraction, a.Scale)
	}
	line("stop: {rounds: %d}", max(rounds, 1))
	line("seed: %d", w.seed)
	return b.String()
}

// yaml writes a setting's value.
func yaml(v any) string {
	if f, ok := v.(float64); ok {
		if math.IsInf(f, 1) {
			return ".inf"
		}
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return fmt.Sprint(v)
}
