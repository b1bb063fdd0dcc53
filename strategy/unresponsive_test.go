package strategy

import "testing"

// Most clients stay and do not answer: the first attempt at a round is abandoned,
// and the second does without them. The next round asks them again.
func TestUnresponsiveMajority(t *testing.T) {
	s := mustNew(t, Config{Kind: "fedavg", Fraction: 1}, Setup{Seed: 1, Live: true})
	join(s, 1, 2, 3, 4, 5) // round 1 begins with the first alone
	attempt := func(effects []Effect) Open {
		t.Helper()
		for _, e := range effects {
			if o, ok := e.(Open); ok {
				return o
			}
		}
		t.Fatalf("no attempt in %v", effects)
		return Open{}
	}
	o := attempt(steps(s, Opened{1}, Offered{Client: 1, Order: 1, Handle: 1, Weight: 1}, Committed{1})).Order
	if n := len(orders(steps(s, Opened{2}))); n != 5 {
		t.Fatalf("%d have orders, want all", n)
	}
	steps(s, Offered{Client: 4, Order: o, Handle: 10, Weight: 1})
	if got := names(steps(s, Fired{timerDeadline})); got != "StopTimer Abandon SetTimer " {
		t.Fatalf("with one of five answers the deadline does %q", got)
	}
	again := attempt(steps(s, Fired{timerRetry}))
	if len(again.Cohort) != 1 || again.Cohort[0] != 4 {
		t.Fatalf("the next attempt is of %v, want of the client that has answered", again.Cohort)
	}
	// A client that answers late, or comes back, is asked again.
	steps(s, Opened{again.Round}, Offered{Client: 2, Order: o, Handle: 11, Weight: 1}, Left{5}, Joined{5}, Left{4})
	third := attempt(steps(s, Fired{timerRetry}))
	if len(third.Cohort) != 2 || third.Cohort[0] != 2 || third.Cohort[1] != 5 {
		t.Fatalf("the third attempt is of %v, want of 2 and 5", third.Cohort)
	}
	steps(s, Opened{third.Round}, Offered{Client: 2, Order: third.Order, Handle: 12, Weight: 1}, Offered{Client: 5, Order: third.Order, Handle: 13, Weight: 1})
	if next := attempt(steps(s, Committed{third.Round})); len(next.Cohort) != 4 {
		t.Errorf("the next round is of %v, want of all", next.Cohort)
	}
}

// Clients that decline are no better: the attempt after one that a majority has
// declined does without them, and a client that joins again is asked again.
func TestDecliningMajority(t *testing.T) {
	s := mustNew(t, Config{Kind: "fedavg", Fraction: 1}, Setup{Seed: 1, Live: true})
	join(s, 1)
	o := steps(s, Opened{1}, Joined{2}, Joined{3}, Joined{4}, Joined{5}, Offered{Client: 1, Order: 1, Handle: 1, Weight: 1}, Committed{1})
	open := o[len(o)-1].(Open)
	if len(open.Cohort) != 5 {
		t.Fatalf("the round is of %v, want of all", open.Cohort)
	}
	steps(s, Opened{2}, Offered{Client: 1, Order: open.Order, Handle: 2, Weight: 1})
	for id := ClientID(2); id <= 5; id++ {
		steps(s, Declined{Client: id, Order: open.Order})
	}
	steps(s, Joined{3}) // has ended its pause, say
	again := steps(s, Fired{timerRetry})[0].(Open)
	if len(again.Cohort) != 2 || again.Cohort[0] != 1 || again.Cohort[1] != 3 {
		t.Errorf("the next attempt is of %v, want of 1 and 3", again.Cohort)
	}
}

// With fewer than min_clients responsive clients, the suspended are asked again.
func TestReinstated(t *testing.T) {
	s := mustNew(t, Config{Kind: "fedavg", Fraction: 1, MinClients: 3}, Setup{Seed: 1, Live: true})
	join(s, 1, 2, 3)
	steps(s, Opened{1}, Offered{Client: 1, Order: 1, Handle: 1, Weight: 1}, Fired{timerDeadline})
	o, ok := steps(s, Fired{timerRetry})[0].(Open)
	if !ok || len(o.Cohort) != 3 {
		t.Errorf("the next attempt is %+v, want of all three", o)
	}
}

// The Radon machine trains the base models of an unresponsive participant elsewhere, if
// the others can.
func TestRadonUnresponsive(t *testing.T) {
	s := mustNew(t, Config{Kind: "radon", Own: RadonSettings{Models: 2}}, Setup{Seed: 1, Live: true, Parameters: 2, Convex: true})
	join(s, 1, 2, 3)
	first := orders(steps(s, Opened{1}))
	missing := first[0].Client
	order := first[0].Order
	for _, o := range first[1:] {
		steps(s, Offered{Client: o.Client, Order: o.Order, Handle: Handle(o.Client), Weight: 1})
	}
	for range 3 {
		if got := names(steps(s, Fired{timerDeadline})); got != "StopTimer Drop Drop Abandon SetTimer " && got != "StopTimer Drop Abandon SetTimer " {
			t.Fatalf("without client %d of %d the deadline does %q", missing, len(first), got)
		}
		open, ok := steps(s, Fired{timerRetry})[0].(Open)
		if !ok {
			t.Fatal("no other attempt")
		}
		if open.Order == order {
			t.Fatal("an order number is given twice")
		}
		order = open.Order
		parts := 0
		var last []Effect
		for _, o := range orders(steps(s, Opened{1})) {
			if o.Client == missing {
				t.Fatalf("client %d is asked again", missing)
			}
			parts += o.Work.Parts
			last = steps(s, Offered{Client: o.Client, Order: o.Order, Handle: Handle(100 + o.Client), Weight: 1})
		}
		if parts != 4 {
			t.Fatalf("%d base models are asked for, want 4", parts)
		}
		if _, ok := last[len(last)-1].(Commit); ok {
			return
		}
	}
	t.Error("the round is never done")
}

// An order that is out for more than two deadlines no longer counts as at work, and
// its answer counts all the same.
func TestFedBuffUnresponsive(t *testing.T) {
	s := mustNew(t, Config{Kind: "fedbuff", Fraction: .2, Own: FedBuffSettings{Buffer: 100}}, Setup{Seed: 1, MinCohort: 1, Clients: 10})
	join(s, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
	first := orders(steps(s, Opened{1}))
	if len(first) != 2 {
		t.Fatalf("%d at work, want 2", len(first))
	}
	if got := steps(s, Fired{timerDeadline}); len(got) != 1 || got[0] != Effect(SetTimer{timerDeadline, DefaultDeadline}) {
		t.Fatalf("after one deadline: %v", got)
	}
	// The first answers, another client gets its place, and the second does not answer.
	second := orders(steps(s, Offered{Client: first[0].Client, Order: first[0].Order, Handle: 1, Weight: 1}))
	if len(second) != 1 {
		t.Fatalf("an answer gives %d orders, want 1", len(second))
	}
	third := orders(steps(s, Fired{timerDeadline}))
	if len(third) != 1 || third[0].Client == first[1].Client {
		t.Fatalf("after two deadlines the place of client %d goes to %+v", first[1].Client, third)
	}
	got := steps(s, Offered{Client: first[1].Client, Order: first[1].Order, Handle: 2, Weight: 1})
	if names(got) != "Add " {
		t.Errorf("the late answer does %q, want to count, and no order beyond two", names(got))
	}
}
