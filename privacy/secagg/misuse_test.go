package secagg_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"fedtab/privacy/secagg"
	"fedtab/privacy/secagg/native"
)

// Keys of low order, of another client, or not signed by a member are not taken; the others go on.
func TestClientWithBadKeys(t *testing.T) {
	var first []byte // keys of client 1, which come before those of client 10
	for _, c := range []struct {
		name   string
		terms  secagg.Terms
		change func(m []byte) []byte
	}{
		{"low order", terms(), func(m []byte) []byte { clear(m[secagg.HeaderSize:][:32]); return m }},
		{"not canonical", terms(), func(m []byte) []byte { m[secagg.HeaderSize+31] |= 0x80; return m }},
		{"both the same", terms(), func(m []byte) []byte { copy(m[secagg.HeaderSize+32:], m[secagg.HeaderSize:][:32]); return m }},
		{"those of another", terms(), func([]byte) []byte { return bytes.Clone(first) }},
		{"one of another", terms(), func(m []byte) []byte { copy(m[secagg.HeaderSize:], first[secagg.HeaderSize:][:32]); return m }},
		{"of no member", members(terms(), 10), func(m []byte) []byte { m[secagg.HeaderSize+64] = 99; return m }},
		{"signed by another member", members(terms(), 11), func(m []byte) []byte { m[secagg.HeaderSize+64] = 10; return m }},
		{"with a wrong signature", members(terms(), 10), func(m []byte) []byte { m[len(m)-1] ^= 1; return m }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newNetwork(t, c.terms, 10, 1)
			w.drops = func(client uint64, kind byte) bool { return client == 10 && kind == secagg.KindShares }
			w.changes = func(client uint64, up bool, m []byte) [][]byte {
				switch {
				case !up || m[0] != secagg.KindKeys:
				case client == 1:
					first = m
				case client == 10:
					if first == nil {
						w.enqueue(delivery{10, true, m})
						return nil
					}
					return one(c.change(bytes.Clone(m)))
				}
				return one(m)
			}
			first = nil
			w.run().wantSum(9)
			w.wantIgnored(secagg.ErrKeys)
		})
	}
}

// A roster that lacks the client's keys, or has one of them elsewhere.
func TestRosterWithoutOwnKeys(t *testing.T) {
	for name, change := range map[string]func(keys []byte){
		"one":  func(keys []byte) { keys[33] ^= 1 },
		"both": func(keys []byte) { keys[30] ^= 1; keys[33] ^= 1 },
	} {
		w := newNetwork(t, terms(), 8, 1)
		w.tamper(3, secagg.KindRoster, func(m []byte) [][]byte {
			m = bytes.Clone(m)
			change(m[bytes.Index(m, w.keys[3]):])
			return one(m)
		})
		if w.run().wantSum(7); w.refused[3] == nil {
			t.Error(name)
		}
		w.wantRefused(3, secagg.ErrKeys)
	}
}

// Two sessions of one member: one of them takes part.
func TestMemberTwice(t *testing.T) {
	w := newNetwork(t, members(terms(), 10), 10, 1)
	c, err := secagg.NewClient(w.terms, w.attempt, 0, secagg.History{})
	if err != nil {
		t.Fatal(err)
	}
	w.clients[9], w.signers[9].Identity = c, w.signers[0].Identity
	w.run().wantSum(9)
	w.wantIgnored(secagg.ErrKeys)
	if d := w.finished.Dropped; len(d) != 1 || d[0].Client != 1 && d[0].Client != 10 {
		t.Errorf("dropped: %v, want client 1 or 10", d)
	}
}

// Wrong shares are recognised, and the sum is exact without them; with too many it fails.
func TestSharesThatDoNotReconstruct(t *testing.T) {
	for _, c := range []struct{ liars, survivors int }{{1, 12}, {3, 12}, {8, 0}} {
		w := newNetwork(t, terms(), 12, 1)
		w.changes = func(client uint64, up bool, m []byte) [][]byte {
			if up && m[0] == secagg.KindReveal && client <= uint64(c.liars) {
				m = bytes.Clone(m)
				for i := secagg.HeaderSize + 2; i < len(m); i += secagg.SecretSize {
					m[i] ^= 1
				}
			}
			return one(m)
		}
		if w.run(); c.survivors == 0 {
			w.wantFailed("unmask", secagg.ErrShares)
		} else {
			w.wantSum(c.survivors)
		}
	}
	u := secagg.NewUnmasking(native.Primitives{}, 10, 13, 5, 20, 2, 8)
	u.Spoil(21)
	if a, ok := u.Execute(native.Primitives{}).(secagg.Unmasked); !ok || !errors.Is(a.Err, secagg.ErrShares) {
		t.Errorf("%+v, want ErrShares: the key is not that of the dropped client", a)
	}
}

