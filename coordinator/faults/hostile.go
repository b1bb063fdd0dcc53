package faults

import (
	"encoding/binary"
	"math"
	"slices"
	"time"

	"fedtab/compress"
	"fedtab/protocol"
)

// What hostile and broken clients do.

// misuse sends a contribution again, or an old one, or a broken copy first.
func (p *participant) misuse(c *conn, m *protocol.Contribution, when time.Duration) {
	w := p.world
	p.old = append(p.old, sent{m, c.number})
	if w.fault(w.chances.Duplicate) {
		w.clock.At(when+w.between(0, time.Minute), 0, func() { c.contribute(m, true) })
	}
	if w.fault(w.chances.Replay) {
		again := p.old[w.random.Uint64N(uint64(len(p.old)))]
		w.clock.At(when+w.between(0, time.Minute), 0, func() {
			if c := p.conn; c != nil { // perhaps to another life of the coordinator
				c.contribute(again.contribution, again.number == c.number)
			}
		})
	}
	if w.fault(w.chances.Moody) { // its successor overtakes it, or the answer
		w.soon(p.actor(), 2*time.Second, p.connect)
	}
	if w.fault(w.chances.Spoil) {
		bad := w.spoil(m)
		w.soon(0, time.Second, func() { c.contribute(bad, false) })
	}
}

// spoil returns a contribution that is wrong in one way.
func (w *world) spoil(m *protocol.Contribution) *protocol.Contribution {
	b := *m
	b.Vectors = slices.Clone(m.Vectors)
	v := &b.Vectors[w.random.Uint64N(uint64(len(b.Vectors)))]
	v.Block = slices.Clone(v.Block)
	put := func(x float64) { binary.LittleEndian.PutUint32(v.Block, math.Float32bits(float32(x))) }
	switch w.random.Uint64N(20) {
	case 0:
		put(math.NaN())
	case 1:
		put(math.Inf(-1))
	case 2:
		put(1e9)
	case 3:
		v.BaseHash = make([]byte, protocol.HashSize)
	case 4:
		v.BaseHash = nil
	case 5:
		v.Block = v.Block[4:]
	case 6:
		v.Block = append(v.Block, 0, 0, 0, 0)
	case 7:
		v.Role = protocol.RoleModel
	case 8:
		v.Codec = 99
	case 9:
		b.Weight = 0
	case 10:
		b.Weight = math.MaxUint64
	case 11:
		b.Order += 1 + w.random.Uint64N(3)
	case 12:
		b.Round++
	case 13:
		b.Vectors = nil
	case 14:
		b.Vectors = b.Vectors[1:]
	case 15:
		b.Vectors = append(b.Vectors, b.Vectors[0])
	case 16:
		v.Part++
	case 17:
		v.Codec = one(w.random, compress.Codecs()...)
	case 18:
		v.Block[w.random.Uint64N(uint64(len(v.Block)))] ^= 1 << w.random.Uint64N(8)
	case 19:
		v.Block = v.Block[:w.random.Uint64N(uint64(len(v.Block)))]
	}
	return &b
}

// forge sends a contribution to whatever is open, ordered or not.
func (p *participant) forge() {
	w, c := p.world, p.conn
	if c == nil {
		return
	}
	w.soon(0, 10*time.Second, func() {
		o := w.journal.open
		if o == nil {
			return
		}
		hash := w.initialHash
		if n := len(w.journal.commits); n > 0 {
			hash = w.journal.commits[n-1].Hash
		}
		m := &protocol.Contribution{Order: o.Order, Round: o.Round, Weight: 1}
		if w.scheme.Shape == buffered {
			m.Round = 0
		}
		if w.scheme.Shape != inRounds { // orders have numbers beside that
			m.Order += w.random.Uint64N(4)
		}
		vectors := 1 + w.random.Uint64N(uint64(w.scheme.Config.Vectors()))
		for i := range vectors {
			values := make([]float32, len(w.initial))
			for j := range values {
				values[j] = float32(w.random.Float64())
			}
			v := protocol.Vector{Role: protocol.RoleDelta, BaseHash: hash[:]}
			v.Codec, v.Block = w.pack(values)
			switch {
			case w.scheme.Config.Kind == "minibatch":
				v.Role = protocol.RoleGradient
			case w.scheme.Config.Kind == "radon":
				v.Part = uint32(i)
			case i > 0:
				v.Role = protocol.RoleControl
			}
			m.Vectors = append(m.Vectors, v)
		}
		c.contribute(m, false)
	})
}

// chatter sends messages that are well formed and make no sense.
func (p *participant) chatter() {
	w, c := p.world, p.conn
	if c == nil {
		return
	}
	var order uint64
	if o := w.journal.open; o != nil {
		order = o.Order - min(o.Order, w.random.Uint64N(3)) + w.random.Uint64N(3)
	}
	for range 1 + w.random.Uint64N(12) {
		var m protocol.Message
		switch w.random.Uint64N(5) {
		case 0:
			m = &protocol.Progress{Order: order, Examples: math.MaxUint64}
		case 1:
			m = &protocol.Decline{Order: order, Reason: protocol.ReasonBusy}
		case 2:
			m = &protocol.Want{Version: w.random.Uint64N(4), Full: w.chance(.5)}
		case 3:
			m = &protocol.Tab{State: protocol.TabState(w.random.Uint64N(6))}
		case 4:
			m = &protocol.Tab{State: protocol.TabVisible}
		}
		w.soon(0, 5*time.Second, func() { c.deliver(m) })
	}
}
