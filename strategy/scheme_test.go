package strategy

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables of docs/schemes.md")

// Every scheme is described in full, its settings have fields of the type that
// they say, and a key means one thing everywhere.
func TestSchemesAreComplete(t *testing.T) {
	all := Schemes()
	types := map[string]Type{}
	used := map[string]bool{}
	for _, s := range all {
		if s.Name == "" || s.Title == "" || s.Help == "" || s.Models == "" || s.Choose == "" || s.New == nil || s.Words == nil {
			t.Errorf("scheme %q is not described in full: %+v", s.Name, s)
		}
		c := Config{Kind: s.Name, Own: s.Own}
		seen := map[string]bool{}
		for _, k := range s.Settings {
			v, ok := c.Get(k.Key)
			switch {
			case !ok:
				t.Errorf("%s: setting %s has no field", s.Name, k.Key)
				continue
			case reflect.TypeOf(v) != k.Type.Go():
				t.Errorf("%s: setting %s is a %T, want %v", s.Name, k.Key, v, k.Type.Go())
			case seen[k.Key]:
				t.Errorf("%s: setting %s is declared twice", s.Name, k.Key)
			case types[k.Key] != 0 && types[k.Key] != k.Type:
				t.Errorf("%s: setting %s has another type than in another scheme", s.Name, k.Key)
			case k.Help == "":
				t.Errorf("%s: setting %s has no help", s.Name, k.Key)
			case k.Type == Choice && len(k.Choices) == 0:
				t.Errorf("%s: setting %s has no choices", s.Name, k.Key)
			}
			seen[k.Key], used[k.Key], types[k.Key] = true, true, k.Type
			for _, d := range append([]Default{{Value: k.Default}}, k.Defaults...) {
				if d.Value == nil {
					continue
				}
				if reflect.TypeOf(d.Value) != k.Type.Go() {
					t.Errorf("%s: default %v of %s is a %T", s.Name, d.Value, k.Key, d.Value)
				} else if given(d.Value) && k.problem(d.Value) != nil {
					t.Errorf("%s: default of %s: %v", s.Name, k.Key, k.problem(d.Value))
				}
			}
			for _, on := range []string{k.When.Key, k.InsteadOf} {
				if _, ok := s.Setting(on); on != "" && !ok {
					t.Errorf("%s: setting %s depends on %s, which the scheme does not have", s.Name, k.Key, on)
				}
			}
		}
	}
	fields := reflect.TypeFor[Config]()
	for i := range fields.NumField() {
		key, _, _ := strings.Cut(fields.Field(i).Tag.Get("yaml"), ",")
		if key != "kind" && key != "" && !used[key] {
			t.Errorf("no scheme has the setting %s of Config", key)
		}
	}
}

// WithDefaults changes nothing that is given, fills what a scheme has, and is
// idempotent; what it returns has no problems.
func TestDefaults(t *testing.T) {
	for _, s := range Schemes() {
		c := Config{Kind: s.Name, LR: .1, Batches: 3}
		if _, ok := s.Setting("batches"); !ok {
			c.Batches = 0
		}
		full := c.WithDefaults()
		if ps := full.Problems(); len(ps) > 0 {
			t.Errorf("%s: the defaults are refused: %v", s.Name, ps)
		}
		if again := full.WithDefaults(); again != full {
			t.Errorf("%s: defaults of defaults: %+v, want %+v", s.Name, again, full)
		}
		if full.Batches != c.Batches || full.Batches > 0 && full.Epochs != 0 {
			t.Errorf("%s: %d batches and %d epochs, want %d batches alone", s.Name, full.Batches, full.Epochs, c.Batches)
		}
	}
	for name, test := range map[string]struct{ given, want Config }{
		"fedavg": {Config{Kind: "fedavg"}, Config{Kind: "fedavg", Epochs: 1, ServerLR: 1, Guard: 3, MaxWeight: 4, MinClients: 1, Deadline: DefaultDeadline}},
		"adam": {Config{Kind: "fedavg", Server: "adam"},
			Config{Kind: "fedavg", Epochs: 1, Server: "adam", ServerLR: .01, ServerMomentum: .9, ServerBeta2: .99, ServerTau: 1e-3, Guard: 3, MaxWeight: 4, MinClients: 1, Deadline: DefaultDeadline}},
		"adagrad": {Config{Kind: "fedbuff", Server: "adagrad", Own: FedBuffSettings{Buffer: 3}},
			Config{Kind: "fedbuff", Epochs: 1, Server: "adagrad", ServerLR: .01, ServerTau: 1e-3, Guard: 3, MinClients: 1, Deadline: DefaultDeadline, Own: FedBuffSettings{3, .5}}},
		"krum": {Config{Kind: "periodic", Combine: "krum"},
			Config{Kind: "periodic", Epochs: 1, ServerLR: 1, Combine: "krum", Byzantine: 1, MaxKept: 100, Guard: 3, MaxWeight: 4, MinClients: 1, Deadline: DefaultDeadline}},
		"central": {Config{Kind: "central"}, Config{Kind: "central", Epochs: 1, Deadline: MaxDeadline}},
		"daisy": {Config{Kind: "daisy", Batches: 2},
			Config{Kind: "daisy", Batches: 2, ServerLR: 1, Guard: 3, MaxWeight: 4, MaxKept: 100, MinClients: 2, Deadline: DefaultDeadline, Own: DaisySettings{10}}},
	} {
		if got := test.given.WithDefaults(); got != test.want {
			t.Errorf("%s: got  %+v\nwant %+v", name, got, test.want)
		}
	}
}

