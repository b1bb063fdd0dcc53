package run

import (
	"math"
	"testing"
	"time"

	"fedtab/compress"
	"fedtab/protocol"
	"fedtab/strategy"
)

// tiny is a typical magnitude of an update late in training.
const tiny = 7e-6

// Without shards a weight may be up to protocol.MaxWeight. Ten updates of 7e-6 still
// move the model by 7e-6, in every scheme.
func TestTinyUpdatesWithoutShards(t *testing.T) {
	const clients = 10
	for _, c := range []struct {
		name   string
		config strategy.Config
		weight uint64
		within float64 // of 1: rounding of ten contributions
	}{
		{"fedbuff", strategy.Config{Kind: "fedbuff", Own: strategy.FedBuffSettings{Buffer: clients}}, 1, 1e-6},
		{"scaffold", strategy.Config{Kind: "fedavg", Fraction: 1, Correction: "scaffold"}, 1, 1e-6},
		{"fedavg, one example each", strategy.Config{Kind: "fedavg", Fraction: 1}, 1, 2e-3},
		{"fedavg, the largest weight", strategy.Config{Kind: "fedavg", Fraction: 1}, protocol.MaxWeight, 1e-6},
		{"periodic, one example each", strategy.Config{Kind: "periodic"}, 1, 2e-3},
		{"minibatch, one example each", strategy.Config{Kind: "minibatch", Fraction: 1}, 1, 2e-3},
		{"daisy, one example each", strategy.Config{Kind: "daisy", Own: strategy.DaisySettings{AverageEvery: 1}}, 1, 2e-3},
		{"dynamic, one example each", strategy.Config{Kind: "dynamic", Batches: 1}, 1, 2e-3},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, func(cfg *Config, s *strategy.Config) {
				*s = c.config
				s.LR, s.MinClients, s.Deadline = 1, clients, time.Minute
				cfg.Shards = Shards{}
				cfg.Sums, cfg.MaxScale = s.Sums(), s.MaxScale
			})
			peers := make([]*fakePeer, clients)
			for i := range peers {
				_, peers[i] = f.join(t)
			}
			_, _, base := f.Model()
			want := float64(tiny)
			for i, p := range peers {
				o := last[*protocol.Order](p)
				answer := f.contribution(o, tiny, c.weight)
				switch {
				case o.Kind == protocol.OrderKind(strategy.Gradient):
					answer = f.contribution(o, tiny*float32(c.weight), c.weight)
					answer.Vectors[0].Role = protocol.RoleGradient
					want = -tiny
				case o.Hyper.Control:
					control := answer.Vectors[0]
					control.Role, control.BaseHash = protocol.RoleControl, nil
					answer.Vectors = append(answer.Vectors, control)
				}
				offer := Inspect(answer, 2, func(v *protocol.Vector, _ int) ([]float32, error) {
					values := make([]float32, f.n)
					return values, compress.Decode(v.Codec, values, v.Block)
				})
				f.Offer(uint32(i+1), p, offer)
				if ack := last[*protocol.Ack](p); ack == nil || ack.Reason != protocol.ReasonAccepted {
					t.Fatalf("answer %d: %+v", i+1, ack)
				}
			}
			f.env.advance(time.Second) // dynamic averaging gathers violations
			version, _, next := f.Model()
			if version != 1 {
				t.Fatalf("version %d", version)
			}
			for i := f.n - 2; i < f.n; i++ { // the biases, which begin at 0
				if got := float64(next[i] - base[i]); base[i] != 0 || math.Abs(got/want-1) > c.within {
					t.Errorf("parameter %d moves from %g by %g, want %g", i, base[i], got, want)
				}
			}
		})
	}
}

// With shards the resolution of the sums does not depend on the cohort's size, so
// that the results of simulations do not either.
func TestSumsWithShards(t *testing.T) {
	f := newFixture(t, nil)
	before := f.bound(MaxParticipants)
	f.size(strategy.Size{Adds: 2})
	if f.attempt.maxAdds != 0 || before != MaxParticipants*40*protocol.MaxDelta {
		t.Errorf("sums for %d contributions, up to %g", f.attempt.maxAdds, before)
	}
}

// More contributions than announced would overflow the sums.
func TestMoreAddsThanAnnounced(t *testing.T) {
	f := newFixture(t, func(cfg *Config, s *strategy.Config) { cfg.Shards, s.MinClients = Shards{}, 2 })
	a, pa := f.join(t)
	f.join(t)
	f.attempt.maxAdds, f.attempt.adds = 2, 2
	defer func() {
		if recover() == nil {
			t.Error("a third contribution of two is added")
		}
	}()
	f.offer(a, pa, f.contribution(last[*protocol.Order](pa), 1, 10))
}
