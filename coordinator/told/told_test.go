package told

import (
	"math"
	"strings"
	"testing"

	"fedtab/coordinator/store"
	"fedtab/coordinator/task"
	"fedtab/run"
)

const spec = `name: noised
model: {kind: softmax}
data: {source: own, images: {width: 4, height: 4, channels: 1, classes: [a, b]}}
evaluate: {on: none}
strategy: {kind: fedavg, fraction: 1, lr: 0.5, min_clients: 3}
privacy: {noise: 2, clip: 0.5, population: 60, delta: 1e-2, epsilon: 4}
stop: {rounds: 2}
`

func of(number int64, epsilon float64, text string) store.Account {
	return store.Account{Number: number, Run: "r", Spec: []byte(text), Spent: run.Spent{Releases: 1, Epsilon: epsilon, Delta: 1e-5}}
}

// Epsilons and deltas of earlier runs add up, and a sum of several adjacencies says so.
func TestAccount(t *testing.T) {
	secure := strings.Replace(spec, "noise: 2", "aggregation: secure, noise: 2", 1)
	spent := &run.Spent{Releases: 2, Epsilon: 1.5, Delta: 1e-3}
	for name, c := range map[string]struct {
		spec    string
		spent   *run.Spent
		earlier []store.Account
		want    string // empty: there is none
	}{
		"nothing":                {spec, nil, nil, ""},
		"of its own":             {spec, spent, nil, "epsilon 1.5, delta 0.001 (add-remove)"},
		"an earlier run":         {spec, spent, []store.Account{of(1, 2, spec)}, "epsilon 1.5, delta 0.001 (add-remove); with 1 earlier run of this task: epsilon 3.5, delta 0.00101 (add-remove)"},
		"two":                    {spec, spent, []store.Account{of(1, 2, spec), of(2, 2, spec)}, "epsilon 1.5, delta 0.001 (add-remove); with 2 earlier runs of this task: epsilon 5.5, delta 0.00102 (add-remove)"},
		"before the first":       {spec, nil, []store.Account{of(1, 2, spec)}, "epsilon 0, delta 0 (add-remove); with 1 earlier run of this task: epsilon 2, delta 1e-05 (add-remove)"},
		"without noise":          {strings.Replace(spec, "noise: 2, clip: 0.5, population: 60, delta: 1e-2, epsilon: 4", "", 1), nil, []store.Account{of(1, 2, spec)}, ""},
		"without a bound":        {spec, spent, []store.Account{of(1, math.Inf(1), spec)}, "epsilon 1.5, delta 0.001 (add-remove); with 1 earlier run of this task: no bound on epsilon"},
		"of several adjacencies": {spec, spent, []store.Account{of(1, 2, secure)}, "epsilon 1.5, delta 0.001 (add-remove); with 1 earlier run of this task: epsilon 3.5, delta 0.00101 (mixed)"},
	} {
		a := Account([]byte(c.spec), c.spent, c.earlier)
		if a == nil || c.want == "" {
			if a != nil || c.want != "" {
				t.Errorf("%s: %+v, want %q", name, a, c.want)
			}
			continue
		}
		if got := Words(a); got != c.want || len(a.Earlier) != len(c.earlier) {
			t.Errorf("%s: %d earlier, %q, want %q", name, len(a.Earlier), got, c.want)
		}
	}
}

// Only the accounts of runs before count.
func TestEarlier(t *testing.T) {
	all := []store.Account{of(1, 1, spec), of(3, 2, spec), of(4, 4, spec)}
	for number, want := range map[int64]float64{1: 0, 2: 1, 3: 1, 4: 3, 9: 7} {
		if got := Epsilon(Earlier(all, number)); got != want {
			t.Errorf("before run %d: epsilon %g, want %g", number, got, want)
		}
	}
}

// A run begins if a version is left in the budget, and the deltas of all runs hide one of the
// population, with a budget or without.
func TestRefuse(t *testing.T) {
	const delta = 1e-5
	for _, c := range []struct {
		told, delta float64
		sets        []string
		want        string
	}{
		{0, delta, nil, ""},
		{1, delta, nil, ""},
		{3.9, delta, nil, "task noised: privacy.epsilon is 4: earlier runs of the task have told epsilon 3.9 of its participants, and one version more "},
		{math.Inf(1), delta, nil, "want a higher budget for the same people, or another task name for others"},
		{3.9, delta, []string{"privacy.epsilon="}, ""},
		{3.9, delta, []string{"privacy="}, ""},
		{1, 0.006, nil, ""},
		{1, 0.007, nil, "task noised: privacy.delta is 0.01: with delta 0.007, which earlier runs of the task have told of its participants, it is not less than 1 / population = 0.0167: with delta alone, the runs could publish all that one of them has: want less than 0.00967, or another task name for other people"},
		{1, 0.007, []string{"privacy.epsilon="}, "want less than 0.00967, or another task name"},
		{1, 0.007, []string{"privacy.delta=0.009"}, ""},
		{1, 0.02, nil, "task noised: privacy.delta: earlier runs of the task have told delta 0.02 of its participants, which is not less than 1 / population = 0.0167: with delta alone, they could have published all that one of them has: want another task name for other people"},
		{1, 0.02, []string{"privacy="}, ""},
	} {
		tk, err := task.Parse("x.yaml", []byte(spec), c.sets...)
		if err != nil {
			t.Fatal(err)
		}
		one, two := of(1, c.told/2, spec), of(2, c.told/2, spec)
		one.Delta, two.Delta = c.delta/2, c.delta/2
		err = Refuse(tk, 2, []store.Account{one, two})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("epsilon %g and delta %g told, %v: %v, want %q", c.told, c.delta, c.sets, err, c.want)
		}
	}
}
