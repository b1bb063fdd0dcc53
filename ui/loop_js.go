package main

import (
	"sync"
	"time"
)

// loop runs everything that changes the page, one after the other, on one
// goroutine. Callbacks from the browser must not wait, so they only queue.
type loop struct {
	mu    sync.Mutex
	queue []func()
	wake  chan struct{}
}

func newLoop() *loop { return &loop{wake: make(chan struct{}, 1)} }

// do queues f. It never waits.
func (l *loop) do(f func()) {
	l.mu.Lock()
	l.queue = append(l.queue, f)
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// run executes what is queued and calls render after it, at most once in every
// period. It does not return.
func (l *loop) run(period time.Duration, render func()) {
	render()
	last := time.Now()
	var later <-chan time.Time
	dirty := false
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
			f()
		}
		dirty = dirty || len(queue) > 0
		if !dirty {
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
		render()
		last = time.Now()
		dirty = false
	}
}
