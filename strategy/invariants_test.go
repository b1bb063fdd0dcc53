package strategy

import (
	"flag"
	"maps"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"fedtab/combine"

	"pgregory.net/rapid"
)

// checker executes the effects of a strategy, as a run does, and fails the test when
// one is not allowed: its checks hold for every scheme and every order of events.
type checker struct {
	t       *rapid.T
	s       Strategy
	present map[ClientID]bool
	given   map[ClientID][]OrderID // in this life
	newest  map[ClientID]OrderID   // in all lives
	handles map[Handle]handleState
	means   map[MeanID]bool
	asked   []MeanID // not answered yet
	timers  map[Timer]bool
	version uint64
	open    *Open // waits for the disk
	durable *Open
	commit  *Commit
	paused  bool
	keeps   bool // it needs single contributions
	firing  bool // a timer has run out
	next    Handle
	adds    int // since the sums were cleared
	maxAdds int // as announced; 0: not
}

// maxClients is the number of clients, more than FedBuff's buffer holds.
const maxClients = 6

type handleState uint8

const (
	offeredHandle handleState = iota + 1
	keptHandle
)

func newChecker(t *rapid.T, s Strategy) *checker {
	return &checker{
		t: t, s: s, present: map[ClientID]bool{}, given: map[ClientID][]OrderID{}, newest: map[ClientID]OrderID{}, handles: map[Handle]handleState{},
		means: map[MeanID]bool{}, timers: map[Timer]bool{},
	}
}

// step feeds one event and executes its effects.
func (r *checker) step(e Event) {
	fresh := OrderID(0) // a number that no client has had
	for _, effect := range slices.Clone(r.s.Step(e)) {
		if o, ok := effect.(Order); ok && o.Order > r.newest[o.Client] {
			r.newest[o.Client], fresh = o.Order, o.Order
		}
		r.do(effect)
	}
	if fresh != 0 && r.commit != nil {
		r.t.Fatalf("%#v: order %d is given before version %d is committed, and will be stale", e, fresh, r.commit.Round)
	}
	for h, state := range r.handles {
		if state == offeredHandle {
			r.t.Fatalf("%#v: handle %d is not settled", e, h)
		}
	}
}

// settle takes a handle that is in one of some states.
func (r *checker) settle(what string, h Handle, from ...handleState) {
	if !slices.Contains(from, r.handles[h]) {
		r.t.Fatalf("%s of handle %d, which is in state %d", what, h, r.handles[h])
	}
	delete(r.handles, h)
}

