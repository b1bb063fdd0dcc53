// Package adversary makes clients of a simulation or a swarm attack the run that they
// take part in.
//
// An adversary is an ordinary client whose messages and examples are replaced: it joins,
// trains and packs as an honest one does, and a Member changes its answers, drops them,
// or poisons what it trains on. Its contributions stay well formed: role, base, weight
// and metrics are those of the honest answer, values are clipped to the bounds of the
// protocol, and vectors are raw float32, which every run decodes and no quantiser
// blunts.
//
// The adversaries of a run are one Group. Kinds that collude know the deltas of the
// honest clients. The package has no network, no clock and no goroutine.
package adversary

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"fedtab/learn/rng"

	"gonum.org/v1/gonum/stat/distuv"
)

// Kinds of adversary. A delta is any vector of an answer: of parameters, a gradient sum,
// or the change of a control variate.
const (
	SignFlip       = "sign-flip"        // -Scale times its honest delta
	Scale          = "scale"            // Scale times its honest delta
	Noise          = "noise"            // its honest delta plus Gaussian noise
	LabelFlip      = "label-flip"       // trains on labels classes-1-y, answers honestly
	Backdoor       = "backdoor"         // trains half of its examples with a trigger and the label Target, answers Scale times the delta (Bagdasaryan et al., AISTATS 2020)
	LittleIsEnough = "little-is-enough" // mean - z std of the honest deltas, by coordinate (Baruch, Baruch and Goldberg, NeurIPS 2019)
	InnerProduct   = "inner-product"    // -Scale times the mean of the honest deltas (Xie, Koyejo and Gupta, UAI 2019)
	Idle           = "idle"             // never answers
	Decline        = "decline"          // declines every order
)

// Kinds are all kinds, in the order of the documentation.
var Kinds = []string{SignFlip, Scale, Noise, LabelFlip, Backdoor, LittleIsEnough, InnerProduct, Idle, Decline}

// Config are the adversaries of a run. The zero value stands for none.
type Config struct {
	Kind     string  `yaml:"kind"`
	Fraction float64 `yaml:"fraction"`         // share of the clients, 0 to 1; their number is rounded
	Scale    float64 `yaml:"scale,omitempty"`  // factor of sign-flip, scale, backdoor and inner-product; 0: default
	Noise    float64 `yaml:"noise,omitempty"`  // of kind noise: norm of the noise over the norm of the delta; 0: default
	Target   int     `yaml:"target,omitempty"` // of kind backdoor: the class that the trigger stands for
}

// Limits and defaults of a Config.
const (
	MaxScale  = 10_000 // as many contributions as a simulated cohort can have
	MaxNoise  = 10_000
	MaxTarget = 255

	defaultScale = 10
	defaultNoise = 10

	// defaultEpsilon is the Scale of inner-product. The mean of n contributions, f of
	// them lies, changes its sign where Scale > (n-f)/f; Krum and the medians are
	// attacked by values near 1, which pass for an honest delta's length.
	defaultEpsilon = 1.1

	// defaultZ is the z of little-is-enough where the paper's formula gives none above
	// 0: too few adversaries to make a majority with supporters.
	defaultZ = 1.5
)

// settingKinds are the kinds that have a setting.
var settingKinds = map[string][]string{
	"scale":  {SignFlip, Scale, Backdoor, InnerProduct},
	"noise":  {Noise},
	"target": {Backdoor},
}

// A Problem is an invalid field of a Config.
type Problem struct {
	Field string // its name in a task file
	Value any
	Want  string
}

