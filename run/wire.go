package run

import (
	"fedtab/learn"
	"fedtab/protocol"
	"fedtab/strategy"
)

// specMessage returns the wire form of a model's spec.
func specMessage(s learn.Spec) protocol.ModelSpec {
	m := protocol.ModelSpec{Loss: protocol.Loss(s.Loss), Epsilon: s.Epsilon, L1: s.L1, L2: s.L2, ClassWeights: s.ClassWeights}
	for _, n := range s.Input {
		m.Input = append(m.Input, uint32(n))
	}
	for _, l := range s.Layers {
		m.Layers = append(m.Layers, protocol.Layer{
			Kind: protocol.LayerKind(l.Kind), Units: uint32(l.Units), Activation: protocol.Activation(l.Activation),
			Size: uint32(l.Size), Stride: uint32(l.Stride), Same: l.Same, Rate: l.Rate, Gamma: l.Gamma, Seed: l.Seed,
		})
	}
	return m
}

// setOptimiser writes an optimiser to the wire form.
func setOptimiser(h *protocol.Hyper, o learn.Optimiser) {
	h.Optimiser, h.Momentum, h.Beta2, h.Epsilon = protocol.Optimiser(o.Kind), o.Momentum, o.Beta2, o.Epsilon
	h.WeightDecay, h.Clip = o.WeightDecay, o.Clip
	h.Schedule, h.Every, h.Factor, h.Warmup = protocol.Schedule(o.Schedule), uint32(o.Every), o.Factor, uint32(o.Warmup)
}

// payloadMessages returns the wire form of the payloads of an order.
func payloadMessages(payloads []strategy.Payload) (out []protocol.Payload) {
	for _, p := range payloads {
		out = append(out, protocol.Payload{
			Kind: protocol.PayloadKind(p.Kind), Name: p.Name, Bits: uint32(p.Bits), Count: uint64(p.Count), MaxBytes: uint64(p.MaxBytes),
		})
	}
	return out
}
