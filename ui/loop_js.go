package ui

import (
	"sync"
	"time"
)

// extent is how much of the page a change may have changed.
type extent int

const (
	nothing extent = iota
	onlyNumbers
	everything
)

// loop runs everything that changes the page, one after the other, on one
// goroutine. Callbacks from the browser must not wait, so they only queue.
type loop struct {
	mu    sync.Mutex
	queue []func() extent
	wake  chan struct{}
}

func newLoop() *loop { return &loop{wake: make(chan struct{}, 1)} }

// do queues f, after which the page is drawn. It never waits.
func (l *loop) do(f func()) {
	l.change(func() extent {
		f()
		return everything
	})
}

// change queues f, which says how much of the page it has changed. It never
// waits.
func (l *loop) change(f func() extent) {
	l.mu.Lock()
	l.queue = append(l.queue, f)
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// run executes what is queued and calls render after it, at most once in every
// period, with all that has changed since the last time. Nothing is drawn before the
// first change: the coordinator's first view stands there. It does not return.
func (l *loop) run(period time.Duration, render func(changed extent)) {
	var last time.Time
	var later <-chan time.Time
	changed := nothing
	for {
		select {
		case <-l.wake:
		case <-later:
			later = nil
		}
		l.mu.Lock()
		queue := l.queue
		l.queue = nil
		l.mu.Unlock()
		for _, f := range queue {
			changed = max(changed, f())
		}
		if changed == nothing {
			continue
		}
		// A hidden page's timers may fire once a minute, its messages still
		// arrive: look at the clock at every message, do not rely on the timer.
		if wait := period - time.Since(last); wait > 0 {
			if later == nil {
				later = time.After(wait)
			}
			continue
		}
		render(changed)
		last = time.Now()
		changed = nothing
	}
}
