package task

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"fedtab/learn/data"
	"fedtab/privacy/integers"
	"fedtab/privacy/secagg"
	"fedtab/privacy/terms"
	"fedtab/protocol"
	"fedtab/run"
	"fedtab/strategy"
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
	Members     string  `yaml:"members,omitempty" help:"path of a list of public keys: who may take part, of secure; coordinator identity makes a key"`
	Groups      int     `yaml:"groups,omitempty" help:"participants of a group at least, of secure with strategy.combine: a round's groups are summed apart, and their means combined"`
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

	Limits string `yaml:"limits,omitempty" help:"whom participations limit: person, whom an invite or a member's key tells; number: a number of the run, of which somebody who joins anew has another, and counts anew; left out: person"`
}

// The values of Privacy.Aggregation.
const (
	plain  = "plain"
	secure = "secure"
)

// Defaults of secure aggregation.
const (
	DefaultMin     = 5
	defaultMax     = 100
	defaultDropout = .3
	DefaultCorrupt = .2
	defaultCounted = 1000
	defaultWidth   = 12
)

// Secure reports whether the coordinator sees sums only.
func (p *Privacy) Secure() bool { return p.Aggregation == secure }

// masked is the codec of contributions that are masked, and so not packed.
const masked = "float32"

// fillSecure clears the settings that secure aggregation has others for.
func (t *Task) fillSecure() {
	if t.Privacy.Secure() {
		t.Compress.Up = Up{Codec: masked, Feedback: "off"}
		if !t.Privacy.Differential() { // whose own defaults bound contributions elsewhere
			t.Strategy.MaxWeight, t.Strategy.Clip = 0, ""
		}
	}
}

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
	setInt(&p.Min, DefaultMin)
	setInt(&p.Max, max(defaultMax, p.Min))
	set(&p.Dropout, defaultDropout)
	set(&p.Corrupt, DefaultCorrupt)
	if !p.Differential() {
		setInt(&p.Examples, defaultCounted)
	}
	setInt(&p.Bits, defaultWidth)
	set(&p.Subset, 1)
}

// full returns the settings of secure aggregation with their defaults.
func full(p *Privacy) *Privacy {
	with := *p
	with.Aggregation = secure
	with.fill()
	return &with
}

// signers returns as many keys as a sum can have participants, where members sign: their list is
// not read before the task is served.
func (p *Privacy) signers() (keys []secagg.Key) {
	if p.Members == "" {
		return nil
	}
	for i := range full(p).Max {
		keys = append(keys, secagg.Key{byte(i), byte(i >> 8), 1})
	}
	return keys
}

// Terms returns those of secure aggregation, as participants get them.
func (p *Privacy) Terms() protocol.SecureTerms {
	t := protocol.SecureTerms{
		Min: uint32(p.Min), Max: uint32(p.Max), Dropout: p.Dropout, Corrupt: p.Corrupt,
		Examples: uint32(p.Examples), Bits: uint32(p.Bits), Subset: p.Subset,
	}
	if p.Differential() { // one that counts fully has the weight 1
		t.Noise, t.Examples, t.Clip, t.Participations = p.Noise, uint32(max(p.FullWeight, 1)), p.Clip, uint32(p.Participations)
	}
	if p.Groups > 0 {
		t.Max = uint32(2*p.Groups - 1) // a cohort of twice as many makes two groups
	}
	return t
}

// Bytes of secure aggregation's messages: of a participant's keys in the roster that all get,
// and of what is sent and got for each neighbour.
const (
	rosterBytes    = 2 * secagg.KeySize
	neighbourBytes = 160 // shares, sealed, with digests by which they are checked; and one that unmasks
	inboxBytes     = 80
)

