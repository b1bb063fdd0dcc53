package run

import (
	"bytes"
	"testing"
	"time"

	"fedtab/protocol"
	"fedtab/strategy"
)

// After a rollback a client begins again from the base: its own model led to the
// version that was rolled back. If the first delivery of that order is lost, a later
// one still says so, until the client reports that it trains.
func TestFreshStartIsNotLost(t *testing.T) {
	for _, test := range []struct {
		name string
		how  Parting
	}{{"lost socket", Lost}, {"leave", Left}} {
		t.Run(test.name, func(t *testing.T) {
			f := guarded(t, func(_ *Config, s *strategy.Config) {
				*s = strategy.Config{Kind: "dynamic", Batches: 4, LR: .1, MinClients: 2, Guard: 2, Deadline: time.Minute, Own: strategy.DynamicSettings{Delta: 1, Augment: 1, FullShare: 1}}
			})
			var n [3]uint32
			var p [3]*fakePeer
			for i := range n {
				n[i], p[i] = f.join(t)
			}
			for i := range n {
				f.offer(n[i], p[i], f.contribution(last[*protocol.Order](p[i]), 60, 10))
			}
			f.env.advance(time.Second)
			if f.State().Ledger.RolledBack != 1 {
				t.Fatal("no rollback")
			}
			f.env.advance(time.Minute)
			order := last[*protocol.Order](p[0])
			if !bytes.Equal(order.Start, order.BaseHash) {
				t.Fatalf("the order after the rollback starts from %x, want the base", order.Start)
			}
			back := func() *protocol.Order {
				t.Helper()
				p[0] = &fakePeer{}
				if _, ok := f.Join(&hello, n[0], p[0]); !ok {
					t.Fatal("cannot come back")
				}
				return last[*protocol.Order](p[0])
			}
			for i := range 2 {
				f.Leave(n[0], p[0], test.how)
				if o := back(); !bytes.Equal(o.Start, o.BaseHash) {
					t.Fatalf("return %d: the order starts from %x, want the base", i, o.Start)
				}
			}
			if err := f.Receive(n[0], p[0], &protocol.Progress{Order: last[*protocol.Order](p[0]).Order}); err != nil {
				t.Fatal(err)
			}
			f.Leave(n[0], p[0], test.how)
			if o := back(); o.Start != nil {
				t.Error("a client that trains is made to begin again")
			}
		})
	}
}

// A client that leaves before the mean that contains its model has arrived gets it
// with its next order, under whatever number.
func TestBalancedModelSurvivesLeave(t *testing.T) {
	f, n, p := dynamic(t)
	f.offer(n[0], p[0], f.contribution(last[*protocol.Order](p[0]), 16, 10))
	f.offer(n[2], p[2], f.contribution(last[*protocol.Order](p[2]), -15, 10))
	f.env.advance(time.Second)
	mean := last[*protocol.Order](p[0]).Start
	if mean == nil {
		t.Fatal("no resolution")
	}
	f.Leave(n[0], p[0], Left)
	p[0] = &fakePeer{}
	if _, ok := f.Join(&hello, n[0], p[0]); !ok {
		t.Fatal("cannot come back")
	}
	if o := last[*protocol.Order](p[0]); !bytes.Equal(o.Start, mean) || last[*protocol.Model](p[0]) == nil {
		t.Errorf("the order starts from %x, want the mean %x", o.Start, mean)
	}
}
