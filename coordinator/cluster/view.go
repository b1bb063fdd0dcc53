package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"fedtab/coordinator/store"
	"fedtab/protocol/invite"
	"fedtab/run"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Keys of what a node's database has of its cluster.
const (
	positionKey = "cluster position" // sequence of the newest record that was applied
	clusterKey  = "cluster"          // identity
)

// beat is how often the servers tell that they live while there is nothing new: a consumer whose
// server is gone is made anew after two that have not come.
const beat = time.Second

// Known returns the identity of the cluster that a database belongs to, empty if to none.
func Known(s *store.Store) (string, error) { return s.Meta(clusterKey) }

// A View writes the log to a node's database, record after record. All that it does follows from the
// log, so that each node has the same, and a node without a database gets it anew.
type View struct {
	cluster *Cluster
	store   *store.Store // written to directly
	log     *slog.Logger

	mu       sync.Mutex
	position uint64
	results  map[string]chan error // of records that are waited for, by their identity
	applied  chan struct{}         // closed and made anew with each record
	err      error                 // why no more is applied
	done     chan struct{}         // closed when Follow has returned
}

// NewView returns the view of a database. local is the Store that Via has returned.
func NewView(c *Cluster, local *store.Store, log *slog.Logger) (*View, error) {
	v := &View{cluster: c, store: local, log: log, results: map[string]chan error{}, applied: make(chan struct{}), done: make(chan struct{})}
	id, err := local.Meta(clusterKey)
	if err != nil {
		return nil, err
	}
	if id == "" {
		runs, err := local.Runs(store.Filter{Limit: 1})
		if err != nil {
			return nil, err
		}
		if len(runs) > 0 {
			return nil, fmt.Errorf("the database has runs of a coordinator alone, such as %s, and a node's follows from the log: want another --data: runs cannot be moved into a cluster yet", runs[0].ID)
		}
		if err := local.SetMeta(clusterKey, c.id); err != nil {
			return nil, err
		}
	}
	text, err := local.Meta(positionKey)
	if err == nil && text != "" {
		v.position, err = strconv.ParseUint(text, 10, 64)
	}
	return v, err
}

// Follow applies records as they come, until ctx ends. Its error says why the database cannot
// follow the log any more.
func (v *View) Follow(ctx context.Context) error {
	defer close(v.done)
	for {
		err := v.follow(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, errBroken):
			v.mu.Lock()
			v.err = err
			v.wake()
			v.mu.Unlock()
			return err
		}
		v.log.Warn("the log cannot be followed, trying again", "error", err)
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return nil
		}
	}
}

// errBroken says that a record cannot be applied, ever.
var errBroken = errors.New("cluster: the database cannot follow the log")

func (v *View) follow(ctx context.Context) error {
	asking, answered := context.WithTimeout(ctx, tryTimeout)
	defer answered()
	info, err := v.cluster.stream.Info(asking)
	if err != nil {
		return err
	}
	if info.State.LastSeq < v.Position() {
		return fmt.Errorf("%w: it has record %d, and the log ends at %d: the log is that of an older backup; remove the database, and it is made anew", errBroken, v.Position(), info.State.LastSeq)
	}
	consumer, err := v.cluster.stream.OrderedConsumer(asking, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: v.Position() + 1,
	})
	if err != nil {
		return err
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(256), jetstream.PullExpiry(4*beat), jetstream.PullHeartbeat(beat))
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, messages.Stop)
	defer stop()
	defer messages.Stop()
	for {
		m, err := messages.Next()
		if err != nil {
			return err
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		sequence := meta.Sequence.Stream
		if sequence <= v.Position() {
			continue
		}
		if f := m.Headers().Get(formatHeader); f != format {
			return fmt.Errorf("%w: record %d is of format %q, want %s: want a coordinator of the version that wrote it", errBroken, sequence, f, format)
		}
		o, err := decode(m.Data())
		if err != nil {
			return fmt.Errorf("%w: record %d: %w", errBroken, sequence, err)
		}
		if err := v.apply(ctx, o, sequence, m.Headers().Get(nats.MsgIdHdr)); err != nil {
			return err
		}
	}
}

// answers are the errors that follow from the log, and so are the same on every node: who waits for
// the record gets them.
var answers = []error{store.ErrNotFound, store.ErrNotKept, store.ErrExists, store.ErrUnfinished, invite.ErrUsedUp, run.ErrPermanent}

// apply applies a record, and tries again while that fails for reasons of this node, such as a full
// disk.
func (v *View) apply(ctx context.Context, o *op, sequence uint64, id string) error {
	var result error
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		result = o.apply(v.store, sequence, v.object)
		known := result == nil
		for _, a := range answers {
			known = known || errors.Is(result, a)
		}
		if known && !errors.Is(result, store.ErrDirectory) && !errors.Is(result, store.ErrCorrupt) {
			err := v.store.SetMeta(positionKey, fmt.Sprint(sequence))
			if err == nil {
				break
			}
			result = err
		}
		v.log.Error("a record of the log cannot be written to the database, trying again", "record", sequence, "error", result)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.position = sequence
	if waiting := v.results[id]; waiting != nil {
		waiting <- result
		delete(v.results, id)
	}
	v.wake()
	return nil
}

// object returns the vectors of a commit; none if its version is no longer kept.
func (v *View) object(name string) (vectors, error) {
	got, err := v.cluster.get(name)
	if errors.Is(err, errNoObject) {
		return vectors{}, nil
	}
	return got, err
}

// wake wakes who waits; v.mu is held.
func (v *View) wake() {
	close(v.applied)
	v.applied = make(chan struct{})
}

// Position is the sequence of the newest record that was applied.
func (v *View) Position() uint64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.position
}

// Wait waits until a record is applied. The error is that of ctx, or says why nothing is applied.
func (v *View) Wait(ctx context.Context, sequence uint64) error {
	for {
		v.mu.Lock()
		position, applied, err := v.position, v.applied, v.err
		v.mu.Unlock()
		switch {
		case position >= sequence:
			return nil
		case err != nil:
			return err
		}
		select {
		case <-applied:
		case <-ctx.Done():
			return fmt.Errorf("the database has record %d of the log, want %d: %w", position, sequence, ctx.Err())
		}
	}
}

// Err is why the database cannot follow the log any more; nil while it can.
func (v *View) Err() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.err
}

// CatchUp waits until all is applied that is in the log.
func (v *View) CatchUp(ctx context.Context) error {
	for {
		asking, answered := context.WithTimeout(ctx, tryTimeout/2)
		info, err := v.cluster.stream.Info(asking)
		answered()
		if err != nil { // out of reach, or without a leader, for a moment
			select {
			case <-time.After(firstPause):
				continue
			case <-ctx.Done():
				return fmt.Errorf("cluster: %w", err)
			}
		}
		if v.Position() >= info.State.LastSeq {
			return nil
		}
		if err := v.Wait(ctx, info.State.LastSeq); err != nil {
			return err
		}
	}
}

// expect returns where the result of the record with an identity will be, which is yet to be
// written. forget says that it is not waited for.
func (v *View) expect(id string) (result <-chan error, forget func()) {
	c := make(chan error, 1)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.results[id] = c
	return c, func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		delete(v.results, id)
	}
}
