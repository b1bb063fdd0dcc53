package client

import (
	"errors"
	"fmt"
	"slices"

	"fedtab/compress"
	"fedtab/learn"
	"fedtab/protocol"
)

// Held returns the parameters of a version that the client has, nil if it has
// another, and the control variate that came with them, where nil is zero. They are
// not to be written to.
type Held func(version uint64, hash []byte) (params, control []float32)

// Models makes parameter vectors for a client. A simulation shares them
// between thousands of clients; what they return is never written to.
type Models interface {
	// Initial returns version 0 of the run with the given seed.
	Initial(m learn.Model, seed uint64) []float32
	// Unpack returns the n parameters that a message carries, or leads to from
	// a version that is held, after checking them against the message's hash,
	// and the server's control variate if that is with them.
	Unpack(m *protocol.Model, n int, held Held) (params, control []float32, err error)
}

// ownModels keeps the grids that versions lie on, around version 0, and control
// variates, around zero.
type ownModels struct {
	tensors  []compress.Tensor
	grid     *compress.Grid
	variates *compress.Grid
	initial  []float32
}

func (o *ownModels) Initial(m learn.Model, seed uint64) []float32 {
	params := make([]float32, m.Layout().Size)
	m.Init(params, seed)
	o.tensors, o.initial, o.grid, o.variates = compress.TensorsOf(m.Layout()), params, nil, nil
	return params
}

func (o *ownModels) Unpack(m *protocol.Model, n int, held Held) (params, control []float32, err error) {
	if len(m.Vectors) == 0 || len(m.Vectors) > 2 || len(m.Vectors) == 2 && m.Vectors[1].Role != protocol.RoleControl {
		return nil, nil, errors.New("want a vector of parameters, and a control variate at most")
	}
	params = make([]float32, n)
	var was []float32 // the control variate that a difference leads from
	switch v := &m.Vectors[0]; {
	case v.Role == protocol.RoleModel:
		if err := compress.Decode(v.Codec, params, v.Block); err != nil {
			return nil, nil, err
		}
	case v.Role == protocol.RoleDelta && v.Codec == protocol.CodecGrid:
		from, variate := held(m.Base, v.BaseHash)
		if from == nil || len(o.initial) != n {
			return nil, nil, errors.New("a difference from a version that is not held, or by another hash")
		}
		if o.grid == nil {
			if o.grid, err = compress.NewGrid(o.tensors, o.initial); err != nil {
				return nil, nil, err
			}
		}
		was = variate
		copy(params, from)
		if _, err := o.grid.Apply(params, v.Block); err != nil {
			return nil, nil, err
		}
	default:
		return nil, nil, errors.New("want parameters, or a difference on the grid")
	}
	if hash := learn.Hash(params); !slices.Equal(hash[:], m.Hash) {
		return nil, nil, errors.New("the parameters do not match their hash")
	}
	if len(m.Vectors) == 2 {
		if control, err = o.variate(&m.Vectors[1], n, was); err != nil {
			return nil, nil, fmt.Errorf("control variate: %w", err)
		}
	}
	return params, control, nil
}

// variate returns the control variate that a vector carries, or leads to from another,
// where nil is zero.
func (o *ownModels) variate(v *protocol.Vector, n int, from []float32) (control []float32, err error) {
	control = make([]float32, n)
	if v.Codec != protocol.CodecGrid {
		return control, compress.Decode(v.Codec, control, v.Block)
	}
	if o.variates == nil {
		if o.variates, err = compress.NewGrid(o.tensors, make([]float32, n)); err != nil {
			return nil, err
		}
	}
	copy(control, from)
	_, err = o.variates.Apply(control, v.Block)
	return control, err
}

// OwnModels shares nothing: every call makes a vector. It keeps version 0.
func OwnModels() Models { return &ownModels{} }
