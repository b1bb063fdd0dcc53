package learn

import (
	"math"

	"fedtab/learn/kernel"
)

// activated applies an activation to what a layer has computed. ReLU is part of
// the kernel that computes it; the others are applied here, in place.
type activated struct {
	kind Activation
	z    []float32 // what went in, where the derivative needs it
}

func newActivated(a Activation, size int) activated {
	if a == GELU {
		return activated{a, make([]float32, size)}
	}
	return activated{kind: a}
}

// apply turns what the layer computed into y.
func (a *activated) apply(y []float32) {
	switch a.kind {
	case Tanh:
		for i, v := range y {
			y[i] = float32(math.Tanh(float64(v)))
		}
	case Sigmoid:
		for i, v := range y {
			y[i] = float32(sigmoid(float64(v)))
		}
	case GELU:
		copy(a.z, y)
		for i, v := range y {
			y[i] = float32(float64(v) * normalCDF(float64(v)))
		}
	}
}

// undo takes the gradient with respect to y back through the activation.
func (a *activated) undo(dy, y []float32) {
	switch a.kind {
	case ReLU:
		kernel.BackReLU(dy, y)
	case Tanh:
		for i, v := range y {
			dy[i] *= 1 - v*v
		}
	case Sigmoid:
		for i, v := range y {
			dy[i] *= v * (1 - v)
		}
	case GELU:
		for i := range dy {
			z := float64(a.z[i])
			dy[i] *= float32(normalCDF(z) + z*math.Exp(-z*z/2)/math.Sqrt(2*math.Pi))
		}
	}
}

// sigmoid is 1 / (1 + exp(-x)), without overflow.
func sigmoid(x float64) float64 {
	if x >= 0 {
		return 1 / (1 + kernel.Exp(-x))
	}
	e := kernel.Exp(x)
	return e / (1 + e)
}

// normalCDF is the standard normal distribution's Phi.
func normalCDF(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }
