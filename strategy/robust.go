package strategy

import (
	"fmt"
	"math"

	"fedtab/combine"
)

// robust is the family of federated averaging with a combiner that needs the
// vectors one by one.
type robust struct{ fedavg }

func (s robust) choose(r *rounds) []ClientID {
	chosen := s.fedavg.choose(r)
	if len(chosen) > r.cfg.MaxKept {
		chosen = r.sampleKept()
	}
	return chosen
}

func (robust) keeps() bool { return true }

func (robust) plan(r *rounds, rate float64) combine.Plan {
	// Weights are claims: a client that lies about its model lies about its weight.
	return combine.Robust{Combiner: r.cfg.Combine, ServerLR: rate, Trim: r.cfg.Trim, Byzantine: r.cfg.Byzantine, Seed: r.setup.Seed + r.cohort.Round}
}

// enough also asks for as many answers as the combiner needs: a deadline may
// have left fewer than were chosen.
func (robust) enough(r *rounds) bool {
	return len(r.answers) >= r.cfg.minModels(r.setup.Parameters)
}

// minModels is the smallest number of models of which the combiner withstands
// c.Byzantine wrong ones. A live cohort is never smaller.
func (c Config) minModels(parameters int) int {
	f := c.Byzantine
	switch c.Combine {
	case "krum": // Blanchard et al. 2017: n > 2 f + 2
		return 2*f + 3
	case "trimmed-mean": // floor(trim n) >= f
		return max(2*f+1, int(math.Ceil(float64(f)/c.Trim-1e-9)))
	case "radon":
		return parameters + 2
	}
	return 2*f + 1
}

// Combined returns how many vectors the combiner needs at least, 1 for the mean.
func (c Config) Combined(parameters int) int {
	if c.robust() {
		return c.minModels(parameters)
	}
	return 1
}

// Fewest returns without how many participants no live round opens.
func (c Config) Fewest(parameters int) int {
	if c.robust() {
		return max(c.MinClients, c.minModels(parameters))
	}
	return max(c.MinClients, 1)
}

// Withstands returns how many wrong answers a cohort of n withstands, by the
// combiner's guarantee; -1 if it combines by the mean, which the clipping bound and
// the guard protect instead.
func (c Config) Withstands(n int) int {
	if !c.robust() {
		return -1
	}
	switch c.Combine {
	case "krum":
		return max(min(c.Byzantine, (n-3)/2), 0)
	case "trimmed-mean":
		return combine.Trimmed(n, c.Trim)
	case "radon": // a Radon point of d + 2 models lies within the hull of all but one
		return 1
	}
	return max((n-1)/2, 0)
}

// checkRobust checks a robust combiner against the model and the clients. cohort
// returns how many of some clients are in a round.
func checkRobust(c Config, s Setup, cohort func(clients int) int) error {
	if !c.robust() {
		return nil
	}
	d, need := s.Parameters, c.minModels(s.Parameters)
	if clients := cohort(s.Clients); s.Clients > 0 {
		switch {
		case clients > c.MaxKept:
			return fmt.Errorf("combine: %s holds the models of a whole cohort, %d of %d parameters (%d MB), and max_kept is %d; want a smaller fraction, or max_kept: %d", c.Combine, clients, d, clients*d*4>>20, c.MaxKept, clients)
		case clients < need:
			return fmt.Errorf("combine: %s needs a cohort of at least %d, and it is %d; want a larger fraction, or combine: median", c.Combine, need, clients)
		}
	}
	if c.Combine == "radon" {
		switch {
		case d+2 > c.MaxKept:
			return fmt.Errorf("combine: radon needs d + 2 = %d models, and max_kept is %d; the nearest that works is combine: geometric-median", d+2, c.MaxKept)
		case d > maxRadonParameters:
			return fmt.Errorf("combine: radon takes d up to %d, and the model has %d parameters; the nearest that works is combine: geometric-median", maxRadonParameters, d)
		}
	}
	if s.Clients == 0 && need > c.MaxKept {
		return fmt.Errorf("combine: %s needs at least %d models, and max_kept is %d; want max_kept: %d, or combine: median", c.Combine, need, c.MaxKept, need)
	}
	return nil
}
