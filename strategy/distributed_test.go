package strategy

import (
	"slices"
	"strings"
	"testing"

	"fedtab/combine"
)

// distributedly returns a strategy whose clients add the noise, for a population of six of which
// a round asks four.
func distributedly(t testing.TB, limit int) *rounds {
	t.Helper()
	p := Private{Noise: 1, Vector: 1, Clip: 2, Population: 6, Full: 10, Budget: true, Releases: 9, Distributed: &Distributed{Participations: limit}}
	cfg := Config{Kind: "fedavg", Fraction: 4. / 6, LR: .1}
	s, err := New(cfg.ForPrivate(1), Setup{Seed: 3, MinCohort: 2, Parameters: 6, Norm: 10, Convex: true, Private: &p, Secure: &Secure{Fewest: 4, Most: 5, Min: 3}})
	if err != nil {
		t.Fatal(err)
	}
	return s.(*rounds)
}

// attempt plays an attempt that is open, with a sum or without, and returns the effects.
func attempt(r *rounds, sum bool) []Effect {
	round := r.version + 1
	r.Step(Opened{round})
	order := r.order
	var clients []ClientID
	for _, m := range r.cohort.members {
		clients = append(clients, m.client)
	}
	for _, c := range clients {
		r.Step(Masked{Client: c, Order: order})
	}
	r.Step(Fired{timerDeadline})
	var effects []Effect
	if sum {
		effects = slices.Clone(r.Step(Summed{Round: round, Handle: 1, Clients: clients, Weight: 50}))
	}
	return append(effects, r.Step(Unmasked{Round: round, Why: "no sum"})...)
}

// find returns the first effect of a type.
func find[E Effect](effects []Effect) (e E, ok bool) {
	for _, effect := range effects {
		if e, ok := effect.(E); ok {
			return e, true
		}
	}
	return e, false
}

// A sum is multiplied by what it has of full weights and divided by C N; every attempt is
// charged, and the bound stays.
func TestDistributedAttempts(t *testing.T) {
	r := distributedly(t, 0)
	for _, e := range members(6) {
		r.Step(e)
	}
	if n := len(r.cohort.members); n != 4 {
		t.Fatalf("%d clients in a cohort, want C N = 4", n)
	}
	if _, ok := find[Abandon](attempt(r, false)); !ok {
		t.Fatal("an attempt without a sum is not given up")
	}
	r.Step(Fired{timerRetry})
	effects := attempt(r, true)
	add, _ := find[Add](effects)
	c, ok := find[Commit](effects)
	if !ok || add.Scale != 5 || c.Releases != 2 {
		t.Fatalf("scale %g, %d releases, want 50 / 10 and both attempts", add.Scale, c.Releases)
	}
	if plan := c.Plan.(combine.Private); !plan.Distributed || plan.Sigma != 0 || plan.Divisor != 4 {
		t.Errorf("the plan is %+v, want the noise of the sum alone, and a divisor of 4", plan)
	}
	r.Step(Committed{Round: 1})
	if r.bound.value != 2 {
		t.Errorf("the bound is %g, want the 2 of before", r.bound.value)
	}
	again := distributedly(t, 0)
	if err := again.Restore(c.Snapshot); err != nil || again.private.releases != 2 || again.bound.value != 2 {
		t.Errorf("%v: %d releases and a bound of %g after a restart, want 2 and 2", err, again.private.releases, again.bound.value)
	}
}

// No client is asked more often than the limit, also over restarts, and those that were asked
// least come first: six clients make up three cohorts of four.
func TestDistributedLimit(t *testing.T) {
	r := distributedly(t, 2)
	for _, e := range members(6) {
		r.Step(e)
	}
	times := map[ClientID]int{}
	rounds := 0
	for ; r.state == opening; rounds++ {
		for _, m := range r.cohort.members {
			times[m.client]++
		}
		c, ok := find[Commit](attempt(r, true))
		if !ok {
			t.Fatalf("no version %d", r.version+1)
		}
		r = distributedly(t, 2)
		if err := r.Restore(c.Snapshot); err != nil {
			t.Fatal(err)
		}
		for _, e := range members(6) {
			r.Step(e)
		}
	}
	for id, n := range times {
		if n != 2 {
			t.Errorf("client %d was asked %d times, want 2", id, n)
		}
	}
	if rounds != 3 {
		t.Errorf("%d rounds, want 3", rounds)
	}
}

func TestDistributedNeedsSums(t *testing.T) {
	_, err := New(Config{Kind: "fedavg", Fraction: 1, LR: .1}.ForPrivate(3), Setup{Private: &Private{Noise: 1, Clip: 1, Population: 3, Distributed: &Distributed{}}})
	if err == nil || !strings.Contains(err.Error(), "privacy.aggregation") {
		t.Errorf("noise of participants without secure sums: %v", err)
	}
}