// A Config that is set through one copy leaves others alone.
func TestSetCopies(t *testing.T) {
	a := Config{Kind: "dynamic", Own: DynamicSettings{Delta: 1}}
	b := a
	if !b.Set("delta", 2.) || !b.Set("lr", .5) || b.Set("buffer", 3) {
		t.Error("want delta and lr set, and no buffer")
	}
	if own[DynamicSettings](a).Delta != 1 || a.LR != 0 || own[DynamicSettings](b).Delta != 2 || b.LR != .5 {
		t.Errorf("%+v and %+v", a, b)
	}
}

// What an Add may reach: a contribution's weight where it is multiplied by that,
// and 1 where every answer counts alike.
func TestMaxScale(t *testing.T) {
	for _, test := range []struct {
		cfg  Config
		want float64
	}{
		{Config{Kind: "fedavg"}, 500},
		{Config{Kind: "periodic", Correction: "fednova"}, 500},
		{Config{Kind: "fedavg", Correction: "scaffold"}, 1},
		{Config{Kind: "oneshot", Combine: "median"}, 1},
		{Config{Kind: "minibatch"}, 500},
		{Config{Kind: "central"}, 500},
		{Config{Kind: "dynamic"}, 500},
		{Config{Kind: "daisy"}, 500},
		{Config{Kind: "fedbuff"}, 1},
		{Config{Kind: "radon"}, 1},
	} {
		if got := test.cfg.MaxScale(500); got != test.want {
			t.Errorf("%s %s%s: %g, want %g", test.cfg.Kind, test.cfg.Correction, test.cfg.Combine, got, test.want)
		}
	}
}

// The tables of docs/schemes.md are those of the registry.
func TestDocs(t *testing.T) {
	const path = "../docs/schemes.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := fillTables(string(text), Schemes())
	if err != nil {
		t.Fatal(err)
	}
	if got == string(text) {
		return
	}
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("%s is out of date: go test ./strategy -run TestDocs -update", path)
}

var tables = regexp.MustCompile(`(?s)<!-- table (\S+) -->\n.*?<!-- end -->\n`)

// fillTables replaces the tables between marks, and wants one for every scheme.
func fillTables(text string, r Registry) (string, error) {
	missing := append(r.Names(), "schemes")
	var err error
	text = tables.ReplaceAllStringFunc(text, func(old string) string {
		name := tables.FindStringSubmatch(old)[1]
		missing = slices.DeleteFunc(missing, func(m string) bool { return m == name })
		table := r.Table()
		if name != "schemes" {
			s, ok := r.Find(name)
			if !ok {
				err = fmt.Errorf("a table of %q, which is no scheme", name)
			}
			table = s.Table()
		}
		return "<!-- table " + name + " -->\n" + table + "<!-- end -->\n"
	})
	if err == nil && len(missing) > 0 {
		err = fmt.Errorf("no table of %v", missing)
	}
	return text, err
}

// A scheme that is added to a registry needs no other change to be checked, filled
// in, built and documented.
func TestToyScheme(t *testing.T) {
	type toySettings struct {
		Laps int `yaml:"laps,omitempty"`
	}
	toy := Scheme{
		Name: "toy", Title: "Toy averaging", Help: "laps are averaged", Models: "1 up", Choose: "never",
		Settings: []Setting{rateSetting(), batchSetting(), {Key: "laps", Type: Whole, Min: 1, Max: 9, Default: 4, Help: "laps around the data"}},
		Own:      toySettings{},
		Words:    func(c Config) []string { return []string{plural(own[toySettings](c).Laps, "lap")} },
		New:      func(c Config, s Setup) Strategy { return newRounds(c, s, fedavg{all: true}) },
	}
	r := append(Schemes(), toy)
	good := Config{Kind: "toy", LR: .1, Own: toySettings{Laps: 3}}
	if ps := r.Problems(good); len(ps) > 0 {
		t.Errorf("refused: %v", ps)
	}
	if got := own[toySettings](r.WithDefaults(Config{Kind: "toy", LR: .1})).Laps; got != 4 {
		t.Errorf("%d laps by default, want 4", got)
	}
	if _, err := r.New(good, Setup{Seed: 1}); err != nil {
		t.Error(err)
	}
	for want, bad := range map[string]Config{
		"laps is 10, want 1 <= laps <= 9": {Kind: "toy", LR: .1, Own: toySettings{Laps: 10}},
		"fraction is 0.5, want it left out: toy has no such setting (only minibatch, fedavg, fedbuff)": {Kind: "toy", LR: .1, Fraction: .5},
		`kind is "joy", want "central"`: {Kind: "joy", LR: .1},
	} {
		ps := r.Problems(bad)
		if len(ps) != 1 || !strings.HasPrefix(ps[0].String(), want) {
			t.Errorf("got %v, want %s", ps, want)
		}
	}
	text := "<!-- table toy -->\n<!-- end -->\n"
	if _, err := fillTables(text, Schemes()); err == nil {
		t.Error("a table of an unknown scheme is accepted")
	}
	got, err := fillTables(text+"<!-- table schemes -->\nold\n<!-- end -->\n", append(Registry{}, toy))
	if err != nil || !strings.Contains(got, "| `laps` | 4 | 1 <= laps <= 9 | laps around the data |\n") || !strings.Contains(got, "| [`toy`](#toy) | laps are averaged | 1 up | never |\n") {
		t.Errorf("documented as %s, %v", got, err)
	}
	if _, err := fillTables("", append(Registry{}, toy)); err == nil {
		t.Error("a scheme without a table is accepted")
	}
}
