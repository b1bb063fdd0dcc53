package simulate

import (
	"math"
	"testing"

	"fedtab/client"
)

// moved runs a task with float32 vectors and returns the difference of the final
// model from version 0, and the result.
func moved(t *testing.T, name string, sets ...string) (delta []float64, result *Result) {
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
		delta = append(delta, float64(res.Model[i])-float64(x))
	}
	return delta, res
}

// sameDelta fails if two deltas differ by more than 1e-4 of their norm, that of the
// delta and not of the model. The tolerance is for float32: each client rounds its
// model, and the coordinator the sum, which makes about 1e-6. A hidden unit that is zero
// but for rounding, for one example, makes up to 5e-5.
func sameDelta(t *testing.T, what string, got, want []float64) {
	t.Helper()
	var off, length float64
	for i, w := range want {
		off += (got[i] - w) * (got[i] - w)
		length += w * w
	}
	off = math.Sqrt(off / length)
	if !(off <= 1e-4) || length == 0 {
		t.Errorf("%s: relative error %.2g of a delta of norm %.2g, want at most 1e-4", what, off, math.Sqrt(length))
	} else {
		t.Logf("%s: relative error %.2g", what, off)
	}
}

const unequal = "data.partition={kind: power-law, exponent: 1, clients: 20}"

// Each client takes one step of rate eta on the mean loss of its data. The average
// of the models, weighted by examples, is then one step of rate eta on the union, at
// any sizes (Kamp et al. 2018, Proposition 3, for mean losses).
func TestAverageOfOneStepIsOneOnTheUnion(t *testing.T) {
	one := []string{"strategy.batches=1", "strategy.batch=0", "stop.rounds=1"}
	union, _ := moved(t, "mnist-central", append(one, "strategy.epochs=")...)
	for _, partition := range []string{unequal, "data.partition={kind: shards, clients: 20, shards_per_client: 2}"} {
		average, _ := moved(t, "mnist-periodic", append(one, partition, "strategy.max_weight=.inf", "strategy.clip=none")...)
		sameDelta(t, partition, average, union)
	}
}

// With m clients of equal size, lr_scale: linear at eta is a local rate of eta m, in
// every round of one step, and so recorded.
func TestLinearScaleIsTheLocalRate(t *testing.T) {
	sets := []string{"strategy.batches=1", "stop.rounds=3", "strategy.clip=none"} // of 10 clients
	scaled, res := moved(t, "mnist-periodic", append(sets, "strategy.lr=0.02", "strategy.lr_scale=linear")...)
	local, _ := moved(t, "mnist-periodic", append(sets, "strategy.lr=0.2")...)
	sameDelta(t, "linear", scaled, local)
	if got := *res.Rounds[2].Rate; math.Abs(got-.2) > 1e-12 {
		t.Errorf("recorded rate is %g, want 0.2", got)
	}
}

// Periodic averaging after every mini-batch equals distributed mini-batch: the
// clients draw the same batches, and the average of their models is a step along the
// mean of their gradients. With unequal sizes this holds for batch: 0 only: mini-batch
// weighs equal batches equally, averaging weighs clients by examples.
func TestPeriodicOfOneIsMinibatch(t *testing.T) {
	for _, test := range []struct {
		name string
		sets []string
	}{
		{"batches of ten, equal shares, 30 steps", []string{"stop.rounds=30"}},
		{"all of unequal shares, 2 steps", []string{"stop.rounds=2", "strategy.batch=0", unequal}},
	} {
		test.sets = append(test.sets, "strategy.clip=none") // each has a bound of its own
		models, _ := moved(t, "mnist-periodic", append(test.sets, "strategy.batches=1")...)
		gradients, _ := moved(t, "mnist-minibatch", test.sets...)
		sameDelta(t, test.name, models, gradients)
	}
}