// RoundBytes returns about what a participant sends and gets in a round of secure aggregation
// with as many participants: its masked vector, keys and shares; and the keys and shares of
// others.
func (p *Privacy) RoundBytes(parameters, participants int) (up, down int64) {
	t, _, err := terms.Of(p.Terms(), p.signers(), "", parameters)
	if err != nil {
		return 0, 0 // of a model for whose noise there are too few bits: it has no rounds
	}
	n := min(max(participants, t.Fewest(int(p.Terms().Max))), int(p.Terms().Max))
	up, down = int64(t.MaskedSize()), int64(n*rosterBytes)
	if g, err := t.Risk.Parameters(n); err == nil {
		up, down = up+int64(g.Neighbours*neighbourBytes), down+int64(g.Neighbours*inboxBytes)
	}
	return up, down
}

// Setup returns what a strategy is told of secure aggregation; nil: there is none. Combiners
// of group means need as many groups.
func (p *Privacy) Setup(groups int) *strategy.Secure {
	if !p.Secure() {
		return nil
	}
	t, _, err := terms.Of(p.Terms(), p.signers(), "", 1)
	if err != nil {
		panic(err) // checked
	}
	s := &strategy.Secure{Fewest: t.Fewest(int(p.Terms().Max)), Most: p.Max, Min: p.Min, Dropout: p.Dropout, Groups: p.Groups > 0}
	if s.Groups {
		s.Fewest = p.Groups * groups
	}
	return s
}

// SecureTerms returns the protocol of secure aggregation, and what its vectors are, for a
// model with as many parameters.
func (t *Task) SecureTerms(parameters int) (secagg.Terms, integers.Format, error) {
	return terms.Of(t.Privacy.Terms(), t.Privacy.signers(), t.Name, parameters)
}

// Fewest returns without how many participants no live round opens.
func (t *Task) Fewest(parameters int) int {
	n := t.Strategy.Fewest(parameters)
	if s := t.Privacy.Setup(t.Strategy.Combined(parameters)); s != nil {
		n = max(n, s.Fewest)
	}
	return n
}

// Run returns the secure aggregation of a run with the given cryptography; nil: there is
// none. The error says what is wrong with the list of members.
func (p *Privacy) Run(primitives secagg.Primitives, cores int) (*run.Secure, error) {
	if !p.Secure() {
		return nil, nil
	}
	s := &run.Secure{Terms: p.Terms(), Group: p.Groups, Primitives: primitives, Cores: cores}
	if p.Members == "" {
		return s, nil
	}
	var err error
	if s.Members, err = ReadMembers(p.Members); err != nil {
		return nil, fmt.Errorf("privacy.members: %w", err)
	}
	if p.Min > len(s.Members) {
		return nil, fmt.Errorf("privacy.members: %s lists %d, want at least privacy.min (%d)", p.Members, len(s.Members), p.Min)
	}
	return s, nil
}

// privacy checks the section.
func (d *decoder) privacy(t *Task) {
	p := &t.Privacy
	d.want(p.Aggregation == "" || p.Aggregation == plain || p.Secure(), "privacy.aggregation", quoted(p.Aggregation), `"plain" or "secure"`)
	before := len(d.problems)
	d.secure(p)
	d.differential(t)
	ranges := len(d.problems) == before // otherwise the terms would tell the same again
	if !p.Secure() {
		return
	}
	what := t.Strategy.Single()
	d.want(what == "", "privacy.aggregation", secure, "plain with strategy.kind: "+t.Strategy.Kind+", which must see "+what)
	robust := t.Strategy.Combine != "" && t.Strategy.Combine != "mean"
	d.want(p.Groups > 0 || !robust, "privacy.groups", p.Groups, "the participants of a group, because strategy.combine: "+t.Strategy.Combine+" combines the means of groups")
	d.want(p.Groups == 0 || robust || !ranges, "privacy.groups", p.Groups, "none without strategy.combine, which combines the means of groups")
	const instead = " with privacy.aggregation: secure, which has privacy.bits, privacy.subset and privacy.examples"
	up := t.Compress.Up
	d.want(up.Codec == "" || up.Codec == masked, "compress.up.codec", quoted(up.Codec), masked+instead)
	d.want(up.Bits == 0, "compress.up.bits", up.Bits, "none"+instead)
	d.want(up.Feedback != "on", "compress.up.feedback", quoted(up.Feedback), "off"+instead)
	d.want(t.Strategy.Clip == "" || t.Strategy.Clip == "none", "strategy.clip", quoted(t.Strategy.Clip), "none"+instead)
	d.want(t.Strategy.MaxWeight == 0 || p.Differential(), "strategy.max_weight", t.Strategy.MaxWeight, "none"+instead)
	if !p.Differential() { // whose own checks refuse the same
		d.ownSecure(t)
	}
	if !ranges {
		return
	}
	of, _, err := terms.Of(full(p).Terms(), p.signers(), "", 1)
	if err != nil {
		d.wrong("privacy", "privacy: "+plainly(err))
		return
	}
	fewest := of.Fewest(full(p).Max)
	if p.Differential() {
		d.distributed(t, fewest)
	}
	d.want(p.Groups == 0 || p.Groups >= fewest, "privacy.groups", p.Groups, fmt.Sprintf("at least %d, of which privacy.min are left when privacy.dropout drop out", fewest))
}

