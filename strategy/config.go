package strategy

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Config is the strategy section of a task file. Zero fields take the
// defaults given here. A field that its kind does not use must be zero.
type Config struct {
	Kind string `yaml:"kind"` // one of Kinds

	// Local training.
	Fraction float64 `yaml:"fraction,omitempty"` // C: share of the clients chosen for a round (fedavg, minibatch) or at work at a time (fedbuff); 0 chooses one (fedbuff: all)
	Epochs   int     `yaml:"epochs,omitempty"`   // E: passes over the local data between synchronisations; 0 means 1, unless Batches is given
	Batches  int     `yaml:"batches,omitempty"`  // b: mini-batches between synchronisations, or between two checks (dynamic); 0: Epochs decides
	Batch    int     `yaml:"batch"`              // B: examples per mini-batch; 0 is all of the local data
	LR       float64 `yaml:"lr"`                 // eta: learning rate of the mean loss, > 0

	// The server's step.
	ServerLR       float64 `yaml:"server_lr,omitempty"`       // eta_s, on the averaged update; 0 means 1, or .1 for adam, yogi and adagrad
	Server         string  `yaml:"server,omitempty"`          // sgd (default), momentum, adagrad, adam, yogi
	ServerMomentum float64 `yaml:"server_momentum,omitempty"` // beta_1; 0 means .9 (adagrad: 0)
	ServerBeta2    float64 `yaml:"server_beta2,omitempty"`    // beta_2 of adam and yogi; 0 means .99
	ServerTau      float64 `yaml:"server_tau,omitempty"`      // tau of adagrad, adam and yogi; 0 means 1e-3
	LRScale        string  `yaml:"lr_scale,omitempty"`        // none (default), sqrt or linear in the number of contributions
	Warmup         int     `yaml:"warmup,omitempty"`          // rounds in which the scale rises from 1
	Guard          float64 `yaml:"guard,omitempty"`           // a version whose test loss exceeds this many times the last one's is rolled back; 0: only one that is not finite

	// Client drift.
	Prox       float64 `yaml:"prox,omitempty"`       // FedProx's mu
	Correction string  `yaml:"correction,omitempty"` // none (default), scaffold, fednova

	// Combiners in place of the mean.
	Combine   string  `yaml:"combine,omitempty"`   // mean (default), median, trimmed-mean, krum, geometric-median, radon
	Trim      float64 `yaml:"trim,omitempty"`      // of trimmed-mean, share per side; 0 means .2
	Byzantine int     `yaml:"byzantine,omitempty"` // of krum: f, how many may be wrong; 0 means 1
	MaxKept   int     `yaml:"max_kept,omitempty"`  // models held at a time by what is not linear; 0 means 100

	// Dynamic averaging.
	Delta     float64 `yaml:"delta,omitempty"`      // squared distance that is a violation; .inf never communicates
	Augment   float64 `yaml:"augment,omitempty"`    // clients added to a balancing set at a time, in multiples of it; 0 means 2
	FullShare float64 `yaml:"full_share,omitempty"` // share of the clients from which on all are synchronised; 0 means .5

	// The Radon machine.
	Height int `yaml:"height,omitempty"` // h; 0: as high as the participants allow
	Models int `yaml:"models,omitempty"` // most base models per participant; 0 means 1

	// FedBuff.
	Buffer    int     `yaml:"buffer,omitempty"`    // K, answers that make a version; 0 means 10
	Staleness float64 `yaml:"staleness,omitempty"` // a in 1/(1+s)^a; 0 means 1/2

	// FedDC.
	AverageEvery int `yaml:"average_every,omitempty"` // legs from one average to the next; 0 means 10

	// Rounds.
	MinClients int           `yaml:"min_clients,omitempty"` // participants present before a round opens; 0 means 1, or 2 where one makes no sense
	MinReports int           `yaml:"min_reports,omitempty"` // contributions that a round needs; 0 means half of its cohort, rounded up
	Deadline   time.Duration `yaml:"deadline,omitempty"`    // of a round, of fetched models (dynamic), or of an order (fedbuff); 0 means DefaultDeadline
}

