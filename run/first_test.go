package run

import (
	"math"
	"testing"

	"fedtab/compress"
	"fedtab/learn"
	"fedtab/protocol"
	"fedtab/strategy"
)

// given are the parameters of a model that no round has made.
var given = []float32{1.25, -.75, .3, 2, -.0625, .001}

// beginWith sets a run up so that it begins with the given parameters.
func beginWith(t *testing.T, commit *Commit) func(c *Config, s *strategy.Config) {
	return func(c *Config, s *strategy.Config) {
		s.Clip = "none"
		scheme, err := strategy.New(*s, strategy.Setup{Seed: 1, MinCohort: 2})
		if err != nil {
			t.Fatal(err)
		}
		of := *c
		of.Strategy = scheme
		if *commit, err = First(of, given, (&fakeEnv{}).now); err != nil {
			t.Fatal(err)
		}
		c.Saved = &Saved{Last: commit, Rounds: []RoundRecord{commit.Record()}}
	}
}

// Participants get the version that a run begins with as precisely as versions travel, on a
// grid much more so than a round's, and go on with the next.
func TestFirst(t *testing.T) {
	for codec, precision := range map[protocol.Codec]float64{protocol.CodecFloat32: 0, protocol.CodecFloat16: 0x1p-11, protocol.CodecGrid: 0x1p-11} {
		var first Commit
		f := newPacked(t, codec, beginWith(t, &first))
		a, b := f.enter(t, able()), f.enter(t, able())
		a.follow(t)
		b.follow(t)
		version, hash, params := f.Model()
		if version != 1 || a.version != 1 || learn.Hash(a.params) != hash {
			t.Fatalf("%v: the run is at version %d, a participant at %d, with the same parameters: %v", codec, version, a.version, learn.Hash(a.params) == hash)
		}
		for i, x := range params {
			if d := math.Abs(float64(x - given[i])); d > precision*max(math.Abs(float64(given[i])), .5) {
				t.Errorf("%v: parameter %d is %v, want %v", codec, i, x, given[i])
			}
		}
		f.round(t, .1, a, b)
		a.follow(t)
		if version, hash, _ := f.Model(); version != 2 || learn.Hash(a.params) != hash {
			t.Errorf("%v: a participant at version %d of %d does not hold it", codec, a.version, version)
		}
		if g := f.down.grid; g != nil && g.step < 100*first.State[stepVector][0] {
			t.Errorf("the next version has the step %g after %g, want that of a round's change", g.step, first.State[stepVector][0])
		}
	}
}

// The first change of control variates chooses their grid, also after versions without any.
func TestFirstVariates(t *testing.T) {
	var first Commit
	f := newPacked(t, protocol.CodecGrid, func(c *Config, s *strategy.Config) {
		s.Kind, s.Correction, s.Fraction, s.MinClients, c.Sums = "fedavg", "scaffold", 1, 2, 2
		beginWith(t, &first)(c, s)
	})
	const change = 1e-3
	for _, c := range []*holder{f.enter(t, able()), f.enter(t, able())} {
		o := last[*protocol.Order](c.fakePeer)
		var vectors []protocol.Vector
		for _, role := range []protocol.Role{protocol.RoleDelta, protocol.RoleControl} {
			v := make([]float32, f.n)
			for i := range v {
				v[i] = change
			}
			vectors = append(vectors, protocol.Vector{Role: role, BaseHash: o.BaseHash, Block: compress.AppendFloat32(nil, v)})
		}
		if got := f.offer(c.number, c.fakePeer, &protocol.Contribution{Order: o.Order, Round: o.Round, Weight: 10, Metrics: protocol.Metrics{Steps: 1}, Vectors: vectors}); got != protocol.ReasonAccepted {
			t.Fatalf("participant %d: %v", c.number, got)
		}
	}
	if version, _, _ := f.Model(); version != 2 {
		t.Fatalf("version %d, want 2", version)
	}
	for i, x := range f.down.variate {
		if math.Abs(float64(x)-change) > change {
			t.Errorf("value %d of the control variate is %v, want about %v", i, x, change)
		}
	}
	if step := float64(f.down.variates.step); step > change || step < change/100 {
		t.Errorf("the grid of control variates has the step %g, want that of a change of %g", step, change)
	}
}

// A version that a run begins with is evaluated, whatever the distance of evaluations.
func TestFirstIsEvaluated(t *testing.T) {
	var first Commit
	f := newFixture(t, func(c *Config, s *strategy.Config) {
		c.EvalEvery = 10
		c.Evaluate = func(params []float32) learn.Metrics { return learn.Metrics{Examples: 1} }
		beginWith(t, &first)(c, s)
	})
	if e := f.State().Evaluated; e == nil || e.Version != 1 {
		t.Errorf("evaluated: %+v, want version 1", e)
	}
}
