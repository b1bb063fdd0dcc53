package strategy

import (
	"cmp"
	"slices"

	"fedtab/combine"
)

// minibatchScheme is distributed mini-batch (Dekel, Gilad-Bachrach, Shamir and
// Xiao 2012): clients send gradients, and the server takes the steps.
//
//	client i: G_i = sum of the gradients over its share of the batch, c_i examples
//	g = sum_i G_i / sum_i c_i;  w <- optimiser step(w, g)
//
// Sums and counts keep unequal shares and drop-outs exact: k clients make the
// step that one makes on the same examples. B is a client's share, so that the
// effective batch is about B m.
func minibatchScheme() Scheme {
	return Scheme{
		Name: "minibatch", Title: "Distributed mini-batch",
		Help:     "gradients up, one step for all",
		Models:   "1 up, 1 down, every step",
		Choose:   "the line is fast and exactness matters",
		Settings: slices.Concat([]Setting{fractionSetting(), batchSetting(), rateSetting()}, admission(), serverStep(), scaling(), defences()),
		Optimiser: func(Config) Optimisers {
			return Optimisers{Kinds: []string{"sgd"}, Why: "with strategy.kind: minibatch clients take no steps (strategy.server says how the server does)"}
		},
		// A bias would be in every step. Without one the noise of many gradients
		// averages out.
		Packing: func(Config) Packing { return Packing{Lossy: true, Default: true, Grid: true, Bits: 1} },
		// A gradient is a sum over its examples, bounded accordingly, and is added
		// as it is.
		MaxScale:  func(_ Config, maxWeight float64) float64 { return maxWeight },
		Words:     func(c Config) []string { return []string{share(c.Fraction)} },
		New:       func(c Config, s Setup) Strategy { return newRounds(c, s, minibatch{}) },
		Gradients: true,
	}
}

type minibatch struct{ fedavg }

func (minibatch) choose(r *rounds) []ClientID {
	return r.sample(r.cfg.Fraction, r.setup.MinCohort)
}

func (minibatch) work(r *rounds, _ ClientID) Work {
	return Work{Kind: Gradient, Steps: 1, Stream: true, Batch: r.cfg.Batch, LR: r.cfg.LR}
}

func (minibatch) weigh(_ *rounds, e Offered) (scale, weight float64) {
	return cmp.Or(e.Share, 1), e.Weight
}

// unit makes of a sum of gradients their mean.
func (minibatch) unit(_ *rounds, e Offered) float64 { return e.Weight / cmp.Or(e.Share, 1) }

func (m minibatch) direction(r *rounds, e Offered) float64 { return -r.cfg.LR / m.unit(r, e) }

// plan takes the step against the gradient.
func (minibatch) plan(r *rounds, rate float64) combine.Plan { return r.serverPlan(rate, -r.cfg.LR) }
