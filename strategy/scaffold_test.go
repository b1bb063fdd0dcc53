package strategy

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"fedtab/combine"

	"pgregory.net/rapid"
)

// The numbers are made by hand. N = 8 clients, of which two answer: the model
// moves by eta_s = 1/2 times the mean delta, ((1, 2) + (3, -6)) / 2 = (2, -2),
// and the control variate by 2/8 of the mean change, ((8, 0) + (0, -4)) / 2 =
// (4, -2).
func TestScaffoldKnown(t *testing.T) {
	for _, test := range []struct {
		name    string
		control []float32
		want    []float32
	}{
		{"the first round", nil, []float32{1, -.5}},
		{"a later one", []float32{10, 20}, []float32{11, 19.5}},
	} {
		deltas, changes := newTestSum(t, 2, 1<<20), newTestSum(t, 2, 1<<20)
		for i, v := range [][2][]float32{{{1, 2}, {8, 0}}, {{3, -6}, {0, -4}}} {
			deltas.AddScaled(v[0], 1, 1)
			changes.AddScaled(v[1], 1, 1)
			if deltas.Weight() != float64(i+1) {
				t.Fatalf("weight %g", deltas.Weight())
			}
		}
		old := slices.Clone(test.control)
		v := combine.Vectors{Base: []float32{100, 200}, Next: make([]float32, 2), Sums: []*combine.Sum{deltas, changes}, State: map[string][]float32{}}
		if test.control != nil {
			v.State[combine.ControlVector] = test.control
		}
		if err := (combine.Scaffold{ServerLR: .5, Share: 2. / 8}).Combine(&v); err != nil {
			t.Fatal(err)
		}
		if want := []float32{101, 199}; !slices.Equal(v.Next, want) || !slices.Equal(v.Base, []float32{100, 200}) {
			t.Errorf("%s: x = %v from %v, want %v from [100 200]", test.name, v.Next, v.Base, want)
		}
		if got := v.State[combine.ControlVector]; !slices.Equal(got, test.want) {
			t.Errorf("%s: c = %v, want %v", test.name, got, test.want)
		}
		if !slices.Equal(test.control, old) {
			t.Errorf("%s: the old control variate has become %v", test.name, test.control)
		}
	}
	one := combine.Vectors{Base: make([]float32, 2), Next: make([]float32, 2), Sums: []*combine.Sum{newTestSum(t, 2, 1)}}
	if err := (combine.Scaffold{ServerLR: 1, Share: 1}).Combine(&one); err == nil {
		t.Error("control variates without a sum of their own are no error")
	}
}

