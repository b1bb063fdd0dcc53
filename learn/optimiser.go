package learn

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"fedtab/learn/kernel"
)

// OptimiserKind is the update rule of an optimiser. The values are those of the wire
// format.
type OptimiserKind uint32

// The optimisers. g is the gradient of the mean loss of a mini-batch, w the
// parameters, lr the learning rate of the step.
const (
	SGD      OptimiserKind = 0 // w -= lr g; with all examples in a batch it is gradient descent
	Momentum OptimiserKind = 1 // v = mu v + g; w -= lr v (Polyak 1964, as PyTorch writes it)
	Nesterov OptimiserKind = 2 // v = mu v + g; w -= lr (g + mu v) (Sutskever et al. 2013, as PyTorch writes it: w is where they take the gradient)
	Adam     OptimiserKind = 3 // Kingma and Ba 2015, with bias correction
	AdamW    OptimiserKind = 4 // Adam with decoupled weight decay (Loshchilov and Hutter 2019), times lr as in PyTorch
)

var optimisers = [...]string{"sgd", "momentum", "nesterov", "adam", "adamw"}

// String returns the optimiser's name.
func (k OptimiserKind) String() string { return name(optimisers[:], uint32(k), "OptimiserKind") }

// ScheduleKind is a schedule of the learning rate. The values are those of the wire
// format.
type ScheduleKind uint32

// The schedules: the factor of the learning rate at step t, 0 <= t < T, of T steps.
const (
	Constant    ScheduleKind = 0 // 1
	StepDecay   ScheduleKind = 1 // Factor^floor(t / Every)
	Exponential ScheduleKind = 2 // Factor^(t / Every)
	Cosine      ScheduleKind = 3 // Factor + (1 - Factor) (1 + cos(pi t / T)) / 2
	Inverse     ScheduleKind = 4 // 1 / (1 + t / Every)
)

var schedules = [...]string{"constant", "step", "exponential", "cosine", "inverse"}

// String returns the schedule's name.
func (k ScheduleKind) String() string { return name(schedules[:], uint32(k), "ScheduleKind") }

// OptimiserNames returns the names of all optimisers and schedules, as task
// files write them.
func OptimiserNames() (kinds, scheduleKinds []string) { return optimisers[:], schedules[:] }

// Optimiser is the configuration of the local optimiser. The zero value is plain
// SGD at a constant rate. Every Start resets the state (velocities, moments).
type Optimiser struct {
	Kind        OptimiserKind
	Momentum    float32 // mu, or Adam's beta_1; 0 means 0.9
	Beta2       float32 // Adam; 0 means 0.999
	Epsilon     float32 // Adam; 0 means 1e-8
	WeightDecay float32 // g += WeightDecay w; with AdamW w -= lr WeightDecay w
	Clip        float32 // largest Euclidean norm of g, which is scaled down to it; 0 does not clip

	Schedule ScheduleKind
	Every    int     // steps, of the schedules that name it; 0 means 1
	Factor   float32 // of the schedules that name it, 0 <= Factor <= 1
	Warmup   int     // steps in which the rate rises from lr/Warmup to lr, before the schedule
}

// Validate reports everything that is wrong with o. Each problem wraps
// ErrConfig.
func (o Optimiser) Validate() error {
	var problems []error
	bad := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf("learn: %s: %w", fmt.Sprintf(format, args...), ErrConfig))
		}
	}
	bad(o.Kind <= AdamW, "optimiser is %v, want one of %s", o.Kind, strings.Join(optimisers[:], ", "))
	bad(o.Schedule <= Inverse, "schedule is %v, want one of %s", o.Schedule, strings.Join(schedules[:], ", "))
	bad(o.Momentum >= 0 && o.Momentum < 1, "momentum is %v, want 0 <= momentum < 1", o.Momentum)
	bad(o.Beta2 >= 0 && o.Beta2 < 1, "beta2 is %v, want 0 <= beta2 < 1", o.Beta2)
	bad(o.Epsilon >= 0 && o.Epsilon < 1, "epsilon is %v, want 0 <= epsilon < 1", o.Epsilon)
	bad(o.WeightDecay >= 0 && o.WeightDecay < 1, "weight_decay is %v, want 0 <= weight_decay < 1", o.WeightDecay)
	bad(o.Clip >= 0 && !math.IsInf(float64(o.Clip), 1), "clip is %v, want 0 or more", o.Clip)
	bad(o.Every >= 0 && o.Every <= math.MaxInt32, "every is %d, want 0 to %d", o.Every, math.MaxInt32)
	bad(o.Factor >= 0 && o.Factor <= 1, "factor is %v, want 0 <= factor <= 1", o.Factor)
	bad(o.Warmup >= 0 && o.Warmup <= math.MaxInt32, "warmup is %d, want 0 to %d", o.Warmup, math.MaxInt32)
	return errors.Join(problems...)
}

