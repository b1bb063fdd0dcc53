package simulate

import (
	"fmt"
	"testing"

	"fedtab/simulation/adversary"
)

// outcome is the mean of a run's last three evaluations, percent.
type outcome struct{ accuracy, backdoor float64 }

func ended(t *testing.T, name string, sets ...string) (o outcome) {
	t.Helper()
	res := simulate(t, name, sets...)
	n := 0.0
	for i := len(res.Rounds) - 1; i >= 0 && n < 3; i-- {
		if r := res.Rounds[i]; r.TestAccuracy != nil {
			n++
			o.accuracy += 100 * *r.TestAccuracy
			if r.BackdoorSuccess != nil {
				o.backdoor += 100 * *r.BackdoorSuccess
			}
		}
	}
	return outcome{o.accuracy / n, o.backdoor / n}
}

// active are the kinds of adversaries that send something.
func active() (kinds []string) {
	for _, k := range adversary.Kinds {
		if k != adversary.Idle && k != adversary.Decline {
			kinds = append(kinds, k)
		}
	}
	return kinds
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

// One liar of seven against the defaults: a table of make liars.
func TestLiarOfSeven(t *testing.T) {
	if !*liars {
		t.Skip("prints a table, with -liars; TestDefaultsWithstandALiar asserts")
	}
	fmt.Printf("\nOne liar of seven, 60 rounds, mean of seeds 1 to 3\n\n| attack | all in every round: accuracy | lost | cohorts of two: accuracy | lost |\n|---|---|---|---|---|\n")
	var clean [2]outcome
	fractions := [2]string{"1", "0.3"}
	for _, attack := range append([]string{""}, active()...) {
		line := "| " + attack
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
				r := ended(t, "mnist-2nn", sets...)
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

// What the defaults cost where nobody lies: another table of make liars.
func TestHonestCost(t *testing.T) {
	if !*liars {
		t.Skip("prints a table, with -liars")
	}
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
			with += ended(t, "mnist-2nn", sets...).accuracy / 3
			without += ended(t, "mnist-2nn", append(sets, bare...)...).accuracy / 3
		}
		fmt.Printf("| %s | %.2f | %.2f |\n", partition, with, without)
	}
}

// With the defaults, one liar of seven costs little of the accuracy, whatever it does.
func TestDefaultsWithstandALiar(t *testing.T) {
	sets := func(attack string) []string {
		return append(seven(attack, "1", 1), "model.hidden=[32]", "strategy.batches=20", "strategy.batch=50", "stop={rounds: 40}")
	}
	clean := ended(t, "mnist-2nn", sets("")...)
	kinds := adversary.Kinds
	if testing.Short() {
		kinds = []string{adversary.SignFlip, adversary.Noise, adversary.InnerProduct, adversary.Idle}
	}
	for _, attack := range kinds {
		if o := ended(t, "mnist-2nn", sets(attack)...); o.accuracy < clean.accuracy-3 {
			t.Errorf("%s: accuracy %.1f%%, %.1f%% without the liar", attack, o.accuracy, clean.accuracy)
		} else {
			t.Logf("%s: accuracy %.1f%%, %.1f%% without the liar", attack, o.accuracy, clean.accuracy)
		}
	}
}
