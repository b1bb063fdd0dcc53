package run

import (
	"reflect"
	"testing"

	"fedtab/client"
	"fedtab/learn"
	"fedtab/protocol"
	"fedtab/strategy"
)

// A client gets the coordinator's model and optimiser: every setting survives the
// wire.
func TestWireKeepsModelAndOptimiser(t *testing.T) {
	spec := learn.Spec{Input: []int{6, 6}, Loss: learn.Hinge, Epsilon: .5, L1: .25, L2: .125, Layers: []learn.Layer{
		{Kind: learn.Conv, Units: 3, Size: 3, Stride: 2, Same: true, Activation: learn.GELU}, {Kind: learn.MaxPool, Size: 2},
		{Kind: learn.Dropout, Rate: .5}, {Kind: learn.RBF, Units: 4, Gamma: .25, Seed: 9}, {Kind: learn.Dense, Units: 2},
	}}
	frame := protocol.Append(nil, &protocol.Welcome{Model: specMessage(spec)})
	m, err := protocol.Decode(frame)
	if err != nil {
		t.Fatal(err)
	}
	if got := client.SpecOf(m.(*protocol.Welcome).Model); !reflect.DeepEqual(got, spec) {
		t.Errorf("got  %+v\nwant %+v", got, spec)
	}
	want := learn.Optimiser{
		Kind: learn.AdamW, Momentum: .5, Beta2: .25, Epsilon: .125, WeightDecay: .0625, Clip: 3,
		Schedule: learn.StepDecay, Every: 7, Factor: .5, Warmup: 11,
	}
	o := &protocol.Order{Seed: 5, Hyper: protocol.Hyper{Epochs: 2, Batch: 3, LR: .5}}
	setOptimiser(&o.Hyper, want)
	if m, err = protocol.Decode(protocol.Append(nil, o)); err != nil {
		t.Fatal(err)
	}
	cfg := learn.FitConfig{Epochs: 2, Batch: 3, LR: .5, Seed: 5, Optimiser: want}
	if got := client.FitOf(m.(*protocol.Order)); !reflect.DeepEqual(got, cfg) {
		t.Errorf("got  %+v\nwant %+v", got, cfg)
	}
}

// The orders of a run that is to be reproducible say so.
func TestReproducibleOrders(t *testing.T) {
	for _, want := range []bool{false, true} {
		f := newFixture(t, func(c *Config, _ *strategy.Config) { c.Reproducible = want })
		c := f.enter(t, able())
		f.enter(t, able())
		if o := last[*protocol.Order](c.fakePeer); o == nil || o.Hyper.Reproducible != want {
			t.Errorf("the order is %+v, want reproducible %v", o, want)
		}
	}
}
