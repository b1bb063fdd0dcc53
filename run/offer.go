package run

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"

	"fedtab/combine"
	"fedtab/compress"
	"fedtab/learn/kernel"
	"fedtab/protocol"
	"fedtab/strategy"

	"github.com/cespare/xxhash/v2"
)

// Offer is a contribution whose values have been decoded and checked, before it is
// compared with its order.
type Offer struct {
	Contribution *protocol.Contribution
	Vectors      [][]float32
	Payloads     []combine.Payload
	Norms        []float64       // Euclidean norm of each vector
	Packed       Packed          // the same vectors as they came, for the guard; nil if they are not kept
	Reason       protocol.Reason // why it is rejected; ReasonAccepted if it is valid so far
	Detail       string
	Elsewhere    Elsewhere // of the vectors, which are not in Vectors; nil: they are

	number      uint32
	peer        Peer
	sum         *sumOffer // of secure aggregation; nil: it is a participant's
	size        int64     // on the wire
	fingerprint uint64    // of the packed blocks
	trail       trail
	release     func()
}

// Packed is a contribution as it came, which the run keeps until the guard has judged
// the version that it is in.
type Packed interface {
	// Unpack decodes the vectors; they are valid until release.
	Unpack() (vectors [][]float32, release func(), err error)
	// Drop forgets the contribution.
	Drop()
}

// Inspect decodes the vectors of c, of which at most maxVectors are float32, and
// checks that their values are finite and within the bounds of their role. decode
// returns the values of float32 vector i; they stay valid until the offer is
// released. Payloads are copied.
func Inspect(c *protocol.Contribution, maxVectors int, decode func(v *protocol.Vector, i int) ([]float32, error)) *Offer {
	o := &Offer{Contribution: c, size: protocol.WireSize(c, true)}
	refuse := func(r protocol.Reason, format string, args ...any) *Offer {
		o.Vectors, o.Reason, o.Detail = nil, r, fmt.Sprintf(format, args...)
		for i := range c.Vectors {
			c.Vectors[i].Block = nil
		}
		return o
	}
	floats := vectorCount(c)
	if len(c.Vectors) == 0 || floats > maxVectors {
		return refuse(protocol.ReasonWrongShape, "vectors: %d, want 1 to %d", floats, maxVectors)
	}
	var print xxhash.Digest
	print.Reset()
	for i := range c.Vectors {
		v := &c.Vectors[i]
		print.Write(v.Block)
		if i >= floats {
			p, err := payload(v)
			if err != nil {
				return refuse(protocol.ReasonWrongShape, "vector %d: %v", i, err)
			}
			o.Payloads = append(o.Payloads, p)
			v.Block = slices.Clone(v.Block) // compared with the order later
			continue
		}
		values, err := decode(v, i)
		if err != nil {
			switch {
			case errors.Is(err, compress.ErrNotFinite):
				return refuse(protocol.ReasonNotFinite, "vector %d: %v", i, err)
			case v.Codec == protocol.CodecFloat32:
				return refuse(protocol.ReasonWrongShape, "vector %d: %v", i, err)
			}
			return refuse(protocol.ReasonCodec, "vector %d: %v", i, err)
		}
		limit := float32(protocol.MaxDelta)
		if v.Role == protocol.RoleGradient {
			limit *= float32(c.Weight) // a gradient is a sum over that many examples
		}
		if kernel.Magnitude(values) > limit {
			j := slices.IndexFunc(values, func(x float32) bool { return x > limit || x < -limit })
			return refuse(protocol.ReasonOutOfBounds, "vector %d: element %d: %g, want at most %g in magnitude", i, j, values[j], limit)
		}
		o.Vectors = append(o.Vectors, values)
		o.Norms = append(o.Norms, math.Sqrt(kernel.SquaredNorm(values)))
		v.Block = nil // decoded; the connection may reuse its buffer
	}
	o.fingerprint = print.Sum64()
	return o
}

// vectorCount returns the number of vectors of c before its payloads.
func vectorCount(c *protocol.Contribution) int {
	if i := slices.IndexFunc(c.Vectors, func(v protocol.Vector) bool { return v.Kind != protocol.PayloadFloat32 }); i >= 0 {
		return i
	}
	return len(c.Vectors)
}

// payload decodes a payload vector. The run compares it with the order.
func payload(v *protocol.Vector) (combine.Payload, error) {
	p := combine.Payload{Name: v.Name}
	switch v.Kind {
	case protocol.PayloadIntegers:
		want := protocol.Payload{Kind: v.Kind, Name: v.Name, Bits: v.Bits, Count: v.Count}
		if err := want.Validate(); err != nil {
			return p, err
		}
		if err := want.Matches(v); err != nil {
			return p, err
		}
		p.Integers = make([]uint64, v.Count)
		return p, protocol.Integers(p.Integers, v)
	case protocol.PayloadBytes, protocol.PayloadMasked:
		p.Bytes = slices.Clone(v.Block)
		return p, nil
	}
	return p, fmt.Errorf("kind: %v, want integers, bytes or masked after the first payload", v.Kind)
}

