package strategy

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// Secure says that contributions are summed before the strategy has them: it is told who has
// contributed (Masked), says when no more are awaited (Unmask), and gets sums (Summed), in
// place of single ones (Offered).
//
// The clients of a secure run clip their contributions to Work.Bound. It follows how many
// were below it, as the strategy sees no norms.
type Secure struct {
	Fewest  int     // clients of a cohort, so that enough are left when some drop out
	Most    int     // clients of a cohort
	Min     int     // contributions to a sum
	Dropout float64 // share of a cohort that may drop out, without which there is no sum
	Groups  bool    // a cohort has several sums, of groups of it
}

type (
	// Masked says that a client's answer to an order is in a sum that is not known yet.
	Masked struct {
		Client ClientID
		Order  OrderID
		Took   time.Duration // since the order went out
	}

	// Summed brings a sum. An effect of the same Step settles Handle: Add or Keep. Its
	// vector is the weighted mean of what the clients have contributed.
	Summed struct {
		Round   uint64
		Handle  Handle
		Clients []ClientID // whose contributions are in it, ascending
		Weight  float64    // sum of theirs
		Below   int        // of them, whose contribution was not clipped
	}

	// Spoiled says that a client has kept an attempt from having its sum.
	Spoiled struct{ Client ClientID }

	// Unmasked says that every sum of the attempt has come, or will not.
	Unmasked struct {
		Round uint64
		Why   string // some have no sum; empty: all have
	}
)

func (Masked) event()   {}
func (Summed) event()   {}
func (Spoiled) event()  {}
func (Unmasked) event() {}

// Unmask says that no more masked answers are awaited. It is answered by a Summed for each
// sum, and then by Unmasked.
type Unmask struct{ Round uint64 }

func (Unmask) effect() {}

// bound is the norm to which the clients of a secure run clip. It follows the share of them
// that were below it, so that few are clipped, as in Andrew et al. (2021) with another rule:
// without noise the count is exact, and steps may be large.
type bound struct {
	value   float64 // 0: the run is not secure
	fixed   bool    // it does not follow counts, which have no noise
	clients int     // of this attempt's sums
	below   int     // of them
}

// Rules by which the bound follows the share below it.
const (
	boundShare   = .9 // that should be below
	boundRate    = .5
	boundDoubled = .5 // below this share it doubles
	boundShrinks = .9 // factor where nobody was clipped
)

// newBound returns the bound of the first round: the share of the model's norm from which
// clipping starts elsewhere, too. Of a run with one round nothing is learned, so that the bound
// is the norm itself.
func newBound(s Setup, p policy) bound {
	if s.Secure == nil {
		return bound{}
	}
	start := s.Norm
	if !(start > 0) {
		start = math.Sqrt(float64(max(s.Parameters, 1))) // version 0 is all zeros
	}
	if f, ok := p.(fedavg); ok && f.once {
		return bound{value: start}
	}
	return bound{value: startShare * start}
}

func (b *bound) count(e Summed) { b.clients, b.below = b.clients+len(e.Clients), b.below+e.Below }

func (b *bound) discard() { b.clients, b.below = 0, 0 }

// committed applies the counts of a round.
func (b *bound) committed() {
	if b.clients > 0 && !b.fixed {
		switch share := float64(b.below) / float64(b.clients); {
		case share < boundDoubled:
			b.value *= 2
		case share == 1:
			b.value *= boundShrinks
		default:
			b.value *= math.Exp(boundRate * (boundShare - share))
		}
		b.value = min(max(b.value, minEstimate), maxEstimate)
	}
	b.discard()
}

// afterCommit returns the state as of the next Committed event.
func (b bound) afterCommit() bound {
	b.committed()
	return b
}

func (b bound) append(to []byte) []byte {
	return binary.AppendUvarint(to, math.Float64bits(b.value))
}

func (b *bound) read(d *stateReader) {
	value := math.Float64frombits(d.uint())
	if !(value >= minEstimate && value <= maxEstimate) {
		d.broken = true
		return
	}
	b.value = value
}

// secured returns the clients of a cohort that a sum can have: not more than Most.
func (r *rounds) secured(chosen []ClientID) []ClientID {
	if s := r.setup.Secure; s != nil && len(chosen) > s.Most {
		return draw(chosen, s.Most, r.setup.stream("secure", r.version+1, uint64(r.cohort.Attempt)))
	}
	return chosen
}

// need returns how many answers a phase must have, 0 for half of those awaited. The protocol
// needs all but those that may drop out, in each group.
func (r *rounds) need(p phase) int {
	need := p.min
	if need == 0 {
		need = r.cfg.MinReports
	}
	if s := r.setup.Secure; s != nil {
		least := len(p.ask) - int(s.Dropout*float64(len(p.ask))+1e-9)
		if s.Groups { // a group that has no sum costs its own alone
			least = (len(p.ask) + 1) / 2
		}
		need = max(need, s.Min, least)
	}
	return need
}

// masked counts an answer whose vector is in a sum.
func (r *rounds) masked(e Masked) {
	if r.state != collecting {
		return
	}
	reason, _ := r.cohort.Report(e.Client, e.Order)
	r.cohort.answered(e.Client, e.Took)
	if reason != 0 {
		return
	}
	r.answers = append(r.answers, answer{client: e.Client, took: e.Took, added: true})
	r.settle(false)
	if r.state == collecting {
		r.hasten(e.Took)
	}
}

// unmask asks for the sums of what has come.
func (r *rounds) unmask() {
	r.state = unmasking
	r.answers = r.answers[:0]
	r.do(Unmask{r.cohort.Round})
}

// summed takes a sum.
func (r *rounds) summed(e Summed) {
	if r.state != unmasking || e.Round != r.cohort.Round || len(e.Clients) == 0 {
		r.do(Reject{e.Handle, Late})
		return
	}
	r.bound.count(e)
	r.answers = append(r.answers, answer{client: e.Clients[0], clients: e.Clients, weight: e.Weight, handle: e.Handle})
	if r.keeps() {
		r.do(Keep{e.Handle, 1})
	} else {
		scale := e.Weight
		if r.private != nil {
			scale = r.private.scale(e)
		}
		r.do(Add{Handle: e.Handle, Scale: scale, Weight: e.Weight})
	}
}

// unmasked commits what the sums give.
func (r *rounds) unmasked(e Unmasked) {
	if r.state != unmasking || e.Round != r.cohort.Round {
		return
	}
	in := map[ClientID]bool{}
	for _, a := range r.answers {
		for _, c := range a.clients {
			in[c] = true
		}
	}
	r.cohort.summed(in)
	if len(r.answers) == 0 || !r.enough(r) {
		why := e.Why
		if why == "" {
			why = fmt.Sprintf("%d sums, more needed", len(r.answers))
		}
		r.abandon(why, Few{})
		return
	}
	r.commit()
}

// contributors returns how many clients have contributed to the answers.
func (r *rounds) contributors() (n int) {
	for _, a := range r.answers {
		n += max(len(a.clients), 1)
	}
	return n
}
