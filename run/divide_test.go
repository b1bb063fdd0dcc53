package run

import (
	"slices"
	"testing"
	"time"

	"fedtab/protocol"
)

// shardsOf returns the assignments that a peer was sent.
func shardsOf(p *fakePeer) (all []*protocol.Shards) {
	for _, m := range p.got {
		if s, ok := m.(*protocol.Shards); ok {
			all = append(all, s)
		}
	}
	return all
}

// A tab that joins and leaves 20 times a second changes the others' shards once per
// divideEvery, and when it stops they have all of the data.
func TestChurnKeepsShards(t *testing.T) {
	f := newFixture(t, nil)
	_, pa := f.join(t)
	f.env.advance(divideEvery)
	_, pb := f.join(t)
	before := len(shardsOf(pa))
	const seconds = 20
	for range seconds * 20 {
		n, p := f.join(t)
		if s := shardsOf(p); len(s) != 1 || len(s[0].Shards) == 0 {
			t.Fatalf("the newcomer gets %v, want shards at once", s)
		}
		f.env.advance(25 * time.Millisecond)
		f.Leave(n, p, Left)
		f.env.advance(25 * time.Millisecond)
	}
	if n, limit := len(shardsOf(pa))-before, int(seconds*time.Second/divideEvery); n > limit {
		t.Errorf("%d assignments in %d s, want at most %d", n, seconds, limit)
	}
	f.env.advance(divideEvery)
	all := slices.Concat(last[*protocol.Shards](pa).Shards, last[*protocol.Shards](pb).Shards)
	slices.Sort(all)
	if !slices.Equal(all, []uint32{0, 1, 2, 3}) {
		t.Errorf("after the churn the two have %v, want every shard once", all)
	}
}

// Participants that come between two divisions share shards until the next.
func TestDivideLater(t *testing.T) {
	f := newFixture(t, nil)
	var peers [4]*fakePeer
	for i := range peers {
		_, peers[i] = f.join(t)
		if s := last[*protocol.Shards](peers[i]); len(s.Shards) != 4/(i+1) {
			t.Errorf("participant %d of 4 gets %v at once", i+1, s.Shards)
		}
	}
	if n := len(shardsOf(peers[0])); n != 1 {
		t.Errorf("the first was assigned shards %d times, want once", n)
	}
	f.env.advance(divideEvery)
	var all []uint32
	for i, p := range peers {
		s := last[*protocol.Shards](p).Shards
		if len(s) != 1 {
			t.Errorf("participant %d has %v after the division, want one shard", i+1, s)
		}
		all = append(all, s...)
	}
	slices.Sort(all)
	if !slices.Equal(all, []uint32{0, 1, 2, 3}) {
		t.Errorf("together they have %v, want every shard once", all)
	}
}

// Paused and frozen tabs have no shards; they get some when they are back.
func TestPausedTabsHaveNoShards(t *testing.T) {
	for _, state := range []protocol.TabState{protocol.TabPaused, protocol.TabFrozen} {
		f := newFixture(t, nil)
		a, pa := f.join(t)
		f.env.advance(divideEvery)
		_, pb := f.join(t)
		f.env.advance(divideEvery)
		tab := func(s protocol.TabState) {
			t.Helper()
			if err := f.Receive(a, pa, &protocol.Tab{State: s}); err != nil {
				t.Fatal(err)
			}
		}
		tab(state)
		if s := last[*protocol.Shards](pb); len(s.Shards) != 4 {
			t.Errorf("beside a tab in state %d the other has %v, want all shards", state, s.Shards)
		}
		sent := len(shardsOf(pa))
		tab(protocol.TabHidden)
		if s := shardsOf(pa); len(s) != sent+1 || len(s[sent].Shards) != 2 {
			t.Errorf("back from state %d it gets %v, want two shards at once", state, s[sent:])
		}
		f.env.advance(divideEvery)
		if s := last[*protocol.Shards](pb); len(s.Shards) != 2 {
			t.Errorf("after the next division the other has %v, want two shards", s.Shards)
		}
		// One that joins paused gets none, and takes none away.
		paused, p := hello, &fakePeer{}
		paused.TabState = state
		f.env.advance(divideEvery)
		if _, ok := f.Join(&paused, 0, p); !ok || len(shardsOf(p)) != 0 || len(last[*protocol.Shards](pb).Shards) != 2 {
			t.Errorf("a tab that joins in state %d gets %v", state, shardsOf(p))
		}
	}
}