// Fingerprint is the XXH64 of the packed blocks, one after the other.
func (o *Offer) Fingerprint() uint64 { return o.fingerprint }

// OnRelease registers f to be called by Release.
func (o *Offer) OnRelease(f func()) { o.release = f }

// Release releases the memory of the vectors. The run calls it for every offer that
// it is given.
func (o *Offer) Release() {
	o.Vectors = nil
	if o.Packed != nil {
		o.Packed.Drop()
		o.Packed = nil
	}
	if o.release != nil {
		o.release()
		o.release = nil
	}
}

// vectors returns the vectors of the offer, of which packed is what came, until they are released.
func (o *Offer) vectors(packed Packed) (vectors [][]float32, release func(), err error) {
	if o.Elsewhere == nil {
		return o.Vectors, func() {}, nil
	}
	if packed == nil {
		return nil, nil, errors.New("the edge that has it keeps no contributions")
	}
	return packed.Unpack()
}

// Announce reports whether the body that c has or announces is wanted. If not, c is
// answered, and counted if it is complete; the caller skips the rest of the body.
func (r *Run) Announce(number uint32, p Peer, c *protocol.Contribution) bool {
	m := r.roster.members[number]
	if m == nil || m.peer != p {
		return false
	}
	judge := r.judge
	if c.Order >= protocol.EnquiryOrders {
		judge = r.judgeEnquiry
	}
	reason, detail := judge(m, c)
	if reason == protocol.ReasonAccepted {
		if o := m.order; c.Order < protocol.EnquiryOrders && o.announced.IsZero() { // it is asked again while the body comes
			o.announced = r.env.Now()
		}
		return true
	}
	if protocol.Announced(c) == 0 {
		r.accounts.count(number, c, true)
	}
	fault(p, reason)
	r.refuse(m, c, reason, detail)
	return false
}

// Charge counts bytes from a participant that are not part of a message to the run.
func (r *Run) Charge(number uint32, p Peer, size int64) {
	if m := r.roster.members[number]; m != nil && m.peer == p {
		r.accounts.book(number, Entry{Messages: 1, Bytes: size, Up: true})
	}
}

// Offer passes a checked contribution to the run, which answers its sender.
func (r *Run) Offer(number uint32, p Peer, o *Offer) {
	m := r.roster.members[number]
	if m == nil || m.peer != p {
		o.Release()
		return
	}
	o.number, o.peer = number, p
	r.accounts.book(number, Entry{protocol.KindContribution, 1, o.size, models(o.Contribution), true})
	if o.Contribution.Order >= protocol.EnquiryOrders {
		r.offerTotals(m, o)
		return
	}
	reason, detail := r.judge(m, o.Contribution)
	values := false
	if reason == protocol.ReasonAccepted {
		reason, detail = o.Reason, o.Detail
		values = reason == protocol.ReasonOutOfBounds || reason == protocol.ReasonNotFinite
	}
	if reason != protocol.ReasonAccepted {
		o.Release()
		if values {
			r.faults.refused = append(r.faults.refused, p)
		} else {
			fault(p, reason)
		}
		r.refuse(m, o.Contribution, reason, detail)
		return
	}
	o.trail = m.order.trail
	o.trail.arrived = r.env.Now()
	if o.trail.announced.IsZero() {
		o.trail.announced = o.trail.arrived
	}
	if m.order.work.Bound > 0 {
		r.offerMasked(m, o)
		return
	}
	r.handles++
	r.offers[r.handles] = o
	weight := min(float64(o.Contribution.Weight), m.order.cap)
	r.step(strategy.Offered{
		Client: strategy.ClientID(number), Order: strategy.OrderID(o.Contribution.Order), Handle: r.handles,
		Weight: weight, Share: weight / float64(o.Contribution.Weight), Heavy: weight / m.order.median, Steps: o.Contribution.Metrics.Steps,
		Norms: o.Norms, Took: r.env.Now().Sub(m.order.sent),
	})
}

