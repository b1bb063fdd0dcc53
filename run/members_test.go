package run

import (
	"errors"
	"slices"
	"testing"
	"time"

	"fedtab/protocol"
	"fedtab/strategy"
)

// A storm of joins waits for a slow journal: no participant is refused, none has a
// number that is not durably reserved, and the writes do not grow with the joins.
func TestJoinStorm(t *testing.T) {
	const (
		joins = 10_000
		every = 12 * time.Second / joins
		write = 1500 * time.Millisecond // of the journal
	)
	f := newFixture(t, func(c *Config, s *strategy.Config) {
		c.Shards = Shards{} // their division among 10,000 is not what is tested
		s.MinClients = joins + 1
	})
	joined := 0
	longest, written := time.Duration(0), f.env.now
	step := func() {
		f.env.advance(every)
		if f.env.now.Sub(written) >= write {
			held := f.env.held
			f.env.held, written = nil, f.env.now
			for _, write := range held {
				write()
			}
		}
	}
	f.env.hold = true
	for i := range joins {
		came := f.env.now
		p := &fakePeer{}
		f.admit(p, func(n uint32) {
			if n != uint32(i+1) {
				t.Errorf("participant %d of the storm: number %d, closed %v", i+1, n, p.closed)
			} else if limit := slices.Max(f.journal.limits); n >= limit {
				t.Errorf("participant %d joins where numbers below %d are reserved", n, limit)
			}
			joined++
			longest = max(longest, f.env.now.Sub(came))
		})
		step()
	}
	for range 3 * write / every {
		step()
	}
	if joined != joins {
		t.Errorf("participants joined: %d, want %d", joined, joins)
	}
	if longest > 2*write+every {
		t.Errorf("longest wait for a number: %v, want at most two writes of %v", longest, write)
	}
	if n := len(f.journal.limits); n > 12 {
		t.Errorf("writes: %d, want at most one for each %v of the storm", n, write)
	}
}

// A participant for whom no number can be reserved is refused with the reason, and may
// try again.
func TestNoNumber(t *testing.T) {
	fill := func(f *fixture) {
		for range numbersAhead {
			f.join(t)
		}
	}
	t.Run("the journal does not answer", func(t *testing.T) {
		f := newFixture(t, nil)
		f.env.hold = true
		fill(f)
		p := &fakePeer{}
		f.admit(p, func(uint32) {})
		f.env.advance(numberTimeout - 1)
		if p.closed != 0 || len(p.got) != 0 {
			t.Fatalf("before the timeout: closed %v, messages %v, want neither", p.closed, p.got)
		}
		f.env.advance(1)
		if p.closed != protocol.CloseOverloaded || p.detail != "no participant number reserved within 10s" {
			t.Errorf("close: %v %q, want %v and the reason", p.closed, p.detail, protocol.CloseOverloaded)
		}
		f.env.release()
		f.join(t) // the numbers have come meanwhile
	})
	t.Run("the journal fails", func(t *testing.T) {
		f := newFixture(t, nil)
		f.journal.err = errors.New("disk full")
		fill(f)
		p := &fakePeer{}
		f.admit(p, func(uint32) {})
		f.env.advance(numberTimeout)
		if p.closed != protocol.CloseOverloaded || p.detail != retryReason {
			t.Errorf("close: %v %q, want %v %q", p.closed, p.detail, protocol.CloseOverloaded, retryReason)
		}
	})
	t.Run("the journal fails permanently", func(t *testing.T) {
		f := newFixture(t, nil)
		f.env.hold = true
		fill(f)
		p := &fakePeer{}
		f.admit(p, func(uint32) {})
		f.journal.err = ErrPermanent
		f.env.release()
		if p.closed != protocol.CloseOverloaded || p.detail != haltedReason {
			t.Errorf("close: %v %q, want %v %q", p.closed, p.detail, protocol.CloseOverloaded, haltedReason)
		}
	})
}

// A number that was never given out is not resumed: its token is newer than the database,
// which was restored from a backup. It may not become somebody else's.
func TestResumeUnknownNumber(t *testing.T) {
	f := newFixture(t, nil)
	first, _ := f.join(t)
	p := &fakePeer{}
	if n, ok := f.Join(&hello, first+1, p); ok || p.closed != protocol.CloseBadToken {
		t.Fatalf("number %d is resumed as %d, closed with %v", first+1, n, p.closed)
	}
	if second, _ := f.join(t); second != first+1 {
		t.Errorf("the next participant is %d, want %d", second, first+1)
	}
}

// A tab that is hidden and shown is given its order once: it was able all the time.
func TestTabFlips(t *testing.T) {
	f := newFixture(t, nil)
	n, p := f.join(t)
	f.join(t)
	orders := len(all[*protocol.Order](p))
	if orders != 1 {
		t.Fatalf("%d orders, want 1", orders)
	}
	for range 10 {
		for _, state := range []protocol.TabState{protocol.TabHidden, protocol.TabVisible} {
			if err := f.Receive(n, p, &protocol.Tab{State: state}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := len(all[*protocol.Order](p)); got != orders {
		t.Errorf("%d orders after the tab was hidden and shown, want %d", got, orders)
	}
}

// A way back that has not begun can be withdrawn.
func TestWithdraw(t *testing.T) {
	f := newFixture(t, nil)
	f.join(t)
	f.join(t)
	_, _, initial := f.Model()
	f.env.hold = true
	f.Rewind(0, initial, func(uint64, error) {})
	if f.Withdraw(0) {
		t.Error("one that has begun is withdrawn")
	}
	if f.Withdraw(1) {
		t.Error("one that there is not is withdrawn")
	}
	f.env.release()
	f.env.advance(time.Second)

	// While a version is being made, a way back waits.
	f, _, _, offer, _ := judged(t, 3, nil)
	_, _, initial = f.Model()
	f.env.hold = true
	for i := range 3 {
		offer(i, 1)
	}
	f.Rewind(0, initial, func(uint64, error) { t.Error("one that is withdrawn is answered") })
	if !f.Withdraw(0) || f.Withdraw(0) {
		t.Error("one that waits is not withdrawn, or twice")
	}
	f.env.release()
	f.env.advance(time.Second)
	if v, _, params := f.Model(); v != 1 || slices.Equal(params, initial) {
		t.Errorf("version %d is the model of version 0, want the version that was being made", v)
	}
}