// DefaultDeadline bounds a round whose task gives no deadline: long enough
// for a phone to work through its share, short enough that nobody waits for
// a tab that hangs.
const DefaultDeadline = 2 * time.Minute

// Limits of a Config, so that a task file cannot ask for what no client
// will ever finish.
const (
	MaxEpochs   = 1000
	MaxBatches  = 1_000_000
	MaxBatch    = 1 << 20
	MinDeadline = time.Second
	MaxDeadline = 24 * time.Hour
	MaxModels   = 256 // base models of one participant: as many as vectors in a contribution
)

// A Problem is one thing wrong with a Config: the field as it is written in
// the task file, its value, and what would be right.
type Problem struct {
	Field string // "fraction"
	Value any
	Want  string // "0 <= fraction <= 1"
}

func (p Problem) String() string {
	return fmt.Sprintf("%s is %v, want %s", p.Field, p.Value, p.Want)
}

// Kinds are the strategies that exist.
func Kinds() []string {
	return []string{"central", "minibatch", "oneshot", "periodic", "fedavg", "dynamic", "radon", "fedbuff", "daisy"}
}

// The kinds that use a setting. What is not listed is used by all.
var (
	serverKinds = []string{"fedavg", "periodic", "oneshot", "minibatch", "fedbuff"}
	uses        = map[string][]string{
		"epochs":          {"central", "oneshot", "periodic", "fedavg", "radon", "fedbuff", "daisy"},
		"batches":         {"central", "oneshot", "periodic", "fedavg", "dynamic", "fedbuff", "daisy"},
		"fraction":        {"fedavg", "minibatch", "fedbuff"},
		"min_clients":     {"minibatch", "oneshot", "periodic", "fedavg", "dynamic", "radon", "fedbuff", "daisy"},
		"min_reports":     {"minibatch", "oneshot", "periodic", "fedavg", "daisy"},
		"deadline":        {"central", "minibatch", "oneshot", "periodic", "fedavg", "dynamic", "radon", "fedbuff", "daisy"},
		"server_lr":       {"minibatch", "oneshot", "periodic", "fedavg", "dynamic", "fedbuff", "daisy"},
		"server":          serverKinds,
		"server_momentum": serverKinds,
		"server_beta2":    serverKinds,
		"server_tau":      serverKinds,
		"lr_scale":        {"fedavg", "periodic", "oneshot", "minibatch", "daisy"},
		"warmup":          {"fedavg", "periodic", "oneshot", "minibatch", "daisy"},
		"guard":           {"central", "fedavg", "periodic", "oneshot", "minibatch", "dynamic", "fedbuff", "daisy"},
		"prox":            {"fedavg", "periodic", "oneshot", "fedbuff"},
		"correction":      {"fedavg", "periodic"},
		"combine":         {"fedavg", "periodic", "oneshot"},
		"trim":            {"fedavg", "periodic", "oneshot"},
		"byzantine":       {"fedavg", "periodic", "oneshot"},
		"max_kept":        {"fedavg", "periodic", "oneshot", "daisy"},
		"delta":           {"dynamic"},
		"augment":         {"dynamic"},
		"full_share":      {"dynamic"},
		"height":          {"radon"},
		"models":          {"radon"},
		"buffer":          {"fedbuff"},
		"staleness":       {"fedbuff"},
		"average_every":   {"daisy"},
	}
)

