package link

import (
	"fmt"
	"sync"

	"fedtab/combine"
	"fedtab/run"
)

// adder does what the owner says with the contributions at an edge, in its order, on a goroutine
// of its own.
type adder struct {
	edge *Edge
	wake chan struct{}
	sums map[uint64][]*combine.Sum // by attempt

	mu    sync.Mutex
	queue []*record
}

// put queues a record.
func (a *adder) put(r *record) {
	a.mu.Lock()
	a.queue = append(a.queue, r)
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// serve works until done is closed.
func (a *adder) serve(done <-chan struct{}) {
	for {
		a.mu.Lock()
		batch := a.queue
		a.queue = nil
		a.mu.Unlock()
		for len(batch) > 0 {
			n := 1
			for n < len(batch) && batch[n].Kind == kindAdd && batch[0].Kind == kindAdd && batch[n].Attempt == batch[0].Attempt {
				n++
			}
			if err := a.do(batch[:n]); err != nil {
				a.edge.pipe.end(err)
				return
			}
			batch = batch[n:]
		}
		select {
		case <-a.wake:
		case <-done:
			return
		}
	}
}

// do executes one record, or additions to the same sums.
func (a *adder) do(batch []*record) error {
	switch r := batch[0]; r.Kind {
	case kindAdd:
		return a.add(batch)
	case kindGather:
		out := &record{Kind: kindSums, Attempt: r.Attempt}
		for _, s := range a.sums[r.Attempt] {
			b, err := s.AppendBinary(nil)
			if err != nil {
				return err
			}
			out.Frames = append(out.Frames, b)
		}
		if out.Frames == nil {
			return fmt.Errorf("link: sums of attempt %d, to which nothing was added", r.Attempt)
		}
		delete(a.sums, r.Attempt)
		a.edge.pipe.send(out)
	case kindForget:
		delete(a.sums, r.Attempt)
	case kindDrop:
		offer, packed := a.edge.release(r.ID)
		if offer != nil {
			offer.Release()
		}
		if packed != nil {
			packed.Drop()
		}
	case kindFetch:
		a.edge.pipe.send(a.edge.fetch(r.ID))
	}
	return nil
}

// add adds contributions to the sums of an attempt.
func (a *adder) add(batch []*record) error {
	e, attempt := a.edge, batch[0].Attempt
	sums := a.sums[attempt]
	if sums == nil {
		for range max(e.terms.Sums, 1) {
			s, err := combine.NewSum(e.terms.Parameters, batch[0].Bound)
			if err != nil {
				return err
			}
			sums = append(sums, s)
		}
		a.sums[attempt] = sums
	}
	var offers []*run.Offer
	for _, r := range batch {
		o := e.added(r.ID)
		if o == nil || len(o.Vectors) < len(sums) {
			return fmt.Errorf("link: contribution %d is to be added, and is not here", r.ID)
		}
		offers = append(offers, o)
	}
	addends := make([]combine.Addend, len(batch))
	for i, s := range sums {
		for j, r := range batch {
			addends[j] = combine.Addend{Values: offers[j].Vectors[i], Scale: r.Scale, Weight: r.Weight}
		}
		s.AddAll(addends)
	}
	for _, o := range offers {
		o.Release()
	}
	return nil
}

// added returns a contribution that is to be added. What it keeps as it came stays.
func (e *Edge) added(id uint64) *run.Offer {
	e.mu.Lock()
	defer e.mu.Unlock()
	o := e.held[id]
	delete(e.held, id)
	if o != nil && o.Packed != nil {
		e.packed[id] = o.Packed
		o.Packed = nil
	}
	return o
}

// release takes what there is of a contribution.
func (e *Edge) release(id uint64) (*run.Offer, run.Packed) {
	e.mu.Lock()
	defer e.mu.Unlock()
	o, p := e.held[id], e.packed[id]
	delete(e.held, id)
	delete(e.packed, id)
	return o, p
}

// fetch answers with the vectors of a contribution.
func (e *Edge) fetch(id uint64) *record {
	e.mu.Lock()
	p := e.packed[id]
	if o := e.held[id]; o != nil {
		p = o.Packed
	}
	e.mu.Unlock()
	r := &record{Kind: kindFetched, ID: id}
	if p == nil {
		r.Text = "the edge does not keep this contribution"
		return r
	}
	vectors, release, err := p.Unpack()
	if err != nil {
		r.Text = err.Error()
		return r
	}
	defer release()
	for _, v := range vectors {
		r.Values = append(r.Values, append([]float32(nil), v...))
	}
	return r
}
