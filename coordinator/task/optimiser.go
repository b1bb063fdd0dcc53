package task

import (
	"slices"
	"strings"

	"fedtab/learn"
)

// Optimiser says how local training turns gradients into steps. docs/models.md
// has the formulas. Its state begins anew with every order.
type Optimiser struct {
	Kind        string  `yaml:"kind"`                   // "sgd" (default), "momentum", "nesterov", "adam" or "adamw"
	Momentum    float64 `yaml:"momentum,omitempty"`     // or Adam's beta_1; default 0.9
	Beta2       float64 `yaml:"beta2,omitempty"`        // adam, adamw; default 0.999
	Epsilon     float64 `yaml:"epsilon,omitempty"`      // adam, adamw; default 1e-8
	WeightDecay float64 `yaml:"weight_decay,omitempty"` // default none
	Clip        float64 `yaml:"clip,omitempty"`         // largest norm of a gradient; default any
	Schedule    string  `yaml:"schedule,omitempty"`     // "constant" (default), "step", "exponential", "cosine" or "inverse"
	Every       int     `yaml:"every,omitempty"`        // steps, of step, exponential and inverse
	Factor      float64 `yaml:"factor,omitempty"`       // of step, exponential and cosine
	Warmup      int     `yaml:"warmup,omitempty"`       // steps in which the rate rises to strategy.lr
}

// Learn returns o for the training loop.
func (o Optimiser) Learn() learn.Optimiser {
	kinds, schedules := learn.OptimiserNames()
	return learn.Optimiser{
		Kind: learn.OptimiserKind(max(slices.Index(kinds, o.Kind), 0)), Momentum: float32(o.Momentum), Beta2: float32(o.Beta2),
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
	belongs("momentum", "momentum", "nesterov", "adam", "adamw")
	belongs("beta2", "adam", "adamw")
	belongs("epsilon", "adam", "adamw")
	belongs("every", "step", "exponential", "inverse")
	belongs("factor", "step", "exponential", "cosine")
	d.want(o.Momentum >= 0 && o.Momentum < 1, "optimiser.momentum", o.Momentum, "0 < momentum < 1")
	d.want(o.Beta2 >= 0 && o.Beta2 < 1, "optimiser.beta2", o.Beta2, "0 < beta2 < 1")
	d.want(o.Epsilon >= 0 && o.Epsilon < 1, "optimiser.epsilon", o.Epsilon, "0 < epsilon < 1")
	d.want(o.WeightDecay >= 0 && o.WeightDecay < 1, "optimiser.weight_decay", o.WeightDecay, "0 <= weight_decay < 1")
	d.want(o.Clip >= 0, "optimiser.clip", o.Clip, "clip > 0")
	d.want(o.Every >= 0 && o.Every <= MaxRounds, "optimiser.every", o.Every, "1 <= every <= 1000000")
	d.want(o.Factor >= 0 && o.Factor <= 1, "optimiser.factor", o.Factor, "0 <= factor <= 1")
	d.want(o.Warmup >= 0 && o.Warmup <= MaxRounds, "optimiser.warmup", o.Warmup, "0 <= warmup <= 1000000")
}
