package secagg_test

import (
	"slices"
	"testing"

	"fedtab/privacy/secagg"

	"pgregory.net/rapid"
)

// spread drops the given number of clients before they send each kind of message.
func spread(n int, drops map[byte]int) func(uint64, byte) bool {
	of := map[uint64]byte{}
	next := uint64(0)
	for k := secagg.KindKeys; k <= secagg.KindReveal; k++ {
		for range drops[k] {
			of[1+next*7%uint64(n)] = k
			next++
		}
	}
	return func(client uint64, kind byte) bool { return of[client] == kind }
}

// dropouts are 30% of the clients, dropping out in each phase in turn and spread over them.
var dropouts = []struct {
	name      string
	drops     map[byte]int // percent
	survivors int
}{
	{"none", nil, 100},
	{"keys", map[byte]int{secagg.KindKeys: 30}, 70},
	{"shares", map[byte]int{secagg.KindShares: 30}, 70},
	{"masked", map[byte]int{secagg.KindMasked: 30}, 70},
	{"unmask", map[byte]int{secagg.KindReveal: 30}, 100},
	{"spread", map[byte]int{secagg.KindKeys: 10, secagg.KindShares: 10, secagg.KindMasked: 10}, 70},
	{"spread to the end", map[byte]int{secagg.KindShares: 10, secagg.KindMasked: 10, secagg.KindReveal: 10}, 80},
}

var dropoutKinds = map[string]byte{"keys": secagg.KindKeys, "shares": secagg.KindShares, "masked": secagg.KindMasked}

func testDropouts(t *testing.T, terms secagg.Terms, n int, seeds uint64) {
	for _, c := range dropouts {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			drops := map[byte]int{}
			for k, percent := range c.drops {
				drops[k] = percent * n / 100
			}
			for seed := range seeds {
				w := newNetwork(t, terms, n, seed)
				w.drops = spread(n, drops)
				w.run().wantSum(c.survivors * n / 100)
				for id, err := range w.refused {
					t.Errorf("client %d: %v", id, err)
				}
				for _, d := range w.finished.Dropped {
					if kind := dropoutKinds[d.Phase]; !w.drops(d.Client, kind) {
						t.Errorf("client %d has dropped out in %q", d.Client, d.Phase)
					}
				}
			}
		})
	}
}

// The sum is exact with 30% drop-outs of 100 clients, k and threshold for 20% that collude.
func TestDropouts100(t *testing.T) {
	seeds := uint64(5)
	if testing.Short() {
		seeds = 1
	}
	testDropouts(t, terms(), 100, seeds)
}

// A thousand clients of which 30% drop out.
func TestThousand(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute: make nightly")
	}
	w := newNetwork(t, terms(), 1000, 1)
	w.drops = spread(1000, map[byte]int{secagg.KindShares: 100, secagg.KindMasked: 100, secagg.KindReveal: 100})
	w.run().wantSum(800)
	t.Logf("%d bytes up and %d down for each client, vector included", w.up/1000, w.down/1000)
}

// The same of a complete graph, and with members, who sign.
func TestDropoutsComplete(t *testing.T) { testDropouts(t, terms(), 20, 3) }
func TestDropoutsMembers(t *testing.T)  { testDropouts(t, members(terms(), 40), 40, 1) }

// Eight clients, of which at least five must remain: one leaves before its masked vector,
// and one after.
func TestEight(t *testing.T) {
	for seed := range uint64(10) {
		w := newNetwork(t, terms(), 8, seed)
		w.drops = func(client uint64, kind byte) bool {
			return client == 2 && kind == secagg.KindMasked || client == 5 && kind == secagg.KindReveal
		}
		w.run().wantSum(7)
	}
}

// The sum does not depend on the order of messages, nor on their coming twice.
func TestOrderAndRepeats(t *testing.T) {
	for _, terms := range []secagg.Terms{terms(), members(terms(), 12)} {
		var want []uint32
		for seed := range uint64(6) {
			w := newNetwork(t, terms, 12, 1)
			w.rng = newNetwork(t, terms, 12, seed).rng // another order, the same secrets
			w.repeats = seed%2 == 1
			w.drops = spread(12, map[byte]int{secagg.KindMasked: 2, secagg.KindReveal: 1})
			w.run().wantSum(10)
			if got := w.sum.Values(nil); want == nil {
				want = got
			} else if !slices.Equal(got, want) {
				t.Fatalf("seed %d: another sum", seed)
			}
		}
	}
}

