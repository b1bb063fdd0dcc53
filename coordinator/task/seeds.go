package task

import "cmp"

// Seeds separate what Seed decides, so that one of them can be varied alone. 0 is Seed.
type Seeds struct {
	Data     uint64 `yaml:"data,omitempty" help:"which examples go where: generated ones, hold-outs, the validation set and the partition; left out: seed"`
	Start    uint64 `yaml:"start,omitempty" help:"the initial model, and how contributions are rounded; left out: seed"`
	Sampling uint64 `yaml:"sampling,omitempty" help:"the order of mini-batches, and in a simulation the cohorts and who is present; left out: seed"`
}

// DataSeed returns the seed of which examples go where.
func (t *Task) DataSeed() uint64 { return cmp.Or(t.Seeds.Data, t.Seed) }

// StartSeed returns the seed of version 0, which clients make, and of the dither.
func (t *Task) StartSeed() uint64 { return cmp.Or(t.Seeds.Start, t.Seed) }

// SamplingSeed returns the seed of the order of mini-batches, and in a simulation of the
// cohorts and of when clients come and go.
func (t *Task) SamplingSeed() uint64 { return cmp.Or(t.Seeds.Sampling, t.Seed) }

// seeds says what seeds may be.
func (d *decoder) seeds(s Seeds) {
	const want = "0 <= seed, 0 for the task's"
	d.want(true, "seeds.data", s.Data, want)
	d.want(true, "seeds.start", s.Start, want)
	d.want(true, "seeds.sampling", s.Sampling, want)
}
