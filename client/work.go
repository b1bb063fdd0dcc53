package client

import (
	"errors"
	"fmt"

	"fedtab/compress"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/kernel"
	"fedtab/protocol"
	"fedtab/tab"
)

// Workspace is the memory that training needs: a copy of the parameters and the
// buffers of a learn.Fit. A tab has one; a simulation has one for each core
// and lends it to the client at work.
type Workspace struct {
	model      learn.Model
	fit        *learn.Fit
	local      []float32
	correction []float32   // SCAFFOLD's; allocated when needed
	parts      [][]float32 // models of the parts of an order that is split
	evaluator  learn.Evaluator
}

// NewWorkspace returns a workspace for models of one shape.
func NewWorkspace(m learn.Model) *Workspace {
	return &Workspace{model: m, fit: learn.NewFit(m), local: make([]float32, m.Layout().Size)}
}

// NewWorkspace returns a workspace for the client's model. It panics before the
// welcome.
func (c *Client) NewWorkspace() *Workspace { return NewWorkspace(c.model) }

// Ready says whether Work has something to do: an enquiry, an order with its model and
// enough data at hand, or a comparison.
func (c *Client) Ready() bool {
	return c.enquiry != nil || c.trainable() || c.Compares()
}

func (c *Client) trainable() bool {
	return c.order != nil && c.holds(c.order) && (c.examples != nil || c.enough()) && !c.awaits()
}

// Work trains for at most steps mini-batches on b and returns what is to be
// sent: a Progress with the first slice, the Contribution with the last, which only
// packs if Config.Watched says so. A
// Monitor order has no end of its own; a slice of it ends where its condition is
// checked. An order that was begun on one workspace begins anew on another, unless
// it is a Monitor order, whose model is the client's.
func (c *Client) Work(b *Workspace, steps int) []protocol.Message {
	if c.enquiry != nil {
		return c.enquire(b, steps)
	}
	if !c.trainable() {
		if c.Compares() {
			c.comparison(steps)
		}
		return nil
	}
	if c.order.Kind == protocol.OrderMonitor {
		return c.monitor(b, steps)
	}
	if c.order.Kind == protocol.OrderReport {
		return c.report()
	}
	return c.train(b, steps)
}

// train works on an order that has an end.
func (c *Client) train(b *Workspace, steps int) []protocol.Message {
	o := c.order
	var out []protocol.Message
	if c.workspace != b { // not begun, or begun on a workspace that is no more
		c.workspace = b
		c.examples = c.atHand()
		c.parts, c.sums, c.made, c.split = nil, learn.Sums{}, 0, nil
		if n := int(o.Hyper.Parts); o.Kind == protocol.OrderBase && (n < 1 || n > protocol.MaxVectors || n > c.examples.Len()) {
			return c.fail(protocol.ReasonNoData, fmt.Errorf("%d base models from %d examples, want 1 to %d, with an example each", n, c.examples.Len(), protocol.MaxVectors))
		}
		if c.base == nil {
			c.base = c.params
		}
		if n := c.splits(); n > 1 {
			c.divide(n)
		}
		if err := c.begin(b); err != nil {
			return c.fail(protocol.ReasonUnsupported, err)
		}
		c.progress.Activity = Training
		c.progress.Total = c.OrderExamples()
		p := &protocol.Progress{Order: o.Order, Examples: uint64(c.progress.Total)}
		if c.secures() {
			p.Examples = 0 // how many there are is in the sum
		}
		out = append(out, p)
	}
	if c.progress.Activity == Packing {
		return append(out, c.finish(b)...)
	}
	for steps > 0 {
		done, err := true, error(nil)
		if c.split == nil || c.split.own >= 0 {
			before := b.fit.Steps()
			done, err = b.fit.Run(steps)
			steps -= b.fit.Steps() - before
			c.showFit(b.fit)
		}
		if err == nil && done {
			if c.split == nil {
				c.sums.Add(b.fit.Sums())
				c.made += b.fit.Steps()
			} else if done, err = c.partTrained(b); err == nil && !done && !c.awaits() {
				continue
			}
		}
		switch {
		case errors.Is(err, learn.ErrDiverged):
			return append(out, c.fail(protocol.ReasonDiverged, err)...)
		case err != nil:
			return append(out, c.fail(protocol.ReasonUnsupported, err)...)
		case !done:
			return out
		}
		if o.Kind != protocol.OrderBase {
			if c.cfg.Watched {
				c.progress.Activity = Packing
				return out
			}
			return append(out, c.finish(b)...)
		}
		block, err := c.pack(c.delta(b.local), len(c.parts))
		if err != nil {
			return append(out, c.fail(protocol.ReasonCodec, err)...)
		}
		if c.parts = append(c.parts, block); len(c.parts) == int(o.Hyper.Parts) {
			return append(out, c.finish(b)...)
		}
		if err := c.begin(b); err != nil {
			return append(out, c.fail(protocol.ReasonUnsupported, err)...)
		}
	}
	return out
}

