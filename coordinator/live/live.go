// Package live is the world around a run in production: the goroutine that owns
// it, clocks, processors and the journal's queue (Live), the concurrent decoding
// of contributions (Checker), and the bound on their memory (Lease).
package live

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"fedtab/run"
)

// Live owns a Run in production: one goroutine calls it, computing happens on
// others, and the journal has one of its own.
type Live struct {
	Run  *run.Run
	Held bool // Run is started by who replaces it, not by Serve

	mu      sync.Mutex
	tasks   []func()
	wake    chan struct{}
	stopped bool

	computing chan struct{} // bounds the goroutines of Compute
	store     *storeQueue
	done      chan struct{}
	workers   sync.WaitGroup
}

// NewLive returns an Env whose Run is to be set before Serve.
func NewLive() *Live {
	return &Live{
		wake: make(chan struct{}, 1), done: make(chan struct{}),
		computing: make(chan struct{}, runtime.GOMAXPROCS(0)),
		store:     &storeQueue{wake: make(chan struct{}, 1)},
	}
}

// Do has f called by the owner, after everything that was handed in before.
// It does not wait. Once the Run is no longer served it does nothing and
// returns false.
func (l *Live) Do(f func()) bool {
	l.mu.Lock()
	stopped := l.stopped
	if !stopped {
		l.tasks = append(l.tasks, f)
	}
	l.mu.Unlock()
	poke(l.wake)
	return !stopped
}

// Call does the same and waits until f has returned; it says whether it was
// called.
func (l *Live) Call(f func()) bool {
	return l.Await(func(done func()) { f(); done() })
}

// Await has f called like Do, and waits until done is called, which the owner may do
// later; it says whether it was.
func (l *Live) Await(f func(done func())) bool {
	called := make(chan struct{})
	l.Do(func() { f(func() { close(called) }) })
	select {
	case <-called:
		return true
	case <-l.done:
		select {
		case <-called:
			return true
		default:
			return false
		}
	}
}

// Settle writes what the run has yet to write, and waits until the journal has it, or has refused it.
func (l *Live) Settle() {
	l.Await(func(done func()) {
		l.Run.Flush()
		l.Store(func() error { return nil }, func(error) { done() })
	})
}

// State asks the owner how the run stands.
func (l *Live) State(ctx context.Context) (run.State, error) {
	return ask(ctx, l, func() run.State { return l.Run.State() })
}

// Present asks the owner who is present in the run.
func (l *Live) Present(ctx context.Context) ([]run.Present, error) {
	return ask(ctx, l, func() []run.Present { return l.Run.Present() })
}

// ask has the owner answer a question.
func ask[T any](ctx context.Context, l *Live, question func() T) (none T, err error) {
	answer := make(chan T, 1)
	if l.Do(func() { answer <- question() }) {
		select {
		case a := <-answer:
			return a, nil
		case <-ctx.Done():
			return none, fmt.Errorf("its owner does not answer: %w", ctx.Err())
		case <-l.done:
		}
	}
	return none, errors.New("it is no longer served")
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Serve starts the Run and owns it until ctx ends. What is being written to
// the journal by then is written before it returns.
func (l *Live) Serve(ctx context.Context) {
	defer close(l.done)
	storeDone := make(chan struct{})
	go func() {
		defer close(storeDone)
		l.store.serve()
	}()
	if !l.Held {
		l.Do(l.Run.Start)
	}
	for {
		l.mu.Lock()
		tasks := l.tasks
		l.tasks = nil
		l.mu.Unlock()
		for _, f := range tasks {
			f()
		}
		if len(tasks) > 0 {
			continue
		}
		select {
		case <-l.wake:
		case <-ctx.Done():
			l.Run.Flush()
			l.mu.Lock()
			l.stopped = true
			l.tasks = nil
			l.mu.Unlock()
			l.store.close()
			<-storeDone
			l.workers.Wait()
			return
		}
	}
}

// Now implements Env.
func (l *Live) Now() time.Time { return time.Now() }

// AfterFunc implements Env.
func (l *Live) AfterFunc(d time.Duration, f func()) (stop func()) {
	stopped := false // owned by the owner, like f
	t := time.AfterFunc(d, func() {
		l.Do(func() {
			if !stopped {
				f()
			}
		})
	})
	return func() { stopped = true; t.Stop() }
}

// Compute implements Env.
func (l *Live) Compute(work func(), then func()) {
	l.workers.Go(func() {
		l.computing <- struct{}{}
		work()
		<-l.computing
		l.Do(then)
	})
}

// Store implements Env.
func (l *Live) Store(work func() error, then func(error)) {
	l.store.add(func() {
		err := work()
		l.Do(func() { then(err) })
	})
}

// storeQueue does one thing at a time, in order.
type storeQueue struct {
	mu     sync.Mutex
	works  []func()
	closed bool
	wake   chan struct{}
}

func (q *storeQueue) add(f func()) {
	q.mu.Lock()
	if !q.closed {
		q.works = append(q.works, f)
	}
	q.mu.Unlock()
	poke(q.wake)
}

func (q *storeQueue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	poke(q.wake)
}

// serve works until close, and does what was added before.
func (q *storeQueue) serve() {
	for {
		q.mu.Lock()
		works, closed := q.works, q.closed
		q.works = nil
		q.mu.Unlock()
		for _, f := range works {
			f()
		}
		if len(works) == 0 {
			if closed {
				return
			}
			<-q.wake
		}
	}
}
