package client

import (
	"testing"

	"fedtab/privacy/secagg"
	"fedtab/privacy/secagg/native"
	"fedtab/privacy/terms"
	"fedtab/protocol"
)

// secured is a coordinator's side of one attempt, with its participants, from number 1.
type secured struct {
	t       *testing.T
	order   *protocol.Order
	welcome *protocol.Welcome
	server  *secagg.Server
	clients []*Client
	records [][]byte // that they have written down
	queue   []func()
}

func newSecured(t *testing.T, clients int) *secured {
	w := welcome(t)
	w.Secure = protocol.SecureTerms{Min: 3, Max: 10, Dropout: .3, Corrupt: .1, Examples: 100, Bits: 12, Subset: 1}
	of, _, err := terms.Of(w.Secure, nil, w.Run, parameters)
	if err != nil {
		t.Fatal(err)
	}
	s := &secured{t: t, welcome: w, order: order(w, 1), records: make([][]byte, clients)}
	s.order.Hyper.Bound = 1
	s.order.Payloads = []protocol.Payload{{Kind: protocol.PayloadMasked, Name: protocol.SecurePayload, MaxBytes: uint64(of.MaskedSize())}}
	ids := make([]uint64, clients)
	for i := range ids {
		ids[i] = uint64(i + 1)
		s.clients = append(s.clients, s.join(i))
	}
	if s.server, err = secagg.NewServer(of, secagg.Attempt{Round: 1, Number: 1}, ids); err != nil {
		t.Fatal(err)
	}
	return s
}

// join returns a fresh client in the place of participant i.
func (s *secured) join(i int) *Client {
	c := New(Config{Secure: &Secure{
		Primitives: native.Primitives{},
		Persist:    func(record []byte) error { s.records[i] = record; return nil },
	}})
	c.Remember(s.records[i])
	receive(s.t, c, s.welcome)
	receive(s.t, c, &protocol.Shards{Shards: []uint32{3}, Total: 5})
	if err := c.AddShard(3, examples(s.t, 22)); err != nil {
		s.t.Fatal(err)
	}
	return c
}

// sent hands what client i says to the server.
func (s *secured) sent(i int, out []protocol.Message) {
	for _, m := range out {
		var block []byte
		switch m := m.(type) {
		case *protocol.Secure:
			block = m.Vectors[0].Block
		case *protocol.Contribution:
			block = m.Vectors[0].Block
			s.queue = append(s.queue, func() { receive(s.t, s.clients[i], &protocol.Ack{Order: 1, Round: 1, Reason: protocol.ReasonAccepted}) })
		default:
			continue
		}
		s.queue = append(s.queue, func() { s.step(secagg.Received{From: uint64(i + 1), Message: block}) })
	}
}

// step gives the server an event, and the clients what it sends.
func (s *secured) step(e secagg.Event) {
	for _, effect := range s.server.Step(e) {
		switch f := effect.(type) {
		case secagg.Send:
			i := int(f.To - 1)
			s.queue = append(s.queue, func() {
				s.sent(i, receive(s.t, s.clients[i], s.message(f.Message)))
				s.sent(i, s.clients[i].Exchange())
			})
		case secagg.Compute:
			s.step(secagg.Computed{Answer: f.Request.Execute(native.Primitives{})})
		case secagg.Journal:
			s.step(secagg.Persisted{})
		case secagg.Failed:
			s.t.Fatalf("%s: %v", f.Phase, f.Err)
		}
	}
}

func (s *secured) message(block []byte) *protocol.Secure {
	return &protocol.Secure{Order: 1, Vectors: []protocol.Vector{{Kind: protocol.PayloadBytes, Name: protocol.SecurePayload, Block: block}}}
}

// deliver delivers what is under way until a client's activity is another, or nothing is left.
func (s *secured) deliver(c *Client) Activity {
	for before := c.Progress().Activity; len(s.queue) > 0 && c.Progress().Activity == before; {
		next := s.queue[0]
		s.queue = s.queue[1:]
		next()
	}
	return c.Progress().Activity
}

// A client that has trained waits for the keys of the others, sends, and waits for the sum until
// its round is closed. Its account names what it says, and what is in it.
func TestSecureActivities(t *testing.T) {
	s := newSecured(t, 6)
	for i, c := range s.clients {
		receive(t, c, s.order)
		if !c.Exchanges() {
			t.Fatal("an order begins no exchange")
		}
		out := c.Exchange()
		if e := c.Entry(out[0], true); e.Kind != "secure" || e.Payload != "keys" || e.Round != 1 {
			t.Errorf("its keys are %+v", e)
		}
		s.sent(i, out)
		s.sent(i, work(c, 1000))
		if got := c.Progress().Activity; got != Agreeing {
			t.Errorf("trained, before it has the others' keys: %s, want %s", got, Agreeing)
		}
	}
	c := s.clients[0]
	for _, want := range []Activity{Sending, Summing} {
		if got := s.deliver(c); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if e := c.Entry(c.kept[0].Contribution, true); e.Payload != protocol.SecurePayload || e.Values <= parameters || e.Weight != 1 || e.Examples != 0 {
		t.Errorf("its contribution is %+v", e)
	}
	for len(s.queue) > 0 {
		s.deliver(&Client{})
	}
	if got := s.server.Phase(); got != secagg.PhaseOver {
		t.Fatalf("the attempt is in phase %s", got)
	}
	receive(t, c, &protocol.Status{Round: 2, Closed: 1})
	if got := c.Progress(); got.Activity != Waiting || got.Accepted != 1 || got.Trained != 44 {
		t.Errorf("after the round: %+v", got)
	}
}

// A client that was started anew in an attempt has lost its keys: it declines the attempt's order
// and its messages, and takes the next order.
func TestSecureRemembers(t *testing.T) {
	s := newSecured(t, 6)
	receive(t, s.clients[0], s.order)
	s.clients[0].Exchange()
	c := s.join(0)
	for name, m := range map[string]protocol.Message{"order": s.order, "message": s.message([]byte{2})} {
		out := receive(t, c, m)
		if d, ok := out[0].(*protocol.Decline); len(out) != 1 || !ok || d.Order != 1 || d.Reason != protocol.ReasonUnsupported {
			t.Errorf("its %s is answered by %+v", name, out)
		}
	}
	next := *s.order
	next.Order = 2
	if out := receive(t, c, &next); len(out) != 0 || len(c.Exchange()) != 1 {
		t.Errorf("the next order is answered by %+v, want keys", out)
	}
}
