package client

import (
	"errors"
	"math"

	"fedtab/learn"
	"fedtab/learn/kernel"
	"fedtab/protocol"
)

// monitor trains the client's own model on, mini-batch after mini-batch, and
// looks after every Steps of them whether it has gone too far from the base:
// dynamic averaging's local condition. A slice ends with the look, or before it
// when its steps are used up.
func (c *Client) monitor(b *Workspace, steps int) []protocol.Message {
	o := c.order
	var out []protocol.Message
	if c.examples == nil {
		c.examples = c.atHand()
		c.take(o)
		c.progress.Activity, c.progress.Total = Training, int(o.Hyper.Steps)*int(o.Hyper.Batch)
		out = append(out, &protocol.Progress{Order: o.Order})
		if c.unchecked {
			if m := c.check(); m != nil {
				return append(out, m...)
			}
		}
	}
	if c.workspace != b {
		c.workspace = b
		cfg := FitOf(o)
		cfg.From = c.stream
		if err := b.fit.Start(c.local, c.examples, cfg); err != nil {
			return append(out, c.fail(protocol.ReasonUnsupported, err)...)
		}
	}
	done, err := b.fit.Run(steps)
	c.show(b.fit.Sums())
	c.unchecked = true
	switch {
	case errors.Is(err, learn.ErrDiverged):
		c.localBase = [32]byte{}
		return append(out, c.fail(protocol.ReasonDiverged, err)...)
	case err != nil:
		return append(out, c.fail(protocol.ReasonUnsupported, err)...)
	case !done:
		return out
	}
	c.workspace = nil // the next slice begins its steps anew
	c.stream += b.fit.Steps()
	c.made += b.fit.Steps()
	c.sums.Add(b.fit.Sums())
	return append(out, c.check()...)
}

// take gives the client the model that an order starts from: the one that was
// sent for it, the base if that is asked for, or else the client's own, as long
// as it has gone on from the same base.
func (c *Client) take(o *protocol.Order) {
	from := c.source(o)
	if from == nil {
		c.flush() // its own still has what packing has lost
		return    // it may have gone too far already
	}
	if string(o.Start) == string(o.BaseHash) {
		c.flush() // the models, and so what they lacked, led nowhere
	}
	if len(c.local) != len(from) {
		c.local = make([]float32, len(from))
	}
	copy(c.local, from)
	c.start, c.localBase, c.unchecked = nil, c.hash, false
}

// source returns the model that take is to copy, nil where the client's own stays.
func (c *Client) source(o *protocol.Order) []float32 {
	switch {
	case c.startsFrom(o.Start):
		return c.start
	case string(o.Start) != string(o.BaseHash) && c.localBase == c.hash:
		return nil
	}
	return c.params
}

// check reports the model if it is too far from the base.
func (c *Client) check() []protocol.Message {
	c.unchecked = false
	if kernel.SquaredDistance(c.local, c.params) <= c.order.Hyper.Delta {
		return nil
	}
	c.unchecked = true // under the next order, unless that brings a model
	return c.tell()
}

// tell sends the client's model, as its difference from the base.
func (c *Client) tell() []protocol.Message {
	delta := make([]float32, len(c.local))
	kernel.Sub(delta, c.local, c.params)
	return c.offer(protocol.RoleDelta, uint64(c.examples.Len()), delta)
}

// fetched answers the coordinator's wish for the client's model.
func (c *Client) fetched(f *protocol.Fetch) []protocol.Message {
	o := c.order
	switch {
	case o == nil || o.Order != f.Order:
		for _, k := range c.kept {
			if k.Order == f.Order {
				return nil // it is on its way
			}
		}
		return []protocol.Message{&protocol.Decline{Order: f.Order, Reason: protocol.ReasonUnordered}}
	case o.Kind != protocol.OrderMonitor || !c.Ready():
		out := decline(o, protocol.ReasonNoData, "")
		c.drop(c.resting())
		return out
	}
	if c.examples == nil { // not begun
		c.examples = c.atHand()
		c.take(o)
	} else if c.workspace != nil { // in the middle of a slice
		c.stream += c.workspace.fit.Steps()
		c.made += c.workspace.fit.Steps()
		c.sums.Add(c.workspace.fit.Sums())
	}
	if math.IsNaN(kernel.SquaredNorm(c.local)) {
		c.localBase = [32]byte{}
		return c.fail(protocol.ReasonDiverged, learn.ErrDiverged)
	}
	c.unchecked = true
	return c.tell()
}
