package strategy

import (
	"fedtab/learn/rng"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func newFedAvg(t testing.TB, cfg Config) *rounds {
	cfg.Kind, cfg.LR = "fedavg", 0.1
	s, err := New(cfg, Setup{Seed: 1, MinCohort: 2})
	if err != nil {
		t.Fatal(err)
	}
	return s.(*rounds)
}

// steps feeds events and returns the effects of the last one.
func steps(s Strategy, events ...Event) []Effect {
	var effects []Effect
	for _, e := range events {
		effects = s.Step(e)
	}
	return slices.Clone(effects)
}

func names(effects []Effect) string {
	s := ""
	for _, e := range effects {
		s += fmt.Sprintf(" %T", e)[len(" strategy."):] + " "
	}
	return s
}

// collecting returns a strategy in whose first round clients 1 to n have
// their orders.
func collectingRound(t testing.TB, n int, cfg Config) *rounds {
	cfg.MinClients = n
	cfg.Fraction = 1
	s := newFedAvg(t, cfg)
	for i := range n {
		s.Step(Joined{Client: ClientID(i + 1)})
	}
	s.Step(Opened{1})
	return s
}

func TestFedAvgTraces(t *testing.T) {
	offer := func(c ClientID, h Handle) Offered {
		return Offered{Client: c, Order: 1, Handle: h, Weight: 600}
	}
	for _, test := range []struct {
		name    string
		clients int
		cfg     Config
		events  []Event
		want    string // types of the last event's effects
	}{
		{"all report", 2, Config{}, []Event{offer(1, 1), offer(2, 2)}, "Add StopTimer Commit "},
		{"one is missing", 2, Config{}, []Event{offer(1, 1)}, "Add "},
		{"the missing one leaves", 2, Config{}, []Event{offer(1, 1), Left{2}}, "StopTimer Commit "},
		{"the missing one declines", 2, Config{}, []Event{offer(1, 1), Declined{2, 1}}, "StopTimer Commit "},
		{"one that has reported leaves", 2, Config{}, []Event{offer(1, 1), Left{1}}, ""},
		{"deadline with enough", 4, Config{}, []Event{offer(1, 1), offer(2, 2), Fired{timerDeadline}}, "StopTimer Commit "},
		{"deadline with too few", 4, Config{}, []Event{offer(1, 1), Fired{timerDeadline}}, "StopTimer Abandon SetTimer "},
		{"minimum reports as given", 4, Config{MinReports: 3}, []Event{offer(1, 1), offer(2, 2), Fired{timerDeadline}}, "StopTimer Abandon SetTimer "},
		{"all leave", 2, Config{}, []Event{Left{1}, Left{2}}, "StopTimer Abandon SetTimer "},
		{"retry", 2, Config{}, []Event{Declined{1, 1}, Declined{2, 1}, Fired{timerRetry}}, "Open "},
		{"retry with none present", 2, Config{}, []Event{Left{1}, Left{2}, Fired{timerRetry}}, ""},
		{"the first to come back opens it", 1, Config{}, []Event{Left{1}, Fired{timerRetry}, Joined{Client: 1}}, "Open "},
		{"a member comes back", 2, Config{}, []Event{Left{1}, Joined{Client: 1}}, "Order "},
		{"a member comes back after its report", 2, Config{}, []Event{offer(1, 1), Left{1}, Joined{Client: 1}}, ""},
		{"a stranger joins", 2, Config{}, []Event{Joined{Client: 9}}, ""},
		{"a stranger offers", 2, Config{}, []Event{offer(9, 1)}, "Reject "},
		{"twice the same", 2, Config{}, []Event{offer(1, 1), offer(1, 2)}, "Reject "},
		{"an order that was never given", 2, Config{}, []Event{Offered{Client: 1, Order: 7, Handle: 1, Weight: 1}}, "Reject "},
		{"late", 2, Config{}, []Event{offer(1, 1), Left{2}, offer(2, 2)}, "Reject "},
		{"a foreign timer", 2, Config{}, []Event{Fired{99}}, ""},
		{"the next round", 2, Config{}, []Event{offer(1, 1), offer(2, 2), Committed{Round: 1}}, "Open "},
		{"committed twice", 2, Config{}, []Event{offer(1, 1), offer(2, 2), Committed{Round: 1}, Committed{Round: 1}}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := collectingRound(t, test.clients, test.cfg)
			if got := names(steps(s, test.events...)); got != test.want {
				t.Errorf("effects %q, want %q", got, test.want)
			}
		})
	}
}

