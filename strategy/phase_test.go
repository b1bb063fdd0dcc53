package strategy

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// survey is a scheme of two phases: all clients take a first step, and those that
// answered, if there are at least two, train from what it made.
type survey struct {
	fedavg
	resumed []byte
}

func (s *survey) keeps() bool { return true }

func (s *survey) work(r *rounds, _ ClientID) Work {
	if r.phase == 0 {
		return Work{Kind: Gradient, Steps: 1, LR: .1}
	}
	return Work{Kind: Fit, Epochs: 1, LR: .1}
}

func (s *survey) next(r *rounds) (phase, bool) {
	if r.phase == 1 {
		return phase{}, false
	}
	p := phase{min: 2, state: []byte("kept")}
	for _, a := range r.answers {
		p.ask = append(p.ask, a.client)
		r.do(Drop{a.handle})
	}
	return p, true
}

func (s *survey) resume(_ *rounds, number int, state []byte) int {
	s.resumed = state
	return number
}

func newSurvey(t *testing.T) (*rounds, *survey) {
	t.Helper()
	s := &survey{fedavg: fedavg{all: true}}
	cfg := Config{Kind: "periodic", LR: .1, MinClients: 3, MinReports: 1, Deadline: time.Minute}
	return newRounds(cfg.WithDefaults(), Setup{Seed: 1}, s), s
}

// A round of two phases: the second is durable before its orders leave, asks the
// clients that answered the first, and needs answers of its own.
func TestPhases(t *testing.T) {
	r, _ := newSurvey(t)
	join(r, 1, 2, 3)
	for _, o := range steps(r, Opened{1})[1:] {
		if o.(Order).Work.Kind != Gradient || o.(Order).Order != 1 {
			t.Fatalf("phase 0 orders %+v", o)
		}
	}
	steps(r, Offered{Client: 1, Order: 1, Handle: 1, Weight: 1}, Offered{Client: 2, Order: 1, Handle: 2, Weight: 1})
	got := steps(r, Left{3})
	if names(got) != "StopTimer Drop Drop Open " {
		t.Fatalf("the end of phase 0 does %q", names(got))
	}
	open := got[3].(Open)
	if open.Round != 1 || open.Order != 2 || !slices.Equal(open.Cohort, []ClientID{1, 2}) {
		t.Fatalf("phase 1 is opened as %+v", open)
	}
	if got := names(steps(r, Offered{Client: 2, Order: 1, Handle: 7, Weight: 1})); got != "Reject " {
		t.Errorf("an answer to phase 0 while phase 1 is written down does %q", got)
	}
	got = steps(r, Opened{1})
	if names(got) != "SetTimer Order Order " || got[1].(Order).Work.Kind != Fit {
		t.Fatalf("phase 1 orders %q", names(got))
	}
	if got := steps(r, Offered{Client: 1, Order: 1, Handle: 8, Weight: 1}); got[0].(Reject).Reason != Late {
		t.Errorf("an answer to phase 0 in phase 1 does %+v", got)
	}
	steps(r, Offered{Client: 1, Order: 2, Handle: 9, Weight: 1})
	got = steps(r, Offered{Client: 2, Order: 2, Handle: 10, Weight: 1})
	if names(got) != "Keep StopTimer Commit " || !slices.Equal(got[2].(Commit).Kept, []Handle{9, 10}) {
		t.Fatalf("the end of phase 1 does %q", names(got))
	}
	if open := steps(r, Committed{Round: 1}); names(open) != "" || r.phase != 0 && r.state != idle {
		t.Errorf("with two of three clients the next round does %q", names(open))
	}
}

// A phase with too few answers gives the whole attempt up, and the next attempt
// begins with the first phase.
func TestPhaseWithoutEnough(t *testing.T) {
	r, _ := newSurvey(t)
	join(r, 1, 2, 3)
	steps(r, Opened{1})
	for i := range 3 {
		steps(r, Offered{Client: ClientID(i + 1), Order: 1, Handle: Handle(i + 1), Weight: 1})
	}
	steps(r, Opened{1}, Offered{Client: 1, Order: 2, Handle: 4, Weight: 1})
	got := names(steps(r, Fired{timerDeadline}))
	if got != "StopTimer Drop Abandon SetTimer " {
		t.Fatalf("one answer of two does %q", got)
	}
	// The others have not answered: the attempt after this does without them, or
	// with everyone if too few are left.
	open := steps(r, Fired{timerRetry})[0].(Open)
	if was, err := decodeOpenState(open.State); err != nil || was.phase != 0 || open.Order != 3 || len(open.Cohort) != 3 {
		t.Errorf("the next attempt is %+v, state %+v, %v", open, was, err)
	}
}

// After a restart in the second phase it goes on with that phase, whose state the
// scheme gets back; answers that clients kept count.
func TestPhaseSurvivesARestart(t *testing.T) {
	r, _ := newSurvey(t)
	join(r, 1, 2, 3)
	steps(r, Opened{1})
	steps(r, Offered{Client: 1, Order: 1, Handle: 1, Weight: 1}, Offered{Client: 2, Order: 1, Handle: 2, Weight: 1})
	got := steps(r, Offered{Client: 3, Order: 1, Handle: 3, Weight: 1})
	open := got[len(got)-1].(Open)

	after, s := newSurvey(t)
	got = steps(after, Reopened{Open: open, Remaining: time.Second})
	if names(got) != "SetTimer Expect Expect Expect " || got[1].(Expect).Work.Kind != Fit || got[1].(Expect).Order != 2 {
		t.Fatalf("reopening does %q %+v", names(got), got)
	}
	if string(s.resumed) != "kept" {
		t.Errorf("the scheme gets %q back", s.resumed)
	}
	if got := steps(after, Joined{Client: 1}); got[0].(Order).Order != 2 || got[0].(Order).Work.Kind != Fit {
		t.Errorf("a client that is back gets %+v", got)
	}
	steps(after, Offered{Client: 1, Order: 2, Handle: 1, Weight: 1}, Joined{Client: 2}, Offered{Client: 2, Order: 2, Handle: 2, Weight: 1})
	if got := names(steps(after, Left{3})); got != "StopTimer Commit " {
		t.Errorf("the end of the phase does %q", got)
	}
}

// The state of an open round is read back as it was written, and no bytes panic.
func TestOpenState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := openState{
			backoff: backoff{rapid.IntRange(0, maxHalvings).Draw(t, "halvings"), rapid.IntRange(0, recoverAfter-1).Draw(t, "streak")},
			present: rapid.IntRange(0, 10_000).Draw(t, "present"), phase: rapid.IntRange(0, 1000).Draw(t, "phase"),
			state: rapid.SliceOf(rapid.Byte()).Draw(t, "state"),
		}
		back, err := decodeOpenState(s.encode())
		if err != nil || back.backoff != s.backoff || back.present != s.present || back.phase != s.phase || !slices.Equal(back.state, s.state) {
			t.Fatalf("%+v is read back as %+v, %v", s, back, err)
		}
		if _, err := decodeOpenState(rapid.SliceOf(rapid.Byte()).Draw(t, "noise")); err != nil && err.Error() == "" {
			t.Fatal("an error without words")
		}
	})
}
