package client

import (
	"fmt"

	"fedtab/learn/data"
	"fedtab/protocol"
)

// A Reporter makes the payloads that an order may ask for beside, or in place of,
// float32 vectors.
type Reporter interface {
	// Kinds returns the kinds of payload that Report makes.
	Kinds() []protocol.PayloadKind
	// Report returns the vectors that answer the payloads of o, in their order.
	// The examples are those that the client trains on.
	Report(o *protocol.Order, examples data.Examples) ([]protocol.Vector, error)
}

// reports says whether the client can answer an order's payloads. A payload that
// may not be ordered never reaches the Reporter, which allocates what it declares.
func (c *Client) reports(o *protocol.Order) bool {
	for i := range o.Payloads {
		if o.Payloads[i].Validate() != nil {
			return false
		}
	}
	if c.secures() { // beginExchange says what there must be
		return true
	}
	if c.cfg.Report == nil {
		return len(o.Payloads) == 0 && o.Kind != protocol.OrderReport
	}
	h := protocol.Hello{Payloads: c.cfg.Report.Kinds()}
	return h.Supports(o.Payloads)
}

// payloads returns the vectors that answer the payloads of the order in work.
func (c *Client) payloads() ([]protocol.Vector, error) {
	o := c.order
	vectors, err := c.cfg.Report.Report(o, c.examples)
	if err != nil {
		return nil, fmt.Errorf("client: payloads of order %d: %w", o.Order, err)
	}
	if len(vectors) != len(o.Payloads) {
		return nil, fmt.Errorf("client: payloads of order %d: %d vectors, want %d", o.Order, len(vectors), len(o.Payloads))
	}
	for i := range vectors {
		if err := o.Payloads[i].Matches(&vectors[i]); err != nil {
			return nil, fmt.Errorf("client: payloads of order %d: %w", o.Order, err)
		}
	}
	return vectors, nil
}

// report answers an order that asks for payloads alone.
func (c *Client) report() []protocol.Message {
	c.examples = c.atHand()
	progress := &protocol.Progress{Order: c.order.Order}
	return append([]protocol.Message{progress}, c.send(uint64(c.examples.Len()), nil)...)
}
