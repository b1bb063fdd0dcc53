package hostile

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"time"

	"fedtab/coordinator/hub/hubtest"

	"github.com/gorilla/websocket"
)

// T is a case under way. It is the hubtest.T of its peers: Fatal ends the case, when
// it is called on the case's own goroutine.
type T struct {
	World *World

	ctx     context.Context
	suite   *suite
	setting *Setting

	mu       sync.Mutex
	costs    []string
	failures []string
	cleanups []func()
}

// do calls f on a goroutine that Fatal can end, and then the cleanups.
func (t *T) do(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			for i := len(t.cleanups) - 1; i >= 0; i-- {
				t.cleanups[i]()
			}
		}()
		f()
	}()
	<-done
}

// Helper implements hubtest.T.
func (t *T) Helper() {}

// Context implements hubtest.T. It ends when the case has taken too long.
func (t *T) Context() context.Context { return t.ctx }

// Cleanup implements hubtest.T. The functions are called in reverse order.
func (t *T) Cleanup(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cleanups = append(t.cleanups, f)
}

// Errorf implements hubtest.T.
func (t *T) Errorf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failures = append(t.failures, fmt.Sprintf(format, args...))
}

// Fatal implements hubtest.T.
func (t *T) Fatal(args ...any) { t.Fatalf("%s", fmt.Sprint(args...)) }

// Fatalf implements hubtest.T.
func (t *T) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	runtime.Goexit()
}

func (t *T) failed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.failures) > 0
}

// text returns the costs with their bounds, and the failures that are no cost, in one
// line.
func (t *T) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	parts := t.costs
	for _, f := range t.failures {
		if f != "" {
			parts = append(parts, f)
		}
	}
	return strings.ReplaceAll(strings.Join(parts, ", "), "\n", " ")
}

func (t *T) cost(ok bool, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.costs = append(t.costs, text)
	if !ok {
		t.failures = append(t.failures, "") // its cost says what
	}
}

// AtLeast reports a cost that must not be below a bound, both in the given unit.
func (t *T) AtLeast(what string, got, bound float64, unit string) {
	t.cost(got >= bound, fmt.Sprintf("%s %.4g%s >= %.4g%s", what, got, unit, bound, unit))
}

// AtMost reports a cost that must not be above a bound.
func (t *T) AtMost(what string, got, bound float64, unit string) {
	t.cost(got <= bound, fmt.Sprintf("%s %.4g%s <= %.4g%s", what, got, unit, bound, unit))
}

// Is reports an answer, which must be one of those wanted.
func (t *T) Is(what string, got fmt.Stringer, want ...fmt.Stringer) {
	ok := false
	var names []string
	for _, w := range want {
		ok = ok || w == got
		names = append(names, w.String())
	}
	t.cost(ok, fmt.Sprintf("%s %v == %s", what, got, strings.Join(names, " or ")))
}

// honestUnharmed reports what the crew must not have met: closes and refusals.
func (t *T) honestUnharmed() {
	closed, refused := t.World.Crew.Harm()
	t.AtMost("honest closes", float64(closed), 0, "")
	t.AtMost("honest refusals", float64(refused), 0, "")
}

// Connect opens a socket from an attacker's address and sends nothing.
func (t *T) Connect(from net.IP) *hubtest.Peer {
	return hubtest.Connect(t, dialerFrom(from), t.World.URL)
}

// Peers returns the world of hubtest's breaches, at an address of its own.
func (t *T) Peers() hubtest.World {
	from := t.World.Address()
	return hubtest.World{T: t, Task: t.World.Task, Connect: func() *hubtest.Peer { return t.Connect(from) }}
}

// Await waits until the crew has seen a version.
func (t *T) Await(version uint64) {
	t.World.Crew.Await(t.ctx, version)
	if got := t.World.Crew.Version(); got < version {
		t.Fatalf("version %d, want %d in the time of a case", got, version)
	}
}

// Where rounds are counted: one takes about a second.
const (
	baselineTime = 10 * time.Second
	warmup       = 3 // rounds before the baseline: shards are fetched
)

// Baseline returns the rounds per minute of the crew alone, measured when it is first
// called.
func (t *T) Baseline() float64 {
	if t.World.base == 0 {
		t.Await(warmup)
		t.World.base = t.World.Crew.Rate(baselineTime)
		if t.World.base == 0 {
			t.Fatalf("honest rounds before the attack: none in %v, want some", baselineTime)
		}
	}
	return t.World.base
}

// Pause waits, and ends the case if that has taken too long.
func (t *T) Pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-t.ctx.Done():
		t.Fatal("the case has taken too long")
	}
}

// dialerFrom connects from an address; nil leaves it to the system.
func dialerFrom(from net.IP) *websocket.Dialer {
	d := &websocket.Dialer{HandshakeTimeout: hubtest.Patience}
	if from != nil {
		d.NetDialContext = (&net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}).DialContext
	}
	return d
}