func (r *checker) do(effect Effect) {
	if r.paused {
		r.quiet(effect)
	}
	switch e := effect.(type) {
	case Open:
		if r.open != nil || r.commit != nil || e.Round != r.version+1 || e.Base != r.version || !slices.IsSorted(e.Cohort) {
			r.t.Fatalf("%+v at version %d, with %v and %v under way", e, r.version, r.open, r.commit)
		}
		r.open = &e
	case Order:
		switch {
		case !r.present[e.Client]:
			r.t.Fatalf("an order to client %d, which is not present", e.Client)
		case e.Start != 0 && !r.means[e.Start]:
			r.t.Fatalf("order %d starts from mean %d, which is forgotten", e.Order, e.Start)
		case r.durable == nil || r.durable.Round != r.version+1:
			r.t.Fatalf("order %d before its round is durable", e.Order)
		case e.Base > r.version || e.Round != 0 && (e.Base != r.version || e.Round != r.version+1):
			r.t.Fatalf("%+v at version %d", e, r.version)
		case e.Work.Kind == Base && e.Work.Parts < 1:
			r.t.Fatalf("client %d is asked for no model", e.Client)
		}
		if n := len(r.given[e.Client]); n > 0 && r.given[e.Client][n-1] > e.Order {
			r.t.Fatalf("client %d gets order %d after %d", e.Client, e.Order, r.given[e.Client][n-1])
		}
		r.given[e.Client] = append(r.given[e.Client], e.Order)
	case Fetch:
		if n := len(r.given[e.Client]); !r.present[e.Client] || n == 0 || r.given[e.Client][n-1] != e.Order {
			r.t.Fatalf("fetch of order %d from client %d, which has %v", e.Order, e.Client, r.given[e.Client])
		}
	case Size:
		if r.adds > 0 || e.Adds < 1 {
			r.t.Fatalf("%+v after %d contributions were added", e, r.adds)
		}
		r.maxAdds = e.Adds
	case Add:
		if r.adds++; r.maxAdds > 0 && r.adds > r.maxAdds {
			r.t.Fatalf("%d contributions are added, %d were announced", r.adds, r.maxAdds)
		}
		if r.maxAdds == 0 && r.adds > maxClients {
			r.t.Fatalf("%d contributions of %d clients are added, sums are sized for one of each", r.adds, maxClients)
		}
		r.settle("Add", e.Handle, offeredHandle, keptHandle)
		if !(e.Weight > 0) || !(e.Scale > 0) {
			r.t.Fatalf("%+v", e)
		}
	case Reject:
		r.settle("Reject", e.Handle, offeredHandle)
	case Drop:
		r.settle("Drop", e.Handle, keptHandle)
	case Keep:
		r.settle("Keep", e.Handle, offeredHandle)
		if !r.keeps && e.Scale != 0 {
			r.t.Fatalf("Keep with scale %v of a scheme that says it only adds", e.Scale)
		}
		r.handles[e.Handle] = keptHandle
	case Mean:
		if r.means[e.Mean] || len(e.Handles) == 0 || len(e.Weights) != len(e.Handles) {
			r.t.Fatalf("%+v", e)
		}
		for _, h := range e.Handles {
			if r.handles[h] != keptHandle {
				r.t.Fatalf("mean of handle %d, which is not kept", h)
			}
		}
		r.means[e.Mean] = true
		r.asked = append(r.asked, e.Mean)
	case Forget:
		if !r.means[e.Mean] {
			r.t.Fatalf("mean %d is forgotten twice", e.Mean)
		}
		delete(r.means, e.Mean)
	case SetTimer:
		r.timers[e.Timer] = true
	case StopTimer:
		delete(r.timers, e.Timer)
	case Abandon:
		if r.durable == nil && !r.paused || e.Round != r.version+1 {
			r.t.Fatalf("%+v at version %d", e, r.version)
		}
		r.noneKept("abandoned")
		r.adds, r.maxAdds = 0, 0
	case Commit:
		if r.commit != nil || e.Round != r.version+1 || e.Base != r.version || len(e.Clients) == 0 && e.Releases == 0 || !slices.IsSorted(e.Clients) || !(e.Rate > 0) {
			r.t.Fatalf("%+v at version %d", e, r.version)
		}
		for _, h := range e.Kept {
			r.settle("Commit", h, keptHandle)
		}
		r.noneKept("committed")
		r.adds, r.maxAdds = 0, 0
		r.commit = &e
	}
}

// quiet fails the test for an effect that a pause does not have.
func (r *checker) quiet(effect Effect) {
	switch effect.(type) {
	case Open, Order, Fetch, Mean:
		r.t.Fatalf("%#v in a pause", effect)
	case SetTimer:
		if r.firing {
			r.t.Fatalf("%#v in a pause, after another timer", effect)
		}
	}
}

// pause pauses the strategy, which holds nothing then but what came during a commit.
func (r *checker) pause() {
	r.paused = true
	r.step(Paused{})
	r.open = nil // given up
	clear(r.given)
	if r.commit == nil {
		r.noneKept("paused")
	}
}

func (r *checker) noneKept(when string) {
	if n := len(r.handles); n > 0 {
		r.t.Fatalf("%s with %d contributions kept", when, n)
	}
}

func (r *checker) offer(id ClientID, order OrderID) {
	r.next++
	r.handles[r.next] = offeredHandle
	r.step(Offered{Client: id, Order: order, Handle: r.next, Weight: float64(1 + uint64(id)%3), Steps: 3, Norms: []float64{float64(id)}})
}

