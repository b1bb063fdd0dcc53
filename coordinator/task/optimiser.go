package task

import (
	"slices"
	"strings"

	"fedtab/learn"
)

// Optimiser configures the optimiser of local training; docs/models.md has the
// formulas. Its state is reset for every order.
type Optimiser struct {
	Kind        string  `yaml:"kind" help:"of local training; its state is reset for every order"`
	Momentum    float64 `yaml:"momentum,omitempty" help:"or Adam's beta_1; 0 turns it off"`
	Beta2       float64 `yaml:"beta2,omitempty" help:"Adam's beta_2"`
	Epsilon     float64 `yaml:"epsilon,omitempty" help:"Adam's epsilon"`
	WeightDecay float64 `yaml:"weight_decay,omitempty" help:"share of the weights that a step takes off; left out: none"`
	Clip        float64 `yaml:"clip,omitempty" help:"max norm of a gradient; left out: none"`
	Schedule    string  `yaml:"schedule,omitempty" help:"of the learning rate within an order; left out: constant"`
	Every       int     `yaml:"every,omitempty" help:"steps; required by step, exponential and inverse"`
	Factor      float64 `yaml:"factor,omitempty" help:"required by step and exponential; of cosine, where the rate ends"`
	Warmup      int     `yaml:"warmup,omitempty" help:"steps in which the rate rises linearly to strategy.lr"`
}

// optimisersWith are the kinds that have each setting.
var optimisersWith = map[string][]string{
	"momentum": {"momentum", "nesterov", "adam", "adamw"},
	"beta2":    {"adam", "adamw"},
	"epsilon":  {"adam", "adamw"},
}

// uses reports whether o has a setting whose zero is not its default.
func (o Optimiser) uses(field string) bool { return slices.Contains(optimisersWith[field], o.Kind) }

func (o *Optimiser) fill() {
	for field, v := range map[string]*float64{"momentum": &o.Momentum, "beta2": &o.Beta2, "epsilon": &o.Epsilon} {
		if !o.uses(field) {
			*v = 0
		}
	}
}

// Learn returns o for the training loop.
func (o Optimiser) Learn() learn.Optimiser {
	// In package learn and in messages 0 stands for the default. A value that is
	// absorbed in single precision stands for 0.
	share := func(field string, v float64) float32 {
		if o.uses(field) {
			v = max(v, 1e-20)
		}
		return float32(v)
	}
	kinds, schedules := learn.OptimiserNames()
	return learn.Optimiser{
		Kind: learn.OptimiserKind(max(slices.Index(kinds, o.Kind), 0)), Momentum: share("momentum", o.Momentum), Beta2: share("beta2", o.Beta2),
		Epsilon: float32(o.Epsilon), WeightDecay: float32(o.WeightDecay), Clip: float32(o.Clip),
		Schedule: learn.ScheduleKind(max(slices.Index(schedules, o.Schedule), 0)), Every: o.Every, Factor: float32(o.Factor), Warmup: o.Warmup,
	}
}

func (d *decoder) optimiser(o Optimiser) {
	kinds, schedules := learn.OptimiserNames()
	ok := d.want(slices.Contains(kinds, o.Kind), "optimiser.kind", quoted(o.Kind), "one of "+strings.Join(kinds, ", "))
	ok = d.want(o.Schedule == "" || slices.Contains(schedules, o.Schedule), "optimiser.schedule", quoted(o.Schedule), "one of "+strings.Join(schedules, ", ")) && ok
	if !ok {
		return
	}
	belongs := func(field string, to ...string) {
		at := o.Kind
		if field == "every" || field == "factor" {
			at = or(o.Schedule, "constant")
		}
		if path := "optimiser." + field; d.has(path) && !slices.Contains(to, at) {
			d.wrong(path, path+" does not belong to "+quoted(at)+" (it belongs to "+strings.Join(to, ", ")+")")
		}
	}
	for _, field := range []string{"momentum", "beta2", "epsilon"} {
		belongs(field, optimisersWith[field]...)
	}
	belongs("every", "step", "exponential", "inverse")
	belongs("factor", "step", "exponential", "cosine")
	d.want(o.Momentum >= 0 && float32(o.Momentum) < 1, "optimiser.momentum", o.Momentum, "0 <= momentum < 1"+single)
	d.want(o.Beta2 >= 0 && float32(o.Beta2) < 1, "optimiser.beta2", o.Beta2, "0 <= beta2 < 1"+single)
	d.want(positiveSingle(o.Epsilon) && o.Epsilon < 1, "optimiser.epsilon", o.Epsilon, "1e-37 <= epsilon < 1")
	d.want(o.WeightDecay == 0 || positiveSingle(o.WeightDecay) && float32(o.WeightDecay) < 1, "optimiser.weight_decay", o.WeightDecay, "0, or 1e-37 <= weight_decay < 1")
	d.want(!d.has("optimiser.clip") || positiveSingle(o.Clip), "optimiser.clip", o.Clip, "1e-37 <= clip <= 1e38")
	// These have no default: it would depend on the number of steps of an order.
	if o.Schedule == "step" || o.Schedule == "exponential" || o.Schedule == "inverse" {
		d.want(o.Every >= 1 && o.Every <= MaxRounds, "optimiser.every", o.Every, "1 <= every <= 1000000")
	}
	switch o.Schedule {
	case "step", "exponential":
		d.want(float32(o.Factor) > 0 && o.Factor <= 1, "optimiser.factor", o.Factor, "0 < factor <= 1")
	case "cosine":
		d.want(o.Factor >= 0 && o.Factor <= 1, "optimiser.factor", o.Factor, "0 <= factor <= 1")
	}
	d.want(o.Warmup >= 0 && o.Warmup <= MaxRounds, "optimiser.warmup", o.Warmup, "0 <= warmup <= 1000000")
}
