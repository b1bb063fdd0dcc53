package run

import (
	"math"
	"slices"
	"testing"
	"time"

	"fedtab/combine"
	"fedtab/protocol"
	"fedtab/strategy"
)

// census is a strategy that asks every client for integers and bytes, in two rounds,
// and sets the first parameter to the sum of the integers modulo 2^20.
type census struct{ handles []strategy.Handle }

var censusWork = strategy.Work{Kind: strategy.Report, Payloads: []strategy.Payload{
	{Kind: strategy.Integers, Name: "count", Bits: 20, Count: 3}, {Kind: strategy.Bytes, Name: "key", MaxBytes: 4},
}}

func (s *census) Restore([]byte) error { return nil }

func (s *census) Step(e strategy.Event) []strategy.Effect {
	switch e := e.(type) {
	case strategy.Joined:
		if e.Client == 2 {
			return []strategy.Effect{strategy.Open{Round: 1, Order: 1, Cohort: []strategy.ClientID{1, 2}, Deadline: time.Minute}}
		}
	case strategy.Opened:
		return []strategy.Effect{strategy.Order{Client: 1, Order: 1, Round: 1, Work: censusWork}, strategy.Order{Client: 2, Order: 1, Round: 1, Work: censusWork}}
	case strategy.Offered:
		s.handles = append(s.handles, e.Handle)
		effects := []strategy.Effect{strategy.Keep{Handle: e.Handle}}
		if len(s.handles) == 2 {
			effects = append(effects, strategy.Commit{Round: 1, Plan: total{}, Kept: s.handles})
		}
		return effects
	}
	return nil
}

type total struct{}

func (total) Combine(v *combine.Vectors) error {
	copy(v.Next, v.Base)
	var sum uint64
	for _, kept := range v.Payloads {
		for _, n := range kept[0].Integers {
			sum += n
		}
	}
	v.Next[0] = float32(sum % (1 << 20))
	return nil
}

// Payloads of integers and bytes reach the plan. A contribution that differs from its
// order is rejected, and the round goes on.
func TestPayloads(t *testing.T) {
	f := newFixture(t, func(c *Config, _ *strategy.Config) {})
	f.cfg.Strategy = &census{}
	h := hello
	h.Payloads = []protocol.PayloadKind{protocol.PayloadIntegers, protocol.PayloadBytes}
	pa, pb := &fakePeer{}, &fakePeer{}
	f.Join(&h, 0, pa)
	f.Join(&h, 0, pb)
	o := last[*protocol.Order](pa)
	if o.Kind != protocol.OrderReport || len(o.Payloads) != 2 || o.Payloads[0].Bits != 20 || o.Payloads[1].MaxBytes != 4 {
		t.Fatalf("ordered %+v", o)
	}
	right := func(integers ...uint64) *protocol.Contribution {
		return &protocol.Contribution{Order: o.Order, Round: 1, Weight: 1, Vectors: []protocol.Vector{
			protocol.IntegersVector(&o.Payloads[0], integers), {Kind: protocol.PayloadBytes, Name: "key", Block: []byte{1, 2}},
		}}
	}
	lacks := &fakePeer{} // resumes participant 1 without support for a kind of payload
	older := hello
	older.Payloads = []protocol.PayloadKind{protocol.PayloadIntegers}
	f.Join(&older, 1, lacks)
	f.apply(strategy.Order{Client: 1, Order: 1, Round: 1, Work: censusWork})
	if last[*protocol.Order](lacks) != nil || !slices.Contains(f.events(), "declined") {
		t.Error("a client is ordered a kind of payload that it lacks")
	}
	pa = &fakePeer{}
	f.Join(&h, 1, pa)
	f.apply(strategy.Order{Client: 1, Order: 1, Round: 1, Work: censusWork})
	n, p := uint32(1), pa
	for _, test := range []struct {
		name string
		edit func(*protocol.Contribution)
	}{
		{"a vector of float32 in front", func(c *protocol.Contribution) {
			c.Vectors = append(f.contribution(o, 1, 1).Vectors, c.Vectors...)
		}},
		{"float32 in place of integers", func(c *protocol.Contribution) { c.Vectors[0] = f.contribution(o, 1, 1).Vectors[0] }},
		{"the other order", func(c *protocol.Contribution) { c.Vectors[0], c.Vectors[1] = c.Vectors[1], c.Vectors[0] }},
		{"one payload", func(c *protocol.Contribution) { c.Vectors = c.Vectors[:1] }},
		{"wider integers", func(c *protocol.Contribution) {
			c.Vectors[0] = protocol.IntegersVector(&protocol.Payload{Kind: protocol.PayloadIntegers, Name: "count", Bits: 21, Count: 3}, []uint64{1, 2, 3})
		}},
		{"too many bytes", func(c *protocol.Contribution) { c.Vectors[1].Block = make([]byte, 5) }},
		{"bits after the integers", func(c *protocol.Contribution) { c.Vectors[0].Block[7] |= 0x80 }},
	} {
		c := right(1, 2, 3)
		test.edit(c)
		if got := f.offerOf(n, p, c); got != protocol.ReasonWrongShape {
			t.Errorf("%s is answered %v (%s)", test.name, got, last[*protocol.Ack](p).Detail)
		}
		f.roster.members[n].order.answered = false // it may try again
	}
	if got := f.offerOf(1, pa, right(1, 2, 1<<20-1)); got != protocol.ReasonAccepted {
		t.Fatal(got, last[*protocol.Ack](pa).Detail)
	}
	if got := f.offerOf(2, pb, right(10, 20, math.MaxUint64)); got != protocol.ReasonAccepted { // counts as 2^20 - 1
		t.Fatal(got)
	}
	if v, _, params := f.Model(); v != 1 || params[0] != 31 {
		t.Errorf("version %d with %g, want 1 with 31", v, params[0])
	}
}

// events returns the kinds of the event log so far.
func (f *fixture) events() []string {
	f.Flush()
	return f.journal.kinds
}

// offerOf inspects a contribution as a connection does, and offers it.
func (f *fixture) offerOf(n uint32, p *fakePeer, c *protocol.Contribution) protocol.Reason {
	if f.Announce(n, p, c) {
		f.Offer(n, p, f.inspect(c))
	}
	return last[*protocol.Ack](p).Reason
}
