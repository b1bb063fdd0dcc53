package account

import (
	"fmt"
	"math"
)

// A Claim is what a run says that it hides, as a function of its releases: add-remove
// adjacency, each release one step of Mechanism.
type Claim struct {
	Noise float64 // as of Mechanism; with an adaptive clipping norm, of the vector and the count together
	Rate  float64
	Delta float64
}

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
	// Epsilon grows by about the root of the releases at first: doubling finds the scale.
	low, high := 0, 1
	for high < most && within(high) {
		low, high = high, min(2*high, most)
	}
	if high == most && within(most) {
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
