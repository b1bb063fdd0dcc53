package faults

import (
	"fmt"
	"go/build"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"fedtab/client"
	"fedtab/combine"
	"fedtab/privacy/secagg/native"
	"fedtab/protocol"
	"fedtab/run"
	"fedtab/strategy"
)

// effects is a strategy whose effects are changed on their way to the run. A nil
// effect is dropped.
type effects struct {
	strategy.Strategy
	change func(strategy.Effect) strategy.Effect
}

func (e effects) Step(event strategy.Event) (changed []strategy.Effect) {
	for _, effect := range e.Strategy.Step(event) {
		if effect = e.change(effect); effect != nil {
			changed = append(changed, effect)
		}
	}
	return changed
}

// deaf is a strategy that is told of no pause.
type deaf struct{ strategy.Strategy }

func (d deaf) Step(event strategy.Event) []strategy.Effect {
	switch event.(type) {
	case strategy.Paused, strategy.Resumed:
		return nil
	}
	return d.Strategy.Step(event)
}

// careless is a strategy that is told of no sum of an earlier process.
type careless struct {
	strategy.Strategy
	begins bool
}

func (c *careless) Step(event strategy.Event) []strategy.Effect {
	e, summed := event.(strategy.Summed)
	if summed && c.begins {
		return []strategy.Effect{strategy.Reject{Handle: e.Handle, Reason: strategy.Late}}
	}
	_, c.begins = event.(strategy.Reopened)
	return c.Strategy.Step(event)
}

// other returns a sum with another number in it.
func other(s run.Sum) run.Sum {
	s.Packed = slices.Clone(s.Packed)
	s.Packed[0] ^= 1
	return s
}

// revealing returns a mutant of what clients reveal.
func revealing(change func(block []byte)) mutant {
	return mutant{up: func(m protocol.Message) protocol.Message {
		s, ok := m.(*protocol.Secure)
		if !ok || s.Vectors[0].Block[0] != kindReveal {
			return m
		}
		changed := *s
		changed.Vectors = slices.Clone(s.Vectors)
		changed.Vectors[0].Block = slices.Clone(s.Vectors[0].Block)
		change(changed.Vectors[0].Block)
		return &changed
	}}
}

// masking returns a mutant of the masked vectors that clients send.
func masking(change func(order uint64, block []byte) []byte) mutant {
	return mutant{up: func(m protocol.Message) protocol.Message {
		c, ok := m.(*protocol.Contribution)
		if !ok || c.Vectors[0].Kind != protocol.PayloadMasked {
			return m
		}
		changed := *c
		changed.Vectors = slices.Clone(c.Vectors)
		changed.Vectors[0].Block = change(c.Order, slices.Clone(c.Vectors[0].Block))
		return &changed
	}}
}

// journal is a journal that loses or changes what it is given.
type journal struct {
	run.Journal
	open      bool // rounds are not written down
	reserve   bool // nor participant numbers
	pause     bool // nor pauses
	commit    func(*run.Commit) (write bool)
	sum       func(run.Sum) []run.Sum // that are written
	stateless bool                    // rounds are written down without the strategy's state
}

// repeating is random bytes that begin anew with each read.
type repeating struct{ seed int }

func (r repeating) Read(b []byte) (int, error) {
	return rand.NewChaCha8([32]byte{byte(r.seed)}).Read(b)
}

func (j journal) OpenRound(id string, o run.OpenRound) error {
	if j.open {
		return nil
	}
	if j.stateless {
		o.State = nil
	}
	return j.Journal.OpenRound(id, o)
}

func (j journal) Pause(id, reason string, at time.Time) error {
	if j.pause {
		return nil
	}
	return j.Journal.Pause(id, reason, at)
}

func (j journal) ReserveParticipants(id string, limit uint32) error {
	if j.reserve {
		return nil
	}
	return j.Journal.ReserveParticipants(id, limit)
}

func (j journal) Sum(id string, s run.Sum) error {
	if j.sum == nil {
		return j.Journal.Sum(id, s)
	}
	for _, s := range j.sum(s) {
		if err := j.Journal.Sum(id, s); err != nil {
			return err
		}
	}
	return nil
}

func (j journal) Commit(id string, c run.Commit) error {
	if j.commit != nil && !j.commit(&c) {
		return nil
	}
	return j.Journal.Commit(id, c)
}

