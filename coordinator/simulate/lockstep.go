package simulate

import (
	"cmp"
	"fmt"
	"slices"

	"fedtab/api"
	"fedtab/coordinator/account"
	"fedtab/learn"
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
	Steps      int     `json:"steps"`
	Version    uint64  `json:"version"`
	Distance   float64 `json:"distance"`   // mean squared distance of the clients' models from the newest version
	Divergence float64 `json:"divergence"` // the same from their mean
	api.Test
	account.Figures
}

// remove takes a participant that leaves out of the lock-step. When it is back, the
// coordinator's welcome or the end of its slice puts it in again.
func (l *lockstep) remove(p *participant) {
	l.ready = slices.DeleteFunc(l.ready, func(q *participant) bool { return q == p })
	p.refusal = nil
}

// await adds a participant with a Monitor order to those that wait for the next
// slice.
func (s *simulation) await(p *participant) {
	if !slices.Contains(s.lock.ready, p) {
		s.lock.ready = append(s.lock.ready, p)
	}
}

// quiet reports whether all consequences of the last slices are handled: no message
// is on its way, and the strategy has no timer.
func (s *simulation) quiet() bool {
	return s.clock.Quiet() && s.run.Stats().Timers == 0
}

// release starts the next slice of all ready participants, after a check if one is
// due.
func (s *simulation) release() {
	l := &s.lock
	ready := l.ready
	l.ready = nil
	slices.SortFunc(ready, func(a, b *participant) int { return cmp.Compare(a.number, b.number) })
	if l.steps > 0 {
		last := s.stopSteps > 0 && l.steps >= s.stopSteps
		if last || l.steps/s.sliceSteps%s.checkEvery == 0 {
			s.check()
		}
		if last {
			s.run.End(fmt.Sprintf("%d mini-batches of every client", l.steps))
			return
		}
	}
	s.conceptDrift(l.steps)
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
func (s *simulation) check() {
	version, _, base := s.run.Model()
	var mean []float32
	d, redone := memo(s, func() (d distances) {
		d, mean = s.measure(base)
		return d
	})
	ledger := s.run.State().Ledger
	c := Check{Steps: s.lock.steps, Version: version, Distance: d.Base, Divergence: d.Mean, Figures: account.Of(&ledger.Traffic, len(base))}
	if s.evaluate != nil { // not of own data: its hold-outs are with the clients
		f, validation := s.evaluate(mean).Figures(), (*learn.Figures)(nil)
		if s.validate != nil {
			v := s.validate(mean).Figures()
			validation = &v
		}
		c.Test = account.Test(&f, validation)
	}
	s.result.Checks = append(s.result.Checks, c)
	if s.onCheck != nil && !redone {
		s.onCheck(c)
	}
}

// distances are mean squared distances of the clients' models.
type distances struct{ Base, Mean float64 }

// measure returns the distances of the clients' models from base and from their mean, and
// that mean.
func (s *simulation) measure(base []float32) (d distances, params []float32) {
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
