package simulate

import (
	"math"
	"testing"

	"fedtab/client"
)

// moved runs a task with raw vectors and returns the way that its model has made
// from the one of its seed, and the rest of the result.
func moved(t *testing.T, name string, sets ...string) (way []float64, result *Result) {
	t.Helper()
	sets = append(append([]string{"model.hidden=[20]", "stop.accuracy=", "eval_every=100"}, raw...), sets...)
	tk, d := open(t, name, sets...)
	res, err := Run(t.Context(), tk, d, Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := d.Model(tk)
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range client.OwnModels().Initial(m, tk.Seed) {
		way = append(way, float64(res.Model[i])-float64(x))
	}
	return way, res
}

// sameWay says that two ways differ by no more than 1e-5 of their length: that of
// the step alone, not of the model. What is left is float32: each client rounds
// its model, and the coordinator the sum.
func sameWay(t *testing.T, what string, got, want []float64) {
	t.Helper()
	var off, length float64
	for i, w := range want {
		off += (got[i] - w) * (got[i] - w)
		length += w * w
	}
	off = math.Sqrt(off / length)
	if !(off <= 1e-5) || length == 0 {
		t.Errorf("%s: off by %.2g of a way of %.2g, want at most 1e-5", what, off, math.Sqrt(length))
	} else {
		t.Logf("%s: off by %.2g of the way", what, off)
	}
}

const unequal = "data.partition={kind: power-law, exponent: 1, clients: 20}"

// The average, weighted by examples, of models that have each taken one step of
// rate eta on the mean loss of their own data is one step of the same eta on the
// union, however unequal the shares are (Kamp et al. 2018, Proposition 3, for mean
// losses).
func TestAverageOfOneStepIsOneOnTheUnion(t *testing.T) {
	one := []string{"strategy.batches=1", "strategy.batch=0", "stop.rounds=1"}
	union, _ := moved(t, "mnist-central", append(one, "strategy.epochs=")...)
	for _, partition := range []string{unequal, "data.partition={kind: shards, clients: 20, shards_per_client: 2}"} {
		average, _ := moved(t, "mnist-periodic", append(one, partition)...)
		sameWay(t, partition, average, union)
	}
}

// Where all have the same number of examples, lr_scale: linear at eta is a local
// rate of eta m, round after round of one step each, and the record says so.
func TestLinearScaleIsTheLocalRate(t *testing.T) {
	sets := []string{"strategy.batches=1", "stop.rounds=3"} // of 10 clients
	scaled, res := moved(t, "mnist-periodic", append(sets, "strategy.lr=0.02", "strategy.lr_scale=linear")...)
	local, _ := moved(t, "mnist-periodic", append(sets, "strategy.lr=0.2")...)
	sameWay(t, "linear", scaled, local)
	if got := *res.Rounds[2].Rate; math.Abs(got-.2) > 1e-12 {
		t.Errorf("the record has the rate %g, want 0.2", got)
	}
}

// Periodic averaging after every mini-batch is distributed mini-batch: the same
// clients draw the same batches, and averaging the models that they lead to is the
// step of their mean gradient. With batch: 0 that holds of unequal shares too; a
// mini-batch of ten from everybody would weigh alike here, and there by how many
// examples a client has.
func TestPeriodicOfOneIsMinibatch(t *testing.T) {
	for _, test := range []struct {
		name string
		sets []string
	}{
		{"batches of ten, equal shares, 30 steps", []string{"stop.rounds=30"}},
		{"all of unequal shares, 2 steps", []string{"stop.rounds=2", "strategy.batch=0", unequal}},
	} {
		models, _ := moved(t, "mnist-periodic", append(test.sets, "strategy.batches=1")...)
		gradients, _ := moved(t, "mnist-minibatch", test.sets...)
		sameWay(t, test.name, models, gradients)
	}
}