// Problems returns every invalid field of c.
func (c Config) Problems() []Problem {
	var ps []Problem
	want := func(ok bool, field string, value any, want string) {
		if !ok {
			ps = append(ps, Problem{field, value, want})
		}
	}
	if c == (Config{}) {
		return nil
	}
	want(c.Fraction >= 0 && c.Fraction <= 1, "fraction", c.Fraction, "0 <= fraction <= 1")
	if !slices.Contains(Kinds, c.Kind) {
		want(false, "kind", strconv.Quote(c.Kind), "one of "+strings.Join(Kinds, ", "))
		return ps
	}
	// setting checks a field that only some kinds have.
	setting := func(field string, value any, given, ok bool, limits string) {
		kinds := settingKinds[field]
		switch {
		case !given:
		case !slices.Contains(kinds, c.Kind):
			want(false, field, value, fmt.Sprintf("none, because kind is %q (it belongs to %s)", c.Kind, strings.Join(kinds, ", ")))
		default:
			want(ok, field, value, limits)
		}
	}
	setting("scale", c.Scale, c.Scale != 0, c.Scale > 0 && c.Scale <= MaxScale, fmt.Sprintf("0 < scale <= %d (0: default)", MaxScale))
	setting("noise", c.Noise, c.Noise != 0, c.Noise > 0 && c.Noise <= MaxNoise, fmt.Sprintf("0 < noise <= %d, in norms of the honest delta (0: default)", MaxNoise))
	setting("target", c.Target, c.Target != 0, c.Target > 0 && c.Target <= MaxTarget, fmt.Sprintf("0 <= target <= %d, a class", MaxTarget))
	return ps
}

// DataProblems returns the fields of c that examples of the given shape and number of
// classes (0 for numbers) do not allow.
func (c Config) DataProblems(shape []int, classes int) []Problem {
	if c.Kind != LabelFlip && c.Kind != Backdoor {
		return nil
	}
	kind := strconv.Quote(c.Kind)
	switch {
	case classes == 0:
		return []Problem{{"kind", kind, "another kind, because the data has no classes"}}
	case c.Kind == LabelFlip:
		return nil
	case len(shape) < 2 || len(shape) > 3 || shape[0] < triggerSide || shape[1] < triggerSide:
		return []Problem{{"kind", kind, fmt.Sprintf("another kind, or images of at least %d x %d pixels (the examples have shape %v)", triggerSide, triggerSide, shape)}}
	case c.Target >= classes:
		return []Problem{{"target", c.Target, fmt.Sprintf("0 <= target <= %d, a class of the data", classes-1)}}
	}
	return nil
}

// WithDefaults returns c with the defaults of its kind. The scale of a backdoor stays 0:
// its default depends on the cohort.
func (c Config) WithDefaults() Config {
	if c.Scale == 0 {
		switch c.Kind {
		case SignFlip, Scale:
			c.Scale = defaultScale
		case InnerProduct:
			c.Scale = defaultEpsilon
		}
	}
	if c.Kind == Noise && c.Noise == 0 {
		c.Noise = defaultNoise
	}
	return c
}

// colludes reports whether adversaries need the deltas of honest clients.
func (c Config) colludes() bool { return c.Kind == LittleIsEnough || c.Kind == InnerProduct }

// choose returns which of the clients are adversaries: round(Fraction x clients) of
// them, drawn from the stream "adversaries" of seed.
func (c Config) choose(clients int, seed uint64) []bool {
	lies := make([]bool, clients)
	n := int(math.Round(c.Fraction * float64(clients)))
	for _, i := range rng.Stream(seed, "adversaries").Perm(clients)[:n] {
		lies[i] = true
	}
	return lies
}

// zMax returns the z of little-is-enough for n contributions, f of them lies: the
// largest for which s = floor(n/2 + 1) - f honest clients are expected further from the
// mean than the lies, so that these and they are a majority: the quantile of the normal
// distribution at (n - f - s)/(n - f) (Algorithm 3 of the paper). It is defaultZ where
// that is not above 0.
func zMax(n, f int) float64 {
	s := n/2 + 1 - f
	p := float64(n-f-s) / float64(n-f)
	if !(p > .5 && p < 1) {
		return defaultZ
	}
	return distuv.UnitNormal.Quantile(p)
}