// judge checks a contribution against its order.
func (r *Run) judge(m *member, c *protocol.Contribution) (protocol.Reason, string) {
	o := m.order
	switch {
	case r.finished != "" || r.roundsDone() || c.Round != 0 && c.Round <= r.closed:
		return protocol.ReasonLate, ""
	case c.Round != 0 && c.Order <= r.newestOrder && (r.open == nil || c.Order < r.firstOrder):
		return protocol.ReasonLate, "" // an abandoned attempt
	case o == nil || uint64(o.order) < c.Order:
		return protocol.ReasonUnordered, ""
	case uint64(o.order) > c.Order:
		return protocol.ReasonLate, ""
	case o.round != c.Round:
		return protocol.ReasonUnordered, ""
	case o.answered:
		return protocol.ReasonDuplicate, ""
	case len(c.Vectors) != o.work.Vectors()+len(o.work.Payloads):
		return protocol.ReasonWrongShape, fmt.Sprintf("vectors: %d, want %d", len(c.Vectors), o.work.Vectors()+len(o.work.Payloads))
	case o.work.Bound > 0 && (c.Weight != 1 || c.Metrics != protocol.Metrics{}):
		return protocol.ReasonOutOfBounds, "a weight or metrics beside a masked vector, want weight 1 and none"
	case c.Weight == 0 || c.Weight > o.maxWeight():
		return protocol.ReasonOutOfBounds, fmt.Sprintf("weight: %d, want 1 to %d", c.Weight, o.maxWeight())
	case o.work.Kind == strategy.Fit && c.Metrics.Steps > o.maxSteps(c.Weight):
		return protocol.ReasonOutOfBounds, fmt.Sprintf("mini-batches: %d, want at most %d, as ordered", c.Metrics.Steps, o.maxSteps(c.Weight))
	}
	for i, p := range payloadMessages(o.work.Payloads) {
		if err := p.Matches(&c.Vectors[o.work.Vectors()+i]); err != nil {
			return protocol.ReasonWrongShape, fmt.Sprintf("vector %d: %v", o.work.Vectors()+i, err)
		}
	}
	for i, v := range c.Vectors[:o.work.Vectors()] {
		switch want, part := o.expects(i); {
		case v.Kind != protocol.PayloadFloat32:
			return protocol.ReasonWrongShape, fmt.Sprintf("vector %d: %v, want float32", i, v.Kind)
		case v.Role != want || v.Part != part:
			return protocol.ReasonWrongShape, fmt.Sprintf("vector %d: %v %d, want %v %d", i, v.Role, v.Part, want, part)
		case v.Role != protocol.RoleControl && !bytes.Equal(v.BaseHash, o.base[:]):
			return protocol.ReasonWrongBase, ""
		}
	}
	return protocol.ReasonAccepted, ""
}

// refuse rejects a contribution before it reaches the strategy.
func (r *Run) refuse(m *member, c *protocol.Contribution, reason protocol.Reason, detail string) {
	if c.Order >= protocol.EnquiryOrders {
		r.answerTotals(m, c.Order, reason, detail)
		return
	}
	r.answer(m.number, m.peer, c, reason, detail)
	switch reason {
	case protocol.ReasonLate, protocol.ReasonDuplicate, protocol.ReasonUnordered:
		return
	}
	// The rejected answer was the only one: the strategy does not wait for another.
	m.order.answered = true
	r.step(strategy.Declined{Client: strategy.ClientID(m.number), Order: strategy.OrderID(c.Order)})
}

// answer acknowledges a contribution.
func (r *Run) answer(number uint32, p Peer, c *protocol.Contribution, reason protocol.Reason, detail string) {
	m := r.roster.members[number]
	round := c.Round
	what := fmt.Sprintf("order %d weight %d", c.Order, c.Weight)
	if r.cfg.Differential != nil {
		what = fmt.Sprintf("order %d", c.Order)
	}
	switch {
	case reason == protocol.ReasonAccepted:
		if round == 0 {
			round = r.down.version + 1 // the version that will contain it
			if r.phase == protocol.PhaseCommitting {
				round++
			}
		}
		r.faults.accepted++
		r.recordIn(round, "accepted", number, what)
	case m != nil:
		what += " " + reason.String()
		if detail != "" {
			what += ": " + detail
		}
		r.recordFrom(m, "rejected", what)
	}
	r.accounts.answered(reason)
	r.answeredWith(m, c.Order, reason)
	if m != nil && m.peer == p {
		ack := &protocol.Ack{Order: c.Order, Reason: reason, Detail: detail}
		if c.Round == 0 {
			ack.Round = round
		}
		r.send(m, ack)
	}
}

// Described is what is known of a contribution whose vectors are elsewhere: its Offer is that of
// the process that has decoded it.
type Described struct {
	Contribution *protocol.Contribution // without blocks
	Norms        []float64
	Fingerprint  uint64
	Size         int64           // on the wire
	Reason       protocol.Reason // as in Offer
	Detail       string
}

// Describe describes an offer to another process.
func (o *Offer) Describe() Described {
	return Described{o.Contribution, o.Norms, o.fingerprint, o.size, o.Reason, o.Detail}
}

// Offer returns the offer of a contribution whose vectors are at a place, which keeps it as it
// came if packed says so. place is nil for one that is refused.
func (d Described) Offer(place interface {
	Elsewhere
	Packed
}, packed bool) *Offer {
	o := &Offer{Contribution: d.Contribution, Norms: d.Norms, Reason: d.Reason, Detail: d.Detail, fingerprint: d.Fingerprint, size: d.Size}
	if d.Reason != protocol.ReasonAccepted {
		return o
	}
	o.Elsewhere = place
	if packed {
		o.Packed = place
	} else {
		o.OnRelease(place.Drop)
	}
	return o
}
