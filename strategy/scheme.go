package strategy

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// A Scheme is all that is known of one way to combine models. Each is declared in
// a file of its own and listed in Schemes; task files, their errors, `coordinator
// tasks` and docs/schemes.md read what stands here.
type Scheme struct {
	Name   string // in task files
	Title  string // for people
	Help   string // what it does, in a few words
	Models string // models that travel per participant
	Choose string // when to choose it

	Settings []Setting
	// Own is the zero value of the struct that holds the settings that no other
	// scheme has, with their keys as yaml tags; nil if there are none.
	Own any

	// Check reports what the ranges of single settings do not; nil: nothing.
	Check func(Config) []Problem
	// CheckSetup says why the scheme cannot work with the model or the clients,
	// and what would; nil: it can with all.
	CheckSetup func(Config, Setup) error
	// Optimiser says which optimisers of the clients the scheme bears; nil: all.
	Optimiser func(Config) Optimisers
	// Packing says what the scheme bears of what is lost in packing; nil: any
	// loss, though none is taken by default.
	Packing func(Config) Packing
	// MaxScale returns the largest scale x |value| of an Add, in multiples of the
	// bound on a delta's values, where no contribution weighs more than maxWeight;
	// nil: maxWeight.
	MaxScale func(c Config, maxWeight float64) float64
	// Vectors returns how many vectors a contribution has at most; nil: one.
	Vectors func(Config) int
	// Single says what of single contributions the scheme must see, so that sums do not
	// suffice; nil or empty: they do.
	Single func(Config) string
	// Steps returns how many mini-batches every client trains in a round, 0 if
	// that is not fixed; nil: Batches.
	Steps func(Config) int
	// Words describes the settings in a few words, without those that are
	// described alike for all schemes.
	Words func(Config) []string
	// New returns a strategy. The settings have their defaults, and have been
	// checked.
	New func(Config, Setup) Strategy

	Central   bool // one client holds all data: simulations only, and its bytes are not counted
	Keeps     bool // it needs the vectors of contributions one by one
	Gradients bool // clients send gradients and take no steps
	Ends      bool // its run ends by itself
}

// Schemes returns every scheme, in the order in which documents name them. The
// caller must not change it.
func Schemes() Registry { return registry() }

// registry is made once: rounds look their scheme up.
var registry = sync.OnceValue(func() Registry {
	return Registry{
		centralScheme(), minibatchScheme(), oneshotScheme(), periodicScheme(), fedavgScheme(),
		dynamicScheme(), radonScheme(), fedbuffScheme(), daisyScheme(),
	}
})

// Optimisers says which optimisers of the clients a scheme bears.
type Optimisers struct {
	Kinds []string // none: all
	Plain bool     // each step has the same rate, and nothing beside the gradient
	Why   string
}

// FeedbackUpTo is the rate, in bits per parameter, up to which error feedback is on
// by default where contributions are averaged. Above it a contribution lacks less than
// a hundredth of its squared norm, and the memory of one more vector buys nothing.
const FeedbackUpTo = 2

// Packing is what a scheme bears of what is lost in packing.
type Packing struct {
	Lossy    bool // the clients' vectors, and the versions, need not arrive bit for bit
	Biased   bool // not even in the mean over many contributions
	Feedback bool // what one contribution lacks may come with the next: they are deltas of whole orders, one a round
	Default  bool // what clients send is packed with loss unless a task says otherwise
	Grid     bool // and versions lie on a grid: what rounding takes off comes back in later rounds
	Local    bool // clients are sent models to start from that are no versions

	Bits         float64 // per parameter, of what clients send by default; 0: the common default
	FeedbackUpTo float64 // bits per parameter up to which what was lost is fed back by default; 0: never
}

// Setting returns the setting of a key.
func (s Scheme) Setting(key string) (Setting, bool) {
	for _, t := range s.Settings {
		if t.Key == key {
			return t, true
		}
	}
	return Setting{}, false
}

// single says what of single contributions the scheme must see; empty: nothing.
func (s Scheme) single(c Config) string {
	if s.Single == nil {
		return ""
	}
	return s.Single(c)
}

// Single says what of single contributions the scheme of c must see, so that it cannot be
// secure; empty: nothing.
func (c Config) Single() string { return c.Scheme().single(c) }

// own returns the settings that the scheme alone has. The zero value stands for a
// Config that gives none.
func own[T any](c Config) T {
	v, _ := c.Own.(T)
	return v
}

// A Registry is a list of schemes.
type Registry []Scheme

// Find returns the scheme of a name.
func (r Registry) Find(name string) (Scheme, bool) {
	for _, s := range r {
		if s.Name == name {
			return s, true
		}
	}
	return Scheme{}, false
}

// Names returns the names of the schemes.
func (r Registry) Names() []string {
	names := make([]string, len(r))
	for i, s := range r {
		names[i] = s.Name
	}
	return names
}

// Settings returns each setting of any scheme once, as the first scheme that has
// it describes it.
func (r Registry) Settings() []Setting {
	var all []Setting
	for _, s := range r {
		for _, t := range s.Settings {
			if !slices.ContainsFunc(all, func(a Setting) bool { return a.Key == t.Key }) {
				all = append(all, t)
			}
		}
	}
	return all
}

