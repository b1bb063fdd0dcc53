package strategy

import (
	"fmt"

	"fedtab/combine"
)

// Setup is what a strategy is told beside its Config.
type Setup struct {
	Seed       uint64 // of the run
	MinCohort  int    // fewest clients to choose for a round, where as many are present: 2 live, 1 simulated
	Live       bool   // participants come and go; otherwise there are Clients of them
	Clients    int    // of a simulation
	Least      int    // of them, for a round to open; 0 means all, as in the papers
	Parameters int    // d, of the model
	Convex     bool   // its loss is convex in the parameters

	ClientMomentum float64 // of the clients' optimiser, which FedNova must know
}

// feasibleRadon is the largest number of parameters for which Radon points are
// taken: one costs a factorisation of d^3 operations, and needs d + 2 models.
const feasibleRadon = 2000

// New returns the strategy that cfg names, or says why it fits the model or the
// participants ill, and what would do.
func New(cfg Config, setup Setup) (Strategy, error) {
	if ps := cfg.Problems(); len(ps) > 0 {
		return nil, fmt.Errorf("strategy: %v", ps[0])
	}
	cfg = cfg.WithDefaults()
	if err := fits(cfg, setup); err != nil {
		return nil, err
	}
	if !setup.Live && setup.Clients > 0 {
		least := setup.Clients
		if setup.Least > 0 {
			least = max(cfg.MinClients, setup.Least)
		}
		cfg.MinClients = least
	}
	r := &rounds{cfg: cfg, setup: setup}
	switch cfg.Kind {
	case "fedavg", "periodic", "oneshot":
		if cfg.robust() {
			r.scheme = robust{}
		} else {
			r.scheme = fedavg{}
		}
	case "minibatch":
		r.scheme = minibatch{}
	case "central":
		r.scheme = central{}
	case "radon":
		r.scheme = &radon{}
	case "daisy":
		r.scheme = &daisy{}
	case "dynamic":
		return &Dynamic{cfg: cfg, setup: setup}, nil
	case "fedbuff":
		return &FedBuff{cfg: cfg, setup: setup}, nil
	}
	return r, nil
}

// fits says whether a strategy makes sense with a model and its participants.
func fits(cfg Config, setup Setup) error {
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("strategy: %s", fmt.Sprintf(format, args...))
	}
	d, k := setup.Parameters, setup.Clients
	switch cfg.Kind {
	case "central":
		if setup.Live {
			return wrong("central is the yardstick of simulations, since live data stays where it is; the nearest that runs live is periodic")
		}
	case "dynamic", "daisy":
		if k == 1 {
			return wrong("%s needs at least 2 clients, and there is 1; the nearest that works is central", cfg.Kind)
		}
	case "radon":
		need := combine.Need(d, max(cfg.Height, 1))
		switch {
		case d > feasibleRadon || need > 1<<30:
			return wrong("the Radon machine needs (d+2)^h base models, each of all d = %d parameters: %d for h = 1, and takes d up to %d; the nearest that works is oneshot, or a linear model on fewer features", d, d+2, feasibleRadon)
		case !setup.Convex:
			return wrong("the Radon machine works for convex losses only (linear, logistic, softmax, svm, svr models); the nearest that works is oneshot")
		case k > 0 && k*cfg.Models < need:
			return wrong("the Radon machine with d = %d parameters needs %d^%d = %d base models, and %d clients train %d each; want models: %d, or %d clients", d, d+2, max(cfg.Height, 1), need, k, cfg.Models, (need+k-1)/k, need)
		}
	}
	cohort := k // that must be there at a time
	if cfg.Kind == "fedavg" && k > 0 {
		cohort = max(int(cfg.Fraction*float64(k)+1e-9), setup.MinCohort, 1)
	}
	if cfg.robust() && k > 0 {
		switch {
		case cohort > cfg.MaxKept:
			return wrong("combine: %s holds the models of a whole cohort, %d of %d parameters (%d MB), and max_kept is %d; want a smaller fraction, or max_kept: %d", cfg.Combine, cohort, d, cohort*d*4>>20, cfg.MaxKept, cohort)
		case cohort < cfg.leastKept(d):
			return wrong("combine: %s needs a cohort of at least %d, and it is %d; want a larger fraction, or combine: median", cfg.Combine, cfg.leastKept(d), cohort)
		}
	}
	if cfg.Combine == "radon" {
		switch {
		case d+2 > cfg.MaxKept:
			return wrong("combine: radon needs d + 2 = %d models, and max_kept is %d; the nearest that works is combine: geometric-median", d+2, cfg.MaxKept)
		case d > feasibleRadon:
			return wrong("combine: radon takes d up to %d, and the model has %d parameters; the nearest that works is combine: geometric-median", feasibleRadon, d)
		}
	}
	if cfg.robust() && k == 0 {
		// Live, a round opens with min_clients.
		most := cfg.MaxKept
		cohort = cfg.MinClients
		if cfg.Kind == "fedavg" {
			cohort = min(max(int(cfg.Fraction*float64(cohort)+1e-9), setup.MinCohort, 1), cohort)
		}
		switch need := cfg.leastKept(d); {
		case need > most:
			return wrong("combine: %s needs at least %d models, and max_kept is %d; want max_kept: %d, or combine: median", cfg.Combine, need, most, need)
		case cohort < need:
			return wrong("combine: %s needs a cohort of at least %d, and with min_clients: %d a round may open with one of %d; want more min_clients or a larger fraction, or combine: median", cfg.Combine, need, cfg.MinClients, cohort)
		}
	}
	if cfg.Correction == "fednova" && cfg.Prox > 0 {
		switch {
		case setup.ClientMomentum > 0:
			return wrong("correction: fednova knows by how much clients move with prox or with momentum, not with both; want optimiser.kind: sgd, or no prox")
		case cfg.LR*cfg.Prox >= 1:
			return wrong("correction: fednova beside prox: %g and lr: %g, of which the product must be below 1", cfg.Prox, cfg.LR)
		}
	}
	if cfg.Kind == "daisy" && k > cfg.MaxKept {
		return wrong("daisy holds the models of all %d clients, and max_kept is %d; want max_kept: %d", k, cfg.MaxKept, k)
	}
	return nil
}
