package simulate

import (
	"flag"
	"fmt"
	"strings"
	"testing"

	"fedtab/coordinator/dataset"
	"fedtab/coordinator/task"
)

var liarTables = flag.Bool("liars", false, "print the tables of docs/threats.md: some hundred simulations, 15 minutes on two cores")

// attacks are the kinds of adversaries of the tables.
var attacks = []string{"sign-flip", "scale", "noise", "label-flip", "backdoor", "little-is-enough", "inner-product"}

// outcome is the mean of a run's last three evaluations, percent.
type outcome struct{ accuracy, backdoor float64 }

func lied(t *testing.T, name string, sets ...string) (o outcome) {
	t.Helper()
	res := simulate(t, name, sets...)
	n := 0.0
	for i := len(res.Rounds) - 1; i >= 0 && n < 3; i-- {
		if r := res.Rounds[i]; r.TestAccuracy != nil {
			n++
			o.accuracy += 100 * *r.TestAccuracy
			if r.Backdoor != nil {
				o.backdoor += 100 * *r.Backdoor
			}
		}
	}
	return outcome{o.accuracy / n, o.backdoor / n}
}

// The tables of docs/threats.md.
func TestLiarTables(t *testing.T) {
	if !*liarTables {
		t.Skip("prints tables, with -liars; TestDefaultsWithstandALiar asserts")
	}
	sevenTable(t)
	tenTable(t)
	radonTable(t)
	honestTable(t)
}

// seven is one liar among seven clients, in every round or in cohorts of two.
func seven(attack, fraction string, seed int) []string {
	sets := []string{
		"data.partition.clients=7", "strategy.fraction=" + fraction, "strategy.epochs=", "strategy.batches=60", "eval_every=2",
		"stop={rounds: 60}", fmt.Sprintf("seed=%d", seed),
	}
	if attack != "" {
		sets = append(sets, "adversaries={fraction: 0.143, kind: "+attack+"}")
	}
	return sets
}

func sevenTable(t *testing.T) {
	fmt.Printf("\nOne liar of seven, 60 rounds, mean of seeds 1 to 3\n\n| attack | all in every round: accuracy | lost | cohorts of two: accuracy | lost |\n|---|---|---|---|---|\n")
	var clean [2]outcome
	fractions := [2]string{"1", "0.3"}
	for _, attack := range append([]string{""}, attacks...) {
		line := "| " + strings.TrimSpace(attack+" ")
		if attack == "" {
			line = "| none"
		}
		for k, fraction := range fractions {
			var o outcome
			for seed := 1; seed <= 3; seed++ {
				sets := seven(attack, fraction, seed)
				if attack == "" { // the backdoor is measured, and nobody has one
					sets = append(seven("", fraction, seed), "adversaries={fraction: 0, kind: backdoor}")
				}
				r := lied(t, "mnist-2nn", sets...)
				o.accuracy += r.accuracy / 3
				o.backdoor += r.backdoor / 3
			}
			if attack == "" {
				clean[k] = o
			}
			line += fmt.Sprintf(" | %.1f | %.1f", o.accuracy, clean[k].accuracy-o.accuracy)
			if attack == "backdoor" || attack == "" {
				line += fmt.Sprintf(" (backdoor %.1f)", o.backdoor)
			}
		}
		fmt.Println(line + " |")
	}
}

func tenTable(t *testing.T) {
	combiners := []struct{ name, sets string }{
		{"mean, defaults", ""},
		{"mean, clipping alone", "strategy.guard=.inf"},
		{"mean, bare", "strategy.guard=.inf strategy.clip=none"},
		{"median", "strategy.combine=median strategy.byzantine=3"},
		{"trimmed-mean, trim .3", "strategy.combine=trimmed-mean strategy.trim=0.3 strategy.byzantine=3"},
		{"krum, f = 3", "strategy.combine=krum strategy.byzantine=3"},
		{"geometric-median", "strategy.combine=geometric-median strategy.byzantine=3"},
	}
	for _, partition := range []string{"{kind: iid, clients: 10}", "{kind: shards, clients: 10, shards_per_client: 2}"} {
		fmt.Printf("\nTen clients, all in every round, 20 rounds of 60 mini-batches of 10, partition %s; accuracy with 0, 1, 2 and 3 liars\n\n| combiner |", partition)
		for _, attack := range attacks {
			fmt.Printf(" %s |", attack)
		}
		fmt.Printf("\n|---|%s\n", strings.Repeat("---|", len(attacks)))
		for _, c := range combiners {
			base := append(strings.Fields(c.sets), "data.partition="+partition, "strategy.fraction=1", "strategy.epochs=", "strategy.batches=60", "stop={rounds: 20}", "eval_every=1")
			none := lied(t, "mnist-2nn", append(base, "adversaries={fraction: 0, kind: backdoor}")...)
			fmt.Printf("| %s |", c.name)
			for _, attack := range attacks {
				line := fmt.Sprintf(" %.1f", none.accuracy)
				if attack == "backdoor" {
					line += fmt.Sprintf(" (%.0f)", none.backdoor)
				}
				for liars := 1; liars <= 3; liars++ {
					o := lied(t, "mnist-2nn", append(base, fmt.Sprintf("adversaries={fraction: %g, kind: %s}", float64(liars)/10, attack))...)
					line += fmt.Sprintf(", %.1f", o.accuracy)
					if attack == "backdoor" {
						line += fmt.Sprintf(" (%.0f)", o.backdoor)
					}
				}
				fmt.Print(line + " |")
			}
			fmt.Println()
		}
	}
}