// With any number of clients and integers of any width: the sum is exact, or the attempt fails and
// says in which phase.
func TestAnyAttempt(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		terms := terms()
		terms.Bits = rapid.IntRange(1, secagg.MaxBits).Draw(r, "bits")
		terms.Length = rapid.IntRange(1, 70).Draw(r, "length")
		n := rapid.IntRange(8, 14).Draw(r, "clients")
		if rapid.Bool().Draw(r, "members") {
			terms = members(terms, n+1)
		}
		w := newNetwork(t, terms, n, rapid.Uint64Range(0, 1<<20).Draw(r, "seed"))
		w.repeats = rapid.Bool().Draw(r, "repeats")
		drops := map[uint64]byte{}
		for _, id := range rapid.SliceOfN(rapid.Uint64Range(1, uint64(n)), 0, 5).Draw(r, "drops") {
			drops[id] = rapid.ByteRange(secagg.KindKeys, secagg.KindReveal).Draw(r, "before")
		}
		w.drops = func(client uint64, kind byte) bool { return drops[client] == kind }
		w.run()
		if w.failed != nil {
			if len(drops) <= 2 { // of 8, floor(.3*8) may drop out
				r.Fatalf("%s: %v", w.failed.Phase, w.failed.Err)
			}
			return
		}
		w.wantSum(len(w.finished.Survivors))
	})
}

// A client that has lost its socket gets the message of the phase again, and its answer counts.
func TestResumed(t *testing.T) {
	w := newNetwork(t, terms(), 8, 1)
	lost := map[byte]bool{}
	w.changes = func(client uint64, up bool, message []byte) [][]byte {
		if client == 3 && !up && !lost[message[0]] {
			lost[message[0]] = true
			w.serve(secagg.Resumed{From: 3})
			return nil
		}
		return [][]byte{message}
	}
	w.run().wantSum(8)
	if !lost[secagg.KindRoster] || !lost[secagg.KindInbox] {
		t.Errorf("messages lost: %v, want a roster and an inbox", lost)
	}
}

// The server says whom it waits for.
func TestAwaited(t *testing.T) {
	w := newNetwork(t, terms(), 8, 1)
	if got := w.server.Awaited(); w.server.Phase() != "keys" || len(got) != 8 {
		t.Errorf("%v in %q, want 8 in keys", got, w.server.Phase())
	}
	w.drops = func(client uint64, kind byte) bool { return client == 4 && kind == secagg.KindMasked }
	var last []uint64
	w.changes = func(client uint64, up bool, m []byte) [][]byte {
		if w.server.Phase() == "masked" {
			last = w.server.Awaited()
		}
		return one(m)
	}
	w.run().wantSum(7)
	if !slices.Contains(last, 4) {
		t.Errorf("%v are awaited before the last masked vector, want client 4 among them", last)
	}
	if got := w.server.Awaited(); w.server.Phase() != "over" || len(got) != 0 {
		t.Errorf("%v in %q, want nobody", got, w.server.Phase())
	}
}

// Clients that leave are not awaited: no phase lasts until its deadline.
func TestLeft(t *testing.T) {
	w := newNetwork(t, terms(), 20, 1)
	drops := spread(20, map[byte]int{secagg.KindKeys: 2, secagg.KindShares: 2, secagg.KindMasked: 1, secagg.KindReveal: 1})
	w.drops = func(client uint64, kind byte) bool {
		if drops(client, kind) {
			w.serve(secagg.Left{From: client})
			return true
		}
		return false
	}
	w.run().wantSum(15)
	if w.deadline > 0 {
		t.Errorf("%d deadlines, want none", w.deadline)
	}
}

// The messages of 100 clients of the 2NN take little beside their masked vectors.
func TestTraffic(t *testing.T) {
	w := newNetwork(t, terms(), 100, 1)
	w.run().wantSum(100)
	p, err := w.terms.Parameters(100)
	if err != nil {
		t.Fatal(err)
	}
	masked := 100 * (w.terms.Length*w.terms.Bits + 7) / 8
	t.Logf("k = %d: %d bytes up and %d down for each client beside the vector", p.Neighbours, (w.up-masked)/100, w.down/100)
	if up, down := (w.up-masked)/100, w.down/100; up > 8000 || down > 12_000 {
		t.Errorf("%d bytes up and %d down beside the vector, want at most 8,000 and 12,000", up, down)
	}
}

// From Fewest on, up to most, every attempt is possible: with members and these rates a multiple
// of five is not.
func TestFewest(t *testing.T) {
	for _, test := range []struct {
		dropout, corrupt float64
		members          int
		most, want       int
	}{
		{.3, .2, 0, 100, 3},
		{.3, .2, 20, 100, 3},
		{.4, .1, 0, 100, 4},
		{.4, .2, 20, 9, 6},
		{.4, .2, 20, 11, 11},
		{.4, .2, 20, 10, 0},
		{.5, .4, 0, 10, 0},
	} {
		terms := secagg.Terms{Min: 3, Length: 1, Bits: 1, Risk: secagg.Risk{Dropout: test.dropout, Corrupt: test.corrupt, Privacy: 40, Failure: 20}}
		terms = members(terms, test.members)
		if got := terms.Fewest(test.most); got != test.want {
			t.Errorf("dropout %g, corrupt %g, %d members: at least %d of at most %d, want %d", test.dropout, test.corrupt, test.members, got, test.most, test.want)
		}
	}
}
