package run

import (
	"slices"

	"fedtab/compress"
	"fedtab/protocol"
)

// send gives a message to a participant's peer, if it has one, and counts its
// bytes.
func (r *Run) send(m *member, msg protocol.Message) {
	if m.peer == nil {
		return
	}
	r.count(msg, false)
	m.peer.Send(msg)
}

func (r *Run) sendShared(m *member, s *Shared) {
	if m.peer == nil {
		return
	}
	if s.size == 0 {
		s.size = protocol.WireSize(s.Message, false)
	}
	r.countBytes(s.Message, s.size, false)
	m.peer.SendShared(s)
}

func (r *Run) count(msg protocol.Message, up bool) {
	r.countBytes(msg, protocol.WireSize(msg, up), up) // what clients send is masked
}

func (r *Run) countBytes(msg protocol.Message, size int64, up bool) {
	if up {
		r.up += size
		r.ledger.Up += size
		r.ledger.MessagesUp++
		if _, ok := msg.(*protocol.Contribution); ok {
			r.ledger.ModelsUp++
		}
		return
	}
	r.down += size
	r.ledger.Down += size
	r.ledger.MessagesDown++
	if _, ok := msg.(*protocol.Model); ok {
		r.ledger.ModelsDown++
	}
}

// modelMessage returns the message that carries the newest version.
func (r *Run) modelMessage() *Shared {
	if r.model == nil {
		r.model = &Shared{Message: &protocol.Model{
			Transfer: r.version, Version: r.version, Hash: slices.Clone(r.hash[:]),
			Vectors: []protocol.Vector{{
				Role: protocol.RoleModel, Codec: protocol.CodecFloat32,
				Block: compress.AppendFloat32(nil, r.params),
			}},
		}}
	}
	return r.model
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
