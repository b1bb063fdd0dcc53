package strategy

// central is the yardstick of every other scheme: one learner that holds the
// union of the data, and works through it by gradient descent (B = 0),
// stochastic gradient descent (B = 1) or mini-batches. There is nothing to
// combine, so each round, an epoch or so many mini-batches, simply ends with the
// learner's model. It exists in simulations only, where its bytes count as none:
// centralising the data has a price of its own, which is not measured here.
type central struct{ fedavg }

func (central) choose(r *rounds) []ClientID {
	return r.cohort.Sample(1, 1, r.setup.Seed, r.version+1, r.cohort.Attempt)
}
