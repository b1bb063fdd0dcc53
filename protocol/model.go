package protocol

import "fmt"

// Parameters returns the length of the flat parameter vector of s: for each
// layer in order its weights and its biases. It refuses what this package
// does not know, wrapping ErrUnsupported, and what is no model or over its
// limit, wrapping ErrMalformed or ErrTooLarge: the last layer has at least two
// units, the classes, and no activation before the softmax. A client compares the result with
// Welcome.Parameters before it allocates anything.
func (s *ModelSpec) Parameters() (uint64, error) {
	if len(s.Input) == 0 || len(s.Layers) == 0 {
		return 0, fmt.Errorf("protocol: model of %d input dimensions and %d layers, want at least 1 of each: %w", len(s.Input), len(s.Layers), ErrMalformed)
	}
	if len(s.Input) > MaxDimensions || len(s.Layers) > MaxLayers {
		return 0, fmt.Errorf("protocol: model of %d input dimensions and %d layers, want at most %d and %d: %w", len(s.Input), len(s.Layers), MaxDimensions, MaxLayers, ErrTooLarge)
	}
	in := uint64(1)
	for i, n := range s.Input {
		if n == 0 {
			return 0, fmt.Errorf("protocol: model: input[%d] is 0: %w", i, ErrMalformed)
		}
		if in *= uint64(n); in > MaxUnits {
			return 0, fmt.Errorf("protocol: model: more than %d inputs: %w", MaxUnits, ErrTooLarge)
		}
	}
	var total uint64
	for i, l := range s.Layers {
		switch {
		case l.Kind != LayerDense:
			return 0, fmt.Errorf("protocol: model: layers[%d] is of %v: %w", i, l.Kind, ErrUnsupported)
		case l.Activation > ActivationReLU:
			return 0, fmt.Errorf("protocol: model: layers[%d] has %v: %w", i, l.Activation, ErrUnsupported)
		case l.Units == 0:
			return 0, fmt.Errorf("protocol: model: layers[%d] has no units: %w", i, ErrMalformed)
		case l.Units > MaxUnits:
			return 0, fmt.Errorf("protocol: model: layers[%d] has %d units, want at most %d: %w", i, l.Units, MaxUnits, ErrTooLarge)
		}
		total += (in + 1) * uint64(l.Units)
		if total > MaxParameters {
			return 0, fmt.Errorf("protocol: model: more than %d parameters: %w", MaxParameters, ErrTooLarge)
		}
		in = uint64(l.Units)
	}
	switch last := s.Layers[len(s.Layers)-1]; {
	case last.Units < 2:
		return 0, fmt.Errorf("protocol: model: the last layer has %d units, want at least 2 classes: %w", last.Units, ErrMalformed)
	case last.Activation != ActivationIdentity:
		return 0, fmt.Errorf("protocol: model: the last layer has activation %v, want identity before the softmax: %w", last.Activation, ErrMalformed)
	}
	return total, nil
}
