package simulate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"fedtab/coordinator/dataset"
	"fedtab/coordinator/task"
	"fedtab/simulation"
)

func load(t testing.TB, sets ...string) (*task.Task, *dataset.Dataset) {
	t.Helper()
	tk, err := task.Find("mnist-2nn", sets)
	if err != nil {
		t.Fatal(err)
	}
	d, err := dataset.Open(tk)
	if err != nil {
		t.Fatal(err)
	}
	return tk, d
}

func simulated(t testing.TB, sets ...string) *Result {
	t.Helper()
	tk, d := load(t, sets...)
	res, err := Run(t.Context(), tk, d, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// One seed gives the same result, byte for byte, at any number of cores; another seed
// gives another result.
func TestDeterministic(t *testing.T) {
	rounds, cores := "stop.rounds=4", []int{1, 2, 4}
	if testing.Short() {
		rounds, cores = "stop.rounds=2", []int{4}
	}
	result := func(procs int, sets ...string) []byte {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		var b bytes.Buffer
		if err := simulated(t, append(sets, rounds, "model.hidden=[50]")...).WriteJSON(&b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	first, many := result(1), []string{"data.partition.clients=1000", "strategy.fraction=.01"}
	thousand := result(1, many...)
	for _, procs := range cores {
		if !bytes.Equal(first, result(procs)) {
			t.Errorf("another result at GOMAXPROCS %d", procs)
		}
		if !bytes.Equal(thousand, result(procs, many...)) {
			t.Errorf("1,000 clients: another result at GOMAXPROCS %d", procs)
		}
	}
	if bytes.Equal(first, result(1, "seed=2")) {
		t.Error("another seed gave the same result")
	}
}

// The paper's table (McMahan et al. 2017, Table 1): 2NN, IID, C = .1, E = 1,
// B = 10 takes 87 rounds to 97%. Ten rounds already pass 93%.
func TestLearnsMNIST(t *testing.T) {
	res := simulated(t, append(raw, "stop.rounds=10")...)
	if got := *res.Final.TestAccuracy; got < .93 {
		t.Errorf("test accuracy %.4f after 10 rounds, want at least .93", got)
	}
	if len(res.Rounds) != 10 || res.Final.Round != 10 {
		t.Fatalf("%d rounds, final %d", len(res.Rounds), res.Final.Round)
	}
	var up, down int64
	for i, r := range res.Rounds {
		if r.Round != uint64(i+1) || r.Participants != 10 || r.TestLoss == nil {
			t.Errorf("round %+v", r)
		}
		up, down = up+r.BytesUp, down+r.BytesDown
	}
	// Ten float32 models of 199,210 parameters go up in a round; other messages are
	// small.
	const models = 10 * 4 * 199_210
	for _, r := range res.Rounds[1:] {
		if r.BytesUp < models || r.BytesUp > models*101/100 {
			t.Errorf("round %d: %d bytes up, want %d and at most 1%% more", r.Round, r.BytesUp, models)
		}
	}
	if res.Final.BytesUp < up || res.Final.BytesDown < down {
		t.Errorf("the run's %d + %d bytes are fewer than its rounds' %d + %d", res.Final.BytesUp, res.Final.BytesDown, up, down)
	}
	// Version 0 never travels.
	if first := res.Rounds[0].BytesDown; first > 100_000 {
		t.Errorf("%d bytes went down in the first round, want no model", first)
	}
}

// By default a model takes less than 1.5 bits per parameter each way, at the same
// accuracy.
func TestPacked(t *testing.T) {
	res := simulated(t, "stop.rounds=10")
	if got := *res.Final.TestAccuracy; got < .925 {
		t.Errorf("test accuracy %.4f after 10 rounds, want at least .925", got)
	}
	const parameters = 10 * 199_210
	for _, r := range res.Rounds[1:] {
		up, down := 8*float64(r.BytesUp)/parameters, 8*float64(r.BytesDown)/parameters
		if up > .95 || down > 2.2 || r.ModelsUp != 10 || r.ModelsDown != 10 {
			t.Errorf("round %d: %d models up at %.2f bits a parameter, %d down at %.2f", r.Round, r.ModelsUp, up, r.ModelsDown, down)
		}
		if *r.BitsUp != up || *r.BitsDown != down || math.Abs(*r.RawRatio*(up+down)/64-1) > 1e-9 {
			t.Errorf("round %d: reported %g bits up, %g down, ratio %g; want %g, %g, %g", r.Round, *r.BitsUp, *r.BitsDown, *r.RawRatio, up, down, 64/(up+down))
		}
	}
	// Version 0 never travels.
	if first := res.Rounds[0]; first.BitsUp == nil || first.BitsDown != nil || first.RawRatio == nil {
		t.Errorf("round 1: bits %v up, %v down, raw ratio %v; want none down", first.BitsUp, first.BitsDown, first.RawRatio)
	}
	if f := res.Final; res.Parameters != 199_210 || f.BitsUp == nil || f.BitsDown == nil || *f.RawRatio < 20 {
		t.Errorf("of %d parameters in the end: %+v", res.Parameters, f)
	}
	for _, a := range res.Accounts {
		if (a.BitsUp == nil) != (a.ModelsUp == 0) || (a.BitsDown == nil) != (a.ModelsDown == 0) {
			t.Errorf("client %d: %d models up, bits %v; %d down, bits %v", a.Client, a.ModelsUp, a.BitsUp, a.ModelsDown, a.BitsDown)
		}
	}
}

// C = 0 selects one client, C = 1 all.
func TestFraction(t *testing.T) {
	for _, test := range []struct {
		fraction string
		want     int
	}{{"0", 1}, {"0.29", 29}, {"1", 100}} {
		res := simulated(t, "stop.rounds=2", "model.hidden=[]", "strategy.fraction="+test.fraction)
		for _, r := range res.Rounds {
			if r.Participants != test.want {
				t.Errorf("C = %s: %d participants, want %d", test.fraction, r.Participants, test.want)
			}
		}
	}
}

// A round that is not evaluated has no metrics.
func TestEvalEvery(t *testing.T) {
	res := simulated(t, "stop.rounds=4", "model.hidden=[]", "eval_every=3")
	for i, want := range []bool{false, false, true, true} { // the last one always
		if got := res.Rounds[i].TestAccuracy != nil; got != want {
			t.Errorf("round %d evaluated: %v, want %v", i+1, got, want)
		}
	}
}

// A deadline shorter than the work abandons every attempt until the time limit ends
// the run.
func TestDeadline(t *testing.T) {
	res := simulated(t, "strategy.deadline=1s", "devices.speed=100", "stop.time=1m", "stop.rounds=", "stop.accuracy=", "model.hidden=[]")
	if res.Final.Round != 0 || len(res.Rounds) != 0 {
		t.Errorf("%d rounds committed, want none", res.Final.Round)
	}
}

func TestCancel(t *testing.T) {
	tk, d := load(t, "model.hidden=[]")
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Run(ctx, tk, d, Options{OnRound: func(Round, Timing) { cancel() }})
	if want := "interrupted after round 1"; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

// A run whose clients decline ends early with the reason.
func TestDeclined(t *testing.T) {
	for _, c := range []struct {
		name string
		sets []string
		want string
	}{
		{"fedavg", []string{"strategy.fraction=.5"}, "the last 8 orders of round 1 were declined by at least half of their clients, last by client "},
		{"one at a time", []string{"strategy.fraction=0"}, "the last 32 orders of round 1"},
		{"fedbuff", []string{"strategy.kind=fedbuff"}, "diverged, learn: after"},
		{"dynamic", []string{"strategy.kind=dynamic", "strategy.fraction=", "strategy.epochs=", "strategy.batches=8", "strategy.delta=1"}, "of round 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tk, d := load(t, append([]string{"strategy.lr=1000", "model.hidden=[50, 50]", "data.partition.clients=20"}, c.sets...)...)
			_, err := Run(t.Context(), tk, d, Options{})
			if !errors.Is(err, simulation.ErrStuck) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "; a smaller strategy.lr may help") {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func ExampleRun() {
	t, _ := task.Find("mnist-2nn", []string{"stop.rounds=1"})
	d, err := dataset.Open(t)
	if err != nil {
		fmt.Println(err)
		return
	}
	res, err := Run(context.Background(), t, d, Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(res.Final.Reason, res.Rounds[0].Participants)
	// Output: 1 round done 10
}

// BenchmarkRound2NN is one round of the paper's 2NN, 10 clients of 600 examples,
// B = 10, without its evaluation.
func BenchmarkRound2NN(b *testing.B) {
	const rounds = 50
	tk, d := load(b, fmt.Sprintf("stop.rounds=%d", rounds), "stop.accuracy=", "eval_every=1000000")
	for b.Loop() {
		if _, err := Run(b.Context(), tk, d, Options{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/rounds, "s/round")
}

// BenchmarkThousandClients is a run of 100 rounds of the 2NN with 1,000 clients of
// 60 examples, 10 of them in a round, evaluated once. It reports the peak memory of
// the process where the system has it.
func BenchmarkThousandClients(b *testing.B) {
	tk, d := load(b, "data.partition.clients=1000", "strategy.fraction=.01", "stop.rounds=100", "stop.accuracy=", "eval_every=1000000")
	runtime.GC()
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // resets the peak
	for b.Loop() {
		if _, err := Run(b.Context(), tk, d, Options{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/run")
	status, _ := os.ReadFile("/proc/self/status")
	if _, peak, ok := strings.Cut(string(status), "VmHWM:"); ok {
		kib, _ := strconv.ParseFloat(strings.Fields(peak)[0], 64)
		b.ReportMetric(kib/1024, "MB-peak")
	}
}
