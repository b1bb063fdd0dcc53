package task

import (
	"strings"
	"testing"
)

// Every task that ships can be served, but for those of simulations.
func TestShippedLive(t *testing.T) {
	for _, name := range Shipped() {
		tk, err := Find(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := tk.CheckLive(); (err != nil) != (name == "mnist-central" || name == "mnist-dp" || name == "mnist-secure-dp") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Settings of a simulation alone are refused with the place that gave them.
func TestCheckLive(t *testing.T) {
	for _, c := range []struct {
		name, task string
		sets       []string
		want       string // empty: it can be served
	}{
		{"devices describe simulated clients", "mnist-2nn", []string{"devices={speed: 7}"}, ""},
		{"public rows", "csv", nil, ""},
		{"private rows", "csv", []string{"data.public="}, "data.public is missing, want true if all participants may have the rows"},
		{"rows that are said to be private", "csv", []string{"data.public=false"}, "--set data.public=false: data.public is false, want true"},
		{"private pictures", "mnist-2nn", []string{"data={source: cifar, dir: x}"}, "data.public is missing, want true if all participants may have the rows of source \"cifar\""},
		{"public pictures", "mnist-2nn", []string{"data={source: folder, dir: x, size: 8, public: true}"}, ""},
		{"synthetic data", "mnist-2nn", []string{"data={source: synthetic, generator: {kind: moons}}"}, ""},
		{"drift", "mnist-dynamic", []string{"data.drift=100"}, "--set data.drift=100: data.drift is 100, want none"},
		{"a reference codec", "mnist-2nn", []string{"compress.up.codec=topk"}, `--set compress.up.codec=topk: compress.up.codec is "topk", want one of deadzone, dither, float16, float32-planes, float32, because it is a reference that only simulations have`},
		{"adversaries", "mnist-2nn", []string{"adversaries={kind: noise, fraction: 0.2}"}, `adversaries.kind is "noise", want none`},
		{"central", "mnist-central", nil, `strategy.kind is "central", want a scheme of several participants`},
		{"steps alone, of rounds without a number of them", "mnist-dynamic", []string{"stop={rounds: 0, accuracy: 0, steps: 50}"}, "stop.steps is 50, want rounds, accuracy or time beside it"},
		{"steps alone, of rounds with one", "mnist-periodic", []string{"stop={rounds: 0, accuracy: 0, steps: 50}"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			tk, err := Find(c.task, c.sets)
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
