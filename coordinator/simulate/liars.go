package simulate

import (
	"fmt"
	"slices"

	"fedtab/coordinator/adversary"
	"fedtab/coordinator/dataset"
	"fedtab/coordinator/task"
	"fedtab/learn"
	"fedtab/protocol"
	"fedtab/run"
)

// liars are the adversaries of a simulation. One that needs to know what honest clients
// send waits until all that have its order have sent their answers.
type liars struct {
	gang    *adversary.Gang
	who     []bool                  // by client
	asked   map[uint64]*asked       // orders since the newest version
	held    map[uint64][]*held      // answers that wait, by order
	success func([]float32) float64 // of a backdoor; nil: not measured
}

// asked are the clients that have an order.
type asked struct {
	clients int
	honest  map[uint32]bool // that have not answered
}

type held struct {
	p *participant
	m *protocol.Contribution
}

func newLiars(t *task.Task, d *dataset.Dataset, m learn.Model) (*liars, error) {
	spec := t.Adversaries
	l := &liars{gang: adversary.NewGang(spec, t.Seed), who: adversary.Choose(&spec, len(d.Shards), t.Seed)}
	l.reset()
	kind, _ := task.AdversaryKindOf(spec.Kind)
	if classes := d.Train.Classes(); kind.Data {
		switch {
		case classes == 0:
			return nil, fmt.Errorf("task %s: adversaries.kind: %s changes classes, and the target of the data is a number", t.Name, spec.Kind)
		case spec.Target >= classes:
			return nil, fmt.Errorf("task %s: adversaries.target: %d, want a class below %d", t.Name, spec.Target, classes)
		}
	}
	if spec.Kind == "backdoor" {
		evaluate := dataset.EvaluatorOf(m, adversary.Triggered(d.Test, d.Train.Shape, spec.Target))
		l.success = func(params []float32) float64 {
			_, accuracy, _ := evaluate(params)
			return accuracy
		}
	}
	return l, nil
}

// reset forgets the orders before the newest version.
func (l *liars) reset() { l.asked, l.held = map[uint64]*asked{}, map[uint64][]*held{} }

// ordered notes who has an order. It returns false if the client does not take it.
func (l *liars) ordered(p *participant, o *protocol.Order) {
	a := l.asked[o.Order]
	if a == nil {
		a = &asked{honest: map[uint32]bool{}}
		l.asked[o.Order] = a
	}
	a.clients++
	if !p.liar {
		a.honest[p.number] = true
	}
}

// answered passes an honest client's answer on to the adversaries.
func (l *liars) answered(p *participant, c *protocol.Contribution) {
	if l.gang.Colludes() {
		l.gang.Overhear(p.number, c.Order, p.sim.unpack(p, c))
	}
	l.gone(p, c.Order)
}

// gone ends the wait for a client's answer to an order.
func (l *liars) gone(p *participant, order uint64) {
	a := l.asked[order]
	if a == nil {
		return
	}
	if delete(a.honest, p.number); len(a.honest) > 0 {
		return
	}
	waiting := l.held[order]
	delete(l.held, order)
	for _, h := range waiting {
		h.p.transmit(l.lie(h.p, h.m))
	}
}

// left ends the wait for a client that leaves.
func (l *liars) left(p *participant) {
	for order := range l.asked {
		l.gone(p, order)
	}
}

// tell sends an adversary's answer, now or when it knows what the others send.
func (l *liars) tell(p *participant, c *protocol.Contribution) {
	if a := l.asked[c.Order]; l.gang.Colludes() && a != nil && len(a.honest) > 0 {
		l.held[c.Order] = append(l.held[c.Order], &held{p, c})
		return
	}
	p.transmit(l.lie(p, c))
}

// lie returns what an adversary sends for an answer.
func (l *liars) lie(p *participant, c *protocol.Contribution) *protocol.Contribution {
	clients := 1
	if a := l.asked[c.Order]; a != nil {
		clients = a.clients
	}
	lie := *c
	lie.Vectors = slices.Clone(c.Vectors)
	l.gang.Lie(p.number, &lie, p.sim.unpack(p, c), clients)
	return &lie
}

// unpack decodes a contribution as the coordinator will.
func (s *simulation) unpack(p *participant, c *protocol.Contribution) (vectors [][]float32) {
	copied := *c
	copied.Vectors = slices.Clone(c.Vectors) // the check clears the body
	o := s.pool.opener.Check(p.number, &copied, nil)
	for _, v := range o.Vectors {
		vectors = append(vectors, slices.Clone(v))
	}
	o.Release()
	return vectors
}

// measureBackdoor returns the success of a backdoor in the newest version, nil if it is
// not measured.
func (s *simulation) measureBackdoor(round run.RoundRecord) *float64 {
	version, _, params := s.run.Model()
	if s.liars.success == nil || round.TestAccuracy == nil || round.Round != version {
		return nil
	}
	success := s.liars.success(params)
	return &success
}