// The server's control variate is the mean of the clients', of all N of them,
// round after round: when all clients take part in a round, and when only some do,
// because the others keep theirs and the plan's share is that of the clients that answer.
// The clients' shards are unequal, and do not count: the paper's means have no
// weights.
func TestScaffoldControlIsTheMeanOfTheClients(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const d = 5
		n := rapid.IntRange(1, 12).Draw(t, "clients")
		cfg := Config{Kind: "fedavg", Correction: "scaffold", LR: .1, MinReports: 1, MinClients: n}
		cfg.Fraction = rapid.SampledFrom([]float64{1, 1, .5, .2}).Draw(t, "fraction")
		cfg.ServerLR = rapid.SampledFrom([]float64{1, .5}).Draw(t, "server rate")
		declines := rapid.SampledFrom([]float64{0, 0, .3}).Draw(t, "declines") // declines its order
		seed := rapid.Uint64().Draw(t, "seed")
		s, err := New(cfg, Setup{Seed: seed, Live: true, MinCohort: 1})
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(seed, 2))
		own := make([][]float32, n) // the clients' c_i
		changes := map[Handle][]float32{}
		fresh := make([][]float32, n) // c_i+
		deltas := map[Handle][]float32{}
		state := map[string][]float32{}
		sums := [2]*combine.Sum{}
		for i := range sums {
			if sums[i], err = combine.NewSum(d, 1<<20); err != nil {
				t.Fatal(err)
			}
		}
		for i := range own {
			own[i] = make([]float32, d)
		}
		x, rounds, handle := make([]float32, d), 0, Handle(0)
		var todo []Event
		for i := range n {
			todo = append(todo, Joined{Client: ClientID(i)})
		}
		for len(todo) > 0 && rounds < 6 {
			e := todo[0]
			todo = todo[1:]
			for _, effect := range slices.Clone(s.Step(e)) {
				switch e := effect.(type) {
				case Open:
					todo = append(todo, Opened{e.Round})
				case SetTimer:
					if e.Timer == timerRetry {
						todo = append(todo, Fired{e.Timer})
					}
				case Order:
					if !e.Work.Control || e.Work.Vectors() != 2 {
						t.Fatalf("%+v asks for no control variate", e.Work)
					}
					if r.Float64() < declines {
						todo = append(todo, Declined{e.Client, e.Order})
						continue
					}
					handle++
					change, delta, next := make([]float32, d), make([]float32, d), make([]float32, d)
					for j := range change {
						change[j], delta[j] = float32(r.NormFloat64()), float32(r.NormFloat64())
						next[j] = own[e.Client][j] + change[j]
					}
					changes[handle], deltas[handle], fresh[e.Client] = change, delta, next
					todo = append(todo, Offered{Client: e.Client, Order: e.Order, Handle: handle, Weight: float64(1 + r.IntN(600)), Steps: 5})
				case Add:
					sums[0].AddScaled(deltas[e.Handle], e.Scale, e.Weight)
					sums[1].AddScaled(changes[e.Handle], e.Scale, e.Weight)
				case Abandon:
					sums[0].Clear()
					sums[1].Clear()
				case Commit:
					v := combine.Vectors{Base: x, Next: make([]float32, d), Sums: sums[:], State: state}
					if err := e.Plan.Combine(&v); err != nil {
						t.Fatal(err)
					}
					for _, id := range e.Clients {
						own[id] = fresh[id]
					}
					x = v.Next
					sums[0].Clear()
					sums[1].Clear()
					rounds++
					todo = append(todo, Committed{Round: e.Round})
					for j, c := range state[combine.ControlVector] {
						var mean float64
						for _, c := range own {
							mean += float64(c[j]) / float64(n)
						}
						if !(math.Abs(float64(c)-mean) <= 1e-5) {
							t.Fatalf("round %d of %v: c[%d] = %g, the clients' mean is %g", e.Round, e.Clients, j, c, mean)
						}
					}
				}
			}
		}
		if declines == 0 && rounds < 6 {
			t.Fatalf("%d rounds", rounds)
		}
	})
}

// The share of all clients that took part is that of the clients that were present when
// the round was opened, whichever are back after a restart.
func TestScaffoldShareAfterRestart(t *testing.T) {
	cfg := Config{Kind: "fedavg", Fraction: .5, Correction: "scaffold", MinClients: 4}
	s := mustNew(t, cfg, Setup{Seed: 1, Live: true})
	open := join(s, 1, 2, 3, 4)[0].(Open)
	if len(open.Cohort) != 2 {
		t.Fatalf("cohort %v", open.Cohort)
	}
	after := mustNew(t, cfg, Setup{Seed: 1, Live: true})
	steps(after, Reopened{open, time.Minute})
	var last []Effect
	for _, id := range open.Cohort {
		join(after, id)
		last = steps(after, Offered{Client: id, Order: open.Order, Handle: Handle(id), Weight: 10, Steps: 1})
	}
	if c := last[len(last)-1].(Commit); c.Plan != combine.Plan(combine.Scaffold{ServerLR: 1, Share: .5}) {
		t.Errorf("the plan is %+v, want a share of 2 of 4", c.Plan)
	}
}

func newTestSum(t *testing.T, n int, bound float64) *combine.Sum {
	s, err := combine.NewSum(n, bound)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