// The simulator notices damage to the product: each mutant violates an invariant.
func TestMutants(t *testing.T) {
	change := func(f func(strategy.Effect) strategy.Effect) mutant {
		return mutant{strategy: func(s strategy.Strategy) strategy.Strategy { return effects{s, f} }}
	}
	add := func(f func(*strategy.Add)) mutant {
		return change(func(e strategy.Effect) strategy.Effect {
			if a, ok := e.(strategy.Add); ok {
				f(&a)
				return a
			}
			return e
		})
	}
	disk := func(j journal) mutant {
		return mutant{journal: func(real run.Journal) run.Journal { j.Journal = real; return j }}
	}
	const (
		noisy   = "a version is what its contributions and its noise make of its base"
		limited = "no client is asked beyond its limits"
	)
	const made = "a version is what its contributions make of its base"
	for _, test := range []struct {
		name string
		kind string
		mutant
		want string // invariant; "" takes each
	}{
		{"a gradient is multiplied by its weight again", "minibatch", add(func(a *strategy.Add) { a.Scale *= a.Weight }), made},
		{"a sum wraps round", "periodic", add(func(a *strategy.Add) { a.Scale *= 1 << 50 }), ""}, // also what the version says of zeros
		{"a contribution counts one example too many", "fedavg", add(func(a *strategy.Add) { a.Weight++ }), made},
		{"staleness is left out", "fedbuff", add(func(a *strategy.Add) { a.Scale = 1 }), made},
		{"the server steps twice as far", "daisy", change(func(e strategy.Effect) strategy.Effect {
			if c, ok := e.(strategy.Commit); ok {
				c.Plan = combine.WeightedMean{ServerLR: 2}
				return c
			}
			return e
		}), made},
		{"models are kept for ever", "daisy", change(func(e strategy.Effect) strategy.Effect {
			if _, ok := e.(strategy.Drop); ok {
				return nil
			}
			return e
		}), "memory does not grow"},
		{"a mean has other weights", "dynamic", change(func(e strategy.Effect) strategy.Effect {
			if m, ok := e.(strategy.Mean); ok && len(m.Weights) > 1 {
				m.Weights = slices.Clone(m.Weights)
				m.Weights[0]++
				return m
			}
			return e
		}), "a mean is what it is made of"},
		{"a sum counts twice", "secure-fedavg", add(func(a *strategy.Add) { a.Scale *= 2 }), made},
		{"a sum weighs one example more", "secure-minibatch", add(func(a *strategy.Add) { a.Weight++ }), made},
		{"a sum is not written", "secure-fedavg", disk(journal{sum: func(run.Sum) []run.Sum { return nil }}), "a sum is durable before it is used"},
		{"another sum is written", "secure-periodic", disk(journal{sum: func(s run.Sum) []run.Sum { return []run.Sum{other(s)} }}), "a sum is that of what its participants gave"},
		{"a sum is written over", "secure-groups", disk(journal{sum: func(s run.Sum) []run.Sum { return []run.Sum{s, other(s)} }}), "a durable sum is never rewritten"},
		{"a sum is of two", "secure-fedavg", disk(journal{sum: func(s run.Sum) []run.Sum {
			s.Participants = s.Participants[:2]
			return []run.Sum{s}
		}}), "a sum is of several"},
		{"a restart drops the sum", "secure-periodic", mutant{strategy: func(s strategy.Strategy) strategy.Strategy { return &careless{Strategy: s} }}, "a restart commits the durable sum"},
		{"sums are not asked for", "secure-fedavg", change(func(e strategy.Effect) strategy.Effect {
			if _, ok := e.(strategy.Unmask); ok {
				return nil
			}
			return e
		}), ""},
		{"a client that was reloaded begins again", "secure-fedavg", mutant{client: func(c *client.Secure) { c.History = nil }}, "a client that has lost its keys has dropped out"},
		{"a client writes nothing down", "secure-fedavg", mutant{client: func(c *client.Secure) { c.Persist = nil }}, "what is revealed is written down first"},
		{"a client releases two sets of shares", "secure-fedavg", func() mutant {
			seen := map[string]bool{}
			return revealing(func(block []byte) {
				if was := string(block); seen[was] {
					block[len(block)-1]++
				} else {
					seen[was] = true
				}
			})
		}(), "a client sends one message of a kind"},
		{"a client masks an update twice", "secure-fedavg", func() mutant {
			times := byte(0)
			return masking(func(_ uint64, block []byte) []byte { times++; block[len(block)-1] ^= times; return block })
		}(), ""},
		{"a client sends an update in two attempts", "secure-fedavg", func() mutant {
			var first []byte
			return masking(func(_ uint64, block []byte) []byte {
				if first == nil {
					first = block
				}
				return first
			})
		}(), ""},
		{"an attempt is not charged", "private-poisson", change(func(e strategy.Effect) strategy.Effect {
			if c, ok := e.(strategy.Commit); ok {
				c.Releases--
				return c
			}
			return e
		}), "every attempt is charged"},
		{"a restart forgets a charge", "private-poisson", disk(journal{stateless: true}), "every attempt is charged"},
		{"a restart forgets a charge of a sum", "secure-shares", disk(journal{stateless: true}), "every attempt is charged"},
		{"a restart begins noise anew", "private-poisson", mutant{noise: func(io.Reader) io.Reader { return rand.NewChaCha8([32]byte{1}) }}, "noise is never used again"},
		{"noise of a tree is drawn once", "private-tree", mutant{noise: func(io.Reader) io.Reader { return repeating{1} }}, "noise is never used again"},
		{"a client adds the same share again", "secure-shares", mutant{client: func(c *client.Secure) {
			c.Primitives = native.Primitives{Source: repeating{c.Member + 1}}
		}}, "noise is never used again"},
		{"a version has half of its noise", "private-poisson", change(func(e strategy.Effect) strategy.Effect {
			if c, ok := e.(strategy.Commit); ok {
				plan := c.Plan.(combine.Private)
				plan.Sigma /= 2
				c.Plan = plan
				return c
			}
			return e
		}), noisy},
		{"a tree keeps the noise of old nodes", "private-tree", change(func(e strategy.Effect) strategy.Effect {
			if c, ok := e.(strategy.Commit); ok {
				plan := c.Plan.(combine.Private)
				plan.Tree = &combine.Tree{}
				c.Plan = plan
				return c
			}
			return e
		}), noisy},
		{"a contribution is not bounded", "private-poisson", add(func(a *strategy.Add) { a.Scale = 1 }), noisy},
		{"clients are asked once more", "private-tree", mutant{setup: func(s *strategy.Setup) {
			p := *s.Private
			tree := *p.Tree
			tree.Participations++
			p.Tree, s.Private = &tree, &p
		}}, limited},
		{"clients are asked too soon", "private-tree", mutant{setup: func(s *strategy.Setup) {
			p := *s.Private
			tree := *p.Tree
			tree.Separation = 0
			p.Tree, s.Private = &tree, &p
		}}, limited},
		{"a restart forgets who was asked", "private-tree", disk(journal{stateless: true}), limited},
		{"a sum with noise is of two", "secure-shares", disk(journal{sum: func(s run.Sum) []run.Sum {
			s.Participants = s.Participants[:2]
			return []run.Sum{s}
		}}), "a sum is of several"},
		{"a sum lacks a share", "secure-shares", disk(journal{sum: func(s run.Sum) []run.Sum { return []run.Sum{other(s)} }}), "a sum is that of what its participants gave"},
		{"a balancing set does not get its mean", "dynamic", change(func(e strategy.Effect) strategy.Effect {
			if o, ok := e.(strategy.Order); ok {
				o.Start = 0
				return o
			}
			return e
		}), "a balancing set trains from its mean"},
		{"a deadline is forgotten", "fedavg", change(func(e strategy.Effect) strategy.Effect {
			if _, ok := e.(strategy.SetTimer); ok {
				return nil
			}
			return e
		}), ""},
		{"an order has another number than the round", "fedavg", change(func(e strategy.Effect) strategy.Effect {
			if o, ok := e.(strategy.Order); ok {
				o.Order += 1000
				return o
			}
			return e
		}), "orders wait for the disk"},
		{"a version is not written", "fedavg", disk(journal{commit: func(*run.Commit) bool { return false }}), "a version is told only when it is durable"},
		{"a version forgets a contribution", "periodic", disk(journal{commit: func(c *run.Commit) bool {
			c.Contributions = c.Contributions[1:]
			return true
		}}), "every accepted contribution counts"},
		{"a version forgets the server's state", "minibatch", disk(journal{commit: func(c *run.Commit) bool { c.State = nil; return true }}), made},
		{"a round is not written", "fedavg", disk(journal{open: true}), "orders wait for the disk"},
		{"a pause is not written", "fedavg", disk(journal{pause: true}), "a pause is answered when it is durable"},
		{"a strategy goes on in a pause", "fedbuff", mutant{strategy: func(s strategy.Strategy) strategy.Strategy { return deaf{s} }}, "a pause is quiet"},
		{"participant numbers are not written", "fedavg", disk(journal{reserve: true}), ""},
		{"an answer says that the round is closed", "fedavg", mutant{send: func(m protocol.Message) protocol.Message {
			if a, ok := m.(*protocol.Ack); ok && a.Reason == accepted {
				return &protocol.Ack{Order: a.Order, Reason: late}
			}
			return m
		}}, "every contribution gets one answer"},
		{"an order asks for other work when it is given again", "periodic", mutant{send: func(m protocol.Message) protocol.Message {
			if o, ok := m.(*protocol.Order); ok {
				changed := *o
				changed.Seed ^= uint64(o.Deadline)
				return &changed
			}
			return m
		}}, "the same order asks for the same work"},
		{"a version is told by another hash", "fedbuff", mutant{send: func(m protocol.Message) protocol.Message {
			if o, ok := m.(*protocol.Order); ok {
				changed := *o
				changed.BaseHash = make([]byte, protocol.HashSize)
				return &changed
			}
			return m
		}}, "a version has its hash"},
		{"the end is told before it is written", "oneshot", mutant{send: func(m protocol.Message) protocol.Message {
			if s, ok := m.(*protocol.Status); ok && s.Version > 0 {
				changed := *s
				changed.Phase = protocol.PhaseFinished
				return &changed
			}
			return m
		}}, "the end is told only when it is durable"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for s := range uint64(200) {
				_, err := Run(Config{Seed: s, Kind: test.kind, mutant: test.mutant})
				if v, ok := err.(*Violation); ok {
					if test.want != "" && v.Invariant != test.want {
						t.Errorf("%v, want %s", v, test.want)
					}
					return
				}
			}
			t.Error("no schedule of 200 notices")
		})
	}
}

