package client

import (
	"errors"
	"slices"
	"testing"

	"fedtab/learn/data"
	"fedtab/protocol"
)

// reporter answers with the number of its examples, and with bytes.
type reporter struct{ err error }

func (reporter) Kinds() []protocol.PayloadKind {
	return []protocol.PayloadKind{protocol.PayloadIntegers, protocol.PayloadBytes}
}

func (r reporter) Report(o *protocol.Order, ex data.Examples) (vectors []protocol.Vector, err error) {
	for i := range o.Payloads {
		p := &o.Payloads[i]
		if p.Kind == protocol.PayloadIntegers {
			n := make([]uint64, p.Count)
			for j := range n {
				n[j] = uint64(ex.Len())
			}
			vectors = append(vectors, protocol.IntegersVector(p, n))
		} else {
			vectors = append(vectors, protocol.Vector{Kind: p.Kind, Name: p.Name, Block: []byte("sealed")})
		}
	}
	return vectors, r.err
}

var ordered = []protocol.Payload{
	{Kind: protocol.PayloadIntegers, Name: "count", Bits: 20, Count: 2}, {Kind: protocol.PayloadBytes, Name: "key", MaxBytes: 10},
}

// workOn receives an order and works on it to its end, over the wire.
func workOn(t *testing.T, c *Client, o *protocol.Order) []protocol.Message {
	t.Helper()
	out, err := c.Receive(o)
	if err != nil {
		t.Fatal(err)
	}
	if c.Ready() {
		out = append(out, c.Work(c.NewWorkspace(), 1000)...)
	}
	for i, m := range out {
		if out[i], err = protocol.Decode(protocol.Append(nil, m)); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// An order for payloads alone, and one for a delta and payloads, are answered with
// what was asked for, and kept like every contribution.
func TestPayloadOrders(t *testing.T) {
	c, w := joined(t)
	c.cfg.Report = reporter{}
	c.SetExamples(examples(t, 22))
	if h := c.Hello(); !h.Supports(ordered) {
		t.Errorf("hello has %v", h.Payloads)
	}
	report := &protocol.Order{Order: 1, Kind: protocol.OrderReport, Round: 1, BaseHash: w.InitialHash, Payloads: ordered}
	got := answer(t, workOn(t, c, report))
	if len(got.Vectors) != 2 || got.Weight != 22 {
		t.Fatalf("got %+v", got)
	}
	for i := range ordered {
		if err := ordered[i].Matches(&got.Vectors[i]); err != nil {
			t.Error(err)
		}
	}
	n := make([]uint64, 2)
	if err := protocol.Integers(n, &got.Vectors[0]); err != nil || !slices.Equal(n, []uint64{22, 22}) {
		t.Errorf("integers %v, %v", n, err)
	}
	if again := answer(t, workOn(t, c, report)); string(again.Vectors[1].Block) != "sealed" {
		t.Errorf("the same order again is answered with %+v", again)
	}
	fit := &protocol.Order{Order: 2, Kind: protocol.OrderFit, Round: 2, BaseHash: w.InitialHash, Hyper: protocol.Hyper{Epochs: 1, Batch: 10, LR: .1}, Payloads: ordered[1:]}
	got = answer(t, workOn(t, c, fit))
	if len(got.Vectors) != 2 || got.Vectors[0].Role != protocol.RoleDelta || string(got.Vectors[1].Block) != "sealed" {
		t.Errorf("a delta with bytes is answered with %+v", got)
	}
}

// A client that lacks a kind of payload, or cannot make one, declines with a reason.
func TestPayloadDeclined(t *testing.T) {
	order := func(w *protocol.Welcome) *protocol.Order {
		return &protocol.Order{Order: 1, Kind: protocol.OrderReport, Round: 1, BaseHash: w.InitialHash, Payloads: slices.Clone(ordered)}
	}
	declined := func(name string, report Reporter, edit func(*protocol.Order)) {
		t.Helper()
		c, w := joined(t)
		c.cfg.Report = report
		c.SetExamples(examples(t, 22))
		o := order(w)
		edit(o)
		out := workOn(t, c, o)
		if d, ok := out[len(out)-1].(*protocol.Decline); !ok || d.Reason != protocol.ReasonUnsupported || d.Order != 1 {
			t.Errorf("%s: %+v, want a decline as unsupported", name, out)
		}
	}
	declined("no reporter", nil, func(*protocol.Order) {})
	declined("no reporter, and no payloads", nil, func(o *protocol.Order) { o.Payloads = nil })
	declined("no reporter, and a delta", nil, func(o *protocol.Order) { o.Kind = protocol.OrderFit })
	declined("an unknown kind", reporter{}, func(o *protocol.Order) { o.Payloads[1].Kind = 7 })
	declined("integers of 0 bits", reporter{}, func(o *protocol.Order) { o.Payloads[0].Bits = 0 })
	declined("integers of 65 bits", reporter{}, func(o *protocol.Order) { o.Payloads[0].Bits = 65 })
	declined("no integers", reporter{}, func(o *protocol.Order) { o.Payloads[0].Count = 0 })
	declined("bytes without a bound", reporter{}, func(o *protocol.Order) { o.Payloads[1].MaxBytes = 0 })
	declined("a reporter that fails", reporter{errors.New("no numbers")}, func(*protocol.Order) {})
	declined("bytes above the bound", reporter{}, func(o *protocol.Order) { o.Payloads[1].MaxBytes = 3 })
}
