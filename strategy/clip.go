package strategy

import (
	"encoding/binary"
	"math"
	"slices"
)

// A clip bounds what one contribution can move. Its bound on the Euclidean norm of a
// vector is fixed when a round opens, so a contribution can be scaled as it is added,
// and the sum is the same in any order of arrival.
//
// The bound is clipFactor times an estimate of the median norm, which follows the
// norms of earlier rounds (the quantile method of Andrew, Thakkar, McMahan and
// Ramaswamy, "Differentially Private Learning with Adaptive Clipping", 2021):
//
//	q <- q exp(-clipRate (b - 1/2)),  b = share of the round's norms that are <= q
//
// A norm moves the estimate by one vote, however large it is. The estimate starts at an
// eighth of the norm of version 0 and becomes the median of the first round; it is
// doubled when most norms are beyond the bound, as after a change of the data. Where only
// one client has answered the first round, it is no median yet.
// TensorFlow Federated's robust aggregator zeroes and clips by two such estimates.
type clip struct {
	estimates []estimate // of each vector of a contribution; none: nothing is clipped
}

// estimate is the estimate of a median norm.
type estimate struct {
	q     float64
	found bool // it follows a median

	norms         []float64 // of the first round
	below, beyond int       // norms of the open round up to q, and beyond the bound
	votes         int
}

const (
	// clipFactor is the bound in multiples of the median norm. Few honest norms are
	// beyond it, and a liar weighs as much as one and a quarter others.
	clipFactor = 1.25

	// clipRate moves the estimate by at most a fifth in a round.
	clipRate = .4

	// startShare is the first estimate, as a share of the norm of version 0. Most
	// local updates are smaller.
	startShare = .13
)

// newClip returns a clip of contributions of a number of vectors.
func newClip(c Config, s Setup, vectors int) clip {
	if c.Clip == "none" || c.robust() {
		return clip{}
	}
	start := s.Norm
	if !(start > 0) {
		start = math.Sqrt(float64(max(s.Parameters, 1))) // version 0 is all zeros
	}
	k := clip{estimates: make([]estimate, vectors)}
	for i := range k.estimates {
		k.estimates[i].q = startShare * start
	}
	return k
}

// factor counts the norms of a contribution and returns by how much it is multiplied.
// unit is what the norms are measured in. heavy is the contribution's weight in
// multiples of the median: one that weighs more is bounded so that weight x norm is not
// beyond that of others.
func (k *clip) factor(norms []float64, unit, heavy float64) float64 {
	factor := 1.0
	for i := range min(len(k.estimates), len(norms)) {
		e, norm := &k.estimates[i], norms[i]/unit
		e.votes++
		if !e.found {
			e.norms = append(e.norms, norm)
		}
		if norm <= e.q {
			e.below++
		}
		if norm > clipFactor*e.q {
			e.beyond++
		}
		if bound := clipFactor * e.q / max(heavy, 1); norm > bound {
			factor = min(factor, bound/norm)
		}
	}
	return factor
}

// discard drops the votes of a round that was abandoned.
func (k *clip) discard() {
	for i := range k.estimates {
		k.estimates[i].reset()
	}
}

// committed applies the votes of a round.
func (k *clip) committed() {
	for i := range k.estimates {
		k.estimates[i].committed()
	}
}

// afterCommit returns the state as of the next Committed event.
func (k clip) afterCommit() clip {
	k.estimates = slices.Clone(k.estimates)
	k.committed()
	return k
}

func (e *estimate) reset() { e.votes, e.below, e.beyond, e.norms = 0, 0, 0, nil }

func (e *estimate) committed() {
	if e.votes == 0 {
		return
	}
	switch {
	case !e.found && len(e.norms) > 1: // of one alone, who may lie, only the votes count
		norms := slices.Sorted(slices.Values(e.norms))
		e.q, e.found = norms[(len(norms)-1)/2], true // of two the lower: the other may be a lie
	case 2*e.beyond > e.votes:
		e.q *= 2
	default:
		e.q *= math.Exp(-clipRate * (float64(e.below)/float64(e.votes) - .5))
	}
	e.q = min(max(e.q, minEstimate), maxEstimate)
	e.reset()
}

// Estimates stay within numbers whose products are finite and not zero.
const (
	minEstimate = 1e-12
	maxEstimate = 1e12
)

// append encodes the state between rounds.
func (k clip) append(to []byte) []byte {
	to = binary.AppendUvarint(to, uint64(len(k.estimates)))
	for _, e := range k.estimates {
		to = binary.AppendUvarint(to, math.Float64bits(e.q))
		found := uint64(0)
		if e.found {
			found = 1
		}
		to = binary.AppendUvarint(to, found)
	}
	return to
}

// read reads what append has written. A state of another number of vectors, from
// before a setting was changed, is dropped.
func (k *clip) read(d *stateReader) {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.broken = true
		return
	}
	was := make([]estimate, n)
	for i := range was {
		q, found := math.Float64frombits(d.uint()), d.uint()
		if !(q >= minEstimate && q <= maxEstimate) {
			d.broken = true
			return
		}
		was[i] = estimate{q: q, found: found == 1}
	}
	if len(was) == len(k.estimates) {
		k.estimates = was
	}
}
