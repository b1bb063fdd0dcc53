package strategy

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// secureRound returns a strategy in whose first round clients 1 to n have their orders.
func secureRound(t testing.TB, n int, cfg Config, s Secure) *rounds {
	t.Helper()
	cfg.LR, cfg.MinClients, cfg.Fraction = .1, n, 1
	if cfg.Kind == "" {
		cfg.Kind = "fedavg"
	}
	st, err := New(cfg, Setup{Seed: 1, MinCohort: 2, Parameters: 6, Norm: 10, Secure: &s})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		st.Step(Joined{Client: ClientID(i + 1)})
	}
	st.Step(Opened{1})
	return st.(*rounds)
}

func TestSecureTraces(t *testing.T) {
	whole, groups := Secure{Dropout: .5, Fewest: 4, Most: 10, Min: 3}, Secure{Dropout: .5, Fewest: 4, Most: 20, Min: 3, Groups: true}
	masked := func(clients ...ClientID) (events []Event) {
		for _, c := range clients {
			events = append(events, Masked{Client: c, Order: 1, Took: time.Second})
		}
		return events
	}
	sum := func(h Handle, clients ...ClientID) Event {
		return Summed{Round: 1, Handle: h, Clients: clients, Weight: float64(len(clients)), Below: len(clients)}
	}
	all := slices.Clip(masked(1, 2, 3, 4, 5))
	median := Config{Combine: "median", Byzantine: 1}
	for _, test := range []struct {
		name   string
		cfg    Config
		of     Secure
		events []Event
		want   string // types of the last event's effects
	}{
		{"one is masked", Config{}, whole, masked(1), ""},
		{"all are", Config{}, whole, all, "StopTimer Unmask "},
		{"twice the same", Config{}, whole, append(masked(1, 1, 1, 1), masked(1)...), ""},
		{"the missing one declines", Config{}, whole, append(masked(1, 2, 3, 4), Declined{5, 1}), "StopTimer Unmask "},
		{"deadline with enough", Config{}, whole, append(masked(1, 2, 3), Fired{timerDeadline}), "StopTimer Unmask "},
		{"deadline with too few for a sum", Config{}, whole, append(masked(1, 2), Fired{timerDeadline}), "StopTimer Abandon SetTimer "},
		{"min_reports beyond the min of a sum", Config{MinReports: 5}, whole, append(masked(1, 2, 3, 4), Fired{timerDeadline}), "StopTimer Abandon SetTimer "},
		{"a sum", Config{}, whole, append(all, sum(1, 1, 2, 3, 4, 5)), "Add "},
		{"all sums", Config{}, whole, append(all, sum(1, 1, 2, 3, 4, 5), Unmasked{Round: 1}), "Commit "},
		{"no sum", Config{}, whole, append(all, Unmasked{Round: 1, Why: "the keys are gone"}), "Abandon SetTimer "},
		{"a sum before it is asked for", Config{}, whole, append(masked(1), sum(1, 1, 2, 3)), "Reject "},
		{"a sum of nobody", Config{}, whole, append(all, sum(1)), "Reject "},
		{"a sum of another round", Config{}, whole, append(all, Summed{Round: 2, Handle: 1, Clients: []ClientID{1, 2, 3}}), "Reject "},
		{"the end of another round", Config{}, whole, append(all, Unmasked{Round: 2}), ""},
		{"masked after the end", Config{}, whole, append(all, masked(1)...), ""},
		{"one leaves before its sum comes", Config{}, whole, append(all, Left{1}), ""},
		{"the deadline fires once more", Config{}, whole, append(all, Fired{timerDeadline}), ""},
		{"a pause", Config{}, whole, append(all, Paused{}), "StopTimer Abandon "},
		{"groups are kept", median, groups, append(all, sum(1, 1, 2)), "Keep "},
		{"groups are combined", median, groups, append(all, sum(1, 1, 2), sum(2, 3, 4), sum(3, 5), Unmasked{Round: 1}), "Commit "},
		{"too few groups", median, groups, append(all, sum(1, 1, 2), sum(2, 3, 4), Unmasked{Round: 1}), "Drop Drop Abandon SetTimer "},
		{"a group makes the model worse", median, groups, append(all, sum(1, 1), sum(2, 2), sum(3, 3), sum(4, 4, 5), Unmasked{Round: 1}, Blamed{1, []Handle{4}}), "Commit "},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := names(steps(secureRound(t, 5, test.cfg, test.of), test.events...)); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

// A version names those whose contributions are in its sums, whoever has answered.
func TestSecureCommits(t *testing.T) {
	s := secureRound(t, 6, Config{}, Secure{Dropout: .5, Fewest: 4, Most: 10, Min: 3})
	for c := range ClientID(5) {
		s.Step(Masked{Client: c + 1, Order: 1})
	}
	s.Step(Fired{timerDeadline})
	s.Step(Summed{Round: 1, Handle: 1, Clients: []ClientID{2, 3, 4}, Weight: 2.5})
	effects := s.Step(Unmasked{Round: 1})
	if c, ok := effects[0].(Commit); !ok || !slices.Equal(c.Clients, []ClientID{2, 3, 4}) {
		t.Errorf("%+v, want a commit of 2, 3 and 4", effects)
	}

	// After a restart none has answered, as far as the strategy knows.
	st, err := New(Config{Kind: "fedavg", LR: .1, Fraction: 1, MinClients: 4}, Setup{Seed: 1, MinCohort: 2, Parameters: 6, Secure: &Secure{Dropout: .4, Fewest: 4, Most: 10, Min: 3}})
	if err != nil {
		t.Fatal(err)
	}
	got := steps(st, Reopened{Open: Open{Round: 1, Order: 3, Cohort: []ClientID{1, 2, 3, 4}}},
		Summed{Round: 1, Handle: 1, Clients: []ClientID{1, 2, 4}, Weight: 3}, Unmasked{Round: 1})
	if c, ok := got[0].(Commit); !ok || !slices.Equal(c.Clients, []ClientID{1, 2, 4}) {
		t.Errorf("%+v, want a commit of 1, 2 and 4", got)
	}
}

// A round asks as many as a sum can have.
func TestSecureMost(t *testing.T) {
	s := secureRound(t, 30, Config{}, Secure{Dropout: .5, Fewest: 4, Most: 10, Min: 3})
	if n := len(s.cohort.members); n != 10 {
		t.Errorf("a cohort of %d, want 10", n)
	}
}

// No round opens with fewer clients than leave a sum when some drop out.
func TestSecureFewest(t *testing.T) {
	st, err := New(Config{Kind: "periodic", LR: .1, MinClients: 1}, Setup{Seed: 1, MinCohort: 2, Parameters: 6, Secure: &Secure{Dropout: .4, Fewest: 4, Most: 10, Min: 3}})
	if err != nil {
		t.Fatal(err)
	}
	if got := steps(st, Joined{Client: 1}, Joined{Client: 2}, Joined{Client: 3}); len(got) != 0 {
		t.Errorf("three clients: %v, want to wait for the fourth", got)
	}
	if got := names(steps(st, Joined{Client: 4})); !strings.Contains(got, "Open") {
		t.Errorf("four clients: %q, want a round", got)
	}
}

// Schemes that must see single contributions are refused, with what they must see.
func TestSecureSchemes(t *testing.T) {
	for _, test := range []struct {
		cfg  Config
		want string // of the error; empty: it can be secure
	}{
		{Config{Kind: "fedavg"}, ""}, {Config{Kind: "periodic"}, ""}, {Config{Kind: "oneshot"}, ""}, {Config{Kind: "minibatch"}, ""},
		{Config{Kind: "fedavg", Server: "adam"}, ""}, {Config{Kind: "fedavg", Prox: .1}, ""},
		{Config{Kind: "fedavg", Correction: "scaffold"}, "control variate"},
		{Config{Kind: "fedavg", Correction: "fednova"}, "how many steps"},
		{Config{Kind: "fedavg", Combine: "median"}, "privacy.groups"},
		{Config{Kind: "dynamic", Batches: 1}, "must see"}, {Config{Kind: "daisy"}, "must see"}, {Config{Kind: "radon"}, "must see"}, {Config{Kind: "fedbuff"}, "must see"},
	} {
		c := test.cfg
		c.LR, c.MinClients, c.Batch = .1, 6, 1
		_, err := New(c, Setup{Seed: 1, MinCohort: 2, Parameters: 1, Convex: true, Secure: &Secure{Dropout: .4, Fewest: 4, Most: 10, Min: 3}})
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %s %s: %v, want %q", c.Kind, c.Correction, c.Combine, err, test.want)
		}
	}
}

// A client that spoils attempts is asked less and less often, although it answers each; one
// whose contribution counts begins anew.
func TestSpoiled(t *testing.T) {
	a := newAttention(true)
	a.join(1, "")
	for i, want := range []int{2, 32, 512} {
		a.answered(1, time.Second)
		a.spoiled(1)
		if got := a.of(1).again - a.attempt; got != want || a.free(1) {
			t.Errorf("after %d attempts that it spoiled it is asked again after %d, want %d", i+1, got, want)
		}
	}
	a.answered(1, time.Second)
	a.committed([]ClientID{1})
	a.spoiled(1)
	if got := a.of(1).again - a.attempt; got != 2 {
		t.Errorf("after a version it is asked again after %d attempts, want 2", got)
	}
}

// The bound follows the share of clients below it, and stays within its limits.
func TestBound(t *testing.T) {
	for _, test := range []struct {
		name           string
		clients, below int
		want           float64 // factor
	}{
		{"nobody was asked", 0, 0, 1},
		{"all below", 10, 10, boundShrinks},
		{"the share that should be", 10, 9, 1},
		{"some above", 10, 7, math.Exp(.5 * .2)},
		{"half above", 10, 5, math.Exp(.5 * .4)},
		{"most above", 10, 4, 2},
		{"all above", 10, 0, 2},
	} {
		b := bound{value: 3}
		b.count(Summed{Clients: make([]ClientID, test.clients), Below: test.below})
		if after := b.afterCommit(); b.value != 3 || math.Abs(after.value-3*test.want) > 1e-12 {
			t.Errorf("%s: %g, want %g", test.name, after.value, 3*test.want)
		}
		b.discard()
		if after := b.afterCommit(); after.value != 3 {
			t.Errorf("%s, discarded: %g, want 3", test.name, after.value)
		}
	}
	low, high := bound{value: minEstimate}, bound{value: maxEstimate}
	low.count(Summed{Clients: make([]ClientID, 3), Below: 3})
	high.count(Summed{Clients: make([]ClientID, 3)})
	if l, h := low.afterCommit(), high.afterCommit(); l.value != minEstimate || h.value != maxEstimate {
		t.Errorf("%g and %g, want %g and %g", l.value, h.value, float64(minEstimate), float64(maxEstimate))
	}
}

// The bound is in the snapshot, and a snapshot without it is not a secure run's.
func TestSecureSnapshot(t *testing.T) {
	s := secureRound(t, 4, Config{}, Secure{Dropout: .5, Fewest: 4, Most: 10, Min: 3})
	s.bound.value = 1.25
	snapshot := s.snapshot(7)
	again := secureRound(t, 4, Config{}, Secure{Dropout: .5, Fewest: 4, Most: 10, Min: 3})
	if err := again.Restore(snapshot); err != nil || again.bound.value != 1.25 || again.version != 7 {
		t.Errorf("bound %g of version %d (%v), want 1.25 of 7", again.bound.value, again.version, err)
	}
	if err := again.Restore(snapshot[:len(snapshot)-1]); err == nil {
		t.Error("a snapshot that is cut off is taken")
	}
	plain := newFedAvg(t, Config{})
	if err := plain.Restore(snapshot); err == nil {
		t.Error("a run without secure aggregation takes its snapshot")
	}
}

// Orders say to what clients clip, and those of other runs do not.
func TestSecureOrders(t *testing.T) {
	s := secureRound(t, 4, Config{}, Secure{Dropout: .5, Fewest: 4, Most: 10, Min: 3})
	effects := steps(s, Left{Client: 2}, Joined{Client: 2})
	if o, ok := effects[len(effects)-1].(Order); !ok || o.Work.Bound != startShare*10 {
		t.Errorf("%+v, want an order with the bound %g", effects, startShare*10.)
	}
}

// Whatever is told in whatever order: each sum is settled once, no round commits fewer than a
// sum must have, and the strategy unmasks an attempt once.
func TestSecureAnyEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Secure{Dropout: .5, Fewest: 4, Most: 6, Min: 3}
		st, err := New(Config{Kind: "fedavg", LR: .1, Fraction: 1, MinClients: 4}, Setup{Seed: 1, MinCohort: 2, Parameters: 6, Secure: &s})
		if err != nil {
			t.Fatal(err)
		}
		var open Open
		unmasked := map[OrderID]bool{}
		handle := Handle(0)
		client := rapid.Map(rapid.IntRange(1, 7), func(i int) ClientID { return ClientID(i) })
		for range rapid.IntRange(1, 200).Draw(t, "events") {
			var e Event
			switch rapid.IntRange(0, 10).Draw(t, "event") {
			case 0, 1:
				e = Joined{Client: client.Draw(t, "client")}
			case 2:
				e = Left{Client: client.Draw(t, "client")}
			case 3:
				e = Opened{open.Round}
			case 4, 5, 6:
				e = Masked{Client: client.Draw(t, "client"), Order: open.Order}
			case 7:
				e = Declined{client.Draw(t, "client"), open.Order}
			case 8:
				e = Fired{rapid.SampledFrom([]Timer{timerDeadline, timerRetry}).Draw(t, "timer")}
			case 9:
				handle++
				clients := open.Cohort[:min(3, len(open.Cohort))]
				e = Summed{Round: open.Round, Handle: handle, Clients: clients, Weight: 1}
			case 10:
				e = Unmasked{Round: open.Round}
			}
			settled := 0
			for _, f := range st.Step(e) {
				switch f := f.(type) {
				case Open:
					if open = f; len(f.Cohort) < s.Fewest || len(f.Cohort) > s.Most {
						t.Fatalf("a cohort of %d, want %d to %d", len(f.Cohort), s.Fewest, s.Most)
					}
					open.Cohort = slices.Clone(f.Cohort)
				case Unmask:
					if unmasked[open.Order] {
						t.Fatalf("order %d is unmasked twice", open.Order)
					}
					unmasked[open.Order] = true
				case Add, Reject:
					settled++
				case Commit:
					if len(f.Clients) < s.Min {
						t.Fatalf("a version of %v, want at least %d", f.Clients, s.Min)
					}
					st.Step(Committed{Round: f.Round})
					open = Open{}
				}
			}
			if _, ok := e.(Summed); ok && settled != 1 {
				t.Fatalf("%+v is settled %d times", e, settled)
			}
		}
	})
}