// restart begins another life from what is durable.
func (r *checker) restart(s Strategy, snapshot []byte) {
	r.s = s
	clear(r.present)
	clear(r.given)
	clear(r.handles)
	clear(r.means)
	clear(r.timers)
	r.asked, r.open, r.commit = nil, nil, nil
	r.adds, r.maxAdds = 0, 0
	if snapshot != nil {
		if err := s.Restore(snapshot); err != nil {
			r.t.Fatal(err)
		}
	}
	if r.durable != nil {
		paused := r.paused
		r.paused = false
		r.step(Reopened{*r.durable, time.Second})
		r.paused = paused
	}
	if r.paused {
		r.pause()
	}
}

// schemes are configurations of all strategies, small enough to reach every state.
var schemes = map[string]Config{
	"central":   {Kind: "central"},
	"minibatch": {Kind: "minibatch", Fraction: .5},
	"periodic":  {Kind: "periodic", Batches: 8, LRScale: "sqrt", Warmup: 3},
	"scaffold":  {Kind: "fedavg", Fraction: 1, Correction: "scaffold"},
	"fednova":   {Kind: "fedavg", Fraction: 1, Correction: "fednova"},
	"median":    {Kind: "fedavg", Fraction: 1, Combine: "median"},
	"krum":      {Kind: "periodic", Combine: "krum", MinClients: 5},
	"oneshot":   {Kind: "oneshot"},
	"radon":     {Kind: "radon", Own: RadonSettings{Models: 2}},
	"daisy":     {Kind: "daisy", Own: DaisySettings{AverageEvery: 3}},
	"dynamic":   {Kind: "dynamic", Batches: 8, Own: DynamicSettings{Delta: 1, FullShare: .8}},
	"fedbuff":   {Kind: "fedbuff", Fraction: .7, Own: FedBuffSettings{Buffer: 3}},
	"private":   {Kind: "fedavg", Fraction: .9, Guard: math.Inf(1), MaxWeight: math.Inf(1), Clip: "none"},
}

func newScheme(t interface{ Fatal(...any) }, cfg Config) Strategy {
	cfg.LR = .1
	setup := Setup{Seed: 3, MinCohort: 2, Live: cfg.Kind != "central", Parameters: 2, Convex: true}
	if math.IsInf(cfg.Guard, 1) {
		setup.Private = &Private{Noise: 1, Vector: 1, Clip: 1, Population: maxClients}
	}
	s, err := New(cfg, setup)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// In any order of answers, joins, leaves, timers, pauses and restarts a strategy settles
// every contribution once, orders nothing from absent clients or in a pause, and never
// hangs.
func TestSchemesInvariants(t *testing.T) {
	// A round takes many steps.
	before := flag.Lookup("rapid.steps").Value.String()
	flag.Set("rapid.steps", "150")
	defer flag.Set("rapid.steps", before)
	for name, cfg := range schemes {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				r := newChecker(t, newScheme(t, cfg))
				r.keeps = cfg.Keeps()
				var snapshot []byte
				declined := false
				client := rapid.Map(rapid.IntRange(1, maxClients), func(i int) ClientID { return ClientID(i) })
				answer := func(t *rapid.T) {
					id := client.Draw(t, "id")
					if given := r.given[id]; len(given) > 0 {
						r.offer(id, given[max(0, len(given)-1-rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(t, "older"))])
					}
				}
				committed := func(t *rapid.T) {
					if r.commit != nil {
						c := r.commit
						r.commit = nil
						r.version, snapshot, r.durable = c.Round, c.Snapshot, nil
						r.step(Committed{Round: c.Round})
					}
				}
				t.Repeat(map[string]func(*rapid.T){
					"join": func(t *rapid.T) {
						id := client.Draw(t, "id")
						r.present[id] = true
						r.step(Joined{Client: id})
					},
					"leave": func(t *rapid.T) {
						id := client.Draw(t, "id")
						delete(r.present, id)
						r.step(Left{id})
					},
					"answer": answer, "answer again": answer, "and again": answer,
					"stray": func(t *rapid.T) {
						r.offer(client.Draw(t, "id"), OrderID(rapid.IntRange(1, 40).Draw(t, "order")))
					},
					"decline": func(t *rapid.T) {
						id := client.Draw(t, "id")
						if given := r.given[id]; len(given) > 0 {
							declined = true
							r.step(Declined{id, given[len(given)-1]})
						}
					},
					"opened": func(t *rapid.T) {
						if r.open != nil {
							r.durable, r.open = r.open, nil
							r.step(Opened{r.durable.Round})
						}
					},
					"committed": committed, "committed too": committed,
					"rolled back": func(t *rapid.T) {
						if r.commit != nil {
							c := r.commit
							r.commit = nil
							r.step(RolledBack{c.Round})
						}
					},
					"averaged": func(t *rapid.T) {
						if len(r.asked) > 0 {
							m := r.asked[0]
							r.asked = r.asked[1:]
							r.step(Averaged{m, rapid.SampledFrom([]float64{.5, 2}).Draw(t, "norm")})
						}
					},
					"timer": func(t *rapid.T) {
						for _, timer := range slices.Sorted(maps.Keys(r.timers)) {
							delete(r.timers, timer)
							r.firing = true
							r.step(Fired{timer})
							r.firing = false
							break
						}
					},
					"pause": func(t *rapid.T) {
						if cfg.Kind != "central" && !r.paused && rapid.IntRange(0, 3).Draw(t, "luck") == 0 {
							r.pause()
						}
					},
					"resume": func(t *rapid.T) {
						if r.paused {
							r.paused = false
							r.step(Resumed{})
						}
					},
					"restart": func(t *rapid.T) {
						if rapid.IntRange(0, 3).Draw(t, "luck") == 0 {
							r.restart(newScheme(t, cfg), snapshot)
						}
					},
					"": func(t *rapid.T) {
						waits := r.paused || r.open != nil || r.commit != nil || len(r.timers) > 0 || len(r.asked) > 0
						if waits || declined || len(r.present) < max(3, cfg.MinClients) || (cfg.Kind == "oneshot" || cfg.Kind == "radon") && r.version > 0 {
							return
						}
						for id := range r.present {
							if len(r.given[id]) > 0 {
								return
							}
						}
						t.Fatal("clients are present, none has an order and nothing is awaited: the run hangs")
					},
				})
			})
		})
	}
}