// rate returns the factor of the learning rate at step t of total.
func (o *Optimiser) rate(t, total int) float64 {
	if t < o.Warmup {
		return float64(t+1) / float64(o.Warmup)
	}
	t, total = t-o.Warmup, total-o.Warmup
	every := float64(max(o.Every, 1))
	switch o.Schedule {
	case StepDecay:
		return math.Pow(float64(o.Factor), math.Floor(float64(t)/every))
	case Exponential:
		return math.Pow(float64(o.Factor), float64(t)/every)
	case Cosine:
		f := float64(o.Factor)
		return f + (1-f)*(1+math.Cos(math.Pi*float64(t)/float64(max(total, 1))))/2
	case Inverse:
		return 1 / (1 + float64(t)/every)
	}
	return 1
}

// plain reports whether a step is w -= lr g, which a worker can compute in place.
func (o *Optimiser) plain() bool { return o.Kind == SGD && o.WeightDecay == 0 && o.Clip == 0 }

// stepper applies an Optimiser. Its buffers are reused by later trainings.
type stepper struct {
	Optimiser
	t    int       // steps taken
	m, v []float32 // velocity or first moment, second moment; allocated when needed
}

// start resets the state for n parameters.
func (s *stepper) start(o Optimiser, n int) {
	s.Optimiser, s.t = o, 0
	or := func(v *float32, other float32) {
		if *v == 0 {
			*v = other
		}
	}
	or(&s.Momentum, .9)
	or(&s.Beta2, .999)
	or(&s.Epsilon, 1e-8)
	ready := func(b *[]float32) {
		if len(*b) != n {
			*b = make([]float32, n)
		}
		clear(*b)
	}
	if s.Kind != SGD {
		ready(&s.m)
	}
	if s.Kind == Adam || s.Kind == AdamW {
		ready(&s.v)
	}
}

// step moves w along the gradient g of the mean loss, which it may change.
func (s *stepper) step(w, g []float32, lr float32) {
	s.t++
	if s.WeightDecay > 0 && s.Kind != AdamW {
		kernel.Axpy(g, s.WeightDecay, w)
	}
	if s.Clip > 0 {
		if norm := math.Sqrt(kernel.SquaredNorm(g)); norm > float64(s.Clip) {
			kernel.Scale(g, float32(float64(s.Clip)/norm))
		}
	}
	switch s.Kind {
	case SGD:
		kernel.Axpy(w, -lr, g)
	case Momentum:
		kernel.Momentum(w, s.m, g, s.Momentum, lr)
	case Nesterov:
		kernel.Nesterov(w, s.m, g, s.Momentum, lr)
	default:
		s.adam(w, g, lr)
	}
}

func (s *stepper) adam(w, g []float32, lr float32) {
	b1, b2 := s.Momentum, s.Beta2
	// The bias corrections go into the rate and into epsilon, which saves two
	// divisions for each parameter.
	c1 := 1 - math.Pow(float64(b1), float64(s.t))
	c2 := math.Sqrt(1 - math.Pow(float64(b2), float64(s.t)))
	rate := float32(float64(lr) * c2 / c1)
	epsilon := float32(float64(s.Epsilon) * c2)
	decay := float32(1)
	if s.Kind == AdamW {
		decay = 1 - lr*s.WeightDecay
	}
	kernel.Adam(w, s.m, s.v, g, kernel.AdamStep{Beta1: b1, Beta2: b2, Rate: rate, Epsilon: epsilon, Decay: decay})
}
