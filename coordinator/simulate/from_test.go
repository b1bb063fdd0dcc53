package simulate

import (
	"bytes"
	"math"
	"testing"

	"fedtab/run"
	"fedtab/simulation"
)

// A run with any scheme that does not end by itself can begin with a model: its first
// figures are that model's, and it trains on from it as a run does that has begun.
func TestFrom(t *testing.T) {
	for _, test := range small {
		t.Run(test.name, func(t *testing.T) {
			tk, d := open(t, test.name, test.sets...)
			if tk.Strategy.Scheme().Ends {
				t.Skip("its run is over with version 1")
			}
			trained, err := Run(t.Context(), tk, d, Options{})
			if err != nil {
				t.Fatal(err)
			}
			m, err := d.Model(tk)
			if err != nil {
				t.Fatal(err)
			}
			scheme, err := d.Strategy(tk, m, false, tk.Seed)
			if err != nil {
				t.Fatal(err)
			}
			first, err := run.First(run.Config{
				ID: "simulation", Seed: tk.Seed, Model: m, Strategy: scheme, Sums: tk.Strategy.Sums(), MaxScale: tk.Strategy.MaxScale, Packing: tk.Compress.Run(m.Layout().Size),
			}, trained.Model, simulation.Epoch)
			if err != nil {
				t.Fatal(err)
			}
			if first.Round != 1 || len(first.Participants) > 0 || first.Weight != 0 || !math.IsNaN(first.TrainLoss) || first.Ledger != (run.Ledger{}) || !first.Committed.Equal(simulation.Epoch) {
				t.Errorf("the commit of the model is round %d, of %v with weight %v, loss %v, ledger %+v, at %v", first.Round, first.Participants, first.Weight, first.TrainLoss, first.Ledger, first.Committed)
			}
			from := func() *Result {
				saved := &run.Saved{Last: &first, Rounds: []run.RoundRecord{first.Record()}}
				res, err := Run(t.Context(), tk, d, Options{From: saved})
				if err != nil {
					t.Fatal(err)
				}
				return res
			}
			res := from()
			want := d.Evaluator(m)(trained.Model).Figures()
			if r := res.Rounds[0]; r.Round != 1 || r.TestLoss == nil || math.Abs(*r.TestLoss-want.Loss) > 1e-4*max(want.Loss, 1) {
				t.Errorf("it begins with %+v, want version 1 with loss %v", r, want.Loss)
			}
			if loss := res.Final.TestLoss; res.Final.Round < 2 || !(*loss < 1.05**trained.Final.TestLoss) {
				t.Errorf("it ends at version %d with loss %v, want a later one with no more than the %v that it began with", res.Final.Round, *loss, *trained.Final.TestLoss)
			}
			var results [2]bytes.Buffer
			if err := res.WriteJSON(&results[0]); err != nil {
				t.Fatal(err)
			}
			if err := from().WriteJSON(&results[1]); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(results[0].Bytes(), results[1].Bytes()) {
				t.Error("a second run from the model gives another result")
			}
		})
	}
}
