package run

import (
	"fmt"

	"fedtab/combine"
	"fedtab/protocol"
	"fedtab/strategy"
)

// attempt is one try at a round. Sums that are still being added to when it
// is abandoned stay with it.
type attempt struct {
	sums     []*combine.Sum
	adding   int
	commit   *strategy.Commit // waits for adding to reach 0
	lossSum  float64
	examples uint64
	weight   float64

	contributions []Contribution
}

// newAttempt returns empty sums, sized so that no count can overflow.
func (r *Run) newAttempt() (*attempt, error) {
	bound := float64(MaxParticipants) * float64(r.maxWeight()) * protocol.MaxDelta
	a := &attempt{}
	for range max(r.cfg.Sums, 1) {
		sum, err := combine.NewSum(r.n, bound)
		if err != nil {
			return nil, fmt.Errorf("run %s: %w", r.cfg.ID, err)
		}
		a.sums = append(a.sums, sum)
	}
	return a, nil
}

// MaxParticipants is how many participants a run takes at a time.
const MaxParticipants = 10_000

// maxWeight is the largest weight that any contribution may have.
func (r *Run) maxWeight() uint64 {
	if len(r.cfg.Shards.Sizes) == 0 {
		return protocol.MaxWeight
	}
	total := 0
	for _, n := range r.cfg.Shards.Sizes {
		total += n
	}
	return uint64(total)
}

// nextAttempt gives the next round empty sums: the present ones, unless
// something is still being added to them.
func (r *Run) nextAttempt() {
	if r.attempt.adding == 0 {
		for _, sum := range r.attempt.sums {
			sum.Clear()
		}
		*r.attempt = attempt{sums: r.attempt.sums}
		return
	}
	a, err := r.newAttempt()
	if err != nil {
		panic(err) // New has made one with the same bound
	}
	r.attempt = a
}

// accept takes an offer over and tells its sender.
func (r *Run) accept(h strategy.Handle) *Offer {
	offer := r.offers[h]
	delete(r.offers, h)
	if m := r.members[offer.number]; m != nil && m.order != nil && uint64(m.order.order) == offer.Contribution.Order {
		m.order.answered, m.order.accepted = true, true
	}
	r.answer(offer.number, offer.peer, offer.Contribution, protocol.ReasonAccepted, "")
	return offer
}

// account holds the figures of one accepted contribution. They count in the
// version that its vectors go into, which may not be the open one.
type account struct {
	Contribution
	lossSum  float64
	examples uint64
}

// account returns the figures of an offer.
func (o *Offer) account() account {
	c := o.Contribution
	return account{
		Contribution: Contribution{Participant: o.number, Order: c.Order, Weight: c.Weight, Fingerprint: o.fingerprint},
		lossSum:      c.Metrics.LossSum, examples: c.Metrics.Examples,
	}
}

// count adds the figures of a contribution that is part of the attempt.
func (a *attempt) count(c account) {
	a.weight += float64(c.Weight)
	a.lossSum += c.lossSum
	a.examples += c.examples
	a.contributions = append(a.contributions, c.Contribution)
}

func (r *Run) add(e strategy.Add) {
	var vectors [][]float32
	var c account
	release := func() {}
	if k := r.kept[e.Handle]; k != nil {
		delete(r.kept, e.Handle)
		vectors, c = k.vectors, k.account
	} else {
		offer := r.accept(e.Handle)
		vectors, c, release = offer.Vectors, offer.account(), offer.Release
	}
	a := r.attempt
	a.adding++
	a.count(c)
	r.env.Compute(func() {
		for i, sum := range a.sums {
			sum.AddScaled(vectors[i], e.Scale, e.Weight)
		}
	}, func() {
		release()
		a.adding--
		r.commitWhenAdded(a)
	})
}

var rejections = map[strategy.Reason]protocol.Reason{
	strategy.Late:      protocol.ReasonLate,
	strategy.Unordered: protocol.ReasonUnordered,
	strategy.Duplicate: protocol.ReasonDuplicate,
}

func (r *Run) reject(e strategy.Reject) {
	offer := r.offers[e.Handle]
	r.answer(offer.number, offer.peer, offer.Contribution, rejections[e.Reason], "")
	r.settle(e.Handle)
}

// settle forgets an offer and gives its memory back.
func (r *Run) settle(h strategy.Handle) {
	if offer := r.offers[h]; offer != nil {
		delete(r.offers, h)
		offer.Release()
	}
}
