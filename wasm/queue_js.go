package main

import (
	"sync"
	"syscall/js"
)

// queue takes events from JavaScript's callbacks, which must not block, to
// the loop.
type queue struct {
	mu     sync.Mutex
	events []event
	wake   chan struct{}

	channel js.Value // a MessageChannel, to hand the thread over
	yielded chan struct{}
}

func newQueue() *queue {
	q := &queue{wake: make(chan struct{}, 1), yielded: make(chan struct{}, 1)}
	q.channel = js.Global().Get("MessageChannel").New()
	q.channel.Get("port2").Set("onmessage", js.FuncOf(func(js.Value, []js.Value) any {
		q.yielded <- struct{}{}
		return nil
	}))
	return q
}

// put adds an event.
func (q *queue) put(e event) {
	q.mu.Lock()
	q.events = append(q.events, e)
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take returns what has happened since the last call.
func (q *queue) take() []event {
	q.mu.Lock()
	defer q.mu.Unlock()
	events := q.events
	q.events = nil
	return events
}

// wait returns when there may be an event.
func (q *queue) wait() { <-q.wake }

// yield lets the browser run what waits: a message to oneself comes back
// behind all that came before.
func (q *queue) yield() {
	q.channel.Get("port1").Call("postMessage", 0)
	<-q.yielded
}