// Misplaced returns the problem of a setting that was given to a scheme without
// it.
func (r Registry) Misplaced(kind, key string, value any) Problem {
	var have []string
	for _, s := range r {
		if _, ok := s.Setting(key); ok {
			have = append(have, s.Name)
		}
	}
	if s, ok := value.(string); ok {
		value = fmt.Sprintf("%q", s)
	}
	return Problem{key, value, fmt.Sprintf("it left out: %s has no such setting (only %s)", kind, strings.Join(have, ", "))}
}

// Problems reports all that is wrong with c by itself. New says what is wrong
// with c for a model and its clients.
func (r Registry) Problems(c Config) []Problem {
	var ps []Problem
	scheme, known := r.Find(c.Kind)
	if !known {
		ps = append(ps, Problem{"kind", fmt.Sprintf("%q", c.Kind), oneOf(r.Names())})
	}
	if c.Own != nil && reflect.TypeOf(c.Own) != reflect.TypeOf(scheme.Own) {
		if known {
			ps = append(ps, Problem{"kind", fmt.Sprintf("%q", c.Kind), fmt.Sprintf("settings of its own, not %T", c.Own)})
		}
		c.Own = nil
	}
	if c.Own == nil {
		c.Own = scheme.Own
	}
	settings := scheme.Settings
	if !known {
		settings = r.Settings()
	}
	for _, s := range settings {
		if v, ok := c.Get(s.Key); ok {
			ps = append(ps, s.problems(&c, v, known)...)
		}
	}
	for _, s := range r.Settings() {
		if _, has := scheme.Setting(s.Key); known && !has {
			if v, _ := c.Get(s.Key); given(v) {
				ps = append(ps, r.Misplaced(c.Kind, s.Key, v))
			}
		}
	}
	if scheme.Check != nil {
		ps = append(ps, scheme.Check(c)...)
	}
	return ps
}

// problems reports what is wrong with a setting's value. The conditions on other
// settings are those of a scheme that is known.
func (s Setting) problems(c *Config, v any, known bool) (ps []Problem) {
	if !given(v) && !s.Required {
		return nil
	}
	if p := s.problem(v); p != nil {
		ps = append(ps, *p)
	}
	if !known {
		return ps
	}
	if !s.When.holds(c) {
		ps = append(ps, Problem{s.Key, v, s.When.String()})
	}
	if s.InsteadOf != "" {
		if other, _ := c.Get(s.InsteadOf); given(other) {
			ps = append(ps, Problem{s.InsteadOf, other, fmt.Sprintf("either %s or %s, not both", s.Key, s.InsteadOf)})
		}
	}
	return ps
}

// Packing says what the scheme of c bears of what is lost in packing.
func (r Registry) Packing(c Config) Packing {
	if s, _ := r.Find(c.Kind); s.Packing != nil {
		return s.Packing(c)
	}
	return Packing{Lossy: true, Biased: true, Feedback: true, FeedbackUpTo: FeedbackUpTo}
}

// WithDefaults returns c with its zeros replaced by the defaults of its scheme.
func (r Registry) WithDefaults(c Config) Config {
	scheme, _ := r.Find(c.Kind)
	if c.Own == nil {
		c.Own = scheme.Own
	}
	for _, s := range scheme.Settings {
		s.fill(&c)
	}
	return c
}

// New returns the strategy that cfg names, or says why it cannot work with the
// model or the clients, and what would.
func (r Registry) New(cfg Config, setup Setup) (Strategy, error) {
	if ps := r.Problems(cfg); len(ps) > 0 {
		return nil, fmt.Errorf("strategy: %v", ps[0])
	}
	cfg = r.WithDefaults(cfg)
	scheme, _ := r.Find(cfg.Kind)
	if setup.Private != nil {
		if err := setup.Private.check(cfg, setup); err != nil {
			return nil, fmt.Errorf("strategy: %w", err)
		}
	}
	if scheme.CheckSetup != nil {
		if err := scheme.CheckSetup(cfg, setup); err != nil {
			return nil, fmt.Errorf("strategy: %w", err)
		}
	}
	if s := setup.Secure; s != nil {
		if what := scheme.single(cfg); what != "" {
			return nil, fmt.Errorf("strategy: %s cannot be secure: it must see %s", cfg.Kind, what)
		}
		if cfg.robust() && !s.Groups {
			return nil, fmt.Errorf("strategy: combine: %s cannot be secure without groups, whose means it combines: want privacy.groups, or combine: mean", cfg.Combine)
		}
		switch {
		case s.Fewest > s.Most:
			return nil, fmt.Errorf("strategy: a round with secure aggregation needs at least %d clients, and privacy.max is %d; want a larger max, or smaller groups", s.Fewest, s.Most)
		case !setup.Live && setup.Clients > 0 && setup.Clients < s.Fewest:
			return nil, fmt.Errorf("strategy: a round with secure aggregation needs at least %d clients, and there are %d; want more, or a smaller privacy.min, dropout or groups", s.Fewest, setup.Clients)
		}
		cfg.Clip = "none" // clients clip
		setup.MinCohort = max(setup.MinCohort, s.Fewest)
		cfg.MinClients = max(cfg.MinClients, s.Fewest)
	}
	if !setup.Live && setup.Clients > 0 {
		clients := setup.Clients
		if setup.Quorum > 0 {
			clients = max(cfg.MinClients, setup.Quorum)
		}
		cfg.MinClients = clients
	}
	return scheme.New(cfg, setup), nil
}
