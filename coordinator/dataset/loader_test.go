package dataset

import (
	"fmt"
	"slices"
	"testing"

	"fedtab/coordinator/task"
)

// A loader that has opened other tasks gives each what it would have alone: the examples of
// its seed, and its shards.
func TestLoader(t *testing.T) {
	l := new(Loader)
	for _, sets := range [][]string{
		{"mnist-2nn"}, {"mnist-2nn-noniid"}, {"mnist-central"}, {"anes96"}, {"anes96-radon"},
		{"mnist-2nn", "data={source: synthetic, generator: {kind: fedprox, alpha: 1, beta: 1}, holdout: 0.2, partition: {kind: given, clients: 5}}", "model.kind=softmax", "model.hidden="},
		{"mnist-2nn", "data={source: synthetic, generator: {kind: fedprox, alpha: 1, beta: 1}, holdout: 0.2, partition: {kind: given, clients: 6}}", "model.kind=softmax", "model.hidden="},
	} {
		for _, seed := range []int{1, 2} {
			name := fmt.Sprint(sets)
			tk, err := task.Find(sets[0], append(sets[1:len(sets):len(sets)], fmt.Sprintf("seed=%d", seed)))
			if err != nil {
				t.Fatal(err)
			}
			alone, err := Open(tk)
			if err != nil {
				t.Fatal(err)
			}
			shared, err := l.Open(tk)
			if err != nil {
				t.Fatal(err)
			}
			if alone.Content() != shared.Content() || fmt.Sprint(alone.Shards) != fmt.Sprint(shared.Shards) {
				t.Errorf("%s with seed %d: not what it is alone", name, seed)
			}
		}
	}
	one, _ := task.Find("mnist-2nn", nil)
	other, _ := task.Find("mnist-2nn-noniid", nil)
	a, err := l.Open(one)
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Open(other)
	if err != nil {
		t.Fatal(err)
	}
	if a.Train != b.Train {
		t.Error("the same images are loaded twice")
	}
}

// Tasks that differ in the start or the sampling alone share their data, made or read.
func TestLoaderShares(t *testing.T) {
	l := new(Loader)
	open := func(sets ...string) *Dataset {
		tk, err := task.Find("mnist-2nn", append(sets, "data={source: synthetic, generator: {kind: moons}, partition: {clients: 4}}"))
		if err != nil {
			t.Fatal(err)
		}
		d, err := l.Open(tk)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	one := open("seed=1", "seeds.data=3")
	if other := open("seed=2", "seeds.data=3", "seeds.start=5"); one.Train != other.Train || fmt.Sprint(one.Shards) != fmt.Sprint(other.Shards) {
		t.Error("one data seed gives two sets")
	}
	if other := open("seed=1", "seeds.data=4"); one.Train == other.Train || one.Content() == other.Content() {
		t.Error("two data seeds give one set")
	}
}

// The first examples alone are used, and more than there are is refused.
func TestFirst(t *testing.T) {
	open := func(first int) (*Dataset, error) {
		tk, err := task.Find("mnist-2nn", []string{fmt.Sprintf("data.first=%d", first)})
		if err != nil {
			t.Fatal(err)
		}
		return Open(tk)
	}
	d, err := open(1000)
	if err != nil {
		t.Fatal(err)
	}
	all, err := open(0)
	if err != nil {
		t.Fatal(err)
	}
	if d.Train.Len() != 1000 || d.Test.Len() != 10000 || len(d.Shards) != 100 || len(d.Shards[0]) != 10 {
		t.Errorf("%d training examples, %d of the test set, %d shards of %d", d.Train.Len(), d.Test.Len(), len(d.Shards), len(d.Shards[0]))
	}
	x, y, want, label := make([]float32, 784), make([]float32, 1), make([]float32, 784), make([]float32, 1)
	d.Train.Fill(x, y, []int32{999})
	all.Train.Fill(want, label, []int32{999})
	if !slices.Equal(x, want) || y[0] != label[0] {
		t.Error("another example than the thousandth")
	}
	if _, err := open(60001); err == nil || err.Error() != "task mnist-2nn: data.first is 60001, want at most 60000, as there are training examples" {
		t.Errorf("error %v", err)
	}
}
