package strategy

import (
	"bytes"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"fedtab/combine"

	"pgregory.net/rapid"
)

// privately returns a strategy for a population, all of which take part unless the fraction
// says otherwise.
func privately(t interface{ Fatal(...any) }, cfg Config, p Private) *rounds {
	if cfg.Kind == "" {
		cfg.Kind = "fedavg"
	}
	cfg.LR = .1
	s, err := New(cfg.ForPrivate(1), Setup{Seed: 3, MinCohort: 2, Live: true, Parameters: 2, Convex: true, Private: &p})
	if err != nil {
		t.Fatal(err)
	}
	return s.(*rounds)
}

// members returns the events of n clients that join before a round opens.
func members(n int) []Event {
	events := []Event{Paused{}}
	for id := range n {
		events = append(events, Joined{Client: ClientID(id + 1)})
	}
	return append(events, Resumed{})
}

// play executes one round of a strategy: the clients with vectors answer, and the version is
// computed with noise from a source. It returns the version, and the Commit.
func play(t interface{ Fatal(...any) }, s Strategy, vectors map[ClientID][]float32, weights map[ClientID]float64, noise io.Reader, events ...Event) ([]float32, Commit) {
	const d = 4
	sum, err := combine.NewSum(d, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	handles := map[Handle][]float32{}
	for timeUp := false; len(events) > 0 || !timeUp; {
		if len(events) == 0 { // all have answered: the round lasts until its deadline
			timeUp, events = true, []Event{Fired{timerDeadline}}
		}
		e := events[0]
		events = events[1:]
		for _, effect := range slices.Clone(s.Step(e)) {
			switch e := effect.(type) {
			case Open:
				events = append(events, Opened{e.Round})
			case Order:
				v := vectors[e.Client]
				if v == nil {
					events = append(events, Left{e.Client}) // offline
					continue
				}
				var square float64
				for _, x := range v {
					square += float64(x) * float64(x)
				}
				h := Handle(e.Client)
				handles[h] = v
				weight := max(weights[e.Client], 1)
				events = append(events, Offered{Client: e.Client, Order: e.Order, Handle: h, Weight: weight, Share: 1, Norms: []float64{math.Sqrt(square)}})
			case Add:
				sum.AddScaled(handles[e.Handle], e.Scale, e.Weight)
			case Commit:
				v := &combine.Vectors{Base: make([]float32, d), Next: make([]float32, d), Sums: []*combine.Sum{sum}, State: map[string][]float32{}, Noise: noise}
				if err := e.Plan.Combine(v); err != nil {
					t.Fatal(err)
				}
				e.Snapshot = AppendNoised(e.Snapshot, v.Noised)
				return v.Next, e
			}
		}
	}
	t.Fatal("no version")
	return nil, Commit{}
}

// With noise 0, the sums of a population and of the same without one participant differ by at
// most S, whatever all of them send, who is absent, and by how much they weigh.
func TestPrivateSensitivity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const n = 5
		bound := rapid.Float64Range(1e-3, 10).Draw(t, "S")
		p := Private{Noise: 1, Clip: bound, Population: n, Full: rapid.IntRange(0, 20).Draw(t, "full")}
		fraction := rapid.SampledFrom([]float64{.3, .7, 1}).Draw(t, "C")
		vectors, weights := map[ClientID][]float32{}, map[ClientID]float64{}
		for id := range ClientID(n) {
			weights[id+1] = rapid.Float64Range(1, 100).Draw(t, "examples")
			if rapid.IntRange(0, 4).Draw(t, "there") > 0 {
				vectors[id+1] = rapid.SliceOfN(rapid.Float32Range(-64, 64), 4, 4).Draw(t, "vector")
			}
		}
		without := ClientID(rapid.IntRange(1, n).Draw(t, "without"))
		cfg := Config{Fraction: fraction}
		all, _ := play(t, privately(t, cfg, p), vectors, weights, rand.NewChaCha8([32]byte{}), members(n)...)
		others := slices.DeleteFunc(members(n), func(e Event) bool { return e == Event(Joined{Client: without}) })
		rest, _ := play(t, privately(t, cfg, p), vectors, weights, rand.NewChaCha8([32]byte{}), others...)
		var square float64
		for i := range all {
			difference := (float64(all[i]) - float64(rest[i])) * fraction * n
			square += difference * difference
		}
		// Versions are rounded to float32.
		if got := math.Sqrt(square); got > bound*(1+1e-6)+1e-6*bound*n {
			t.Fatalf("the sums differ by %g, want at most S = %g", got, bound)
		}
	})
}

