package task

import (
	"strings"
	"testing"
)

// secureTask is a task with secure aggregation.
const secureTask = `name: secret
model: {kind: mlp, hidden: []}
data: {source: mnist, partition: {kind: iid, clients: 20}}
strategy: {kind: fedavg, lr: 0.1}
privacy: {aggregation: secure, min: 3, dropout: 0.1, corrupt: 0.01}
stop: {rounds: 5}
`

// In a secure task nothing is told of one participant's own data.
func TestOwnSecure(t *testing.T) {
	const secure = "privacy.aggregation=secure"
	table := strings.Replace(ownTable, "missing: mean", `missing: "40"`, 1) // without constants there is no mean
	for _, test := range []struct {
		name, text string
		sets       []string
		want       []string // of the problems; none: it is taken
	}{
		{"numbers", ownTable, []string{secure}, []string{"data.standardise is missing", "evaluate.on is missing", "by itself"}},
		{"federated constants", ownTable, []string{secure, "data.standardise=federated", "evaluate={on: test, test: {csv: a.csv}}"}, []string{`data.standardise is "federated"`}},
		{"hold-outs", table, []string{secure, "data.standardise=none", "evaluate.on=holdouts"}, []string{`evaluate.on is "holdouts"`}},
		{"both", table, []string{secure, "data.standardise=none", "evaluate={on: both, test: {csv: a.csv}}"}, []string{`evaluate.on is "both"`}},
		{"neither", table, []string{secure, "data.standardise=none", "evaluate={on: test, test: {csv: a.csv}}"}, nil},
		{"images", ownImages, []string{secure}, []string{"evaluate.on is missing"}},
		{"plain", ownTable, nil, nil},
	} {
		_, err := Parse("x.yaml", []byte(test.text), test.sets...)
		if (err == nil) != (test.want == nil) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
		for _, want := range test.want {
			if err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", test.name, err, want)
			}
		}
	}
}

// A cohort in groups has as many as the combiner needs groups of; min_clients is of participants.
func TestSecureFewest(t *testing.T) {
	for _, test := range []struct {
		sets []string
		want int
	}{
		{nil, 3},
		{[]string{"strategy.min_clients=9"}, 9},
		{[]string{"privacy.groups=4", "strategy.combine=median"}, 12},
		{[]string{"privacy.groups=4", "strategy.combine=median", "strategy.min_clients=16"}, 16},
		{[]string{"privacy.groups=4", "strategy.combine=krum"}, 20},
	} {
		k, err := Parse("x.yaml", []byte(secureTask), test.sets...)
		if err != nil {
			t.Fatal(err)
		}
		if got := k.Fewest(100); got != test.want {
			t.Errorf("%q: %d participants, want %d", test.sets, got, test.want)
		}
	}
}

// A privacy setting that is out of range is told of once, without the names of packages.
func TestPrivacyToldOnce(t *testing.T) {
	const noisy = `privacy={aggregation: secure, min: 3, max: 20, dropout: 0.1, corrupt: 0.01, bits: 16, noise: 1, clip: 1, population: 20, delta: 1e-5}`
	for _, set := range []string{
		"privacy.min=1", "privacy.max=2", "privacy.dropout=2", "privacy.corrupt=1", "privacy.bits=40", "privacy.bits=5", "privacy.subset=2", "privacy.groups=1",
		"privacy.noise=0.001", "privacy.participations=-1", "privacy.separation=-1", "privacy.restart=-1", "privacy.examples=-1",
	} {
		_, err := Parse("x.yaml", []byte(secureTask), noisy, "strategy.fraction=1", set)
		if err == nil {
			t.Errorf("%s: no error", set)
			continue
		}
		text := err.Error()
		if strings.Count(text, "\n") > 0 || strings.Contains(text, "integers:") || strings.Contains(text, "terms:") {
			t.Errorf("%s: %s, want it once, in the words of the task", set, text)
		}
	}
}
