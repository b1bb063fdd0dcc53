package strategy

import (
	"math"

	"fedtab/combine"
)

// FedAvg is federated averaging (McMahan et al. 2017, Algorithm 1):
//
//	m = max(floor(C K), 1); S = m random clients
//	client k: E epochs of local SGD in batches of B from w  ->  w_k
//	w <- w + eta_s * sum_{k in S} (n_k / sum_{j in S} n_j) (w_k - w)
//
// The weights are normalised over the clients whose contributions arrived
// (the paper's erratum), and eta_s = 1 is the paper's algorithm. E = 1 with
// B = 0 is FedSGD.
//
// Around it there is a family, each member one setting: a server optimiser in
// place of the last line (Reddi et al. 2021), a proximal term in the clients'
// loss (FedProx, Li et al. 2020), control variates against client drift
// (SCAFFOLD, Karimireddy et al. 2020), means normalised by local steps
// (FedNova, Wang et al. 2020), and combiners that withstand wrong answers.
//
// C = 1 is periodic averaging of all (periodic), and one round of it one-shot
// averaging (oneshot): black-box schemes, for any local learner.
type fedavg struct{}

func (fedavg) choose(r *rounds) []ClientID {
	fraction := r.cfg.Fraction
	if r.cfg.Kind != "fedavg" {
		fraction = 1
	}
	chosen := r.cohort.Sample(fraction, r.setup.MinCohort, r.setup.Seed, r.version+1, r.cohort.Attempt)
	if r.cfg.robust() && len(chosen) > r.cfg.MaxKept {
		chosen = r.cohort.Sample(float64(r.cfg.MaxKept)/float64(r.cohort.Present()), 1, r.setup.Seed, r.version+1, r.cohort.Attempt)
	}
	return chosen
}

func (fedavg) work(r *rounds, _ ClientID) Work {
	w := r.cfg.fit()
	w.Prox, w.Control = r.cfg.Prox, r.cfg.Correction == "scaffold"
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

// novaNorm is FedNova's a_k of a client that says it has made so many steps.
func novaNorm(r *rounds, steps uint64) float64 {
	n := int(min(max(steps, 1), math.MaxInt32))
	if r.cfg.Prox > 0 {
		return combine.ProximalNorm(n, r.cfg.LR*r.cfg.Prox)
	}
	return combine.MomentumNorm(n, r.setup.ClientMomentum)
}

func (fedavg) keeps() bool           { return false }
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

func (fedavg) after(r *rounds) {
	if r.cfg.Kind == "oneshot" {
		r.state = over
		r.do(Finish{"one-shot averaging is done"})
	}
}

// robust is fedavg with a combiner that needs the vectors one by one.
type robust struct{ fedavg }

func (robust) keeps() bool { return true }

func (robust) plan(r *rounds, rate float64) combine.Plan {
	// No weights: they are claims, and who lies about a model lies about those.
	return combine.Robust{Combiner: r.cfg.Combine, ServerLR: rate, Trim: r.cfg.Trim, Byzantine: r.cfg.Byzantine, Seed: r.setup.Seed + r.cohort.Round}
}

// enough also asks for as many answers as the combiner needs: a deadline may
// have left fewer than were chosen.
func (robust) enough(r *rounds) bool {
	return len(r.answers) >= r.cfg.leastKept(r.setup.Parameters)
}