// snapshotter is every strategy.
type snapshotter interface {
	Strategy
	snapshot(version uint64) []byte
}

// A restored strategy encodes the snapshot that it was restored from, and gives the
// same orders as the strategy that encoded it.
func TestSnapshots(t *testing.T) {
	for name, cfg := range schemes {
		t.Run(name, func(t *testing.T) {
			if cfg.Kind == "oneshot" || cfg.Kind == "radon" {
				t.Skip("over after its only commit")
			}
			s := newScheme(t, cfg)
			var commit *Commit
			var again []Order
			run := func(s Strategy, version uint64, events ...Event) (orders []Order) {
				handle := Handle(1000 * version)
				for len(events) > 0 {
					e := events[0]
					events = events[1:]
					for _, effect := range slices.Clone(s.Step(e)) {
						switch e := effect.(type) {
						case Open:
							events = append(events, Opened{e.Round})
						case Order:
							orders = append(orders, e)
							if e.Base == version && commit == nil {
								handle++
								events = append(events, Offered{Client: e.Client, Order: e.Order, Handle: handle, Weight: 5, Steps: 2, Norms: []float64{1}})
							}
						case SetTimer:
							if cfg.Kind == "dynamic" && commit == nil {
								events = append(events, Fired{e.Timer})
							}
						case Mean:
							events = append(events, Averaged{e.Mean, 2})
						case Commit:
							commit = &e
						}
					}
				}
				return orders
			}
			var joins []Event
			for id := range ClientID(5) {
				joins = append(joins, Joined{Client: id + 1})
			}
			run(s, 0, joins...)
			if commit == nil { // a private round lasts until its deadline
				run(s, 0, Fired{timerDeadline})
			}
			if commit == nil {
				t.Fatal("no commit")
			}
			restored := newScheme(t, cfg)
			if err := restored.Restore(commit.Snapshot); err != nil {
				t.Fatal(err)
			}
			if got := restored.(snapshotter).snapshot(1); !slices.Equal(got, commit.Snapshot) {
				t.Errorf("restored from %v, it says %v", commit.Snapshot, got)
			}
			want := run(s, 1, Committed{Round: 1})
			again = run(restored, 1, joins...)
			if len(again) == 0 || len(want) == 0 {
				t.Fatalf("%d orders, after a restart %d", len(want), len(again))
			}
			if a, b := again[0], want[0]; !reflect.DeepEqual(a.Work, b.Work) || a.Round != b.Round {
				t.Errorf("its first order is %+v, want %+v", a, b)
			}
			for _, broken := range [][]byte{nil, {99}, commit.Snapshot[:len(commit.Snapshot)-1], append(slices.Clone(commit.Snapshot), 0)} {
				if err := newScheme(t, cfg).Restore(broken); err == nil {
					t.Errorf("restored from %v, which is broken", broken)
				}
			}
		})
	}
}

