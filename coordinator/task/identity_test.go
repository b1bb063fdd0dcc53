package task

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// A change of a setting that training depends on is reported; others may change
// during a run.
func TestChanges(t *testing.T) {
	was, err := Parse("a.yaml", []byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		sets []string
		want []string
	}{
		{nil, nil},
		{[]string{`title="Another title"`, "description=A corrected typo", "join=invited", "download=false", "devices.speed=7", "adversaries={kind: scale, fraction: .1}", "stop={rounds: 99}", "eval_every=3"}, nil},
		{[]string{"strategy.lr=0.25"}, []string{"strategy.lr is 0.25, was 0.5"}},
		{[]string{"model.hidden=[5]", "seed=2"}, []string{"model.hidden is [5], was not set", "seed is 2, was 1"}},
		{[]string{"data.partition={kind: shards}"}, []string{"data.partition.kind is shards, was iid", "data.partition.shards_per_client is 2, was not set"}},
		{[]string{"strategy.server=momentum"}, []string{"strategy.server is momentum, was not set", "strategy.server_momentum is 0.9, was not set"}},
	} {
		is, err := Parse("a.yaml", []byte(minimal), test.sets...)
		if err != nil {
			t.Fatal(err)
		}
		got, err := is.Changes(was.YAML(), true)
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%v: %q, %v; want %q", test.sets, got, err, test.want)
		}
	}
}

