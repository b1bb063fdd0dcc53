package strategy

import (
	"maps"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"fedtab/combine"
)

func mustNew(t testing.TB, cfg Config, setup Setup) Strategy {
	t.Helper()
	cfg.LR = .1
	s, err := New(cfg, setup)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func join(s Strategy, ids ...ClientID) (last []Effect) {
	for _, id := range ids {
		last = steps(s, Joined{Client: id})
	}
	return last
}

func orders(effects []Effect) (all []Order) {
	for _, e := range effects {
		if o, ok := e.(Order); ok {
			all = append(all, o)
		}
	}
	return all
}

// FedBuff: K answers of any clients make a version, each weighted by the age of
// its base. A client gets its next order at once, but for the one whose answer
// fills the buffer: it gets an order on the new version.
func TestFedBuff(t *testing.T) {
	s := mustNew(t, Config{Kind: "fedbuff", Own: FedBuffSettings{Buffer: 3, Staleness: .5}}, Setup{Seed: 1, Live: true})
	if got := names(join(s, 1)); got != "Open " {
		t.Fatalf("the first client does %q", got)
	}
	order := map[ClientID]Order{}
	handle := Handle(0)
	take := func(effects []Effect) []Effect {
		for _, o := range orders(effects) {
			order[o.Client] = o
		}
		return effects
	}
	answer := func(id ClientID) []Effect {
		handle++
		return take(steps(s, Offered{Client: id, Order: order[id].Order, Handle: handle, Weight: 600}))
	}
	take(steps(s, Opened{1}))
	take(join(s, 2))
	take(join(s, 3))
	if len(order) != 3 || order[1].Round != 0 || order[1].Base != 0 {
		t.Fatalf("orders %v", order)
	}
	got := answer(1)
	if names(got) != "Add Order " || got[0] != Effect(Add{Handle: 1, Scale: 1, Weight: 1}) || order[1].Base != 0 {
		t.Errorf("the first answer does %v", got)
	}
	answer(1)
	got = answer(1)
	if names(got) != "Add Commit " {
		t.Fatalf("the third answer does %q", names(got))
	}
	if c := got[1].(Commit); !slices.Equal(c.Clients, []ClientID{1}) || c.Round != 1 || c.Plan != combine.Plan(combine.WeightedMean{ServerLR: 1}) {
		t.Errorf("%+v", c)
	}
	// Answers during the commit wait, and are one version old when they count.
	if got := answer(2); names(got) != "Keep " {
		t.Errorf("an answer during the commit does %q", names(got))
	}
	got = steps(s, Committed{Round: 1})
	want := Add{Handle: 4, Scale: math.Pow(2, -.5), Weight: 1}
	if names(got) != "Add Open " || got[0] != Effect(want) {
		t.Errorf("after the commit: %v, want %v", got, want)
	}
	if got := take(steps(s, Opened{2})); names(got) != "Order Order " || order[1].Base != 1 || order[2].Base != 1 {
		t.Errorf("once round 2 is open: %v, want orders on version 1 for clients 1 and 2", got)
	}
	// The straggler is welcome however late it is.
	answer(2)
	answer(2)
	steps(s, Committed{Round: 2}, Opened{3})
	got = answer(3)
	if want := (Add{Handle: 7, Scale: math.Pow(3, -.5), Weight: 1}); got[0] != Effect(want) {
		t.Errorf("an answer two versions old: %v, want %v", got[0], want)
	}
	// Twice, foreign and never given.
	for _, o := range []Offered{
		{Client: 3, Order: 3, Handle: 90, Weight: 1}, {Client: 9, Order: 1, Handle: 91, Weight: 1}, {Client: 1, Order: 99, Handle: 92, Weight: 1},
	} {
		if got := names(steps(s, o)); got != "Reject " {
			t.Errorf("%+v does %q", o, got)
		}
	}
}

// No answer is staler than it need be: where every client answers in turn, the
// age of an answer is the number of commits since its order, and an order that
// follows a commit rests on that version.
func TestFedBuffStaleness(t *testing.T) {
	for _, test := range []struct {
		name            string
		clients, buffer int
		want            float64 // mean staleness
	}{
		{"a version from every answer of one client", 1, 1, 0},
		{"a version from every answer of two clients", 2, 1, 1}, // one version of the other's between order and answer
		{"a version from one answer of each", 4, 4, .75},        // of three the next order precedes the commit
		{"a version from half of the clients", 4, 2, 1.5},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := mustNew(t, Config{Kind: "fedbuff", MinClients: test.clients, Own: FedBuffSettings{Buffer: test.buffer}}, Setup{Seed: 1, Live: true})
			order := map[ClientID]Order{}
			for i := range test.clients {
				s.Step(Joined{Client: ClientID(i + 1)})
			}
			version, sum, answers := uint64(0), 0., 0
			step := func(e Event) (committed bool) {
				for _, effect := range slices.Clone(s.Step(e)) {
					switch effect := effect.(type) {
					case Order:
						order[effect.Client] = effect
					case Commit:
						committed = true
					}
				}
				return committed
			}
			step(Opened{1})
			for version < 40 {
				id := ClientID(answers%test.clients + 1)
				answers++
				if version >= 10 {
					sum += float64(version - order[id].Base)
				}
				if step(Offered{Client: id, Order: order[id].Order, Handle: Handle(answers), Weight: 1}) {
					version++
					step(Committed{Round: version})
					step(Opened{version + 1})
				}
			}
			if got := sum / float64(30*test.buffer); got != test.want {
				t.Errorf("mean staleness %g, want %g", got, test.want)
			}
		})
	}
}

