package combine

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Kind names a server optimiser, as task files write it.
type Kind string

// The server optimisers. x is the model, g the pseudo-gradient: the (weighted)
// mean of the clients' deltas, which points downhill and so is added.
//
//	SGD       x += lr g                                    with lr = 1: plain averaging
//	Momentum  m = beta1 m + g;  x += lr m                  FedAvgM (Hsu, Qi and Brown 2019)
//
// and, as Reddi et al., "Adaptive Federated Optimization", ICLR 2021,
// Algorithm 2 has them,
//
//	          m = beta1 m + (1-beta1) g
//	Adagrad   v = v + g^2
//	Adam      v = beta2 v + (1-beta2) g^2
//	Yogi      v = v - (1-beta2) g^2 sign(v - g^2)
//	          x += lr m / (sqrt(v) + tau)
//
// without bias correction, with m from 0 and v from tau^2, the smallest that the
// algorithm allows (v_{-1} >= tau^2).
const (
	SGD      Kind = "sgd"
	Momentum Kind = "momentum"
	Adagrad  Kind = "adagrad"
	Adam     Kind = "adam"
	Yogi     Kind = "yogi"
)

// Kinds returns the server optimisers that exist.
func Kinds() []Kind { return []Kind{SGD, Momentum, Adagrad, Adam, Yogi} }

// Names of the vectors that a Server keeps from step to step.
const (
	MomentumState = "momentum" // m
	SecondState   = "second"   // v
)

// Server is an optimiser on the coordinator. Its numbers are taken as they
// are, zeros included; DefaultServer gives the usual ones.
type Server struct {
	Kind  Kind
	LR    float64 // eta_s, > 0
	Beta1 float64 // of the momentum, 0 <= Beta1 < 1; unused by SGD
	Beta2 float64 // of the second moment, 0 <= Beta2 < 1; used by Adam and Yogi
	Tau   float64 // adaptivity, > 0; used by Adagrad, Adam and Yogi
}

// DefaultServer returns the usual settings: lr 1 for SGD and Momentum, .1 for
// the others; beta1 .9, but 0 for Adagrad, which comes without momentum; beta2
// .99; tau 1e-3.
func DefaultServer(kind Kind) Server {
	s := Server{Kind: kind, LR: 1}
	if kind != SGD && kind != Adagrad {
		s.Beta1 = .9
	}
	if s.adaptive() {
		s.LR, s.Tau = .1, 1e-3
	}
	if kind == Adam || kind == Yogi {
		s.Beta2 = .99
	}
	return s
}

func (s Server) adaptive() bool { return s.Kind == Adagrad || s.Kind == Adam || s.Kind == Yogi }

// Validate reports everything that is wrong with s.
func (s Server) Validate() error {
	var errs []error
	bad := func(ok bool, field string, value any, want string) {
		if !ok {
			errs = append(errs, fmt.Errorf("combine: server optimiser: %w: %s is %v, want %s", ErrParameter, field, value, want))
		}
	}
	bad(slices.Contains(Kinds(), s.Kind), "kind", fmt.Sprintf("%q", string(s.Kind)), fmt.Sprint("one of ", Kinds()))
	bad(s.LR > 0 && !math.IsInf(s.LR, 0), "lr", s.LR, "above 0 and finite")
	bad(s.Beta1 >= 0 && s.Beta1 < 1, "beta1", s.Beta1, "0 <= beta1 < 1")
	bad(s.Beta2 >= 0 && s.Beta2 < 1, "beta2", s.Beta2, "0 <= beta2 < 1")
	bad(s.Tau > 0 && !math.IsInf(s.Tau, 0) || !s.adaptive(), "tau", s.Tau, "above 0 and finite")
	return errors.Join(errs...)
}

// State returns the names of the vectors that s keeps.
func (s Server) State() []string {
	switch {
	case s.adaptive():
		return []string{MomentumState, SecondState}
	case s.Kind == Momentum:
		return []string{MomentumState}
	}
	return nil
}

// Step writes the model after base to next, for the pseudo-gradient mean. All
// three have d values; next may be base or mean.
//
// state holds the vectors named by State, of d values each; a missing one is
// the start: 0 for m, tau^2 for v. Step puts new vectors in their place and
// does not write to the old, so that a copy of the map (maps.Clone) taken
// before undoes the step. state may be nil only for SGD. The vectors are float32,
// as they are stored, so that a resumed run takes the same steps.
//
// It returns an error, and changes nothing, if s is not valid or a vector of
// state has another length or a negative second moment. A mean that is not
// finite makes a model that is not.
func (s Server) Step(next, base, mean []float32, state map[string][]float32) error {
	d := len(next)
	if len(base) != d || len(mean) != d {
		panic(fmt.Sprintf("combine: Server.Step of base %d and mean %d values to %d", len(base), len(mean), d))
	}
	if err := s.Validate(); err != nil {
		return err
	}
	for _, name := range s.State() {
		if v, ok := state[name]; ok && len(v) != d {
			return fmt.Errorf("combine: server optimiser %s: state %q has %d values, want %d", s.Kind, name, len(v), d)
		}
	}
	for i, v := range state[SecondState] {
		if s.adaptive() && !(v >= 0) {
			return fmt.Errorf("combine: server optimiser %s: state %q is %g at %d, want at least 0", s.Kind, SecondState, v, i)
		}
	}
	var m, v []float32
	if len(s.State()) > 0 {
		m = vector(d, state[MomentumState], 0)
		state[MomentumState] = m
	}
	if s.adaptive() {
		v = vector(d, state[SecondState], float32(s.Tau*s.Tau))
		state[SecondState] = v
	}
	// The conversions keep products from being fused into sums, so that all
	// processors take the same step.
	for i, g := range mean {
		g := float64(g)
		x := float64(base[i])
		switch s.Kind {
		case SGD:
			next[i] = float32(x + float64(s.LR*g))
			continue
		case Momentum:
			first := float64(s.Beta1*float64(m[i])) + g
			m[i] = float32(first)
			next[i] = float32(x + float64(s.LR*first))
			continue
		}
		first := float64(s.Beta1*float64(m[i])) + float64((1-s.Beta1)*g)
		second, square := float64(v[i]), float64(g*g)
		switch s.Kind {
		case Adagrad:
			second += square
		case Adam:
			second = float64(s.Beta2*second) + float64((1-s.Beta2)*square)
		case Yogi:
			change := float64((1 - s.Beta2) * square)
			switch {
			case second > square:
				second -= change
			case second < square:
				second += change
			}
		}
		m[i], v[i] = float32(first), float32(second)
		next[i] = float32(x + s.LR*first/(math.Sqrt(second)+s.Tau))
	}
	return nil
}

// vector returns a copy of old, or d times fill if there is none.
func vector(d int, old []float32, fill float32) []float32 {
	if old != nil {
		return slices.Clone(old)
	}
	v := make([]float32, d)
	for i := range v {
		v[i] = fill
	}
	return v
}
