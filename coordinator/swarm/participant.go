// Package swarm runs native participants: the client of the tab over a socket of
// gorilla/websocket. It is for tests and for load measurements.
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
	"fedtab/coordinator/adversary"
	"fedtab/learn/data"
	"fedtab/protocol"

	"github.com/gorilla/websocket"
)

// Participant is one native participant.
type Participant struct {
	URL    string // of the WebSocket, ws://HOST:PORT/ws
	Task   string
	Client *client.Client    // nil makes one
	Member *adversary.Member // nil: no adversary, and none watches it

	Local net.IP // address to connect from; nil leaves it to the system

	// Edit changes a contribution before it is sent, if set.
	Edit func(*protocol.Contribution)

	// OnMessage sees every complete message in both directions, if set.
	OnMessage func(m protocol.Message, sent bool)

	conn      *websocket.Conn
	http      *http.Client
	workspace *client.Workspace
	body      protocol.Assembler
	buf       []byte
}

// sliceSteps is the number of mini-batches in a slice of training: a few
// milliseconds.
const sliceSteps = 50

// writeBuffers are shared by all participants of a process.
var writeBuffers sync.Pool

// shardLimit is the max size of an unpacked shard, in bytes.
const shardLimit = 64 << 20

// Run takes part over one socket until the coordinator closes it or ctx ends. The
// error is a *protocol.CloseError if the coordinator closed it.
func (p *Participant) Run(ctx context.Context) error {
	if p.Client == nil {
		p.Client = client.New(client.Config{Name: "fedtab-swarm", Task: p.Task})
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
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
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
		if !p.Client.Ready() {
			select {
			case m := <-messages:
				err = p.receive(ctx, m)
			case err = <-lost:
			case <-ctx.Done():
				return ctx.Err()
			}
		} else {
			select { // messages have priority over training
			case m := <-messages:
				err = p.receive(ctx, m)
			case err = <-lost:
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
	if err := p.send(out); err != nil {
		return err
	}
	if s, ok := m.(*protocol.Shards); ok {
		for _, n := range p.Client.Missing() {
			set, err := p.shard(ctx, s.Source, n)
			if err != nil {
				return err
			}
			if p.Member != nil {
				if set, err = p.Member.Set(set); err != nil {
					return err
				}
			}
			if err := p.Client.AddShard(n, set); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *Participant) shard(ctx context.Context, source string, n uint32) (*data.Set, error) {
	u, err := shardURL(p.URL, source, n)
	if err != nil {
		return nil, err
	}
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
		if c, ok := m.(*protocol.Contribution); ok && p.Member != nil {
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
