package run

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"fedtab/protocol"
	"fedtab/strategy"
)

// logged returns the number of entries that were written of each kind, their bytes of
// detail, and the detail of the last entry that counts what was left out.
func (f *fixture) logged() (kinds map[string]int, bytes int, dropped string) {
	f.env.advance(reportAfter)
	f.env.advance(flushAfter)
	kinds = map[string]int{}
	for _, e := range f.journal.entries {
		kinds[e.Kind]++
		bytes += len(e.Detail)
		if e.Kind == "dropped" {
			dropped = e.Detail
		}
	}
	return kinds, bytes, dropped
}

// A client that declines every order, each time with 1 KB of text, writes a bounded
// part of that to the event log, and the rest is counted.
func TestDeclinesInEventLog(t *testing.T) {
	f := newFixture(t, nil)
	n, p := f.join(t)
	f.join(t)
	o := last[*protocol.Order](p)
	const declines = 1000
	f.roster.members[n].asked = declines // orders
	for range declines {
		if err := f.Receive(n, p, &protocol.Decline{Order: o.Order, Reason: protocol.ReasonBusy, Detail: strings.Repeat("x", 1000)}); err != nil {
			t.Fatal(err)
		}
		f.env.advance(10 * time.Millisecond)
	}
	kinds, bytes, dropped := f.logged()
	// The join has taken one, and the first comes back after 10 s.
	if got, want := kinds["declined"], participantBudget.burst-1; got != want {
		t.Errorf("%d declines are logged, want %d", got, want)
	}
	if limit := (kinds["declined"] + 10) * (maxDetail + 1); bytes > limit {
		t.Errorf("%d bytes of detail are logged, want at most %d", bytes, limit)
	}
	if want := fmt.Sprintf("%d entries beyond the limits", declines-kinds["declined"]); dropped != want {
		t.Errorf("left out: %q, want %q", dropped, want)
	}
	if kinds["dropped"] != 1 {
		t.Errorf("%d entries count what was left out, want 1", kinds["dropped"])
	}
}

// A reconnect loop writes no more for being a new participant each time, and other
// addresses are still logged.
func TestJoinsInEventLog(t *testing.T) {
	f := newFixture(t, func(_ *Config, s *strategy.Config) { s.MinClients = 100 })
	join := func(address string) {
		p := &fakePeer{address: address}
		n, ok := f.Join(&hello, 0, p)
		if !ok {
			t.Fatalf("cannot join: %v", p.closed)
		}
		f.Leave(n, p, Left)
	}
	for range 400 {
		join("192.0.2.1")
	}
	join("192.0.2.2")
	kinds, _, dropped := f.logged()
	if got, want := kinds["join"]+kinds["leave"], addressBudget.burst+2; got != want {
		t.Errorf("%d entries are logged, want %d", got, want)
	}
	if want := fmt.Sprintf("%d entries beyond the limits", 2*400-addressBudget.burst); dropped != want {
		t.Errorf("left out: %q, want %q", dropped, want)
	}
	f.env.advance(10 * time.Minute)
	join("192.0.2.2") // the budgets that are whole again are forgotten with the next report
	f.Run.events.report(f.env.now.Add(time.Hour), 0)
	if n := len(f.Run.events.addresses); n != 0 {
		t.Errorf("budgets of %d addresses are kept, want none", n)
	}
}

// A decline of an order that was never given is a fault. One for each order, and one of
// a message that the client does not know, is none.
func TestDeclineWithoutOrder(t *testing.T) {
	f := newFixture(t, nil)
	n, p := f.join(t)
	decline := func(order uint64) int {
		t.Helper()
		if err := f.Receive(n, p, &protocol.Decline{Order: order, Reason: protocol.ReasonBusy}); err != nil {
			t.Fatal(err)
		}
		return p.faults
	}
	if got := decline(0); got != 0 {
		t.Errorf("a decline of nothing is counted: %d", got)
	}
	if got := decline(7); got != 1 {
		t.Errorf("faults after a decline without an order: %d, want 1", got)
	}
	f.join(t)
	o := last[*protocol.Order](p)
	if got := decline(o.Order); got != 1 {
		t.Errorf("faults after a decline of an order: %d, want 1", got)
	}
	if got := decline(o.Order); got != 2 {
		t.Errorf("faults after another decline of it: %d, want 2", got)
	}
}

// Values that are refused count against their peer when the round is over, unless more
// were refused than accepted: then the bound is at fault, or the base.
func TestRefusalsOfMost(t *testing.T) {
	for _, test := range []struct {
		name   string
		values []float32 // of the three contributions
		faults [3]int
	}{
		{"one of three", []float32{65, 1, 1}, [3]int{1, 0, 0}},
		{"two of three", []float32{65, float32(math.NaN()), 1}, [3]int{}},
		{"all", []float32{65, 65, 65}, [3]int{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t, func(_ *Config, s *strategy.Config) { s.MinClients = 3 })
			var n [3]uint32
			var p [3]*fakePeer
			for i := range n {
				n[i], p[i] = f.join(t)
			}
			for i, v := range test.values {
				c := f.contribution(last[*protocol.Order](p[i]), v, 10)
				f.Offer(n[i], p[i], f.inspect(c))
				if i == 0 && p[0].faults != 0 {
					t.Error("a fault is counted before the round is over")
				}
			}
			f.env.advance(time.Minute)
			if got := [3]int{p[0].faults, p[1].faults, p[2].faults}; got != test.faults {
				t.Errorf("faults %v, want %v", got, test.faults)
			}
		})
	}
	// A claim is the peer's own doing.
	f := newFixture(t, nil)
	a, pa := f.join(t)
	f.join(t)
	if got := f.offer(a, pa, f.contribution(last[*protocol.Order](pa), 1, 1000)); got != protocol.ReasonOutOfBounds || pa.faults != 1 {
		t.Errorf("a weight of 1000 is answered %v, with %d faults, want 1", got, pa.faults)
	}
}
