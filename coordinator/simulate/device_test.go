package simulate

import (
	"bytes"
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"

	"fedtab/simulation"
)

// Slow clients miss a deadline that the others meet.
func TestStragglers(t *testing.T) {
	small := []string{"stop.rounds=5", "model.hidden=[]", "strategy.deadline=2s", "strategy.fraction=.5"}
	for _, r := range simulated(t, small...).Rounds {
		if r.Participants != 50 {
			t.Errorf("without stragglers: %d participants in round %d, want 50", r.Participants, r.Round)
		}
	}
	res := simulated(t, append(small, "devices.slow_fraction=.3", "devices.slow_factor=100")...)
	var reported, before float64
	for _, r := range res.Rounds {
		reported += float64(r.Participants)
		if took := r.VirtualSeconds - before; math.Abs(took-2) > .5 {
			t.Errorf("round %d took %.2f s, want the deadline of 2 s", r.Round, took)
		}
		before = r.VirtualSeconds
	}
	if share := reported / 250; share < .55 || share > .85 {
		t.Errorf("%.0f%% of the cohorts reported, want about 70%%", share*100)
	}
}

// A run whose clients come and go completes its rounds, with fewer participants and
// with the same result at any number of cores.
func TestAvailability(t *testing.T) {
	sets := []string{
		"stop.rounds=10", "model.hidden=[]", "strategy.fraction=.3", "strategy.deadline=20s",
		"devices.speed=60", "devices.speed_spread=.5", "devices.bandwidth_spread=.5", "devices.availability=.5", "devices.session=20s",
	}
	result := func(procs int) (*Result, []byte) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		res := simulated(t, sets...)
		var b bytes.Buffer
		if err := res.WriteJSON(&b); err != nil {
			t.Fatal(err)
		}
		return res, b.Bytes()
	}
	res, first := result(1)
	if len(res.Rounds) != 10 {
		t.Fatalf("%d rounds, want 10", len(res.Rounds))
	}
	var reported int
	for _, r := range res.Rounds {
		reported += r.Participants
	}
	// 30% of about 50 present clients and a few within the resume grace; some of
	// them leave, or are too slow to report.
	if mean := float64(reported) / 10; mean < 6 || mean > 15 {
		t.Errorf("%.1f participants a round, want about 10", mean)
	}
	if *res.Final.TestAccuracy < .8 {
		t.Errorf("accuracy %.3f, want at least .8", *res.Final.TestAccuracy)
	}
	for _, procs := range []int{2, 4} {
		if _, again := result(procs); !bytes.Equal(first, again) {
			t.Errorf("another result at GOMAXPROCS %d", procs)
		}
	}
}

// Every scheme completes with clients that come and go, and with stragglers.
func TestEverySchemeWithAvailability(t *testing.T) {
	for name, sets := range map[string][]string{
		"mnist-2nn": nil, "mnist-periodic": nil, "mnist-oneshot": nil, "mnist-minibatch": nil, "mnist-scaffold": nil,
		"mnist-robust": {"strategy.fraction=.3"}, "mnist-fedbuff": nil, "mnist-fedavgm": nil, "mnist-dynamic": {"stop={rounds: 0, steps: 40}"},
		"anes96-daisy": nil, "anes96-radon": nil, "anes96": nil, "mnist-2nn-noniid": nil,
		"mnist-central": {"strategy.epochs=", "strategy.batches=300"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := []string{
				"stop={rounds: 3}", "devices.speed=2000", "devices.speed_spread=.5",
				"devices.slow_fraction=.2", "devices.slow_factor=5", "devices.availability=.8", "devices.session=60s",
			}
			if strings.HasPrefix(name, "mnist") && name != "mnist-scaffold" {
				all = append(all, "model.hidden=[]", "data.partition.clients=20")
			}
			if res := simulate(t, name, append(all, sets...)...); res.Final.Reason == "" {
				t.Errorf("not finished: %+v", res.Final)
			}
		})
	}
}

// A lock-step simulation waits for no client that is away, and gives it no work,
// whether it leaves in the middle of a slice or between two. Which clients are
// present at a check depends on the seed alone.
func TestLockStepWithAvailability(t *testing.T) {
	for _, seed := range []string{"1", "2", "3"} {
		for _, delta := range []string{".001", ".inf"} {
			sets := []string{
				"seed=" + seed, "data.partition.clients=12", "strategy=", "strategy={kind: dynamic, batches: 4, batch: 10, lr: .1, delta: " + delta + "}",
				"stop={rounds: 0, steps: 200}", "devices.speed=20", "devices.availability=.4", "devices.session=2s",
			}
			res := simulate(t, "anes96-daisy", sets...)
			if got := res.Checks[len(res.Checks)-1].Steps; got < 200 {
				t.Errorf("seed %s, Delta %s: it ended after %d mini-batches, want 200", seed, delta, got)
			}
			old := runtime.GOMAXPROCS(1)
			again := simulate(t, "anes96-daisy", sets...)
			runtime.GOMAXPROCS(old)
			if again.ModelSHA256 != res.ModelSHA256 || again.Final.VirtualSeconds != res.Final.VirtualSeconds {
				t.Errorf("seed %s, Delta %s: another result on one core", seed, delta)
			}
		}
	}
}

// A client continues its work after an absence, and its answer counts: all report
// although each leaves about six times during its work. The absences of 2 ms lengthen
// a round and do not restart it. (The first round is drawn from the first clients.)
func TestWorkGoesOnAfterABreak(t *testing.T) {
	res := simulated(t, "stop.rounds=3", "model.hidden=[]", "data.partition.clients=5", "strategy.fraction=1", "strategy.deadline=24h",
		"devices.availability=.999", "devices.session=2s", "devices.speed=1000")
	for i, r := range res.Rounds[1:] {
		if r.Participants != 5 {
			t.Errorf("round %d: %d participants, want 5", r.Round, r.Participants)
		}
		if took := r.VirtualSeconds - res.Rounds[i].VirtualSeconds; took < 12 || took > 13 {
			t.Errorf("round %d took %.2f s, want little more than 12", r.Round, took)
		}
	}
}

// A run that cannot make progress ends with simulation.ErrStuck.
func TestStuck(t *testing.T) {
	tk, d := load(t, "model.hidden=[]", "strategy.min_clients=101", "devices.availability=.5", "devices.session=10h")
	if _, err := Run(t.Context(), tk, d, Options{}); !errors.Is(err, simulation.ErrStuck) {
		t.Errorf("got %v, want simulation.ErrStuck", err)
	}
}

// Messages that a client has not read when it leaves are lost: the coordinator goes by what
// the client says that it holds when it comes back, and sends differences from that.
func TestUnreadMessagesAreLost(t *testing.T) {
	res := simulate(t, "mnist-fedbuff", "model.hidden=[]", "data.partition.clients=100", "strategy.fraction=.2", "stop.rounds=6",
		"devices={availability: .7, session: 5s, speed: 100}")
	if res.Final.Round != 6 {
		t.Errorf("it ends after version %d: %s", res.Final.Round, res.Final.Reason)
	}
}
