package run

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"time"

	"fedtab/protocol"
	"fedtab/strategy"
)

// resume comes back as a participant, and returns how that was refused, 0 if it was not.
func (f *fixture) resume(number uint32) (*fakePeer, protocol.CloseCode) {
	p := &fakePeer{}
	if _, ok := f.Join(&hello, number, p); ok {
		return p, 0
	}
	return p, p.closed
}

// A leave ends the participant's tokens, and no other end of a socket does.
func TestDepartures(t *testing.T) {
	f := newFixture(t, nil)
	var n [3]uint32
	for i, how := range []Parting{Lost, Left, Done} {
		var p *fakePeer
		n[i], p = f.join(t)
		f.Leave(n[i], p, how)
	}
	f.env.advance(time.Minute)
	for i, want := range []protocol.CloseCode{0, 0, protocol.CloseBadToken} {
		if _, got := f.resume(n[i]); got != want {
			t.Errorf("participant %d comes back: closed with %v, want %v", n[i], got, want)
		}
	}
	if !slices.Equal(f.journal.departed, n[2:]) {
		t.Errorf("departed: %v, want %v", f.journal.departed, n[2:])
	}
	again := newFixture(t, func(c *Config, _ *strategy.Config) {
		c.Saved = &Saved{Participants: 1000, Departed: f.journal.departed}
	})
	for i, want := range []protocol.CloseCode{0, 0, protocol.CloseBadToken} {
		if _, got := again.resume(n[i]); got != want {
			t.Errorf("participant %d comes back after a restart: closed with %v, want %v", n[i], got, want)
		}
	}
}

// Departures are written in batches, again after a failure, and when the run stops.
func TestDeparturesAreWritten(t *testing.T) {
	f := newFixture(t, nil)
	leave := func() uint32 {
		n, p := f.join(t)
		f.Leave(n, p, Done)
		return n
	}
	want := []uint32{leave(), leave()}
	f.journal.err = errors.New("full")
	f.env.advance(time.Second)
	want = append(want, leave())
	f.env.advance(time.Second)
	f.journal.err = nil
	if len(f.journal.departed) > 0 {
		t.Fatal("a write that failed was done")
	}
	f.env.advance(time.Minute)
	f.env.advance(time.Minute)
	if !slices.Equal(f.journal.departed, want) {
		t.Errorf("departed: %v, want %v", f.journal.departed, want)
	}
	want = append(want, leave())
	f.Flush()
	f.env.advance(time.Minute)
	if !slices.Equal(f.journal.departed, want) {
		t.Errorf("departed after Flush: %v, want %v", f.journal.departed, want)
	}
}

// A participant that stays gets a newer token before its last one expires.
func TestRenew(t *testing.T) {
	f := newFixture(t, func(c *Config, _ *strategy.Config) {
		c.TokenLife = 24 * time.Hour
		c.Token = func(p uint32, _ strategy.Person, now time.Time) []byte {
			return binary.BigEndian.AppendUint64([]byte{byte(p)}, uint64(now.Unix()))
		}
	})
	made := func(p *fakePeer) (times []time.Duration) {
		for _, m := range p.got {
			if s, ok := m.(*protocol.Status); ok && s.ResumeToken != nil {
				times = append(times, time.Duration(binary.BigEndian.Uint64(s.ResumeToken[1:])-1e9)*time.Second)
			}
		}
		return times
	}
	a, pa := f.join(t)
	_, pb := f.join(t)
	f.env.advance(11 * time.Hour)
	f.Leave(a, pa, Lost)
	again, _ := f.resume(a)
	for range 3 {
		f.env.advance(6 * time.Hour)
	}
	if got := made(pa); got != nil {
		t.Errorf("a lost socket got tokens after %v", got)
	}
	if got, want := made(again), []time.Duration{23 * time.Hour}; !slices.Equal(got, want) {
		t.Errorf("newer tokens of one that came back after %v, want %v", got, want)
	}
	if got, want := made(pb), []time.Duration{17 * time.Hour, 29 * time.Hour}; !slices.Equal(got, want) {
		t.Errorf("newer tokens of one that stayed after %v, want %v", got, want)
	}
}

// Sockets that fight over a participant are braked: the one that has it stays.
func TestTakeOvers(t *testing.T) {
	f := newFixture(t, nil)
	n, holder := f.join(t)
	for i := range protocol.MaxTakeOvers {
		p, got := f.resume(n)
		if got != 0 || holder.closed != protocol.CloseSuperseded {
			t.Fatalf("take-over %d: closed with %v, the older with %v, want %v", i+1, got, holder.closed, protocol.CloseSuperseded)
		}
		holder = p
	}
	if _, got := f.resume(n); got != protocol.CloseContested || holder.closed != 0 {
		t.Errorf("one more: closed with %v, the older with %v, want %v and none", got, holder.closed, protocol.CloseContested)
	}
	// A participant whose socket is lost is not taken over.
	for range 3 * protocol.MaxTakeOvers {
		f.Leave(n, holder, Lost)
		var got protocol.CloseCode
		if holder, got = f.resume(n); got != 0 {
			t.Fatalf("resumed: closed with %v", got)
		}
	}
	f.env.advance(time.Minute / protocol.MaxTakeOvers)
	if _, got := f.resume(n); got != 0 {
		t.Errorf("after a while: closed with %v", got)
	}
	if _, got := f.resume(n); got != protocol.CloseContested {
		t.Errorf("and once more: closed with %v, want %v", got, protocol.CloseContested)
	}
}
