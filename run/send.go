package run

import (
	"slices"

	"fedtab/combine"
	"fedtab/protocol"
)

// send gives a message to a participant's peer, if it has one, and books it.
func (r *Run) send(m *member, msg protocol.Message) {
	if m.peer == nil {
		return
	}
	r.count(m.number, msg, false)
	m.peer.Send(msg)
}

func (r *Run) sendShared(m *member, s *Shared) {
	if m.peer == nil {
		return
	}
	if s.size == 0 {
		s.size = protocol.WireSize(s.Message, false)
	}
	r.book(m.number, protocol.KindOf(s.Message), s.size, models(s.Message), false)
	m.peer.SendShared(s)
}

// modelMessage returns the message that brings a participant to the newest
// version: a difference from the one that it holds, or all of it.
func (r *Run) modelMessage(m *member) *Shared {
	if r.grid != nil && r.version > 0 && !m.raw && m.can(protocol.CodecGrid) {
		held := uint64(0)
		if m.holds && m.held < r.version {
			held = m.held
		}
		s, err := r.grid.message(r, held)
		if err == nil {
			return s
		}
		r.log.Error("cannot code a version, sending all of it", "version", r.version, "held", held, "error", err)
	}
	return r.fullModel(m)
}

// fullModel returns the message that carries the newest version by itself, by a
// codec that the participant has.
func (r *Run) fullModel(to *member) *Shared {
	codec := r.cfg.Packing.Down
	if codec == protocol.CodecGrid || codec == protocol.CodecFloat16 && r.version == 0 {
		codec = protocol.CodecPlanes // version 0 was never rounded
	}
	codec = to.able(codec)
	if r.models[codec] == nil {
		m := &protocol.Model{
			Transfer: r.version, Version: r.version, Hash: slices.Clone(r.hash[:]),
			Vectors: []protocol.Vector{{
				Role: protocol.RoleModel, Codec: codec, Block: r.pack(codec, r.params),
			}},
		}
		m.Vectors = append(m.Vectors, r.controlVector()...)
		r.models[codec] = &Shared{Message: m}
	}
	return r.models[codec]
}

// controlVector returns the server's control variate, if there is one, to go with
// the newest version.
func (r *Run) controlVector() []protocol.Vector {
	c := r.state[combine.ControlVector]
	if c == nil {
		return nil
	}
	return []protocol.Vector{{Role: protocol.RoleControl, Codec: protocol.CodecFloat32, Block: r.pack(protocol.CodecFloat32, c)}}
}

func (r *Run) status() *protocol.Status {
	s := &protocol.Status{
		Phase: r.phase, Round: r.version, Version: r.version, Participants: uint32(len(r.present)),
		Closed: r.closed, Reason: r.finished,
	}
	if r.open != nil {
		s.Round = r.open.Round
	}
	if e := r.evaluated; e != nil {
		s.Evaluated, s.TestLoss, s.TestAccuracy = e.Version, e.Loss, e.Accuracy
	}
	return s
}

func (r *Run) broadcastStatus() {
	s := &Shared{Message: r.status()}
	for _, p := range r.present {
		r.sendShared(r.members[p], s)
	}
}
