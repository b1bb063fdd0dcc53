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
	vectors     [][]float32
	fingerprint uint64
	body        *Body // in which the vectors lie
	reason      protocol.Reason
	detail      string
}

// Checker decodes and checks contributions for one run. It may be used by
// many goroutines at once: the connections' own, so that the owner of the run
// never decodes one.
type Checker struct {
	n       int
	vectors int
	seed    uint64 // of the run
	lease   *Lease
	pool    sync.Pool // *Body
}

// NewChecker returns a checker of contributions of up to so many vectors of n
// parameters in the run with a seed, whose bodies together take no more memory
// than the lease allows; nil allows any amount.
func NewChecker(n, vectors int, seed uint64, lease *Lease) *Checker {
	k := &Checker{n: n, vectors: vectors, seed: seed, lease: lease}
	k.pool.New = func() any {
		// As many floats as the largest body has bytes.
		return &Body{checker: k, v: make([]float32, k.bodySize()/4)}
	}
	return k
}

// A Body is borrowed memory for one contribution: its bytes, if they arrive in
// chunks, and its values.
type Body struct {
	checker  *Checker
	v        []float32
	leased   int64
	holds    bool      // bytes, in v: raw ones are decoded where they lie if that is their place, others into unpacked
	unpacked []float32 // allocated when needed
	decoders map[protocol.Codec]compress.Decoder
}

// decode unpacks block i of a contribution. A raw block that lies in the body is
// decoded where it is, unless the blocks before it are of another size: then its
// values would overwrite what is still to be read.
func (b *Body) decode(v *protocol.Vector, i int, seed uint64) ([]float32, error) {
	n := b.checker.n
	values := b.v[i*n:][:n]
	if v.Codec == protocol.CodecFloat32 && (!b.holds || len(v.Block) > 0 && &compress.Bytes(values)[0] == &v.Block[0]) {
		return values, compress.DecodeFloat32(values, v.Block)
	}
	d := b.decoders[v.Codec]
	if d == nil {
		c, err := compress.Lookup(v.Codec)
		if err != nil {
			return nil, err
		}
		d = c.NewDecoder()
		if b.decoders == nil {
			b.decoders = map[protocol.Codec]compress.Decoder{}
		}
		b.decoders[v.Codec] = d
	}
	into := b.v
	if b.holds {
		if b.unpacked == nil {
			b.unpacked = make([]float32, b.checker.vectors*n)
		}
		into = b.unpacked
	}
	values = into[i*n:][:n]
	return values, compress.DecodeWith(d, values, v.Block, compress.Options{Seed: seed})
}

// Borrow returns memory for c, of which perhaps no byte has come yet. It waits
// until the lease allows it, or ctx ends. The Body goes to Check or is released.
func (k *Checker) Borrow(ctx context.Context, c *protocol.Contribution) (*Body, error) {
	size := k.bodySize()
	if protocol.Announced(c) > 0 && slices.ContainsFunc(c.Vectors, func(v protocol.Vector) bool { return v.Codec != protocol.CodecFloat32 }) {
		size += int64(4 * k.vectors * k.n) // unpacked
	}
	if err := k.lease.acquire(ctx, size); err != nil {
		return nil, err
	}
	b := k.pool.Get().(*Body)
	b.leased = size
	return b, nil
}

func (k *Checker) bodySize() int64 { return protocol.MaxBody(uint64(k.n), k.vectors) }

// Bytes returns the memory, for a body to be put into.
func (b *Body) Bytes() []byte {
	b.holds = true
	return compress.Bytes(b.v)
}

// Release gives the memory back.
func (b *Body) Release() {
	b.checker.lease.release(b.leased)
	b.leased, b.holds, b.unpacked = 0, false, nil
	b.checker.pool.Put(b)
}

// Check decodes c, of the participant with a number, and checks its shape and its
// values. It takes over body, in
// which the vectors of c lie if it came in chunks. With nil, memory is taken
// without a lease.
func (k *Checker) Check(number uint32, c *protocol.Contribution, body *Body) *Offer {
	o := &Offer{c: c, size: protocol.WireSize(c, true), body: body}
	refuse := func(r protocol.Reason, format string, args ...any) *Offer {
		o.reason, o.detail = r, fmt.Sprintf(format, args...)
		o.Release()
		for i := range c.Vectors {
			c.Vectors[i].Block = nil
		}
		return o
	}
	if len(c.Vectors) == 0 || len(c.Vectors) > k.vectors {
		return refuse(protocol.ReasonWrongShape, "%d vectors, want 1 to %d", len(c.Vectors), k.vectors)
	}
	if o.body == nil {
		o.body = k.pool.Get().(*Body)
	}
	var print xxhash.Digest
	print.Reset()
	for i := range c.Vectors {
		v := &c.Vectors[i]
		print.Write(v.Block)
		values, err := o.body.decode(v, i, compress.DitherSeed(k.seed, number, c.Order, i))
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
			limit *= float32(c.Weight) // it is a sum over so many examples
		}
		if kernel.Magnitude(values) > limit {
			j := slices.IndexFunc(values, func(x float32) bool { return x > limit || x < -limit })
			return refuse(protocol.ReasonOutOfBounds, "vector %d: element %d is %g, want at most %g in magnitude", i, j, values[j], limit)
		}
		o.vectors = append(o.vectors, values)
		v.Block = nil // decoded; it may lie in a buffer that the connection reuses
	}
	o.fingerprint = print.Sum64()
	return o
}

