package strategy

import (
	"math"
	"slices"
	"testing"
	"time"

	"fedtab/combine"
)

// monitoring returns dynamic averaging whose clients 1 to n have their orders,
// which are all numbered 1.
func monitoring(t testing.TB, n int, cfg Config) *Dynamic {
	t.Helper()
	cfg.Kind, cfg.Batches, cfg.LR, cfg.MinClients = "dynamic", 8, .1, n
	settings := own[DynamicSettings](cfg)
	if settings.Delta == 0 {
		settings.Delta = 1
	}
	cfg.Own = settings
	s, err := New(cfg, Setup{Seed: 1, Live: true})
	if err != nil {
		t.Fatal(err)
	}
	var open string
	for i := range n {
		open = names(steps(s, Joined{Client: ClientID(i + 1)}))
	}
	if open != "Open " {
		t.Fatalf("the last of %d clients to join does %q, want Open", n, open)
	}
	orders := steps(s, Opened{1})
	if len(orders) != n || orders[0].(Order).Work.Kind != Monitor || orders[0].(Order).Work.Delta != settings.Delta || orders[0].(Order).Work.Steps != 8 {
		t.Fatalf("orders %v", orders)
	}
	return s.(*Dynamic)
}

// model is a client's answer to its first order, under a handle of its number.
func model(c ClientID) Offered {
	return Offered{Client: c, Order: 1, Handle: Handle(c), Weight: float64(c)}
}

func fetches(effects []Effect) (ids []ClientID) {
	for _, e := range effects {
		if f, ok := e.(Fetch); ok {
			ids = append(ids, f.Client)
		}
	}
	return ids
}

