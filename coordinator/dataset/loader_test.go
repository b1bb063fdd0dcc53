package dataset

import (
	"fmt"
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
