package faults

import (
	"math/rand/v2"
	"time"

	"fedtab/coordinator/run"
	"fedtab/protocol"
	"fedtab/strategy"
)

// drawFedAvg draws a federated averaging that clients of whom three behave can
// finish.
func drawFedAvg(draw *rand.Rand, clients int) Scheme {
	cfg := strategy.Config{
		Kind: "fedavg", Fraction: draw.Float64(), Epochs: 1 + int(draw.Uint64N(2)), Batch: int(draw.Uint64N(3)), LR: .1,
		MinClients: 1 + int(draw.Uint64N(uint64(min(clients, 3)))), MinReports: int(draw.Uint64N(4)),
		Deadline: time.Duration(5+draw.Uint64N(60)) * time.Second,
	}
	if draw.Uint64N(4) == 0 {
		cfg.ServerLR = 2 * draw.Float64()
	}
	rate := cfg.WithDefaults().ServerLR
	return Scheme{
		New: func(seed uint64) (strategy.Strategy, error) {
			return strategy.New(cfg, strategy.Setup{Seed: seed, MinCohort: 2})
		},
		// base + rate x the weighted mean of the deltas.
		Combine: func(base []float32, given []Given, most uint64) ([]float32, error) {
			sum, err := strategy.NewSum(len(base), run.MaxParticipants*float64(most)*protocol.MaxDelta)
			if err != nil {
				return nil, err
			}
			for _, g := range given {
				sum.Add(g.Delta, float64(g.Weight))
			}
			next := make([]float32, len(base))
			return next, sum.Mean(next, base, rate)
		},
	}
}
