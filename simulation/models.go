package simulation

import (
	"fedtab/client"
	"fedtab/learn"
	"fedtab/protocol"
)

// sharedModels holds one copy of a version for all clients.
type sharedModels struct {
	own     client.Models
	initial []float32
	version uint64
	params  []float32
	control []float32
}

func (s *sharedModels) Initial(m learn.Model, seed uint64) []float32 {
	if s.initial == nil {
		s.initial = s.own.Initial(m, seed)
	}
	return s.initial
}

func (s *sharedModels) Unpack(m *protocol.Model, n int, held client.Held) (params, control []float32, err error) {
	if s.params == nil || s.version != m.Version {
		params, control, err := s.own.Unpack(m, n, held)
		if err != nil {
			return nil, nil, err
		}
		s.version, s.params, s.control = m.Version, params, control
	}
	return s.params, s.control, nil
}
