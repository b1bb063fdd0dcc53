package task

import (
	"slices"
	"testing"

	"fedtab/strategy"
)

// Options has each setting that a form may offer, with what the decoder says of it.
func TestOptions(t *testing.T) {
	all := map[string]Option{}
	for _, o := range Options() {
		if _, twice := all[o.Key]; twice {
			t.Errorf("%s is there twice", o.Key)
		}
		if all[o.Key] = o; o.Help == "" || o.Type == "" {
			t.Errorf("%s has no help or no type: %+v", o.Key, o)
		}
		if (o.Type == ChoiceOption) != (len(o.Choices) > 0) {
			t.Errorf("%s is a %s with the choices %v", o.Key, o.Type, o.Choices)
		}
		if o.Range == "" && o.Type != FlagOption && o.Key != "seed" {
			t.Errorf("%s has no range", o.Key)
		}
	}
	for _, want := range []Option{
		{Key: "join", Type: "choice", Choices: []string{"open", "invited"}, Default: "open", Range: `"open" or "invited"`},
		{Key: "strategy.fraction", Type: "number", Range: "0 <= fraction <= 1"},
		{Key: "strategy.deadline", Type: "text", Default: "2m0s", Range: "1s <= deadline <= 24h"},
		{Key: "strategy.server", Type: "choice", Choices: []string{"sgd", "momentum", "adagrad", "adam", "yogi"}, Default: "sgd", Range: `"sgd", "momentum", "adagrad", "adam" or "yogi"`},
		{Key: "optimiser.kind", Type: "choice", Choices: []string{"sgd", "momentum", "nesterov", "adam", "adamw"}, Default: "sgd", Range: "one of sgd, momentum, nesterov, adam, adamw"},
		{Key: "optimiser.beta2", Type: "number", Default: "0.999", Range: "0 <= beta2 < 1 in single precision"},
		{Key: "data.partition.alpha", Type: "number", Range: "0.001 <= alpha <= 1000"},
		{Key: "compress.up.bits", Type: "number", Default: "0.9", Range: "0.015625 <= bits <= 16 per parameter"},
		{Key: "compress.up.codec", Type: "choice", Default: "deadzone", Range: "one of deadzone, dither, float16, float32-planes, float32", Choices: []string{"deadzone", "dither", "float16", "float32-planes", "float32"}},
		{Key: "stop.rounds", Type: "integer", Range: "1 <= rounds <= 1000000 (0: no such condition)"},
		{Key: "seed", Type: "integer", Default: "1"},
		{Key: "download", Type: "flag"},
	} {
		if got := all[want.Key]; got.Type != want.Type || !slices.Equal(got.Choices, want.Choices) || got.Default != want.Default || got.Range != want.Range {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	if got := all["strategy.delta"].Schemes; !slices.Equal(got, []string{"dynamic"}) {
		t.Errorf("strategy.delta is of %v, want dynamic", got)
	}
	for _, s := range Served() {
		for _, set := range s.Settings {
			if o := all["strategy."+set.Key]; !slices.Contains(o.Schemes, s.Name) {
				t.Errorf("%s has %s, and the option is of %v", s.Name, set.Key, o.Schemes)
			}
		}
	}
	if len(Served()) != len(strategy.Schemes())-1 {
		t.Errorf("%d schemes are served, want all but central", len(Served()))
	}
}

// A default that an option names is what a task gets that leaves it out.
func TestOptionDefaults(t *testing.T) {
	task, err := Find("mnist-2nn", nil)
	if err != nil {
		t.Fatal(err)
	}
	values := task.Values()
	for _, o := range Options() {
		if v, ok := values[o.Key]; ok && o.Default != "" && v != o.Default && Given(shipped(t, "mnist-2nn"))[o.Key] == "" {
			t.Errorf("%s is left out and is %s, its option says %s", o.Key, v, o.Default)
		}
	}
}
