package strategy

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// Most clients stay and do not answer: the first attempt at a round is abandoned,
// and the following do without them. They are asked again after two attempts, and one
// that has answered at once.
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
	o := attempt(steps(s, Opened{1}, Offered{Client: 1, Order: 1, Handle: 1, Weight: 1}, Committed{Round: 1})).Order
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
	// Two attempts after their miss all are asked again.
	steps(s, Opened{again.Round}, Offered{Client: 2, Order: o, Handle: 11, Weight: 1}, Left{5}, Joined{Client: 5}, Left{4})
	next := attempt(steps(s, Fired{timerRetry}))
	if !slices.Equal(next.Cohort, []ClientID{1, 2, 3, 5}) { // 4 has left
		t.Errorf("two attempts later the cohort is %v, want all", next.Cohort)
	}
	// A second miss costs more, and an answer makes up for all: 2 has answered late.
	steps(s, Opened{next.Round}, Fired{timerDeadline})
	steps(s, Offered{Client: 2, Order: next.Order, Handle: 12, Weight: 1})
	if last := attempt(steps(s, Fired{timerRetry})); !slices.Equal(last.Cohort, []ClientID{2}) {
		t.Errorf("after that the cohort is %v, want of 2", last.Cohort)
	}
}

// Clients that decline are no better: the attempt after one that a majority has
// declined does without them, whether they join again or not.
func TestDecliningMajority(t *testing.T) {
	s := mustNew(t, Config{Kind: "fedavg", Fraction: 1}, Setup{Seed: 1, Live: true})
	join(s, 1)
	o := steps(s, Opened{1}, Joined{Client: 2}, Joined{Client: 3}, Joined{Client: 4}, Joined{Client: 5}, Offered{Client: 1, Order: 1, Handle: 1, Weight: 1}, Committed{Round: 1})
	open := o[len(o)-1].(Open)
	if len(open.Cohort) != 5 {
		t.Fatalf("the round is of %v, want of all", open.Cohort)
	}
	steps(s, Opened{2}, Offered{Client: 1, Order: open.Order, Handle: 2, Weight: 1})
	for id := ClientID(2); id <= 5; id++ {
		steps(s, Declined{Client: id, Order: open.Order})
	}
	steps(s, Joined{Client: 3}) // has ended its pause, say
	again := steps(s, Fired{timerRetry})[0].(Open)
	if !slices.Equal(again.Cohort, []ClientID{1}) {
		t.Errorf("the next attempt is of %v, want of 1", again.Cohort)
	}
}

// idlers joins n clients of one address that will never answer.
func idlers(s Strategy, n int, address string) {
	for i := range n {
		s.Step(Joined{Client: ClientID(1000 + i), Address: address})
	}
}

// However many clients of one address never answer, or leave and come again, the
// number of attempts that wait for a deadline stays small: their address is asked for
// one of them at growing intervals. Six honest clients answer all they are asked.
func TestAttention(t *testing.T) {
	for name, churn := range map[string]bool{"idle": false, "churn": true} {
		t.Run(name, func(t *testing.T) {
			s := mustNew(t, Config{Kind: "fedavg", Fraction: .1}, Setup{Seed: 1, MinCohort: 2, Live: true})
			idlers(s, 64, "192.0.2.1")
			for id := range ClientID(6) {
				s.Step(Joined{Client: 1 + id, Address: fmt.Sprintf("198.51.100.%d", id)})
			}
			effects := steps(s, Opened{1})
			deadlines, next := 0, ClientID(2000)
			var open Open
			for made := 0; made < 100; {
				idle := false
				for _, o := range orders(effects) {
					if o.Client >= 1000 {
						idle = true
						if churn { // another session takes its place
							steps(s, Left{o.Client}, Joined{Client: next, Address: "192.0.2.1"})
							next++
						}
					}
				}
				var last []Effect
				for _, o := range orders(effects) {
					if o.Client < 1000 {
						last = append(last, steps(s, Offered{Client: o.Client, Order: o.Order, Handle: Handle(1000*made + int(o.Client)), Weight: 1, Took: time.Second})...)
					}
				}
				if idle && !churn {
					deadlines++
					last = steps(s, Fired{timerDeadline})
				}
				find := func(effects []Effect) (opened bool) {
					for _, e := range effects {
						if o, ok := e.(Open); ok {
							open, opened = o, true
						}
					}
					return opened
				}
				for _, e := range last {
					if c, ok := e.(Commit); ok {
						made++
						last = steps(s, Committed{Round: c.Round})
					}
				}
				if !find(last) && !find(steps(s, Fired{timerRetry})) {
					t.Fatalf("after %d versions: no attempt in %q", made, names(last))
				}
				effects = steps(s, Opened{open.Round})
			}
			t.Logf("%d of the attempts waited for a deadline", deadlines)
			if deadlines > 8 {
				t.Errorf("%d attempts waited for a deadline, want at most 8", deadlines)
			}
		})
	}
}

