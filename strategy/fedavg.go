package strategy

import (
	"fmt"
	"math"
	"slices"

	"fedtab/combine"
)

// FedAvg is federated averaging (McMahan et al. 2017, Algorithm 1):
//
//	m = max(floor(C K), 1); S = m random clients
//	client k: E epochs of local SGD in batches of B from w  ->  w_k
//	w <- w + eta_s * sum_{k in S} (n_k / sum_{j in S} n_j) (w_k - w)
//
// The weights are normalised over the clients whose contributions arrived (the
// paper's erratum), and eta_s = 1 is the paper's algorithm. E = 1 with B = 0 is
// FedSGD.
//
// Around it there is a family, each member one setting: a server optimiser in
// place of the last line (Reddi et al. 2021), a proximal term in the clients'
// loss (FedProx, Li et al. 2020), control variates against client drift
// (SCAFFOLD, Karimireddy et al. 2020), means normalised by local steps (FedNova,
// Wang et al. 2020), and combiners that withstand wrong answers (robust.go).
func fedavgScheme() Scheme {
	s := averaging(admission())
	s.Name, s.Title = "fedavg", "Federated averaging"
	s.Help = "a random share is averaged, or combined robustly"
	s.Models = "1 up, 1 down, when chosen"
	s.Choose = "nothing else suits better: the default"
	s.Settings = slices.Concat([]Setting{fractionSetting()}, s.Settings, []Setting{correctionSetting()})
	s.CheckSetup = func(c Config, setup Setup) error {
		return checkFamily(c, setup, func(clients int) int {
			return max(int(c.Fraction*float64(clients)+1e-9), setup.MinCohort, 1)
		})
	}
	s.Words = func(c Config) []string { return append([]string{share(c.Fraction)}, trainingWords(c)...) }
	s.New = func(c Config, setup Setup) Strategy { return newFamily(c, setup, fedavg{}) }
	return s
}

// averaging returns what the schemes that average whole rounds have in common.
// rounds are the settings that say when a round opens and closes.
func averaging(rounds []Setting) Scheme {
	return Scheme{
		Settings:   slices.Concat(training(), []Setting{splitSetting()}, rounds, serverStep(), scaling(), defences(), []Setting{proxSetting()}, combining()),
		Check:      familyProblems,
		CheckSetup: func(c Config, s Setup) error { return checkFamily(c, s, func(clients int) int { return clients }) },
		Optimiser:  familyOptimisers,
		Packing: func(c Config) Packing {
			p := Packing{Lossy: true, Biased: true, Feedback: true, Default: true, Grid: true, FeedbackUpTo: FeedbackUpTo}
			switch {
			case c.Correction == "scaffold": // the loss is in the gradient of every step
				p.Bits = 1
			case c.robust(): // what is fed back may be to a contribution that did not count
				p.Bits, p.FeedbackUpTo = 1.2, .5
			}
			return p
		},
		MaxScale: func(c Config, maxWeight float64) float64 {
			if c.robust() || c.Correction == "scaffold" {
				return 1
			}
			return maxWeight // FedNova's norms are at least 1
		},
		Single: func(c Config) string {
			switch {
			case c.Correction == "scaffold":
				return "the change of each control variate (strategy.correction: scaffold)"
			case c.Correction == "fednova":
				return "how many steps each client has taken (strategy.correction: fednova)"
			}
			return ""
		},
		Words: trainingWords,
		New:   func(c Config, s Setup) Strategy { return newFamily(c, s, fedavg{all: true}) },
	}
}

func newFamily(c Config, s Setup, of fedavg) Strategy {
	if of.once {
		c.Clip = "none"
	}
	if s.Private != nil {
		return newPrivate(c, s, of)
	}
	if c.robust() {
		c.MinClients = c.Fewest(s.Parameters)
		s.MinCohort = max(s.MinCohort, c.minModels(s.Parameters))
		r := newRounds(c, s, robust{of})
		r.fewest = c.minModels(s.Parameters)
		return r
	}
	return newRounds(c, s, of)
}

