package live

import (
	"context"
	"sync/atomic"
	"time"
)

// Turns let few bodies come at once, one after the other, so that the memory of bodies
// is that of a few and stays in the cores' caches, however many participants send. A
// turn ends with its body, and early for one that comes slowly: the lease alone bounds
// the bodies whose turns have ended. Nil Turns bound nothing.
type Turns struct {
	free chan struct{}
	max  time.Duration // of one turn
}

// NewTurns returns turns of which n are under way at one time, each for at most max.
func NewTurns(n int, max time.Duration) *Turns {
	return &Turns{free: make(chan struct{}, n), max: max}
}

// Take waits for a turn, or until ctx ends. The caller calls end, more than once if it
// likes.
func (t *Turns) Take(ctx context.Context) (end func(), err error) {
	if t == nil {
		return func() {}, nil
	}
	select {
	case t.free <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	var ended atomic.Bool
	finish := func() {
		if !ended.Swap(true) {
			<-t.free
		}
	}
	timer := time.AfterFunc(t.max, finish)
	return func() { timer.Stop(); finish() }, nil
}
