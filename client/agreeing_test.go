package client

import (
	"testing"

	"fedtab/protocol"
)

// A client that has trained waits for the keys of the others, sends, and waits for the sum until
// its round is closed. Its account names what it says, and what is in it.
func TestSecureActivities(t *testing.T) {
	x := newCircle(t, 6, nil)
	for i, c := range x.clients {
		receive(t, c, x.inbox[i][0])
		x.inbox[i] = nil
		if !c.Exchanges() {
			t.Fatal("an order begins no exchange")
		}
		out := c.Exchange()
		if e := c.Entry(out[0], true); e.Kind != "secure" || e.Payload != "keys" || e.Round != 1 {
			t.Errorf("its keys are %+v", e)
		}
		x.send(i, work(c, 1000))
		if got := c.Progress().Activity; got != Agreeing {
			t.Errorf("trained, before it has the others' keys: %s, want %s", got, Agreeing)
		}
		x.send(i, out)
	}
	c := x.clients[0]
	for c.Progress().Activity == Agreeing {
		for i := range x.clients {
			out, _ := x.turn(i)
			x.send(i, out)
		}
	}
	if got := c.Progress().Activity; got != Sending {
		t.Errorf("%s, want %s", got, Sending)
	}
	if e := c.Entry(c.kept[0].Contribution, true); e.Payload != protocol.SecurePayload || e.Values <= parameters || e.Weight != 1 || e.Examples != 0 {
		t.Errorf("its contribution is %+v", e)
	}
	receive(t, c, &protocol.Ack{Order: 1, Round: 1, Reason: protocol.ReasonAccepted})
	if got := c.Progress().Activity; got != Summing {
		t.Errorf("%s, want %s", got, Summing)
	}
	x.run()
	x.want(1, 2, 3, 4, 5, 6)
	receive(t, c, &protocol.Status{Round: 2, Closed: 1})
	if got := c.Progress(); got.Activity != Waiting || got.Accepted != 1 || got.Trained != 14 {
		t.Errorf("after the round: %+v", got)
	}
}

// A client that was started anew in an attempt has lost its keys: it declines the attempt's order
// and its messages, and takes the next order.
func TestSecureRemembers(t *testing.T) {
	x := newCircle(t, 6, nil)
	order := secureOrder(secureWelcome(t, 1), 1)
	x.turn(0)
	c := x.client(0)
	c.Remember(x.records[0])
	message := &protocol.Secure{Order: 1, Vectors: []protocol.Vector{{Kind: protocol.PayloadBytes, Name: protocol.SecurePayload, Block: []byte{2}}}}
	for name, m := range map[string]protocol.Message{"order": order, "message": message} {
		out := receive(t, c, m)
		if d, ok := out[0].(*protocol.Decline); len(out) != 1 || !ok || d.Order != 1 || d.Reason != protocol.ReasonUnsupported {
			t.Errorf("its %s is answered by %+v", name, out)
		}
	}
	next := *order
	next.Order = 2
	if out := receive(t, c, &next); len(out) != 0 || len(c.Exchange()) != 1 {
		t.Errorf("the next order is answered by %+v, want keys", out)
	}
}
