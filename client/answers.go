package client

import (
	"slices"

	"fedtab/protocol"
	"fedtab/tab"
)

// kept is a contribution that may have to be offered again.
type kept struct {
	*protocol.Contribution
	closes   uint64 // round with which it is done with; 0 is not known yet
	accepted bool
	examples int // behind a masked one, of this process
}

func (c *Client) acknowledged(a *protocol.Ack) {
	i := slices.IndexFunc(c.kept, func(k kept) bool { return k.Order == a.Order })
	if i < 0 {
		if c.enquiry != nil && c.enquiry.Order == a.Order {
			c.endEnquiry()
		}
		if c.masking != nil && c.masking.order.Order == a.Order && a.Reason == protocol.ReasonAbandoned {
			c.ended(tab.Abandoned, int(c.masking.order.Round), a)
			c.endExchange()
			if c.order == nil {
				c.progress.Activity = c.resting()
			}
		}
		if c.order != nil && c.order.Order == a.Order && a.Reason == protocol.ReasonAbandoned {
			c.ended(tab.Abandoned, int(c.order.Round), a)
			c.drop(c.resting())
		}
		return
	}
	forget, round := true, c.roundOf(a.Order)
	switch a.Reason {
	case protocol.ReasonAccepted, protocol.ReasonDuplicate:
		if a.Reason == protocol.ReasonAccepted && !c.kept[i].accepted {
			c.progress.Accepted++ // a duplicate was counted, and what a killed coordinator takes again
			c.progress.Trained += max(int(c.kept[i].Metrics.Examples), c.kept[i].examples)
			c.progress.LastError = ""
		}
		k := &c.kept[i]
		k.accepted, forget = true, false
		if k.Round == 0 && a.Round != 0 {
			k.closes = a.Round
			round = int(a.Round)
		}
		c.ended(tab.Accepted, round, a)
	case protocol.ReasonAbandoned:
		c.ended(tab.Abandoned, round, a)
	case protocol.ReasonBusy:
		forget = false // offered again when the coordinator orders it again
	default:
		c.flush() // what was packed is lost, and what it lost with it
		c.progress.Rejected++
		kind := tab.Rejected
		if a.Reason == protocol.ReasonLate {
			kind = tab.Late
		}
		c.ended(kind, round, a)
		c.progress.LastError = a.Reason.String()
		if a.Detail != "" {
			c.progress.LastError += ": " + a.Detail
		}
	}
	if forget {
		if c.exchange.order == a.Order && a.Reason != protocol.ReasonBusy {
			c.endExchange()
		}
		c.kept = slices.Delete(c.kept, i, i+1)
	}
	if c.order == nil {
		c.progress.Activity = c.resting()
	}
}

// ended notes what has become of an order.
func (c *Client) ended(kind tab.OutcomeKind, round int, a *protocol.Ack) {
	c.progress.Outcome = tab.Outcome{Round: round, Kind: kind, Reason: a.Reason.String(), Detail: a.Detail}
}

func (c *Client) statusChanged(s *protocol.Status) {
	if len(s.ResumeToken) > 0 {
		w := *c.welcome
		w.ResumeToken = s.ResumeToken
		c.welcome = &w
	}
	c.status = s
	c.kept = slices.DeleteFunc(c.kept, func(k kept) bool {
		if k.closes == 0 || k.closes > s.Closed {
			return false
		}
		if k.accepted {
			c.adopt(k.Contribution)
		}
		if k.Vectors[0].Kind == protocol.PayloadMasked {
			c.settleUnsent(k.accepted)
		}
		return true
	})
	if x := &c.exchange; x.client != nil && x.round <= s.Closed {
		c.endExchange()
	}
	if len(c.kept) == 0 && c.progress.Activity == Sending {
		c.progress.Activity = c.resting()
	}
	if c.order != nil && c.order.Round != 0 && c.order.Round <= s.Closed {
		c.ended(tab.Late, int(c.order.Round), &protocol.Ack{Reason: protocol.ReasonLate})
		c.drop(c.resting()) // too late to matter
	}
	switch {
	case s.Phase == protocol.PhaseFinished:
		c.drop(Finished)
	case s.Phase == protocol.PhasePaused && c.order != nil:
		c.drop(c.resting()) // its answer would be late
	}
}
