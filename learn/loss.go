package learn

import (
	"math"

	"fedtab/learn/kernel"
)

// loss returns the sum of the losses of a batch and the number of examples that
// are classified correctly (0 in regression). z is [n, outputs], targets [n]. dz,
// unless nil, is set to scale times the gradient with respect to z, and may be z.
func (s *Spec) loss(dz, z, targets []float32, scale float32) (loss float64, correct int) {
	if s.ClassWeights == nil {
		return s.equal(dz, z, targets, scale)
	}
	k := s.Outputs()
	for i, y := range targets {
		var d []float32
		if dz != nil {
			d = dz[i*k:][:k]
		}
		w := s.ClassWeights[int(y)]
		l, c := s.equal(d, z[i*k:][:k], targets[i:i+1], scale*w)
		loss += float64(w) * l
		correct += c
	}
	return loss, correct
}

// equal is loss without class weights.
func (s *Spec) equal(dz, z, targets []float32, scale float32) (loss float64, correct int) {
	k := s.Outputs()
	switch {
	case s.Loss == Softmax:
		return kernel.SoftmaxCrossEntropy(dz, z, targets, k, scale)
	case s.Loss.Regression():
		return s.regression(dz, z, targets, scale), 0
	case k == 1:
		return s.binary(dz, z, targets, scale)
	}
	return s.oneAgainstRest(dz, z, targets, k, scale)
}

func (s *Spec) regression(dz, z, targets []float32, scale float32) (loss float64) {
	for i, y := range targets {
		d := float64(z[i]) - float64(y)
		var l, slope float64
		switch s.Loss {
		case Squared:
			l, slope = d*d/2, d
		case Absolute:
			l, slope = math.Abs(d), sign(d)
		case EpsilonInsensitive:
			if l = math.Abs(d) - float64(s.Epsilon); l > 0 {
				slope = sign(d)
			} else if l <= 0 { // not NaN
				l = 0
			}
		}
		loss += l
		if dz != nil {
			dz[i] = float32(slope * float64(scale))
		}
	}
	return loss
}

func sign(x float64) float64 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return 0
}

// margin returns the loss of an output z with target s, which is 1 or -1, and its
// derivative with respect to z.
func (s *Spec) margin(z, sign float64) (loss, slope float64) {
	m := z * sign
	if s.Loss == Hinge {
		if m >= 1 {
			return 0, 0
		}
		return 1 - m, -sign
	}
	// log(1 + exp(-m)), without overflow.
	return math.Max(-m, 0) + kernel.Log1p(kernel.Exp(-math.Abs(m))), -sign * sigmoid(-m)
}

func (s *Spec) binary(dz, z, targets []float32, scale float32) (loss float64, correct int) {
	for i, y := range targets {
		sign := 2*float64(y) - 1
		l, slope := s.margin(float64(z[i]), sign)
		loss += l
		if z[i] > 0 == (y > .5) {
			correct++
		}
		if dz != nil {
			dz[i] = float32(slope * float64(scale))
		}
	}
	return loss, correct
}

func (s *Spec) oneAgainstRest(dz, z, targets []float32, k int, scale float32) (loss float64, correct int) {
	for i, y := range targets {
		zi := z[i*k:][:k]
		top := 0
		for c, v := range zi {
			if v > zi[top] {
				top = c
			}
		}
		if top == int(y) {
			correct++
		}
		for c, v := range zi {
			sign := -1.0
			if c == int(y) {
				sign = 1
			}
			l, slope := s.margin(float64(v), sign)
			loss += l
			if dz != nil {
				dz[i*k+c] = float32(slope * float64(scale))
			}
		}
	}
	return loss, correct
}
