package client

import (
	"fmt"
	"math"

	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/protocol"
)

// own is a person's own data, with the constants that standardise it.
type own struct {
	*data.Own
	means       []float64       // announced, while the constants are being made
	constants   *data.Constants // nil: not known yet
	train, test data.Examples   // encoded; nil before the constants are known
}

// Evaluation is what the model of a version does on the client's holdout.
type Evaluation struct {
	Version uint64
	learn.Metrics
}

// SetOwn makes the client train on a person's own data. It comes before the Hello, which
// says what the client can answer. The error says why the data does not fit the model,
// once that is known.
func (c *Client) SetOwn(o *data.Own) error {
	known := c.own.constants
	c.own = own{Own: o}
	switch {
	case o.Schema.Scale == data.FederatedScale:
		c.own.constants = known
	case o.Schema.Scale == data.LocalScale:
		local := o.Scaled()
		c.own.constants = &local
	default:
		plain := data.Plain(len(o.Schema.Numbers()))
		c.own.constants = &plain
	}
	return c.encode()
}

// Constants returns the constants of the client's own data, nil if they are not known.
func (c *Client) Constants() *data.Constants { return c.own.constants }

// Own returns the person's own data, nil if there is none.
func (c *Client) Own() *data.Own { return c.own.Own }

// Evaluated returns the newest evaluation on the client's holdout, nil before the first.
func (c *Client) Evaluated() *Evaluation { return c.evaluated }

// encode makes the examples of the person's own data once everything is known.
func (c *Client) encode() (err error) {
	o := &c.own
	if o.Own == nil || o.constants == nil {
		return nil
	}
	if o.train, err = o.Train(*o.constants); err != nil {
		return fmt.Errorf("client: own data: %w", err)
	}
	if o.test, err = o.Test(*o.constants); err != nil {
		return fmt.Errorf("client: own data: %w", err)
	}
	if c.model != nil {
		if err := fits(c.model.Spec(), o.train, "own data has"); err != nil {
			return err
		}
	}
	c.private = o.train
	return nil
}

// standardise takes the constants of a run.
func (c *Client) standardise(m *protocol.Constants) error {
	for _, v := range [][]float64{m.Mean, m.Deviation} {
		for i, x := range v {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				return fmt.Errorf("client: constant %d is %v, want a finite number", i, x)
			}
		}
	}
	if len(m.Deviation) == 0 && len(m.Mean) > 0 {
		c.own.means = m.Mean
		return nil
	}
	if c.own.Own != nil && c.own.Schema.Scale != data.FederatedScale {
		return nil
	}
	c.own.constants = &data.Constants{Mean: m.Mean, Deviation: m.Deviation}
	return c.encode()
}

// enquiryOrdered takes an enquiry: an order for totals beside those of the rounds.
func (c *Client) enquiryOrdered(o *protocol.Order) []protocol.Message {
	if reason, detail := c.answerable(o); reason != protocol.ReasonAccepted {
		return decline(o, reason, detail)
	}
	c.enquiry, c.evaluating = o, nil
	c.enquired = c.params // a newer version may come before the first slice
	return nil
}

// answerable reports whether the client can answer an enquiry, and why not.
func (c *Client) answerable(o *protocol.Order) (protocol.Reason, string) {
	if c.secures() {
		return protocol.ReasonUnsupported, "the task has secure aggregation, in which this client tells nothing by itself"
	}
	if len(o.Payloads) != 1 || o.Payloads[0].Kind != protocol.PayloadBytes {
		return protocol.ReasonUnsupported, "this client answers enquiries for one payload of bytes"
	}
	switch name := o.Payloads[0].Name; {
	case c.tab == protocol.TabPaused || c.tab == protocol.TabFrozen:
		return protocol.ReasonPaused, ""
	case o.Kind == protocol.OrderReport && name == protocol.TotalsPayload, o.Kind == protocol.OrderReport && name == protocol.SquaresPayload:
		if c.own.Own == nil {
			return protocol.ReasonNoData, "no data of its own"
		}
		if name == protocol.SquaresPayload && len(c.own.means) != len(c.own.Schema.Numbers()) {
			return protocol.ReasonNoData, fmt.Sprintf("%d means, want %d", len(c.own.means), len(c.own.Schema.Numbers()))
		}
	case o.Kind == protocol.OrderEvaluate && name == protocol.EvaluationPayload:
		if c.own.test == nil || c.own.test.Len() == 0 {
			return protocol.ReasonNoData, "no holdout"
		}
		if !c.holds(o) {
			return protocol.ReasonWrongBase, ""
		}
	default:
		return protocol.ReasonUnsupported, fmt.Sprintf("this client has no enquiries of kind %v for %q", o.Kind, name)
	}
	return protocol.ReasonAccepted, ""
}

// enquire works on the enquiry for a slice.
func (c *Client) enquire(b *Workspace, steps int) []protocol.Message {
	o := c.enquiry
	switch o.Payloads[0].Name {
	case protocol.TotalsPayload:
		t := c.own.Totals()
		return c.total(t.Rows, t.Append(nil))
	case protocol.SquaresPayload:
		return c.total(uint64(c.own.Trained()), data.AppendSquares(nil, c.own.Squares(c.own.means)))
	}
	if c.evaluating != b {
		if err := b.evaluator.Start(b.model, c.enquired, c.own.test); err != nil {
			c.endEnquiry()
			return decline(o, protocol.ReasonUnsupported, err.Error())
		}
		c.evaluating = b
	}
	if !b.evaluator.Run(max(1, steps/8)) {
		return nil
	}
	m := b.evaluator.Metrics()
	c.evaluated = &Evaluation{Version: o.Base, Metrics: m}
	block := m.Append(nil)
	if _, err := learn.ParseMetrics(block, m.Classes(), m.Examples); err != nil { // the coordinator would count it as a fault
		c.endEnquiry()
		return decline(o, protocol.ReasonDiverged, "the loss or the errors are out of bounds")
	}
	return c.total(uint64(m.Examples), block)
}

// total answers the enquiry.
func (c *Client) total(weight uint64, block []byte) []protocol.Message {
	o := c.enquiry
	c.endEnquiry()
	return []protocol.Message{&protocol.Contribution{
		Transfer: o.Order, Order: o.Order, Weight: weight,
		Vectors: []protocol.Vector{{Kind: protocol.PayloadBytes, Name: o.Payloads[0].Name, Block: block}},
	}}
}

// endEnquiry forgets the enquiry, answered or not.
func (c *Client) endEnquiry() { c.enquiry, c.enquired, c.evaluating = nil, nil, nil }
