// Package virtual keeps time for simulations: what is to happen happens in the
// order of (time, actor, order of scheduling), as fast as it can be computed.
package virtual

import (
	"container/heap"
	"time"
)

// Epoch is when virtual time begins.
var Epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// A Clock is a virtual time with what is still to happen. The zero value is
// ready. It belongs to one goroutine.
type Clock struct {
	now    time.Duration
	seq    uint64
	timers int // of events: timers, and what comes from outside
	events eventHeap
}

// Now returns the time since Epoch.
func (c *Clock) Now() time.Duration { return c.now }

// At has f called at a time, which must not be in the past. Of what happens at
// one time, lower actors come first.
func (c *Clock) At(when time.Duration, actor uint32, f func()) {
	c.seq++
	heap.Push(&c.events, event{when, actor, c.seq, f})
}

// AfterFunc has f called after d, for actor 0, unless it is stopped before.
func (c *Clock) AfterFunc(d time.Duration, f func()) (stop func()) {
	stopped := false
	c.timers++
	c.At(c.now+max(d, 0), 0, func() {
		c.timers--
		if !stopped {
			f()
		}
	})
	return func() { stopped = true }
}

// Background has f called at a time, like At. It does not count for Quiet: it comes
// from outside, as clients that come and go do, and follows from nothing.
func (c *Clock) Background(when time.Duration, actor uint32, f func()) {
	c.timers++
	c.At(when, actor, func() { c.timers--; f() })
}

// Quiet says whether only timers and background events are left to happen.
func (c *Clock) Quiet() bool { return len(c.events) == c.timers }

// Next lets the next thing happen; it returns false when there is none.
func (c *Clock) Next() bool {
	if len(c.events) == 0 {
		return false
	}
	e := heap.Pop(&c.events).(event)
	c.now = e.when
	e.f()
	return true
}

type event struct {
	when  time.Duration
	actor uint32
	seq   uint64 // breaks ties in the order of scheduling
	f     func()
}

type eventHeap []event

func (h eventHeap) Len() int { return len(h) }
func (h eventHeap) Less(i, j int) bool {
	a, b := h[i], h[j]
	if a.when != b.when {
		return a.when < b.when
	}
	if a.actor != b.actor {
		return a.actor < b.actor
	}
	return a.seq < b.seq
}
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *eventHeap) Push(x any)   { *h = append(*h, x.(event)) }
func (h *eventHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = event{}
	*h = old[:len(old)-1]
	return e
}