// familyProblems reports settings that exclude each other.
func familyProblems(c Config) (ps []Problem) {
	exclude := func(given bool, field string, value any, format string, args ...any) {
		if given {
			ps = append(ps, Problem{field, value, fmt.Sprintf(format, args...)})
		}
	}
	server, corrected := c.Server != "" && c.Server != "sgd", c.Correction != "" && c.Correction != "none"
	if c.robust() {
		exclude(c.Clip != "", "clip", fmt.Sprintf("%q", c.Clip), "none beside combine: %s, which bounds what one contribution moves by itself", c.Combine)
		exclude(corrected, "correction", fmt.Sprintf("%q", c.Correction), "none beside combine: %s, which takes single deltas", c.Combine)
		exclude(server, "server", fmt.Sprintf("%q", c.Server), "sgd beside combine: %s", c.Combine)
	}
	if c.Correction == "scaffold" {
		exclude(c.Prox != 0, "prox", c.Prox, "none beside correction: scaffold, whose control variates are gradients of plain steps")
	}
	ps = append(ps, splitProblems(c)...)
	if c.Split > 1 {
		exclude(c.Correction == "scaffold", "correction", fmt.Sprintf("%q", c.Correction), "none or fednova beside split: %d, as control variates count the steps of one learner", c.Split)
	}
	if c.Correction == "scaffold" || c.Correction == "fednova" {
		exclude(server, "server", fmt.Sprintf("%q", c.Server), "sgd beside correction: %s", c.Correction)
	}
	return ps
}

// splitProblems reports what excludes the splitting of local training.
func splitProblems(c Config) []Problem {
	if c.Split > 1 && c.Batches > 0 {
		return []Problem{{"batches", c.Batches, fmt.Sprintf("epochs beside split: %d, whose parts have no common order of mini-batches", c.Split)}}
	}
	return nil
}

// checkFamily checks the family against the clients. cohort returns how many of
// some clients are in a round.
func checkFamily(c Config, s Setup, cohort func(clients int) int) error {
	if err := checkRobust(c, s, cohort); err != nil {
		return err
	}
	if c.Correction == "fednova" && c.Prox > 0 {
		switch {
		case s.ClientMomentum > 0:
			return fmt.Errorf("correction: fednova knows by how much clients move with prox or with momentum, not with both; want optimiser.kind: sgd, or no prox")
		case c.LR*c.Prox >= 1:
			return fmt.Errorf("correction: fednova beside prox: %g and lr: %g, of which the product must be below 1", c.Prox, c.LR)
		}
	}
	return nil
}

func familyOptimisers(c Config) Optimisers {
	switch c.Correction {
	case "scaffold":
		return Optimisers{[]string{"sgd"}, true, "SCAFFOLD's control variates are gradients of plain steps"}
	case "fednova":
		return Optimisers{[]string{"sgd", "momentum"}, true, "FedNova knows by how much plain steps and momentum move"}
	}
	return Optimisers{}
}

// fedavg is the policy of the family.
type fedavg struct {
	all  bool // every client is in every round
	once bool // the run ends with the first version
}

func (f fedavg) choose(r *rounds) []ClientID {
	fraction := r.cfg.Fraction
	if f.all {
		fraction = 1
	}
	return r.sample(fraction, r.setup.MinCohort)
}

func (fedavg) work(r *rounds, _ ClientID) Work {
	w := r.cfg.trainWork()
	w.Prox, w.Control, w.Parts = r.cfg.Prox, r.cfg.Correction == "scaffold", r.cfg.parts()
	return w
}

func (fedavg) weigh(r *rounds, e Offered) (scale, weight float64) {
	switch r.cfg.Correction {
	case "scaffold":
		return 1, 1 // the paper's means are not weighted
	case "fednova":
		return combine.NovaWeight(e.Weight, novaNorm(r, e.Steps)), e.Weight
	}
	return e.Weight, e.Weight
}

// novaNorm is FedNova's a_k of a client that reports a number of local steps.
func novaNorm(r *rounds, steps uint64) float64 {
	n := int(min(max(steps, 1), math.MaxInt32))
	if r.cfg.Prox > 0 {
		return combine.ProximalNorm(n, r.cfg.LR*r.cfg.Prox)
	}
	return combine.MomentumNorm(n, r.setup.ClientMomentum)
}

func (fedavg) keeps() bool { return false }

func (fedavg) unit(*rounds, Offered) float64      { return 1 }
func (fedavg) direction(*rounds, Offered) float64 { return 1 }

func (fedavg) enough(r *rounds) bool { return len(r.answers) > 0 }

func (fedavg) plan(r *rounds, rate float64) combine.Plan {
	switch r.cfg.Correction {
	case "scaffold":
		return combine.Scaffold{ServerLR: rate, Share: float64(len(r.answers)) / float64(max(r.present, len(r.answers)))}
	case "fednova":
		var examples, norms []float64
		var total float64
		for _, a := range r.answers {
			total += a.weight
			examples, norms = append(examples, a.weight), append(norms, novaNorm(r, a.steps))
		}
		// The sum counts examples, not what they are divided by.
		return combine.WeightedMean{ServerLR: rate * combine.NovaRate(examples, norms, total)}
	}
	return r.serverPlan(rate, 1)
}

func (f fedavg) after(r *rounds) {
	if f.once {
		r.finish("one-shot averaging is done")
	}
}