// Problems reports everything that is wrong with c by itself. What does not fit
// the model or the participants is for New to say.
func (c Config) Problems() []Problem {
	var ps []Problem
	bad := func(ok bool, field string, value any, want string) {
		if !ok {
			ps = append(ps, Problem{field, value, want})
		}
	}
	known := slices.Contains(Kinds(), c.Kind)
	bad(known, "kind", fmt.Sprintf("%q", c.Kind), oneOf(Kinds()))
	// use says that a field is in use if it is not zero, and checks that the
	// kind knows it.
	use := func(given bool, field string, value any) bool {
		if given && known && uses[field] != nil && !slices.Contains(uses[field], c.Kind) {
			ps = append(ps, Problem{field, value, fmt.Sprintf("no such setting: %s has none (%s have)", c.Kind, strings.Join(uses[field], ", "))})
			return false
		}
		return true
	}
	number := func(x, least, most float64, field, want string) {
		if use(x != 0, field, x) {
			bad(x == 0 || x >= least && x <= most, field, x, want)
		}
	}
	whole := func(n, most int, field, want string) {
		if use(n != 0, field, n) {
			bad(n >= 0 && n <= most, field, n, want)
		}
	}
	choice := func(s, field string, among ...string) {
		if use(s != "", field, fmt.Sprintf("%q", s)) {
			bad(s == "" || slices.Contains(among, s), field, fmt.Sprintf("%q", s), oneOf(among))
		}
	}
	whole(c.Epochs, MaxEpochs, "epochs", fmt.Sprintf("1 <= epochs <= %d", MaxEpochs))
	whole(c.Batches, MaxBatches, "batches", fmt.Sprintf("1 <= batches <= %d (0: epochs decide)", MaxBatches))
	bad(c.Epochs == 0 || c.Batches == 0, "batches", c.Batches, "either epochs or batches, not both")
	bad(c.Kind != "dynamic" || c.Batches > 0, "batches", c.Batches, "at least 1: dynamic checks its condition after so many mini-batches")
	bad(c.Batch >= 0 && c.Batch <= MaxBatch, "batch", c.Batch, fmt.Sprintf("0 <= batch <= %d (0: all of the local data)", MaxBatch))
	bad(c.LR > 0 && c.LR <= 1000, "lr", c.LR, "0 < lr <= 1000")

	number(c.Fraction, 0, 1, "fraction", "0 <= fraction <= 1")
	whole(c.MinClients, 1<<30, "min_clients", "min_clients >= 1")
	if c.Kind == "dynamic" || c.Kind == "daisy" {
		bad(c.MinClients != 1, "min_clients", c.MinClients, fmt.Sprintf("at least 2: %s with one client is central training (the nearest is periodic)", c.Kind))
	}
	whole(c.MinReports, 1<<30, "min_reports", "min_reports >= 1 (0: half of the cohort)")
	if use(c.Deadline != 0, "deadline", c.Deadline) {
		bad(c.Deadline == 0 || c.Deadline >= MinDeadline && c.Deadline <= MaxDeadline, "deadline", c.Deadline, fmt.Sprintf("%v <= deadline <= %v", MinDeadline, MaxDeadline))
	}

	number(c.ServerLR, 0, 1000, "server_lr", "0 < server_lr <= 1000")
	choice(c.Server, "server", "sgd", "momentum", "adagrad", "adam", "yogi")
	number(c.ServerMomentum, 0, .9999, "server_momentum", "0 < server_momentum < 1")
	number(c.ServerBeta2, 0, .99999, "server_beta2", "0 < server_beta2 < 1")
	number(c.ServerTau, 0, 1, "server_tau", "0 < server_tau <= 1")
	choice(c.LRScale, "lr_scale", "none", "sqrt", "linear")
	whole(c.Warmup, 1_000_000, "warmup", "0 <= warmup <= 1000000 rounds")
	number(c.Guard, 1, 1e6, "guard", "1 <= guard <= 1000000, in multiples of the last test loss (0: none)")

	number(c.Prox, 0, 1000, "prox", "0 < prox <= 1000")
	choice(c.Correction, "correction", "none", "scaffold", "fednova")
	choice(c.Combine, "combine", "mean", "median", "trimmed-mean", "krum", "geometric-median", "radon")
	number(c.Trim, 0, .4999, "trim", "0 < trim < 0.5, the share that is cut off on each side")
	whole(c.Byzantine, 1<<20, "byzantine", "byzantine >= 1, how many may be wrong")
	whole(c.MaxKept, 10_000, "max_kept", "1 <= max_kept <= 10000 models")
	bad(c.Warmup == 0 || c.LRScale == "sqrt" || c.LRScale == "linear", "warmup", c.Warmup, "lr_scale: sqrt or linear beside it, whose scale it lets rise (optimiser.warmup is the clients')")
	adaptive := c.Server == "adam" || c.Server == "yogi" || c.Server == "adagrad"
	bad(c.ServerMomentum == 0 || c.Server == "momentum" || adaptive, "server_momentum", c.ServerMomentum, "server: momentum, adagrad, adam or yogi beside it")
	bad(c.ServerBeta2 == 0 || c.Server == "adam" || c.Server == "yogi", "server_beta2", c.ServerBeta2, "server: adam or yogi beside it")
	bad(c.ServerTau == 0 || adaptive, "server_tau", c.ServerTau, "server: adagrad, adam or yogi beside it")
	bad(c.MaxKept == 0 || c.robust() || c.Kind == "daisy" || !known, "max_kept", c.MaxKept, "a combiner that is not the mean beside it (the mean holds no models)")
	bad(c.Trim == 0 || c.Combine == "trimmed-mean", "trim", c.Trim, "combine: trimmed-mean beside it")
	bad(c.Byzantine == 0 || c.Combine == "krum", "byzantine", c.Byzantine, "combine: krum beside it")
	if c.robust() {
		bad(c.Correction == "" || c.Correction == "none", "correction", fmt.Sprintf("%q", c.Correction), fmt.Sprintf("none beside combine: %s, which takes single deltas", c.Combine))
		bad(c.Server == "" || c.Server == "sgd", "server", fmt.Sprintf("%q", c.Server), fmt.Sprintf("sgd beside combine: %s", c.Combine))
	}
	if c.Correction == "scaffold" {
		bad(c.Prox == 0, "prox", c.Prox, "none beside correction: scaffold, whose control variates are gradients of plain steps")
	}
	if c.Correction == "scaffold" || c.Correction == "fednova" {
		bad(c.Server == "" || c.Server == "sgd", "server", fmt.Sprintf("%q", c.Server), fmt.Sprintf("sgd beside correction: %s", c.Correction))
	}

	if use(c.Delta != 0, "delta", c.Delta) {
		bad(c.Delta >= 0, "delta", c.Delta, "delta >= 0 (.inf: never communicate)")
	}
	number(c.Augment, 0, 1000, "augment", "0 < augment <= 1000, in multiples of the balancing set")
	number(c.FullShare, 0, 1, "full_share", "0 < full_share <= 1")
	whole(c.Height, 16, "height", "1 <= height <= 16 (0: as high as the participants allow)")
	whole(c.Models, MaxModels, "models", fmt.Sprintf("1 <= models <= %d per participant", MaxModels))
	whole(c.Buffer, 10_000, "buffer", "1 <= buffer <= 10000 answers")
	number(c.Staleness, 0, 10, "staleness", "0 < staleness <= 10")
	whole(c.AverageEvery, 10_000, "average_every", "1 <= average_every <= 10000 legs")
	return ps
}

