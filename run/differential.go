package run

import (
	"fmt"
	"io"
	"math"

	"fedtab/strategy"
)

// Differential is what a run needs whose strategy is differentially private. What of single
// contributions, and of how many there were, is otherwise stored and shown of a round is left
// out of its records: their training loss, weights and norms have no noise.
type Differential struct {
	// Noise returns the random bytes of the noise of the attempt with an order number: those of
	// the system, in a simulation seeded ones.
	Noise func(order uint64) io.Reader
	Delta float64
	// Epsilon returns an upper bound on epsilon after a number of releases. It is called by any
	// goroutine.
	Epsilon func(releases uint64) (float64, error)
	// Withhold has State, Rounds, Present, Notify and reasons that participants are told leave out
	// what the participants cause. Simulations, whose participants are nobody, show it.
	Withhold bool
}

// Spent is what a run has told of each of its participants: (Epsilon, Delta) differential
// privacy. It covers every attempt that was opened, whether it has released a version or not.
type Spent struct {
	Releases uint64
	Epsilon  float64
	Delta    float64
}

// spent returns the account of a run as it is saved.
func (s *Saved) spent() *Spent {
	if s.Open != nil && s.Open.Spent != nil {
		return s.Open.Spent
	}
	if n := len(s.Rounds); n > 0 {
		return s.Rounds[n-1].Spent
	}
	return nil
}

// spent returns the account after a number of releases. Of one without a figure no bound is
// known: no version follows it.
func (d *Differential) spent(releases uint64) (*Spent, error) {
	epsilon, err := d.Epsilon(releases)
	if err != nil {
		return &Spent{releases, math.Inf(1), d.Delta}, fmt.Errorf("epsilon of %d releases: %w", releases, err)
	}
	return &Spent{releases, epsilon, d.Delta}, nil
}

// charge calls then once the account of an attempt is known that is to be opened, at once
// where the run makes no claim.
func (r *Run) charge(open *OpenRound, releases uint64, then func()) {
	d := r.cfg.Differential
	if d == nil {
		then()
		return
	}
	var spent *Spent
	r.env.Compute(func() { spent, _ = d.spent(releases) }, func() { // the version's account has the error
		open.Spent = spent
		then()
	})
}

// noise gives a commit its random bytes.
func (r *Run) noise(c *commit) {
	if d := r.cfg.Differential; d != nil && r.open != nil {
		c.vectors.Noise, c.charged = d.Noise(r.open.Order), r.open.Spent
	}
}

// accountVersion is a step of the pipeline: no version is made whose cost is not known.
func (r *Run) accountVersion(c *commit) error {
	d := r.cfg.Differential
	if d == nil {
		return nil
	}
	if c.spent = c.charged; c.spent == nil || c.spent.Releases != c.Releases || math.IsInf(c.spent.Epsilon, 1) {
		var err error
		if c.spent, err = d.spent(c.Releases); err != nil {
			return err
		}
	}
	c.Snapshot = strategy.AppendNoised(c.Snapshot, c.vectors.Noised)
	if s := c.vectors.Seed; s != nil {
		c.Seeds = append(c.Seeds, s[:]...)
	}
	return nil
}

// withhold takes out of a version's record what depends on its contributions without noise.
func (c *commit) withhold(rec *Commit) {
	if c.spent == nil {
		return
	}
	rec.Spent, rec.noised, rec.seed = c.spent, c.vectors.Noised, c.vectors.Seed
	rec.Participants, rec.Contributions = nil, nil
	rec.Weight, rec.TrainLoss, rec.Norms, rec.Times = math.NaN(), math.NaN(), nil, nil
}
