// Package swarm runs native participants: the client of the tab over a socket of
// gorilla/websocket. A swarm of them is for tests and for load measurements; an Owner is
// one with data of its own.
package swarm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"fedtab/client"
	"fedtab/learn/data"
	"fedtab/privacy/secagg/native"
	"fedtab/protocol"
	"fedtab/simulation/adversary"

	"github.com/gorilla/websocket"
)

// Participant is one native participant.
type Participant struct {
	URL    string // of the WebSocket, ws://HOST:PORT/ws
	Task   string
	Client *client.Client    // nil makes one
	Member *adversary.Member // nil: no adversary, and none watches it

	Local net.IP // address to connect from; nil leaves it to the system

	// Leave has the participant say that it leaves when Run's ctx ends: it can not come
	// back. Without it, it loses its socket.
	Leave bool

	// Edit changes a contribution before it is sent, if set.
	Edit func(*protocol.Contribution)

	// EditSecure does the same with a message of secure aggregation.
	EditSecure func(*protocol.Secure)

	// OnMessage sees every complete message in both directions, if set.
	OnMessage func(m protocol.Message, sent bool)

	// OnWait is told of an answer that puts a fetch of examples off, if set. It is
	// called from another goroutine than Run's.
	OnWait func(*Refusal)

	conn      *websocket.Conn
	http      *http.Client
	shards    <-chan fetched // that are being fetched; nil: none
	stopFetch context.CancelFunc
	workspace *client.Workspace
	body      protocol.Assembler
	buf       []byte
}

// Secure returns the secure aggregation of a native client. It keeps its history as long as
// it runs: another process is another participant, but for members (coordinator client).
func Secure() *client.Secure { return &client.Secure{Primitives: native.Primitives{}} }

// sliceSteps is the number of mini-batches in a slice of training: a few
// milliseconds.
const sliceSteps = 50

// leaveTimeout bounds how long a participant that leaves waits for the coordinator.
const leaveTimeout = 3 * time.Second

// writeBuffers are shared by all participants of a process.
var writeBuffers sync.Pool

// shardLimit is the max size of an unpacked shard, in bytes.
const shardLimit = 64 << 20

// Run takes part over one socket until the coordinator closes it or ctx ends. The
// error is a *protocol.CloseError if the coordinator closed it.
func (p *Participant) Run(ctx context.Context) error {
	if p.Client == nil {
		p.Client = client.New(client.Config{Name: "fedtab-swarm", Task: p.Task, Secure: Secure()})
	}
	dialer := websocket.Dialer{
		HandshakeTimeout: protocol.HelloTimeout,
		// A smaller buffer would fragment messages.
		WriteBufferSize: protocol.MaxFrame + 14, WriteBufferPool: &writeBuffers,
	}
	p.http = http.DefaultClient
	if p.Local != nil {
		dialer.NetDialContext = (&net.Dialer{LocalAddr: &net.TCPAddr{IP: p.Local}}).DialContext
		transport := &http.Transport{DialContext: dialer.NetDialContext}
		defer transport.CloseIdleConnections()
		p.http = &http.Client{Transport: transport}
	}
	conn, err := Dial(ctx, &dialer, p.URL)
	if err != nil {
		return err
	}
	p.conn = conn
	p.body.Reset()
	p.shards, p.stopFetch = nil, func() {}
	defer func() { p.stopFetch() }()
	defer conn.Close()
	if !p.Leave {
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		defer stop()
	}
	if p.Member != nil {
		defer p.Member.Left()
	}
	if err := p.send([]protocol.Message{p.Client.Hello()}); err != nil {
		return err
	}
	messages := make(chan protocol.Message)
	lost := make(chan error, 1)
	done := make(chan struct{})
	defer close(done)
	go func() { lost <- p.read(messages, done) }()
	for {
		if p.shards != nil || !p.Client.Ready() {
			select {
			case m := <-messages:
				err = p.receive(ctx, m)
			case f, more := <-p.shards:
				if err = p.fetched(f); !more {
					p.shards = nil
				}
			case err = <-lost:
			case <-ctx.Done():
				return p.end(ctx, messages, lost)
			}
		} else {
			select { // messages have priority over training
			case m := <-messages:
				err = p.receive(ctx, m)
			case err = <-lost:
			case <-ctx.Done():
				return p.end(ctx, messages, lost)
			default:
				if p.workspace == nil {
					p.workspace = p.Client.NewWorkspace()
				}
				err = p.send(p.Client.Work(p.workspace, sliceSteps))
			}
		}
		if err != nil {
			return err
		}
	}
}

// end returns why ctx has ended. If the participant is to leave, it says so before, and
// waits until the coordinator has closed the socket: what is sent may be lost otherwise.
func (p *Participant) end(ctx context.Context, messages <-chan protocol.Message, lost <-chan error) error {
	if p.Leave && p.send([]protocol.Message{&protocol.Bye{Code: protocol.CloseNormal, Detail: "the participant left"}}) == nil {
		late := time.NewTimer(leaveTimeout)
		defer late.Stop()
		for {
			select {
			case <-messages:
				continue
			case <-lost:
			case <-late.C:
			}
			break
		}
	}
	return ctx.Err()
}