func oneOf(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = fmt.Sprintf("%q", n)
	}
	if len(quoted) == 1 {
		return quoted[0]
	}
	return strings.Join(quoted[:len(quoted)-1], ", ") + " or " + quoted[len(quoted)-1]
}

// WithDefaults returns c with its zeros replaced by the defaults.
func (c Config) WithDefaults() Config {
	used := func(field string) bool { return slices.Contains(uses[field], c.Kind) }
	if c.Epochs == 0 && c.Batches == 0 && used("epochs") {
		c.Epochs = 1
	}
	adaptive := c.Server == "adam" || c.Server == "yogi" || c.Server == "adagrad"
	if c.ServerLR == 0 && used("server_lr") {
		c.ServerLR = 1
		if adaptive {
			c.ServerLR = .1
		}
	}
	if c.Server != "" && c.Server != "sgd" && c.Server != "adagrad" {
		or(&c.ServerMomentum, .9)
	}
	if adaptive {
		or(&c.ServerTau, 1e-3)
		if c.Server != "adagrad" {
			or(&c.ServerBeta2, .99)
		}
	}
	if used("min_clients") {
		switch c.Kind {
		case "dynamic", "daisy", "oneshot":
			or(&c.MinClients, 2)
		}
		or(&c.MinClients, 1)
	}
	if c.Kind == "central" {
		or(&c.Deadline, MaxDeadline) // an epoch may take long, and nobody waits
	}
	if used("deadline") {
		or(&c.Deadline, DefaultDeadline)
	}
	if c.Combine == "trimmed-mean" {
		or(&c.Trim, .2)
	}
	if c.Combine == "krum" {
		or(&c.Byzantine, 1)
	}
	if c.robust() || c.Kind == "daisy" {
		or(&c.MaxKept, 100)
	}
	switch c.Kind {
	case "dynamic":
		or(&c.Augment, 2)
		or(&c.FullShare, .5)
	case "radon":
		or(&c.Models, 1)
	case "fedbuff":
		or(&c.Buffer, 10)
		or(&c.Staleness, .5)
	case "daisy":
		or(&c.AverageEvery, 10)
	}
	return c
}

