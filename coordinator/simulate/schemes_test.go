package simulate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"strconv"
	"testing"

	"fedtab/coordinator/account"
	"fedtab/coordinator/dataset"
	"fedtab/coordinator/task"
	"fedtab/run"
)

func open(t testing.TB, name string, sets ...string) (*task.Task, *dataset.Dataset) {
	t.Helper()
	tk, err := task.Find(name, sets)
	if err != nil {
		t.Fatal(err)
	}
	d, err := dataset.Open(tk)
	if err != nil {
		t.Fatal(err)
	}
	return tk, d
}

func simulate(t testing.TB, name string, sets ...string) *Result {
	t.Helper()
	tk, d := open(t, name, sets...)
	res, err := Run(t.Context(), tk, d, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// small are shipped tasks, one for each strategy, cut down to short runs.
var small = []struct {
	name string
	sets []string
}{
	{"mnist-central", []string{"model.hidden=[]", "strategy.epochs=", "strategy.batches=300", "stop.rounds=3"}},
	{"mnist-minibatch", []string{"model.hidden=[20]", "stop.rounds=20", "eval_every=10", "strategy.server=adam"}},
	{"mnist-oneshot", []string{"model.hidden=[]", "strategy.epochs=", "strategy.batches=100"}},
	{"mnist-periodic", []string{"model.hidden=[20]", "stop.rounds=10"}},
	{"mnist-fedavgm", []string{"model.hidden=[]", "data.partition.clients=1000", "strategy.fraction=.02", "stop.rounds=4"}},
	{"mnist-scaffold", []string{"data.partition.clients=1000", "strategy.fraction=.02", "strategy.batch=20", "strategy.epochs=2", "stop.rounds=4"}},
	{"mnist-dynamic", []string{"model.hidden=[20]", "strategy.delta=.2", "stop.rounds=", "stop.steps=160"}},
	{"mnist-fedbuff", []string{"model.hidden=[]", "data.partition.clients=1000", "strategy.fraction=.02", "stop.rounds=5"}},
	{"mnist-robust", []string{"model.hidden=[]", "data.partition.clients=1000", "strategy.fraction=.02", "stop.rounds=4"}},
	{"anes96", []string{"stop.rounds=5"}},
	{"anes96", []string{"stop.rounds=5", "strategy.combine=trimmed-mean", "strategy.prox=.1"}},
	{"anes96", []string{"stop.rounds=5", "strategy.correction=fednova"}},
	{"anes96-daisy", []string{"stop.rounds=3"}},
	{"mnist-periodic", []string{"model.hidden=[20]", "strategy=", "strategy={kind: daisy, batches: 4, batch: 10, lr: 0.1, average_every: 3}", "stop={rounds: 3}"}},
	{"anes96-radon", nil},
}

// With every strategy, one seed gives the same result, byte for byte, on one core and
// on two, and the model learns.
func TestStrategiesAreDeterministic(t *testing.T) {
	for _, test := range small {
		t.Run(test.name, func(t *testing.T) {
			tk, d := open(t, test.name, test.sets...)
			var results [2][]byte
			for i := range results {
				func() {
					defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(i + 1))
					var rows bytes.Buffer
					res, err := Run(t.Context(), tk, d, Options{Ledger: &rows})
					if err != nil {
						t.Fatal(err)
					}
					var b bytes.Buffer
					if err := res.WriteJSON(&b); err != nil {
						t.Fatal(err)
					}
					results[i] = b.Bytes()
					if i > 0 {
						return
					}
					if loss := res.Final.TestLoss; tk.Strategy.Kind != "dynamic" && (res.Final.Round == 0 || loss == nil || !(*loss < math.Log(10))) {
						t.Errorf("it ends with version %d and test loss %v, want a smaller loss than at the start", res.Final.Round, loss)
					}
					var up, down int64
					for _, r := range res.Rounds {
						up, down = up+r.ModelsUp, down+r.ModelsDown
					}
					if up > res.Final.ModelsUp || down > res.Final.ModelsDown {
						t.Errorf("%d models up and %d down in the rounds, %d and %d in all", up, down, res.Final.ModelsUp, res.Final.ModelsDown)
					}
					checkAccounts(t, res, &rows)
				}()
			}
			if !bytes.Equal(results[0], results[1]) {
				t.Error("two cores give another result than one")
			}
		})
	}
}

// checkAccounts checks that the clients' accounts by round add up to those of the
// whole run, and these to the run's.
func checkAccounts(t *testing.T, res *Result, rows io.Reader) {
	t.Helper()
	sum := make([]Account, res.Clients)
	for d := json.NewDecoder(rows); ; {
		var a Account
		if err := d.Decode(&a); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if a.Round == 0 || a.Round > res.Final.Round+1 {
			t.Fatalf("an account in round %d of %d", a.Round, res.Final.Round)
		}
		addAccount(t, &sum[a.Client-1], a)
	}
	var total Account
	for i, a := range res.Accounts {
		if s := sum[i]; s.BytesUp != a.BytesUp || s.BytesDown != a.BytesDown || s.ModelsUp != a.ModelsUp || s.ModelsDown != a.ModelsDown {
			t.Fatalf("client %d: its rounds add up to %+v, its account is %+v", a.Client, s, a)
		}
		addAccount(t, &total, a)
	}
	if f := res.Final; total.BytesUp != f.BytesUp || total.BytesDown != f.BytesDown || total.ModelsUp != f.ModelsUp || total.ModelsDown != f.ModelsDown {
		t.Errorf("the clients add up to %+v, the run has %+v", total, f)
	}
}

func addAccount(t *testing.T, sum *Account, a Account) {
	t.Helper()
	var kinds run.Traffic
	if err := account.ParseKinds(&kinds, string(a.Kinds)); err != nil {
		t.Fatal(err)
	}
	for _, k := range kinds.Kinds {
		kinds.Up, kinds.Down = kinds.Up+k.Up, kinds.Down+k.Down
	}
	if kinds.Up != a.BytesUp || kinds.Down != a.BytesDown {
		t.Fatalf("client %d: kinds add up to %d and %d, the account is %+v", a.Client, kinds.Up, kinds.Down, a)
	}
	sum.BytesUp, sum.BytesDown = sum.BytesUp+a.BytesUp, sum.BytesDown+a.BytesDown
	sum.ModelsUp, sum.ModelsDown = sum.ModelsUp+a.ModelsUp, sum.ModelsDown+a.ModelsDown
}

// raw makes a task send float32 vectors.
var raw = []string{"compress.up.codec=float32", "compress.down.codec=float32"}

// With Delta = 0, dynamic averaging equals periodic averaging, bit for bit, with the
// same number of models.
func TestDynamicZeroIsPeriodic(t *testing.T) {
	sets := append([]string{"model.hidden=[20]", "stop.rounds=8", "eval_every=8"}, raw...)
	periodic := simulate(t, "mnist-periodic", sets...)
	dynamic := simulate(t, "mnist-dynamic", append(sets, "strategy.delta=0")...)
	if dynamic.ModelSHA256 != periodic.ModelSHA256 || *dynamic.Final.TestLoss != *periodic.Final.TestLoss {
		t.Errorf("model %s with loss %g, want periodic averaging's %s with %g",
			dynamic.ModelSHA256, *dynamic.Final.TestLoss, periodic.ModelSHA256, *periodic.Final.TestLoss)
	}
	if d, p := dynamic.Final, periodic.Final; d.ModelsUp != p.ModelsUp || d.ModelsDown != p.ModelsDown {
		t.Errorf("%d models up and %d down, periodic averaging needs %d and %d", d.ModelsUp, d.ModelsDown, p.ModelsUp, p.ModelsDown)
	}
}

// checks runs dynamic averaging and returns its checks.
func checks(t *testing.T, sets ...string) ([]Check, *Result) {
	t.Helper()
	res := simulate(t, "mnist-dynamic", append([]string{"model.hidden=[20]", "stop.rounds=", "stop.accuracy=", "eval_every=1"}, sets...)...)
	return res.Checks, res
}

// With Delta = infinity, no model is sent.
func TestDynamicInfinity(t *testing.T) {
	states, res := checks(t, "strategy.delta=.inf", "stop.steps=80", "eval_every=10")
	if res.Final.ModelsUp != 0 || res.Final.ModelsDown != 0 || res.Final.Round != 0 {
		t.Errorf("%d models up, %d down, version %d; want none", res.Final.ModelsUp, res.Final.ModelsDown, res.Final.Round)
	}
	if len(states) != 1 || states[0].Steps != 80 || !(states[0].Distance > states[0].Divergence) {
		t.Errorf("checks %+v, want one after 80 mini-batches", states)
	}
}

// After every resolved check, the divergence of the models is at most their distance
// from the reference, and that is at most Delta.
func TestDynamicInvariants(t *testing.T) {
	for _, test := range []struct {
		delta float64
		sets  []string
	}{
		{.05, []string{"strategy.delta=.05"}},
		{.3, []string{"strategy.delta=.3", "data.partition={kind: power-law, exponent: 1, clients: 12}"}},
		{.3, []string{"strategy.delta=.3", "strategy.augment=.5", "strategy.full_share=1", "data.partition={kind: shards, clients: 20, shards_per_client: 2}"}},
	} {
		states, res := checks(t, append(test.sets, "stop.steps=120")...)
		if len(states) != 15 {
			t.Fatalf("%d checks, want 15", len(states))
		}
		for _, c := range states {
			const rounding = 1e-6
			if !(c.Divergence <= c.Distance*(1+rounding)) || !(c.Distance <= test.delta*(1+rounding)) {
				t.Errorf("after %d mini-batches: %g from the mean, %g from the reference, Delta is %g", c.Steps, c.Divergence, c.Distance, test.delta)
			}
		}
		last := states[len(states)-1]
		t.Logf("%v: version %d, %d models up, %d down, loss %.3f", test.sets, last.Version, last.ModelsUp, last.ModelsDown, *last.TestLoss)
		if last.ModelsUp == 0 || last.ModelsDown == 0 || res.Final.Abandoned > 0 {
			t.Errorf("nothing was communicated: %+v", last)
		}
	}
}

// Balancing keeps the mean of all models and reduces their divergence: with raw models to
// rounding, with 4 bits (an NMSE of .0003 for each of two packings) to a thousandth of the
// loss.
func TestDynamicBalancingKeepsTheMean(t *testing.T) {
	t.Run("raw", func(t *testing.T) { balancingKeepsTheMean(t, 1e-5, raw...) })
	t.Run("4 bits", func(t *testing.T) { balancingKeepsTheMean(t, 1e-3, "compress.up.bits=4") })
}

func balancingKeepsTheMean(t *testing.T, most float64, packing ...string) {
	quiet, _ := checks(t, "strategy.delta=.inf", "stop.steps=8")
	d := quiet[0].Distance
	found := false
	for _, factor := range []string{"1.1", "1.02"} {
		states, _ := checks(t, append(packing, "strategy.full_share=1", "strategy.augment=1", "strategy.delta="+times(d, factor), "stop.steps=8")...)
		c := states[0]
		if c.Version > 0 || c.ModelsDown == 0 {
			continue // no violation, or a full synchronisation
		}
		found = true
		if got, want := *c.TestLoss, *quiet[0].TestLoss; math.Abs(got/want-1) > most {
			t.Errorf("Delta = %s d: the mean's loss is %.8f, without balancing %.8f", factor, got, want)
		}
		if c.Divergence >= quiet[0].Divergence {
			t.Errorf("Delta = %s d: %g from the mean, without balancing %g", factor, c.Divergence, quiet[0].Divergence)
		}
	}
	if !found {
		t.Error("no Delta led to balancing: the test shows nothing")
	}
}

func times(x float64, factor string) string {
	f, err := strconv.ParseFloat(factor, 64)
	if err != nil {
		panic(err)
	}
	return fmt.Sprint(x * f)
}

// Dynamic averaging communicates more after a concept drift, and less again later.
func TestDriftBursts(t *testing.T) {
	states, _ := checks(t, "strategy.delta=8", "data.drift=480", "stop.steps=960", "eval_every=6")
	var sent []float64 // kB between two checks
	var before int64
	for _, c := range states {
		sent = append(sent, float64(c.BytesUp+c.BytesDown-before)/1e3)
		before = c.BytesUp + c.BytesDown
	}
	mean := func(v []float64) (m float64) {
		for _, x := range v {
			m += x / float64(len(v))
		}
		return m
	}
	quiet, burst, later := mean(sent[4:10]), mean(sent[10:12]), mean(sent[17:])
	t.Logf("kB per 48 mini-batches: %.0f", sent)
	if !(burst >= 3*quiet) || !(later <= burst/3) {
		t.Errorf("%.0f kB per check before the drift, %.0f after it, %.0f later; want a burst of at least three times as many", quiet, burst, later)
	}
	if a, b, c := *states[9].TestAccuracy, *states[10].TestAccuracy, *states[len(states)-1].TestAccuracy; !(b < a-.15) || !(c > b+.15) {
		t.Errorf("accuracy %.3f before, %.3f after the drift, %.3f at the end", a, b, c)
	}
}

// Where some clients are ten times slower, FedBuff reaches the same accuracy in less
// time than rounds that wait for the whole cohort.
func TestFedBuffBeatsRoundsWithStragglers(t *testing.T) {
	sets := []string{"model.hidden=[]", "data.partition.clients=300", "devices.slow_fraction=.1", "devices.slow_factor=10", "stop.accuracy=.88", "stop.rounds=60"}
	async := simulate(t, "mnist-fedbuff", append(sets, "strategy.fraction=.1")...)
	sync := simulate(t, "mnist-2nn", append(sets, "strategy.fraction=.1")...)
	for name, res := range map[string]*Result{"fedbuff": async, "rounds": sync} {
		if *res.Final.TestAccuracy < .88 {
			t.Fatalf("%s: accuracy %.3f after %d rounds", name, *res.Final.TestAccuracy, res.Final.Round)
		}
	}
	a, s := async.Final.VirtualSeconds, sync.Final.VirtualSeconds
	t.Logf("88%% after %.1f s in %d versions, rounds need %.1f s in %d", a, async.Final.Round, s, sync.Final.Round)
	if a > s/2 {
		t.Errorf("88%% after %.1f s, rounds need %.1f s; want at most half", a, s)
	}
}

// SCAFFOLD needs fewer rounds than FedAvg where clients have two digits each (with
// two vectors each way in a round).
func TestScaffoldBeatsFedAvg(t *testing.T) {
	scaffold := simulate(t, "mnist-scaffold", append(raw, "stop.rounds=10", "eval_every=10")...)
	fedavg := simulate(t, "mnist-scaffold", append(raw, "stop.rounds=14", "eval_every=14", "strategy.correction=none")...)
	s, f := scaffold.Final, fedavg.Final
	if *s.TestLoss > *f.TestLoss || *s.TestAccuracy < *f.TestAccuracy {
		t.Errorf("after 10 rounds loss %.4f, accuracy %.4f; FedAvg after 14: %.4f, %.4f; want better", *s.TestLoss, *s.TestAccuracy, *f.TestLoss, *f.TestAccuracy)
	}
	if s.ModelsUp != 2*10*20 || f.ModelsUp != 14*20 {
		t.Errorf("%d models up in 10 rounds of SCAFFOLD, %d in 14 of FedAvg", s.ModelsUp, f.ModelsUp)
	}
}

// The guard rolls back rounds at a rate that is far too large, halves the rate each
// time until a round passes, and records it.
func TestGuard(t *testing.T) {
	res := simulate(t, "anes96", "strategy.guard=1.5", "strategy.server_lr=300", "stop.rounds=10", "data.validation=0.3")
	if res.Final.RolledBack == 0 || res.Final.Round != 10 {
		t.Fatalf("%d versions rolled back, %d made; want some, and 10", res.Final.RolledBack, res.Final.Round)
	}
	last := math.Inf(1)
	for _, r := range res.Rounds {
		if r.ValidationLoss == nil || *r.ValidationLoss > 1.5*last {
			t.Errorf("round %d: validation loss %v after %g", r.Round, figure(r.ValidationLoss), last)
		}
		last = *r.ValidationLoss
	}
	if got, want := *res.Rounds[9].Rate, .05*300*math.Ldexp(1, -int(res.Final.RolledBack)); math.Abs(got/want-1) > 1e-12 {
		t.Errorf("rate %g at the end, want %g after %d rollbacks", got, want, res.Final.RolledBack)
	}
}

// The guard halves a rate at which dynamic averaging diverges until it converges.
func TestDynamicGuard(t *testing.T) {
	res := simulate(t, "anes96-daisy", "data.partition.clients=12", "strategy=",
		"strategy={kind: dynamic, batches: 4, batch: 10, lr: 40, delta: 1, guard: 1.2, clip: none}", "stop={rounds: 0, steps: 2000}")
	last := res.Checks[len(res.Checks)-1]
	if f := res.Final; f.RolledBack == 0 || f.RolledBack > 20 || f.Round < 100 || !(*last.TestLoss < .6*math.Ln2) {
		t.Errorf("%d rolled back, %d versions, loss %g", f.RolledBack, f.Round, *last.TestLoss)
	}
}