func TestDynamicTraces(t *testing.T) {
	gathered := Fired{timerGather}
	for _, test := range []struct {
		name   string
		n      int
		cfg    Config
		events []Event
		want   string // types of the last event's effects
	}{
		{"a violation gathers others", 10, Config{}, []Event{model(3)}, "Keep SetTimer "},
		{"another one comes", 10, Config{}, []Event{model(3), model(4)}, "Keep "},
		{"the mean of the violators", 10, Config{}, []Event{model(3), gathered}, "StopTimer Mean "},
		{"is good", 10, Config{}, []Event{model(3), gathered, Averaged{1, 1}}, "Open "},
		{"is sent to them once that is durable", 10, Config{}, []Event{model(3), gathered, Averaged{1, 1}, Opened{1}}, "Drop Order Forget "},
		{"is not good: twice as many are fetched", 10, Config{}, []Event{model(3), gathered, Averaged{1, 1.001}}, "Forget Fetch Fetch SetTimer "},
		{"as many as augment says", 20, Config{Own: DynamicSettings{Augment: 5}}, []Event{model(3), gathered, Averaged{1, 2}}, "Forget Fetch Fetch Fetch Fetch Fetch SetTimer "},
		{"one at least", 10, Config{Own: DynamicSettings{Augment: .1}}, []Event{model(3), gathered, Averaged{1, 2}}, "Forget Fetch SetTimer "},
		{"all where the set would be more than a share", 6, Config{Own: DynamicSettings{FullShare: .4}}, []Event{model(3), gathered, Averaged{1, 2}}, "Forget Fetch Fetch Fetch Fetch Fetch SetTimer "},
		{"all violate", 3, Config{}, []Event{model(1), model(2), model(3), gathered}, "StopTimer Size Add Add Add Commit "},
		{"as many violations as clients", 4, Config{Own: DynamicSettings{FullShare: 1}}, []Event{
			model(1), gathered, Averaged{1, 0}, Opened{1}, // v = 1
			model(2), model(3), gathered, Averaged{2, 0}, Opened{1}, // v = 3
			model(4), gathered, // v = 4: no mean is looked at
		}, "StopTimer Fetch Fetch Fetch SetTimer "},
		{"a stranger offers", 10, Config{}, []Event{model(11)}, "Reject "},
		{"twice the same", 10, Config{}, []Event{model(3), model(3)}, "Reject "},
		{"while a version is being made", 2, Config{}, []Event{model(1), model(2), gathered, model(1)}, "Reject "},
		{"the only violator leaves", 10, Config{}, []Event{model(3), Left{3}}, "Drop StopTimer "},
		{"and another one violates", 10, Config{}, []Event{model(3), Left{3}, model(4)}, "Keep SetTimer "},
		{"a violator leaves during the check", 10, Config{}, []Event{model(3), model(4), gathered, Left{3}}, "Drop "},
		{"and the mean is taken anew", 10, Config{}, []Event{model(3), model(4), gathered, Left{3}, Averaged{1, 0}}, "Forget StopTimer Mean "},
		{"a violation during the check joins in", 10, Config{}, []Event{model(3), gathered, model(4), Averaged{1, 0}}, "Forget StopTimer Mean "},
		{"a mean that was not asked for", 10, Config{}, []Event{model(3), gathered, Averaged{7, 0}}, ""},
		{"a violator leaves before its mean is durable", 10, Config{}, []Event{model(3), model(4), gathered, Averaged{1, 0}, Left{3}, Opened{1}}, "Drop Order Forget "},
		{"a violation while a mean is being written down", 10, Config{}, []Event{model(3), gathered, Averaged{1, 0}, model(4), Opened{1}}, "Drop Order Forget StopTimer Mean "},
		{"a newcomer gets an order", 3, Config{}, []Event{Joined{Client: 9}}, "Order "},
		{"not while a mean is being written down", 3, Config{}, []Event{model(1), gathered, Averaged{1, 0}, Joined{Client: 9}}, ""},
		{"but then", 3, Config{}, []Event{model(1), gathered, Averaged{1, 0}, Joined{Client: 9}, Opened{1}}, "Drop Order Order Forget "},
		{"a client that lost its socket then gets its order again", 3, Config{}, []Event{model(1), gathered, Averaged{1, 0}, Joined{Client: 2}}, "Order "},
		{"a client that comes back after its answer waits", 3, Config{}, []Event{model(1), Joined{Client: 1}}, ""},
		{"a version: all go on from it", 2, Config{}, []Event{model(1), model(2), gathered, Committed{Round: 1}}, "Open "},
		{"a timer of another time", 2, Config{}, []Event{Fired{timerFetch}}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := names(steps(monitoring(t, test.n, test.cfg), test.events...)); got != test.want {
				t.Errorf("effects %q, want %q", got, test.want)
			}
		})
	}
}

// A resolution by balancing: the weighted mean of the set goes to the set alone,
// under new orders; the reference and the others' orders stay.
func TestDynamicBalances(t *testing.T) {
	s := monitoring(t, 10, Config{})
	steps(s, model(3), model(7))
	mean := steps(s, Fired{timerGather})[1].(Mean)
	if !slices.Equal(mean.Handles, []Handle{3, 7}) || !slices.Equal(mean.Weights, []float64{3, 7}) {
		t.Errorf("%+v, want handles and weights 3 and 7", mean)
	}
	asked := steps(s, Averaged{1, 4})
	ids := fetches(asked)
	if len(ids) != 8 { // 2 + 2 x 2 > half of 10: all
		t.Fatalf("fetches %v, want all others", ids)
	}

	s = monitoring(t, 20, Config{})
	steps(s, model(3), model(7), Fired{timerGather})
	ids = fetches(steps(s, Averaged{1, 4}))
	if len(ids) != 4 || slices.Contains(ids, 3) || slices.Contains(ids, 7) {
		t.Fatalf("fetches %v, want 4 others", ids)
	}
	for _, id := range ids {
		s.Step(model(id))
	}
	open := steps(s, Averaged{2, 1})[0].(Open)
	if open.Round != 1 || open.Base != 0 || open.Order != 7 {
		t.Errorf("%+v, want round 1 again, with 6 new orders", open)
	}
	orders := map[ClientID]Order{}
	for _, e := range steps(s, Opened{1}) {
		if o, ok := e.(Order); ok {
			orders[o.Client] = o
			if o.Start != 2 || o.Base != 0 || o.Order < 2 || o.Fresh {
				t.Errorf("%+v, want one with a new number that starts from mean 2", o)
			}
		}
	}
	if len(orders) != 6 {
		t.Errorf("%d clients get the mean, want the balancing set of 6", len(orders))
	}
	if s.v != 2 {
		t.Errorf("v = %d, want 2: fetched models are no violations", s.v)
	}
	// Clients that have the mean answer their new orders, and not the old ones.
	if got := steps(s, model(3)); got[0] != Effect(Reject{3, Late}) {
		t.Errorf("an answer to the old order does %v", got)
	}
	again := orders[3]
	if got := names(steps(s, Offered{Client: 3, Order: again.Order, Handle: 50, Weight: 1})); got != "Keep SetTimer " {
		t.Errorf("an answer to the new order does %q", got)
	}
}