// begin starts training on b: of the order, or of its next base model.
func (c *Client) begin(b *Workspace) error {
	o := c.order
	if o.Hyper.Reproducible && c.cfg.Exact != nil {
		c.cfg.Exact()
	}
	copy(b.local, c.from())
	cfg, examples := FitOf(o), c.examples
	switch {
	case c.split != nil:
		examples, cfg = everyNth(examples, c.split.own, len(c.split.parts)), partConfig(cfg, c.split.own)
	case o.Kind == protocol.OrderBase:
		examples, cfg = everyNth(examples, len(c.parts), int(o.Hyper.Parts)), partConfig(cfg, len(c.parts))
	case o.Hyper.Stream:
		cfg.From = c.stream
	}
	if o.Hyper.Control {
		if b.correction == nil {
			b.correction = make([]float32, len(b.local))
		}
		clear(b.correction)
		if c.control != nil {
			copy(b.correction, c.control)
		}
		if c.ownControl != nil {
			kernel.Axpy(b.correction, -1, c.ownControl)
		}
		cfg.Correction = b.correction
	}
	return b.fit.Start(b.local, examples, cfg)
}

// from returns the parameters from which the order in work is begun.
func (c *Client) from() []float32 {
	if c.startsFrom(c.order.Start) {
		return c.start
	}
	return c.base
}

// startsFrom says whether the local model with a hash is at hand.
func (c *Client) startsFrom(hash []byte) bool {
	return c.start != nil && len(hash) > 0 && string(hash) == string(c.startHash[:])
}

// everyNth returns the examples i, i+n, i+2n, ...: one of n disjoint parts.
func everyNth(ex data.Examples, i, n int) data.Examples {
	var index []int32
	for ; i < ex.Len(); i += n {
		index = append(index, int32(i))
	}
	return data.NewSubset(ex, index)
}

// showFit keeps the progress up to date with what is trained here.
func (c *Client) showFit(f *learn.Fit) {
	sums := c.sums
	if s := c.split; s != nil {
		s.parts[s.own].sums, s.parts[s.own].steps = f.Sums(), f.Steps()
		sums, _ = s.sums()
	} else {
		sums.Add(f.Sums())
	}
	c.show(sums)
}

// show keeps the progress up to date.
func (c *Client) show(sums learn.Sums) {
	c.progress.Done = sums.Examples
	if sums.Examples > 0 {
		c.progress.Loss = sums.Loss / float64(sums.Examples)
		c.progress.Accuracy = float64(sums.Correct) / float64(sums.Examples)
	}
}

// delta turns a local model, in place, into its difference from the base.
func (c *Client) delta(local []float32) []float32 {
	kernel.Axpy(local, -1, c.base)
	return local
}

// keepAway is how much of what is to be fed back stays for every round that a
// client was away.
const keepAway = .9

// flush drops what is to be fed back.
func (c *Client) flush() {
	c.residual = nil
	c.settleUnsent(false)
	if c.feedback != nil {
		c.feedback.Flush()
	}
}

// pack packs vector i of the answer to the order in work.
func (c *Client) pack(v []float32, i int) ([]byte, error) {
	h := &c.order.Hyper
	p, err := c.cfg.Packers.take(c.model.Layout(), h.Codec)
	if err != nil {
		return nil, err
	}
	o := compress.Options{Bits: float64(h.Bits), Seed: compress.DitherSeed(c.welcome.Seed, c.welcome.Participant, c.order.Order, i)}
	enc := p.enc
	if h.Feedback && i == 0 {
		round := c.order.Round
		if round == 0 { // for whichever is open when it is done
			round = c.order.Base + 1
		}
		if c.feedback == nil {
			c.feedback = new(compress.Feedback)
			if c.residual != nil {
				// A saved one that does not fit is as good as none.
				_ = c.feedback.RestoreState(c.residual, len(v))
				c.residual = nil
			}
		}
		if c.away { // the model has moved on without this client
			c.feedback.Age(int(max(round, c.packedRound+1)-c.packedRound), keepAway)
		}
		c.away, c.packedRound = false, round
		enc = c.feedback.Using(p.enc, p.dec)
	}
	block, err := enc.Append(nil, v, o)
	c.cfg.Packers.put(p)
	return block, err
}

