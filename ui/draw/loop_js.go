package draw

import (
	"sync"
	"time"
)

// Extent is how much of the page a change may have changed.
type Extent int

// The extents, the smallest first.
const (
	Nothing Extent = iota
	OnlyNumbers
	Everything
)

// Loop runs everything that changes the page, one after the other, on one
// goroutine. Callbacks from the browser must not wait, so they only queue.
type Loop struct {
	mu    sync.Mutex
	queue []func() Extent
	wake  chan struct{}
}

// NewLoop returns a loop in which nothing is queued.
func NewLoop() *Loop { return &Loop{wake: make(chan struct{}, 1)} }

// Do queues f, after which the page is drawn. It never waits.
func (l *Loop) Do(f func()) {
	l.Change(func() Extent {
		f()
		return Everything
	})
}

// Change queues f, which says how much of the page it has changed. It never
// waits.
func (l *Loop) Change(f func() Extent) {
	l.mu.Lock()
	l.queue = append(l.queue, f)
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Run executes what is queued and calls render after it, at most once in every
// period, with all that has changed since the last time. Nothing is drawn before the
// first change: the coordinator's first view stands there. It does not return.
func (l *Loop) Run(period time.Duration, render func(changed Extent)) {
	var last time.Time
	var later <-chan time.Time
	changed := Nothing
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
		if changed == Nothing {
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
		changed = Nothing
	}
}