// plainly returns what terms that are not possible have wrong, without the names of the packages.
func plainly(err error) string {
	text := err.Error()
	for _, of := range []error{secagg.ErrTerms, integers.ErrFormat} {
		text = strings.TrimPrefix(text, of.Error()+": ")
	}
	return text
}

// ownSecure refuses what single participants would tell of their own data beside the rounds.
func (d *decoder) ownSecure(t *Task) {
	if t.Data.Source != own {
		return
	}
	scale, on := cmp.Or(t.Data.Standardise, t.Data.scale()), cmp.Or(t.Evaluate.On, OnHoldouts)
	const why = " with privacy.aggregation: secure: "
	d.want(scale != string(data.FederatedScale), "data.standardise", quoted(scale), `"local" or "none"`+why+"each participant would tell the totals of its numbers by itself")
	d.want(on == OnTest || on == OnNone, "evaluate.on", quoted(on), `"test" or "none"`+why+"each participant would tell how the model does on its hold-out by itself")
}

// secure checks the settings of secure aggregation.
func (d *decoder) secure(p *Privacy) {
	full := full(p)
	const without = "none without privacy.aggregation: secure"
	setting := func(path string, value any, given, ok bool, want string) {
		zero := d.has(path) && !given // it would silently be the default
		if d.want(ok && !zero, path, value, want) {
			d.want(!given || p.Secure(), path, value, without)
		}
	}
	setting("privacy.min", p.Min, p.Min != 0, full.Min >= 3, "3 <= min <= max")
	setting("privacy.max", p.Max, p.Max != 0, full.Max >= full.Min && full.Max <= MaxClients, fmt.Sprintf("min <= max <= %d", MaxClients))
	setting("privacy.dropout", p.Dropout, p.Dropout != 0, full.Dropout > 0 && full.Dropout < 1, "0 < dropout < 1")
	setting("privacy.corrupt", p.Corrupt, p.Corrupt != 0, full.Corrupt > 0 && full.Corrupt < 1, "0 < corrupt < 1")
	setting("privacy.examples", p.Examples, p.Examples != 0, (full.Examples >= 1 || p.Differential() && p.Examples == 0) && full.Examples <= math.MaxInt32, fmt.Sprintf("1 <= examples <= %d", math.MaxInt32))
	setting("privacy.bits", p.Bits, p.Bits != 0, full.Bits >= 4 && full.Bits <= secagg.MaxBits, fmt.Sprintf("4 <= bits <= %d", secagg.MaxBits))
	setting("privacy.groups", p.Groups, p.Groups != 0, p.Groups == 0 || p.Groups >= full.Min && p.Groups <= full.Max, "min <= groups <= max")
	setting("privacy.members", quoted(p.Members), p.Members != "", !strings.ContainsRune(p.Members, 0), "a path")
	setting("privacy.subset", p.Subset, p.Subset != 0, full.Subset >= .001 && full.Subset <= 1, "0.001 <= subset <= 1")
}
