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
	bell   *bell
}

func newQueue(b *bell) *queue { return &queue{bell: b} }

// put adds an event.
func (q *queue) put(e event) {
	q.mu.Lock()
	q.events = append(q.events, e)
	q.mu.Unlock()
	q.bell.ring()
}

// take returns what has happened since the last call.
func (q *queue) take() []event {
	q.mu.Lock()
	defer q.mu.Unlock()
	events := q.events
	q.events = nil
	return events
}

// bell wakes the loop, and lets it hand the thread over.
type bell struct {
	wake    chan struct{}
	channel js.Value // a MessageChannel
	yielded chan struct{}
}

func newBell() *bell {
	b := &bell{wake: make(chan struct{}, 1), yielded: make(chan struct{}, 1)}
	b.channel = js.Global().Get("MessageChannel").New()
	b.channel.Get("port2").Set("onmessage", js.FuncOf(func(js.Value, []js.Value) any {
		b.yielded <- struct{}{}
		return nil
	}))
	return b
}

func (b *bell) ring() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// wait returns when there may be an event.
func (b *bell) wait() { <-b.wake }

// yield lets the browser run what waits: a message to oneself comes back
// behind all that came before.
func (b *bell) yield() {
	b.channel.Get("port1").Call("postMessage", 0)
	<-b.yielded
}