// read forwards complete messages until the socket closes.
func (p *Participant) read(messages chan<- protocol.Message, done <-chan struct{}) error {
	var bye *protocol.Bye
	for {
		_, frame, err := p.conn.ReadMessage()
		if err != nil {
			var ce *websocket.CloseError
			switch {
			case bye != nil:
				return &protocol.CloseError{Code: bye.Code, Detail: bye.Detail}
			case errors.As(err, &ce):
				return &protocol.CloseError{Code: protocol.CloseCode(ce.Code), Detail: ce.Text}
			}
			return fmt.Errorf("swarm: %w", err)
		}
		m, err := protocol.Decode(frame)
		if err != nil {
			return err
		}
		if c, ok := m.(*protocol.Chunk); ok {
			if m, err = p.body.Add(c); err != nil {
				return err
			}
			if m == nil {
				continue
			}
		} else if protocol.Announced(m) > 0 {
			if err := p.body.Start(m, 2*protocol.MaxBlock, nil); err != nil { // of our own coordinator
				return err
			}
			continue
		}
		if b, ok := m.(*protocol.Bye); ok {
			bye = b
		}
		select {
		case messages <- m:
		case <-done:
			return nil
		}
	}
}

func (p *Participant) receive(ctx context.Context, m protocol.Message) error {
	if p.OnMessage != nil {
		p.OnMessage(m, false)
	}
	if p.Member != nil {
		if o, ok := m.(*protocol.Order); ok {
			p.Member.Ordered(o)
		}
		if out, taken := p.Member.Receive(m); taken {
			return p.send(out)
		}
	}
	out, err := p.Client.Receive(m)
	if err != nil {
		return err
	}
	if err := p.send(append(out, p.Client.Exchange()...)); err != nil {
		return err
	}
	if s, ok := m.(*protocol.Shards); ok {
		p.fetch(ctx, s.Source, p.Client.Missing())
	}
	return nil
}

// fetched is a shard that has arrived; its zero value is none.
type fetched struct {
	number uint32
	set    *data.Set
	err    error
}

// fetch begins to fetch shards, one after the other, in place of those that are being
// fetched. Messages are read meanwhile: a wait must not cost the session.
func (p *Participant) fetch(ctx context.Context, source string, numbers []uint32) {
	p.stopFetch()
	ctx, p.stopFetch = context.WithCancel(ctx)
	shards := make(chan fetched)
	p.shards = shards
	go func() {
		defer close(shards)
		for _, n := range numbers {
			set, err := p.shard(ctx, source, n)
			select {
			case shards <- fetched{n, set, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
}

// fetched adds a shard to the client's.
func (p *Participant) fetched(f fetched) (err error) {
	if f.set == nil {
		return f.err
	}
	if p.Member != nil {
		if f.set, err = p.Member.Set(f.set); err != nil {
			return err
		}
	}
	return p.Client.AddShard(f.number, f.set)
}

// shard fetches a shard. An answer with Retry-After is waited for.
func (p *Participant) shard(ctx context.Context, source string, n uint32) (*data.Set, error) {
	u, err := shardURL(p.URL, source, n)
	if err != nil {
		return nil, err
	}
	for {
		set, err := p.get(ctx, u)
		var refused *Refusal
		if !errors.As(err, &refused) || refused.Retry == 0 {
			return set, err
		}
		if p.OnWait != nil {
			p.OnWait(refused)
		}
		if pause(ctx, refused.Retry); ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}

func (p *Participant) get(ctx context.Context, u string) (*data.Set, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, err
	}
	response, err := p.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("swarm: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, Refused(request.URL.String(), response)
	}
	b, err := io.ReadAll(io.LimitReader(response.Body, shardLimit))
	if err != nil {
		return nil, fmt.Errorf("swarm: %s: %w", u, err)
	}
	return data.ReadShard(bytes.NewReader(b), shardLimit)
}

func (p *Participant) send(out []protocol.Message) error {
	for _, m := range out {
		if c, ok := m.(*protocol.Contribution); ok && p.Edit != nil {
			edited := *c // the client keeps its own
			edited.Vectors = slices.Clone(c.Vectors)
			p.Edit(&edited)
			m = &edited
		}
		if s, ok := m.(*protocol.Secure); ok && p.EditSecure != nil {
			edited := *s
			edited.Vectors = slices.Clone(s.Vectors)
			p.EditSecure(&edited)
			m = &edited
		}
		if c, ok := m.(*protocol.Contribution); ok && p.Member != nil && c.Vectors[0].Kind != protocol.PayloadMasked {
			m = p.Member.Lie(c)
		}
		if p.OnMessage != nil {
			p.OnMessage(m, true)
		}
		if p.buf == nil {
			p.buf = make([]byte, 0, protocol.MaxFrame)
		}
		p.conn.SetWriteDeadline(time.Now().Add(protocol.WriteTimeout))
		for f := range protocol.Frames(m, p.buf) {
			if err := p.conn.WriteMessage(websocket.BinaryMessage, f); err != nil {
				return fmt.Errorf("swarm: %w", err)
			}
		}
		if p.Member != nil {
			p.Member.Answered(m)
		}
	}
	return nil
}
