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

// noise gives a commit its random bytes.
func (r *Run) noise(c *commit) {
	if d := r.cfg.Differential; d != nil && r.open != nil {
		c.vectors.Noise = d.Noise(r.open.Order)
	}
}

// accountVersion is a step of the pipeline: no version is made whose cost is not known.
func (r *Run) accountVersion(c *commit) error {
	d := r.cfg.Differential
	if d == nil {
		return nil
	}
	epsilon, err := d.Epsilon(c.Releases)
	if err != nil {
		return fmt.Errorf("epsilon of %d releases: %w", c.Releases, err)
	}
	c.spent = &Spent{Releases: c.Releases, Epsilon: epsilon, Delta: d.Delta}
	c.Snapshot = strategy.AppendNoised(c.Snapshot, c.vectors.Noised, c.vectors.Seed)
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
