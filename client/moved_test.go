package client

import (
	"math"
	"testing"

	"fedtab/protocol"
	"fedtab/tab"
)

// What moves says of itself what a person wants to know: how large it is, and how many
// values are in it.
func TestEntry(t *testing.T) {
	c := New(Config{Name: "test", Task: "task"})
	w := welcome(t)
	check := func(m protocol.Message, up bool, want tab.Entry) {
		t.Helper()
		want.Up, want.Bytes = up, protocol.WireSize(m, up)
		if got := c.Entry(m, up); got != want {
			t.Errorf("%T: %+v, want %+v", m, got, want)
		}
	}
	check(c.Hello(), true, tab.Entry{Kind: "hello"})
	check(w, false, tab.Entry{Kind: "welcome"})
	receive(t, c, w)
	receive(t, c, &protocol.Shards{Shards: []uint32{3}})
	if err := c.AddShard(3, examples(t, 22)); err != nil {
		t.Fatal(err)
	}
	o := order(w, 1)
	check(o, false, tab.Entry{Kind: "order", Participant: 1, Round: 1})
	receive(t, c, o)
	out := work(c, math.MaxInt)
	check(out[0], true, tab.Entry{Kind: "progress", Participant: 1, Round: 1, Examples: 44})
	check(out[1], true, tab.Entry{Kind: "contribution", Participant: 1, Round: 1, Values: parameters, Bits: 32, Codec: "float32", Examples: 44, Weight: 22})
	check(&protocol.Model{Version: 7, Vectors: out[1].(*protocol.Contribution).Vectors}, false,
		tab.Entry{Kind: "model", Participant: 1, Version: 7, Values: parameters, Bits: 32, Codec: "float32"})
	check(&protocol.Ack{Order: 1, Reason: protocol.ReasonOutOfBounds, Detail: "norm 9"}, false,
		tab.Entry{Kind: "ack", Participant: 1, Round: 1, Reason: "out of bounds", Detail: "norm 9"})
	check(&protocol.Ack{Order: 99}, false, tab.Entry{Kind: "ack", Participant: 1, Reason: "accepted"})
	check(&protocol.Order{Round: 2, Payloads: []protocol.Payload{{Name: protocol.TotalsPayload}}}, false,
		tab.Entry{Kind: "order", Participant: 1, Round: 2, Payload: protocol.TotalsPayload})
	check(&protocol.Contribution{Weight: 22, Vectors: []protocol.Vector{{Kind: protocol.PayloadBytes, Name: protocol.TotalsPayload, Block: make([]byte, 9)}}}, true,
		tab.Entry{Kind: "contribution", Participant: 1, Weight: 22, Payload: protocol.TotalsPayload})
}
