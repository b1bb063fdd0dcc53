package dataset

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fedtab/coordinator/task"
	"fedtab/learn"
	"fedtab/learn/data"
)

// found opens a task that ships, with changes.
func found(t *testing.T, name string, sets ...string) (*task.Task, *Dataset) {
	t.Helper()
	tk, err := task.Find(name, sets)
	if err != nil {
		t.Fatal(err)
	}
	d, err := Open(tk)
	if err != nil {
		t.Fatal(err)
	}
	return tk, d
}

// counted adds examples of a set to their numbers, by content.
func counted(to map[string]int, s *data.Set, index []int32) {
	for _, i := range index {
		to[string(data.AppendShard(nil, s, []int32{i}))]++
	}
}

// table writes a table of n rows of three hospitals and returns its path.
func table(t *testing.T, n int) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("age,hospital,ill\n")
	for i := range n {
		fmt.Fprintf(&b, "%d,%c,%s\n", i, 'a'+i%3, []string{"yes", "no"}[i/2%2])
	}
	path := filepath.Join(t.TempDir(), "t.csv")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Whatever divides the examples, each training example is either in the validation set or
// in exactly one shard, and the test set is as it was.
func TestValidation(t *testing.T) {
	owners := filepath.Join(t.TempDir(), "owners")
	if err := os.WriteFile(owners, []byte(strings.Repeat("a\nb\nb\nc\n", 50)), 0o600); err != nil {
		t.Fatal(err)
	}
	small := []string{"data.first=200", "data.partition.clients=10"}
	for _, c := range []struct {
		name string
		task string
		sets []string
	}{
		{"iid", "mnist-2nn", small},
		{"shards", "mnist-2nn-noniid", small},
		{"dirichlet", "mnist-2nn", append(small[:2:2], "data.partition={kind: dirichlet, alpha: 0.5}")},
		{"file", "mnist-2nn", []string{"data.first=200", "data.partition.clients=", "data.partition={kind: file, path: " + owners + "}"}},
		{"column", "anes96", []string{"data=", "data={source: csv, csv: {path: " + table(t, 90) + ", target: ill}, partition: {kind: column, column: hospital}}"}},
		{"table", "anes96", nil},
		{"generated", "anes96", []string{"data=", "data={source: synthetic, generator: {kind: moons}, partition: {clients: 7}}"}},
		{"regression", "anes96", []string{"model=", "model.kind=linear", "data=", "data={source: synthetic, generator: {kind: linear}, partition: {clients: 7}}"}},
		{"given", "anes96", []string{"model=", "model.kind=softmax", "data=", "data={source: synthetic, generator: {kind: fedprox}, partition: {clients: 4}}"}},
		{"central", "mnist-central", []string{"data.first=200"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, whole := found(t, c.task, c.sets...)
			_, d := found(t, c.task, append(c.sets[:len(c.sets):len(c.sets)], "data.validation=0.25")...)
			n := whole.Train.Len()
			if want := (n + 2) / 4; d.Validation.Len() < want-1 || d.Validation.Len() > want+1 || d.Train.Len()+d.Validation.Len() != n {
				t.Fatalf("%d examples for training and %d for validation of %d", d.Train.Len(), d.Validation.Len(), n)
			}
			want, got := map[string]int{}, map[string]int{}
			counted(want, whole.Train, everything(n))
			counted(got, d.Validation, everything(d.Validation.Len()))
			for _, shard := range d.Shards {
				if len(shard) == 0 {
					t.Error("a client without examples")
				}
				counted(got, d.Train, shard)
			}
			if !maps.Equal(got, want) {
				t.Error("shards and validation set are not the training examples")
			}
			if string(data.AppendShard(nil, d.Test, everything(d.Test.Len()))) != string(data.AppendShard(nil, whole.Test, everything(whole.Test.Len()))) {
				t.Error("another test set")
			}
			if d.Train.Scaling() != whole.Train.Scaling() || d.Validation.Scaling() != whole.Train.Scaling() {
				t.Error("other features")
			}
		})
	}
}

// The clients that the data has keep their own examples.
func TestValidationKeepsOwners(t *testing.T) {
	_, d := found(t, "anes96", "data=", "data={source: csv, csv: {path: "+table(t, 90)+", target: ill, scale: none}, partition: {kind: column, column: hospital}, validation: 0.5}")
	x, y := make([]float32, d.Train.Features()), make([]float32, 1)
	for k, shard := range d.Shards {
		for _, i := range shard {
			if d.Train.Fill(x, y, []int32{i}); int(x[0])%3 != k {
				t.Errorf("client %d has the row %v", k, x[0])
			}
		}
	}
}

