package simulation

import (
	"cmp"
	"slices"

	"fedtab/protocol"
)

// hold keeps an adversary's answer until the honest clients have answered.
func (p *participant) hold(c *protocol.Contribution) {
	if p.held == nil {
		i, _ := slices.BinarySearchFunc(p.sim.holding, p, func(a, b *participant) int { return cmp.Compare(a.number, b.number) })
		p.sim.holding = slices.Insert(p.sim.holding, i, p)
	}
	p.held = append(p.held, c)
}

// drop forgets the held answers.
func (p *participant) drop() {
	if p.held != nil {
		p.held = nil
		p.sim.holding = slices.DeleteFunc(p.sim.holding, func(q *participant) bool { return q == p })
	}
}

// unhold sends the held answers that wait no longer, by client, and drops those whose
// round is closed.
func (s *Simulation) unhold() {
	for _, p := range slices.Clone(s.holding) {
		held := p.held
		p.drop()
		for _, c := range held {
			if !p.busy && p.client.Kept() == c.Order {
				p.send([]protocol.Message{c}) // holds it again if it has to wait
			}
		}
	}
}
