package run

import (
	"slices"
	"testing"
	"time"

	"fedtab/protocol"
	"fedtab/strategy"
)

// assignments counts the assignments of shards that a peer has got.
func (p *fakePeer) assignments() (n int) {
	for _, m := range p.got {
		if _, ok := m.(*protocol.Shards); ok {
			n++
		}
	}
	return n
}

// covered reports whether the newest assignments of peers have all shards, and no more
// than copies of each.
func covered(total, copies int, peers ...*fakePeer) bool {
	holders := make([]int, total)
	for _, p := range peers {
		for _, s := range last[*protocol.Shards](p).Shards {
			holders[s]++
		}
	}
	return slices.Min(holders) > 0 && slices.Max(holders) <= copies
}

// A tab that joins and leaves many times a second has shards each time, and costs the
// others none of theirs. One that stays for seconds moves shards once per divideEvery.
func TestChurn(t *testing.T) {
	for _, test := range []struct {
		name       string
		stay, away time.Duration
		maxChanges int // of an honest participant's shards in a minute
	}{
		{"1,000 times a second", 500 * time.Microsecond, 500 * time.Microsecond, 0},
		{"20 times a second", 25 * time.Millisecond, 25 * time.Millisecond, 0},
		{"every 6 seconds", 3 * time.Second, 3 * time.Second, 12},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t, nil)
			a, pa := f.join(t)
			_, pb := f.join(t)
			f.env.advance(divideEvery)
			if !covered(4, 1, pa, pb) {
				t.Fatalf("participants have shards %v and %v, want each shard once", last[*protocol.Shards](pa), last[*protocol.Shards](pb))
			}
			before := [2]int{pa.assignments(), pb.assignments()}
			for began := f.env.now; f.env.now.Sub(began) < time.Minute; f.env.advance(test.away) {
				n, p := f.join(t)
				if s := last[*protocol.Shards](p); len(s.Shards) != 1 {
					t.Fatalf("a participant that joins has shards %v, want 1 of 4", s.Shards)
				}
				f.env.advance(test.stay)
				f.Leave(n, p, true)
			}
			for i, p := range []*fakePeer{pa, pb} {
				if n := p.assignments() - before[i]; n > test.maxChanges {
					t.Errorf("participant %d: %d changes of its shards in a minute, want at most %d", i+1, n, test.maxChanges)
				}
			}
			f.env.advance(2 * divideEvery)
			if !covered(4, 1, pa, pb) {
				t.Error("afterwards shards are held by none, or twice")
			}
			f.Leave(a, pa, true)
			if s := last[*protocol.Shards](pb); len(s.Shards) != 4 { // long after the last division
				t.Errorf("the last participant has shards %v, want all at once", s.Shards)
			}
		})
	}
}

// Many that open the page at once have equal shares from the start, each with few
// changes.
func TestJoinAtOnce(t *testing.T) {
	f := newFixture(t, func(c *Config, _ *strategy.Config) { c.Shards.Sizes = slices.Repeat([]int{10}, 100) })
	var peers []*fakePeer
	for range 30 {
		_, p := f.join(t)
		peers = append(peers, p)
	}
	for i, p := range peers {
		if n, s := p.assignments(), last[*protocol.Shards](p); n > 7 || len(s.Shards) >= 2*4 {
			t.Errorf("participant %d: %d shards after %d assignments, want about 3 after at most 7", i+1, len(s.Shards), n)
		}
	}
	f.env.advance(divideEvery)
	if !covered(100, 1, peers...) {
		t.Error("after the division shards are held by none, or twice")
	}
}

// A paused tab has no shards after the next division, and gets shares when its pause
// ends. What it was ordered before it may still answer, with the same weight.
func TestPausedShards(t *testing.T) {
	f := newFixture(t, nil)
	a, pa := f.join(t)
	_, pb := f.join(t)
	f.env.advance(divideEvery)
	f.env.advance(divideEvery)
	o := last[*protocol.Order](pa)
	f.Receive(a, pa, &protocol.Tab{State: protocol.TabPaused})
	if s, other := last[*protocol.Shards](pa), last[*protocol.Shards](pb); len(s.Shards) != 0 || len(other.Shards) != 4 {
		t.Errorf("a paused tab has shards %v and the other %v, want none and all", s.Shards, other.Shards)
	}
	if got := f.offer(a, pa, f.contribution(o, 1, 20)); got != protocol.ReasonAccepted {
		t.Errorf("its answer: %v, want accepted", got)
	}
	f.Receive(a, pa, &protocol.Tab{State: protocol.TabVisible})
	if s := last[*protocol.Shards](pa); len(s.Shards) != 2 {
		t.Errorf("after the pause: shards %v, want two", s.Shards)
	}
	f.env.advance(divideEvery)
	if !covered(4, 1, pa, pb) {
		t.Error("after the division shards are held by none, or twice")
	}
	// A tab that joins paused has none.
	p, paused := &fakePeer{}, hello
	paused.TabState = protocol.TabPaused
	f.Join(&paused, 0, p)
	f.env.advance(2 * divideEvery)
	if s := last[*protocol.Shards](p); s != nil {
		t.Errorf("a tab that joins paused has shards %v, want none", s.Shards)
	}
}
