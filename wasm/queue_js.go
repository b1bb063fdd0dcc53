package main

import (
	"sync"
	"syscall/js"
	"time"
)

// ownCommand is what the page asks for about the tab's own data.
type ownCommand struct {
	kind    string
	message js.Value
}

// effortCommand is which share of the time to train.
type effortCommand struct{ percent int }

// jobDone is what work beside the loop has it do.
type jobDone struct{ do func() }

// queue takes events from JavaScript's callbacks, which must not block, to
// the loop.
type queue struct {
	mu     sync.Mutex
	events []event
	waker  *waker
}

func newQueue(w *waker) *queue { return &queue{waker: w} }

// put adds an event.
func (q *queue) put(e event) {
	q.mu.Lock()
	q.events = append(q.events, e)
	q.mu.Unlock()
	q.waker.wake()
}

// take returns what has happened since the last call.
func (q *queue) take() []event {
	q.mu.Lock()
	defer q.mu.Unlock()
	events := q.events
	q.events = nil
	return events
}

// waker wakes the loop, and lets it hand the thread over.
type waker struct {
	pending chan struct{}
	channel js.Value // a MessageChannel
	yielded chan struct{}
}

func newWaker() *waker {
	w := &waker{pending: make(chan struct{}, 1), yielded: make(chan struct{}, 1)}
	w.channel = js.Global().Get("MessageChannel").New()
	w.channel.Get("port2").Set("onmessage", js.FuncOf(func(js.Value, []js.Value) any {
		w.yielded <- struct{}{}
		return nil
	}))
	return w
}

// wake notes that there may be an event.
func (w *waker) wake() {
	select {
	case w.pending <- struct{}{}:
	default:
	}
}

// wait returns when there may be an event, or after the given time; 0 is no limit.
func (w *waker) wait(limit time.Duration) {
	if limit == 0 {
		<-w.pending
		return
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-w.pending:
	case <-timer.C:
	}
}

// yield lets the browser run what is pending: a message to oneself arrives behind
// all that came before.
func (w *waker) yield() {
	w.channel.Get("port1").Call("postMessage", 0)
	<-w.yielded
}
