package task

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"fedtab/simulation"
	"fedtab/strategy"
	"fedtab/tasks"
)

var update = flag.Bool("update", false, "write the testdata that the program makes now")

func TestShipped(t *testing.T) {
	want := []string{
		"anes96", "anes96-daisy", "anes96-radon", "csv", "fashion-mnist-2nn", "mnist-2nn",
		"mnist-2nn-lean", "mnist-2nn-noniid", "mnist-central", "mnist-cnn", "mnist-dp", "mnist-dynamic", "mnist-fedavgm",
		"mnist-fedbuff", "mnist-minibatch", "mnist-oneshot", "mnist-periodic", "mnist-robust", "mnist-scaffold", "mnist-secure",
		"mnist-secure-dp",
		"own-clothes", "own-digits", "own-investment", "own-vote",
	}
	if got := Shipped(); !slices.Equal(got, want) {
		t.Fatalf("Shipped() = %q, want %q", got, want)
	}
	for _, name := range want {
		got, err := Find(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got.Name != name {
			t.Errorf("the file of %s names the task %s", name, got.Name)
		}
	}
}

// equal compares tasks without the places of their fields.
func equal(a, b *Task) bool {
	x, y := *a, *b
	x.where, y.where = places{}, places{}
	return reflect.DeepEqual(x, y)
}

func TestDefaultTask(t *testing.T) {
	got, err := Find("mnist-2nn", nil)
	if err != nil {
		t.Fatal(err)
	}
	got.Description = nil
	want := &Task{
		Name: "mnist-2nn", Title: Text{"en": "Handwritten digits", "de": "Handgeschriebene Ziffern"}, Join: Open,
		Model: Model{Kind: "mlp", Hidden: []int{200, 200}},
		Data:  Data{Source: "mnist", Partition: Partition{Kind: IID, Clients: 100}},
		Strategy: strategy.Config{Kind: "fedavg", Fraction: 0.1, Epochs: 1, Batch: 10, LR: 0.1,
			ServerLR: 1, Guard: 3, MaxWeight: 4, MinClients: 1, Deadline: 2 * time.Minute},
		Optimiser: Optimiser{Kind: "sgd"},
		Compress:  Compress{Up: Up{Codec: "deadzone", Bits: .9, Feedback: "on"}, Down: Down{Codec: "grid", Step: 3.5}},
		Devices:   simulation.DefaultDevices(),
		Stop:      Stop{Rounds: 100, Accuracy: 0.98},
		EvalEvery: 1,
		Seed:      1,
	}
	if !equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestNonIID(t *testing.T) {
	got, err := Find("mnist-2nn-noniid", nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Partition{Kind: Shards, Clients: 100, PerClient: 2}); got.Data.Partition != want {
		t.Errorf("partition %+v, want %+v", got.Data.Partition, want)
	}
	if want := (Stop{Rounds: 300, Accuracy: 0.97}); !reflect.DeepEqual(got.Stop, want) {
		t.Errorf("stop %+v, want %+v", got.Stop, want)
	}
}

// minimal has the required fields only.
const minimal = `name: small
model: {kind: mlp}
data: {source: mnist}
strategy: {kind: fedavg, lr: 0.5}
stop: {rounds: 3}
`

func TestMinimal(t *testing.T) {
	got, err := Parse("small.yaml", []byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	want := &Task{
		Name: "small", Title: Plain("small"), Join: Open,
		Model:     Model{Kind: "mlp"},
		Data:      Data{Source: "mnist", Partition: Partition{Kind: IID, Clients: 100}},
		Strategy:  strategy.Config{Kind: "fedavg", Epochs: 1, LR: 0.5, ServerLR: 1, Guard: 3, MaxWeight: 4, MinClients: 1, Deadline: 2 * time.Minute},
		Optimiser: Optimiser{Kind: "sgd"},
		Compress:  Compress{Up: Up{Codec: "deadzone", Bits: .9, Feedback: "on"}, Down: Down{Codec: "grid", Step: 3.5}},
		Devices:   simulation.DefaultDevices(),
		Stop:      Stop{Rounds: 3},
		EvalEvery: 1,
		Seed:      1,
	}
	if !equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestSet(t *testing.T) {
	for _, c := range []struct {
		name string
		sets []string
		want func(*Task)
	}{
		{"number", []string{"strategy.fraction=0.2"}, func(t *Task) { t.Strategy.Fraction = 0.2 }},
		{"list", []string{"model.hidden=[100,50]"}, func(t *Task) { t.Model.Hidden = []int{100, 50} }},
		{"empty list", []string{"model.hidden=[]"}, func(t *Task) { t.Model.Hidden = nil }},
		{"duration", []string{"stop.time=90s"}, func(t *Task) { t.Stop.Time = 90 * time.Second }},
		{"section", []string{"data.partition={kind: dirichlet, alpha: 0.5}"}, func(t *Task) {
			t.Data.Partition = Partition{Kind: Dirichlet, Clients: 100, Alpha: 0.5}
		}},
		{"per client", []string{"data.partition={kind: dirichlet-clients, alpha: 1}"}, func(t *Task) {
			t.Data.Partition = Partition{Kind: DirichletClients, Clients: 100, Alpha: 1}
		}},
		{"the last counts", []string{"seed=2", "seed=18446744073709551615"}, func(t *Task) { t.Seed = 1<<64 - 1 }},
		{"a validation set", []string{"data.validation=0.25"}, func(t *Task) { t.Data.Validation = .25 }},
		{"no validation set", []string{"data={validation: 0.5}", "data.validation=0"}, func(t *Task) {}},
		{"one of the seeds", []string{"seeds.start=7"}, func(t *Task) { t.Seeds.Start = 7 }},
		{"back to the default", []string{"stop.accuracy=", "data.partition.clients="}, func(t *Task) { t.Stop.Accuracy = 0 }},
		{"a list of sections replaces", []string{"model={kind: layers, layers: [{conv: 3, size: 5}, {maxpool: 2}]}", "model.hidden=", "model.layers=[{dense: 10, activation: tanh}]"}, func(t *Task) {
			t.Model = Model{Kind: "layers", Layers: []Layer{{Dense: 10, Activation: "tanh"}}}
		}},
		{"categories", []string{"data.source=csv", "data.csv={path: x, target: y, categorical: [{column: a}, {column: b, values: [c]}]}", "data.csv.categorical=[{column: d}]"}, func(t *Task) {
			t.Data.Source, t.Data.Holdout = "csv", .2
			t.Data.CSV = CSV{Path: "x", Target: "y", Predict: "class", Categorical: []Category{{Column: "d"}},
				Separator: "detect", Decimal: "detect", Header: "detect", Missing: "refuse", Constant: "refuse", Scale: "standard"}
		}},
		{"text with =", []string{`title="a = b"`}, func(t *Task) { t.Title = Plain("a = b") }},
		{"shards", []string{"data.partition.kind=shards"}, func(t *Task) { t.Data.Partition.Kind, t.Data.Partition.PerClient = Shards, 2 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			want, err := Find("mnist-2nn", nil)
			if err != nil {
				t.Fatal(err)
			}
			c.want(want)
			got, err := Find("mnist-2nn", c.sets)
			if err != nil {
				t.Fatal(err)
			}
			if !equal(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

// TestRefused reads testdata/*.txt: a task file, and after "-- set --" the
// --set arguments, and after "-- want --" the exact error.
func TestRefused(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no testdata", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			input, want, ok := strings.Cut(string(data), "-- want --\n")
			if !ok {
				t.Fatal("no -- want -- line")
			}
			text, set, _ := strings.Cut(input, "-- set --\n")
			var sets []string
			for line := range strings.Lines(set) {
				sets = append(sets, strings.TrimSuffix(line, "\n"))
			}
			_, err = Parse("tasks/x.yaml", []byte(text), sets...)
			if err == nil {
				t.Fatal("accepted")
			}
			got := err.Error() + "\n"
			if *update {
				if err := os.WriteFile(file, []byte(input+"-- want --\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// TestRefusedFile has inputs that a text file cannot hold.
func TestRefusedFile(t *testing.T) {
	bomb := "a: &a [1]\nb: &b [*a, *a]\nc: &c [*b, *b, *b]\n"
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "x.yaml: is empty, want a task with the fields name, title, description, join, download, model, data, strategy, optimiser, compress, privacy, devices, adversaries, stop, eval_every, evaluate, seed, seeds, reproducible"},
		{"byte order mark", "\xef\xbb\xbf" + minimal, "x.yaml:1: begins with a byte order mark, want plain UTF-8 without one"},
		{"UTF-16", "\xff\xfen\x00a\x00", "x.yaml:1: is UTF-16, want plain UTF-8"},
		{"binary", "name: x\n\x00\x01\x02", "x.yaml:2: is not text in UTF-8"},
		{"Latin-1", "name: x\ntitle: caf\xe9\n", "x.yaml:2: is not text in UTF-8"},
		{"tab", "name: x\nmodel:\n\tkind: mlp\n", "x.yaml:3: is indented with a tab, want spaces (YAML allows no tabs there)"},
		{"huge", minimal + "#" + strings.Repeat(" ", MaxFile), "x.yaml: is larger than 1048576 bytes, want a task file (those of tasks that ship have about 1000)"},
		{"two documents", minimal + "---\n" + minimal, "x.yaml:6: a second YAML document begins, want one task per file"},
		{"alias bomb", bomb, "x.yaml:1: unknown field a (allowed: adversaries, compress, data, description, devices, download, eval_every, evaluate, join, model, name, optimiser, privacy, reproducible, seed, seeds, stop, strategy, title)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("x.yaml", []byte(c.text))
			if err == nil {
				t.Fatal("accepted")
			}
			if got, _, _ := strings.Cut(err.Error(), "\n"); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestManyProblems(t *testing.T) {
	_, err := Parse("x.yaml", []byte(minimal+strings.Repeat("nonsense: 1\n", 1000)))
	var e *Error
	if !errors.As(err, &e) || len(e.Problems) != 1000 {
		t.Fatalf("got %d problems, want 1000", len(e.Problems))
	}
	lines := strings.Split(err.Error(), "\n")
	if last := lines[len(lines)-1]; len(lines) != 51 || last != "and 950 more problems" {
		t.Errorf("%d lines, the last %q", len(lines), last)
	}
	if p := e.Problems[0]; p.File != "x.yaml" || p.Line != 6 || p.Path != "nonsense" {
		t.Errorf("the first problem is %#v", p)
	}
}

func TestFind(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"mnist-2n", `no such task: "mnist-2n", did you mean mnist-2nn? (shipped: anes96, anes96-daisy, anes96-radon, csv, fashion-mnist-2nn, mnist-2nn, mnist-2nn-lean, mnist-2nn-noniid, mnist-central, mnist-cnn, mnist-dp, mnist-dynamic, mnist-fedavgm, mnist-fedbuff, mnist-minibatch, mnist-oneshot, mnist-periodic, mnist-robust, mnist-scaffold, mnist-secure, mnist-secure-dp, own-clothes, own-digits, own-investment, own-vote; or a file: ./NAME.yaml)`},
		{"cifar", `no such task: "cifar" (shipped: anes96, anes96-daisy, anes96-radon, csv, fashion-mnist-2nn, mnist-2nn, mnist-2nn-lean, mnist-2nn-noniid, mnist-central, mnist-cnn, mnist-dp, mnist-dynamic, mnist-fedavgm, mnist-fedbuff, mnist-minibatch, mnist-oneshot, mnist-periodic, mnist-robust, mnist-scaffold, mnist-secure, mnist-secure-dp, own-clothes, own-digits, own-investment, own-vote; or a file: ./NAME.yaml)`},
		{"", `no such task: "" (shipped: anes96, anes96-daisy, anes96-radon, csv, fashion-mnist-2nn, mnist-2nn, mnist-2nn-lean, mnist-2nn-noniid, mnist-central, mnist-cnn, mnist-dp, mnist-dynamic, mnist-fedavgm, mnist-fedbuff, mnist-minibatch, mnist-oneshot, mnist-periodic, mnist-robust, mnist-scaffold, mnist-secure, mnist-secure-dp, own-clothes, own-digits, own-investment, own-vote; or a file: ./NAME.yaml)`},
	} {
		_, err := Find(c.name, nil)
		if err == nil || err.Error() != c.want || !errors.Is(err, ErrUnknown) {
			t.Errorf("Find(%q): got  %v\nwant %s", c.name, err, c.want)
		}
	}

	path := filepath.Join(t.TempDir(), "small.yml")
	if _, err := Find(path, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if err := os.WriteFile(path, []byte(minimal), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := Find(path, []string{"seed=7"})
	if err != nil || got.Name != "small" || got.Seed != 7 {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := Load(filepath.Dir(path)); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("a directory: %v", err)
	}
}

func TestHash(t *testing.T) {
	a, err := Parse("a.yaml", []byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	same, err := Parse("b.yaml", []byte("# other words\nstop:\n  rounds: 3\nseed: 1\n"+
		"strategy: {lr: 5e-1, kind: \"fedavg\", epochs: 1, fraction: -0.0}\ndata: {source: mnist}\nmodel: {hidden: [], kind: mlp}\nname: small\n"))
	if err != nil {
		t.Fatal(err)
	}
	if a.Hash() != same.Hash() {
		t.Errorf("equal tasks, other hashes:\n%s\n%s", a.YAML(), same.YAML())
	}
	other, err := Parse("a.yaml", []byte(minimal), "strategy.lr=0.25")
	if err != nil {
		t.Fatal(err)
	}
	if a.Hash() == other.Hash() {
		t.Error("another learning rate, the same hash")
	}
}

// TestYAML pins the canonical form: runs in databases carry its hash.
func TestYAML(t *testing.T) {
	a, err := Parse("a.yaml", []byte(minimal), "model.hidden=[200, 100]", `title="Zoë's \"task\" ☃"`, "stop.time=90m")
	if err != nil {
		t.Fatal(err)
	}
	const want = `name: "small"
title: "Zoë's \"task\" ☃"
join: "open"
model:
  kind: "mlp"
  hidden: [200, 100]
data:
  source: "mnist"
  partition:
    kind: "iid"
    clients: 100
strategy:
  kind: "fedavg"
  epochs: 1
  batch: 0
  lr: 0.5
  server_lr: 1
  guard: 3
  max_weight: 4
  min_clients: 1
  deadline: 2m0s
optimiser:
  kind: "sgd"
compress:
  up:
    codec: "deadzone"
    bits: 0.9
    feedback: "on"
  down:
    codec: "grid"
    step: 3.5
devices:
  speed: 10000
  speed_spread: 0
  slow_fraction: 0
  slow_factor: 10
  bandwidth: 1.25e+06
  bandwidth_spread: 0
  latency: 20ms
  availability: 1
  session: 10m0s
stop:
  rounds: 3
  time: 1h30m0s
eval_every: 1
seed: 1
`
	if got := string(a.YAML()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestFieldTypes checks that every field of a section can be read and written.
func TestFieldTypes(t *testing.T) {
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		for i := range v.NumField() {
			if !v.Type().Field(i).IsExported() {
				continue
			}
			if inline(v.Type().Field(i)) {
				continue
			}
			if name, _ := tag(v.Type().Field(i)); name == "" {
				t.Errorf("%v.%s has no yaml tag", v.Type(), v.Type().Field(i).Name)
			}
			switch f := v.Field(i); f.Kind() {
			case reflect.Struct:
				walk(f)
			case reflect.Pointer:
				f.Set(reflect.New(f.Type().Elem())) // one that is not given is not written
				fallthrough
			default:
				formatted(f)
				wanted(f.Type())
			}
		}
	}
	walk(reflect.ValueOf(&Task{}).Elem())
	for _, s := range strategy.Schemes() {
		if s.Own != nil {
			walk(reflect.ValueOf(s.Own))
		}
	}
}

// TestData reads valid data sections, writes them and reads them again.
func TestData(t *testing.T) {
	iid := Partition{Kind: IID, Clients: 100}
	half := new(float64)
	*half = .5
	for _, c := range []struct {
		name, text string
		want       Data
	}{
		{"the shipped table", "{source: anes96}", Data{Source: "anes96", Holdout: 0.2, Partition: iid}},
		{"a folder", "{source: fashion-mnist, dir: ../x}", Data{Source: "fashion-mnist", Dir: "../x", Partition: iid}},
		{"four files", "{source: idx, idx: {train_images: a, train_labels: b, test_images: c, test_labels: d}, public: true, pixels: {mean: 0.13, deviation: 0.31}}",
			Data{Source: "idx", IDX: IDX{"a", "b", "c", "d", 0}, Public: true, Pixels: Pixels{0.13, 0.31}, Partition: iid}},
		{"CIFAR", "{source: cifar, dir: x}", Data{Source: "cifar", Dir: "x", Classes: 10, Partition: iid}},
		{"CIFAR-100", "{source: cifar, dir: x, classes: 100, public: true}", Data{Source: "cifar", Dir: "x", Classes: 100, Public: true, Partition: iid}},
		{"EMNIST", "{source: emnist, dir: x, split: letters}", Data{Source: "emnist", Dir: "x", Split: "letters", Partition: iid}},
		{"a folder of pictures", "{source: folder, dir: x, size: 32}", Data{Source: "folder", Dir: "x", Size: 32, Channels: 3, Partition: iid}},
		{"large grey pictures", "{source: folder, dir: x, size: 256, channels: 1, holdout: 0.3}", Data{Source: "folder", Dir: "x", Size: 256, Channels: 1, Holdout: .3, Partition: iid}},
		{"an archive", "{source: npz, npz: {path: x, y_test: labels}}",
			Data{Source: "npz", NPZ: NPZ{Path: "x", XTrain: "x_train", YTrain: "y_train", XTest: "x_test", YTest: "labels", Predict: "class"}, Partition: iid}},
		{"moons", "{source: synthetic, generator: {kind: moons, noise: 0}}",
			Data{Source: "synthetic", Holdout: .2, Generator: Generator{Kind: "moons", Examples: 2000, Noise: new(float64)}, Partition: iid}},
		{"blobs", "{source: synthetic, generator: {kind: blobs, seed: 7}, partition: {kind: shards}}",
			Data{Source: "synthetic", Holdout: .2, Generator: Generator{Kind: "blobs", Seed: 7, Examples: 2000, Features: 2, Classes: 3, Spread: 1}, Partition: Partition{Kind: Shards, Clients: 100, PerClient: 2}}},
		{"a regression", "{source: synthetic, generator: {kind: linear, features: 5, noise: 0.5}}",
			Data{Source: "synthetic", Holdout: .2, Generator: Generator{Kind: "linear", Examples: 2000, Features: 5, Noise: half}, Partition: iid}},
		{"clients of the generator", "{source: synthetic, holdout: 0.1, generator: {kind: fedprox, alpha: 0, beta: 0.5}, partition: {clients: 30}}",
			Data{Source: "synthetic", Holdout: .1, Generator: Generator{Kind: "fedprox", Beta: .5}, Partition: Partition{Kind: GivenClients, Clients: 30}}},
		{"clients of a file", "{source: mnist, partition: {kind: file, path: x}}", Data{Source: "mnist", Partition: Partition{Kind: ByFile, Path: "x"}}},
		{"clients of a column", "{source: csv, csv: {path: x.csv, target: y}, partition: {kind: column, column: z}}",
			Data{Source: "csv", Holdout: 0.2, Partition: Partition{Kind: ByColumn, Column: "z"},
				CSV: CSV{Path: "x.csv", Target: "y", Predict: "class", Separator: "detect", Decimal: "detect", Header: "detect", Missing: "refuse", Constant: "refuse", Scale: "standard"}}},
		{"a table", "{source: csv, csv: {path: x.csv, target: y, ignore: []}, partition: {kind: classes}}",
			Data{Source: "csv", Holdout: 0.2, Partition: Partition{Kind: Classes, Clients: 100, ClassesPerClient: 1},
				CSV: CSV{Path: "x.csv", Target: "y", Predict: "class", Separator: "detect", Decimal: "detect", Header: "detect", Missing: "refuse", Constant: "refuse", Scale: "standard"}}},
		{"a table in full", `{source: csv, holdout: 0.5, partition: {kind: power-law, exponent: 0.5}, csv: {path: x.csv, target: "2", predict: class, classes: [no, yes],
  ignore: [id], categorical: [{column: a}, {column: "b c", values: [x, "y, {z}"]}], separator: "|", decimal: comma, header: absent, missing: median, constant: drop, scale: none}}`,
			Data{Source: "csv", Holdout: 0.5, Partition: Partition{Kind: PowerLaw, Clients: 100, Exponent: 0.5},
				CSV: CSV{Path: "x.csv", Target: "2", Predict: "class", Classes: []string{"no", "yes"}, Ignore: []string{"id"},
					Categorical: []Category{{Column: "a"}, {"b c", []string{"x", "y, {z}"}}},
					Separator:   "|", Decimal: "comma", Header: "absent", Missing: "median", Constant: "drop", Scale: "none"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Parse("x.yaml", []byte(strings.Replace(minimal, "{source: mnist}", c.text, 1)))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got.Data, c.want) {
				t.Errorf("got  %+v\nwant %+v", got.Data, c.want)
			}
			again, err := Parse("x.yaml", got.YAML())
			if err != nil || !equal(got, again) {
				t.Errorf("read back: %v\n%s", err, got.YAML())
			}
		})
	}
}

// The sections that docs/data.md shows are those of valid tasks.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/data.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, block := range strings.Split(string(text), "```yaml\n")[1:] {
		block, _, _ = strings.Cut(block, "```")
		if !strings.HasPrefix(block, "data:") {
			continue
		}
		tk, err := Parse("docs/data.md", []byte(strings.Replace(minimal, "data: {source: mnist}\n", block, 1)))
		if err != nil {
			t.Errorf("%v in\n%s", err, block)
			continue
		}
		seen[tk.Data.Source] = true
	}
	for _, source := range []string{"cifar", "emnist", "folder", "npz", "synthetic", "csv", "own", "mnist"} {
		if !seen[source] {
			t.Errorf("no section of source %s", source)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(minimal), "strategy.fraction=0.2")
	for _, name := range Shipped() {
		text, err := tasks.Files.ReadFile(name + ".yaml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, "model.hidden=[100,50]")
	}
	files, _ := filepath.Glob("testdata/*.txt")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, "stop={rounds: 1}")
	}
	f.Add([]byte(minimal+"title: \"\\u2028 \\xe9\\U0001F600\"\ndescription: |2\n    x\n  \ty\n"), "")
	f.Fuzz(func(t *testing.T, text []byte, set string) {
		var sets []string
		if set != "" {
			sets = append(sets, set)
		}
		a, err := Parse("x.yaml", text, sets...)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || len(e.Problems) == 0 {
				t.Fatalf("not a list of problems: %v", err)
			}
			for _, p := range e.Problems {
				if strings.Contains(p.String(), "\n") {
					t.Fatalf("more than one line: %q", p)
				}
			}
			return
		}
		b, err := Parse("y.yaml", a.YAML())
		if err != nil {
			t.Fatalf("the canonical form is refused: %v\n%s", err, a.YAML())
		}
		if !equal(a, b) {
			t.Fatalf("read back as\n%+v\nwant\n%+v", b, a)
		}
	})
}
