package run

import (
	"fmt"

	"fedtab/combine"
	"fedtab/protocol"
	"fedtab/strategy"
)

// attempt is one attempt at a round. Sums with pending additions stay with the
// attempt when it is abandoned.
type attempt struct {
	sums     []*combine.Sum
	adds     int              // additions to the sums
	maxAdds  int              // max of adds, announced by the strategy; 0: not announced
	adding   int              // additions under way
	pending  []addition       // that follow them
	commit   *strategy.Commit // pending until adding is 0
	lossSum  float64          // of training, over examples
	examples uint64
	weight   float64

	partials      partials // of edges
	contributions []Contribution
	parts         []part    // what was added, for the guard
	norms         []float64 // of the contributions
	last          trail     // of the contribution that came last
}

// addition is a contribution on its way into the sums.
type addition struct {
	vectors       [][]float32
	scale, weight float64
	release       func()
}

// part is a contribution that was added to the sums.
type part struct {
	accepted
	add        strategy.Add
	multiplied float64 // its vectors, when they were kept; otherwise 1
}

// accepted is the record of a contribution, in the attempt that it is combined in.
type accepted struct {
	Contribution
	lossSum  float64
	examples uint64
	members  []Contribution // of a sum: those in it, in place of Contribution
	total    float64        // of a sum: its weight
	packed   Packed         // nil: not kept
	norms    []float64
	trail    trail
}

// bound returns the largest magnitude of a sum of a number of contributions.
func (r *Run) bound(adds int) float64 {
	scale := float64(r.roster.maxWeight())
	if s := r.secure; s != nil {
		scale = max(scale, float64(s.Terms.Examples))
	}
	if r.cfg.MaxScale != nil {
		scale = r.cfg.MaxScale(scale)
	}
	return float64(adds) * scale * protocol.MaxDelta
}

// newAttempt returns empty sums, sized so that no count can overflow.
func (r *Run) newAttempt() (*attempt, error) {
	r.attempts++
	a := &attempt{partials: partials{number: r.attempts, bound: r.bound(MaxParticipants)}}
	for range max(r.cfg.Sums, 1) {
		sum, err := combine.NewSum(r.n, a.partials.bound)
		if err != nil {
			return nil, fmt.Errorf("run %s: %w", r.cfg.ID, err)
		}
		a.sums = append(a.sums, sum)
	}
	return a, nil
}

// count records a contribution that is combined in this attempt.
func (a *attempt) count(c accepted) {
	a.lossSum += c.lossSum
	a.examples += c.examples
	if c.members != nil {
		a.weight += c.total
		a.contributions = append(a.contributions, c.members...)
		return
	}
	a.weight += float64(c.Weight)
	a.contributions = append(a.contributions, c.Contribution)
	if len(c.norms) > 0 {
		a.norms = append(a.norms, c.norms[0])
	}
	if c.trail.arrived.After(a.last.arrived) {
		a.last = c.trail
	}
}

// recount counts anew the contributions that were added and are left.
func (a *attempt) recount() {
	a.lossSum, a.examples, a.weight, a.contributions, a.norms = 0, 0, 0, nil, nil
	for _, p := range a.parts {
		a.count(p.accepted)
	}
}

// dropParts forgets the packed contributions.
func (a *attempt) dropParts() {
	for i := range a.parts {
		a.parts[i].drop()
	}
	a.parts = nil
}

func (c *accepted) drop() {
	if c.packed != nil {
		c.packed.Drop()
		c.packed = nil
	}
}

// nextAttempt gives the next round empty sums: the present ones, unless
// something is still being added to them.
func (r *Run) nextAttempt() {
	r.attempt.dropParts()
	r.attempt.forgetPartials()
	if r.attempt.adding == 0 {
		r.attempts++
		*r.attempt = attempt{sums: r.attempt.sums, partials: partials{number: r.attempts}}
		r.resetSums(MaxParticipants)
		return
	}
	a, err := r.newAttempt()
	if err != nil {
		panic(err) // New has made one with the same bound
	}
	r.attempt = a
}

// resetSums empties the sums and sizes them for a number of contributions.
func (r *Run) resetSums(adds int) {
	r.attempt.partials.bound = r.bound(adds)
	for _, sum := range r.attempt.sums {
		if err := sum.Reset(r.attempt.partials.bound); err != nil {
			panic(err) // New has made one with the largest bound
		}
	}
}