// Release gives the offer's memory back. Who hands the offer to the run need
// not call it.
func (o *Offer) Release() {
	o.vectors = nil
	if o.body != nil {
		o.body.Release()
		o.body = nil
	}
}

// Announce says whether the body that c has or announces is wanted. If not, c has
// been answered, and charged if it is all here; what follows of it is to be skipped.
func (r *Run) Announce(number uint32, p Peer, c *protocol.Contribution) bool {
	m := r.members[number]
	if m == nil || m.peer != p {
		return false
	}
	reason, detail := r.judge(m, c)
	if reason == protocol.ReasonAccepted {
		return true
	}
	if protocol.Announced(c) == 0 {
		r.book(number, protocol.KindContribution, protocol.WireSize(c, true), models(c), true)
	}
	r.refuse(m, c, reason, detail)
	return false
}

// Charge counts bytes that a participant has sent and that became no message
// for the run.
func (r *Run) Charge(number uint32, p Peer, size int64) {
	if m := r.members[number]; m != nil && m.peer == p {
		r.book(number, 0, size, 0, true)
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
	r.book(number, protocol.KindContribution, o.size, models(o.c), true)
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
		Handle: r.handles, Weight: float64(o.c.Weight), Steps: o.c.Metrics.Steps,
	})
}

// judge checks what a contribution claims against what the run ordered.
func (r *Run) judge(m *member, c *protocol.Contribution) (protocol.Reason, string) {
	o := m.order
	switch {
	case r.finished != "" || r.roundsDone() || c.Round != 0 && c.Round <= r.closed:
		return protocol.ReasonLate, ""
	case c.Round != 0 && c.Order <= r.newestOrder && (r.open == nil || c.Order < r.firstOrder):
		return protocol.ReasonLate, "" // an attempt that was given up
	case o == nil || uint64(o.order) < c.Order:
		return protocol.ReasonUnordered, ""
	case uint64(o.order) > c.Order:
		return protocol.ReasonLate, ""
	case o.round != c.Round:
		return protocol.ReasonUnordered, ""
	case o.answered:
		return protocol.ReasonDuplicate, ""
	case o.vectors > 0 && len(c.Vectors) != o.vectors || o.vectors == 0 && len(c.Vectors) < max(r.cfg.Sums, 1):
		return protocol.ReasonWrongShape, fmt.Sprintf("%d vectors, want %d", len(c.Vectors), max(o.vectors, r.cfg.Sums, 1))
	case c.Weight == 0 || c.Weight > o.weight:
		return protocol.ReasonOutOfBounds, fmt.Sprintf("weight is %d, want 1 to %d", c.Weight, o.weight)
	case o.work.Kind == strategy.Fit && c.Metrics.Steps > steps(o.work, c.Weight):
		return protocol.ReasonOutOfBounds, fmt.Sprintf("%d mini-batches, want at most the %d of the order", c.Metrics.Steps, steps(o.work, c.Weight))
	}
	for i, v := range c.Vectors {
		switch want, part := o.expects(i); {
		case o.vectors > 0 && (v.Role != want || v.Part != part):
			return protocol.ReasonWrongShape, fmt.Sprintf("vector %d is %v %d, want %v %d", i, v.Role, v.Part, want, part)
		case v.Role != protocol.RoleControl && !bytes.Equal(v.BaseHash, o.base[:]):
			return protocol.ReasonWrongBase, ""
		}
	}
	return protocol.ReasonAccepted, ""
}

// steps returns how many mini-batches an order takes with so many examples.
func steps(w strategy.Work, examples uint64) uint64 {
	if w.Steps > 0 {
		return uint64(w.Steps)
	}
	batches := uint64(1)
	if b := uint64(w.Batch); b > 0 {
		batches = (examples-1)/b + 1
	}
	return uint64(w.Epochs) * batches
}

// expects returns what vector i of the answer is to be: a vector and the change
// of a control variate, or several of one role.
func (o *outstanding) expects(i int) (protocol.Role, uint32) {
	if i == 1 && o.control {
		return protocol.RoleControl, 0
	}
	return o.role, uint32(i)
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
		ack := &protocol.Ack{Order: c.Order, Reason: reason, Detail: detail}
		if c.Round == 0 && reason == protocol.ReasonAccepted {
			ack.Round = r.version + 1 // the version that it will be in
			if r.phase == protocol.PhaseCommitting {
				ack.Round++
			}
		}
		r.send(m, ack)
	}
}