// A deadline follows the time that answers take, and doubles for a client that has
// missed several, up to the task's own.
func TestDeadlineAdapts(t *testing.T) {
	a := newAttention(true)
	if got := a.deadline(nil, time.Hour); got != time.Hour {
		t.Errorf("without an answer: %v, want the task's", got)
	}
	a.measured([]time.Duration{4 * time.Second, time.Second, 50 * time.Second}) // the median is 4 s
	for misses, want := range []time.Duration{16 * time.Second, 16 * time.Second, 32 * time.Second, 64 * time.Second} {
		a.of(1).misses = misses
		if got := a.deadline([]ClientID{1, 2}, time.Hour); got != want {
			t.Errorf("after %d misses: %v, want %v", misses, got, want)
		}
	}
	if got := a.deadline([]ClientID{1}, 20*time.Second); got != 20*time.Second {
		t.Errorf("%v, want the task's own 20 s at most", got)
	}
	a.answered(1, 50*time.Second)
	if got := a.deadline([]ClientID{1, 2}, time.Hour); got != 100*time.Second {
		t.Errorf("with a slow client: %v, want twice its own time", got)
	}
	a = newAttention(true)
	a.measured([]time.Duration{time.Millisecond})
	if got := a.deadline(nil, time.Hour); got != minPatience {
		t.Errorf("for fast answers: %v, want %v", got, minPatience)
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

// However many clients join and leave, those that are present are remembered, and of the
// others the one that has left first is forgotten first.
func TestForgotten(t *testing.T) {
	c := NewCohort(true)
	const silent, answering, gone, late = 1, 2, 3, 4
	for id, address := range map[ClientID]string{silent: "a", answering: "b", gone: "c", late: "d"} {
		c.Join(id, address)
	}
	for _, id := range []ClientID{silent, gone, late} {
		c.missed(id)
	}
	c.answered(answering, time.Second)
	c.Leave(gone)
	churn := func(first ClientID, n int) {
		for i := range n {
			id := first + ClientID(i)
			c.Join(id, fmt.Sprint(id))
			c.missed(id)
			c.Leave(id)
		}
	}
	churn(1000, maxRegards-4) // as many as are remembered
	c.Leave(late)
	if got := c.clients[gone]; got == nil || got.misses != 1 {
		t.Errorf("the first that has left is forgotten before there are too many: %+v", got)
	}
	churn(100_000, 1)
	if c.clients[gone] != nil || c.addresses["c"] != nil {
		t.Error("the first that has left is remembered")
	}
	churn(200_000, maxRegards-10)
	for id, want := range map[ClientID]bool{silent: false, answering: true, late: false} {
		if got := c.clients[id]; got == nil || got.answered != want || c.addresses[got.address] == nil {
			t.Errorf("client %d is not remembered: %+v", id, got)
		}
	}
	churn(300_000, maxRegards)
	if c.clients[late] != nil {
		t.Error("a client that has left before all others is remembered")
	}
	if c.free(silent) || !c.free(answering) {
		t.Error("what those present have done is forgotten")
	}
	if n := len(c.clients); n != maxRegards || len(c.addresses) > n || c.absent.Len() != n-2 {
		t.Errorf("%d clients are remembered, %d of them absent, and %d addresses, want %d", n, c.absent.Len(), len(c.addresses), maxRegards)
	}
	c.Join(answering, "e") // from another network
	if c.addresses["b"] != nil || c.addresses["e"].clients != 1 {
		t.Error("an address without clients is remembered")
	}
}