func TestFedAvgReasons(t *testing.T) {
	s := collectingRound(t, 2, Config{})
	s.Step(Offered{Client: 1, Order: 1, Handle: 1, Weight: 600})
	got := steps(s, Offered{Client: 1, Order: 1, Handle: 2, Weight: 600})
	if want := (Reject{2, Duplicate}); !slices.Equal(got, []Effect{want}) {
		t.Errorf("got %v, want %v", got, want)
	}
	got = steps(s, Left{2}, Offered{Client: 2, Order: 1, Handle: 3, Weight: 600})
	if want := (Reject{3, Late}); !slices.Equal(got, []Effect{want}) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// An answer to an earlier attempt is late, not unordered.
func TestFedAvgEarlierAttempt(t *testing.T) {
	s := collectingRound(t, 2, Config{})
	steps(s, Declined{1, 1}, Declined{2, 1}, Fired{timerRetry}, Opened{1})
	got := steps(s, Offered{Client: 1, Order: 1, Handle: 5, Weight: 600})
	if want := (Reject{5, Late}); !slices.Equal(got, []Effect{want}) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A run that stopped in the middle of a round goes on with its cohort, and no
// order number is used twice.
func TestFedAvgReopens(t *testing.T) {
	before := collectingRound(t, 3, Config{})
	steps(before, Offered{Client: 1, Order: 1, Handle: 1, Weight: 1}, Offered{Client: 2, Order: 1, Handle: 2, Weight: 1})
	commit := steps(before, Offered{Client: 3, Order: 1, Handle: 3, Weight: 1})[2].(Commit)
	open := steps(before, Committed{Round: 1})[0].(Open)

	after := newFedAvg(t, Config{Fraction: 1})
	if err := after.Restore(commit.Snapshot); err != nil {
		t.Fatal(err)
	}
	got := names(steps(after, Reopened{open, 10 * time.Second}))
	if got != "Size SetTimer Expect Expect Expect " {
		t.Fatalf("reopening does %q, want the size, a timer, and what was ordered of each member", got)
	}
	order := steps(after, Joined{Client: 2})
	if len(order) != 1 || order[0].(Order).Order != open.Order || order[0].(Order).Round != 2 {
		t.Fatalf("a member that comes back gets %v, want its order %d of round 2", order, open.Order)
	}
	if got := names(steps(after, Joined{Client: 7})); got != "" {
		t.Errorf("a newcomer gets %q, want to wait", got)
	}
	steps(after, Offered{Client: 2, Order: open.Order, Handle: 1, Weight: 1})
	got = names(steps(after, Fired{timerDeadline}))
	if got != "StopTimer Abandon SetTimer " {
		t.Errorf("with 1 of 3 reports the deadline does %q", got)
	}
	next := steps(after, Fired{timerRetry})
	if o := next[0].(Open); o.Order <= open.Order {
		t.Errorf("the next attempt has order %d, want more than %d", o.Order, open.Order)
	}
}

func TestFedAvgRestoreRefuses(t *testing.T) {
	s := newFedAvg(t, Config{})
	for _, b := range [][]byte{nil, {2, 0, 0}, {1}, {1, 5}, {1, 5, 6, 7}, {1, 0x80}} {
		if err := s.Restore(b); err == nil {
			t.Errorf("Restore(%v) took it", b)
		}
	}
}

func TestConfigProblems(t *testing.T) {
	good := Config{Kind: "fedavg", Fraction: .1, Epochs: 1, Batch: 10, LR: .1}
	if ps := good.Problems(); len(ps) > 0 {
		t.Errorf("a good configuration has problems: %v", ps)
	}
	bad := Config{Kind: "fedsgd", Fraction: 1.5, Epochs: -1, Batch: -1, LR: 0, ServerLR: -1, MinClients: -1, MinReports: -1, Deadline: 1}
	if ps := bad.Problems(); len(ps) != 9 {
		t.Errorf("%d problems, want 9: %v", len(ps), ps)
	}
}

// The cohort has max(floor(C K), 1) members, all different, all present, and
// the same seed chooses the same ones.
func TestSample(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := NewCohort(true)
		k := rapid.IntRange(1, 200).Draw(t, "K")
		for i := range k {
			c.Join(ClientID(3*i+1), "")
		}
		hundredths := rapid.IntRange(0, 100).Draw(t, "100 C")
		seed := rapid.Uint64().Draw(t, "seed")
		got := c.Sample(float64(hundredths)/100, 1, rng.Stream(seed, "cohort", 5, 1))
		if want := max(hundredths*k/100, 1); len(got) != want {
			t.Fatalf("C = %d/100, K = %d: %d chosen, want %d", hundredths, k, len(got), want)
		}
		if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Fatalf("not ascending or not different: %v", got)
		}
		for _, id := range got {
			if !c.isPresent(id) {
				t.Fatalf("%d is not present", id)
			}
		}
		if again := c.Sample(float64(hundredths)/100, 1, rng.Stream(seed, "cohort", 5, 1)); !slices.Equal(got, again) {
			t.Fatalf("the same seed chose %v and %v", got, again)
		}
	})
}

