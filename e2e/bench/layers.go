package bench

import (
	"fmt"

	"fedtab/learn"
)

// Layer is a layer as the peers' scripts build it.
type Layer struct {
	Kind   string  `json:"kind"` // dense, conv with same padding, maxpool
	Size   int     `json:"size,omitempty"`
	ReLU   bool    `json:"relu,omitempty"`
	Weight *Tensor `json:"weight,omitempty"`
	Bias   *Tensor `json:"bias,omitempty"`
}

// Tensor is a part of the parameters.
type Tensor struct {
	Offset int   `json:"offset"`
	Shape  []int `json:"shape"`
}

// Layers describes a model to the peers' scripts. The error names a layer that they do not
// have.
func Layers(m learn.Model) (layers []Layer, err error) {
	spec, tensors := m.Spec(), m.Layout().Tensors
	for i, l := range spec.Layers {
		out := Layer{Kind: l.Kind.String(), Size: l.Size, ReLU: l.Activation == learn.ReLU}
		known := l.Activation == learn.Identity || l.Activation == learn.ReLU
		switch l.Kind {
		case learn.Dense:
		case learn.Conv:
			known = known && l.Same && l.Stride <= 1
		case learn.MaxPool:
			known = known && !l.Same && (l.Stride == 0 || l.Stride == l.Size)
		default:
			known = false
		}
		if !known {
			return nil, fmt.Errorf("bench: layer %d is %+v, want dense, conv with same padding and stride 1, or maxpool, with ReLU or nothing", i, l)
		}
		if l.Kind != learn.MaxPool {
			out.Weight = &Tensor{tensors[0].Offset, tensors[0].Shape}
			out.Bias = &Tensor{tensors[1].Offset, tensors[1].Shape}
			tensors = tensors[2:]
		}
		layers = append(layers, out)
	}
	return layers, nil
}
