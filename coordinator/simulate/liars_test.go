package simulate

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"fedtab/coordinator/dataset"
	"fedtab/simulation"
	"fedtab/simulation/adversary"
)

// Flags of TestLiars.
var (
	liars     = flag.Bool("liars", false, "print the tables of accuracy by combiner, kind and number of adversaries")
	kindFlag  = flag.String("kinds", "", "kinds of adversary, with commas; all if it is empty")
	ruleFlag  = flag.String("rules", "", "rules of the tables, with commas; all if it is empty")
	seedsFlag = flag.Uint64("seeds", 1, "seeds 1 to this, whose mean is printed")
)

// maxLiars is the max number of adversaries in the tables.
const maxLiars = 3

// rule is how contributions are combined: a row of a table for each number of
// adversaries.
type rule struct {
	name string
	sets []string
}

// table is what TestLiars measures with one task.
type table struct {
	task       string
	sets       []string
	clients    int
	perClient  int // max examples of a client; 0: all
	kinds      []string
	rules      []rule
	partitions []string
}

// tables are those that make liars prints. All clients train in every round.
func tables() []table {
	silent := func(kind string) bool { return kind == adversary.Idle || kind == adversary.Decline }
	kinds := slices.DeleteFunc(slices.Clone(adversary.Kinds), silent)
	ofData := func(kind string) bool { return kind == adversary.LabelFlip || kind == adversary.Backdoor }
	return []table{{
		task: "mnist-2nn", clients: 10, perClient: 600,
		sets:  []string{"model.hidden=[32]", "strategy.fraction=1", "stop.rounds=20", "stop.accuracy=", "eval_every=2"},
		kinds: kinds,
		rules: []rule{
			{"mean, by default", nil},
			{"mean, clipping alone", []string{"strategy.guard=.inf"}},
			{"mean, without either", []string{"strategy.guard=.inf", "strategy.clip=none"}},
			{"median", []string{"strategy.combine=median"}},
			{"trimmed-mean, trim .3", []string{"strategy.combine=trimmed-mean", "strategy.trim=.3"}},
			{"krum, byzantine 3", []string{"strategy.combine=krum", "strategy.byzantine=3"}},
			{"geometric-median", []string{"strategy.combine=geometric-median"}},
		},
		partitions: []string{"{kind: iid, clients: 10}", "{kind: shards, shards_per_client: 2, clients: 10}"},
	}, {
		task: "anes96-radon", clients: 12, kinds: slices.DeleteFunc(slices.Clone(kinds), ofData),
		rules: []rule{
			{"radon", []string{"strategy.models=1"}},
			{"mean", []string{"strategy=", "strategy={kind: oneshot, epochs: 50, batch: 10, lr: 0.05}"}},
		},
		partitions: []string{"{kind: iid, clients: 12}", "{kind: shards, shards_per_client: 2, clients: 12}"},
	}}
}

// TestLiars prints the tables, in Markdown: test accuracy, the mean of the last three
// evaluated rounds, and the success of a backdoor.
func TestLiars(t *testing.T) {
	if !*liars {
		t.Skip("make liars runs it")
	}
	wanted := func(flag, name string) bool {
		return flag == "" || slices.Contains(strings.Split(flag, ","), name)
	}
	for _, tb := range tables() {
		kinds := slices.DeleteFunc(tb.kinds, func(k string) bool { return !wanted(*kindFlag, k) })
		for _, partition := range tb.partitions {
			began := time.Now()
			fmt.Printf("\n%s, partition %s, accuracy in %%\n\n| rule | adversaries | %s |\n|---|---|%s\n",
				tb.task, partition, strings.Join(kinds, " | "), strings.Repeat("---|", len(kinds)))
			for _, r := range tb.rules {
				// The first word of a rule names it: the others are settings.
				if name, _, _ := strings.Cut(r.name, ","); !wanted(*ruleFlag, name) {
					continue
				}
				for n := range maxLiars + 1 {
					fmt.Printf("| %s | %d of %d |", r.name, n, tb.clients)
					for _, kind := range kinds {
						fmt.Printf(" %s |", tb.cell(t, r, partition, kind, n))
					}
					fmt.Println()
				}
			}
			fmt.Printf("\n%.0f s\n", time.Since(began).Seconds())
		}
	}
}

// cell returns the result of n adversaries of a kind.
func (tb *table) cell(t *testing.T, r rule, partition, kind string, n int) string {
	if n == 0 && kind != adversary.Backdoor && kind != tb.kinds[0] {
		return "same" // without adversaries, only what is measured depends on the kind
	}
	var accuracy, success float64
	for seed := range *seedsFlag {
		sets := slices.Concat(tb.sets, r.sets, []string{
			"data.partition=" + partition, fmt.Sprintf("seed=%d", seed+1),
			fmt.Sprintf("adversaries={kind: %s, fraction: %g}", kind, float64(n)/float64(tb.clients)),
		})
		tk, d := open(t, tb.task, sets...)
		tb.limit(d)
		res, err := Run(t.Context(), tk, d, Options{})
		switch {
		case errors.Is(err, simulation.ErrStuck):
			return "stuck"
		case err != nil:
			t.Fatalf("%s, %s, %d of %s: %v", tb.task, r.name, n, kind, err)
		}
		accuracy += lastAccuracy(res) / float64(*seedsFlag)
		if b := res.Final.BackdoorSuccess; b != nil {
			success += *b / float64(*seedsFlag)
		}
	}
	if kind == adversary.Backdoor {
		return fmt.Sprintf("%.1f, backdoor %.0f", 100*accuracy, 100*success)
	}
	return fmt.Sprintf("%.1f", 100*accuracy)
}

// limit leaves every client at most perClient of its examples, spread over its labels.
func (tb *table) limit(d *dataset.Dataset) {
	for i, shard := range d.Shards {
		if tb.perClient == 0 || len(shard) <= tb.perClient {
			continue
		}
		kept := make([]int32, tb.perClient)
		for j := range kept {
			kept[j] = shard[j*len(shard)/tb.perClient]
		}
		d.Shards[i] = kept
	}
}

// lastAccuracy returns the mean test accuracy of the last three evaluated rounds.
func lastAccuracy(r *Result) float64 {
	var sum, n float64
	for _, round := range slices.Backward(r.Rounds) {
		if a := round.TestAccuracy; a != nil && n < 3 {
			sum += *a
			n++
		}
	}
	return sum / n
}
