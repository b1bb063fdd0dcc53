package simulate

import (
	"reflect"
	"slices"
	"testing"
)

// Each of the seeds changes what it is the seed of, and nothing else.
func TestSeeds(t *testing.T) {
	type outcome struct {
		shards  [][]int32
		initial []float32
		cohorts []int64 // models that each client has sent
		model   string
	}
	simulate := func(sets ...string) outcome {
		tk, d := load(t, append(sets, "data.first=400", "data.partition.clients=20", "model.hidden=[5]", "stop={rounds: 2}", "eval_every=2")...)
		m, err := d.Model(tk)
		if err != nil {
			t.Fatal(err)
		}
		o := outcome{shards: d.Shards, initial: make([]float32, m.Layout().Size)}
		m.Init(o.initial, tk.StartSeed())
		res, err := Run(t.Context(), tk, d, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range res.Accounts {
			o.cohorts = append(o.cohorts, res.Accounts[i].ModelsUp)
		}
		o.model = res.ModelSHA256
		return o
	}
	base := simulate("seed=1")
	for _, c := range []struct {
		set                      string
		shards, initial, cohorts bool // they are the same
	}{
		{"seeds.data=7", false, true, true},
		{"seeds.start=7", true, false, true},
		{"seeds.sampling=7", true, true, false},
		{"seeds={data: 1, start: 1, sampling: 1}", true, true, true},
	} {
		got := simulate("seed=1", c.set)
		for _, part := range []struct {
			name string
			is   bool
			want bool
		}{
			{"shards", reflect.DeepEqual(got.shards, base.shards), c.shards},
			{"version 0", slices.Equal(got.initial, base.initial), c.initial},
			{"cohorts", slices.Equal(got.cohorts, base.cohorts), c.cohorts},
			{"the last version", got.model == base.model, c.shards && c.initial && c.cohorts},
		} {
			if part.is != part.want {
				t.Errorf("%s: %s the same as without: %v, want %v", c.set, part.name, part.is, part.want)
			}
		}
	}
	if got := simulate("seed=9", "seeds={data: 1, start: 1, sampling: 1}"); got.model != base.model {
		t.Error("the seed changes a run whose seeds are all given")
	}
}
