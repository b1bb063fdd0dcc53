package hub

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"fedtab/coordinator/hub/hubtest"
	"fedtab/coordinator/live"
	"fedtab/protocol"
	"fedtab/run"
	"fedtab/strategy"
)

// leased runs a test in virtual time with honest participants whose bodies are in
// memory one at a time.
func leased(t *testing.T, edit func(*Limits), do func(t *testing.T, f *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(_ *run.Config, _ *strategy.Config, l *Limits) {
			l.BodyGrace = protocol.BodyGrace
			edit(l)
		})
		_, _, params := f.live.Run.Model()
		f.room.Checker = live.NewChecker(len(params), 1, 1, live.NewLease(protocol.MaxBody(uint64(len(params)), 1)))
		f.honest(t)
		f.advances()
		do(t, f)
		f.advances()
	})
}

// Bodies that are announced and never sent take no memory: honest ones wait for none
// of them.
func TestAnnouncedAndNeverSent(t *testing.T) {
	leased(t, func(*Limits) {}, func(t *testing.T, f *fixture) {
		for range 40 {
			p, o := f.ordered(t)
			first, _ := hubtest.Announcement(p, o)
			p.Frame(first)
		}
		began, before := time.Now(), f.state().Version
		f.advances()
		f.advances()
		if took, limit := time.Since(began), 4*time.Second; took > limit {
			t.Errorf("versions %d and %d took %v, want at most %v, two deadlines and the pauses", before+1, before+2, took, limit)
		}
	})
}

// A body that is under way when its round closes is answered at the next chunk, and
// its memory is free; what follows is skipped.
func TestBodyEndsWithItsOrder(t *testing.T) {
	leased(t, func(*Limits) {}, func(t *testing.T, f *fixture) {
		p, o := f.ordered(t)
		first, chunks := hubtest.Announcement(p, o)
		p.Frame(first)
		p.Frame(chunks[0])
		time.Sleep(2 * time.Second) // beyond the deadline of the round
		p.Frame(chunks[1])
		got := hubtest.Await[*protocol.Ack](p)
		if got.Reason == protocol.ReasonAbandoned { // if the attempt was given up, that comes unasked
			got = hubtest.Await[*protocol.Ack](p)
		}
		if got.Reason != protocol.ReasonLate || got.Order != o.Order {
			t.Errorf("answered %v to order %d before the last chunk, want late to %d", got.Reason, got.Order, o.Order)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		memory, err := f.room.Checker.Borrow(ctx, "", p.Contribution(o))
		if err != nil {
			t.Fatal("its memory is not free")
		}
		memory.Release()
		for _, c := range chunks[2:] {
			p.Frame(c)
		}
		p.AcceptedSoon()
	})
}

// A body may be late by BodyGrace at any time, however large it is.
func TestBodyWithoutProgress(t *testing.T) {
	for _, sent := range []int{0, 1} {
		leased(t, func(l *Limits) { l.BodyGrace, l.BodyRate = time.Second, protocol.MinBodyRate }, func(t *testing.T, f *fixture) {
			p, o := f.ordered(t)
			first, chunks := hubtest.Announcement(p, o)
			p.Frame(first)
			for _, c := range chunks[:sent] {
				p.Frame(c)
			}
			began := time.Now()
			// Chunks of 64 KiB have 8 s each at the lowest rate.
			limit := time.Second + time.Duration(sent+1)*8*time.Second
			if code, why := p.Closed(); code != protocol.CloseSlow || time.Since(began) > limit+time.Second {
				t.Errorf("after %d chunks: closed with %v (%s) after %v, want %v after %v", sent, code, why, time.Since(began), protocol.CloseSlow, limit)
			}
		})
	}
}