// A full synchronisation makes the weighted mean of all models the new
// reference and gives all clients a new order. It leaves the counter alone.
func TestDynamicSynchronises(t *testing.T) {
	s := monitoring(t, 6, Config{}) // one and two more are half of six
	ids := fetches(steps(s, model(2), Fired{timerGather}, Averaged{1, 2}))
	if !slices.Equal(ids, []ClientID{1, 3, 4, 5, 6}) {
		t.Fatalf("fetches %v", ids)
	}
	for _, id := range ids[:4] {
		s.Step(model(id))
	}
	last := steps(s, model(6))
	var handles []Handle
	for _, e := range last {
		if a, ok := e.(Add); ok {
			handles = append(handles, a.Handle)
			if a.Weight != float64(a.Handle) || a.Scale != a.Weight {
				t.Errorf("%+v, want its weight", a)
			}
		}
	}
	c := last[len(last)-1].(Commit)
	if !slices.Equal(handles, []Handle{1, 2, 3, 4, 5, 6}) || len(c.Clients) != 6 || c.Plan != combine.Plan(combine.WeightedMean{ServerLR: 1}) || s.v != 1 {
		t.Errorf("adds %v, %+v, v = %d", handles, c, s.v)
	}
	open := steps(s, Committed{Round: 1})[0].(Open)
	if open.Round != 2 || open.Base != 1 {
		t.Errorf("%+v, want round 2 on version 1", open)
	}
	for _, e := range steps(s, Opened{2}) {
		if o := e.(Order); o.Base != 1 || o.Start != 0 || o.Fresh {
			t.Errorf("%+v, want one on version 1", o)
		}
	}
}

// After as many violations as there are clients all are synchronised, however
// near the violators' mean is to the reference, and the counting begins anew. Those
// that come while others are fetched count too, and the rest is asked all the same.
func TestDynamicCounter(t *testing.T) {
	s := monitoring(t, 4, Config{Own: DynamicSettings{FullShare: 1}})
	v := 0
	for round := range 3 { // three violations that are balanced at once
		got := steps(s, Offered{Client: 2, Order: s.clients[1].order, Handle: Handle(round + 1), Weight: 1}, Fired{timerGather}, Averaged{MeanID(round + 1), .5})
		if names(got) != "Open " {
			t.Fatalf("violation %d does %q", round+1, names(got))
		}
		steps(s, Opened{1})
		if v++; s.v != v {
			t.Fatalf("v = %d after %d violations", s.v, v)
		}
	}
	got := steps(s, Offered{Client: 1, Order: s.clients[0].order, Handle: 9, Weight: 1}, Fired{timerGather})
	if ids := fetches(got); len(ids) != 3 || s.v != 0 {
		t.Fatalf("the fourth violation of four clients fetches %v, v = %d", ids, s.v)
	}

	// Violators that come while others are fetched.
	s = monitoring(t, 6, Config{Own: DynamicSettings{FullShare: 1, Augment: 1}})
	s.v = 4
	ids := fetches(steps(s, model(1), Fired{timerGather}, Averaged{1, 2}))
	if len(ids) != 1 || s.v != 5 {
		t.Fatalf("fetches %v, v = %d", ids, s.v)
	}
	other := ClientID(2)
	if ids[0] == other {
		other = 3
	}
	steps(s, model(other))
	rest := fetches(steps(s, model(ids[0])))
	if len(rest) != 3 || s.v != 0 {
		t.Errorf("with v = m the rest is not fetched: %v, v = %d", rest, s.v)
	}
}

