package client

import (
	"fedtab/privacy/secagg"
	"fedtab/protocol"
	"fedtab/tab"
)

// Entry says of a message what a person may want to know. It comes before Receive for a
// message of the coordinator, and after Work or Receive for one that they return. The
// driver adds the time.
func (c *Client) Entry(m protocol.Message, up bool) tab.Entry {
	e := tab.Entry{Up: up, Kind: protocol.KindOf(m).String(), Bytes: protocol.WireSize(m, up)}
	if c.welcome != nil {
		e.Participant = int(c.welcome.Participant)
	}
	switch m := m.(type) {
	case *protocol.Order:
		e.Round, e.Version = int(m.Round), int(m.Base)
		for _, p := range m.Payloads {
			e.Payload = p.Name
		}
	case *protocol.Model:
		e.Version = int(m.Version)
		c.describe(&e, m.Vectors)
	case *protocol.Contribution:
		e.Round, e.Weight, e.Examples = int(m.Round), int(m.Weight), int(m.Metrics.Examples)
		c.describe(&e, m.Vectors)
	case *protocol.Secure:
		e.Round = c.roundOf(m.Order)
		if len(m.Vectors) == 1 {
			e.Payload = secagg.KindOf(m.Vectors[0].Block)
		}
	case *protocol.Progress:
		e.Round, e.Examples = c.roundOf(m.Order), int(m.Examples)
	case *protocol.Ack:
		e.Round, e.Reason, e.Detail = c.roundOf(m.Order), m.Reason.String(), m.Detail
	case *protocol.Decline:
		e.Round, e.Reason, e.Detail = c.roundOf(m.Order), m.Reason.String(), m.Detail
	case *protocol.Want:
		e.Version = int(m.Version)
	case *protocol.Fetch:
		e.Round = c.roundOf(m.Order)
	case *protocol.Status:
		e.Round, e.Version = int(m.Round), int(m.Version)
	case *protocol.Constants:
		e.Values = len(m.Mean) + len(m.Deviation)
	case *protocol.Bye:
		e.Reason, e.Detail = m.Code.String(), m.Detail
	}
	return e
}

// describe adds what vectors have.
func (c *Client) describe(e *tab.Entry, vectors []protocol.Vector) {
	bytes := 0
	for i := range vectors {
		v := &vectors[i]
		bytes += len(v.Block)
		switch v.Kind {
		case protocol.PayloadFloat32:
			e.Codec = v.Codec.String()
			if c.model != nil {
				e.Values += c.model.Layout().Size
			}
		case protocol.PayloadIntegers:
			e.Values, e.Payload = e.Values+int(v.Count), v.Name
		case protocol.PayloadMasked:
			e.Payload = v.Name
			if c.secures() {
				t := c.secured.terms
				e.Values += t.Length
			}
		default: // bytes, whose values the name stands for
			e.Payload = v.Name
		}
	}
	if e.Values > 0 {
		e.Bits = 8 * float64(bytes) / float64(e.Values)
	}
}

// roundOf returns the round of an order, 0 if it is of none or not known any more.
func (c *Client) roundOf(order uint64) int {
	for _, k := range c.kept {
		if k.Order == order {
			return int(max(k.Round, k.closes))
		}
	}
	if c.progress.Order == order {
		return int(c.progress.Round)
	}
	return 0
}