// Every client is as likely as any other.
func TestSampleIsFair(t *testing.T) {
	c := NewCohort(true)
	for i := range 20 {
		c.Join(ClientID(i), "")
	}
	var count [20]int
	const rounds = 20_000
	for r := range uint64(rounds) {
		for _, id := range c.Sample(.25, 1, rng.Stream(7, "cohort", r, 1)) {
			count[id]++
		}
	}
	// Binomial(20000, 1/4): mean 5000, standard deviation 61.
	for id, n := range count {
		if n < 5000-5*61 || n > 5000+5*61 {
			t.Errorf("client %d was chosen %d times, want about 5000", id, n)
		}
	}
}

// world checks the invariants of a round-based strategy in any order of events.
type world struct {
	t       *rapid.T
	present map[ClientID]bool
	order   map[ClientID]OrderID // newest given
	version uint64
	open    *Open
	opened  bool
	durable *Open // newest on disk, of a round that is not committed
	commit  *Commit
	timers  map[Timer]bool
	added   map[ClientID]bool // in this attempt
	maxID   OrderID
	// Of the newest commit: numbers up to here are in the snapshot.
	committedID OrderID
	handle      Handle
	settled     bool // of the handle just offered
}

func (w *world) do(effects []Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case Open:
			if w.open != nil || w.commit != nil {
				w.t.Fatal("a round opened while another one was under way")
			}
			if e.Round != w.version+1 || e.Base != w.version {
				w.t.Fatalf("opened round %d on base %d at version %d", e.Round, e.Base, w.version)
			}
			if e.Order <= w.maxID {
				w.t.Fatalf("order number %d used again", e.Order)
			}
			if len(e.Cohort) == 0 || !slices.IsSorted(e.Cohort) {
				w.t.Fatalf("cohort %v", e.Cohort)
			}
			w.maxID, w.open, w.opened = e.Order, &e, false
			w.added = map[ClientID]bool{}
		case Order:
			if w.open == nil || !w.opened {
				w.t.Fatal("order before its round was opened")
			}
			if !w.present[e.Client] || !slices.Contains(w.open.Cohort, e.Client) || e.Order != w.open.Order {
				w.t.Fatalf("order %v in round %v", e, w.open)
			}
			if w.added[e.Client] {
				w.t.Fatalf("client %d is ordered what it has delivered", e.Client)
			}
			w.order[e.Client] = e.Order
		case Add:
			if e.Handle != w.handle || w.settled {
				w.t.Fatal("added something else than what was offered")
			}
			w.settled = true
		case Reject:
			if e.Handle != w.handle || w.settled {
				w.t.Fatal("rejected something else than what was offered")
			}
			w.settled = true
		case SetTimer:
			w.timers[e.Timer] = true
		case StopTimer:
			delete(w.timers, e.Timer)
		case Abandon:
			w.open = nil
		case Commit:
			if w.open == nil || e.Round != w.version+1 || e.Base != w.version {
				w.t.Fatalf("commit %v in round %v", e, w.open)
			}
			var got []ClientID
			for id := range w.added {
				got = append(got, id)
			}
			slices.Sort(got)
			if !slices.Equal(got, e.Clients) || len(got) == 0 {
				w.t.Fatalf("committed %v, added %v", e.Clients, got)
			}
			w.commit, w.open = &e, nil
		}
	}
}