// A client whose sealed shares are garbage: the attempt fails, and says whose they are.
func TestSharesThatAreGarbage(t *testing.T) {
	w := newNetwork(t, terms(), 12, 1)
	w.lie(3, secagg.KindShares, func(m []byte) []byte {
		m = bytes.Clone(m)
		for i := range 11 {
			m[secagg.HeaderSize+112*i] ^= 1
		}
		return m
	})
	w.run()
	w.wantFailed("unmask", secagg.ErrShares)
	if len(w.refused) > 0 {
		t.Errorf("refused: %v", w.refused)
	}
}

// A masked vector of another modulus or length is not added.
func TestMaskedVectorOfAnotherShape(t *testing.T) {
	for name, change := range map[string]func([]byte) []byte{
		"a byte less": func(m []byte) []byte { return m[:len(m)-1] },
		"a byte more": func(m []byte) []byte { return append(bytes.Clone(m), 0) },
		"another modulus": func(m []byte) []byte {
			return secagg.AppendPacked(bytes.Clone(m[:secagg.HeaderSize]), make([]uint32, 100), 15)
		},
		"bits at the end": func(m []byte) []byte { m = bytes.Clone(m); m[len(m)-1] |= 0xf0; return m },
	} {
		t.Run(name, func(t *testing.T) {
			w := newNetwork(t, terms(), 8, 1)
			w.lie(3, secagg.KindMasked, change)
			w.run().wantSum(7)
			w.wantIgnored(secagg.ErrMessage)
		})
	}
}

// Messages of another attempt, round or run change nothing, whoever gets them.
func TestReplays(t *testing.T) {
	type sent struct {
		client  uint64
		up      bool
		message []byte
	}
	record := func(run byte, round, number uint64) (all []sent) {
		terms := terms()
		terms.Run[5] = run
		w := newNetwork(t, terms, 8, 2)
		w.setAttempt(secagg.Attempt{Round: round, Number: number})
		w.changes = func(client uint64, up bool, m []byte) [][]byte {
			all = append(all, sent{client, up, m})
			return one(m)
		}
		w.run().wantSum(8)
		return all
	}
	for _, c := range []struct {
		name          string
		run           byte
		round, number uint64
	}{{"attempt", 0, 7, 1}, {"round", 0, 6, 2}, {"run", 9, 7, 2}} {
		t.Run(c.name, func(t *testing.T) {
			old := record(c.run, c.round, c.number)
			w := newNetwork(t, terms(), 8, 1)
			w.changes = func(client uint64, up bool, m []byte) [][]byte {
				all := one(m)
				for _, o := range old {
					if o.up == up && o.client == client && o.message[0] == m[0] {
						all = [][]byte{o.message, m}
					}
				}
				return all
			}
			w.run().wantSum(8)
			for _, err := range w.ignored {
				if !errors.Is(err, secagg.ErrAttempt) {
					t.Error(err)
				}
			}
			if len(w.ignored) < len(old)-8 { // some reveals come when the server is done
				t.Errorf("%d ignored, want %d", len(w.ignored), len(old))
			}
		})
	}
}

// setAttempt begins another attempt than the seed's.
func (w *network) setAttempt(a secagg.Attempt) {
	w.t.Helper()
	w.attempt = a
	var ids []uint64
	var err error
	for i := range w.clients {
		ids = append(ids, uint64(i+1))
		if w.clients[i], err = secagg.NewClient(w.terms, a, i, secagg.History{}); err != nil {
			w.t.Fatal(err)
		}
	}
	if w.server, err = secagg.NewServer(w.terms, a, ids); err != nil {
		w.t.Fatal(err)
	}
}

// Sealed shares of another attempt do not open, even if the server passes them off as this one's.
func TestReplayedBundles(t *testing.T) {
	var old []byte
	first := newNetwork(t, terms(), 8, 2)
	first.tamper(3, secagg.KindInbox, func(m []byte) [][]byte { old = m; return one(m) })
	first.run().wantSum(8)
	w := newNetwork(t, terms(), 8, 1)
	w.tamper(3, secagg.KindInbox, func(m []byte) [][]byte {
		var of [32]byte
		copy(of[:], m[1:])
		return one(secagg.Retag(old, of))
	})
	w.run().wantSum(7)
	w.wantRefused(3, secagg.ErrGraph)
}

