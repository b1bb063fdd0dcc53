package strategy

import (
	"fmt"
	"reflect"
	"strings"
	"time"
)

// Config is the strategy section of a task file. Zero fields take the defaults of
// the scheme. A setting that the scheme does not have must be zero.
type Config struct {
	Kind string `yaml:"kind"` // name of a Scheme

	// Local training.
	Fraction float64 `yaml:"fraction,omitempty"`
	Epochs   int     `yaml:"epochs,omitempty"`
	Batches  int     `yaml:"batches,omitempty"`
	Batch    int     `yaml:"batch"`
	LR       float64 `yaml:"lr"`
	Split    int     `yaml:"split,omitempty"`

	// The server's step.
	ServerLR       float64 `yaml:"server_lr,omitempty"`
	Server         string  `yaml:"server,omitempty"`
	ServerMomentum float64 `yaml:"server_momentum,omitempty"`
	ServerBeta2    float64 `yaml:"server_beta2,omitempty"`
	ServerTau      float64 `yaml:"server_tau,omitempty"`
	LRScale        string  `yaml:"lr_scale,omitempty"`
	Warmup         int     `yaml:"warmup,omitempty"`
	Guard          float64 `yaml:"guard,omitempty"`
	Clip           string  `yaml:"clip,omitempty"`
	MaxWeight      float64 `yaml:"max_weight,omitempty"`

	// Client drift.
	Prox       float64 `yaml:"prox,omitempty"`
	Correction string  `yaml:"correction,omitempty"`

	// Combiners in place of the mean.
	Combine   string  `yaml:"combine,omitempty"`
	Trim      float64 `yaml:"trim,omitempty"`
	Byzantine int     `yaml:"byzantine,omitempty"`
	MaxKept   int     `yaml:"max_kept,omitempty"`

	// Own holds the settings that only this scheme has, such as a
	// DynamicSettings; nil stands for its zero value.
	Own any `yaml:",inline"`

	// Rounds.
	MinClients int           `yaml:"min_clients,omitempty"`
	MinReports int           `yaml:"min_reports,omitempty"`
	Deadline   time.Duration `yaml:"deadline,omitempty"`
}

// A Problem is one thing wrong with a Config: the field as it is written in the
// task file, its value, and what would be right.
type Problem struct {
	Field string // "fraction"
	Value any
	Want  string // "0 <= fraction <= 1"
}

func (p Problem) String() string {
	return fmt.Sprintf("%s is %v, want %s", p.Field, p.Value, p.Want)
}

// Get returns the value of a setting. ok is false if c has no such setting: it is
// unknown, or another scheme's own.
func (c *Config) Get(key string) (value any, ok bool) {
	if f := field(reflect.ValueOf(c).Elem(), key); f.IsValid() {
		return f.Interface(), true
	}
	if c.Own != nil {
		if f := field(reflect.ValueOf(c.Own), key); f.IsValid() {
			return f.Interface(), true
		}
	}
	return nil, false
}

// Set gives a setting a value, which must be of the setting's type. It returns
// false if c has no such setting.
func (c *Config) Set(key string, value any) bool {
	if f := field(reflect.ValueOf(c).Elem(), key); f.IsValid() {
		f.Set(reflect.ValueOf(value))
		return true
	}
	if c.Own == nil {
		return false
	}
	changed := reflect.New(reflect.TypeOf(c.Own)).Elem() // Own may be shared
	changed.Set(reflect.ValueOf(c.Own))
	f := field(changed, key)
	if !f.IsValid() {
		return false
	}
	f.Set(reflect.ValueOf(value))
	c.Own = changed.Interface()
	return true
}

// field returns the field of a struct with a yaml key, or the zero Value.
func field(v reflect.Value, key string) reflect.Value {
	if key == "" {
		return reflect.Value{}
	}
	for i := range v.NumField() {
		if name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ","); name == key {
			return v.Field(i)
		}
	}
	return reflect.Value{}
}

// Scheme returns the scheme that c names, the zero value if it is unknown.
func (c Config) Scheme() Scheme {
	s, _ := Schemes().Find(c.Kind)
	return s
}

// Problems reports all that is wrong with c by itself.
func (c Config) Problems() []Problem { return Schemes().Problems(c) }

// WithDefaults returns c with its zeros replaced by the defaults.
func (c Config) WithDefaults() Config { return Schemes().WithDefaults(c) }

// Packing says what the scheme of c bears.
func (c Config) Packing() Packing { return Schemes().Packing(c) }

// Sums returns how many sums the contributions go into.
func (c Config) Sums() int {
	if c.Correction == "scaffold" {
		return 2
	}
	return 1
}

// Keeps reports whether the vectors of contributions are needed one by one; otherwise they are
// added up, wherever they are.
func (c Config) Keeps() bool { return c.Scheme().Keeps || c.robust() }

// Vectors returns how many vectors a contribution has at most.
func (c Config) Vectors() int {
	if s := c.Scheme(); s.Vectors != nil {
		return s.Vectors(c)
	}
	return c.Sums()
}

// MaxScale returns the largest scale x |value| of an Add, in multiples of the
// bound on a delta's values, where no contribution weighs more than maxWeight.
func (c Config) MaxScale(maxWeight float64) float64 {
	if s := c.Scheme(); s.MaxScale != nil {
		return s.MaxScale(c, maxWeight)
	}
	return maxWeight
}

// Steps returns how many mini-batches every client trains in a round, 0 if that
// is not fixed.
func (c Config) Steps() int {
	if s := c.Scheme(); s.Steps != nil {
		return s.Steps(c)
	}
	return c.Batches
}

// robust says whether single models are combined by something other than a mean.
func (c Config) robust() bool { return c.Combine != "" && c.Combine != "mean" }
