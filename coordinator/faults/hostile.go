package faults

import (
	"encoding/binary"
	"math"
	"slices"
	"time"

	"fedtab/compress"
	"fedtab/protocol"
)

// misbehave is what an unreliable peer does when it gets an order.
func (p *peer) misbehave() {
	s := p.sim
	if p.reliable {
		return
	}
	if s.fault(s.rates.Interrupt) {
		p.interrupt()
	}
	if s.fault(s.rates.Forge) {
		s.soon(p.actor(), 10*time.Second, p.forge)
	}
	if s.fault(s.rates.Nonsense) {
		p.nonsense()
	}
}

// misuse repeats or corrupts a contribution, or sends an old one.
func (p *peer) misuse(c *socket, m *protocol.Contribution, when time.Duration) {
	s := p.sim
	p.sent = append(p.sent, sent{m, c.number})
	later := func(f func()) { s.clock.At(when+s.between(0, time.Minute), 0, f) }
	if s.fault(s.rates.Duplicate) {
		later(func() { c.contribute(m, true) })
	}
	if s.fault(s.rates.Replay) {
		old := one(s.random, p.sent...)
		later(func() {
			if c := p.socket; c != nil { // perhaps to another process of the coordinator
				c.contribute(old.contribution, old.number == c.number)
			}
		})
	}
	if s.fault(s.rates.Interrupt) { // a new socket overtakes it, or its answer
		s.soon(p.actor(), 2*time.Second, p.connect)
	}
	if s.fault(s.rates.Corrupt) {
		bad := s.corrupt(m)
		s.soon(0, time.Second, func() { c.contribute(bad, false) })
	}
}

// corrupt returns a contribution that is wrong in one way.
func (s *sim) corrupt(m *protocol.Contribution) *protocol.Contribution {
	b := *m
	b.Vectors = slices.Clone(m.Vectors)
	v := &b.Vectors[s.random.IntN(len(b.Vectors))]
	v.Block = slices.Clone(v.Block)
	n := len(v.Block)
	put := func(x float64) { binary.LittleEndian.PutUint32(v.Block, math.Float32bits(float32(x))) }
	one(s.random,
		func() { put(math.NaN()) },
		func() { put(math.Inf(-1)) },
		func() { put(1e9) },
		func() { v.BaseHash = make([]byte, protocol.HashSize) },
		func() { v.BaseHash = nil },
		func() { v.Block = v.Block[4:] },
		func() { v.Block = append(v.Block, 0, 0, 0, 0) },
		func() { v.Role = 1 + v.Role%4 },
		func() { v.Codec = 99 },
		func() { v.Codec = one(s.random, compress.Codecs()...) },
		func() { b.Weight = 0 },
		func() { b.Weight = math.MaxUint64 },
		func() { b.Order += 1 + s.random.Uint64N(3) },
		func() { b.Round++ },
		func() { b.Vectors = nil },
		func() { b.Vectors = b.Vectors[1:] },
		func() { b.Vectors = append(b.Vectors, b.Vectors[0]) },
		func() { v.Part++ },
		func() { b.Metrics.Steps = math.MaxUint64 },
		func() { v.Block[s.random.IntN(n)] ^= 1 << s.random.IntN(8) },
		func() { v.Block = v.Block[:s.random.IntN(n)] },
	)()
	return &b
}

// forge sends a contribution to what is open, ordered or not: of every role and
// every weight, with values as large as role and weight would allow.
func (p *peer) forge() {
	s, c, o := p.sim, p.socket, p.sim.disk.open
	if c == nil || o == nil || c.number == 0 || s.clock.Now() > s.faultsEnd {
		return
	}
	hash := s.disk.hash(o.Base)
	m := &protocol.Contribution{Order: o.Order, Round: o.Round}
	if order, ok := s.orders[key{c.number, p.client.Order()}]; ok && s.chance(.7) {
		m.Order, m.Round = order.Order, order.Round
		copy(hash[:], order.BaseHash)
	} else if s.shape&perClient != 0 {
		m.Order += s.random.Uint64N(4)
		if s.shape == buffered {
			m.Round = 0
		}
	}
	bound := s.maxWeight()
	m.Weight = one(s.random, 0, 1, 1, bound, bound+1, math.MaxUint64)
	n, role := s.vectors(o.Cohort, c.number)
	if maybe(s.random, 4) {
		n = 1 + s.random.IntN(s.maxVectors)
	}
	if maybe(s.random, 2) {
		role = protocol.Role(1 + s.random.IntN(4))
	}
	limit := float64(protocol.MaxDelta)
	if role == protocol.RoleGradient {
		limit *= float64(m.Weight)
	}
	limit = one(s.random, 1, min(limit, math.MaxFloat32), math.Nextafter(limit, math.MaxFloat32))
	for i := range n {
		values := make([]float32, len(s.initial))
		for j := range values {
			values[j] = float32(limit * one(s.random, 1, s.random.Float64()))
		}
		v := protocol.Vector{Role: role, BaseHash: hash[:]}
		if s.Kind == "radon" {
			v.Part = uint32(i)
		} else if i > 0 && !maybe(s.random, 4) {
			v.Role = protocol.RoleControl
		}
		v.Codec, v.Block = s.encode(values)
		m.Vectors = append(m.Vectors, v)
	}
	s.note("participant %d forges role %d weight %d of %d order %d (paused %v)", c.number, role, m.Weight, bound, m.Order, c.tab == protocol.TabPaused)
	s.result["forged"]++
	s.soon(0, time.Second, func() { c.contribute(m, false) })
}

// encode packs a forged vector: raw, or with any codec that takes the values where
// parameters are packed.
func (s *sim) encode(values []float32) (protocol.Codec, []byte) {
	if c, err := compress.Lookup(one(s.random, compress.Codecs()...)); err == nil && s.packed() {
		if block, err := c.NewEncoder(compress.TensorsOf(s.model.Layout())).Append(nil, values, compress.Options{Bits: 4}); err == nil {
			return c.ID, block
		}
	}
	return protocol.CodecFloat32, compress.AppendFloat32(nil, values)
}

// nonsense sends well-formed messages without a meaning.
func (p *peer) nonsense() {
	s, c := p.sim, p.socket
	if c == nil {
		return
	}
	var order uint64
	if o := s.disk.open; o != nil {
		order = o.Order - min(o.Order, s.random.Uint64N(3)) + s.random.Uint64N(3)
	}
	p.lied = true
	for range 1 + s.random.IntN(12) {
		m := one[protocol.Message](s.random,
			&protocol.Progress{Order: order, Examples: math.MaxUint64},
			&protocol.Decline{Order: order, Reason: protocol.ReasonBusy},
			&protocol.Want{Version: s.random.Uint64N(4), Full: s.chance(.5)},
			&protocol.Tab{State: protocol.TabState(s.random.Uint64N(6))},
			&protocol.Tab{State: protocol.TabVisible},
			&protocol.Secure{Order: order},
			&protocol.Secure{Order: order, Vectors: []protocol.Vector{{Kind: protocol.PayloadBytes, Name: protocol.SecurePayload, Block: []byte{byte(s.random.IntN(11)), 2, 3}}}},
		)
		s.soon(0, 5*time.Second, func() { c.deliver(m) })
	}
}