func radonTable(t *testing.T) {
	fmt.Printf("\nThe Radon machine and one-shot averaging on anes96, accuracy with 0, 10, 20 and 30%% liars\n\n| combiner | sign-flip | scale | noise | label-flip |\n|---|---|---|---|---|\n")
	for _, c := range []struct{ name, sets string }{
		{"radon", ""},
		{"oneshot, mean", "strategy= strategy={kind:oneshot,epochs:5,batch:10,lr:0.1}"},
	} {
		fmt.Printf("| %s |", c.name)
		for _, attack := range []string{"sign-flip", "scale", "noise", "label-flip"} {
			var line []string
			for _, fraction := range []string{"0", "0.1", "0.2", "0.3"} {
				o := lied(t, "anes96-radon", append(strings.Fields(c.sets), "adversaries={fraction: "+fraction+", kind: "+attack+"}")...)
				line = append(line, fmt.Sprintf("%.1f", o.accuracy))
			}
			fmt.Printf(" %s |", strings.Join(line, ", "))
		}
		fmt.Println()
	}
}

// honestTable is what the defaults cost where nobody lies.
func honestTable(t *testing.T) {
	bare := []string{"strategy.guard=.inf", "strategy.clip=none", "strategy.max_weight=.inf"}
	fmt.Printf("\nWithout liars\n\n| seed | rounds to 97%%, defaults | bare | bytes, defaults | bare |\n|---|---|---|---|---|\n")
	for seed := 1; seed <= 5; seed++ {
		sets := []string{fmt.Sprintf("seed=%d", seed), "stop={rounds: 150, accuracy: 0.97}"}
		a, b := simulate(t, "mnist-2nn", sets...), simulate(t, "mnist-2nn", append(sets, bare...)...)
		fmt.Printf("| %d | %d | %d | %d | %d |\n", seed, a.Final.Round, b.Final.Round, a.Final.BytesUp+a.Final.BytesDown, b.Final.BytesUp+b.Final.BytesDown)
	}
	fmt.Printf("\n| partition | accuracy at round 150, mean of seeds 1 to 3, defaults | bare |\n|---|---|---|\n")
	for _, partition := range []string{"{kind: shards, clients: 100, shards_per_client: 2}", "{kind: dirichlet, alpha: 0.1, clients: 100}"} {
		var with, without float64
		for seed := 1; seed <= 3; seed++ {
			sets := []string{fmt.Sprintf("seed=%d", seed), "stop={rounds: 150}", "eval_every=5", "data.partition=" + partition}
			with += lied(t, "mnist-2nn", sets...).accuracy / 3
			without += lied(t, "mnist-2nn", append(sets, bare...)...).accuracy / 3
		}
		fmt.Printf("| %s | %.2f | %.2f |\n", partition, with, without)
	}
}

// With the defaults, one liar of seven costs little of the accuracy, whatever it does.
func TestDefaultsWithstandALiar(t *testing.T) {
	sets := func(attack string) []string {
		return append(seven(attack, "1", 1), "model.hidden=[32]", "strategy.batches=20", "strategy.batch=50", "stop={rounds: 40}")
	}
	clean := lied(t, "mnist-2nn", sets("")...)
	for _, attack := range append(attacks, "idle", "decline") {
		if o := lied(t, "mnist-2nn", sets(attack)...); o.accuracy < clean.accuracy-3 {
			t.Errorf("%s: accuracy %.1f%%, %.1f%% without the liar", attack, o.accuracy, clean.accuracy)
		} else {
			t.Logf("%s: accuracy %.1f%%, %.1f%% without the liar", attack, o.accuracy, clean.accuracy)
		}
	}
}

// Adversaries take a setting that the data does not have no further than an error.
func TestAdversariesRefused(t *testing.T) {
	for set, want := range map[string]string{
		"adversaries={fraction: 0.1, kind: backdoor, target: 10}": "adversaries.target: 10, want a class below 10",
	} {
		tk, err := task.Find("mnist-2nn", []string{set})
		if err != nil {
			t.Fatal(err)
		}
		d, err := dataset.Open(tk)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Run(t.Context(), tk, d, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error that says %q", set, err, want)
		}
	}
}
