package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"testing"

	"fedtab/coordinator/hub/hubtest"
	"fedtab/coordinator/swarm"
	"fedtab/protocol"
	"fedtab/run"
)

// proxy stands between participants and a coordinator, and keeps every byte of
// every connection.
type proxy struct {
	net.Listener
	to    string
	mu    sync.Mutex
	conns []*proxied
}

type proxied struct {
	up, down way
}

// way is what has gone one way.
type way struct {
	mu    sync.Mutex
	bytes []byte
	ended bool
}

// pass copies until from has ended. What the reader no longer takes counts all the
// same.
func (w *way) pass(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		w.mu.Lock()
		w.bytes = append(w.bytes, buf[:n]...)
		w.ended = err != nil
		w.mu.Unlock()
		to.Write(buf[:n])
		if err != nil {
			to.(*net.TCPConn).CloseWrite()
			return
		}
	}
}

// socket says whether a WebSocket went this way, and whether it has ended.
func (w *way) socket() (socket, ended bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return bytes.HasPrefix(w.bytes, []byte("GET /ws ")), w.ended
}

// sockets returns the connections that were WebSockets, and whether all have ended.
func (p *proxy) sockets() (all []*proxied, ended bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ended = true
	for _, c := range p.conns {
		if socket, up := c.up.socket(); socket { // others fetch shards
			_, down := c.down.socket()
			ended = ended && up && down
			all = append(all, c)
		}
	}
	return all, ended
}

func newProxy(t *testing.T, to string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{Listener: l, to: to}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				t.Error(err)
				return
			}
			c := &proxied{}
			p.mu.Lock()
			p.conns = append(p.conns, c)
			p.mu.Unlock()
			go c.up.pass(server, client)
			go c.down.pass(client, server)
		}
	}()
	return p
}

// dataBytes returns the bytes of the data frames in what went one way, with
// headers and masks, after the HTTP handshake. It is written from RFC 6455.
func dataBytes(t *testing.T, stream []byte) (n int64) {
	t.Helper()
	_, rest, ok := bytes.Cut(stream, []byte("\r\n\r\n"))
	if !ok {
		t.Fatalf("no handshake in %q", stream)
	}
	for len(rest) > 0 {
		frame, size := 2, uint64(rest[1]&0x7f)
		switch size {
		case 126:
			frame, size = 4, uint64(binary.BigEndian.Uint16(rest[2:]))
		case 127:
			frame, size = 10, binary.BigEndian.Uint64(rest[2:])
		}
		if rest[1]>>7 == 1 {
			frame += 4
		}
		whole := min(uint64(frame)+size, uint64(len(rest))) // the last frame may be cut off
		if rest[0]&0x0f < 8 {
			n += int64(whole)
		}
		rest = rest[whole:]
	}
	return n
}

// TestServeCountsBytes compares the ledger with what a TCP proxy has seen, to the
// byte: of participants who join, learn, leave, lose their socket, break off in a
// body, send a refused frame, send in fragments and are told of the end. A restart
// changes nothing.
func TestServeCountsBytes(t *testing.T) {
	dir, file := t.TempDir(), smallTask(t, "min_clients: 3", "min_clients: 3, min_reports: 1, deadline: 1m", "batch: 50", "batch: 500")
	s := serveTest(t, Config{Data: dir, Tasks: []string{file}})
	p := newProxy(t, s.Addr())
	url := "ws://" + p.Addr().String() + "/ws"
	join := func() *hubtest.Peer { return hubtest.Connect(t, nil, url).Join(hubtest.Hello("small")) }

	leaves := join()
	leaves.Send(&protocol.Bye{Code: protocol.CloseNormal})
	leaves.Closed()
	refused := join()
	refused.Frame([]byte("\xff\xff\xff\xff garbage"))
	refused.Closed()
	huge := join()
	huge.Raw(binary.BigEndian.AppendUint64([]byte{0x82, 0xff}, 1<<62))
	huge.Raw(make([]byte, 100))
	huge.Closed()
	pieces := join() // an unknown kind in three fragments, which costs two headers more
	for _, piece := range []string{"\x02\x81\x00\x00\x00\x00\xfa", "\x00\x81\x00\x00\x00\x00\x3e", "\x80\x81\x00\x00\x00\x00\x00"} {
		pieces.Raw([]byte(piece))
	}
	hubtest.Await[*protocol.Ack](pieces)
	pieces.Send(&protocol.Bye{Code: protocol.CloseNormal})
	pieces.Closed()
	lost := join()
	lost.Conn.NetConn().(*net.TCPConn).SetLinger(0)
	lost.Conn.NetConn().Close() // a reset
	stranger := hubtest.Connect(t, nil, "ws://"+s.Addr()+"/ws")
	stranger.Frame([]byte("no hello")) // not a participant, and not in the ledger
	stranger.Closed()

	breaks := join()
	var wait sync.WaitGroup
	for range 3 {
		wait.Go(func() {
			err := (&swarm.Participant{URL: url, Task: "small"}).Run(t.Context())
			var ce *protocol.CloseError
			if !errors.As(err, &ce) || ce.Code != protocol.CloseFinished {
				t.Errorf("a participant ended with %v, want %v", err, protocol.CloseFinished)
			}
		})
	}
	o := hubtest.Await[*protocol.Order](breaks)
	frames := protocol.AppendFrames(nil, breaks.Contribution(o))
	breaks.Frame(frames[0])
	breaks.Frame(frames[1])
	breaks.Conn.NetConn().Close()
	wait.Wait()
	for _, peer := range []*hubtest.Peer{leaves, refused, huge, pieces} {
		peer.Conn.Close() // closed by the coordinator before
	}
	waitFor(t, "the sessions to end", func() bool {
		_, ended := p.sockets()
		return ended && s.hub.Sessions() == 0
	})

	sockets, _ := p.sockets()
	if len(sockets) != 9 {
		t.Errorf("the proxy has seen %d sockets, want 9", len(sockets))
	}
	var up, down int64
	for _, c := range sockets {
		up += dataBytes(t, c.up.bytes)
		down += dataBytes(t, c.down.bytes)
	}
	state, err := s.studies()[0].live.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l := state.Ledger
	if l.Up != up || l.Down != down {
		t.Errorf("the ledger has %d bytes up and %d down, the proxy has seen %d and %d", l.Up, l.Down, up, down)
	}
	var kinds run.KindTraffic
	for _, k := range l.Kinds {
		kinds.Up += k.Up
		kinds.Down += k.Down
		if k.Up < 0 || k.Down < 0 {
			t.Errorf("bytes by kind: %v, want none below 0", l.Kinds)
		}
	}
	if kinds != (run.KindTraffic{Up: l.Up, Down: l.Down}) {
		t.Errorf("the kinds add up to %+v, want %d and %d", kinds, l.Up, l.Down)
	}
	if l.Kinds[protocol.KindBye].Down == 0 || l.Kinds[0].Down != 0 {
		t.Errorf("byes down %d bytes, no message down %d, want some and none", l.Kinds[protocol.KindBye].Down, l.Kinds[0].Down)
	}

	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	again := serveTest(t, Config{Data: dir, Tasks: []string{file}})
	if state, err = again.studies()[0].live.State(t.Context()); err != nil || state.Ledger != l {
		t.Errorf("after a restart (%v) the ledger is\n%+v, want\n%+v", err, state.Ledger, l)
	}
}
