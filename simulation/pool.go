package simulation

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"time"

	"fedtab/client"
	"fedtab/learn"
	"fedtab/protocol"
)

// pool trains clients on all cores, in the order in which their work ends in virtual
// time. It runs ahead of virtual time by at most two results per core, so that memory
// is O(model x cores), not O(model x clients).
type pool struct {
	model   learn.Model
	records bool // jobs keep what a memory needs
	size    int  // goroutines

	mu      sync.Mutex
	changed sync.Cond
	waiting []*job // sorted by when
	ahead   int    // jobs started and not collected
	closed  bool
	own     *client.Workspace // of the simulation's own goroutine
	workers sync.WaitGroup
}

// job is one client's work on one order.
type job struct {
	client   *client.Client
	when     time.Duration
	started  bool
	finished chan struct{}
	out      []protocol.Message

	record []byte // of the memory
	kept   bool   // the memory has it
	redone bool   // it is to be taken from the memory; nothing above is set
}

func newPool(m learn.Model, workers int, records bool) *pool {
	p := &pool{model: m, own: client.NewWorkspace(m), size: workers, records: records}
	p.changed.L = &p.mu
	// The simulation's own goroutine runs a job too, if it waits for one that no
	// worker has started.
	for range workers {
		p.workers.Go(p.work)
	}
	return p
}

func (p *pool) work() {
	workspace := client.NewWorkspace(p.model)
	for {
		p.mu.Lock()
		for !p.closed && (len(p.waiting) == 0 || p.ahead >= 2*p.size) {
			p.changed.Wait()
		}
		if p.closed {
			p.mu.Unlock()
			return
		}
		j := p.waiting[0]
		p.waiting = p.waiting[1:]
		j.started = true
		p.ahead++
		p.mu.Unlock()
		p.run(j, workspace)
	}
}

func (p *pool) run(j *job, b *client.Workspace) {
	j.out = j.client.Work(b, math.MaxInt)
	if p.records {
		j.record = j.client.AppendDone(nil, j.out)
	}
	close(j.finished)
}

// submit starts a client's work on its order. Until the job is collected, nothing
// else may use the client.
func (p *pool) submit(c *client.Client, when time.Duration) *job {
	j := &job{client: c, when: when, finished: make(chan struct{})}
	p.mu.Lock()
	i, _ := slices.BinarySearchFunc(p.waiting, when, func(j *job, w time.Duration) int {
		return cmp.Compare(j.when, w+1) // after jobs of the same time
	})
	p.waiting = slices.Insert(p.waiting, i, j)
	p.mu.Unlock()
	p.changed.Signal()
	return j
}

// wait returns the result of a job, and runs it if no worker has started it.
func (p *pool) wait(j *job) []protocol.Message {
	p.mu.Lock()
	started := j.started
	if !started {
		i := slices.Index(p.waiting, j)
		p.waiting = slices.Delete(p.waiting, i, i+1)
		p.ahead++
	}
	p.mu.Unlock()
	if !started {
		p.run(j, p.own)
	}
	<-j.finished
	p.mu.Lock()
	p.ahead--
	p.mu.Unlock()
	p.changed.Signal()
	return j.out
}

func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.changed.Broadcast()
	p.workers.Wait()
}
