package simulate

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"

	"fedtab/learn"
	"fedtab/simulation/adversary"
)

// Adversaries by 1 change nothing but the bytes: contributions are as good as honest
// ones.
func TestLiesAreWellFormed(t *testing.T) {
	sets := []string{"compress={up: {codec: float32}, down: {codec: float32}}"}
	for _, c := range []struct {
		name string
		sets []string
	}{
		{"mnist-minibatch", []string{"model.hidden=[20]", "stop.rounds=5", "eval_every=5"}},
		{"mnist-scaffold", []string{"data.partition.clients=100", "stop.rounds=2"}},
		{"mnist-fedbuff", []string{"model.hidden=[]", "stop.rounds=3"}},
		{"mnist-dynamic", []string{"model.hidden=[]", "strategy.delta=.2", "stop.rounds=", "stop.steps=100"}},
		{"anes96-radon", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.sets = append(c.sets, sets...)
			honest := simulate(t, c.name, c.sets...)
			lies := simulate(t, c.name, append(c.sets, "adversaries={kind: scale, fraction: .4, scale: 1}")...)
			if honest.ModelSHA256 != lies.ModelSHA256 {
				t.Errorf("model %s, want that of honest clients, %s", lies.ModelSHA256, honest.ModelSHA256)
			}
		})
	}
}

// Of two equal clients, one that sends minus the mean of the honest deltas undoes the
// other: every version is version 0.
func TestCollusionIsOfTheRound(t *testing.T) {
	tk, d := load(t, "model.hidden=[]", "data.partition.clients=2", "strategy.fraction=1", "stop.rounds=2",
		"devices.speed_spread=.5", "devices.bandwidth_spread=.5", "compress.down={codec: float32}",
		"adversaries={kind: inner-product, fraction: .5, scale: 1}")
	res, err := Run(t.Context(), tk, d, Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := d.Model(tk)
	if err != nil {
		t.Fatal(err)
	}
	initial := make([]float32, m.Layout().Size)
	m.Init(initial, tk.Seed)
	if hash := learn.Hash(initial); fmt.Sprintf("%x", hash) != res.ModelSHA256 || res.Final.Round != 2 {
		t.Errorf("model %s after %d rounds, want %x after 2", res.ModelSHA256, res.Final.Round, hash)
	}
}

// Every kind lets every kind of strategy go on, also where clients come and go, and one
// seed gives one result at any number of cores.
func TestAdversaries(t *testing.T) {
	strategies := []struct {
		name string
		sets []string
	}{
		{"mnist-2nn", []string{"model.hidden=[]", "stop.rounds=2", "data.partition.clients=50",
			"devices={speed: 2000, speed_spread: .5, bandwidth_spread: .5, availability: .8, session: 60s}"}},
		{"mnist-minibatch", []string{"model.hidden=[]", "stop.rounds=1"}},
		{"mnist-scaffold", []string{"data.partition.clients=200", "stop.rounds=1"}},
		{"mnist-fedbuff", []string{"model.hidden=[]", "stop.rounds=2"}},
		{"mnist-dynamic", []string{"model.hidden=[]", "strategy.delta=.2", "stop.rounds=", "stop.steps=60"}},
		{"mnist-oneshot", []string{"model.hidden=[]", "strategy.epochs=", "strategy.batches=20"}},
	}
	kinds := adversary.Kinds
	if testing.Short() {
		kinds = []string{adversary.Noise, adversary.Backdoor, adversary.LittleIsEnough, adversary.Decline}
	}
	for _, s := range strategies {
		for _, kind := range kinds {
			t.Run(s.name+"/"+kind, func(t *testing.T) {
				result := func(procs int) []byte {
					defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
					var b bytes.Buffer
					res := simulate(t, s.name, append(s.sets, "adversaries={kind: "+kind+", fraction: .3}")...)
					if err := res.WriteJSON(&b); err != nil {
						t.Fatal(err)
					}
					return b.Bytes()
				}
				if first := result(1); !bytes.Equal(first, result(4)) {
					t.Error("another result at GOMAXPROCS 4")
				}
			})
		}
	}
}

// A backdoor without a defence succeeds; its success is measured without adversaries
// too.
func TestBackdoor(t *testing.T) {
	for _, c := range []struct {
		fraction string
		min, max float64
	}{{"0", 0, .1}, {".1", .5, 1}} {
		res := simulated(t, "model.hidden=[32]", "data.partition.clients=10", "strategy.fraction=1", "stop.rounds=2", "eval_every=2", "strategy.clip=none", "strategy.guard=.inf",
			"adversaries={kind: backdoor, fraction: "+c.fraction+", target: 3}")
		got := res.Final.BackdoorSuccess
		if got == nil || *got < c.min || *got > c.max {
			t.Errorf("fraction %s: success %v, want %g to %g", c.fraction, value(got), c.min, c.max)
		}
		if first, last := res.Rounds[0].BackdoorSuccess, res.Rounds[1].BackdoorSuccess; first != nil || last == nil || *last != *got {
			t.Errorf("fraction %s: success %v and %v by round, want none where it is not evaluated, and that of the end", c.fraction, value(first), value(last))
		}
	}
}

func value(x *float64) any {
	if x == nil {
		return nil
	}
	return *x
}

// Declines by adversaries say nothing about the run's progress: here one client in 200
// is honest, and cohorts are of one.
func TestAdversariesDecline(t *testing.T) {
	res := simulated(t, "model.hidden=[]", "data.partition.clients=200", "strategy.fraction=0", "stop.rounds=1",
		"adversaries={kind: decline, fraction: .995}")
	const many = 32 // declined answers of honest clients would end the run
	if res.Final.Round != 1 || res.Final.Abandoned < many {
		t.Errorf("%d rounds, %d attempts abandoned; want 1, and at least %d", res.Final.Round, res.Final.Abandoned, many)
	}
}
