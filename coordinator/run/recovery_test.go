package run

import (
	"testing"
	"time"

	"fedtab/protocol"
	"fedtab/strategy"
)

// What follows was found by coordinator/faults.

// Work may rest on the shards that its participant had when it was ordered:
// those who come later take some away, and a resume or a restart must not make
// the work too heavy.
func TestWorkRestsOnTheShardsOfThen(t *testing.T) {
	f := newFixture(t, func(c *Config, s *strategy.Config) { s.MinClients = 1 })
	a, pa := f.join(t)
	o := last[*protocol.Order](pa) // on all 40 examples
	f.join(t)
	f.Leave(a, pa, false)
	back := &fakePeer{}
	f.Join(&hello, a, back)
	if got := f.offer(a, back, f.contribution(o, 1, 40)); got != protocol.ReasonAccepted {
		t.Errorf("after a resume: %v", got)
	}

	open := OpenRound{Round: 1, Order: 1, Cohort: []uint32{1, 2}, Opened: f.env.now, Deadline: f.env.now.Add(time.Minute)}
	g := newFixture(t, func(c *Config, s *strategy.Config) { c.Saved = &Saved{Participants: 1000, Open: &open} })
	p, q := &fakePeer{}, &fakePeer{}
	g.Join(&hello, 2, q)
	g.Join(&hello, 1, p)
	if got := g.offer(1, p, g.contribution(o, 1, 40)); got != protocol.ReasonAccepted {
		t.Errorf("after a restart: %v", got)
	}
	if got := g.offer(2, q, g.contribution(last[*protocol.Order](q), 1, 41)); got != protocol.ReasonOutOfBounds {
		t.Errorf("more than all examples: %v", got)
	}
}
