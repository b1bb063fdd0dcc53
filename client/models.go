package client

import (
	"fmt"
	"slices"

	"fedtab/compress"
	"fedtab/learn"
	"fedtab/protocol"
)

// Models makes parameter vectors for a client. A simulation shares them
// between thousands of clients; what they return is never written to.
type Models interface {
	// Initial returns version 0 of the run with the given seed.
	Initial(m learn.Model, seed uint64) []float32
	// Unpack returns the n parameters that a message carries, after checking
	// them against the message's hash, and the server's control variate if
	// that is with them.
	Unpack(m *protocol.Model, n int) (params, control []float32, err error)
}

type ownModels struct{}

func (ownModels) Initial(m learn.Model, seed uint64) []float32 {
	params := make([]float32, m.Layout().Size)
	m.Init(params, seed)
	return params
}

func (ownModels) Unpack(m *protocol.Model, n int) (params, control []float32, err error) {
	if len(m.Vectors) == 0 || len(m.Vectors) > 2 || m.Vectors[0].Role != protocol.RoleModel {
		return nil, nil, fmt.Errorf("want a vector of parameters, and a control variate at most, got %d vectors", len(m.Vectors))
	}
	params = make([]float32, n)
	if err := compress.Decode(m.Vectors[0].Codec, params, m.Vectors[0].Block); err != nil {
		return nil, nil, err
	}
	if hash := learn.Hash(params); !slices.Equal(hash[:], m.Hash) {
		return nil, nil, fmt.Errorf("the parameters do not match their hash %x", m.Hash)
	}
	if len(m.Vectors) == 2 {
		if m.Vectors[1].Role != protocol.RoleControl {
			return nil, nil, fmt.Errorf("want a control variate beside the parameters, got %v", m.Vectors[1].Role)
		}
		control = make([]float32, n)
		if err := compress.Decode(m.Vectors[1].Codec, control, m.Vectors[1].Block); err != nil {
			return nil, nil, fmt.Errorf("control variate: %w", err)
		}
	}
	return params, control, nil
}

// OwnModels keeps nothing and shares nothing: every call makes a vector.
func OwnModels() Models { return ownModels{} }
