package task

import (
	"slices"
	"strings"
	"testing"
)

// noised is a task with noise that can be served.
const noised = `name: small
model: {kind: softmax}
data: {source: own, images: {width: 28, height: 28, channels: 1, classes: [a, b]}}
join: invited
evaluate: {on: none}
strategy: {kind: fedavg, fraction: 0.5, lr: 0.5}
privacy: {noise: 1.5, clip: 0.5, population: 100, sampling: poisson, delta: 1e-3, epsilon: 3}
stop: {rounds: 500}
`

func TestDifferentialLive(t *testing.T) {
	for _, c := range []struct {
		name string
		sets []string
		want string // empty: it can be served
	}{
		{"members by invitation", nil, ""},
		{"an open task that claims no sampling", []string{"join=open", "privacy.sampling=none"}, ""},
		{"an open task", []string{"join=open"}, `privacy.sampling is "poisson", want none, or join: invited beside it`},
		{"limits on persons by invitation", []string{"privacy.sampling=none", "privacy.participations=3"}, ""},
		{"limits on numbers in an open task", []string{"join=open", "privacy.sampling=none", "privacy.participations=3", "privacy.limits=number"}, ""},
		{"limits on persons in an open task", []string{"join=open", "privacy.sampling=none", "privacy.participations=3"},
			"--set privacy.participations=3: privacy.participations is 3, want none, or join: invited beside it, as an invite with one use tells a person, or privacy.members, as a key does; or privacy.limits: number, for a claim on numbers of the run alone: in an open task somebody who clears the browser's memory and joins again has another number, and counts anew; or run it with coordinator simulate"},
		{"public data", []string{"data={source: mnist}", "data.images=", "evaluate="}, `data.source is "mnist", want "own" beside privacy.noise`},
	} {
		t.Run(c.name, func(t *testing.T) {
			tk, err := Parse("x.yaml", []byte(noised), c.sets...)
			if err != nil {
				t.Fatal(err)
			}
			err = tk.CheckLive()
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// The claim rests on persons where something is limited for them, or they are drawn.
func TestPersons(t *testing.T) {
	for _, c := range []struct {
		name             string
		sets             []string
		persons, numbers bool
	}{
		{"sampling", nil, true, false},
		{"neither limits nor sampling", []string{"privacy.sampling=none"}, false, false},
		{"limits", []string{"privacy.sampling=none", "privacy.participations=3"}, true, false},
		{"limits that are said to be on persons", []string{"privacy.sampling=none", "privacy.participations=3", "privacy.limits=person"}, true, false},
		{"limits on numbers", []string{"privacy.sampling=none", "privacy.participations=3", "privacy.limits=number"}, false, true},
		{"an open task", []string{"join=open", "privacy.sampling=none", "privacy.participations=3", "privacy.limits=number"}, false, true},
	} {
		tk, err := Parse("x.yaml", []byte(noised), c.sets...)
		if err != nil {
			t.Fatal(err)
		}
		if tk.Persons() != c.persons || tk.Numbers() != c.numbers {
			t.Errorf("%s: persons %v, numbers %v", c.name, tk.Persons(), tk.Numbers())
		}
	}
}

// What looks at contributions without noise is off by default, and the recorded task is one
// that this build takes. Every setting of the claim counts when a run is resumed.
func TestDifferentialTask(t *testing.T) {
	tk, err := Parse("x.yaml", []byte(noised))
	if err != nil {
		t.Fatal(err)
	}
	if s := tk.Strategy; s.Clip != "none" || s.MinClients != 50 || tk.MaxScale(600) != 1 {
		t.Errorf("%+v, scale %v", s, tk.MaxScale(600))
	}
	for _, c := range []struct{ set, want string }{
		{"privacy.noise=2", "privacy.noise is 2, was 1.5"},
		{"privacy.clip=1", "privacy.clip is 1, was 0.5"},
		{"privacy.adapt=true", "privacy.adapt is true, was not set"},
		{"privacy.full_weight=7", "privacy.full_weight is 7, was not set"},
		{"privacy.population=101", "privacy.population is 101, was 100"},
		{"privacy.sampling=none", "privacy.sampling is none, was poisson"},
		{"privacy.delta=1e-4", "privacy.delta is 0.0001, was 0.001"},
		{"privacy.epsilon=4", "privacy.epsilon is 4, was 3"},
		{"privacy={participations: 2, sampling: none}", "privacy.participations is 2, was not set"},
	} {
		other, err := Parse("x.yaml", []byte(noised), c.set)
		if err != nil {
			t.Fatal(err)
		}
		changes, err := other.Changes(tk.YAML(), true)
		if err != nil || !slices.Contains(changes, c.want) {
			t.Errorf("%s: %q, %v; want %q", c.set, changes, err, c.want)
		}
	}
	p, err := tk.Private(2, 0)
	if err != nil {
		t.Fatal(err)
	}
	claim, err := tk.Claim(2)
	if err != nil {
		t.Fatal(err)
	}
	within, _ := claim.Epsilon(int(p.Releases))
	beyond, _ := claim.Epsilon(int(p.Releases) + 1)
	if within > 3 || beyond <= 3 {
		t.Errorf("%d releases have epsilon %g, and one more %g; the budget is 3", p.Releases, within, beyond)
	}
	tk.Privacy.Epsilon = .01
	if _, err := tk.Private(2, 0); err == nil || !strings.Contains(err.Error(), "the first version exceeds it") {
		t.Errorf("a budget below one version: %v", err)
	}
}
