package task

import (
	"strings"
	"testing"

	"fedtab/strategy"
)

// toySettings are those of a scheme that only this test knows.
type toySettings struct {
	Laps  int     `yaml:"laps,omitempty"`
	Reach float64 `yaml:"reach,omitempty"`
}

func withToy() strategy.Registry {
	toy := strategy.Scheme{
		Name: "toy", Title: "Toy averaging", Help: "laps are averaged", Models: "1 up", Choose: "never",
		Settings: []strategy.Setting{
			{Key: "lr", Type: strategy.Number, Above: true, Max: 1, Required: true, Help: "rate"},
			{Key: "laps", Type: strategy.Whole, Min: 1, Max: 9, Default: 4, Help: "laps around the data"},
			{Key: "reach", Type: strategy.Number, Min: 0, Max: 2, Help: "of a lap"},
		},
		Own: toySettings{},
		Packing: func(strategy.Config) strategy.Packing {
			return strategy.Packing{Lossy: true, Biased: true, Default: true}
		},
		Optimiser: func(strategy.Config) strategy.Optimisers {
			return strategy.Optimisers{Kinds: []string{"sgd"}, Why: "toys take plain steps"}
		},
	}
	return append(strategy.Schemes(), toy)
}

func toyTask(section string) []byte {
	return []byte("name: toy\nmodel: {kind: mlp}\ndata: {source: mnist}\nstrategy:\n  " + strings.ReplaceAll(section, "; ", "\n  ") + "\nstop: {rounds: 3}\n")
}

// A task file may name a scheme that was added to the registry: it is decoded,
// checked and written down like any other.
func TestToyScheme(t *testing.T) {
	got, err := ParseWith(withToy(), "tasks/x.yaml", toyTask("laps: 7; kind: toy; lr: 0.5"), "strategy.reach=1.5")
	if err != nil {
		t.Fatal(err)
	}
	if got.Strategy.Own != any(toySettings{7, 1.5}) || got.Strategy.LR != .5 || got.Compress.Up.Codec != "deadzone" {
		t.Errorf("decoded as %+v, %+v", got.Strategy, got.Compress)
	}
	const want = "strategy:\n  kind: \"toy\"\n  batch: 0\n  lr: 0.5\n  laps: 7\n  reach: 1.5\noptimiser:\n"
	if text := string(got.YAML()); !strings.Contains(text, want) {
		t.Errorf("written down as\n%s\nwant in it\n%s", text, want)
	}
	again, err := ParseWith(withToy(), "tasks/x.yaml", got.YAML())
	if err != nil || !equal(got, again) {
		t.Errorf("read back as %+v, %v", again, err)
	}
	filled, err := ParseWith(withToy(), "tasks/x.yaml", toyTask("kind: toy; lr: 0.5"), "strategy.laps=8", "strategy.laps=")
	if err != nil || filled.Strategy.Own != any(toySettings{Laps: 4}) {
		t.Errorf("filled in as %+v, %v", filled, err)
	}
}

func TestToySchemeRefused(t *testing.T) {
	for _, c := range []struct {
		name, section string
		sets          []string
		want          string
	}{
		{"a value out of range", "kind: toy; lr: 0.5; laps: 10", nil, "tasks/x.yaml:7: strategy.laps is 10, want 1 <= laps <= 9"},
		{"a value of another type", "kind: toy; lr: 0.5; laps: two", nil, `tasks/x.yaml:7: strategy.laps is "two", want a whole number`},
		{"no infinity", "kind: toy; lr: 0.5; reach: .inf", nil, "tasks/x.yaml:7: strategy.reach is .inf, want a number"},
		{"another scheme's setting", "kind: toy; lr: 0.5; buffer: 3", nil, "tasks/x.yaml:7: strategy.buffer is 3, want it left out: toy has no such setting (only fedbuff)"},
		{"its setting in another scheme", "kind: fedavg; lr: 0.5; laps: 3", nil, "tasks/x.yaml:7: strategy.laps is 3, want it left out: fedavg has no such setting (only toy)"},
		{"a shared setting that it lacks", "kind: toy; lr: 0.5", []string{"strategy.epochs=2"}, "--set strategy.epochs=2: strategy.epochs is 2, want it left out: toy has no such setting (only central, oneshot, periodic, fedavg, radon, fedbuff, daisy)"},
		{"a range of its own for a shared setting", "kind: toy; lr: 2", nil, "tasks/x.yaml:6: strategy.lr is 2, want 0 < lr <= 1"},
		{"a scheme changed by --set", "kind: toy; lr: 0.5; laps: 3", []string{"strategy.kind=fedavg"}, "tasks/x.yaml:7: strategy.laps is 3, want it left out: fedavg has no such setting (only toy)"},
		{"a misspelling", "kind: toy; lr: 0.5; lapse: 3", nil, "tasks/x.yaml:7: unknown field strategy.lapse, did you mean laps?"},
		{"an optimiser that it does not bear", "kind: toy; lr: 0.5", []string{"optimiser.kind=adam"}, `--set optimiser.kind=adam: optimiser.kind is "adam", want sgd, because toys take plain steps`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseWith(withToy(), "tasks/x.yaml", toyTask(c.section), c.sets...)
			if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
	if _, err := Parse("tasks/x.yaml", toyTask("kind: toy; lr: 0.5")); err == nil {
		t.Error("a toy is accepted without its registry")
	}
}

// The canonical form has a scheme's own settings where builds before the registry
// wrote them: runs in databases carry its hash.
func TestOwnSettingsInYAML(t *testing.T) {
	for section, want := range map[string]string{
		"{kind: daisy, lr: 0.5}":                         "guard: 3\n  max_weight: 4\n  max_kept: 100\n  average_every: 10\n  min_clients: 2\n",
		"{kind: dynamic, lr: 0.5, batches: 8, delta: 1}": "server_lr: 1\n  guard: 3\n  max_weight: 4\n  delta: 1\n  augment: 2\n  full_share: 0.5\n  min_clients: 2\n",
		"{kind: fedbuff, lr: 0.5}":                       "server_lr: 1\n  guard: 3\n  buffer: 10\n  staleness: 0.5\n  min_clients: 1\n",
		"{kind: radon, lr: 0.5, height: 2}":              "lr: 0.5\n  height: 2\n  models: 1\n  min_clients: 1\n",
	} {
		got, err := Parse("x.yaml", []byte(strings.Replace(minimal, "{kind: fedavg, lr: 0.5}", section, 1)))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(got.YAML()), want) {
			t.Errorf("%s is\n%s\nwant in it\n%s", section, got.YAML(), want)
		}
	}
}

// The scheme of a task may be given after its settings, or changed together with
// them.
func TestSchemeSets(t *testing.T) {
	for name, sets := range map[string][]string{
		"settings first": {"strategy.batches=8", "strategy.delta=.inf", "strategy.kind=dynamic"},
		"kind first":     {"strategy.kind=dynamic", "strategy.delta=.inf", "strategy.batches=8"},
		"as a section":   {"strategy=", "strategy={delta: .inf, kind: dynamic, batches: 8, lr: 0.5}"},
	} {
		got, err := Parse("x.yaml", []byte(minimal), sets...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if own, ok := got.Strategy.Own.(strategy.DynamicSettings); !ok || own.Augment != 2 || got.Strategy.Batches != 8 || !strings.Contains(string(got.YAML()), "delta: .inf\n") {
			t.Errorf("%s: %+v", name, got.Strategy)
		}
	}
}