// A fetched model that comes after the deadline is no violation.
func TestDynamicLateFetch(t *testing.T) {
	s := monitoring(t, 10, Config{Deadline: 7 * time.Second})
	ids := fetches(steps(s, model(3), Fired{timerGather}, Averaged{1, 2}))
	steps(s, model(ids[0]), Fired{timerFetch})
	steps(s, model(ids[1]))
	if s.v != 1 {
		t.Errorf("v = %d, want the one violation", s.v)
	}
}

// A client that does not answer a fetch in time is left out, and not asked again:
// with no other client to ask, those in the set are all.
func TestDynamicFetchDeadline(t *testing.T) {
	s := monitoring(t, 10, Config{Deadline: 7 * time.Second})
	asked := steps(s, model(3), Fired{timerGather}, Averaged{1, 2})
	ids := fetches(asked)
	if got := asked[len(asked)-1]; got != Effect(SetTimer{timerFetch, 7 * time.Second}) {
		t.Errorf("%+v, want the deadline", got)
	}
	s.Step(model(ids[0]))
	mean := steps(s, Fired{timerFetch})[1].(Mean)
	if want := []Handle{min(3, Handle(ids[0])), max(3, Handle(ids[0]))}; !slices.Equal(mean.Handles, want) {
		t.Errorf("the mean after the deadline is of %v, want %v", mean.Handles, want)
	}
	next := fetches(steps(s, Averaged{2, 2})) // 2 + 4 > 5: all
	if len(next) != 7 || slices.Contains(next, ids[1]) {
		t.Errorf("fetches %v, want 7 without client %d, which has not answered", next, ids[1])
	}
	if got := names(steps(s, Fired{timerFetch})); got != "StopTimer Size Add Add Commit " {
		t.Errorf("when none of them answers: %q, want to go on with those that did", got)
	}
}

// Where all others have declined, no client is left to augment the set with: it
// counts as all, and the run goes on.
func TestDynamicNoneToAsk(t *testing.T) {
	s := monitoring(t, 10, Config{})
	for id := ClientID(2); id <= 10; id++ {
		s.Step(Declined{id, 1})
	}
	steps(s, model(1), Fired{timerGather})
	got := names(steps(s, Averaged{1, 2}))
	if got != "Forget SetTimer StopTimer Size Add Commit " {
		t.Errorf("effects %q, want a full synchronisation of those present", got)
	}
}

// A client that leaves while its model is awaited is awaited no longer, and one
// that declines is not either.
func TestDynamicLeavesMidResolution(t *testing.T) {
	s := monitoring(t, 10, Config{})
	ids := fetches(steps(s, model(3), Fired{timerGather}, Averaged{1, 2}))
	if got := names(steps(s, Left{ids[0]})); got != "" {
		t.Errorf("the first to leave does %q", got)
	}
	mean := steps(s, Declined{ids[1], 1})
	if got := names(mean); got != "StopTimer Mean " || !slices.Equal(mean[1].(Mean).Handles, []Handle{3}) {
		t.Errorf("effects %v, want the mean of the violator alone", mean)
	}
	// A balanced client that leaves takes its model along.
	s = monitoring(t, 20, Config{})
	steps(s, model(3), Fired{timerGather})
	ids = fetches(steps(s, Averaged{1, 2}))
	steps(s, model(ids[0]))
	if got := steps(s, Left{ids[0]}); !slices.Equal(got, []Effect{Drop{Handle(ids[0])}}) {
		t.Errorf("effects %v, want its model dropped", got)
	}
	if got := steps(s, model(ids[1]))[2].(Mean).Handles; len(got) != 2 || slices.Contains(got, Handle(ids[0])) {
		t.Errorf("the mean is of %v, want it without client %d", got, ids[0])
	}
}