// A round without any answer commits its noise, and the divisor is C N, whoever answers.
func TestPrivateEmptyRound(t *testing.T) {
	for _, c := range []struct {
		name    string
		vectors map[ClientID][]float32
		want    float32
	}{
		{"nobody answers", nil, 0},
		{"one of five", map[ClientID][]float32{2: {3, 0, 0, 0}}, 1. / 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := Private{Noise: 2, Vector: 2, Clip: 1, Population: 5}
			next, commit := play(t, privately(t, Config{Fraction: 1}, p), c.vectors, nil, rand.NewChaCha8([32]byte{7}), members(5)...)
			normal, _ := combine.NewNormal(rand.NewChaCha8([32]byte{7}))
			x, _ := normal.Next()
			if want := c.want + float32(2*x/5); math.Abs(float64(next[0]-want)) > 1e-4 {
				t.Errorf("first parameter %g, want %g: the contribution and its noise over 5", next[0], want)
			}
			if commit.Releases != 1 || commit.Guard != 0 && !math.IsInf(commit.Guard, 1) {
				t.Errorf("%+v, want one release and no guard", commit)
			}
		})
	}
}

// Each client is drawn by itself with probability C: neither the presence of others nor what
// they have missed changes whether it is.
func TestPrivateCohort(t *testing.T) {
	const n, attempts, fraction = 40, 400, .25
	drawn := func(events []Event) (cohorts [][]ClientID) {
		s := privately(t, Config{Fraction: fraction}, Private{Noise: 1, Vector: 1, Clip: 1, Population: n})
		for len(cohorts) < attempts {
			e := events[0]
			events = events[1:]
			for _, effect := range slices.Clone(s.Step(e)) {
				switch e := effect.(type) {
				case Open:
					cohorts = append(cohorts, e.Cohort)
					events = append(events, Opened{e.Round})
				case SetTimer:
					events = append(events, Fired{e.Timer}) // nobody answers
				case Commit:
					events = append(events, Committed{Round: e.Round})
				}
			}
		}
		return cohorts
	}
	all, few := drawn(members(n)), drawn(members(n/2))
	total := 0
	for i, cohort := range all {
		total += len(cohort)
		shared := slices.DeleteFunc(slices.Clone(cohort), func(id ClientID) bool { return id > n/2 })
		if !slices.Equal(shared, few[i]) {
			t.Fatalf("attempt %d draws %v of all, and %v of half of them", i+1, cohort, few[i])
		}
	}
	want, spread := fraction*n*attempts, math.Sqrt(n*attempts*fraction*(1-fraction))
	if math.Abs(float64(total)-want) > 5*spread {
		t.Errorf("%d members of %d cohorts, want %.0f within %.0f", total, attempts, want, 5*spread)
	}
}

