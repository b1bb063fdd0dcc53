// Package stream makes ordered streams of bytes between two nodes out of plain NATS messages,
// which come once at most: messages are numbered, a gap ends the stream, and so does silence. A
// writer is held up by a reader that does not keep pace.
package stream

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	piece  = 256 << 10       // bytes of a message at most: the server's limit is 1 MiB unless it is set
	window = 16 << 20        // bytes that a writer is ahead of the reader's acknowledgement, at most
	beat   = time.Second     // between two messages, at most
	silent = 6 * time.Second // without a message, after which the other side counts as lost
	opens  = 2 * time.Second // that Dial waits for an answer
)

// The kinds of message, each with the sender's number of messages of data, and, of an
// acknowledgement, of bytes that were read.
const (
	kindData byte = iota
	kindAck
	kindEnd
)

// head is the length of a message before its data.
const head = 1 + 8

var (
	errGap    = errors.New("stream: a message was lost")
	errSilent = fmt.Errorf("stream: nothing has come for %v", silent)
	errClosed = errors.New("stream: closed")
)

// Stream is one end of a stream. Read and Write may be called by one goroutine each.
type Stream struct {
	nc   *nats.Conn
	to   string // subject that it writes to
	sub  *nats.Subscription
	done chan struct{}

	mu       sync.Mutex
	changed  *sync.Cond
	in       [][]byte // received and not read
	received uint64   // messages of data
	consumed uint64   // bytes read
	told     uint64   // of these, acknowledged
	sent     uint64   // messages of data
	written  uint64   // bytes
	acked    uint64   // of these, read by the other side
	heard    time.Time
	err      error
}

func newStream(nc *nats.Conn, to string) *Stream {
	s := &Stream{nc: nc, to: to, done: make(chan struct{}), heard: time.Now()}
	s.changed = sync.NewCond(&s.mu)
	return s
}

// listen subscribes to what the other side writes.
func (s *Stream) listen(subject string) error {
	sub, err := s.nc.Subscribe(subject, s.take)
	if err != nil {
		return err
	}
	sub.SetPendingLimits(-1, -1) // the window bounds it
	s.sub = sub
	go s.beats()
	return nil
}

// message returns a message without data.
func message(kind byte, n uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{kind}, n)
}

// take takes a message of the other side.
func (s *Stream) take(m *nats.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(m.Data) < head || s.err != nil {
		return
	}
	n, data := binary.BigEndian.Uint64(m.Data[1:]), m.Data[head:]
	s.heard = time.Now()
	switch m.Data[0] {
	case kindData:
		if n != s.received {
			s.fail(errGap)
			return
		}
		s.received++
		s.in = append(s.in, data)
	case kindAck:
		if len(data) != 8 || n < s.received {
			return
		}
		if n > s.received {
			s.fail(errGap)
			return
		}
		s.acked = max(s.acked, binary.BigEndian.Uint64(data))
	case kindEnd:
		if n != s.received {
			s.fail(errGap)
			return
		}
		s.fail(io.EOF)
		return
	}
	s.changed.Broadcast()
}

// fail ends the stream; s.mu is held. What has been received can still be read after io.EOF.
func (s *Stream) fail(err error) {
	if s.err == nil {
		s.err = err
		if err != io.EOF && s.to != "" {
			s.nc.Publish(s.to, message(kindEnd, s.sent)) // the other side need not wait for silence
		}
		close(s.done)
		s.changed.Broadcast()
		if s.sub != nil {
			go s.sub.Unsubscribe()
		}
	}
}

// beats tells the other side how far this one has read, and that it lives.
func (s *Stream) beats() {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.mu.Lock()
			if time.Since(s.heard) > silent {
				s.fail(errSilent)
			}
			s.acknowledge()
			s.mu.Unlock()
		case <-s.done:
			return
		}
	}
}

