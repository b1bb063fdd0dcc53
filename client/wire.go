package client

import (
	"fedtab/learn"
	"fedtab/protocol"
)

// SpecOf returns the model that a welcome describes.
func SpecOf(m protocol.ModelSpec) learn.Spec {
	s := learn.Spec{Loss: learn.Loss(m.Loss), Epsilon: m.Epsilon, L1: m.L1, L2: m.L2, ClassWeights: m.ClassWeights}
	for _, n := range m.Input {
		s.Input = append(s.Input, int(n))
	}
	for _, l := range m.Layers {
		s.Layers = append(s.Layers, learn.Layer{
			Kind: learn.LayerKind(l.Kind), Units: int(l.Units), Activation: learn.Activation(l.Activation),
			Size: int(l.Size), Stride: int(l.Stride), Same: l.Same, Rate: l.Rate, Gamma: l.Gamma, Seed: l.Seed,
		})
	}
	return s
}

// FitOf returns what an order says of training.
func FitOf(o *protocol.Order) learn.FitConfig {
	h := &o.Hyper
	return learn.FitConfig{
		Epochs: int(h.Epochs), Steps: int(h.Steps), Batch: int(h.Batch), LR: h.LR, Seed: o.Seed,
		Prox: h.Prox, SumOnly: o.Kind == protocol.OrderGradient,
		Optimiser: learn.Optimiser{
			Kind: learn.OptimiserKind(h.Optimiser), Momentum: h.Momentum, Beta2: h.Beta2, Epsilon: h.Epsilon,
			WeightDecay: h.WeightDecay, Clip: h.Clip,
			Schedule: learn.ScheduleKind(h.Schedule), Every: int(h.Every), Factor: h.Factor, Warmup: int(h.Warmup),
		},
	}
}