// The budget ends the run before an attempt that would exceed it. Every attempt that is opened
// is charged, whether it makes a version or not, and a restart forgets none.
func TestPrivateBudget(t *testing.T) {
	p := Private{Noise: 1, Vector: 1, Clip: 1, Population: 2, Budget: true, Releases: 4}
	s := privately(t, Config{Fraction: 1}, p)
	one := []float32{1, 0, 0, 0}
	vectors := map[ClientID][]float32{1: one, 2: one}
	_, commit := play(t, s, vectors, nil, rand.NewChaCha8([32]byte{}), members(2)...)
	if commit.Releases != 1 {
		t.Fatalf("%d releases of the first version, want 1", commit.Releases)
	}
	open := steps(s, Committed{Round: 1})[0].(Open)
	if got := names(steps(s, Paused{})); got != "Abandon " && got != "StopTimer Abandon " {
		t.Fatalf("a pause does %q", got)
	}
	// A process that stops now finds the open round, which is charged.
	again := privately(t, Config{Fraction: 1}, p)
	if err := again.Restore(commit.Snapshot); err != nil {
		t.Fatal(err)
	}
	steps(again, Reopened{open, time.Minute})
	for name, r := range map[string]*rounds{"the first process": s, "the second": again} {
		if got := r.releases(); got != 2 {
			t.Errorf("%s has charged %d releases, want 2", name, got)
		}
	}
	third := steps(s, Resumed{})
	if len(third) != 1 || names(third) != "Open " {
		t.Fatalf("after the pause %v, want another attempt", third)
	}
	_, commit = play(t, s, vectors, nil, rand.NewChaCha8([32]byte{}), Opened{2})
	if commit.Releases != 3 {
		t.Errorf("%d releases of the second version, want 3: the attempt that was paused counts", commit.Releases)
	}
	s.Step(RolledBack{2})
	if got := names(steps(s, Fired{timerRetry})); got != "Open " {
		t.Fatalf("after a rollback %q, want the fourth attempt", got)
	}
	_, commit = play(t, s, vectors, nil, rand.NewChaCha8([32]byte{}), Opened{2})
	if commit.Releases != 4 {
		t.Errorf("%d releases, want 4: a version that was rolled back counts", commit.Releases)
	}
	if end, ok := steps(s, Committed{Round: 2})[0].(Finish); !ok || end.Reason != SpentReason {
		t.Errorf("it goes on beyond its budget")
	}
	restored := privately(t, Config{Fraction: 1}, p)
	if err := restored.Restore(commit.Snapshot); err != nil {
		t.Fatal(err)
	}
	if got := names(steps(restored, Joined{Client: 1})); got != "Finish " {
		t.Errorf("after a restart %q, want the end", got)
	}
}

// The bound follows the noised count, also over a restart: it falls by a tenth if all are
// below it, rises by as much if none is, and an offline member pulls neither way.
func TestPrivateAdaptive(t *testing.T) {
	for _, c := range []struct {
		name  string
		norms []float32 // of four, 0: absent
		want  float64
	}{
		{"all below", []float32{.5, .5, .5, .5}, math.Exp(-.1)},
		{"none below", []float32{5, 5, 5, 5}, math.Exp(.1)},
		{"half", []float32{.5, .5, 5, 5}, 1},
		{"one is there, and below", []float32{.5, 0, 0, 0}, math.Exp(-.2 / 8)},
		{"nobody", []float32{0, 0, 0, 0}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := Private{Noise: 1, Vector: 1.1, Count: 1e-9, Clip: 1, Population: 4}
			vectors := map[ClientID][]float32{}
			for i, norm := range c.norms {
				if norm > 0 {
					vectors[ClientID(i+1)] = []float32{0, norm, 0, 0}
				}
			}
			s := privately(t, Config{Fraction: 1}, p)
			_, commit := play(t, s, vectors, nil, rand.NewChaCha8([32]byte{}), members(4)...)
			restored := privately(t, Config{Fraction: 1}, p)
			if err := restored.Restore(commit.Snapshot); err != nil {
				t.Fatal(err)
			}
			if got := restored.private.bound; math.Abs(got-c.want) > 1e-6 {
				t.Errorf("bound %g, want %g", got, c.want)
			}
		})
	}
	p := Private{Noise: 1, Vector: 1, Clip: 1, Population: 4}
	_, commit := play(t, privately(t, Config{Fraction: 1}, p), nil, nil, rand.NewChaCha8([32]byte{}), members(4)...)
	if !bytes.Equal(commit.Snapshot, AppendNoised(commit.Snapshot, nil)) {
		t.Error("a fixed bound releases a count")
	}
}