// At most a fraction of the clients is at work, and an answer's place may go to
// another client.
func TestFedBuffConcurrency(t *testing.T) {
	s := mustNew(t, Config{Kind: "fedbuff", Fraction: .3, Own: FedBuffSettings{Buffer: 100}}, Setup{Seed: 1, MinCohort: 1, Clients: 10})
	join(s, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
	out := map[ClientID]OrderID{}
	for _, o := range orders(steps(s, Opened{1})) {
		out[o.Client] = o.Order
	}
	worked := map[ClientID]bool{}
	for i := range 60 {
		if len(out) != 3 {
			t.Fatalf("%d clients at work, want 3 of 10", len(out))
		}
		id := slices.Sorted(maps.Keys(out))[i%3]
		worked[id] = true
		o := out[id]
		delete(out, id)
		for _, o := range orders(steps(s, Offered{Client: id, Order: o, Handle: Handle(i + 1), Weight: 1})) {
			out[o.Client] = o.Order
		}
	}
	if len(worked) != 10 {
		t.Errorf("%d clients have worked, want every client to have a turn", len(worked))
	}
}

// A client that is back after a restart, before the next version is open, gets the
// order that it may be working on as soon as it is.
func TestFedBuffRestart(t *testing.T) {
	cfg := Config{Kind: "fedbuff", Own: FedBuffSettings{Buffer: 1}}
	s := mustNew(t, cfg, Setup{Seed: 1, Live: true})
	join(s, 1)
	steps(s, Opened{1})
	join(s, 2)
	got := steps(s, Offered{Client: 2, Order: 3, Handle: 1, Weight: 1})
	commit := got[len(got)-1].(Commit)

	after := mustNew(t, cfg, Setup{Seed: 1, Live: true})
	if err := after.Restore(commit.Snapshot); err != nil {
		t.Fatal(err)
	}
	if got := names(join(after, 1)); got != "Open " {
		t.Fatalf("the first to come back does %q", got)
	}
	join(after, 2, 7)
	again := orders(steps(after, Opened{2}))
	if len(again) != 3 {
		t.Fatalf("orders %v, want one for each", again)
	}
	for _, o := range again {
		switch {
		case o.Client == 1 && (o.Order != 2 || o.Base != 0):
			t.Errorf("%+v, want the order that client 1 had", o)
		case o.Client == 7 && o.Base != 1:
			t.Errorf("%+v, want a newcomer's on version 1", o)
		}
	}
	// The straggler's answer counts, one version old.
	if got := steps(after, Offered{Client: 1, Order: 2, Handle: 5, Weight: 1}); got[0] != Effect(Add{Handle: 5, Scale: math.Pow(2, -.5), Weight: 1}) {
		t.Errorf("its answer does %v", got)
	}
	// A rollback empties the buffer and halves the rate.
	got = steps(after, RolledBack{2})
	if names(got) != "Open " || len(after.(*FedBuff).taken) != 0 {
		t.Errorf("a rollback does %q, with %d answers in the buffer", names(got), len(after.(*FedBuff).taken))
	}
}

// Daisy: in each leg every model goes to one client and every client gets one;
// after the last leg they are averaged.
func TestDaisy(t *testing.T) {
	s := mustNew(t, Config{Kind: "daisy", MinClients: 5, Own: DaisySettings{AverageEvery: 3}}, Setup{Seed: 1, Live: true})
	open := join(s, 1, 2, 3, 4, 5)[0].(Open)
	moved := false
	handle := Handle(0)
	var given []Order
	for leg := range 3 {
		if open.Round != 1 || open.Order != OrderID(leg+1) || len(open.Cohort) != 5 {
			t.Fatalf("leg %d: %+v", leg, open)
		}
		given = orders(steps(s, Opened{1}))
		var starts []MeanID
		for _, o := range given {
			starts = append(starts, o.Start)
		}
		slices.Sort(starts)
		if len(starts) != 5 || leg == 0 && starts[4] != 0 || leg > 0 && (starts[0] == 0 || len(slices.Compact(slices.Clone(starts))) != 5) {
			t.Fatalf("leg %d starts from %v", leg, starts)
		}
		var last []Effect
		made := map[Handle]ClientID{}
		for _, o := range given {
			handle++
			made[handle] = o.Client
			last = steps(s, Offered{Client: o.Client, Order: o.Order, Handle: handle, Weight: float64(o.Client)})
		}
		if leg == 2 {
			if got := names(last); got != "Keep StopTimer Forget Forget Forget Forget Forget Size Add Add Add Add Add Commit " {
				t.Fatalf("the last leg ends with %q", got)
			}
			continue
		}
		var models []Handle
		means := map[MeanID]Handle{}
		for _, e := range last {
			switch e := e.(type) {
			case Mean:
				models = append(models, e.Handles...)
				means[e.Mean] = e.Handles[0]
			case Open:
				open = e
			}
		}
		if len(means) != 5 || len(models) != 5 {
			t.Fatalf("leg %d ends with %v", leg, last)
		}
		for _, st := range s.(*rounds).policy.(*daisy).starts {
			moved = moved || made[means[st.mean]] != st.client
		}
	}
	if !moved {
		t.Error("no model has moved")
	}
}

// A client that has left after its leg is not awaited in the next one.
func TestDaisyLeaves(t *testing.T) {
	s := mustNew(t, Config{Kind: "daisy", MinClients: 3, Own: DaisySettings{AverageEvery: 2}}, Setup{Seed: 1, Live: true})
	join(s, 1, 2, 3)
	steps(s, Opened{1})
	offer := func(id ClientID, order OrderID) []Effect {
		return steps(s, Offered{Client: id, Order: order, Handle: Handle(10*uint64(order) + uint64(id)), Weight: 1})
	}
	offer(1, 1)
	steps(s, Left{1})
	offer(2, 1)
	if got := offer(3, 1); names(got[len(got)-1:]) != "Open " {
		t.Fatalf("the leg ends with %v", got)
	}
	if got := orders(steps(s, Opened{1})); len(got) != 2 {
		t.Fatalf("orders %v, want one for each of the two present", got)
	}
	offer(2, 2)
	got := offer(3, 2)
	if _, ok := got[len(got)-1].(Commit); !ok {
		t.Errorf("the round ends with %q, want a commit: no other client is present", names(got))
	}
}

// Radon: the base models asked for add up to r^h; too few participants wait, and
// when one leaves the work is divided anew.
func TestRadonParts(t *testing.T) {
	for _, test := range []struct {
		name               string
		parameters, models int
		clients            int
		want               []int // parts by client; nil: no round
	}{
		{"one each", 3, 1, 5, []int{1, 1, 1, 1, 1}},
		{"some train two", 3, 2, 4, []int{2, 1, 1, 1}},
		{"too few", 3, 2, 2, nil},
		{"as high as it goes", 1, 3, 4, []int{3, 2, 2, 2}},
		{"more participants than models", 3, 1, 7, []int{1, 1, 1, 1, 1}},
	} {
		s := mustNew(t, Config{Kind: "radon", MinClients: test.clients, Own: RadonSettings{Models: test.models}}, Setup{Seed: 1, Live: true, Parameters: test.parameters, Convex: true})
		for i := range test.clients {
			s.Step(Joined{Client: ClientID(i + 1)})
		}
		var parts []int
		for _, o := range orders(steps(s, Opened{1})) {
			parts = append(parts, o.Work.Parts)
			if o.Work.Kind != Base || o.Work.Vectors() != o.Work.Parts {
				t.Errorf("%s: %+v", test.name, o)
			}
		}
		if !slices.Equal(parts, test.want) {
			t.Errorf("%s: parts %v, want %v", test.name, parts, test.want)
		}
	}
}

func TestRadonLeaves(t *testing.T) {
	s := mustNew(t, Config{Kind: "radon", MinClients: 3, Own: RadonSettings{Models: 2}}, Setup{Seed: 1, Live: true, Parameters: 2, Convex: true})
	join(s, 1, 2, 3)
	steps(s, Opened{1}) // 2, 1, 1 models
	offer := func(id ClientID, order OrderID) []Effect {
		return steps(s, Offered{Client: id, Order: order, Handle: Handle(10*uint64(order) + uint64(id)), Weight: 1})
	}
	offer(2, 1)
	steps(s, Left{1})
	if got := names(offer(3, 1)); got != "Keep StopTimer Drop Drop Abandon SetTimer " {
		t.Fatalf("with two models missing: %q", got)
	}
	if got := names(steps(s, Fired{timerRetry})); got != "" {
		t.Fatalf("with fewer clients than min_clients: %q", got)
	}
	open := join(s, 4)
	if names(open) != "Open " {
		t.Fatalf("when a client joins: %v", open)
	}
	steps(s, Opened{1})
	order := open[0].(Open).Order
	offer(2, order)
	offer(3, order)
	got := offer(4, order)
	c, ok := got[len(got)-1].(Commit)
	if !ok || len(c.Kept) != 3 || c.Plan.(combine.RadonTree).Height != 1 {
		t.Fatalf("effects %v, want a commit of all base models", got)
	}
	got = steps(s, Committed{Round: 1})
	if f, ok := got[0].(Finish); !ok || f.Reason != "the Radon machine is done" {
		t.Errorf("effects %v, want the end", got)
	}
	if got := names(offer(2, order)); got != "Reject " {
		t.Errorf("an answer after the end does %q", got)
	}
}

// After a restart in the middle of its round the Radon machine asks for the same
// parts as before.
func TestRadonReopens(t *testing.T) {
	setup := Setup{Seed: 1, Live: true, Parameters: 2, Convex: true}
	s := mustNew(t, Config{Kind: "radon", MinClients: 3, Own: RadonSettings{Models: 2}}, setup)
	open := join(s, 1, 2, 3)[0].(Open)
	want := orders(steps(s, Opened{1}))
	after := mustNew(t, Config{Kind: "radon", MinClients: 3, Own: RadonSettings{Models: 2}}, setup)
	after.Step(Reopened{open, time.Minute})
	for i := len(want) - 1; i >= 0; i-- {
		if got := orders(join(after, want[i].Client)); len(got) != 1 || !reflect.DeepEqual(got[0], want[i]) {
			t.Errorf("client %d gets %+v, want %+v", want[i].Client, got, want[i])
		}
	}
}

// The mean is no robust combiner, and each of those gives the same bits in
// whatever order the answers came; wrong ones do not move it far.
func TestRobustAnyOrder(t *testing.T) {
	const clients, d = 9, 3
	r := rand.New(rand.NewPCG(1, 2))
	deltas := map[Handle][][]float32{}
	for i := range clients {
		v := make([]float32, d)
		for j := range v {
			v[j] = 1 + float32(r.NormFloat64())*.01
		}
		if i == 4 {
			v[1] = 1e4
		}
		deltas[Handle(i+1)] = [][]float32{v}
	}
	for _, combiner := range []string{"median", "trimmed-mean", "krum", "geometric-median", "radon"} {
		t.Run(combiner, func(t *testing.T) {
			next := func(order []int) []float32 {
				s := mustNew(t, Config{Kind: "periodic", Combine: combiner}, Setup{Seed: 1, Clients: clients, Parameters: d})
				for i := range clients {
					s.Step(Joined{Client: ClientID(i + 1)})
				}
				s.Step(Opened{1})
				var last []Effect
				for _, i := range order {
					last = steps(s, Offered{Client: ClientID(i + 1), Order: 1, Handle: Handle(i + 1), Weight: float64(10 + i)})
				}
				c := last[len(last)-1].(Commit)
				v := combine.Vectors{Base: make([]float32, d), Next: make([]float32, d)}
				for _, h := range c.Kept {
					v.Kept = append(v.Kept, deltas[h])
				}
				if err := c.Plan.Combine(&v); err != nil {
					t.Fatal(err)
				}
				return v.Next
			}
			first := next([]int{0, 1, 2, 3, 4, 5, 6, 7, 8})
			for _, x := range first {
				if combiner != "radon" && math.Abs(float64(x)-1) > .1 { // Radon points of height 1 are not robust to the one
					t.Errorf("combined to %v, want about 1", first)
				}
			}
			for range 5 {
				if got := next(r.Perm(clients)); !slices.Equal(got, first) {
					t.Errorf("another order of arrival gives %v, want %v", got, first)
				}
			}
		})
	}
}

// A scheme that cannot work is refused with the reason and the nearest that can.
func TestRefusals(t *testing.T) {
	live := Setup{Live: true, Parameters: 10, Convex: true}
	of := func(clients int) Setup { return Setup{Clients: clients, MinCohort: 1, Parameters: 10, Convex: true} }
	network := Setup{Live: true, Parameters: 199_210}
	for _, test := range []struct {
		name  string
		cfg   Config
		setup Setup
		want  string
	}{
		{"radon on a network", Config{Kind: "radon"}, network, "the nearest that works is oneshot"},
		{"radon says how many models it would need", Config{Kind: "radon"}, network, "199212 for h = 1"},
		{"radon on a small network", Config{Kind: "radon"}, Setup{Parameters: 50}, "convex losses only"},
		{"radon with too few base models", Config{Kind: "radon", Own: RadonSettings{Models: 2}}, of(5), "want models: 3, or 12 clients"},
		{"krum with n < 2f + 3", Config{Kind: "periodic", Combine: "krum", Byzantine: 2}, of(6), "at least 7, and it is 6"},
		{"krum in a small cohort", Config{Kind: "fedavg", Fraction: .1, Combine: "krum"}, of(40), "combine: median"},
		{"delta < 0", Config{Kind: "dynamic", Batches: 8, Own: DynamicSettings{Delta: -1}}, live, "delta is -1, want delta >= 0"},
		{"delta is NaN", Config{Kind: "dynamic", Batches: 8, Own: DynamicSettings{Delta: math.NaN()}}, live, "want delta >= 0"},
		{"dynamic without batches", Config{Kind: "dynamic", Own: DynamicSettings{Delta: 1}}, live, "batches is 0"},
		{"dynamic with one client", Config{Kind: "dynamic", Batches: 8, Own: DynamicSettings{Delta: 1}}, of(1), "the nearest that works is central"},
		{"dynamic with one participant", Config{Kind: "dynamic", Batches: 8, MinClients: 1, Own: DynamicSettings{Delta: 1}}, live, "the nearest is periodic"},
		{"daisy with one client", Config{Kind: "daisy"}, of(1), "central"},
		{"daisy with many", Config{Kind: "daisy"}, of(101), "max_kept: 101"},
		{"a robust combiner on dynamic", Config{Kind: "dynamic", Batches: 8, Combine: "median", Own: DynamicSettings{Delta: 1}}, live, "dynamic has no such setting (only oneshot, periodic, fedavg)"},
		{"a robust combiner on minibatch", Config{Kind: "minibatch", Combine: "krum"}, live, "minibatch has no such setting"},
		{"a robust combiner with scaffold", Config{Kind: "fedavg", Combine: "median", Correction: "scaffold"}, live, "none beside combine: median"},
		{"a robust combiner of too many", Config{Kind: "periodic", Combine: "median"}, of(200), "max_kept: 200"},
		{"radon points in a network", Config{Kind: "periodic", Combine: "radon"}, network, "combine: geometric-median"},
		{"central in tabs", Config{Kind: "central"}, live, "the nearest that runs live is periodic"},
		{"scaffold with adam", Config{Kind: "fedavg", Correction: "scaffold", Server: "adam"}, live, "sgd beside correction: scaffold"},
		{"trim without its combiner", Config{Kind: "fedavg", Trim: .1}, live, "combine: trimmed-mean"},
		{"a buffer without fedbuff", Config{Kind: "fedavg", Own: FedBuffSettings{Buffer: 3}}, live, "not strategy.FedBuffSettings"},
		{"krum live with too few kept", Config{Kind: "fedavg", Fraction: 1, Combine: "krum", Byzantine: 60}, live, "want max_kept: 123"},
		{"a trimmed mean that trims nothing", Config{Kind: "periodic", Combine: "trimmed-mean"}, of(4), "at least 5, and it is 4"},
		{"warmup of no scale", Config{Kind: "fedavg", Warmup: 3}, live, "lr_scale: sqrt or linear beside it"},
		{"momentum of plain sgd", Config{Kind: "fedavg", ServerMomentum: .5}, live, "server: momentum, adagrad, adam or yogi beside it"},
		{"beta2 of momentum", Config{Kind: "fedavg", Server: "momentum", ServerBeta2: .5}, live, "adam or yogi beside it"},
		{"tau of momentum", Config{Kind: "fedavg", Server: "momentum", ServerTau: .5}, live, "adagrad, adam or yogi beside it"},
		{"max_kept of the mean", Config{Kind: "fedavg", MaxKept: 5}, live, "combine: median, trimmed-mean, krum, geometric-median or radon beside it"},
		{"scaffold with prox", Config{Kind: "fedavg", Correction: "scaffold", Prox: .1}, live, "none beside correction: scaffold"},
		{"fednova with prox and momentum", Config{Kind: "fedavg", Correction: "fednova", Prox: .1}, Setup{Live: true, Parameters: 10, ClientMomentum: .9}, "not with both"},
		{"fednova with a large prox", Config{Kind: "fedavg", Correction: "fednova", Prox: 10}, live, "must be below 1"},
		{"one part", Config{Kind: "fedavg", Split: 1}, live, "split is 1, want 2 <= split <= 16"},
		{"parts of a stream", Config{Kind: "periodic", Split: 2, Batches: 8}, live, "epochs beside split: 2"},
		{"parts of a stream, buffered", Config{Kind: "fedbuff", Split: 2, Batches: 8}, live, "epochs beside split: 2"},
		{"scaffold with parts", Config{Kind: "fedavg", Correction: "scaffold", Split: 4}, live, "none or fednova beside split: 4"},
		{"epochs and batches", Config{Kind: "periodic", Epochs: 1, Batches: 1}, live, "either epochs or batches"},
	} {
		cfg := test.cfg
		cfg.LR = .1
		s, err := New(cfg, test.setup)
		if err == nil || s != nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want an error that says %q", test.name, err, test.want)
		}
	}
	// The same with what was asked for is taken.
	for name, ok := range map[string]struct {
		cfg   Config
		setup Setup
	}{
		"radon":   {Config{Kind: "radon", Own: RadonSettings{Models: 3}}, of(5)},
		"krum":    {Config{Kind: "periodic", Combine: "krum", Byzantine: 2}, of(7)},
		"dynamic": {Config{Kind: "dynamic", Batches: 8}, of(2)},
		"daisy":   {Config{Kind: "daisy", MaxKept: 101}, of(101)},
		"central": {Config{Kind: "central"}, of(1)},
	} {
		ok.cfg.LR = .1
		if _, err := New(ok.cfg, ok.setup); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