// size makes the sums as fine as the announced number of contributions allows.
// Where shards bound the weights, the largest number leaves them fine enough, and
// results do not depend on the cohort's size.
func (r *Run) size(e strategy.Size) {
	a := r.attempt
	if a.adds > 0 || len(r.roster.shards.Sizes) > 0 {
		return
	}
	a.maxAdds = min(max(e.Adds, 1), MaxParticipants)
	r.resetSums(a.maxAdds)
}

// maxLoss is the max mean loss that is counted: a squared error of a million.
const maxLoss = 1e12

// accept takes ownership of an offer and acknowledges it.
func (r *Run) accept(h strategy.Handle) (*Offer, accepted) {
	offer := r.offers[h]
	delete(r.offers, h)
	if offer.sum != nil {
		return offer, offer.sum.accepted(r.secure.Terms.Examples)
	}
	c := offer.Contribution
	examples := c.Metrics.Examples
	if m := r.roster.members[offer.number]; m != nil && m.order != nil && uint64(m.order.order) == c.Order {
		m.order.answered, m.order.accepted, m.order.start, m.order.fresh = true, true, nil, false
		if examples > m.order.maxExamples(c.Weight) {
			examples = 0
		}
		m.rate = offer.trail.rate(examples)
	}
	r.answer(offer.number, offer.peer, c, protocol.ReasonAccepted, "")
	a := accepted{Contribution: Contribution{Participant: offer.number, Order: c.Order, Weight: c.Weight, Fingerprint: offer.fingerprint, Scale: 1}, packed: offer.Packed, norms: offer.Norms, trail: offer.trail}
	offer.Packed = nil
	// Absurd metrics, NaN included, would spoil the round's training loss.
	if loss := c.Metrics.LossSum; examples > 0 && loss >= 0 && loss <= maxLoss*float64(examples) {
		a.lossSum, a.examples = loss, examples
	}
	return offer, a
}

func (r *Run) add(e strategy.Add) {
	var vectors [][]float32
	var c accepted
	var place Elsewhere
	release := func() {}
	if k := r.kept[e.Handle]; k != nil {
		delete(r.kept, e.Handle)
		vectors, c, place = k.vectors, k.accepted, k.place
	} else {
		var offer *Offer
		offer, c = r.accept(e.Handle)
		vectors, release, place = offer.Vectors, offer.Release, offer.Elsewhere
	}
	multiplied := c.Scale
	c.Scale, c.Counted = multiplied*e.Scale, e.Weight
	a := r.attempt
	if a.adds++; a.maxAdds > 0 && a.adds > a.maxAdds {
		panic(fmt.Sprintf("run: additions: %d, want at most %d, as announced", a.adds, a.maxAdds))
	}
	a.count(c)
	a.parts = append(a.parts, part{c, e, multiplied})
	if place != nil {
		a.addElsewhere(place, e.Scale, e.Weight)
		return
	}
	a.pending = append(a.pending, addition{vectors, e.Scale, e.Weight, release})
	if a.adding == 0 {
		r.addPending(a)
	}
}

// addPending adds what is pending to the sums, all at once, and then what has come
// meanwhile. Once there is nothing left it starts the commit.
func (r *Run) addPending(a *attempt) {
	batch := a.pending
	a.pending, a.adding = nil, len(batch)
	if a.adding == 0 {
		r.commitWhenAdded(a)
		return
	}
	r.env.Compute(func() {
		addends := make([]combine.Addend, len(batch))
		for i, sum := range a.sums {
			for j, b := range batch {
				addends[j] = combine.Addend{Values: b.vectors[i], Scale: b.scale, Weight: b.weight}
			}
			sum.AddAll(addends)
		}
	}, func() {
		for _, b := range batch {
			b.release()
		}
		r.addPending(a)
	})
}

var rejections = map[strategy.Reason]protocol.Reason{
	strategy.Late:      protocol.ReasonLate,
	strategy.Unordered: protocol.ReasonUnordered,
	strategy.Duplicate: protocol.ReasonDuplicate,
}

func (r *Run) reject(e strategy.Reject) {
	offer := r.offers[e.Handle]
	if offer.sum != nil {
		r.settle(e.Handle)
		return
	}
	fault(offer.peer, rejections[e.Reason])
	r.answer(offer.number, offer.peer, offer.Contribution, rejections[e.Reason], "")
	r.settle(e.Handle)
}

// settle removes an offer and releases its memory.
func (r *Run) settle(h strategy.Handle) {
	if offer := r.offers[h]; offer != nil {
		delete(r.offers, h)
		offer.Release()
	}
}
