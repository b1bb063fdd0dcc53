package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"fedtab/compress"
	"fedtab/learn/kernel"
	"fedtab/protocol"
	"fedtab/strategy"

	"github.com/cespare/xxhash/v2"
)

// Offer is a contribution that passed every check that needs no knowledge of
// the run, or the reason why it did not.
type Offer struct {
	number      uint32
	peer        Peer
	c           *protocol.Contribution
	size        int64 // on the wire
	delta       []float32
	fingerprint uint64
	body        *Body // in which delta lies
	reason      protocol.Reason
	detail      string
}

// Checker decodes and checks contributions for one run. It may be used by
// many goroutines at once: the connections' own, so that the owner of the run
// never touches a vector.
type Checker struct {
	n     int
	lease *Lease
	pool  sync.Pool // *Body
}

// NewChecker returns a checker of contributions of n parameters, whose bodies
// together take no more memory than the lease allows; nil allows any amount.
func NewChecker(n int, lease *Lease) *Checker {
	k := &Checker{n: n, lease: lease}
	k.pool.New = func() any {
		// As many floats as the largest block of n parameters has bytes.
		v := make([]float32, protocol.MaxBody(uint64(n), 1)/4)
		return &Body{checker: k, v: v}
	}
	return k
}

// A Body is borrowed memory for the body of one contribution: its bytes while
// they arrive, and its values in the same place once they are decoded.
type Body struct {
	checker *Checker
	v       []float32
	leased  bool
}

// Borrow returns memory for a body. It waits until the lease allows it, or ctx
// ends. The Body goes to Check or is released.
func (k *Checker) Borrow(ctx context.Context) (*Body, error) {
	if err := k.lease.acquire(ctx, k.bodySize()); err != nil {
		return nil, err
	}
	b := k.pool.Get().(*Body)
	b.leased = true
	return b, nil
}

func (k *Checker) bodySize() int64 { return protocol.MaxBody(uint64(k.n), 1) }

// Bytes returns the memory, for a body to be put into.
func (b *Body) Bytes() []byte { return compress.Bytes(b.v) }

// Release gives the memory back.
func (b *Body) Release() {
	if b.leased {
		b.leased = false
		b.checker.lease.release(b.checker.bodySize())
	}
	b.checker.pool.Put(b)
}

// Check decodes c and checks its shape, its values and its weight. It takes
// over body, in which the vector of c lies if it came in chunks. It is nil for
// one that came in a single frame: those are small and not under the lease.
func (k *Checker) Check(c *protocol.Contribution, body *Body) *Offer {
	o := &Offer{c: c, size: protocol.WireSize(c, true), body: body}
	refuse := func(r protocol.Reason, format string, args ...any) *Offer {
		o.reason, o.detail = r, fmt.Sprintf(format, args...)
		o.Release()
		for i := range c.Vectors {
			c.Vectors[i].Block = nil
		}
		return o
	}
	if len(c.Vectors) != 1 || c.Vectors[0].Role != protocol.RoleDelta || c.Vectors[0].Part != 0 {
		return refuse(protocol.ReasonWrongShape, "%d vectors, want one delta", len(c.Vectors))
	}
	v := &c.Vectors[0]
	if o.body == nil {
		o.body = k.pool.Get().(*Body)
	}
	o.fingerprint = xxhash.Sum64(v.Block)
	delta := o.body.v[:k.n]
	// A raw block that lies in the body is decoded where it is.
	if err := compress.Decode(v.Codec, delta, v.Block); err != nil {
		switch {
		case errors.Is(err, compress.ErrNotFinite):
			return refuse(protocol.ReasonNotFinite, "%v", err)
		case v.Codec == protocol.CodecFloat32:
			return refuse(protocol.ReasonWrongShape, "%v", err)
		}
		return refuse(protocol.ReasonCodec, "%v", err)
	}
	if kernel.Magnitude(delta) > protocol.MaxDelta {
		i := slices.IndexFunc(delta, func(x float32) bool { return x > protocol.MaxDelta || x < -protocol.MaxDelta })
		return refuse(protocol.ReasonOutOfBounds, "element %d is %g, want at most %d in magnitude", i, delta[i], protocol.MaxDelta)
	}
	v.Block = nil // decoded; it may lie in a buffer that the connection reuses
	o.delta = delta
	return o
}