// No sequence of joins, leaves, offers (late, repeated, foreign), refusals,
// timers and restarts breaks a round: rounds form a chain, no contribution is
// used twice or in a round it was not made for, and the run never hangs.
func TestFedAvgInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := Config{Kind: "fedavg", LR: .1, Fraction: rapid.Float64Range(0, 1).Draw(t, "C"), MinReports: rapid.IntRange(0, 3).Draw(t, "min")}
		fresh := func() Strategy {
			s, err := New(cfg, Setup{Seed: 3, MinCohort: 2})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		s := fresh()
		var snapshot []byte
		w := &world{t: t, present: map[ClientID]bool{}, order: map[ClientID]OrderID{}, timers: map[Timer]bool{}, added: map[ClientID]bool{}}
		client := rapid.Map(rapid.IntRange(1, 6), func(i int) ClientID { return ClientID(i) })
		offer := func(id ClientID, order OrderID) {
			w.handle++
			w.settled = false
			could := w.open != nil && w.opened && order == w.open.Order && slices.Contains(w.open.Cohort, id) && !w.added[id]
			effects := slices.Clone(s.Step(Offered{Client: id, Order: order, Handle: w.handle, Weight: 1}))
			if len(effects) == 0 {
				t.Fatal("an offer was not settled")
			}
			_, added := effects[0].(Add)
			if added != could {
				t.Fatalf("offer of client %d on order %d: %v, could be used: %v", id, order, effects, could)
			}
			if added {
				w.added[id] = true
			}
			w.do(effects)
			if !w.settled {
				t.Fatal("an offer was not settled")
			}
		}
		restart := func() {
			s = fresh()
			w.timers, w.present = map[Timer]bool{}, map[ClientID]bool{}
			if w.commit != nil { // it never became durable
				w.commit = nil
			}
			if snapshot != nil {
				if err := s.Restore(snapshot); err != nil {
					t.Fatal(err)
				}
			}
			w.added = map[ClientID]bool{}
			// An attempt that was abandoned is still on disk, and is resumed. A number that was never on disk may be used again: no
			// order with it has left.
			w.open, w.opened = w.durable, true
			if w.open != nil {
				w.maxID = w.open.Order
				w.do(slices.Clone(s.Step(Reopened{*w.open, time.Second})))
			} else {
				w.maxID = w.committedID
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"join": func(t *rapid.T) {
				id := client.Draw(t, "id")
				w.present[id] = true
				w.do(slices.Clone(s.Step(Joined{Client: id})))
			},
			"leave": func(t *rapid.T) {
				id := client.Draw(t, "id")
				delete(w.present, id)
				w.do(slices.Clone(s.Step(Left{id})))
			},
			"offer": func(t *rapid.T) {
				id := client.Draw(t, "id")
				if o := w.order[id]; o != 0 {
					offer(id, o)
				}
			},
			"stray offer": func(t *rapid.T) {
				offer(client.Draw(t, "id"), OrderID(rapid.IntRange(1, int(w.maxID)+2).Draw(t, "order")))
			},
			"decline": func(t *rapid.T) {
				id := client.Draw(t, "id")
				w.do(slices.Clone(s.Step(Declined{id, w.order[id]})))
			},
			"opened": func(t *rapid.T) {
				if w.open != nil && !w.opened {
					w.opened, w.durable = true, w.open
					w.do(slices.Clone(s.Step(Opened{w.open.Round})))
				}
			},
			"committed": func(t *rapid.T) {
				if w.commit != nil {
					w.version, snapshot, w.commit = w.commit.Round, w.commit.Snapshot, nil
					w.durable, w.committedID = nil, w.maxID
					w.do(slices.Clone(s.Step(Committed{Round: w.version})))
				}
			},
			"timer": func(t *rapid.T) {
				for timer := range w.timers { // one timer runs at a time
					delete(w.timers, timer)
					w.do(slices.Clone(s.Step(Fired{timer})))
					return
				}
			},
			"restart": func(t *rapid.T) { restart() },
			"": func(t *rapid.T) {
				waits := w.open != nil && !w.opened || w.commit != nil || len(w.timers) > 0
				if !waits && len(w.present) > 0 && w.open == nil {
					t.Fatal("clients are present and nothing is awaited: the run hangs")
				}
				if w.open != nil && w.opened && !w.timers[timerDeadline] {
					t.Fatal("an open round has no deadline")
				}
			},
		})
	})
}
