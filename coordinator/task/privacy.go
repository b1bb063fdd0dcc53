package task

import (
	"fmt"
	"math"

	"fedtab/privacy/secagg"
)

// Privacy says what the coordinator learns of single participants; see docs/privacy.md.
type Privacy struct {
	Aggregation string  `yaml:"aggregation,omitempty" help:"plain: the coordinator sees each contribution; secure: it sees sums of several"`
	Min         int     `yaml:"min,omitempty" help:"participants of a sum, of secure"`
	Max         int     `yaml:"max,omitempty" help:"participants of a sum, of secure; a round asks no more"`
	Dropout     float64 `yaml:"dropout,omitempty" help:"share of a round's participants that may drop out, of secure"`
	Corrupt     float64 `yaml:"corrupt,omitempty" help:"share of a round's participants that may collude with the coordinator, of secure"`
	Examples    int     `yaml:"examples,omitempty" help:"that count of one participant at most, of secure"`
	Bits        int     `yaml:"bits,omitempty" help:"of a number that is summed, of secure"`
	Subset      float64 `yaml:"subset,omitempty" help:"share of the parameters that a round sends, by turns, of secure"`

	// Of differential privacy; see differential.go.
	Noise      float64 `yaml:"noise,omitempty" help:"standard deviation of the noise in each version's sum, as a multiple of clip; left out: no noise, and no claim"`
	Clip       float64 `yaml:"clip,omitempty" help:"bound on the norm of a contribution, with noise"`
	Adapt      bool    `yaml:"adapt,omitempty" help:"the bound follows the median norm, from clip on; the count that it follows has noise, too"`
	FullWeight int     `yaml:"full_weight,omitempty" help:"examples from which on a contribution weighs fully, with noise; left out: all weigh the same"`
	Population int     `yaml:"population,omitempty" help:"number of participants among whom one is hidden, with noise; the sum is divided by a share of it"`
	Sampling   string  `yaml:"sampling,omitempty" help:"poisson: each member takes part in a round by chance, which is secret, and adds to privacy; none: nothing is claimed of it"`
	Delta      float64 `yaml:"delta,omitempty" help:"of the claim, with noise: below 1 / population"`
	Epsilon    float64 `yaml:"epsilon,omitempty" help:"budget of the claim, with noise: the run ends before a version that would exceed it; left out: none"`

	// Of noise of a tree.
	Participations int `yaml:"participations,omitempty" help:"rounds in which one takes part at most: the noise of all rounds is that of a tree, without a claim on sampling; left out: each version has noise of its own"`
	Separation     int `yaml:"separation,omitempty" help:"rounds from one participation to the next at least, with participations; left out: 1"`
	Restart        int `yaml:"restart,omitempty" help:"rounds after which a new tree begins, with participations; left out: never"`
}

// The values of Privacy.Aggregation.
const (
	plain  = "plain"
	secure = "secure"
)

// Defaults of secure aggregation.
const (
	defaultMin     = 5
	defaultMax     = 100
	defaultDropout = .3
	defaultCorrupt = .2
	defaultCounted = 1000
	defaultWidth   = 12
)

// Secure reports whether the coordinator sees sums only.
func (p *Privacy) Secure() bool { return p.Aggregation == secure }

// fill replaces zeros by defaults.
func (p *Privacy) fill() {
	if !p.Secure() {
		p.Aggregation = ""
		return
	}
	set := func(v *float64, to float64) {
		if *v == 0 {
			*v = to
		}
	}
	setInt := func(v *int, to int) {
		if *v == 0 {
			*v = to
		}
	}
	setInt(&p.Min, defaultMin)
	setInt(&p.Max, max(defaultMax, p.Min))
	set(&p.Dropout, defaultDropout)
	set(&p.Corrupt, defaultCorrupt)
	setInt(&p.Examples, defaultCounted)
	setInt(&p.Bits, defaultWidth)
	set(&p.Subset, 1)
}

// privacy checks the section.
func (d *decoder) privacy(t *Task) {
	p := &t.Privacy
	d.want(p.Aggregation == "" || p.Aggregation == plain || p.Secure(), "privacy.aggregation", quoted(p.Aggregation), `"plain" or "secure"`)
	d.secure(p)
	d.differential(t)
}

// secure checks the settings of secure aggregation.
func (d *decoder) secure(p *Privacy) {
	full := *p
	full.Aggregation = secure
	full.fill()
	const without = "none without privacy.aggregation: secure"
	setting := func(path string, value any, given, ok bool, want string) {
		if d.want(ok, path, value, want) {
			d.want(!given || p.Secure(), path, value, without)
		}
	}
	setting("privacy.min", p.Min, p.Min != 0, full.Min >= 3 && full.Min <= full.Max, "3 <= min <= max")
	setting("privacy.max", p.Max, p.Max != 0, full.Max >= full.Min && full.Max <= MaxClients, fmt.Sprintf("min <= max <= %d", MaxClients))
	setting("privacy.dropout", p.Dropout, p.Dropout != 0, full.Dropout > 0 && full.Dropout < 1, "0 < dropout < 1")
	setting("privacy.corrupt", p.Corrupt, p.Corrupt != 0, full.Corrupt > 0 && full.Corrupt < 1, "0 < corrupt < 1")
	setting("privacy.examples", p.Examples, p.Examples != 0, full.Examples >= 1 && full.Examples <= math.MaxInt32, fmt.Sprintf("1 <= examples <= %d", math.MaxInt32))
	setting("privacy.bits", p.Bits, p.Bits != 0, full.Bits >= 4 && full.Bits <= secagg.MaxBits, fmt.Sprintf("4 <= bits <= %d", secagg.MaxBits))
	setting("privacy.subset", p.Subset, p.Subset != 0, full.Subset > 0 && full.Subset <= 1, "0 < subset <= 1")
}