// The reference arithmetic is independent: no program file imports combine.
func TestReferenceIsIndependent(t *testing.T) {
	p, err := build.ImportDir(".", 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.GoFiles) < 10 || slices.Contains(p.Imports, "fedtab/combine") {
		t.Errorf("the files %v import %v", p.GoFiles, p.Imports)
	}
}

// A fixed-point sum that wraps round differs from the reference, by whatever
// multiple of 2^64 it is off.
func TestReferenceSeesOverflow(t *testing.T) {
	const clients, weight = 40, 1 << 20
	for _, test := range []struct {
		name  string
		bound float64 // that the sum was made for
		value float32
		ok    bool
	}{
		{"within the bound", clients * weight * protocol.MaxDelta, protocol.MaxDelta, true},
		{"beyond it", clients * weight * protocol.MaxDelta, protocol.MaxDelta * weight, false},
		{"a bound for one client", weight * protocol.MaxDelta, protocol.MaxDelta, false},
	} {
		s := scheme{Config: strategy.Config{Kind: "fedavg", LR: .1, Epochs: 1}.WithDefaults()}
		in := input{base: make([]float32, 3), max: weight}
		sum, err := combine.NewSum(3, test.bound)
		if err != nil {
			t.Fatal(err)
		}
		for i := range clients {
			v := []float32{test.value, -test.value, test.value / 2}
			sum.Add(v, weight)
			in.given = append(in.given, given{participant: uint32(i), weight: weight, vectors: [][]float32{v}})
		}
		next := make([]float32, 3)
		if err := sum.Mean(next, in.base, 1); err != nil {
			t.Fatal(err)
		}
		if err := s.verify(in, next, nil); (err == nil) != test.ok {
			t.Errorf("%s: the product gives %v, the reference says: %v", test.name, next, err)
		}
	}
}

