package simulation

import (
	"fmt"

	"fedtab/learn"
	"fedtab/protocol"
	"fedtab/run"
)

// Memory keeps what took the time of a simulation, so that it can go on after an
// interruption: what clients made of their orders, by client and in order, and figures of
// the coordinator. The simulation begins anew then and takes these calls from the memory.
// Client 0 stands for the coordinator.
type Memory interface {
	// Err says why the memory cannot be gone on with; nil if it can.
	Err() error
	// Fail notes that the memory is not of this simulation, or damaged.
	Fail(error)
	// Calls returns how many calls of a client there were at the start.
	Calls(client uint32) uint64
	// Has reports whether a call is there, to be repeated.
	Has(client uint32, number uint64) bool
	// Done returns a call that is there.
	Done(client uint32, number uint64) ([]byte, error)
	// Put adds a call.
	Put(client uint32, number uint64, done []byte)
	// Figure reads a figure of the coordinator that is there into v, a pointer.
	Figure(number uint64, v any) error
	// PutFigure adds a figure.
	PutFigure(number uint64, v any)
	// Vectors returns those of a client as they were after its newest call.
	Vectors(client uint32) ([]byte, error)
	// PutVectors replaces them.
	PutVectors(client uint32, calls uint64, vectors []byte)
	// Due reports whether it is time for a Commit; false if nothing is written any more.
	Due() bool
	// Off reports whether nothing is written any more.
	Off() bool
	// Commit makes what was put durable, with what f puts.
	Commit(version uint64, f func())
}

// Recall returns what f returns, an evaluation or another figure of the coordinator, and
// takes it from the memory if it is there.
func Recall[T any](s *Simulation, f func() T) (v T, redone bool) {
	m := s.cfg.Memory
	if m == nil {
		return f(), false
	}
	number := s.figures
	s.figures++
	if m.Has(0, number) {
		err := m.Figure(number, &v)
		if err == nil {
			return v, true
		}
		m.Fail(err)
	}
	v = f()
	m.PutFigure(number, v)
	return v, false
}

// Recorded is an evaluator that takes what it finds from the memory if it is there; nil
// for nil.
func (s *Simulation) Recorded(e run.Evaluator) run.Evaluator {
	if e == nil {
		return nil
	}
	return func(params []float32) learn.Metrics {
		m, _ := Recall(s, func() learn.Metrics { return e(params) })
		return m
	}
}

// verify compares a new version with that of the memory: other data or another program
// would make another one.
func (s *Simulation) verify() {
	if s.cfg.Memory == nil {
		return
	}
	version, hash, _ := s.run.Model()
	if was, redone := Recall(s, func() [32]byte { return hash }); redone && was != hash {
		s.cfg.Memory.Fail(fmt.Errorf("version %d is %x, was %x", version, hash[:4], was[:4]))
	}
}

// Keep commits the state of the simulation to its memory.
func (s *Simulation) Keep() {
	m := s.cfg.Memory
	if m == nil || m.Off() {
		return
	}
	m.Commit(s.run.State().Version, func() {
		s.pool.mu.Lock() // no worker begins a job
		defer s.pool.mu.Unlock()
		for _, p := range s.participants {
			calls := p.calls
			if j := p.job; j != nil && j.started {
				<-j.finished
				p.keep(j)
				calls++
			}
			if calls > p.kept {
				m.PutVectors(p.index, calls, p.client.AppendVectors(nil))
				p.kept = calls
			}
		}
	})
}

// keep adds a finished job, once.
func (p *participant) keep(j *job) {
	if m := p.sim.cfg.Memory; m != nil && !j.kept {
		m.Put(p.index, p.calls, j.record)
		j.kept = true
	}
}

// redoes reports whether the participant's next call is in the memory.
func (p *participant) redoes() bool {
	m := p.sim.cfg.Memory
	return m != nil && m.Has(p.index, p.calls)
}

// redo takes the participant's next call from the memory.
func (p *participant) redo() []protocol.Message {
	m := p.sim.cfg.Memory
	done, err := m.Done(p.index, p.calls)
	var out []protocol.Message
	if err == nil {
		out, err = p.client.Redo(done)
	}
	p.calls++
	if p.calls == m.Calls(p.index) && err == nil {
		var vectors []byte
		if vectors, err = m.Vectors(p.index); err == nil {
			err = p.client.RestoreVectors(vectors)
		}
	}
	if err != nil {
		m.Fail(err)
	}
	return out
}

// collect returns what the participant's job has made.
func (p *participant) collect() []protocol.Message {
	j := p.job
	p.job = nil
	if j.redone {
		return p.redo()
	}
	out := p.sim.pool.wait(j)
	p.keep(j)
	p.calls++
	return out
}

// take hands the client a message. A Fetch is answered with what the client has trained,
// and so it is a call that the memory keeps.
func (p *participant) take(m protocol.Message) ([]protocol.Message, error) {
	memory := p.sim.cfg.Memory
	if _, ok := m.(*protocol.Fetch); !ok || memory == nil {
		return p.client.Receive(m)
	}
	if p.redoes() {
		return p.redo(), nil
	}
	out, err := p.client.Receive(m)
	memory.Put(p.index, p.calls, p.client.AppendDone(nil, out))
	p.calls++
	return out, err
}
