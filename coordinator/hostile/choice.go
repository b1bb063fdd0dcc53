package hostile

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"fedtab/coordinator/hub/hubtest"
	"fedtab/learn/rng"
	"fedtab/protocol"
	"fedtab/strategy"
)

// A world in which two of ten are chosen for a round, and the figures that a peer
// predicts them with.
const (
	chosen      = 2
	candidates  = 10
	owners      = 4 // attackers among the candidates
	choiceShare = .2
	choices     = 40 // rounds that are looked at
)

func choosing(honest int) *Setting {
	s := pacing("choice", fmt.Sprintf("fraction: %g, min_clients: %d", choiceShare, honest))
	s.Honest, s.Pace = honest, 100*time.Millisecond
	return s
}

// predict returns the cohort of a round as it follows from the run's public seed.
func predict(present []uint32, seed, round uint64) (cohort []uint32) {
	c := strategy.NewCohort(true)
	for _, p := range present {
		c.Join(strategy.ClientID(p), "")
	}
	for _, id := range c.Sample(choiceShare, chosen, rng.Stream(seed, "cohort", round, 1)) {
		cohort = append(cohort, uint32(id))
	}
	return cohort
}

// choosers foresee who is chosen, or choose themselves.
func choosers() []Case {
	return []Case{
		{Name: "choice/cohorts-foreseen", About: "cohorts of 2 of 10 computed from the welcome's seed; by chance 1 in 45 comes true", Needs: "a task of its own", World: choosing(candidates), Attack: func(t *T) {
			c := t.World.Crew
			t.Await(warmup)
			first := c.Version() + 2
			t.Await(first + choices)
			welcome, members := c.Members()
			if len(members) != candidates {
				t.Fatalf("%d participants, want %d that stay", len(members), candidates)
			}
			right := 0
			for round := first; round < first+choices; round++ {
				if slices.Equal(predict(members, welcome.Seed, round), c.Cohort(round)) {
					right++
				}
			}
			t.AtMost("cohorts foreseen", 100*float64(right)/choices, 15, "%")
		}},
		{Name: "choice/cohorts-owned", About: "4 of 10 pause so that the public seed would choose them alone; by chance 2 in 15 cohorts are theirs", Needs: "a task of its own", World: choosing(candidates - owners), Attack: func(t *T) {
			o := &owned{peers: make([]*hubtest.Peer, owners), paused: make([]bool, owners)}
			a := &attacker{t: t, from: t.World.Address(), ctx: t.Context()}
			for i := range o.peers {
				o.peers[i] = a.Join()
			}
			c := t.World.Crew
			t.Await(1)
			_, o.honest = c.Members()
			var wait sync.WaitGroup
			for i := range o.peers {
				wait.Go(func() { o.follow(i) })
			}
			t.Cleanup(func() { a.close(); wait.Wait() })
			t.Await(warmup)
			first := c.Version() + 2
			t.Await(first + choices)
			alone := 0
			for round := first; round < first+choices; round++ {
				if c.Cohort(round) == nil {
					alone++
				}
			}
			t.AtMost("cohorts owned", 100*float64(alone)/choices, 35, "%")
		}},
	}
}

// owned are sessions in collusion. They answer their orders, and pause so that the
// next cohort should be theirs.
type owned struct {
	peers  []*hubtest.Peer
	honest []uint32

	mu      sync.Mutex
	paused  []bool
	planned uint64 // round
}

func (o *owned) follow(i int) {
	p := o.peers[i]
	for {
		m, err := p.Read()
		if err != nil {
			return
		}
		o.receive(p, m)
	}
}

func (o *owned) receive(p *hubtest.Peer, m protocol.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch m := m.(type) {
	case *protocol.Order:
		p.Send(p.Contribution(m))
	case *protocol.Status:
		if round := m.Version + 2; round > o.planned { // the next one is chosen already
			o.planned = round
			o.plan(round)
		}
	}
}

// plan pauses those without whom the cohort of a round would be theirs.
func (o *owned) plan(round uint64) {
	seed := o.peers[0].Welcome.Seed
	for set := range 1 << len(o.peers) {
		present, own := slices.Clone(o.honest), []uint32{}
		for i, p := range o.peers {
			if set>>i&1 == 1 {
				own = append(own, p.Welcome.Participant)
			}
		}
		present = append(present, own...)
		slices.Sort(present)
		if slices.ContainsFunc(predict(present, seed, round), func(p uint32) bool { return !slices.Contains(own, p) }) {
			continue
		}
		for i, p := range o.peers {
			state := protocol.TabPaused
			if set>>i&1 == 1 {
				state = protocol.TabVisible
			}
			if pause := state == protocol.TabPaused; pause != o.paused[i] {
				o.paused[i] = pause
				p.Send(&protocol.Tab{State: state})
			}
		}
		return
	}
}