// acknowledge sends what was read; s.mu is held.
func (s *Stream) acknowledge() {
	if s.err != nil {
		return
	}
	s.told = s.consumed
	if err := s.nc.Publish(s.to, binary.BigEndian.AppendUint64(message(kindAck, s.sent), s.consumed)); err != nil {
		s.fail(fmt.Errorf("stream: %w", err))
	}
}

// Read implements io.Reader.
func (s *Stream) Read(b []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.in) == 0 {
		if s.err != nil {
			return 0, s.err
		}
		s.changed.Wait()
	}
	for n < len(b) && len(s.in) > 0 {
		m := copy(b[n:], s.in[0])
		n += m
		if s.in[0] = s.in[0][m:]; len(s.in[0]) == 0 {
			s.in = s.in[1:]
		}
	}
	if s.consumed += uint64(n); s.consumed-s.told > window/4 {
		s.acknowledge()
	}
	return n, nil
}

// Write implements io.Writer. It waits while the other side is a window behind.
func (s *Stream) Write(b []byte) (n int, err error) {
	for len(b) > 0 {
		part := b[:min(len(b), piece)]
		s.mu.Lock()
		for s.err == nil && s.written-s.acked > window {
			s.changed.Wait()
		}
		if s.err != nil {
			err := s.err
			s.mu.Unlock()
			if err == io.EOF {
				err = errClosed
			}
			return n, err
		}
		// The number and the message go out together: an acknowledgement must not overtake data.
		err := s.nc.Publish(s.to, append(message(kindData, s.sent), part...))
		if err != nil {
			s.fail(fmt.Errorf("stream: %w", err))
			s.mu.Unlock()
			return n, err
		}
		s.sent++
		s.written += uint64(len(part))
		s.mu.Unlock()
		b, n = b[len(part):], n+len(part)
	}
	return n, nil
}

// Close tells the other side that nothing more comes, and ends the stream.
func (s *Stream) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.fail(errClosed)
		s.nc.Flush()
	}
	return nil
}

// Listener accepts streams on a subject.
type Listener struct {
	nc      *nats.Conn
	subject string
	sub     *nats.Subscription
}

// Listen accepts streams that are dialled on a subject, until Close: accept gets each, with the
// name of who dials. It must return soon.
func Listen(nc *nats.Conn, subject string, accept func(s *Stream, name string)) (*Listener, error) {
	l := &Listener{nc: nc, subject: subject}
	sub, err := nc.Subscribe(subject, func(m *nats.Msg) {
		back := m.Header.Get("Stream")
		if back == "" || m.Reply == "" {
			return
		}
		mine := nats.NewInbox()
		s := newStream(nc, back)
		if err := s.listen(mine); err != nil {
			return
		}
		if err := m.Respond([]byte(mine)); err != nil {
			s.Close()
			return
		}
		accept(s, string(m.Data))
	})
	if err != nil {
		return nil, fmt.Errorf("stream: listen on %s: %w", subject, err)
	}
	l.sub = sub
	return l, nc.Flush()
}

// Close accepts no more streams.
func (l *Listener) Close() error { return l.sub.Unsubscribe() }

// Dial opens a stream to who listens on a subject, under a name.
func Dial(ctx context.Context, nc *nats.Conn, subject, name string) (*Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, opens)
	defer cancel()
	mine := nats.NewInbox()
	s := newStream(nc, "")
	if err := s.listen(mine); err != nil {
		return nil, fmt.Errorf("stream: %w", err)
	}
	s.mu.Lock() // until it is known where to write to, nothing is
	defer s.mu.Unlock()
	m := nats.NewMsg(subject)
	m.Header.Set("Stream", mine)
	m.Data = []byte(name)
	answer, err := nc.RequestMsgWithContext(ctx, m)
	if err != nil {
		s.fail(errClosed)
		return nil, fmt.Errorf("stream: nobody answers on %s: %w", subject, err)
	}
	s.to, s.heard = string(answer.Data), time.Now()
	return s, nil
}
