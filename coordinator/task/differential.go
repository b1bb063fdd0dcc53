package task

import (
	"fmt"
	"io"
	"math"

	"fedtab/learn/data"
	"fedtab/privacy/account"
	"fedtab/run"
	"fedtab/strategy"
)

// The values of Privacy.Sampling.
const (
	poisson   = "poisson"
	unsampled = "none"
)

// The values of Privacy.Limits.
const (
	limitPerson = "person"
	limitNumber = "number"
)

// Bounds of differential privacy.
const (
	MaxNoise      = 1000    // of privacy.noise: times strategy.MaxBound it is far below what a sum holds
	maxPopulation = 1 << 30 // members
	maxBudget     = 1000    // an epsilon beyond it hides nothing

	maxParticipations = 1000 // in a run with a tree, whose account takes the square of it
)

// Differential reports whether versions have noise.
func (p *Privacy) Differential() bool { return p.Noise > 0 }

// Tree reports whether the noise is that of a tree.
func (p *Privacy) Tree() bool { return p.Differential() && !p.Secure() && p.Participations > 0 }

// differential checks the settings of differential privacy, and what else in a task would tell
// of participants without noise.
func (d *decoder) differential(t *Task) {
	p := &t.Privacy
	if !d.want(p.Noise == 0 || p.Noise >= account.MinNoise && p.Noise <= MaxNoise, "privacy.noise", p.Noise,
		fmt.Sprintf("%v <= noise <= %d, in multiples of the bound on a contribution (0: none, and no claim)", account.MinNoise, MaxNoise)) {
		return
	}
	if !p.Differential() {
		d.withoutNoise(p)
		return
	}
	d.want(p.Clip >= strategy.MinBound && p.Clip <= strategy.MaxBound, "privacy.clip", p.Clip,
		fmt.Sprintf("%v <= clip <= %d, the bound on the norm of a contribution", strategy.MinBound, strategy.MaxBound))
	populated := d.want(p.Population >= 2 && p.Population <= maxPopulation, "privacy.population", p.Population,
		fmt.Sprintf("2 <= population <= %d, the number of participants among whom one is hidden", maxPopulation))
	d.want(p.FullWeight >= 0 && p.FullWeight <= maxExamples, "privacy.full_weight", p.FullWeight,
		fmt.Sprintf("1 <= full_weight <= %d examples (0: all participants weigh the same)", maxExamples))
	d.want(p.Delta >= account.MinDelta && p.Delta < 1, "privacy.delta", p.Delta, fmt.Sprintf("%v <= delta < 1 / population", account.MinDelta))
	if populated && p.Delta < 1 {
		d.want(p.Delta*float64(p.Population) < 1, "privacy.delta", p.Delta,
			fmt.Sprintf("less than 1 / population = %.3g: with delta alone, a run could publish all that one of them has", 1/float64(p.Population)))
	}
	d.want(p.Epsilon >= 0 && p.Epsilon <= maxBudget, "privacy.epsilon", p.Epsilon, fmt.Sprintf("0 < epsilon <= %d, the budget (0: none)", maxBudget))
	for _, problem := range strategy.PrivateProblems(t.Strategy) {
		if path := "strategy." + problem.Field; !d.brokenAt(path) {
			d.want(false, path, problem.Value, problem.Want)
		}
	}
	rate := t.Strategy.PrivateRate()
	if d.want(p.Sampling == "" || p.Sampling == poisson || p.Sampling == unsampled, "privacy.sampling", quoted(p.Sampling), `"poisson" or "none"`) && p.Sampling == poisson {
		d.want(rate < 1, "privacy.sampling", quoted(p.Sampling), "none, or strategy.fraction below 1 beside it: here all take part in every round")
	}
	if p.Adapt && populated && rate > 0 && rate <= 1 {
		cohort := rate * float64(p.Population)
		_, err := account.ClippingNoise(p.Noise, account.CountNoise(cohort))
		d.want(err == nil, "privacy.adapt", p.Adapt,
			fmt.Sprintf("false, or a noise below a tenth of the expected cohort of %.4g: the number of norms below the bound has noise of its own", cohort))
	}
	if !p.Secure() {
		d.tree(p)
	}
	if d.want(p.Limits == "" || p.Limits == limitPerson || p.Limits == limitNumber, "privacy.limits", quoted(p.Limits), `"person" or "number"`) && p.Limits != "" {
		d.want(p.Participations > 0, "privacy.limits", quoted(p.Limits), "none, or privacy.participations beside it: without that nothing is limited")
	}
	d.unnoised(t)
}

