package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"fedtab/coordinator/store"
	"fedtab/run"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// ErrFenced says that another node has begun a term since: this one drives the run no longer, and
// has written nothing. It wraps run.ErrElsewhere, so that the run halts.
var ErrFenced = fmt.Errorf("cluster: a newer term has begun: %w", run.ErrElsewhere)

// Headers of a record.
const (
	formatHeader = "Fedtab-Format"
	termHeader   = "Fedtab-Term" // of the writer
	nodeHeader   = "Fedtab-Node" // that wrote it
)

// wrongSequence reports whether JetStream has refused a record because the expected predecessor is
// not the last: one that has been written is, or one that is on its way.
func wrongSequence(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && (api.ErrorCode == 10071 || api.ErrorCode == 10164)
}

// The pauses between two tries to write, and how long one try waits.
const (
	firstPause = 50 * time.Millisecond
	maxPause   = 2 * time.Second
	tryTimeout = 4 * time.Second
)

func (c *Cluster) subject(name string) string { return c.cfg.Name + ".log." + name }

// shared is the name of the subject of what belongs to no task: any node writes there.
const shared = "_shared"

// A Writer appends the records of one task in one term. Each expects the one before to be the
// last, so that once another writer has begun its term nothing of this one is taken, whatever any
// clock says. Its calls take turns.
type Writer struct {
	cluster *Cluster
	subject string
	term    uint64
	ctx     context.Context
	stop    context.CancelCauseFunc
	trouble func(error) // told of what goes wrong, and nil once it works again

	mu   sync.Mutex
	last uint64 // sequence of the newest record on the subject
}

// newID returns an identity for a record, that no other has.
func newID() string { return nuid.Next() }

// Begin begins a term: the writers of all before are fenced. term is larger than that of each
// before, as the revisions of a lease are. trouble is told why a record waits to be written,
// and nil once it is; it may be nil.
func (c *Cluster) Begin(ctx context.Context, task string, term uint64, trouble func(error)) (*Writer, error) {
	w := &Writer{cluster: c, subject: c.subject(task), term: term, trouble: trouble}
	w.ctx, w.stop = context.WithCancelCause(context.Background())
	for {
		var m *jetstream.RawStreamMsg
		if err := again(ctx, func(ctx context.Context) (err error) { m, err = c.lastOn(ctx, w.subject); return err }); err != nil {
			return nil, fmt.Errorf("cluster: begin a term of %s: %w", task, err)
		}
		if m != nil {
			w.last = m.Sequence
			if was, _ := strconv.ParseUint(m.Header.Get(termHeader), 10, 64); was >= term {
				return nil, fmt.Errorf("cluster: term %d of %s, and term %d has begun: %w", term, task, was, ErrFenced)
			}
		}
		body, err := encode(&op{Kind: opTerm})
		if err != nil {
			return nil, err
		}
		// Another's record may come between: what it wrote is behind this term, then.
		if _, err = w.append(ctx, body, newID()); err == nil {
			return w, nil
		}
		if !errors.Is(err, ErrFenced) {
			return nil, fmt.Errorf("cluster: begin a term of %s: %w", task, err)
		}
	}
}

// Last is the sequence of its newest record.
func (w *Writer) Last() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// Close ends the writer: what waits to be written, and what comes, gets ErrFenced.
func (w *Writer) Close() { w.stop(ErrFenced) }

// again asks the servers until they answer, or ctx ends. A server that does not know a leader answers
// nothing, so that a question is asked anew soon.
func again(ctx context.Context, ask func(context.Context) error) error {
	for {
		try, cancel := context.WithTimeout(ctx, tryTimeout/2)
		err := ask(try)
		cancel()
		if err == nil || ctx.Err() != nil || !passing(err) {
			return err
		}
		select {
		case <-time.After(firstPause):
		case <-ctx.Done():
		}
	}
}

// lastOn returns the newest record on a subject, nil if there is none.
func (c *Cluster) lastOn(ctx context.Context, subject string) (*jetstream.RawStreamMsg, error) {
	m, err := c.stream.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil
	}
	return m, err
}

// Append writes a record, and returns its sequence once it is durable. It tries until it knows
// whether the record is there: an answer that was lost must neither lose nor repeat it. id is new
// with each call (newID). The error is ErrFenced, or says why the servers refuse the record: then
// it has not been written.
func (w *Writer) Append(record []byte, id string) (uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.append(w.ctx, record, id)
}

func (w *Writer) append(ctx context.Context, record []byte, id string) (sequence uint64, err error) {
	c := w.cluster
	m := nats.NewMsg(w.subject)
	m.Data = record
	m.Header.Set(formatHeader, format)
	m.Header.Set(termHeader, strconv.FormatUint(w.term, 10))
	m.Header.Set(nodeHeader, c.cfg.Node)
	troubled := false
	tell := func(err error) {
		if w.trouble != nil && (err != nil || troubled) {
			troubled = err != nil
			w.trouble(err)
		}
	}
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		try, cancel := context.WithTimeout(ctx, tryTimeout)
		ack, err := c.js.PublishMsg(try, m, jetstream.WithMsgID(id), jetstream.WithExpectLastSequencePerSubject(w.last), jetstream.WithRetryAttempts(0))
		if err == nil {
			cancel()
			tell(nil)
			w.last = ack.Sequence
			return ack.Sequence, nil
		}
		if errors.Is(err, nats.ErrMaxPayload) {
			cancel()
			return 0, fmt.Errorf("cluster: a record of %d bytes, and the servers take %d: want a larger max_payload in their configuration: %w", len(record), c.nc.MaxPayload(), run.ErrPermanent)
		}
		var api *jetstream.APIError
		refused := errors.As(err, &api)
		// It may be there all the same: from a try before, or with an answer that was lost.
		last, look := c.lastOn(try, w.subject)
		cancel()
		switch {
		case look != nil:
		case last != nil && last.Header.Get(nats.MsgIdHdr) == id:
			tell(nil)
			w.last = last.Sequence
			return last.Sequence, nil
		case last != nil && last.Sequence != w.last, last == nil && w.last != 0:
			return 0, ErrFenced
		case refused && !wrongSequence(err) && api.Code != 503:
			return 0, refusedWords(api)
		}
		tell(err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// refusedWords says why the servers take no record.
func refusedWords(api *jetstream.APIError) error {
	return fmt.Errorf("cluster: the servers do not take the record: %s (code %d): %w", api.Description, api.ErrorCode, store.ErrFull)
}

// appendShared writes a record of no task, once though it is tried again.
func (c *Cluster) appendShared(record []byte, id string) error {
	m := nats.NewMsg(c.subject(shared))
	m.Data = record
	m.Header.Set(formatHeader, format)
	m.Header.Set(nodeHeader, c.cfg.Node)
	var err error
	for range 3 {
		ctx, cancel := context.WithTimeout(context.Background(), tryTimeout)
		_, err = c.js.PublishMsg(ctx, m, jetstream.WithMsgID(id), jetstream.WithRetryAttempts(0)) // the same record twice counts once
		cancel()
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("cluster: %w", err)
}
