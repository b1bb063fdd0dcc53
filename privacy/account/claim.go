package account

import (
	"fmt"
	"math"
	"sort"
)

// A Claim is what a run says that it hides, as a function of its releases: add-remove
// adjacency, each release one step of Mechanism.
type Claim struct {
	Noise float64 // as of Mechanism; with an adaptive clipping norm, of the vector and the count together
	Rate  float64
	Delta float64
	Tree  *Tree // the noise is that of a tree, whose Steps are the releases; nil: each has its own

	// Shares says that participants add the noise; nil: it is Gaussian. What is hidden then is
	// what a participant contributes, and not that it does: the neighbour sends 0, and its share
	// of noise.
	Shares *Shares
}

// Shares is Skellam noise in sums of integers, of which each participant adds a share.
type Shares struct {
	Sensitivity            // of the integers
	Variance       float64 // of the shares that are counted on, together
	Participations int     // releases in which one participant takes part, at most; 0: all
	Error          float64 // statistical distance of a release's noise from Skellam noise
}

// epsilon returns an upper bound after a number of releases, by Rényi divergences. Delta has
// room for the distance of the samplers: each release adds (1 + exp(epsilon)) times it.
func (s *Shares) epsilon(releases int, delta float64) (float64, error) {
	n := releases
	if s.Participations > 0 {
		n = min(n, s.Participations)
	}
	curve, err := SkellamRDP(s.Variance, s.Sensitivity, Orders())
	if err != nil {
		return 0, err
	}
	for i := range curve.RDP {
		curve.RDP[i] *= float64(n)
	}
	epsilon, _ := curve.Epsilon(delta * (1 - samplerShare))
	if float64(n)*s.Error*(1+exp(epsilon)) > delta*samplerShare {
		return math.Inf(1), nil
	}
	return epsilon, nil
}

// Colluding returns the claim where those who look know a part of the shares' variance.
func (c Claim) Colluding(part float64) Claim {
	s := *c.Shares
	s.Variance *= 1 - part
	c.Shares = &s
	return c
}

// samplerShare is the part of delta that is set aside for the samplers of shares.
const samplerShare = 1e-3

// Validate reports the first field that is out of bounds.
func (c Claim) Validate() error {
	if err := (Mechanism{Noise: c.Noise, Rate: c.Rate}).Validate(); err != nil {
		return err
	}
	return ValidateDelta(c.Delta)
}

// Epsilon returns an upper bound on epsilon after a number of releases: exact without sampling,
// otherwise by privacy loss distributions. It is infinite if there is no bound.
func (c Claim) Epsilon(releases int) (float64, error) {
	m := []Mechanism{{Noise: c.Noise, Rate: c.Rate, Steps: releases}}
	if releases == 0 {
		return 0, c.Validate()
	}
	if c.Shares != nil {
		return c.Shares.epsilon(releases, c.Delta)
	}
	if c.Tree != nil {
		tree := *c.Tree
		tree.Steps = releases
		sensitivity, err := tree.Sensitivity()
		if err != nil {
			return 0, err
		}
		return GaussianEpsilon(sensitivity/c.Noise, c.Delta)
	}
	if c.Rate == 1 {
		distance, err := Distance(m, AddRemove)
		if err != nil {
			return 0, err
		}
		return GaussianEpsilon(distance, c.Delta)
	}
	b, err := PLDEpsilon(m, AddRemove, c.Delta)
	return b.Upper, err
}

// least returns a number of releases that are within a budget by their Rényi divergences.
func (c Claim) least(budget float64, most int) (int, error) {
	if c.Tree != nil || c.Shares != nil {
		return 0, nil // their figures are quick
	}
	one, err := RDP([]Mechanism{{Noise: c.Noise, Rate: c.Rate, Steps: 1}}, AddRemove, Orders())
	if err != nil {
		return 0, err
	}
	return sort.Search(most, func(n int) bool {
		all := Curve{Orders: one.Orders, RDP: make([]float64, len(one.RDP))}
		for i, r := range one.RDP {
			all.RDP[i] = float64(n+1) * r
		}
		epsilon, _ := all.Epsilon(c.Delta)
		return epsilon > budget
	}), nil
}

// Releases returns the largest number of releases, at most most, whose Epsilon is within a
// budget.
func (c Claim) Releases(budget float64, most int) (int, error) {
	if err := validateEpsilon(budget); err != nil {
		return 0, err
	}
	if most < 1 || most > MaxSteps {
		return 0, fmt.Errorf("releases is %d, want 1 <= releases <= %d", most, MaxSteps)
	}
	var failed error
	within := func(n int) bool {
		e, err := c.Epsilon(n)
		if err != nil {
			failed = err
		}
		return err == nil && !math.IsInf(e, 1) && e <= budget
	}
	// Rényi divergences are a quick upper bound, a little below the number that is sought.
	low, err := c.least(budget, most)
	if err != nil {
		return 0, err
	}
	high, step := low+1, 1
	for high < most && within(high) {
		step *= 2
		low, high = high, min(high+step, most)
	}
	if low == most || high == most && within(most) {
		return most, failed
	}
	for high-low > 1 && failed == nil {
		if middle := low + (high-low)/2; within(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return low, failed
}