// What would leave a participant's part unbounded, or look at contributions without noise, is
// refused with the reason.
func TestPrivateRefusals(t *testing.T) {
	inf := math.Inf(1)
	for _, c := range []struct {
		name string
		cfg  Config
		want string // of the problem; empty: none
	}{
		{"fedavg", Config{Kind: "fedavg", Fraction: .1}, ""},
		{"periodic", Config{Kind: "periodic"}, ""},
		{"oneshot", Config{Kind: "oneshot"}, ""},
		{"off", Config{Kind: "fedavg", Fraction: .1, Guard: inf, MaxWeight: inf, Clip: "none"}, ""},
		{"momentum on the server", Config{Kind: "fedavg", Fraction: .1, Server: "momentum"}, ""},
		{"dynamic", Config{Kind: "dynamic"}, "kind is \"dynamic\", want fedavg, periodic or oneshot"},
		{"daisy", Config{Kind: "daisy"}, "kind is"},
		{"radon", Config{Kind: "radon"}, "kind is"},
		{"fedbuff", Config{Kind: "fedbuff"}, "kind is"},
		{"minibatch", Config{Kind: "minibatch"}, "kind is"},
		{"central", Config{Kind: "central"}, "kind is"},
		{"median", Config{Kind: "fedavg", Fraction: .1, Combine: "median"}, "combine is \"median\", want mean"},
		{"krum", Config{Kind: "periodic", Combine: "krum"}, "combine is"},
		{"scaffold", Config{Kind: "fedavg", Fraction: .1, Correction: "scaffold"}, "correction is \"scaffold\", want none"},
		{"fednova", Config{Kind: "fedavg", Fraction: .1, Correction: "fednova"}, "correction is \"fednova\", want none"},
		{"guard", Config{Kind: "fedavg", Fraction: .1, Guard: 3}, "guard is 3, want .inf"},
		{"clip", Config{Kind: "fedavg", Fraction: .1, Clip: "adaptive"}, "clip is \"adaptive\", want none"},
		{"weights by the median", Config{Kind: "fedavg", Fraction: .1, MaxWeight: 4}, "max_weight is 4, want .inf"},
		{"reports", Config{Kind: "fedavg", Fraction: .1, MinReports: 3}, "min_reports is 3, want none"},
		{"scaled rate", Config{Kind: "fedavg", Fraction: .1, LRScale: "sqrt"}, "lr_scale is \"sqrt\", want none"},
		{"no fraction", Config{Kind: "fedavg"}, "fraction is 0, want 0 < fraction <= 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var lines []string
			for _, p := range PrivateProblems(c.cfg) {
				lines = append(lines, p.String())
			}
			got := strings.Join(lines, "\n")
			if c.want == "" && got != "" || !strings.HasPrefix(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
	_, err := New(Config{Kind: "daisy", LR: .1}, Setup{Private: &Private{Noise: 1, Clip: 1, Population: 3}})
	if err == nil {
		t.Error("a strategy that bounds nothing was made")
	}
	_, err = New(Config{Kind: "fedavg", Fraction: 1, LR: .1}.ForPrivate(3), Setup{Clients: 4, Private: &Private{Noise: 1, Clip: 1, Population: 3}})
	if err == nil || !strings.Contains(err.Error(), "population is 3, want 4") {
		t.Errorf("another number of clients: %v", err)
	}
}

// How long an answer is awaited does not depend on how long others take.
func TestPrivateDeadline(t *testing.T) {
	s := privately(t, Config{Fraction: 1, Deadline: time.Minute}, Private{Noise: 1, Vector: 1, Clip: 1, Population: 4})
	for _, e := range members(4) {
		s.Step(e)
	}
	opened := steps(s, Opened{1})
	if timer, ok := opened[0].(SetTimer); !ok || timer.After != time.Minute {
		t.Fatalf("%v, want a deadline of a minute", opened)
	}
	for id := range ClientID(3) {
		for _, effect := range steps(s, Offered{Client: id + 1, Order: 1, Handle: Handle(id + 1), Weight: 1, Norms: []float64{1}, Took: time.Second}) {
			if timer, ok := effect.(SetTimer); ok {
				t.Errorf("after answer %d the deadline is %v", id+1, timer.After)
			}
		}
	}
	steps(s, Fired{timerDeadline})
	if open := steps(s, Committed{Round: 1})[0].(Open); open.Deadline != time.Minute {
		t.Errorf("the next deadline is %v, want a minute", open.Deadline)
	}
}

// Whether an answer counts depends on its own time alone: not on a slow client, whose presence
// would keep a round open for those that have left and come back.
func TestPrivateSlowClient(t *testing.T) {
	for _, slow := range []bool{true, false} {
		s := privately(t, Config{Fraction: 1, Deadline: time.Minute}, Private{Noise: 1, Vector: 1, Clip: 1, Population: 4})
		n := 3
		if slow {
			n = 4 // and it never answers
		}
		for _, e := range members(n) {
			s.Step(e)
		}
		added := 0
		events := []Event{
			Opened{1}, Offered{Client: 1, Order: 1, Handle: 1, Weight: 1, Norms: []float64{1}},
			Left{Client: 2}, Declined{Client: 3, Order: 1}, Joined{Client: 2},
			Offered{Client: 2, Order: 1, Handle: 2, Weight: 1, Norms: []float64{1}}, Offered{Client: 3, Order: 1, Handle: 3, Weight: 1, Norms: []float64{1}},
			Fired{timerDeadline}, Offered{Client: 3, Order: 1, Handle: 4, Weight: 1, Norms: []float64{1}},
		}
		for _, e := range events {
			for _, effect := range s.Step(e) {
				if _, ok := effect.(Add); ok {
					added++
				}
			}
		}
		if added != 3 {
			t.Errorf("slow client %v: %d answers count, want 3", slow, added)
		}
	}
}

// What attempts were charged, and who was asked, is durable with the way back to an earlier
// version, whose round takes the place of theirs on the disk.
func TestPrivateRewind(t *testing.T) {
	for name, begin := range map[string]func() *rounds{
		"noise of each version": func() *rounds {
			return privately(t, Config{Fraction: 1}, Private{Noise: 1, Vector: 1, Clip: 1, Population: 6})
		},
		"noise of a tree": func() *rounds {
			return privately(t, Config{Fraction: 1}, Private{Noise: 1, Vector: 1, Clip: 1, Population: 6, Tree: &Tree{Participations: 3, Separation: 1}})
		},
		"noise of the participants": func() *rounds { return distributedly(t, 3) },
	} {
		r := begin()
		for _, e := range append(members(6), Paused{}, Resumed{}, Paused{}) {
			r.Step(e)
		}
		c, ok := find[Commit](slices.Clone(r.Step(Rewind{combine.Fixed{}})))
		if !ok || len(c.Clients) > 0 {
			t.Fatalf("%s: no way back", name)
		}
		next := begin()
		next.Step(Reopened{Open: Open{Round: 1, Order: r.order, State: c.State}})
		got, want := next.private, r.private
		if got.releases != want.releases || got.releases != c.Releases || (want.releases == 0) != (want.Tree != nil) || !maps.Equal(got.tree.asked, want.tree.asked) {
			t.Errorf("%s: the next process has %d releases and %v asked, want %d and %v", name, got.releases, got.tree.asked, want.releases, want.tree.asked)
		}
	}
}