// The reference gives what can be worked out by hand.
func TestReference(t *testing.T) {
	two := func(v ...float32) []given {
		return []given{
			{participant: 1, weight: 1, steps: 1, vectors: [][]float32{{v[0]}, {v[0]}}},
			{participant: 2, weight: 3, steps: 2, stale: 3, vectors: [][]float32{{v[1]}, {v[1]}}},
		}
	}
	for _, test := range []struct {
		name  string
		c     strategy.Config
		state map[string][]float32
		next  float32
		after map[string][]float32
	}{
		{"weighted mean", strategy.Config{Kind: "fedavg"}, nil, 10 + (1*1+3*2)/4., nil},
		{"minibatch", strategy.Config{Kind: "minibatch"}, nil, 10 - .1*(1+2)/4, nil},
		{"fedbuff", strategy.Config{Kind: "fedbuff"}, nil, 10 + (1+2*.5)/2, nil}, // (1 + 3)^-1/2
		{"scaffold", strategy.Config{Kind: "fedavg", Correction: "scaffold"}, map[string][]float32{"control": {5}}, 10 + 1.5, map[string][]float32{"control": {5 + .5*1.5}}},
		{"fednova", strategy.Config{Kind: "fedavg", Correction: "fednova"}, nil, 10 + (1*1+3*2)/4.*(1*1./1+3*2./2)/4, nil},
		{"momentum", strategy.Config{Kind: "fedavg", Server: "momentum", ServerLR: 1}, map[string][]float32{"momentum": {2}}, 10 + .9*2 + 1.75, map[string][]float32{"momentum": {.9*2 + 1.75}}},
		{"adagrad", strategy.Config{Kind: "fedavg", Server: "adagrad", ServerLR: 1, ServerTau: 1}, map[string][]float32{"momentum": {0}, "second": {0}}, 10 + 1.75/(1.75+1), map[string][]float32{"momentum": {1.75}, "second": {1.75 * 1.75}}},
		{"adam", strategy.Config{Kind: "fedavg", Server: "adam", ServerLR: 1, ServerTau: 1}, map[string][]float32{"momentum": {0}, "second": {0}}, 10 + .175/(.175+1), map[string][]float32{"momentum": {.175}, "second": {.01 * 1.75 * 1.75}}},
		{"yogi", strategy.Config{Kind: "fedavg", Server: "yogi", ServerLR: 1, ServerTau: 1}, map[string][]float32{"momentum": {0}, "second": {4}}, 10 + .175/float32(math.Sqrt(4-.01*1.75*1.75)+1), map[string][]float32{"momentum": {.175}, "second": {4 - .01*1.75*1.75}}},
		{"median", strategy.Config{Kind: "fedavg", Combine: "median"}, nil, 10 + 1.5, nil},
	} {
		test.c.LR = .1
		s := scheme{Config: test.c.WithDefaults()}
		s.Staleness = .5
		in := func() input {
			return input{base: []float32{10}, state: test.state, given: two(1, 2), max: 3, present: 4}
		}
		if err := s.verify(in(), []float32{test.next}, test.after); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if err := s.verify(in(), []float32{test.next * (1 + 1e-5)}, test.after); err == nil {
			t.Errorf("%s: takes %v for %v", test.name, test.next*(1+1e-5), test.next)
		}
	}
}