// One data seed gives one validation set, whatever the partition, the start and the
// sampling are, also by a loader that has opened other tasks; another seed gives another.
func TestValidationFollowsTheSeed(t *testing.T) {
	l := new(Loader)
	aside := func(name string, sets ...string) string {
		tk, err := task.Find(name, append(sets, "data.first=300", "data.validation=0.1"))
		if err != nil {
			t.Fatal(err)
		}
		d, err := l.Open(tk)
		if err != nil {
			t.Fatal(err)
		}
		return string(data.AppendShard(nil, d.Validation, everything(d.Validation.Len())))
	}
	want := aside("mnist-2nn")
	for _, sets := range [][]string{{"data.partition.clients=7"}, {"data.partition.clients=20", "data.partition.kind=shards"}, {"seeds.start=9", "seeds.sampling=9"}, {"seed=4", "seeds.data=1"}} {
		if aside("mnist-2nn", sets...) != want {
			t.Errorf("%v: another validation set", sets)
		}
	}
	if aside("mnist-2nn", "seeds.data=2") == want {
		t.Error("two data seeds have the same validation set")
	}
	_, alone := found(t, "mnist-2nn", "data.first=300", "data.validation=0.1")
	tk, _ := task.Find("mnist-2nn", []string{"data.first=300", "data.validation=0.1"})
	if shared, err := l.Open(tk); err != nil || shared.Content() != alone.Content() {
		t.Errorf("another content by a loader (%v)", err)
	}
}

// The guard judges by examples of the validation set or of the training set, at most 1,000,
// and never by those of the test set; it does so too once the shards are packed.
func TestSample(t *testing.T) {
	for _, c := range []struct {
		name string
		sets []string
		of   func(*Dataset) *data.Set
		size int
	}{
		{"training", []string{"data.first=3000"}, func(d *Dataset) *data.Set { return d.Train }, 1000},
		{"few", []string{"data.first=500"}, func(d *Dataset) *data.Set { return d.Train }, 500},
		{"validation", []string{"data.first=4000", "data.validation=0.5"}, func(d *Dataset) *data.Set { return d.Validation }, 1000},
		{"small validation", []string{"data.first=500", "data.validation=0.1"}, func(d *Dataset) *data.Set { return d.Validation }, 50},
	} {
		t.Run(c.name, func(t *testing.T) {
			tk, d := found(t, "mnist-2nn", append(c.sets, "model.hidden=[3]")...)
			from, all := map[string]int{}, c.of(d)
			counted(from, all, everything(all.Len()))
			sample := d.Sample(tk).(*data.Set)
			if sample.Len() != c.size {
				t.Errorf("%d examples, want %d", sample.Len(), c.size)
			}
			for i := range int32(sample.Len()) {
				if from[string(data.AppendShard(nil, sample, []int32{i}))] == 0 {
					t.Fatalf("example %d is of another set", i)
				}
			}
			m, err := d.Model(tk)
			if err != nil {
				t.Fatal(err)
			}
			params := make([]float32, m.Layout().Size)
			m.Init(params, 1)
			judge := d.Judge(tk, m)
			before := judge(params).Figures().Loss
			if err := d.Pack(t.TempDir()); err != nil {
				t.Fatal(err)
			}
			if after := judge(params).Figures().Loss; after != before {
				t.Errorf("loss %v after packing, %v before", after, before)
			}
			if v := d.Validator(m); (v != nil) != (d.Validation != nil) || v != nil && v(params).Examples != d.Validation.Len() {
				t.Error("the validator measures on another set")
			}
		})
	}
	tk, d := found(t, "mnist-2nn", "strategy.guard=.inf")
	if d.Sample(tk) != nil || d.Judge(tk, (learn.Model)(nil)) != nil {
		t.Error("examples for a guard that is off")
	}
}

func TestValidationRefused(t *testing.T) {
	for _, c := range []struct {
		task string
		sets []string
		want string
	}{
		{"mnist-2nn", []string{"data.validation=0.6"}, "--set data.validation=0.6: data.validation is 0.6, want 0 < validation <= 0.5, the share of the training examples (0: none)"},
		{"mnist-2nn", []string{"data.validation=-0.1"}, "--set data.validation=-0.1: data.validation is -0.1, want 0 < validation <= 0.5, the share of the training examples (0: none)"},
		{"own-vote", []string{"data.validation=0.1"}, `--set data.validation=0.1: data.validation is 0.1, want none, because source is "own": the hold-outs of participants (data.holdout) are there to select by`},
		{"mnist-2nn", []string{"data.first=1", "data.partition.clients=1", "data.validation=0.1"}, "task mnist-2nn: data.validation: 1 training examples, want at least 2: one of them is set aside"},
		{"mnist-2nn", []string{"data.first=100", "data.partition={clients: 40, kind: shards}", "data.validation=0.25"}, "--set data.partition={clients: 40, kind: shards}: data.partition makes 40 clients x 2 shards, want at most 75 shards (the data has 75 examples)"},
	} {
		tk, err := task.Find(c.task, c.sets)
		if err == nil {
			_, err = Open(tk)
		}
		if err == nil || err.Error() != c.want {
			t.Errorf("%s %v: %v\nwant %s", c.task, c.sets, err, c.want)
		}
	}
	_, err := task.Find("mnist-2nn", []string{"data.first=1200", "data.validation=0.1667"})
	_, d := found(t, "mnist-2nn", "data.first=1200", "data.validation=0.1667")
	if err != nil || d.Train.Len() != 1000 || !slices.ContainsFunc(d.Notes, func(n string) bool {
		return n == "200 of the 1200 training examples are set aside for validation"
	}) {
		t.Errorf("%d examples remain, notes %q (%v)", d.Train.Len(), d.Notes, err)
	}
}
