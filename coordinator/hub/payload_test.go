package hub

import (
	"testing"

	"fedtab/coordinator/hub/hubtest"
	"fedtab/protocol"
)

// A body may be larger than the run's vectors by the payloads that the session was
// ordered, also one that is of no use any more: it is answered, and the session
// goes on. What a contribution claims beyond that closes the session.
func TestPayloadBodies(t *testing.T) {
	payload := protocol.Payload{Kind: protocol.PayloadIntegers, Name: "sums", Bits: 64, Count: 50_000}
	late := func(p *hubtest.Peer, o *protocol.Order) *protocol.Contribution {
		c := p.Contribution(o)
		c.Order = 0 // of an attempt that is over
		c.Vectors = append(c.Vectors, protocol.IntegersVector(&payload, make([]uint64, payload.Count)))
		return c
	}
	withHonest(t, "ordered", func(t *testing.T, f *fixture) {
		p, o := f.ordered(t)
		f.newest().Send(&protocol.Order{Order: 1000, Payloads: []protocol.Payload{payload}})
		p.Send(late(p, o))
		if got := hubtest.Await[*protocol.Ack](p); got.Reason != protocol.ReasonLate {
			t.Errorf("answered with %v, want late", got.Reason)
		}
		p.AcceptedSoon()
	})
	withHonest(t, "not ordered", func(t *testing.T, f *fixture) {
		p, o := f.ordered(t)
		p.Send(late(p, o))
		if code, detail := p.Closed(); code != protocol.CloseTooLarge {
			t.Errorf("closed with %v (%s), want too large", code, detail)
		}
	})
}

// newest is the session that was opened last.
func (f *fixture) newest() (last *session) {
	f.hub.mu.Lock()
	defer f.hub.mu.Unlock()
	for s := range f.hub.sessions {
		if last == nil || s.number > last.number {
			last = s
		}
	}
	return last
}
