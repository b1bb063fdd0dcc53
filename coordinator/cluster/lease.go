package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// renewEvery is how often a lease is renewed.
const renewEvery = leaseTTL / 4

// ErrHeld says that another node has the lease.
var ErrHeld = errors.New("cluster: another node has the lease")

// Holder is who has a lease.
type Holder struct {
	Node string `json:"node"`
	Term uint64 `json:"term"` // 0: it has not begun yet
	Run  string `json:"run"`  // identity of the run in this term
}

// A Lease says that this node should drive a task. It is no lock: only the log decides. The
// servers forget it leaseTTL after it was renewed last.
type Lease struct {
	cluster *Cluster
	task    string
	first   uint64
	done    chan struct{}
	stop    func()
	stopped sync.WaitGroup

	mu       sync.Mutex
	holder   Holder
	revision uint64
	err      error
}

// Acquire takes the lease of a task. The error wraps ErrHeld if another node has it.
func (c *Cluster) Acquire(ctx context.Context, task string) (*Lease, error) {
	l := &Lease{cluster: c, task: task, done: make(chan struct{}), holder: Holder{Node: c.cfg.Node}}
	start := time.Now()
	var revision uint64
	err := again(ctx, func(ctx context.Context) (err error) {
		start = time.Now()
		revision, err = c.leases.Create(ctx, task, l.value()) // one whose answer was lost is forgotten soon
		return err
	})
	if errors.Is(err, jetstream.ErrKeyExists) || wrongSequence(err) {
		return nil, ErrHeld
	}
	if err != nil {
		return nil, fmt.Errorf("cluster: lease of %s: %w", task, err)
	}
	l.first, l.revision = revision, revision
	var renewing context.Context
	renewing, l.stop = context.WithCancel(context.Background())
	l.stopped.Go(func() { l.renew(renewing, start) })
	return l, nil
}

func (l *Lease) value() []byte {
	b, err := json.Marshal(l.holder)
	if err != nil {
		panic(err) // strings and a number
	}
	return b
}

// Term is the number of the term that the lease is for: larger than that of every lease before.
func (l *Lease) Term() uint64 { return l.first }

// Done is closed once the lease is lost, or was released.
func (l *Lease) Done() <-chan struct{} { return l.done }

// Err is why the lease was lost.
func (l *Lease) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Tell tells the other nodes that the term has begun, of a run.
func (l *Lease) Tell(run string) {
	l.mu.Lock()
	l.holder.Term, l.holder.Run = l.first, run
	l.mu.Unlock()
	l.update(context.Background())
}

// update writes the lease, which renews it.
func (l *Lease) update(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, renewEvery)
	defer cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	revision, err := l.cluster.leases.Update(ctx, l.task, l.value(), l.revision)
	if err == nil {
		l.revision = revision
	}
	return err
}

// renew renews the lease until it is lost. Only this node's own clock is looked at: a lease that
// could not be renewed for as long as it lasts counts as lost.
func (l *Lease) renew(ctx context.Context, renewed time.Time) {
	defer close(l.done)
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		start := time.Now()
		err := l.update(ctx)
		switch {
		case err == nil:
			renewed = start
			continue
		case ctx.Err() != nil:
			return
		case wrongSequence(err) && l.still(ctx):
			renewed = start
			continue
		case wrongSequence(err):
			err = errors.New("another node has taken it, or it was forgotten")
		case time.Since(renewed) < leaseTTL:
			continue
		default:
			err = fmt.Errorf("it could not be renewed for %v: %w", leaseTTL, err)
		}
		l.mu.Lock()
		l.err = err
		l.mu.Unlock()
		return
	}
}

// still looks whether the lease is this node's all the same: the answer to a renewal may have been
// lost.
func (l *Lease) still(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, renewEvery)
	defer cancel()
	e, err := l.cluster.leases.Get(ctx, l.task)
	if err != nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if string(e.Value()) != string(l.value()) || e.Created().IsZero() {
		return false
	}
	l.revision = e.Revision()
	return true
}

// Release gives the lease back, so that another node may take it at once.
func (l *Lease) Release() {
	l.stop()
	l.stopped.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), renewEvery)
	defer cancel()
	l.still(ctx) // a renewal may have been under way
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cluster.leases.Delete(ctx, l.task, jetstream.LastRevision(l.revision)) // if that fails, it is forgotten soon
}

// Holder returns who has the lease of a task; its node is empty if nobody has.
func (c *Cluster) Holder(ctx context.Context, task string) (h Holder, err error) {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout/2)
	defer cancel()
	e, err := c.leases.Get(ctx, task)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return h, nil
	}
	if err != nil {
		return h, fmt.Errorf("cluster: lease of %s: %w", task, err)
	}
	if err := json.Unmarshal(e.Value(), &h); err != nil {
		return h, fmt.Errorf("cluster: lease of %s: %w", task, err)
	}
	return h, nil
}
