package simulation

import (
	"container/heap"
	"time"
)

// Epoch is when virtual time begins.
var Epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// A Clock is a virtual time with a queue of pending events, which run in the order of
// (time, actor, order of scheduling), without waiting. The zero value is ready. It belongs
// to one goroutine.
type Clock struct {
	now    time.Duration
	seq    uint64
	timers int // of events: timers and background events
	events eventHeap
}

// Now returns the time since Epoch.
func (c *Clock) Now() time.Duration { return c.now }

// At schedules f for a time that is not in the past. At equal times the lower actor
// is first.
func (c *Clock) At(when time.Duration, actor uint32, f func()) {
	c.seq++
	heap.Push(&c.events, event{when, actor, c.seq, f})
}

// AfterFunc schedules f for actor 0 after d, or now if d < 0. stop cancels it.
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

// Background schedules f like At, for an external event such as a client that joins
// or leaves. Quiet ignores it.
func (c *Clock) Background(when time.Duration, actor uint32, f func()) {
	c.timers++
	c.At(when, actor, func() { c.timers--; f() })
}

// Quiet reports whether only timers and background events are pending.
func (c *Clock) Quiet() bool { return len(c.events) == c.timers }

// Next runs the next event; it returns false if none is pending.
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
