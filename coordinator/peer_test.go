package main

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"fedtab/compress"
	"fedtab/protocol"

	"github.com/gorilla/websocket"
)

// peer is a participant that does what a test tells it: it trains nothing and
// can send anything.
type peer struct {
	t       testing.TB
	conn    *websocket.Conn
	welcome *protocol.Welcome
	body    protocol.Assembler
}

var hello = protocol.Hello{
	Protocol: protocol.Version, Task: "small", Client: "test", TabState: protocol.TabVisible,
	Codecs: []protocol.Codec{protocol.CodecFloat32},
}

// patience bounds everything that a test waits for.
const patience = 5 * time.Minute

// connect opens a socket and says nothing.
func connect(t testing.TB, url string) *peer {
	t.Helper()
	conn, _, err := websocket.DefaultDialer.DialContext(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &peer{t: t, conn: conn}
}

// join opens a socket and waits for the welcome.
func join(t testing.TB, url string) *peer {
	t.Helper()
	p := connect(t, url)
	p.send(&hello)
	p.welcome = await[*protocol.Welcome](p)
	return p
}

// frame sends bytes as they are.
func (p *peer) frame(b []byte) {
	p.t.Helper()
	if err := p.conn.WriteMessage(websocket.BinaryMessage, b); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) send(m protocol.Message) {
	p.t.Helper()
	for _, f := range protocol.AppendFrames(nil, m) {
		p.frame(f)
	}
}

// read returns the next complete message.
func (p *peer) read() (protocol.Message, error) {
	for {
		p.conn.SetReadDeadline(time.Now().Add(patience))
		_, frame, err := p.conn.ReadMessage()
		if err != nil {
			return nil, err
		}
		m, err := protocol.Decode(frame)
		if err != nil {
			return nil, err
		}
		if c, ok := m.(*protocol.Chunk); ok {
			if m, err = p.body.Add(c); m == nil && err == nil {
				continue
			}
		} else if protocol.Announced(m) > 0 {
			if err = p.body.Start(m, protocol.MaxBlock, nil); err == nil {
				continue
			}
		}
		return m, err
	}
}

// await drops messages until one is of type M.
func await[M protocol.Message](p *peer) M {
	p.t.Helper()
	for {
		m, err := p.read()
		if err != nil {
			var want M
			p.t.Fatalf("waiting for %T: %v", want, err)
		}
		if m, ok := m.(M); ok {
			return m
		}
	}
}

// closed returns the code with which the coordinator closes the socket.
func (p *peer) closed() protocol.CloseCode {
	p.t.Helper()
	var bye *protocol.Bye
	for {
		m, err := p.read()
		if b, ok := m.(*protocol.Bye); ok {
			bye = b
		}
		var ce *websocket.CloseError
		switch {
		case err == nil:
		case errors.As(err, &ce) && bye != nil && int(bye.Code) != ce.Code:
			p.t.Errorf("the bye says %v and the close frame %d", bye.Code, ce.Code)
			return bye.Code
		case errors.As(err, &ce):
			return protocol.CloseCode(ce.Code)
		default:
			p.t.Fatalf("waiting for a close frame: %v", err)
		}
	}
}

// contribution answers an order with a delta of zeros.
func (p *peer) contribution(o *protocol.Order) *protocol.Contribution {
	return contribution(o, make([]float32, p.welcome.Parameters))
}

func contribution(o *protocol.Order, delta []float32) *protocol.Contribution {
	return &protocol.Contribution{
		Transfer: o.Order, Order: o.Order, Round: o.Round, Weight: 10,
		Vectors: []protocol.Vector{{Role: protocol.RoleDelta, BaseHash: o.BaseHash, Block: compress.AppendFloat32(nil, delta)}},
	}
}

// obey answers every order at once until ctx ends or the socket is closed, and
// returns how many contributions were accepted.
func (p *peer) obey(ctx context.Context) (accepted int, err error) {
	stop := context.AfterFunc(ctx, func() { p.conn.Close() })
	defer stop()
	for {
		m, err := p.read()
		if err != nil {
			if ctx.Err() != nil {
				err = nil
			}
			return accepted, err
		}
		switch m := m.(type) {
		case *protocol.Order:
			for _, f := range protocol.AppendFrames(nil, p.contribution(m)) {
				if p.conn.WriteMessage(websocket.BinaryMessage, f) != nil {
					break // reading says why
				}
			}
		case *protocol.Ack:
			if m.Reason != protocol.ReasonAccepted && m.Reason != protocol.ReasonLate && m.Reason != protocol.ReasonAbandoned {
				return accepted, errors.New(m.Reason.String())
			}
			accepted++
		}
	}
}

// dialFrom opens a socket through a proxy that speaks for an address.
func dialFrom(t testing.TB, url, address string) (*websocket.Conn, *http.Response, error) {
	return websocket.DefaultDialer.DialContext(t.Context(), url, http.Header{"X-Forwarded-For": {"spoofed, " + address}})
}
