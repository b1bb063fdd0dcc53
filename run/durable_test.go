package run

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"fedtab/protocol"
)

// Orders leave after the cohort is on disk, and a version is published after
// it is.
func TestDurableFirst(t *testing.T) {
	f := newFixture(t, nil)
	f.env.hold = true
	a, pa := f.join(t)
	b, pb := f.join(t)
	if last[*protocol.Order](pa) != nil {
		t.Fatal("an order left before its round was on disk")
	}
	f.env.release()
	o := last[*protocol.Order](pa)
	if o == nil || len(f.journal.opens) != 1 {
		t.Fatal("no order after the round was on disk")
	}
	f.env.hold = true
	f.offer(a, pa, f.contribution(o, 1, 10))
	f.offer(b, pb, f.contribution(last[*protocol.Order](pb), 1, 10))
	if v, _, _ := f.Model(); v != 0 || last[*protocol.Status](pa).Version != 0 {
		t.Fatal("a version was published before it was on disk")
	}
	f.env.release()
	if v, _, _ := f.Model(); v != 1 || last[*protocol.Status](pa).Version != 1 {
		t.Fatal("the version was not published after it was on disk")
	}
}

// A full disk delays the round and loses no contribution.
func TestJournalFails(t *testing.T) {
	f := newFixture(t, nil)
	a, pa := f.join(t)
	b, pb := f.join(t)
	f.journal.err = errors.New("disk full")
	f.offer(a, pa, f.contribution(last[*protocol.Order](pa), 1, 10))
	f.offer(b, pb, f.contribution(last[*protocol.Order](pb), 1, 10))
	for range 10 { // the pauses grow
		f.env.advance(maxRetry)
	}
	if v, _, _ := f.Model(); v != 0 || f.StoreError() == nil {
		t.Fatalf("version %d with a full disk, error %v", v, f.StoreError())
	}
	if s := last[*protocol.Status](pa); s.Reason == "" {
		t.Error("participants are not told that the coordinator cannot write")
	}
	f.journal.err = nil
	f.env.advance(maxRetry)
	if s := last[*protocol.Status](pa); s.Reason != "" {
		t.Errorf("participants are still told %q", s.Reason)
	}
	if v, _, _ := f.Model(); v != 1 || f.StoreError() != nil {
		t.Errorf("version %d after there was room, error %v", v, f.StoreError())
	}
}

// An end that is not durable is not announced: a crash would undo it.
func TestJournalFailsAtTheEnd(t *testing.T) {
	f := newFixture(t, nil)
	_, p := f.join(t)
	f.journal.err = errors.New("disk full")
	f.End("enough")
	if s := last[*protocol.Status](p); s.Phase == protocol.PhaseFinished || p.closed != 0 {
		t.Errorf("the participant is told %+v and closed with %v before the end is durable", s, p.closed)
	}
	f.journal.err = nil
	f.env.advance(maxRetry)
	if s := last[*protocol.Status](p); s.Phase != protocol.PhaseFinished || s.Reason != "enough" || p.closed != protocol.CloseFinished {
		t.Errorf("the participant is told %+v and closed with %v, want the end", s, p.closed)
	}
}

// The pauses between the tries of a write double up to a minute.
func TestRetryPauses(t *testing.T) {
	f := newFixture(t, nil)
	f.join(t)
	f.journal.err = errors.New("disk full")
	f.join(t) // opens a round, which is to be written
	var pauses []time.Duration
	for began, failures := f.env.now, f.State().StoreFailed; len(pauses) < 7; {
		f.env.advance(time.Second)
		if n := f.State().StoreFailed; n > failures {
			pauses = append(pauses, f.env.now.Sub(began))
			began, failures = f.env.now, n
		}
	}
	if want := []time.Duration{2e9, 4e9, 8e9, 16e9, 32e9, 60e9, 60e9}; !slices.Equal(pauses, want) {
		t.Errorf("pauses %v, want %v", pauses, want)
	}
}

// Writes that fail at once do not lengthen one another's pauses.
func TestManyWritesFail(t *testing.T) {
	f := newFixture(t, nil)
	f.join(t)
	f.journal.err = errors.New("disk full")
	f.join(t) // opens a round, which is to be written
	for range 5 {
		f.saveEvaluation(Evaluation{Version: 1})
	}
	f.journal.err = nil
	f.env.advance(minRetry)
	if f.StoreError() != nil || len(f.journal.opens) != 1 {
		t.Errorf("%v after there was room for %v, %d rounds written, want the round", f.StoreError(), minRetry, len(f.journal.opens))
	}
}

// The event log is enough to notice that the journal has failed for good.
func TestEventLogFailsForGood(t *testing.T) {
	f := newFixture(t, nil)
	f.join(t) // no round is open
	f.journal.logErr = fmt.Errorf("the file was moved: %w", ErrPermanent)
	f.env.advance(flushAfter)
	if s := f.State(); !s.Halted || s.Problem() == "" {
		t.Errorf("state %+v, want halted", s)
	}
}

// A write that works while a larger one waits for another try does not end the
// failure.
func TestSmallWriteDuringAFailure(t *testing.T) {
	f := newFixture(t, nil)
	f.join(t)
	f.journal.err = errors.New("disk full")
	f.join(t) // opens a round, which is to be written
	f.journal.err = nil
	f.Flush() // the event log has room
	if f.StoreError() == nil {
		t.Error("the journal counts as working while the round waits")
	}
	f.env.advance(minRetry)
	if f.StoreError() != nil {
		t.Errorf("after the round is written: %v", f.StoreError())
	}
}

// A permanent error of the journal halts the run: the write is not retried, the
// participants get the reason and may reconnect, and the run is not over.
func TestJournalFailsForGood(t *testing.T) {
	f := newFixture(t, nil)
	a, pa := f.join(t)
	b, pb := f.join(t)
	f.journal.err = fmt.Errorf("attempt to write a readonly database: %w", ErrPermanent)
	f.offer(a, pa, f.contribution(last[*protocol.Order](pa), 1, 10))
	f.offer(b, pb, f.contribution(last[*protocol.Order](pb), 1, 10))
	s := f.State()
	if !s.Halted || s.Finished != "" || s.StoreError == "" || s.Version != 0 {
		t.Errorf("state %+v, want halted, not finished, with an error", s)
	}
	if f.Stats().Retries != 0 {
		t.Error("it is tried again")
	}
	if !pa.closed.Reconnect() || pa.closed == 0 || pb.closed == 0 {
		t.Errorf("close codes: %v and %v, want one that allows to reconnect", pa.closed, pb.closed)
	}
	p := &fakePeer{}
	if _, ok := f.Join(&hello, a, p); ok || !p.closed.Reconnect() {
		t.Errorf("close code of a participant that returns: %v, want one that allows to reconnect", p.closed)
	}
	if f.journal.finish != "" {
		t.Errorf("finished as %q", f.journal.finish)
	}
}