// or replaces a zero.
func or[T comparable](v *T, other T) {
	var zero T
	if *v == zero {
		*v = other
	}
}

// robust says whether single models are combined by something other than a mean.
func (c Config) robust() bool { return c.Combine != "" && c.Combine != "mean" }

// Sums returns how many sums the contributions go into.
func (c Config) Sums() int {
	if c.Correction == "scaffold" {
		return 2
	}
	return 1
}

// Packing is what a scheme bears of what is lost in packing.
type Packing struct {
	Lossy    bool // the clients' vectors, and the versions, need not arrive bit for bit
	Biased   bool // not even in the mean over many contributions
	Feedback bool // what one contribution lacks may come with the next: they are deltas of whole orders, one a round
	Default  bool // what clients send is packed with loss unless a task says otherwise
	Grid     bool // and versions lie on a grid: what rounding takes off comes back in later rounds
}

// Packing says what c bears.
func (c Config) Packing() Packing {
	switch c.Kind {
	case "radon": // a Radon point is taken of models as they are
		return Packing{}
	case "minibatch": // a bias would be in every step
		return Packing{Lossy: true}
	case "dynamic": // its condition is on models as they are; most contributions are not followed by another of their order
		return Packing{Lossy: true, Biased: true}
	case "fedavg", "periodic", "oneshot", "fedbuff":
		whole := c.Correction != "scaffold" // whose control variates add up what is lost
		return Packing{Lossy: true, Biased: true, Feedback: whole, Default: whole, Grid: whole && c.Kind != "oneshot"}
	}
	return Packing{Lossy: true, Biased: true, Feedback: true}
}

// Vectors returns the most vectors that a contribution has.
func (c Config) Vectors() int {
	if c.Kind == "radon" {
		return max(c.Models, 1)
	}
	return c.Sums()
}

// leastKept is how few models the combiner can do with.
func (c Config) leastKept(parameters int) int {
	switch c.Combine {
	case "krum":
		return 2*c.Byzantine + 3
	case "trimmed-mean": // fewer, and nothing would be trimmed
		return int(math.Ceil(1/c.Trim - 1e-9))
	case "radon":
		return parameters + 2
	}
	return 1
}
