// Package hubtest has a participant for tests of the hub and of whole
// coordinators, and for the hostile suite: it trains nothing, and sends whatever it
// is told to. Breaches and Lies are what tests of the hub, in virtual time, and the
// hostile suite, over real sockets, have in common.
package hubtest

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"time"

	"fedtab/compress"
	"fedtab/protocol"

	"github.com/gorilla/websocket"
)

// Patience bounds everything that a Peer waits for.
const Patience = 30 * time.Second

// Hello returns the first message of a participant in a task.
func Hello(task string) *protocol.Hello {
	return &protocol.Hello{
		Protocol: protocol.Version, Task: task, Client: "test", TabState: protocol.TabVisible,
		Codecs: []protocol.Codec{protocol.CodecFloat32},
	}
}

// T is what a Peer reports to: a testing.TB, or a case of the hostile suite.
type T interface {
	Helper()
	Context() context.Context
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// Peer is one socket.
type Peer struct {
	T       T
	Conn    *websocket.Conn
	Welcome *protocol.Welcome // nil before Join
	body    protocol.Assembler
}

// Connect opens a socket and sends nothing. A nil dialer is websocket's own.
func Connect(t T, dialer *websocket.Dialer, url string) *Peer {
	t.Helper()
	if dialer == nil {
		dialer = websocket.DefaultDialer
	}
	conn, _, err := dialer.DialContext(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &Peer{T: t, Conn: conn}
}

// Join sends a hello and waits for the welcome.
func (p *Peer) Join(h *protocol.Hello) *Peer {
	p.T.Helper()
	p.Send(h)
	p.Welcome = Await[*protocol.Welcome](p)
	return p
}

// Frame sends bytes as they are in one binary message.
func (p *Peer) Frame(b []byte) {
	p.T.Helper()
	if err := p.Conn.WriteMessage(websocket.BinaryMessage, b); err != nil {
		p.T.Fatal(err)
	}
}

// Send sends a message.
func (p *Peer) Send(m protocol.Message) {
	p.T.Helper()
	for _, f := range protocol.AppendFrames(nil, m) {
		p.Frame(f)
	}
}

// Raw writes bytes to the connection below the WebSocket.
func (p *Peer) Raw(b []byte) error {
	_, err := p.Conn.NetConn().Write(b)
	return err
}

// Read returns the next complete message.
func (p *Peer) Read() (protocol.Message, error) {
	for {
		p.Conn.SetReadDeadline(time.Now().Add(Patience))
		_, frame, err := p.Conn.ReadMessage()
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

// Await drops messages until one is of type M.
func Await[M protocol.Message](p *Peer) M {
	p.T.Helper()
	for {
		m, err := p.Read()
		if err != nil {
			var want M
			p.T.Fatalf("waiting for %T: %v", want, err)
		}
		if m, ok := m.(M); ok {
			return m
		}
	}
}

// Closed returns the code with which the coordinator closes the socket, and the
// text that it gives.
func (p *Peer) Closed() (protocol.CloseCode, string) {
	p.T.Helper()
	var bye protocol.Bye
	for {
		m, err := p.Read()
		if b, ok := m.(*protocol.Bye); ok {
			bye = *b
		}
		var ce *websocket.CloseError
		switch {
		case err == nil:
			continue
		case !errors.As(err, &ce):
			p.T.Fatalf("waiting for a close frame: %v", err)
		case bye.Code != 0 && int(bye.Code) != ce.Code:
			p.T.Errorf("the bye says %v and the close frame %d", bye.Code, ce.Code)
		}
		return protocol.CloseCode(ce.Code), bye.Detail
	}
}

// Contribution answers an order with a delta of zeros.
func (p *Peer) Contribution(o *protocol.Order) *protocol.Contribution {
	return Contribution(o, make([]float32, p.Welcome.Parameters))
}

// Contribution answers an order with a delta.
func Contribution(o *protocol.Order, delta []float32) *protocol.Contribution {
	return &protocol.Contribution{
		Transfer: o.Order, Order: o.Order, Round: o.Round, Weight: 10,
		Vectors: []protocol.Vector{{Role: protocol.RoleDelta, BaseHash: o.BaseHash, Block: compress.AppendFloat32(nil, delta)}},
	}
}

// SetValue changes a value of a contribution's delta.
func SetValue(c *protocol.Contribution, i int, x float32) {
	binary.LittleEndian.PutUint32(c.Vectors[0].Block[4*i:], math.Float32bits(x))
}

// Obey answers every order, after a pause, until ctx ends or the socket is closed,
// and returns how many contributions were accepted.
func (p *Peer) Obey(ctx context.Context, pause time.Duration) (accepted int, err error) {
	stop := context.AfterFunc(ctx, func() { p.Conn.Close() })
	defer stop()
	for {
		m, err := p.Read()
		if err != nil {
			if ctx.Err() != nil {
				err = nil
			}
			return accepted, err
		}
		switch m := m.(type) {
		case *protocol.Order:
			time.Sleep(pause)
			for _, f := range protocol.AppendFrames(nil, p.Contribution(m)) {
				if p.Conn.WriteMessage(websocket.BinaryMessage, f) != nil {
					break // reading says why
				}
			}
		case *protocol.Ack:
			switch m.Reason {
			case protocol.ReasonAccepted:
				accepted++
			case protocol.ReasonLate, protocol.ReasonAbandoned:
			default:
				return accepted, errors.New(m.Reason.String() + ": " + m.Detail)
			}
		}
	}
}

// AcceptedSoon answers orders until a contribution is accepted.
func (p *Peer) AcceptedSoon() {
	p.T.Helper()
	for {
		o := Await[*protocol.Order](p)
		p.Send(p.Contribution(o))
		switch a := Await[*protocol.Ack](p); {
		case a.Reason == protocol.ReasonAccepted:
			return
		case a.Reason != protocol.ReasonLate && a.Reason != protocol.ReasonAbandoned:
			p.T.Fatalf("a good contribution is answered with %v (%s)", a.Reason, a.Detail)
		}
	}
}