// finish packs the answer to the order in work.
func (c *Client) finish(b *Workspace) []protocol.Message {
	o := c.order
	if o.Hyper.Stream {
		c.stream += c.made
	}
	switch o.Kind {
	case protocol.OrderGradient:
		if c.secures() {
			return c.maskGradient(b.fit.GradientSum())
		}
		return c.offer(protocol.RoleGradient, uint64(c.sums.Examples), b.fit.GradientSum())
	case protocol.OrderBase:
		vectors := make([]protocol.Vector, len(c.parts))
		for i, block := range c.parts {
			vectors[i] = protocol.Vector{Role: protocol.RoleDelta, BaseHash: o.BaseHash, Part: uint32(i), Codec: o.Hyper.Codec, Block: block}
		}
		return c.send(uint64(c.examples.Len()), vectors)
	}
	c.compareAnswer(b.local)
	if c.cfg.Watched {
		c.answer, c.answered = append(c.answer[:0], b.local...), o.Base
	}
	delta := c.delta(b.local)
	if c.secures() {
		return c.mask(delta, c.examples.Len())
	}
	if !o.Hyper.Control {
		return c.offer(protocol.RoleDelta, uint64(c.examples.Len()), delta)
	}
	// SCAFFOLD's option II: c_i+ - c_i = -c + (x - y)/(K eta).
	change := b.correction
	clear(change)
	if c.control != nil {
		kernel.Axpy(change, -1, c.control)
	}
	kernel.Axpy(change, -1/(float32(c.made)*o.Hyper.LR), delta)
	return c.offer(protocol.RoleDelta, uint64(c.examples.Len()), delta, change)
}

// offer packs a vector of some role, and with it perhaps the change of the
// control variate.
func (c *Client) offer(role protocol.Role, weight uint64, vectors ...[]float32) []protocol.Message {
	var packed []protocol.Vector
	for i, v := range vectors {
		block, err := c.pack(v, i)
		if err != nil {
			return c.fail(protocol.ReasonCodec, err)
		}
		if i == 1 {
			role = protocol.RoleControl
		}
		packed = append(packed, protocol.Vector{Role: role, BaseHash: c.order.BaseHash, Codec: c.order.Hyper.Codec, Block: block})
	}
	return c.send(weight, packed)
}

// send makes the contribution that answers the order in work, and keeps it.
func (c *Client) send(weight uint64, vectors []protocol.Vector) []protocol.Message {
	o := c.order
	if len(o.Payloads) > 0 {
		payloads, err := c.payloads()
		if err != nil {
			return c.fail(protocol.ReasonUnsupported, err)
		}
		vectors = append(vectors, payloads...)
	}
	m := &protocol.Contribution{
		Transfer: o.Order, Order: o.Order, Round: o.Round, Weight: weight,
		Metrics: protocol.Metrics{
			Examples: uint64(c.sums.Examples), Steps: uint64(c.made), LossSum: c.sums.Loss, Correct: uint64(c.sums.Correct),
		},
		Vectors: vectors,
	}
	c.keep(m)
	return []protocol.Message{m}
}

// keep keeps the answer to the order in work until its round is closed.
func (c *Client) keep(m *protocol.Contribution) {
	if c.kept = append(c.kept, kept{Contribution: m, closes: m.Round}); len(c.kept) > maxKept {
		c.kept = c.kept[1:]
	}
	c.drop(Sending)
}

// adopt makes the change of the control variate that is in m the client's own,
// now that the server has it for good. It is taken as it travelled, so that both
// sides add up.
func (c *Client) adopt(m *protocol.Contribution) {
	if len(m.Vectors) < 2 || m.Vectors[1].Role != protocol.RoleControl {
		return
	}
	change := make([]float32, c.model.Layout().Size)
	p, err := c.cfg.Packers.take(c.model.Layout(), m.Vectors[1].Codec)
	if err != nil {
		return
	}
	seed := compress.DitherSeed(c.welcome.Seed, c.welcome.Participant, m.Order, 1)
	err = compress.DecodeWith(p.dec, change, m.Vectors[1].Block, compress.Options{Seed: seed})
	c.cfg.Packers.put(p)
	if err != nil {
		return // we have packed it ourselves
	}
	if c.ownControl != nil {
		kernel.Axpy(change, 1, c.ownControl)
	}
	c.ownControl = change
}

func (c *Client) fail(r protocol.Reason, err error) []protocol.Message {
	out := decline(c.order, r, err.Error())
	c.progress.LastError = err.Error()
	c.ended(tab.Failed, int(c.order.Round), &protocol.Ack{Reason: r, Detail: err.Error()})
	c.drop(c.resting())
	return out
}

// Order returns the number of the order in work, 0 when there is none.
func (c *Client) Order() uint64 {
	if c.order == nil {
		return 0
	}
	return c.order.Order
}

// OrderExamples returns how many examples the order in work will see, each as
// often as it is seen; of a Monitor order, in one slice. It is 0 while there is
// no order or no data.
func (c *Client) OrderExamples() int {
	ex := c.atHand()
	if c.order == nil || ex == nil {
		return 0
	}
	h := &c.order.Hyper
	batch := ex.Len()
	if h.Batch > 0 {
		batch = min(batch, int(h.Batch))
	}
	switch {
	case c.order.Kind == protocol.OrderGradient:
		return batch
	case h.Steps > 0:
		return int(h.Steps) * batch
	}
	return ex.Len() * int(h.Epochs)
}
