package client

import (
	"errors"

	"fedtab/compress"
	"fedtab/learn"
	"fedtab/protocol"
)

// Bench is the memory that training needs: a copy of the parameters and the
// buffers of a learn.Fit. A tab has one; a simulation has one for each core
// and lends it to the client at work.
type Bench struct {
	model learn.Model
	fit   *learn.Fit
	local []float32
}

// NewBench returns a bench for models of one shape.
func NewBench(m learn.Model) *Bench {
	return &Bench{model: m, fit: learn.NewFit(m), local: make([]float32, m.Layout().Size)}
}

// NewBench returns a bench for the client's model. It panics before the
// welcome.
func (c *Client) NewBench() *Bench { return NewBench(c.model) }

// Ready says whether Work has something to do: an order, with its model and
// enough data at hand.
func (c *Client) Ready() bool {
	return c.order != nil && c.holds(c.order) && (c.examples != nil || c.enough())
}

// Work trains for at most steps mini-batches on b and returns what is to be
// sent: a Progress with the first slice, the Contribution with the last. An
// order that was begun on one bench begins anew on another.
func (c *Client) Work(b *Bench, steps int) []protocol.Message {
	if !c.Ready() {
		return nil
	}
	o := c.order
	var out []protocol.Message
	if c.bench != b { // not begun, or begun on a bench that is no more
		c.bench = b
		c.examples = c.local()
		copy(b.local, c.params)
		if err := b.fit.Start(b.local, c.examples, FitOf(o)); err != nil {
			return c.fail(protocol.ReasonUnsupported, err)
		}
		c.progress.Activity = Training
		c.progress.Total = b.fit.TotalExamples()
		out = append(out, &protocol.Progress{Order: o.Order, Examples: uint64(b.fit.TotalExamples())})
	}
	done, err := b.fit.Run(steps)
	sums := b.fit.Sums()
	c.progress.Done = sums.Examples
	if sums.Examples > 0 {
		c.progress.Loss = sums.Loss / float64(sums.Examples)
		c.progress.Accuracy = float64(sums.Correct) / float64(sums.Examples)
	}
	switch {
	case errors.Is(err, learn.ErrDiverged):
		return append(out, c.fail(protocol.ReasonDiverged, err)...)
	case err != nil:
		return append(out, c.fail(protocol.ReasonUnsupported, err)...)
	case !done:
		return out
	}
	return append(out, c.finish(b, sums)...)
}

// finish packs the delta of the order in work.
func (c *Client) finish(b *Bench, sums learn.Sums) []protocol.Message {
	o := c.order
	delta := b.local
	for i, base := range c.params {
		delta[i] -= base
	}
	codec := o.Hyper.Codec
	block, err := compress.Append(codec, make([]byte, 0, compress.MaxBlock(codec, len(delta))), delta)
	if err != nil {
		return c.fail(protocol.ReasonCodec, err)
	}
	c.kept = &protocol.Contribution{
		Transfer: o.Order, Order: o.Order, Round: o.Round, Weight: uint64(c.examples.Len()),
		Metrics: protocol.Metrics{
			Examples: uint64(sums.Examples), Steps: uint64(b.fit.Steps()),
			LossSum: sums.Loss, Correct: uint64(sums.Correct),
		},
		Vectors: []protocol.Vector{{Role: protocol.RoleDelta, BaseHash: o.BaseHash, Codec: codec, Block: block}},
	}
	c.drop(Sending)
	return []protocol.Message{c.kept}
}

func (c *Client) fail(r protocol.Reason, err error) []protocol.Message {
	out := decline(c.order, r, err.Error())
	c.progress.LastError = err.Error()
	c.drop(Waiting)
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
// often as it is seen. It is 0 while there is no order or no data.
func (c *Client) OrderExamples() int {
	ex := c.local()
	if c.order == nil || ex == nil {
		return 0
	}
	if h := c.order.Hyper; h.Steps > 0 {
		return int(h.Steps) * int(h.Batch)
	}
	return ex.Len() * int(c.order.Hyper.Epochs)
}