// tree checks the settings of tree aggregation.
func (d *decoder) tree(p *Privacy) {
	d.want(p.Participations >= 0 && p.Participations <= maxParticipations, "privacy.participations", p.Participations,
		fmt.Sprintf("1 <= participations <= %d rounds of a participant (0: noise of each version by itself)", maxParticipations))
	d.want(p.Separation >= 0 && p.Separation <= MaxRounds, "privacy.separation", p.Separation, fmt.Sprintf("1 <= separation <= %d rounds", MaxRounds))
	d.want(p.Restart >= 0 && p.Restart <= MaxRounds, "privacy.restart", p.Restart, fmt.Sprintf("1 <= restart <= %d rounds (0: one tree)", MaxRounds))
	if p.Participations == 0 {
		const without = "none, or privacy.participations beside it: it is of noise of a tree"
		d.want(p.Separation <= 0, "privacy.separation", p.Separation, without)
		d.want(p.Restart <= 0, "privacy.restart", p.Restart, without)
		return
	}
	d.want(p.Sampling != poisson, "privacy.sampling", quoted(p.Sampling), "none beside privacy.participations: a tree claims nothing of chance")
	d.want(!p.Adapt, "privacy.adapt", p.Adapt, "false beside privacy.participations: all nodes of a tree have one bound")
}

// distributed checks noise in secure sums, which have no fewer participants than fewest.
func (d *decoder) distributed(t *Task, fewest int) {
	p, with := &t.Privacy, full(&t.Privacy)
	const beside = " beside privacy.aggregation: secure: "
	d.want(p.Sampling != poisson, "privacy.sampling", quoted(p.Sampling), "none"+beside+"the coordinator, which is not to see through the noise, knows who was drawn")
	d.want(!p.Adapt, "privacy.adapt", p.Adapt, "false"+beside+"the number of norms below the bound is not sent")
	d.want(p.Separation == 0, "privacy.separation", p.Separation, "none"+beside+"each version has noise of its own, and privacy.participations bounds how many of them one takes part in")
	d.want(p.Restart == 0, "privacy.restart", p.Restart, "none"+beside+"there is no tree")
	d.want(p.Examples == 0, "privacy.examples", p.Examples, "none beside privacy.noise, which has privacy.full_weight")
	d.want(p.Participations >= 0 && p.Participations <= maxParticipations, "privacy.participations", p.Participations,
		fmt.Sprintf("1 <= participations <= %d rounds of a participant (0: all that there are)", maxParticipations))
	d.want(with.Colluding() < with.Min, "privacy.corrupt", with.Corrupt,
		fmt.Sprintf("less than privacy.min / privacy.max = %.3g"+beside+"the %d that may collude could take away all noise of a sum of %d", float64(with.Min)/float64(with.Max), with.Colluding(), with.Min))
	cohort := math.Round(t.Strategy.PrivateRate() * float64(p.Population))
	if p.Population >= 2 && cohort > 0 {
		d.want(cohort >= float64(fewest) && cohort <= float64(with.Max), "privacy.max", with.Max,
			fmt.Sprintf("at least the %g participants that a round asks, strategy.fraction of privacy.population, which are at least the %d that a sum must begin with", cohort, fewest))
	}
}

