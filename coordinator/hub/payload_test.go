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

// A chunk whose frame begins as expected, and is shorter or longer than it says, is
// malformed; one that is cut otherwise than expected belongs to the body.
func TestFramesOfChunks(t *testing.T) {
	frames := func(t *testing.T, f *fixture) (p *hubtest.Peer, chunks [][]byte) {
		p, o := f.ordered(t)
		first, chunks := hubtest.Announcement(p, o)
		p.Frame(first)
		p.Frame(chunks[0])
		return p, chunks[1:]
	}
	for name, spoil := range map[string]func([]byte) []byte{
		"cut off in its head": func(c []byte) []byte { return c[:5] },
		"a byte short":        func(c []byte) []byte { return c[:len(c)-1] },
		"a byte long":         func(c []byte) []byte { return append(c[:len(c):len(c)], 0xff) },
	} {
		withHonest(t, name, func(t *testing.T, f *fixture) {
			p, chunks := frames(t, f)
			p.Frame(spoil(chunks[0]))
			if code, detail := p.Closed(); code != protocol.CloseMalformed {
				t.Errorf("closed with %v (%s), want malformed", code, detail)
			}
		})
	}
	withHonest(t, "cut otherwise", func(t *testing.T, f *fixture) {
		p, chunks := frames(t, f)
		for _, frame := range chunks {
			m, err := protocol.Decode(frame)
			if err != nil {
				t.Fatal(err)
			}
			c := m.(*protocol.Chunk)
			half := len(c.Data) / 2
			p.Frame(protocol.Append(nil, &protocol.Chunk{Transfer: c.Transfer, Offset: c.Offset, Data: c.Data[:half]}))
			p.Frame(protocol.Append(nil, &protocol.Chunk{Transfer: c.Transfer, Offset: c.Offset + uint64(half), Data: c.Data[half:]}))
		}
		if a := hubtest.Await[*protocol.Ack](p); a.Reason != protocol.ReasonAccepted {
			t.Errorf("answered with %v (%s), want accepted", a.Reason, a.Detail)
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
