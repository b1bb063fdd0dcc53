package learn

import (
	"errors"
	"fmt"
	"slices"
)

// Bounds on what a Spec may ask for, so that a description from the network
// cannot make a client allocate gigabytes.
const (
	MaxParameters = 1 << 24 // 64 MiB
	MaxWidth      = 1 << 16 // numbers in an example, units in a layer
	MaxLayers     = 64
)

// LayerKind says what a layer is. The values are those of the wire format.
type LayerKind uint32

// Dense is a fully connected layer; it takes its input as a flat vector.
const Dense LayerKind = 1

// String returns the kind's name.
func (k LayerKind) String() string {
	if k == Dense {
		return "dense"
	}
	return fmt.Sprintf("LayerKind(%d)", uint32(k))
}

// Activation is the function after a layer. The values are those of the wire
// format.
type Activation uint32

// The activations.
const (
	Identity Activation = 0
	ReLU     Activation = 1
)

// String returns the activation's name.
func (a Activation) String() string {
	switch a {
	case Identity:
		return "identity"
	case ReLU:
		return "relu"
	}
	return fmt.Sprintf("Activation(%d)", uint32(a))
}

// Layer describes one layer.
type Layer struct {
	Kind       LayerKind
	Units      int
	Activation Activation
}

// Spec describes a model: layers one after the other, then softmax
// cross-entropy over the last layer's units, which are the classes.
type Spec struct {
	Input  []int // shape of one example
	Layers []Layer
}

// MLP describes a perceptron with hidden layers of the given sizes, with ReLU.
// MLP([]int{28, 28}, []int{200, 200}, 10) is the 2NN of the federated averaging
// paper.
func MLP(input []int, hidden []int, classes int) Spec {
	s := Spec{Input: slices.Clone(input)}
	for _, units := range hidden {
		s.Layers = append(s.Layers, Layer{Kind: Dense, Units: units, Activation: ReLU})
	}
	s.Layers = append(s.Layers, Layer{Kind: Dense, Units: classes})
	return s
}

// Features returns how many numbers one example has.
func (s Spec) Features() int {
	n := 1
	for _, d := range s.Input {
		n *= d
	}
	return n
}

// Classes returns how many classes the model tells apart.
func (s Spec) Classes() int { return s.Layers[len(s.Layers)-1].Units }

// Clone returns a copy that shares no memory with s.
func (s Spec) Clone() Spec {
	return Spec{Input: slices.Clone(s.Input), Layers: slices.Clone(s.Layers)}
}

// Validate reports everything that is wrong with s. Each problem wraps
// ErrSpec.
func (s Spec) Validate() error {
	var problems []error
	bad := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("learn: %s: %w", fmt.Sprintf(format, args...), ErrSpec))
	}
	width := 1 // of what the next layer takes; 0 when unknown
	if len(s.Input) == 0 || len(s.Input) > 8 {
		bad("input has %d dimensions, want 1 to 8", len(s.Input))
		width = 0
	} else {
		for _, d := range s.Input {
			if d < 1 || d > MaxWidth || width*d > MaxWidth {
				bad("input has shape %v, want positive sides and at most %d numbers", s.Input, MaxWidth)
				width = 0
				break
			}
			width *= d
		}
	}
	if len(s.Layers) == 0 || len(s.Layers) > MaxLayers {
		bad("%d layers, want 1 to %d", len(s.Layers), MaxLayers)
		return errors.Join(problems...)
	}
	size := 0
	for i, l := range s.Layers {
		if l.Kind != Dense {
			bad("layer %d is of kind %v, want %v", i, l.Kind, Dense)
		}
		if l.Activation > ReLU {
			bad("layer %d has activation %v, want %v or %v", i, l.Activation, Identity, ReLU)
		}
		if i == len(s.Layers)-1 {
			if l.Activation != Identity {
				bad("layer %d, the last, has activation %v, want %v before the softmax", i, l.Activation, Identity)
			}
			if l.Units < 2 {
				bad("layer %d, the last, has %d units, want at least 2 classes", i, l.Units)
			}
		}
		if l.Units < 1 || l.Units > MaxWidth {
			bad("layer %d has %d units, want 1 to %d", i, l.Units, MaxWidth)
			width = 0
			continue
		}
		before := size
		size += width*l.Units + l.Units // at most 64 * 2^32
		if size > MaxParameters && before <= MaxParameters {
			bad("layer %d of shape [%d, %d] brings the model to %d parameters, want at most %d", i, width, l.Units, size, MaxParameters)
		}
		width = l.Units
	}
	return errors.Join(problems...)
}
