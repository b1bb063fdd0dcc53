package strategy

import (
	"encoding/binary"
	"testing"
)

// A rollback halves the rate, a row of commits doubles it again, and a rollback
// within the row begins the row anew.
func TestBackoff(t *testing.T) {
	var b backoff
	commits := func(n int) {
		for range n {
			b.committed()
		}
	}
	expect := func(when string, want float64) {
		t.Helper()
		if got := b.factor(); got != want {
			t.Errorf("%s: factor %g, want %g", when, got, want)
		}
	}
	commits(3 * recoverAfter)
	expect("without a rollback", 1)
	b.rolledBack()
	b.rolledBack()
	expect("after two rollbacks", .25)
	commits(recoverAfter - 1)
	expect("before the row is whole", .25)
	b.rolledBack()
	expect("after a rollback in the row", .125)
	commits(recoverAfter - 1)
	expect("one commit before the next row is whole", .125)
	commits(1)
	expect("after a row", .25)
	commits(2*recoverAfter - 1)
	expect("one commit before two more rows", .5)
	commits(1)
	expect("after two more rows", 1)
	for range 100 {
		b.rolledBack()
	}
	if b.halvings != maxHalvings {
		t.Errorf("%d halvings, want at most %d", b.halvings, maxHalvings)
	}
}

// resumer is every strategy with a rate that rollbacks lower.
type resumer interface {
	Strategy
	snapshot(version uint64) []byte
	caution() *backoff
}

func (r *rounds) caution() *backoff  { return &r.backoff }
func (s *Dynamic) caution() *backoff { return &s.backoff }
func (s *FedBuff) caution() *backoff { return &s.backoff }

// The state of the recovery is in snapshots, as of the commit, and snapshots of
// older formats are read: without rollbacks, or with rollbacks and no row.
func TestBackoffSnapshots(t *testing.T) {
	uvarints := func(format byte, values ...uint64) []byte {
		b := []byte{format}
		for _, v := range values {
			b = binary.AppendUvarint(b, v)
		}
		return b
	}
	for name, older := range map[string]map[string]struct {
		snapshot []byte
		want     backoff
	}{
		"periodic": {
			"format 1": {uvarints(1, 7, 9), backoff{}},
			"format 2": {uvarints(2, 7, 9, 3), backoff{halvings: 3}},
			"format 3": {uvarints(3, 7, 9, 3, 5), backoff{3, 5}},
		},
		"dynamic": {
			"format 1": {uvarints(1, 7, 9, 2), backoff{}},
			"format 2": {uvarints(2, 7, 9, 2, 3), backoff{halvings: 3}},
			"format 3": {uvarints(3, 7, 9, 2, 3, 5), backoff{3, 5}},
		},
		"fedbuff": {
			"format 1": {uvarints(1, 7, 9, 3, 0), backoff{halvings: 3}},
			"format 2": {uvarints(2, 7, 9, 3, 5, 0), backoff{3, 5}},
		},
	} {
		fresh := func() resumer { return newScheme(t, schemes[name]).(resumer) }
		for format, o := range older {
			s := fresh()
			if err := s.Restore(o.snapshot); err != nil || *s.caution() != o.want {
				t.Errorf("%s, %s: %+v and %v, want %+v", name, format, *s.caution(), err, o.want)
			}
		}
		s := fresh()
		*s.caution() = backoff{2, 4}
		after := fresh()
		if err := after.Restore(s.snapshot(1)); err != nil || *after.caution() != (backoff{2, 5}) {
			t.Errorf("%s: restored %+v and %v, want the commit counted", name, *after.caution(), err)
		}
	}
}

// An open round carries the state of the recovery, which may be newer than the
// snapshot before it; a round of an older build has none.
func TestBackoffReopens(t *testing.T) {
	for _, name := range []string{"periodic", "daisy", "dynamic", "fedbuff"} {
		open := func(s resumer) Open {
			for _, e := range join(s, 1, 2, 3) {
				if o, ok := e.(Open); ok {
					return o
				}
			}
			t.Fatalf("%s opens no round", name)
			return Open{}
		}
		cfg := schemes[name]
		cfg.MinClients = 3
		s, after := newScheme(t, cfg).(resumer), newScheme(t, cfg).(resumer)
		*s.caution() = backoff{2, 4}
		o := open(s)
		after.Step(Reopened{Open: o})
		if *after.caution() != (backoff{2, 4}) {
			t.Errorf("%s: %+v after the restart, want 2 halvings and 4 commits", name, *after.caution())
		}
		after = newScheme(t, cfg).(resumer)
		switch name {
		case "periodic":
			o.State = []byte{2, 3} // halvings, clients
		case "daisy":
			o.State = []byte{2, 3, 1} // and the leg
		case "dynamic":
			o.State = o.State[:len(o.State)-1]
		case "fedbuff":
			o.State = nil
		}
		after.Step(Reopened{Open: o})
		if want := 2; name != "fedbuff" && after.caution().halvings != want {
			t.Errorf("%s: %+v after a round of an older build, want %d halvings", name, *after.caution(), want)
		}
	}
}

// The rates of orders and commits rise again.
func TestRateRecovers(t *testing.T) {
	s := collectingRound(t, 1, Config{})
	rate := func() float64 {
		c := steps(s, Offered{Client: 1, Order: s.order, Handle: Handle(s.order), Weight: 1})[2].(Commit)
		return c.Rate
	}
	if got := rate(); got != .1 {
		t.Fatalf("rate %g, want .1", got)
	}
	steps(s, RolledBack{1}, Fired{timerRetry}, Opened{1})
	for v := uint64(1); v <= recoverAfter; v++ {
		if got := rate(); got != .05 {
			t.Fatalf("rate %g for version %d after a rollback, want .05", got, v)
		}
		steps(s, Committed{Round: v}, Opened{v + 1})
	}
	if got := rate(); got != .1 {
		t.Errorf("rate %g after %d commits, want .1", got, recoverAfter)
	}
}
