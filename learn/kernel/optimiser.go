package kernel

import "math"

// Momentum is a step of gradient descent with momentum: m is the velocity, g the gradient.
// All have the same length.
//
//	for i := range g {
//		m[i] = mu*m[i] + g[i]
//		w[i] -= rate * m[i]
//	}
func Momentum(w, m, g []float32, mu, rate float32) {
	momentum(cut(w, len(g)), cut(m, len(g)), g, mu, rate)
}

// Nesterov is a step with Nesterov's momentum: m is the velocity, g the gradient. All have
// the same length.
//
//	for i := range g {
//		m[i] = mu*m[i] + g[i]
//		w[i] -= rate * (g[i] + mu*m[i])
//	}
func Nesterov(w, m, g []float32, mu, rate float32) {
	nesterov(cut(w, len(g)), cut(m, len(g)), g, mu, rate)
}

// AdamStep holds the factors of a step of Adam.
type AdamStep struct {
	Beta1, Beta2  float32 // of the moments
	Rate, Epsilon float32 // with the corrections of the step's number
	Decay         float32 // that parameters are multiplied by first
}

// Adam is a step of Adam (Kingma and Ba 2015): m and v are the moments, g is the gradient.
// All have the same length.
//
//	for i := range g {
//		m[i] = Beta1*m[i] + (1-Beta1)*g[i]
//		v[i] = Beta2*v[i] + (1-Beta2)*g[i]*g[i]
//		w[i] = Decay*w[i] - Rate*m[i]/(sqrt(v[i])+Epsilon)
//	}
func Adam(w, m, v, g []float32, s AdamStep) {
	adam(cut(w, len(g)), cut(m, len(g)), cut(v, len(g)), g, s)
}

// Lookup maps bytes to x by a table. x is at least as long as bytes.
//
//	for i := range bytes {
//		x[i] = table[bytes[i]]
//	}
func Lookup(x []float32, bytes []uint8, table *[256]float32) {
	lookup(cut(x, len(bytes)), bytes, table)
}

func scalarMomentum(w, m, g []float32, mu, rate float32) {
	m, w = m[:len(g)], w[:len(g)]
	for i, d := range g {
		v := mu*m[i] + d
		m[i] = v
		w[i] -= rate * v
	}
}

func scalarNesterov(w, m, g []float32, mu, rate float32) {
	m, w = m[:len(g)], w[:len(g)]
	for i, d := range g {
		v := mu*m[i] + d
		m[i] = v
		w[i] -= rate * (d + mu*v)
	}
}

func scalarAdam(w, m, v, g []float32, s AdamStep) {
	m, v, w = m[:len(g)], v[:len(g)], w[:len(g)]
	for i, d := range g {
		a := s.Beta1*m[i] + (1-s.Beta1)*d
		b := s.Beta2*v[i] + (1-s.Beta2)*d*d
		m[i], v[i] = a, b
		w[i] = s.Decay*w[i] - s.Rate*a/(float32(math.Sqrt(float64(b)))+s.Epsilon)
	}
}

func scalarLookup(x []float32, bytes []uint8, table *[256]float32) {
	x = x[:len(bytes)]
	for i, b := range bytes {
		x[i] = table[b]
	}
}
