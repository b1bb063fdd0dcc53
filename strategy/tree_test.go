package strategy

import (
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"fedtab/combine"
)

// A step's node takes the place of those that the sum is no longer made of, as bits of the
// number of steps do; a restart keeps the nodes, and a new tree begins after Restart steps.
func TestTreeNodes(t *testing.T) {
	for _, restart := range []int{0, 5} {
		limits := &Tree{Participations: 1, Separation: 1, Restart: restart}
		p := private{Private: Private{Clip: 1, Tree: limits}, bound: 1}
		var seeds []combine.Seed
		for step := 1; step <= 20; step++ {
			in := step // of the tree
			if restart > 0 {
				in = (step-1)%restart + 1
			}
			if _, drop := p.stepped(); len(drop) != bits.TrailingZeros(uint(in)) {
				t.Fatalf("restart %d: step %d drops %d nodes, want %d", restart, step, len(drop), bits.TrailingZeros(uint(in)))
			}
			seeds = append(seeds, combine.Seed{byte(step)})
			written := p.append(nil, true)
			s := &rounds{private: &p}
			written = append(append(written, s.seeds(true)...), seeds[step-1][:]...)
			p.grow(seeds[step-1])
			nodes := p.tree.nodes
			if len(nodes) != bits.OnesCount(uint(in)) || nodes[len(nodes)-1] != seeds[step-1] {
				t.Fatalf("restart %d: after step %d the nodes are %v", restart, step, nodes)
			}
			q := private{Private: p.Private}
			d := stateReader{b: written}
			if err := q.read(&d); err != nil || d.end() != nil || q.releases != p.releases || q.tree.steps != p.tree.steps || !slices.Equal(q.tree.nodes, nodes) {
				t.Fatalf("restart %d: step %d is read as %+v", restart, step, q.tree)
			}
		}
	}
}

// Each client is asked as often, and as far apart, as the limits say, also over restarts and in
// attempts that are given up. A round is charged once it makes a version, and a version that
// is discarded ends the run.
func TestTreeLimits(t *testing.T) {
	limits := &Tree{Participations: 3, Separation: 4}
	p := Private{Noise: 1, Vector: 1, Clip: 1, Population: 3, Tree: limits}
	s := privately(t, Config{Fraction: .8}, p)
	source := rand.NewChaCha8([32]byte{5})
	asked := map[ClientID][]uint64{}
	var commit Commit
	handle := func(round uint64, effects []Effect) (next []Event) {
		for _, effect := range slices.Clone(effects) {
			switch e := effect.(type) {
			case Open:
				for _, id := range e.Cohort {
					asked[id] = append(asked[id], round)
				}
				next = append(next, Opened{e.Round})
			case SetTimer:
				next = append(next, Fired{e.Timer})
			case Commit:
				commit = e
			}
		}
		return next
	}
	events := []Event{Paused{}, Joined{Client: 1}, Joined{Client: 2}, Joined{Client: 3}, Resumed{}}
	versions := uint64(0)
	for versions < 12 {
		commit = Commit{}
		for len(events) > 0 {
			e := events[0]
			events = append(events[1:], handle(versions+1, s.Step(e))...)
		}
		if commit.Round == 0 {
			break // all are exhausted
		}
		if commit.Releases != versions+1 {
			t.Fatalf("version %d is charged as release %d", commit.Round, commit.Releases)
		}
		versions++
		var seed combine.Seed
		source.Read(seed[:])
		if versions%3 == 0 { // a restart
			s = privately(t, Config{Fraction: .8}, p)
			if err := s.Restore(slices.Concat(commit.Snapshot, commit.Seeds, seed[:])); err != nil {
				t.Fatal(err)
			}
			events = []Event{Paused{}, Joined{Client: 1}, Joined{Client: 2}, Joined{Client: 3}, Resumed{}}
			continue
		}
		events = handle(versions+1, s.Step(Committed{Round: commit.Round, Seed: &seed}))
		if versions == 4 { // a pause gives the attempt up
			for _, e := range []Event{Paused{}, Resumed{}} {
				events = handle(versions+1, s.Step(e))
			}
		}
	}
	for id, rounds := range asked {
		if len(rounds) > limits.Participations {
			t.Errorf("client %d is asked in the rounds %v, want %d at most", id, rounds, limits.Participations)
		}
		for i := 1; i < len(rounds); i++ {
			if rounds[i] < rounds[i-1]+uint64(limits.Separation) {
				t.Errorf("client %d is asked in the rounds %v, want them %d apart", id, rounds, limits.Separation)
			}
		}
	}
	if len(asked) != 3 {
		t.Errorf("of 3 clients %d are asked", len(asked))
	}
	if s.private.exhausted(s) {
		if got := names(steps(s, Joined{Client: 4})); got != "Open " {
			t.Errorf("a client that joins when all others are exhausted: %q", got)
		}
	}

	s = privately(t, Config{Fraction: 1}, p)
	play(t, s, nil, nil, source, members(3)...)
	if end, ok := steps(s, RolledBack{1})[0].(Finish); !ok || end.Reason != DiscardedReason {
		t.Error("a tree goes on after a version that was discarded")
	}
	again := privately(t, Config{Fraction: 1}, p)
	again.Step(Reopened{Open{Round: 1, Order: 1, Cohort: []ClientID{1, 2}, State: (&openState{state: s.private.append(nil, false)}).encode()}, time.Second})
	if got := again.private.tree.asked[1].times; got != 1 {
		t.Errorf("after a restart client 1 was asked %d times, want once", got)
	}
}