// Fewer than min: on either side, in any phase.
func TestFewerThanMin(t *testing.T) {
	if _, err := secagg.NewServer(terms(), secagg.Attempt{}, []uint64{1, 2, 3, 4}); !errors.Is(err, secagg.ErrTooFew) {
		t.Errorf("4 invited: %v, want ErrTooFew", err)
	}
	for _, c := range []struct {
		kind  byte
		drops int
		phase string
	}{{secagg.KindKeys, 4, "keys"}, {secagg.KindShares, 4, "shares"}, {secagg.KindMasked, 4, "masked"}, {secagg.KindReveal, 4, "unmask"}} {
		w := newNetwork(t, terms(), 8, 1)
		w.drops = func(client uint64, kind byte) bool { return kind == c.kind && client <= uint64(c.drops) }
		w.run()
		if w.failed == nil || w.failed.Phase != c.phase || len(w.failed.Dropped) != c.drops {
			t.Errorf("%d of 8 gone before %d: %+v, want a failure in %q", c.drops, c.kind, w.failed, c.phase)
		}
	}
	w := newNetwork(t, terms(), 8, 1)
	w.tamper(3, secagg.KindRoster, func(m []byte) [][]byte {
		m = bytes.Clone(m[:secagg.HeaderSize+8+64*4])
		m[secagg.HeaderSize] = 4
		return one(m)
	})
	w.run()
	w.wantRefused(3, secagg.ErrTooFew)
}

// Fewer than min of many, though every client has neighbours enough.
func TestFewerThanMinOfMany(t *testing.T) {
	terms := terms()
	terms.Min = 27 // of 40, 12 of which may drop out
	for kind, want := range map[byte]error{secagg.KindInbox: secagg.ErrGraph, secagg.KindSurvivors: secagg.ErrSurvivors} {
		w := newNetwork(t, terms, 40, 1)
		w.tamper(3, kind, func(m []byte) [][]byte {
			m = bytes.Clone(m)
			c := w.clients[2]
			keep := append([]int{c.Number()}, c.NeighbourList()...) // 1 + k, fewer than min
			set := m[secagg.HeaderSize:][:5]
			clear(set)
			for _, i := range keep {
				set[i/8] |= 1 << (i % 8)
			}
			if len(keep) >= terms.Min {
				t.Fatalf("%d clients are not too few", len(keep))
			}
			return one(m)
		})
		if w.run(); w.failed != nil {
			t.Error(w.failed)
		}
		w.wantRefused(3, want)
	}
	w := newNetwork(t, terms, 40, 1)
	w.drops = spread(40, map[byte]int{secagg.KindMasked: 14})
	w.run().wantFailed("masked", secagg.ErrTooFew)
}

// A client whose neighbours have dropped out: the attempt fails before anything is released.
func TestNeighboursDropOut(t *testing.T) {
	for kind, phase := range map[byte]string{secagg.KindShares: "shares", secagg.KindMasked: "masked"} {
		w := newNetwork(t, terms(), 40, 1)
		p, err := w.terms.Risk.Parameters(40)
		if err != nil {
			t.Fatal(err)
		}
		var gone []int
		w.drops = func(client uint64, k byte) bool {
			c := w.clients[client-1]
			if k != secagg.KindKeys && gone == nil {
				gone = c.NeighbourList()[p.Threshold-1:] // of the client that is first
			}
			return k == kind && slices.Contains(gone, c.Number())
		}
		w.changes = func(client uint64, up bool, m []byte) [][]byte {
			if up && m[0] == secagg.KindReveal {
				t.Error("shares are released")
			}
			return one(m)
		}
		w.run().wantFailed(phase, secagg.ErrTooFew)
	}
}

