package run

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"fedtab/compress"
	"fedtab/protocol"
	"fedtab/strategy"
)

// Offer is a contribution that passed every check that needs no knowledge of
// the run, or the reason why it did not.
type Offer struct {
	number uint32
	peer   Peer
	c      *protocol.Contribution
	size   int64 // on the wire
	delta  []float32
	pool   *sync.Pool
	reason protocol.Reason
	detail string
}

// Checker decodes and checks contributions for one run. It may be used by
// many goroutines at once: the connections' own, so that the owner of the run
// never touches a vector.
type Checker struct {
	n    int
	pool sync.Pool
}

// NewChecker returns a checker of contributions of n parameters.
func NewChecker(n int) *Checker {
	return &Checker{n: n, pool: sync.Pool{New: func() any { v := make([]float32, n); return &v }}}
}

// Check decodes c and checks its shape, its values and its weight.
func (k *Checker) Check(c *protocol.Contribution) *Offer {
	o := &Offer{c: c, size: protocol.WireSize(c, true)}
	refuse := func(r protocol.Reason, format string, args ...any) *Offer {
		o.reason, o.detail = r, fmt.Sprintf(format, args...)
		c.Vectors = nil
		return o
	}
	if len(c.Vectors) != 1 || c.Vectors[0].Role != protocol.RoleDelta || c.Vectors[0].Part != 0 {
		return refuse(protocol.ReasonWrongShape, "%d vectors, want one delta", len(c.Vectors))
	}
	if c.Weight == 0 || c.Weight > protocol.MaxWeight {
		return refuse(protocol.ReasonOutOfBounds, "weight is %d, want 1 <= weight <= %d", c.Weight, uint64(protocol.MaxWeight))
	}
	v := k.pool.Get().(*[]float32)
	if err := compress.Decode(c.Vectors[0].Codec, *v, c.Vectors[0].Block); err != nil {
		k.pool.Put(v)
		switch {
		case errors.Is(err, compress.ErrNotFinite):
			return refuse(protocol.ReasonNotFinite, "%v", err)
		case c.Vectors[0].Codec == protocol.CodecFloat32:
			return refuse(protocol.ReasonWrongShape, "%v", err)
		}
		return refuse(protocol.ReasonCodec, "%v", err)
	}
	for i, x := range *v {
		if x > protocol.MaxDelta || x < -protocol.MaxDelta {
			k.pool.Put(v)
			return refuse(protocol.ReasonOutOfBounds, "element %d is %g, want at most %d in magnitude", i, x, protocol.MaxDelta)
		}
	}
	// The block may lie in a buffer that the connection reuses.
	c.Vectors[0].Block = nil
	o.delta, o.pool = *v, &k.pool
	return o
}

// release gives the vector back.
func (o *Offer) release() {
	if v := o.delta; v != nil {
		o.delta = nil
		o.pool.Put(&v)
	}
}

// Offer hands a checked contribution to the run, which answers its sender.
func (r *Run) Offer(number uint32, p Peer, o *Offer) {
	m := r.members[number]
	if m == nil || m.peer != p {
		o.release()
		return
	}
	o.number, o.peer = number, p
	r.countBytes(o.c, o.size, true)
	if reason, detail := r.judge(m, o); reason != protocol.ReasonAccepted {
		o.release()
		r.answer(o, reason, detail)
		if reason != protocol.ReasonLate && reason != protocol.ReasonDuplicate && reason != protocol.ReasonUnordered {
			// A broken answer is an answer: nobody waits for a better one.
			m.order.answered = true
			r.step(strategy.Declined{Client: strategy.ClientID(number), Order: strategy.OrderID(o.c.Order)})
		}
		return
	}
	m.order.answered = true
	r.handles++
	r.offers[r.handles] = o
	r.step(strategy.Offered{
		Client: strategy.ClientID(number), Order: strategy.OrderID(o.c.Order),
		Handle: r.handles, Weight: float64(o.c.Weight),
	})
}

// judge checks an offer against what the run ordered.
func (r *Run) judge(m *member, o *Offer) (protocol.Reason, string) {
	c := o.c
	switch {
	case r.finished != "" || c.Round <= r.closed:
		return protocol.ReasonLate, ""
	case m.order == nil || uint64(m.order.order) < c.Order || m.order.round != c.Round:
		return protocol.ReasonUnordered, ""
	case uint64(m.order.order) > c.Order:
		return protocol.ReasonLate, ""
	case o.reason != protocol.ReasonAccepted:
		return o.reason, o.detail
	case !bytes.Equal(c.Vectors[0].BaseHash, m.order.base[:]):
		return protocol.ReasonWrongBase, ""
	case c.Weight > m.order.weight:
		return protocol.ReasonOutOfBounds, fmt.Sprintf("weight is %d, the shards hold %d examples", c.Weight, m.order.weight)
	}
	return protocol.ReasonAccepted, ""
}

// answer acknowledges an offer.
func (r *Run) answer(o *Offer, reason protocol.Reason, detail string) {
	kind := "accepted"
	if reason != protocol.ReasonAccepted {
		kind = "rejected"
		detail = reason.String() + " " + detail
	}
	r.record(kind, o.number, fmt.Sprintf("order %d weight %d %s", o.c.Order, o.c.Weight, detail))
	if m := r.members[o.number]; m != nil && m.peer == o.peer {
		r.send(m, &protocol.Ack{Order: o.c.Order, Reason: reason, Detail: detail})
	}
}