// withoutNoise refuses settings that mean nothing without noise.
func (d *decoder) withoutNoise(p *Privacy) {
	for _, s := range []struct {
		path  string
		value any
		given bool
	}{
		{"privacy.clip", p.Clip, p.Clip != 0}, {"privacy.adapt", p.Adapt, p.Adapt}, {"privacy.full_weight", p.FullWeight, p.FullWeight != 0},
		{"privacy.population", p.Population, p.Population != 0}, {"privacy.sampling", quoted(p.Sampling), p.Sampling != ""},
		{"privacy.delta", p.Delta, p.Delta != 0}, {"privacy.epsilon", p.Epsilon, p.Epsilon != 0},
		{"privacy.participations", p.Participations, p.Participations != 0}, {"privacy.separation", p.Separation, p.Separation != 0}, {"privacy.restart", p.Restart, p.Restart != 0},
		{"privacy.limits", quoted(p.Limits), p.Limits != ""},
	} {
		if s.given {
			d.want(false, s.path, s.value, "none, or a privacy.noise above 0 beside it: without noise there is no claim")
		}
	}
	d.want(true, "privacy.clip", 0, fmt.Sprintf("%v <= clip <= %d", strategy.MinBound, strategy.MaxBound))
	d.want(true, "privacy.full_weight", 0, fmt.Sprintf("1 <= full_weight <= %d examples", maxExamples))
	d.want(true, "privacy.population", 0, fmt.Sprintf("2 <= population <= %d", maxPopulation))
	d.want(true, "privacy.sampling", "", `"poisson" or "none"`)
	d.want(true, "privacy.delta", 0, fmt.Sprintf("%v <= delta < 1 / population", account.MinDelta))
	d.want(true, "privacy.participations", 0, fmt.Sprintf("1 <= participations <= %d rounds of a participant", maxParticipations))
	d.want(true, "privacy.separation", 0, fmt.Sprintf("1 <= separation <= %d rounds", MaxRounds))
	d.want(true, "privacy.restart", 0, fmt.Sprintf("1 <= restart <= %d rounds", MaxRounds))
	d.want(true, "privacy.limits", "", `"person" or "number"`)
	d.want(true, "privacy.epsilon", 0, fmt.Sprintf("0 < epsilon <= %d", maxBudget))
}

// unnoised refuses what is made of participants' data and would be released without noise.
func (d *decoder) unnoised(t *Task) {
	const beside = " beside privacy.noise: "
	d.want(t.Model.ClassWeights == "", "model.class_weights", quoted(t.Model.ClassWeights), "none"+beside+"they would tell how many examples each class has")
	if t.Data.Source != own {
		d.want(t.Data.Source != "csv" || t.Data.CSV.Scale == "none", "data.csv.scale", quoted(t.Data.CSV.Scale), "none"+beside+"means and deviations of all rows have no noise")
		return
	}
	on := t.Evaluate.On
	d.want(on == OnTest || on == OnNone, "evaluate.on", quoted(on), "test or none"+beside+"what participants tell of their hold-outs has no noise")
	scale := t.Data.Standardise
	if scale == "" {
		scale = t.Data.scale()
	}
	d.want(scale != string(data.FederatedScale), "data.standardise", quoted(scale), "local or none"+beside+"means and deviations of all participants have no noise")
}

// differentialLive refuses claims that do not hold where participants come and go.
func (d *decoder) differentialLive(t *Task, simulate string) {
	p := &t.Privacy
	if !p.Differential() {
		return
	}
	d.want(p.Sampling != poisson || t.Join == Invited, "privacy.sampling", quoted(p.Sampling),
		"none, or join: invited beside it: in an open task nobody knows among whom was drawn, and one may join many times"+simulate)
	d.want(p.Participations == 0 || p.Limits == limitNumber || t.Join == Invited || p.Members != "", "privacy.participations", p.Participations,
		"none, or join: invited beside it, as an invite with one use tells a person, or privacy.members, as a key does; or privacy.limits: number, for a claim on numbers of the run alone: in an open task somebody who clears the browser's memory and joins again has another number, and counts anew"+simulate)
	d.want(t.Data.Source == own, "data.source", quoted(t.Data.Source),
		`"own" beside privacy.noise: other data is divided among those who are there, so that all depend on each`+simulate)
}

// Persons reports whether the claim of a task that is served rests on persons, whom invites with
// one use each tell, or in an open task the members' keys: on how often one is asked, or among whom
// is drawn.
func (t *Task) Persons() bool {
	p := &t.Privacy
	known := t.Join == Invited || p.Members != ""
	return p.Differential() && known && (p.Participations > 0 && p.Limits != limitNumber || p.Sampling == poisson)
}

// Numbers reports whether the claim is on numbers of the run alone.
func (t *Task) Numbers() bool { return t.Privacy.Limits == limitNumber }

// ClaimedRate returns the probability of taking part that the claim rests on.
func (t *Task) ClaimedRate() float64 {
	if t.Privacy.Sampling == poisson {
		return t.Strategy.PrivateRate()
	}
	return 1
}

