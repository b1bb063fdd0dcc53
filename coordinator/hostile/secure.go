package hostile

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"fedtab/client"
	"fedtab/coordinator/hub/hubtest"
	"fedtab/coordinator/swarm"
	"fedtab/privacy/secagg/native"
	"fedtab/protocol"
	"fedtab/simulation/adversary"
)

// The first bytes of what a participant sends in an attempt of secure aggregation, and how many
// there are before the body: the kind and its tag.
const (
	sendsKeys   = 1
	sendsShares = 3
	sendsReveal = 9
	tagged      = 17
)

// secret returns a world with secure aggregation, in which each phase of an attempt that
// somebody holds up takes two seconds.
func secret(name string, honest int, strategy, privacy string) *Setting {
	return &Setting{Name: name, Honest: honest, Pace: time.Second, Task: `
model: {kind: mlp, hidden: [8]}
data: {source: anes96, holdout: 0.2, partition: {kind: iid, clients: 20}}
strategy: {kind: fedavg, batches: 1, batch: 10, lr: 0.05, fraction: 1, deadline: 8s, ` + strategy + `}
privacy: {aggregation: secure, min: 3, ` + privacy + `}
stop: {rounds: 100000}
seed: 1
`}
}

// wholes have one sum of all, groups a sum of each four.
func wholes() *Setting {
	return secret("secure", 6, "min_clients: 5", "dropout: 0.3, corrupt: 0.1")
}

func groups() *Setting {
	return secret("secure-groups", 16, "min_clients: 16, combine: median", "groups: 4, dropout: 0.1, corrupt: 0.01")
}

// What honest participants must keep of their rounds beside one of seven, percent: a phase
// that it holds up takes two seconds, and it is asked less often with every order that it has
// not answered.
const secureShare = 25.

// exchanging has one more participant take part, whose messages of secure aggregation are
// changed.
func (c *Crew) exchanging(edit func(block []byte) []byte, masked func(block []byte) []byte) {
	p := &swarm.Participant{}
	if edit != nil {
		p.EditSecure = func(s *protocol.Secure) { s.Vectors[0].Block = edit(slices.Clone(s.Vectors[0].Block)) }
	}
	if masked != nil {
		p.Edit = func(m *protocol.Contribution) { m.Vectors[0].Block = masked(slices.Clone(m.Vectors[0].Block)) }
	}
	c.join(p, func() {})
}

// ofKind changes the messages of a kind.
func ofKind(kind byte, change func(block []byte) []byte) func([]byte) []byte {
	return func(block []byte) []byte {
		if block[0] == kind {
			return change(block)
		}
		return block
	}
}

// noise replaces what is after the tag by random bytes, from a byte on.
func noise(from int) func([]byte) []byte {
	return func(block []byte) []byte {
		for i := range block[tagged+from:] {
			block[tagged+from+i] = byte(rand.Uint32())
		}
		return block
	}
}

// replay replaces every message by the one of its kind of the attempt before.
func replay() func([]byte) []byte {
	old := map[byte][]byte{}
	return func(block []byte) []byte {
		was := old[block[0]]
		old[block[0]] = block
		if was == nil {
			return block
		}
		return was
	}
}

// secrets attack secure aggregation: one of seven, which cannot be told from a client that
// drops out until it has spoiled what the others wait for.
func secrets() []Case {
	edited := func(words, about string, exchange, masked func([]byte) []byte) Case {
		return Case{Name: name("secure", words), About: about, Needs: "a task of its own", World: wholes(), Attack: func(t *T) {
			t.measure(secureShare, func() { t.World.Crew.exchanging(exchange, masked) })
		}}
	}
	replayed := replay()
	return []Case{
		edited("keys of low order", "one of seven sends public keys of zeros", ofKind(sendsKeys, func(block []byte) []byte {
			clear(block[tagged:])
			return block
		}), nil),
		edited("keys of another attempt", "one of seven sends keys with another tag", ofKind(sendsKeys, func(block []byte) []byte {
			block[1] ^= 1
			return block
		}), nil),
		edited("shares cut off", "one of seven sends half of its shares", ofKind(sendsShares, func(block []byte) []byte { return block[:len(block)/2] }), nil),
		edited("reveals that do not reconstruct", "one of seven reveals random bytes", ofKind(sendsReveal, noise(1)), nil),
		edited("masked vectors of another length", "one of seven sends a masked vector without its end", nil, func(block []byte) []byte { return block[:len(block)-4] }),
		edited("masked vectors of another modulus", "one of seven sends a masked vector of wider integers", nil, func(block []byte) []byte { return append(block, block[tagged:]...) }),
		edited("replays", "one of seven sends what it has sent in the attempt before", replayed, replayed),
		spoils("shares that do not open", "sends shares of random bytes: attempts with it fail", func(c *Crew) { c.exchanging(ofKind(sendsShares, noise(0)), nil) }),
		spoils("masked vectors of noise", "sends random integers: the sum is no update, or spoils a version", func(c *Crew) { c.exchanging(nil, noise(0)) }),
		inGroups("masked vectors of noise", "one of seventeen sends random integers, in groups of four", func(c *Crew) { c.exchanging(nil, noise(0)) }),
		inGroups("shares that do not open", "one of seventeen sends shares of random bytes, in groups of four", func(c *Crew) { c.exchanging(ofKind(sendsShares, noise(0)), nil) }),
		inGroups("a liar", "one of seventeen sends -1000 times its delta, in groups of four", lying(16)),
		spoils("a liar", "sends -1000 times its delta, which no clipping bounds: nobody can be blamed", lying(6)),
		{Name: "secure/reloads", About: "one of seven is reloaded before it sends, in each phase by turns", Needs: "a task of its own", World: wholes(), Attack: func(t *T) {
			t.measure(secureShare, func() { t.World.Crew.reloading() })
		}},
		{Name: "secure/a-flood", About: "four sessions send messages of secure aggregation as fast as they can", Needs: "a task of its own", World: wholes(), Attack: func(t *T) {
			t.measure(secureShare, func() { t.Crowd(4, t.World.Address(), flood) })
		}},
	}
}