// A server that leaves a client fewer neighbours than the threshold, of many clients: those that
// remain may all collude.
func TestFewerNeighboursThanThreshold(t *testing.T) {
	for kind, want := range map[byte]error{secagg.KindInbox: secagg.ErrGraph, secagg.KindSurvivors: secagg.ErrSurvivors} {
		p, err := terms().Risk.Parameters(40)
		if err != nil {
			t.Fatal(err)
		}
		for _, left := range []int{p.Threshold, p.Threshold - 1} {
			w := newNetwork(t, terms(), 40, 1)
			w.tamper(3, kind, func(m []byte) [][]byte {
				m = bytes.Clone(m)
				set := m[secagg.HeaderSize:][:5]
				for _, i := range w.clients[2].NeighbourList()[left:] {
					set[i/8] &^= 1 << (i % 8)
				}
				if kind == secagg.KindInbox {
					m = m[:secagg.HeaderSize+5+80*left]
				}
				return one(m)
			})
			w.run()
			if err := w.refused[3]; errors.Is(err, want) != (left < p.Threshold) {
				t.Errorf("%d neighbours left in message %d: %v", left, kind, err)
			}
		}
	}
}

// A client and a server that know other terms have no messages in common.
func TestOtherTerms(t *testing.T) {
	for name, change := range map[string]func(*secagg.Terms){
		"run":     func(t *secagg.Terms) { t.Run[0]++ },
		"min":     func(t *secagg.Terms) { t.Min++ },
		"length":  func(t *secagg.Terms) { t.Length++ },
		"bits":    func(t *secagg.Terms) { t.Bits++ },
		"dropout": func(t *secagg.Terms) { t.Dropout = .29 },
		"corrupt": func(t *secagg.Terms) { t.Corrupt = .1 },
		"privacy": func(t *secagg.Terms) { t.Privacy-- },
		"failure": func(t *secagg.Terms) { t.Failure-- },
		"members": func(t *secagg.Terms) { *t = members(*t, 9) },
	} {
		other := terms()
		change(&other)
		w := newNetwork(t, terms(), 8, 1)
		c, err := secagg.NewClient(other, w.attempt, 2, secagg.History{})
		if err != nil {
			t.Fatal(err)
		}
		w.clients[2] = c
		w.vectors[2] = make([]uint32, other.Length)
		if w.run(); w.failed != nil || slices.Contains(w.finished.Survivors, 3) {
			t.Errorf("%s: %+v, %+v, want a sum without client 3", name, w.failed, w.finished)
		}
		w.wantIgnored(secagg.ErrAttempt)
	}
}