// A task recorded by a build without a setting equals one where the setting has its
// default. A recorded task that this build refuses is an error.
func TestChangesOfAnOlderBuild(t *testing.T) {
	is, err := Parse("a.yaml", []byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	var older []string
	for line := range strings.Lines(string(is.YAML())) {
		if !strings.Contains(line, "deadline:") && !strings.Contains(line, "feedback:") && !strings.Contains(line, "speed_spread:") {
			older = append(older, line)
		}
	}
	text := strings.Join(older, "")
	if text == string(is.YAML()) {
		t.Fatal("no setting was left out")
	}
	if got, err := is.Changes([]byte(text), true); err != nil || len(got) > 0 {
		t.Errorf("%q, %v; want no change", got, err)
	}
	if _, err := is.Changes([]byte("name: small\nnonsense: 1\n"), true); err == nil {
		t.Error("a task with an unknown setting is compared")
	}
}

// A file that has moved is the same data if its content is the same.
func TestChangesOfPaths(t *testing.T) {
	at := func(csv string) *Task {
		text := "name: x\nmodel: {kind: mlp}\ndata: {source: csv, csv: {path: " + csv + ", target: y}}\nstrategy: {kind: fedavg, lr: 0.1}\nstop: {rounds: 1}\n"
		tk, err := Parse("x.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return tk
	}
	was, is := at("a.csv"), at("data/a.csv.gz")
	if got, err := is.Changes(was.YAML(), true); err != nil || len(got) > 0 {
		t.Errorf("the same content: %q, %v; want no change", got, err)
	}
	want := []string{"data.csv.path is data/a.csv.gz, was a.csv"}
	if got, err := is.Changes(was.YAML(), false); err != nil || !slices.Equal(got, want) {
		t.Errorf("unknown content: %q, %v; want %q", got, err, want)
	}
	idx := "{source: idx, idx: {train_images: a, train_labels: b, test_images: c, test_labels: d}, drift: 0}"
	tk, err := Parse("x.yaml", []byte("name: x\nmodel: {kind: mlp}\ndata: "+idx+"\nstrategy: {kind: fedavg, lr: 0.1}\nstop: {rounds: 1}\n"))
	if err != nil {
		t.Fatal(err)
	}
	moved := *tk
	moved.Data.IDX = IDX{TrainImages: "e", TrainLabels: "f", TestImages: "g", TestLabels: "h"}
	if got, err := moved.Changes(tk.YAML(), true); err != nil || len(got) > 0 {
		t.Errorf("images with the same content: %q, %v; want no change", got, err)
	}
}

// The files of a task, and what is known of its data before they are read.
func TestFilesAndKnown(t *testing.T) {
	for _, c := range []struct {
		data    string
		files   map[string]string
		shape   []int
		classes int
	}{
		{"{source: cifar, dir: x}", map[string]string{"data.dir": "x"}, []int{32, 32, 3}, 10},
		{"{source: cifar, dir: x, classes: 100}", map[string]string{"data.dir": "x"}, []int{32, 32, 3}, 100},
		{"{source: emnist, dir: x, split: byclass}", map[string]string{"data.dir": "x"}, []int{28, 28}, 62},
		{"{source: folder, dir: x, size: 8}", map[string]string{"data.dir": "x"}, nil, 0},
		{"{source: npz, npz: {path: y}}", map[string]string{"data.npz.path": "y"}, nil, 0},
		{"{source: synthetic, generator: {kind: moons}}", map[string]string{}, []int{2}, 2},
		{"{source: synthetic, generator: {kind: linear, features: 4}}", map[string]string{}, []int{4}, 0},
		{"{source: synthetic, generator: {kind: blobs}}", map[string]string{}, []int{2}, 3},
		{"{source: synthetic, generator: {kind: fedprox}}", map[string]string{}, []int{60}, 10},
	} {
		tk, err := Parse("x.yaml", []byte(strings.Replace(minimal, "{source: mnist}", c.data, 1)))
		if err != nil {
			t.Errorf("%s: %v", c.data, err)
			continue
		}
		n, shape, classes := tk.Known()
		if files := tk.Files(); n != 0 || !maps.Equal(files, c.files) || !slices.Equal(shape, c.shape) || classes != c.classes {
			t.Errorf("%s: files %v, %d examples of shape %v in %d classes", c.data, files, n, shape, classes)
		}
	}
}

// A simulation depends on every setting but texts, and Differences says which are others.
func TestSettings(t *testing.T) {
	settings := func(sets ...string) map[string]string {
		tk, err := Find("anes96", sets)
		if err != nil {
			t.Fatal(err)
		}
		return tk.Settings()
	}
	was := settings()
	if was["strategy.kind"] != "fedavg" || was["devices.availability"] != "1" || was["title.en"] != "" {
		t.Errorf("settings %v, want those of training and of devices, and no title", was)
	}
	if got := Differences(was, settings("title=other")); len(got) > 0 {
		t.Errorf("another title: %q, want no difference", got)
	}
	want := []string{"devices.availability is 0.5, was 1", "model.hidden is [7], was not set", "stop.rounds is 3, was 50"}
	got := Differences(was, settings("devices.availability=.5", "stop.rounds=3", "model.hidden=[7]"))
	if !slices.Equal(got, want) {
		t.Errorf("differences %q, want %q", got, want)
	}
	if got, want := Differences(was, settings("seeds.start=7")), []string{"seeds.start is 7, was not set"}; !slices.Equal(got, want) {
		t.Errorf("differences %q, want %q", got, want)
	}
	if got := Differences(was, settings("seeds={data: 0, start: 0, sampling: 0}")); len(got) > 0 {
		t.Errorf("seeds of 0: %q, want no difference", got)
	}
}

// Who may join is of no effect on training, but where limits are on persons: an invite tells another
// person than a key, and everybody's count would begin anew.
func TestChangesOfPersons(t *testing.T) {
	for _, c := range []struct {
		privacy string
		changes int
	}{
		{"", 0},
		{"privacy: {aggregation: secure, min: 160, max: 200, dropout: 0.1, corrupt: 0.1, bits: 16, noise: 2.28, clip: 1, population: 1000, participations: 3, delta: 1e-5, members: members.txt}\n", 1},
	} {
		text := func(join string) []byte {
			return []byte("name: small\nmodel: {kind: mlp, hidden: []}\ndata: {source: mnist, partition: {kind: iid, clients: 1000}}\nstrategy: {kind: fedavg, fraction: 0.2, epochs: 1, batch: 10, lr: 0.1}\n" + c.privacy + "stop: {rounds: 3}\njoin: " + join + "\n")
		}
		now, err := Parse("now", text("invited"))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := now.Changes(text("open"), true); err != nil || len(got) != c.changes {
			t.Errorf("with %q: changes %v, %v, want %d", c.privacy, got, err, c.changes)
		}
	}
}
