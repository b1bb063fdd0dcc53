package simulation

import (
	"cmp"
	"fmt"
	"slices"

	"fedtab/learn"
	"fedtab/run"
)

// lockstep synchronises clients that monitor a condition (dynamic averaging). All
// present clients make their mini-batches, then all messages and timers that follow
// from them are handled, then the next mini-batches begin. The guarantees of the
// scheme are proved for this model of time.
type lockstep struct {
	ready []*participant // present, with a Monitor order, and done with the last slice
	steps int            // mini-batches of every client, had it always been present
}

// Check is the state of a lock-step simulation after Steps mini-batches of every
// client. Its metrics are those of the mean of all clients' models. No client has
// that mean: it is computed out of band and costs no bytes. Bytes and models are
// cumulative.
type Check struct {
	Steps            int
	Version          uint64
	Distance         float64        // mean squared distance of the clients' models from the newest version
	Divergence       float64        // the same from their mean
	Test, Validation *learn.Figures // nil: there is no such set
	Traffic          run.Traffic
}

// remove takes a participant that leaves out of the lock-step. When it is back, the
// coordinator's welcome or the end of its slice puts it in again.
func (l *lockstep) remove(p *participant) {
	l.ready = slices.DeleteFunc(l.ready, func(q *participant) bool { return q == p })
	p.refusal = nil
}

// await adds a participant with a Monitor order to those that wait for the next
// slice.
func (s *Simulation) await(p *participant) {
	if !slices.Contains(s.lock.ready, p) {
		s.lock.ready = append(s.lock.ready, p)
	}
}

// quiet reports whether all consequences of the last slices are handled: no message
// is on its way, and the strategy has no timer.
func (s *Simulation) quiet() bool {
	return s.clock.Quiet() && s.run.Stats().Timers == 0
}

// release starts the next slice of all ready participants, after a check if one is
// due.
func (s *Simulation) release() {
	l := &s.lock
	ready := l.ready
	l.ready = nil
	slices.SortFunc(ready, func(a, b *participant) int { return cmp.Compare(a.number, b.number) })
	if l.steps > 0 {
		last := s.cfg.Steps > 0 && l.steps >= s.cfg.Steps
		if last || l.steps/s.sliceSteps%s.checkEvery == 0 {
			s.check()
		}
		if last {
			s.run.End(fmt.Sprintf("%d mini-batches of every client", l.steps))
			return
		}
	}
	s.cfg.Drift.at(l.steps)
	for _, p := range ready {
		if p.refusal != nil {
			p.send(p.refusal)
			p.refusal = nil
			continue
		}
		if p.client.Ready() && !p.busy {
			p.begin()
		}
	}
	l.steps += s.sliceSteps
}

// check records a Check.
func (s *Simulation) check() {
	version, _, base := s.run.Model()
	var mean []float32
	d, redone := Recall(s, func() (d distances) {
		d, mean = s.measure(base)
		return d
	})
	c := Check{Steps: s.lock.steps, Version: version, Distance: d.Base, Divergence: d.Mean, Traffic: s.run.State().Ledger.Traffic}
	figures := func(e run.Evaluator) *learn.Figures {
		if e == nil { // of own data: its hold-outs are with the clients
			return nil
		}
		f := e(mean).Figures()
		return &f
	}
	c.Test, c.Validation = figures(s.cfg.Run.Evaluate), figures(s.cfg.Run.Validate)
	if s.cfg.OnCheck != nil {
		s.cfg.OnCheck(c, redone)
	}
}

// distances are mean squared distances of the clients' models.
type distances struct{ Base, Mean float64 }

// measure returns the distances of the clients' models from base and from their mean, and
// that mean.
func (s *Simulation) measure(base []float32) (d distances, params []float32) {
	mean := make([]float64, len(base))
	var total float64
	local := func(p *participant) []float32 {
		if v := p.client.Local(); v != nil {
			return v
		}
		return base
	}
	for _, p := range s.participants {
		weight := float64(p.client.Examples())
		total += weight
		for i, x := range local(p) {
			mean[i] += weight * float64(x)
		}
	}
	params = make([]float32, len(base))
	for i := range mean {
		mean[i] /= total
		params[i] = float32(mean[i])
	}
	for _, p := range s.participants {
		weight := float64(p.client.Examples()) / total
		for i, x := range local(p) {
			fromBase, fromMean := float64(x)-float64(base[i]), float64(x)-mean[i]
			d.Base += weight * fromBase * fromBase
			d.Mean += weight * fromMean * fromMean
		}
	}
	return d, params
}
