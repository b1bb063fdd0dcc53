package strategy

import "fedtab/combine"

// minibatch is distributed mini-batch (Dekel, Gilad-Bachrach, Shamir and Xiao
// 2012): clients send gradients, and the server takes the steps.
//
//	client i: G_i = sum of the gradients over its share of the batch, c_i examples
//	g = sum_i G_i / sum_i c_i;  w <- optimiser step(w, g)
//
// Sums and counts keep unequal shares and drop-outs exact: k clients make the
// step that one makes on the same examples. B is a client's share, so that the
// effective batch is about B m.
type minibatch struct{ fedavg }

func (minibatch) choose(r *rounds) []ClientID {
	return r.cohort.Sample(r.cfg.Fraction, r.setup.MinCohort, r.setup.Seed, r.version+1, r.cohort.Attempt)
}

func (minibatch) work(r *rounds, _ ClientID) Work {
	return Work{Kind: Gradient, Steps: 1, Stream: true, Batch: r.cfg.Batch, LR: r.cfg.LR}
}

func (minibatch) weigh(_ *rounds, e Offered) (scale, weight float64) { return 1, e.Weight }

// plan takes the step against the gradient.
func (minibatch) plan(r *rounds, rate float64) combine.Plan { return r.serverPlan(rate, -r.cfg.LR) }