// A fetch that went down with a socket is sent again with the order.
func TestDynamicFetchesAgain(t *testing.T) {
	s := monitoring(t, 10, Config{})
	ids := fetches(steps(s, model(3), Fired{timerGather}, Averaged{1, 2}))
	got := steps(s, Joined{Client: ids[0]})
	if names(got) != "Order Fetch " || got[1] != Effect(Fetch{ids[0], 1}) {
		t.Errorf("effects %v, want the order and the fetch", got)
	}
}

// A client that has answered, leaves and comes back within the round gets an order that it
// has not answered yet.
func TestDynamicComesBack(t *testing.T) {
	s := monitoring(t, 10, Config{})
	got := steps(s, model(3), Left{3}, Joined{Client: 3})
	if len(got) != 1 || got[0].(Order).Order != 2 {
		t.Fatalf("effects %v, want order 2", got)
	}
	if got := names(steps(s, Offered{Client: 3, Order: 2, Handle: 9, Weight: 1})); got != "Keep SetTimer " {
		t.Errorf("its answer does %q", got)
	}
}

// After a rollback no client goes on with the model that led to it.
func TestDynamicRollBack(t *testing.T) {
	s := monitoring(t, 2, Config{})
	steps(s, model(1), model(2), Fired{timerGather})
	if got := names(steps(s, RolledBack{1})); got != "SetTimer " {
		t.Fatalf("effects %q", got)
	}
	if got := names(steps(s, Fired{timerAgain})); got != "Open " {
		t.Fatalf("effects %q", got)
	}
	orders := steps(s, Opened{1})
	for _, e := range orders {
		if o := e.(Order); !o.Fresh || o.Order != 2 || o.Base != 0 || o.Work.LR != s.cfg.LR/2 {
			t.Errorf("%+v, want a fresh one at half the rate", o)
		}
	}
	if len(orders) != 2 {
		t.Errorf("%d orders, want 2", len(orders))
	}
	if o := steps(s, Joined{Client: 1})[0].(Order); o.Fresh {
		t.Error("an order that is given again is fresh: its work would be lost")
	}
}

// A restart in the middle of a resolution: the violation counter and the order
// numbers are those that were written down, and all go on.
func TestDynamicReopens(t *testing.T) {
	s := monitoring(t, 4, Config{Own: DynamicSettings{FullShare: 1}})
	open := steps(s, model(1), model(2), Fired{timerGather}, Averaged{1, 1})[0].(Open)
	after, err := New(Config{Kind: "dynamic", Batches: 8, LR: .1, Own: DynamicSettings{Delta: 1}}, Setup{Seed: 1, Live: true})
	if err != nil {
		t.Fatal(err)
	}
	after.Step(Reopened{open, time.Minute})
	if v := after.(*Dynamic).v; v != 2 {
		t.Errorf("v = %d after the restart, want 2", v)
	}
	after.Step(Joined{Client: 1})
	again := steps(after, Joined{Client: 2})[0].(Open)
	if again.Round != 1 || again.Order <= open.Order {
		t.Errorf("%+v after %+v, want the same round with newer orders", again, open)
	}
	for _, e := range steps(after, Opened{1}) {
		if o := e.(Order); o.Fresh || o.Start != 0 {
			t.Errorf("%+v, want clients to go on with their own models", o)
		}
	}
}

// Delta = infinity orders a distance that no model can exceed.
func TestDynamicInfiniteDelta(t *testing.T) {
	s := monitoring(t, 2, Config{Own: DynamicSettings{Delta: math.Inf(1)}})
	if got := names(steps(s, Fired{timerGather}, Fired{timerFetch})); got != "" {
		t.Errorf("without a violation: %q", got)
	}
}
