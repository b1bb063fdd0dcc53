package simulate

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"time"

	"fedtab/learn"
	"fedtab/protocol"
	"fedtab/run"
)

// checkpointError returns why the checkpoint cannot be gone on with, nil if it can.
func (s *simulation) checkpointError() error {
	if s.checkpoint == nil {
		return nil
	}
	return s.checkpoint.err
}

// memo returns what f returns, an evaluation or another figure of the coordinator, and
// takes it from the checkpoint if it is there.
func memo[T any](s *simulation, f func() T) (v T, redone bool) {
	c := s.checkpoint
	if c == nil {
		return f(), false
	}
	number := s.figures
	s.figures++
	if c.has(0, number) {
		done, err := c.done(0, number)
		if err == nil {
			err = gob.NewDecoder(bytes.NewReader(done)).Decode(&v)
		}
		if err == nil {
			return v, true
		}
		c.fail(err)
	}
	v = f()
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(v); err != nil {
		panic(err) // structs of numbers
	}
	c.put(0, number, b.Bytes())
	return v, false
}

// recorded is an evaluator that takes what it finds from the checkpoint if it is there; nil
// for nil.
func (s *simulation) recorded(e run.Evaluator) run.Evaluator {
	if e == nil {
		return nil
	}
	return func(params []float32) learn.Metrics {
		m, _ := memo(s, func() learn.Metrics { return e(params) })
		return m
	}
}

// verify compares a new version with that of the checkpoint: other data or another program
// would make another one.
func (s *simulation) verify() {
	version, hash, _ := s.run.Model()
	if was, redone := memo(s, func() [32]byte { return hash }); redone && was != hash {
		s.checkpoint.fail(fmt.Errorf("version %d is %x, was %x", version, hash[:4], was[:4]))
	}
}

// keep commits the state of the simulation to the checkpoint.
func (s *simulation) keep() {
	c := s.checkpoint
	if c == nil || c.off {
		return
	}
	began := time.Now()
	s.pool.mu.Lock() // no worker begins a job
	for _, p := range s.participants {
		calls := p.calls
		if j := p.job; j != nil && j.started {
			<-j.finished
			p.keep(j)
			calls++
		}
		if calls > p.kept {
			c.write("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", p.index, calls, p.client.AppendVectors(nil))
			p.kept = calls
		}
	}
	s.pool.mu.Unlock()
	c.commit(s.run.State().Version, began)
}

// keep adds a finished job, once.
func (p *participant) keep(j *job) {
	if !j.kept {
		p.sim.checkpoint.put(p.index, p.calls, j.record)
		j.kept = true
	}
}

// redoes reports whether the participant's next call is in the checkpoint.
func (p *participant) redoes() bool { return p.sim.checkpoint.has(p.index, p.calls) }

// redo takes the participant's next call from the checkpoint.
func (p *participant) redo() []protocol.Message {
	c := p.sim.checkpoint
	done, err := c.done(p.index, p.calls)
	var out []protocol.Message
	if err == nil {
		out, err = p.client.Redo(done)
	}
	p.calls++
	if p.calls == c.recorded[p.index] && err == nil {
		var vectors []byte
		if vectors, err = c.vectors(p.index); err == nil {
			err = p.client.RestoreVectors(vectors)
		}
	}
	if err != nil {
		c.fail(err)
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
// and so it is a call that the checkpoint keeps.
func (p *participant) take(m protocol.Message) ([]protocol.Message, error) {
	if _, ok := m.(*protocol.Fetch); !ok || p.sim.checkpoint == nil {
		return p.client.Receive(m)
	}
	if p.redoes() {
		return p.redo(), nil
	}
	out, err := p.client.Receive(m)
	p.sim.checkpoint.put(p.index, p.calls, p.client.AppendDone(nil, out))
	p.calls++
	return out, err
}