// The subtraction attack: a vector in two sums, of which one has somebody more.
func TestSubtraction(t *testing.T) {
	w := newNetwork(t, terms(), 8, 1)
	w.run().wantSum(8)
	history := func(client int) secagg.History {
		h, err := secagg.ParseHistory(w.records[client])
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	h := history(2)
	if h.Update != 3 || h.Released == [32]byte{} || h.Attempt != w.attempt {
		t.Fatalf("the history is %+v", h)
	}
	t.Run("the attempt again, with new keys", func(t *testing.T) {
		if _, err := secagg.NewClient(terms(), w.attempt, 0, h); !errors.Is(err, secagg.ErrUsed) {
			t.Errorf("%v, want ErrUsed", err)
		}
	})
	t.Run("an earlier round", func(t *testing.T) {
		if _, err := secagg.NewClient(terms(), secagg.Attempt{Round: 6, Number: 100}, 0, h); !errors.Is(err, secagg.ErrUsed) {
			t.Errorf("%v, want ErrUsed", err)
		}
	})
	t.Run("the update in another attempt", func(t *testing.T) {
		c, err := secagg.NewClient(terms(), secagg.Attempt{Round: 7, Number: 100}, 0, h)
		if err != nil {
			t.Fatal(err)
		}
		c.Step(secagg.Begin{})
		refused, ok := c.Step(secagg.Vector{Update: 3, Values: w.vectors[2]})[0].(secagg.Refused)
		if !ok || !errors.Is(refused.Err, secagg.ErrUsed) {
			t.Errorf("%+v, want ErrUsed", refused)
		}
	})
	t.Run("the history of another run", func(t *testing.T) {
		other := terms()
		other.Run[9] = 9
		if _, err := secagg.NewClient(other, secagg.Attempt{Round: 9}, 0, h); !errors.Is(err, secagg.ErrTerms) {
			t.Errorf("%v, want ErrTerms", err)
		}
	})
	t.Run("an attempt that failed before anything was released", func(t *testing.T) {
		failed := newNetwork(t, terms(), 8, 1)
		failed.drops = func(client uint64, kind byte) bool { return kind == secagg.KindMasked && client > 4 }
		failed.run().wantFailed("masked", secagg.ErrTooFew)
		h, err := secagg.ParseHistory(failed.records[0])
		if err != nil || h.Update != 3 || h.Released != [32]byte{} {
			t.Errorf("%+v, %v: want update 3 used, and nothing released", h, err)
		}
		h, err = secagg.ParseHistory(failed.records[7])
		if err != nil || h.Update != 3 {
			t.Errorf("%+v, %v: want update 3 used: written down before the vector is sent", h, err)
		}
	})
}

// A client that has lost its keys, and comes back with new ones, has dropped out: the server knows it by
// the first, with which it cannot go on.
func TestBackWithNewKeys(t *testing.T) {
	for _, lost := range []byte{secagg.KindShares, secagg.KindMasked} {
		w := newNetwork(t, terms(), 8, 1)
		back := false
		w.drops = func(client uint64, kind byte) bool {
			if client != 3 || kind != lost || back {
				return false
			}
			back = true
			c, err := secagg.NewClient(w.terms, w.attempt, 2, secagg.History{}) // it has lost its history, too
			if err != nil {
				t.Fatal(err)
			}
			w.clients[2] = c
			w.step(3, secagg.Begin{})
			w.step(3, secagg.Vector{Update: 3, Values: w.vectors[2]})
			w.serve(secagg.Resumed{From: 3}) // the roster or the inbox again
			return true
		}
		w.run().wantSum(7)
		w.wantIgnored(secagg.ErrPhase)
	}
}

// A masked vector that comes once the survivors are fixed is not added: shares of its client's mask
// key are released, and those of its seed never will be.
func TestLateVector(t *testing.T) {
	w := newNetwork(t, terms(), 8, 1)
	var late []byte
	w.changes = func(client uint64, up bool, m []byte) [][]byte {
		switch {
		case up && client == 3 && m[0] == secagg.KindMasked:
			late = m
			return nil
		case m[0] == secagg.KindSurvivors && late != nil:
			w.serve(secagg.Received{From: 3, Message: late})
			late = nil
		}
		return one(m)
	}
	w.run().wantSum(7)
	w.wantIgnored(secagg.ErrPhase)
}

// Nothing leaves a client before what it means is written down.
func TestWrittenDownFirst(t *testing.T) {
	w := newNetwork(t, terms(), 8, 1)
	c, err := secagg.NewClient(terms(), w.attempt, 2, secagg.History{})
	if err != nil {
		t.Fatal(err)
	}
	w.clients[2] = nil // this test is client 3
	written := 0
	var queue []secagg.Event
	step := func(e secagg.Event) {
		for _, f := range c.Step(e) {
			switch f := f.(type) {
			case secagg.Persist:
				written++
				h, err := secagg.ParseHistory(f.Record)
				if err != nil {
					t.Fatal(err)
				}
				want := secagg.History{Run: w.terms.Run, Attempt: w.attempt}
				if written >= 2 {
					want.Update, want.Vectors = 1, 1
				}
				if written == 3 {
					want.Released = h.Released
				}
				if h != want || written == 3 && h.Released == [32]byte{} {
					t.Errorf("write %d: %+v, want %+v", written, h, want)
				}
				queue = append(queue, secagg.Persisted{})
			case secagg.Compute:
				queue = append(queue, secagg.Computed{Answer: f.Request.Execute(w.signers[2])})
			case secagg.Send:
				want := map[byte]int{secagg.KindKeys: 1, secagg.KindShares: 1, secagg.KindMasked: 2, secagg.KindReveal: 3}[f.Message[0]]
				if written != want {
					t.Errorf("message %d is sent after %d writes, want %d", f.Message[0], written, want)
				}
				w.enqueue(delivery{3, true, f.Message})
			}
		}
	}
	w.changes = func(client uint64, up bool, m []byte) [][]byte {
		if client == 3 && !up {
			queue = append(queue, secagg.Received{Message: m})
			for len(queue) > 0 {
				e := queue[0]
				queue = queue[1:]
				step(e)
			}
			return nil
		}
		return one(m)
	}
	queue = []secagg.Event{secagg.Begin{}, secagg.Vector{Update: 1, Values: slices.Clone(w.vectors[2])}}
	for len(queue) > 0 {
		e := queue[0]
		queue = queue[1:]
		step(e)
	}
	w.run().wantSum(8)
	if written != 3 {
		t.Errorf("%d writes, want 3", written)
	}
}