// A Radon point, a geometric median and Krum's choice in the plane.
func TestReferenceRobust(t *testing.T) {
	square := [][]float32{{0, 0}, {2, 0}, {2, 2}, {0, 2}} // its diagonals cross at (1, 1)
	base := []float32{0, 0}
	for _, test := range []struct {
		name string
		got  []float32
		ok   bool
	}{
		{"the Radon point", []float32{1, 1}, true}, {"a point of the square", []float32{1, .9}, false}, {"a corner", []float32{2, 2}, false},
	} {
		if err := checkRadon(test.got, base, square, 1, 7); (err == nil) != test.ok {
			t.Errorf("%s: %v", test.name, err)
		}
		if err := checkGeometric(test.got, base, square, 1); (err == nil) != test.ok {
			t.Errorf("%s as the geometric median: %v", test.name, err)
		}
	}
	line := [][]float32{{0}, {1}, {1.5}, {2}, {9}}
	var chosen []float32
	if checkKrum(line, 1, func(v []float32) error { chosen = v; return nil }); !slices.Equal(chosen, []float32{1.5}) {
		t.Errorf("Krum chooses %v, want 1.5", chosen)
	}
}

// Hostile peers forge every role with every weight, for every kind of strategy, also
// from a paused tab after a restart of the coordinator.
func TestForgeries(t *testing.T) {
	rates := Rates{Forge: 1, Interrupt: .5, Crash: .01}
	for _, kind := range Kinds() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			type forgery struct {
				role   protocol.Role
				weight string
				paused bool
			}
			const all = 4 * 5 * 2
			seen := map[forgery]int{}
			for s := uint64(0); len(seen) < all && s < 5000; s++ {
				_, err := Run(Config{Seed: s, Kind: kind, Rates: &rates, Rounds: 6, Trace: func(_ time.Duration, format string, args ...any) {
					if strings.Contains(format, " forges ") {
						w := "bound"
						switch weight := args[2].(uint64); {
						case weight < 2:
							w = fmt.Sprint(weight)
						case weight == math.MaxUint64:
							w = "max"
						case args[3].(uint64) < weight:
							w = "bound + 1"
						}
						seen[forgery{args[1].(protocol.Role), w, args[5].(bool)}]++
					}
				}})
				if err != nil {
					report(t, kind, err)
					return
				}
			}
			if len(seen) < all {
				t.Errorf("%d of %d forgeries are tried: %v", len(seen), all, seen)
			}
		})
	}
}
