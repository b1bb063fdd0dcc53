package simulate

import (
	"container/heap"
	"time"
)

// event is something that happens at a virtual time.
type event struct {
	when   time.Duration
	client uint32
	seq    uint64 // breaks ties in the order of scheduling
	f      func()
}

// queue delivers events in the order of (time, client, sequence).
type queue struct{ events eventHeap }

func (q *queue) push(e event) { heap.Push(&q.events, e) }

// next lets the next event happen; it returns false when there is none.
func (q *queue) next(s *simulation) bool {
	if len(q.events) == 0 {
		return false
	}
	e := heap.Pop(&q.events).(event)
	s.now = e.when
	e.f()
	return true
}

type eventHeap []event

func (h eventHeap) Len() int { return len(h) }
func (h eventHeap) Less(i, j int) bool {
	a, b := h[i], h[j]
	if a.when != b.when {
		return a.when < b.when
	}
	if a.client != b.client {
		return a.client < b.client
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