// Colluding returns how many participants of a round may collude with the coordinator, at most:
// the claim of noise in secure sums does without their shares.
func (p *Privacy) Colluding() int { return int(p.Corrupt*float64(p.Max) + 1e-9) }

// Claim returns what the versions of a differentially private task hide, of a model with as
// many parameters, with secure sums also from those who collude. The error says that there is no
// room for the noise.
//
// cuts are the releases after which a tree was begun out of turn.
func (t *Task) Claim(parameters int, cuts ...int) (account.Claim, error) {
	if t.Privacy.Secure() {
		_, f, err := t.SecureTerms(parameters)
		if err != nil {
			return account.Claim{}, fmt.Errorf("task %s: privacy: %w", t.Name, err)
		}
		c, err := f.Claim(t.Privacy.Delta, t.Privacy.Participations)
		if err != nil {
			return account.Claim{}, err
		}
		return c.Colluding(float64(t.Privacy.Colluding()) / float64(t.Privacy.Min)), nil
	}
	c := account.Claim{Noise: t.Privacy.Noise, Rate: t.ClaimedRate(), Delta: t.Privacy.Delta}
	if p := &t.Privacy; p.Participations > 0 {
		c.Tree = &account.Tree{Participations: p.Participations, Separation: max(p.Separation, 1), Restart: p.Restart, Cuts: cuts}
	}
	return c, nil
}

// Private returns what the strategy of the task is told of differential privacy; nil: it has no
// noise. Of the budget is left what earlier runs have not told. The error says that not even one
// version is within the budget, or that there is no room for the noise.
func (t *Task) Private(parameters int, told float64, cuts ...int) (*strategy.Private, error) {
	p := &t.Privacy
	if !p.Differential() {
		return nil, nil
	}
	claim, err := t.Claim(parameters, cuts...)
	if err != nil {
		return nil, err
	}
	s := &strategy.Private{Noise: p.Noise, Vector: p.Noise, Clip: p.Clip, Full: p.FullWeight, Population: p.Population}
	switch {
	case p.Secure():
		s.Distributed = &strategy.Distributed{Participations: p.Participations}
	case p.Participations > 0:
		s.Tree = &strategy.Tree{Participations: p.Participations, Separation: max(p.Separation, 1), Restart: p.Restart, Cuts: cuts}
	}
	if p.Adapt {
		s.Count = account.CountNoise(t.Strategy.PrivateRate() * float64(p.Population))
		if s.Vector, err = account.ClippingNoise(p.Noise, s.Count); err != nil {
			return nil, fmt.Errorf("task %s: privacy.adapt: %w", t.Name, err)
		}
	}
	s.Budget = p.Epsilon > 0
	if left := p.Epsilon - told; left > 0 {
		n, err := claim.Releases(left, MaxRounds)
		if err != nil {
			return nil, fmt.Errorf("task %s: privacy.epsilon: %w", t.Name, err)
		}
		if n == 0 && told == 0 {
			return nil, fmt.Errorf("task %s: privacy.epsilon is %v, want more, or more noise than %v: the first version exceeds it", t.Name, p.Epsilon, p.Noise)
		}
		s.Releases = uint64(n)
	}
	return s, nil
}

// Differential returns what a run of the task needs for its noise and its account; nil if it
// has no noise.
func (t *Task) Differential(parameters int, noise func(order uint64) io.Reader, cuts ...int) *run.Differential {
	if !t.Privacy.Differential() {
		return nil
	}
	claim, err := t.Claim(parameters, cuts...)
	return &run.Differential{Noise: noise, Delta: t.Privacy.Delta, Epsilon: func(n uint64) (float64, error) {
		if err != nil {
			return 0, err
		}
		if n > account.MaxSteps {
			return math.Inf(1), nil
		}
		return claim.Epsilon(int(n))
	}}
}

// MaxScale returns the largest scale x |value| of a contribution in the sum, as
// strategy.Config.MaxScale does.
func (t *Task) MaxScale(maxWeight float64) float64 {
	if t.Privacy.Differential() {
		return 1
	}
	return t.Strategy.MaxScale(maxWeight)
}

// Adjacency names what the claim of a task with noise and this aggregation hides: whether a
// participant takes part, or, where the coordinator sees sums and who is in them, what it
// contributes.
func Adjacency(aggregation string) string {
	if aggregation == secure {
		return "zero-out"
	}
	return "add-remove"
}