// Release gives the offer's memory back. Who hands the offer to the run need
// not call it.
func (o *Offer) Release() {
	o.delta = nil
	if o.body != nil {
		o.body.Release()
		o.body = nil
	}
}

// Announce says whether the body that c announces is wanted. If not, c has been
// answered, and what follows of it is to be skipped.
func (r *Run) Announce(number uint32, p Peer, c *protocol.Contribution) bool {
	m := r.members[number]
	if m == nil || m.peer != p {
		return false
	}
	reason, detail := r.judge(m, c)
	if reason == protocol.ReasonAccepted {
		return true
	}
	r.refuse(m, c, reason, detail)
	return false
}

// Charge counts bytes that a participant has sent and that became no message
// for the run.
func (r *Run) Charge(number uint32, p Peer, size int64) {
	if m := r.members[number]; m != nil && m.peer == p {
		r.up += size
		r.ledger.Up += size
		r.ledger.MessagesUp++
	}
}

// Offer hands a checked contribution to the run, which answers its sender.
func (r *Run) Offer(number uint32, p Peer, o *Offer) {
	m := r.members[number]
	if m == nil || m.peer != p {
		o.Release()
		return
	}
	o.number, o.peer = number, p
	r.countBytes(o.c, o.size, true)
	reason, detail := r.judge(m, o.c)
	if reason == protocol.ReasonAccepted {
		reason, detail = o.reason, o.detail
	}
	if reason != protocol.ReasonAccepted {
		o.Release()
		r.refuse(m, o.c, reason, detail)
		return
	}
	r.handles++
	r.offers[r.handles] = o
	r.step(strategy.Offered{
		Client: strategy.ClientID(number), Order: strategy.OrderID(o.c.Order),
		Handle: r.handles, Weight: float64(o.c.Weight),
	})
}

// judge checks what a contribution claims against what the run ordered.
func (r *Run) judge(m *member, c *protocol.Contribution) (protocol.Reason, string) {
	switch {
	case r.finished != "" || c.Round <= r.closed:
		return protocol.ReasonLate, ""
	case c.Order <= r.newestOrder && (r.open == nil || c.Order < r.open.Order):
		return protocol.ReasonLate, "" // an attempt that was given up
	case m.order == nil || uint64(m.order.order) < c.Order || m.order.round != c.Round:
		return protocol.ReasonUnordered, ""
	case uint64(m.order.order) > c.Order:
		return protocol.ReasonLate, ""
	case m.order.answered:
		return protocol.ReasonDuplicate, ""
	case len(c.Vectors) != 1:
		return protocol.ReasonWrongShape, fmt.Sprintf("%d vectors, want one delta", len(c.Vectors))
	case !bytes.Equal(c.Vectors[0].BaseHash, m.order.base[:]):
		return protocol.ReasonWrongBase, ""
	case c.Weight == 0 || c.Weight > m.order.weight:
		return protocol.ReasonOutOfBounds, fmt.Sprintf("weight is %d, want 1 to %d", c.Weight, m.order.weight)
	}
	return protocol.ReasonAccepted, ""
}

// refuse answers a contribution that the strategy does not get to see.
func (r *Run) refuse(m *member, c *protocol.Contribution, reason protocol.Reason, detail string) {
	r.answer(m.number, m.peer, c, reason, detail)
	switch reason {
	case protocol.ReasonLate, protocol.ReasonDuplicate, protocol.ReasonUnordered:
		return
	}
	// A broken answer is an answer: nobody waits for a better one.
	m.order.answered = true
	r.step(strategy.Declined{Client: strategy.ClientID(m.number), Order: strategy.OrderID(c.Order)})
}

// answer acknowledges a contribution.
func (r *Run) answer(number uint32, p Peer, c *protocol.Contribution, reason protocol.Reason, detail string) {
	kind := "accepted"
	what := fmt.Sprintf("order %d weight %d", c.Order, c.Weight)
	if reason != protocol.ReasonAccepted {
		kind = "rejected"
		what += " " + reason.String()
	}
	if detail != "" {
		what += ": " + detail
	}
	r.record(kind, number, what)
	if int(reason) < len(r.ledger.Answers) {
		r.ledger.Answers[reason]++
	}
	if m := r.members[number]; m != nil && m.peer == p {
		r.send(m, &protocol.Ack{Order: c.Order, Reason: reason, Detail: detail})
	}
}