// The server's rate grows with the number of answers as asked for, after a
// warm-up, and every rollback halves it.
func TestServerRate(t *testing.T) {
	for _, test := range []struct {
		name      string
		cfg       Config
		version   uint64
		rollbacks int
		want      float64
	}{
		{"none", Config{}, 0, 0, 1},
		{"named none", Config{LRScale: "none"}, 0, 0, 1},
		{"sqrt", Config{LRScale: "sqrt"}, 0, 0, 4},
		{"linear", Config{LRScale: "linear"}, 0, 0, 16},
		{"linear times the server's", Config{LRScale: "linear", ServerLR: .5}, 9, 0, 8},
		{"warm-up begins at 1", Config{LRScale: "linear", Warmup: 5}, 0, 0, 1},
		{"in the warm-up", Config{LRScale: "linear", Warmup: 5}, 3, 0, 10},
		{"after it", Config{LRScale: "linear", Warmup: 5}, 5, 0, 16},
		{"rolled back", Config{}, 0, 1, .5},
		{"rolled back three times", Config{LRScale: "sqrt"}, 0, 3, .5},
	} {
		cfg := test.cfg
		cfg.Kind, cfg.Fraction, cfg.LR = "fedavg", 1, .1
		s, err := New(cfg, Setup{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		r := s.(*rounds)
		r.version, r.backoff.halvings = test.version, test.rollbacks
		if got := r.serverRate(16); math.Abs(got-test.want) > 1e-15 {
			t.Errorf("%s: %g, want %g", test.name, got, test.want)
		}
	}
}

// A version that was rolled back is tried again at half the rate, which the
// commit's record tells, and a restart remembers.
func TestRollBack(t *testing.T) {
	s := collectingRound(t, 2, Config{ServerLR: 1})
	offer := func(order OrderID) Commit {
		s.Step(Offered{Client: 1, Order: order, Handle: 1, Weight: 1})
		return steps(s, Offered{Client: 2, Order: order, Handle: 2, Weight: 1})[2].(Commit)
	}
	first := offer(1)
	if got := names(steps(s, RolledBack{1})); got != "SetTimer " {
		t.Fatalf("a rollback does %q", got)
	}
	open := steps(s, Fired{timerRetry})[0].(Open)
	if open.Round != 1 || open.Base != 0 || open.Order != 2 {
		t.Fatalf("the next attempt is %+v", open)
	}
	again := newFedAvg(t, Config{Fraction: 1})
	again.Step(Reopened{open, time.Minute})
	if again.backoff.halvings != 1 {
		t.Errorf("%d rollbacks after a restart, want 1", again.backoff.halvings)
	}
	s.Step(Opened{1})
	second := offer(2)
	if first.Rate != .1 || second.Rate != .05 || second.Plan != combine.Plan(combine.WeightedMean{ServerLR: .5}) {
		t.Errorf("rates %g and %g, plan %+v; want .1, .05 and half the mean", first.Rate, second.Rate, second.Plan)
	}
	if err := again.Restore(second.Snapshot); err != nil || again.backoff.halvings != 1 {
		t.Errorf("%d rollbacks in the snapshot, %v", again.backoff.halvings, err)
	}
}