// lying adds a liar to a crew of some honest ones.
func lying(honest int) func(*Crew) {
	return func(c *Crew) {
		n := honest + 1
		group := adversary.NewGroup(adversary.Config{Kind: adversary.SignFlip, Scale: 1000, Fraction: 1 / float64(n)}, n, 1)
		for i := range n {
			if m := group.Member(i); m.Lies() {
				c.join(&swarm.Participant{Member: m}, func() {})
			}
		}
	}
}

// inGroups is an attack that spoils a group, of which there are others.
func inGroups(words, about string, attack func(*Crew)) Case {
	return Case{Name: name("secure", "groups "+words), About: about, Needs: "a task of its own", World: groups(), Attack: func(t *T) {
		t.measure(secureShare, func() { attack(t.World.Crew) })
		t.accuracyKept(70)
	}}
}

// spoils is an attack that a sum of all does not withstand: it says what is left, and honest
// participants are not blamed for it.
func spoils(words, about string, attack func(*Crew)) Case {
	return Case{Name: name("secure", words), About: "one of seven " + about, Needs: "a task of its own", World: wholes(), Attack: func(t *T) {
		before := t.Baseline()
		attack(t.World.Crew)
		t.Pause(settleTime)
		state, err := t.World.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		rolledBack, rate := state.RolledBack, t.World.Crew.Rate(measureTime)
		if state, err = t.World.State(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.AtLeast("honest rounds", 100*rate/before, 0, "%")
		t.AtLeast("versions refused by the guard", float64(state.RolledBack-rolledBack), 0, "")
		t.accuracyKept(0)
		t.honestUnharmed()
	}}
}

// accuracyKept reports the newest accuracy, which must be at least a bound, in percent.
func (t *T) accuracyKept(bound float64) {
	state, err := t.World.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if state.TestAccuracy == nil {
		t.Errorf("no accuracy, want one")
		return
	}
	t.AtLeast("accuracy", 100**state.TestAccuracy, bound, "%")
}

// reloading has one more participant take part, which is reloaded before it sends something: its
// keys, its shares, its masked vector and what unmasks, by turns.
func (c *Crew) reloading() {
	c.wait.Go(func() {
		var record, saved []byte
		for life := 0; c.ctx.Err() == nil; life++ {
			ctx, cancel := context.WithCancel(c.ctx)
			var once sync.Once
			before := []byte{sendsKeys, sendsShares, 5, sendsReveal}[life%4]
			stop := func(block []byte) {
				if block[0] == before {
					once.Do(func() {
						block[0] = 0 // it is not sent, as far as the coordinator understands
						cancel()
					})
				}
			}
			p := &swarm.Participant{
				URL: c.world.URL, Task: c.world.Task, Local: c.world.Address(),
				EditSecure: func(s *protocol.Secure) {
					s.Vectors[0].Block = slices.Clone(s.Vectors[0].Block)
					stop(s.Vectors[0].Block)
				},
				Edit: func(m *protocol.Contribution) {
					m.Vectors[0].Block = slices.Clone(m.Vectors[0].Block)
					stop(m.Vectors[0].Block)
				},
			}
			p.Client = client.New(client.Config{Name: "fedtab-hostile", Task: p.Task, Secure: &client.Secure{
				Primitives: native.Primitives{}, History: record,
				Persist: func(r []byte) error { record = slices.Clone(r); return nil },
			}})
			if saved != nil {
				_ = p.Client.Restore(saved) // it was saved by this build
			}
			err := p.Run(ctx)
			cancel()
			saved = p.Client.Save()
			var ce *protocol.CloseError
			if errors.As(err, &ce) && !ce.Code.Reconnect() {
				saved = nil
			}
			pause(c.ctx, protocol.ReconnectMin)
		}
	})
}

// flood sends messages of secure aggregation until its socket is closed.
func flood(a *attacker) {
	h := hubtest.Hello(a.t.World.Task)
	h.Payloads = []protocol.PayloadKind{protocol.PayloadMasked}
	p := a.Connect().Join(h)
	o := hubtest.Await[*protocol.Order](p)
	for {
		block := make([]byte, 1<<10)
		block[0] = sendsKeys
		p.Send(&protocol.Secure{Order: o.Order, Vectors: []protocol.Vector{{Kind: protocol.PayloadBytes, Name: protocol.SecurePayload, Block: block}}})
		if _, err := p.Read(); err != nil {
			return
		}
	}
}
