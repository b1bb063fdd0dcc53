package strategy

import (
	"slices"
	"testing"
)

// A pause counts no miss: all of the cohort it interrupts are asked again, also one that has
// come back meanwhile, and those that joined in the pause. One that has left is not.
func TestPauseIsNoMiss(t *testing.T) {
	for name, cfg := range map[string]Config{
		"fedavg": {Kind: "fedavg", Fraction: 1},
		"daisy":  {Kind: "daisy", Own: DaisySettings{AverageEvery: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.MinClients = 2
			s := mustNew(t, cfg, Setup{Seed: 1, Live: true})
			join(s, 1, 2)
			steps(s, Opened{1}, Offered{Client: 1, Order: 1, Handle: 1, Weight: 1})
			effects := steps(s, Paused{})
			if i := slices.IndexFunc(effects, func(e Effect) bool { _, ok := e.(Abandon); return ok }); i < 0 || effects[i].(Abandon).Few != (Few{}) {
				t.Fatalf("a pause does %v, want that the attempt is abandoned, not for want of answers", effects)
			}
			if got := names(steps(s, Left{2}, Joined{Client: 3}, Joined{Client: 2}, Joined{Client: 4}, Left{4})); got != "" {
				t.Errorf("in a pause joins and leaves do %q", got)
			}
			effects = steps(s, Resumed{})
			i := slices.IndexFunc(effects, func(e Effect) bool { _, ok := e.(Open); return ok })
			if i < 0 {
				t.Fatalf("after the pause there is no attempt: %v", effects)
			}
			if open := effects[i].(Open); !slices.Equal(open.Cohort, []ClientID{1, 2, 3}) || open.Order != 2 {
				t.Errorf("after the pause the attempt is %+v, want order 2 for clients 1 to 3", open)
			}
		})
	}
}

// A version that is being made comes first; the next round waits for the end of the pause.
func TestPauseWhileCommitting(t *testing.T) {
	s := mustNew(t, Config{Kind: "fedbuff", MinClients: 2, Own: FedBuffSettings{Buffer: 1}}, Setup{Seed: 1, Live: true})
	join(s, 1, 2)
	given := orders(steps(s, Opened{1}))
	if len(given) != 2 {
		t.Fatalf("%d orders, want 2", len(given))
	}
	// The second answer waits for the next version, which the pause gives up.
	steps(s, Offered{Client: given[0].Client, Order: given[0].Order, Handle: 1, Weight: 1}, Offered{Client: given[1].Client, Order: given[1].Order, Handle: 2, Weight: 1}, Paused{})
	if got := names(steps(s, Committed{Round: 1})); got != "Add Abandon " {
		t.Errorf("after the version it does %q, want that the answer is given up", got)
	}
	if got := names(steps(s, Resumed{})); got != "Open " {
		t.Errorf("at the end of the pause it does %q, want a round", got)
	}
}
