package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"math"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fedtab/compress"
	"fedtab/coordinator/hub"
	"fedtab/protocol"

	"github.com/gorilla/websocket"
)

// TestServeWithstands runs hostile peers beside a run of honest participants. Each
// case has its close code or answer, and the run commits a round after every case.
func TestServeWithstands(t *testing.T) {
	limits := hub.DefaultLimits()
	limits.Hello, limits.Frame, limits.Close = 2*time.Second, time.Second, time.Second
	limits.Ping, limits.Pong = 500*time.Millisecond, 2*time.Second
	limits.Write = 2 * time.Second
	limits.BodyGrace, limits.BodyRate = time.Second, 1<<20
	s := serveTest(t, Config{
		Limits: limits, Log: slog.New(slog.DiscardHandler),
		Tasks: []string{smallTask(t, "min_clients: 3", "min_clients: 3, min_reports: 3, deadline: 1s", "rounds: 3", "rounds: 1000000")},
	})
	url := s.socket()
	version := func() uint64 { return s.api(t, "/api/tasks/small").Version }

	ctx, cancel := context.WithCancel(t.Context())
	var good sync.WaitGroup
	accepted, ends := [3]int{}, [3]error{}
	for i := range ends {
		p := join(t, url)
		good.Go(func() { accepted[i], ends[i] = p.obey(ctx) })
	}

	// ordered joins and waits for an order.
	ordered := func(t *testing.T) (*peer, *protocol.Order) {
		p := join(t, url)
		return p, await[*protocol.Order](p)
	}
	// announcement returns the first frame and the chunks of a contribution.
	announcement := func(p *peer, o *protocol.Order) (first []byte, chunks [][]byte) {
		frames := protocol.AppendFrames(nil, p.contribution(o))
		if len(frames) < 3 {
			p.t.Fatalf("frames of the body: %d, want several chunks", len(frames))
		}
		return frames[0], frames[1:]
	}
	chunk := func(p *peer, c protocol.Chunk) { p.send(&c) }

	closes := []struct {
		name string
		want protocol.CloseCode
		do   func(t *testing.T) *peer
	}{
		{"garbage", protocol.CloseMalformed, func(t *testing.T) *peer {
			p := join(t, url)
			p.frame([]byte("\xff\xff\xff\xff garbage"))
			return p
		}},
		{"an empty frame", protocol.CloseMalformed, func(t *testing.T) *peer {
			p := join(t, url)
			p.frame(nil)
			return p
		}},
		{"text", protocol.CloseMalformed, func(t *testing.T) *peer {
			p := join(t, url)
			if err := p.conn.WriteMessage(websocket.TextMessage, []byte(`{"kind":"hello"}`)); err != nil {
				t.Fatal(err)
			}
			return p
		}},
		{"a frame cut off", protocol.CloseMalformed, func(t *testing.T) *peer {
			p, o := ordered(t)
			first, _ := announcement(p, o)
			p.frame(first[:len(first)/2])
			return p
		}},
		{"two messages in one frame", protocol.CloseMalformed, func(t *testing.T) *peer {
			p := join(t, url)
			p.frame(protocol.Append(protocol.Append(nil, &protocol.Tab{State: protocol.TabVisible}), &protocol.Tab{State: protocol.TabHidden}))
			return p
		}},
		{"a frame that is too large", protocol.CloseTooLarge, func(t *testing.T) *peer {
			p := join(t, url)
			p.frame(make([]byte, protocol.MaxFrame+1))
			return p
		}},
		{"a field that is too long", protocol.CloseTooLarge, func(t *testing.T) *peer {
			p := connect(t, url)
			h := hello
			h.Task = strings.Repeat("x", protocol.MaxName+1)
			p.send(&h)
			return p
		}},
		{"a body that is too large", protocol.CloseTooLarge, func(t *testing.T) *peer {
			p, o := ordered(t)
			c := p.contribution(o)
			c.Vectors[0].Block = make([]byte, protocol.MaxBody(p.welcome.Parameters, 1)+1)
			p.frame(protocol.AppendFrames(nil, c)[0])
			return p
		}},
		{"a body of exabytes", protocol.CloseTooLarge, func(t *testing.T) *peer {
			p, o := ordered(t)
			c := p.contribution(o)
			c.Vectors[0].Block, c.Vectors[0].Size = nil, 1<<60
			p.frame(protocol.Append(nil, c))
			return p
		}},
		{"a chunk of nothing", protocol.CloseUnexpected, func(t *testing.T) *peer {
			p := join(t, url)
			chunk(p, protocol.Chunk{Transfer: 1, Data: make([]byte, 2000)})
			return p
		}},
		{"a chunk of another transfer", protocol.CloseUnexpected, func(t *testing.T) *peer {
			p, o := ordered(t)
			first, _ := announcement(p, o)
			p.frame(first)
			chunk(p, protocol.Chunk{Transfer: o.Order + 1, Data: make([]byte, 2000)})
			return p
		}},
		{"a gap between chunks", protocol.CloseUnexpected, func(t *testing.T) *peer {
			p, o := ordered(t)
			first, chunks := announcement(p, o)
			p.frame(first)
			p.frame(chunks[1])
			return p
		}},
		{"a chunk twice", protocol.CloseUnexpected, func(t *testing.T) *peer {
			p, o := ordered(t)
			first, chunks := announcement(p, o)
			p.frame(first)
			p.frame(chunks[0])
			p.frame(chunks[0])
			return p
		}},
		{"tiny chunks", protocol.CloseUnexpected, func(t *testing.T) *peer {
			p, o := ordered(t)
			first, _ := announcement(p, o)
			p.frame(first)
			chunk(p, protocol.Chunk{Transfer: o.Order, Data: make([]byte, 1)})
			return p
		}},
		{"two bodies at once", protocol.CloseUnexpected, func(t *testing.T) *peer {
			p, o := ordered(t)
			first, _ := announcement(p, o)
			p.frame(first)
			p.frame(first)
			return p
		}},
		{"chunks that never end", protocol.CloseSlow, func(t *testing.T) *peer {
			p, o := ordered(t)
			first, chunks := announcement(p, o)
			p.frame(first)
			p.frame(chunks[0])
			return p // closed answers pings
		}},
		{"a byte now and then", protocol.CloseSlow, func(t *testing.T) *peer {
			p := join(t, url)
			trickle(t, p, []byte{0x82, 0x80 | 100, 0, 0, 0, 0}, false)
			return p
		}},
		{"fragments with pongs in between", protocol.CloseSlow, func(t *testing.T) *peer {
			p := join(t, url)
			trickle(t, p, []byte{0x02, 0x80, 0, 0, 0, 0}, true)
			return p
		}},
		{"no hello", protocol.CloseNoHello, func(t *testing.T) *peer { return connect(t, url) }},
		{"half a hello", protocol.CloseNoHello, func(t *testing.T) *peer {
			p := connect(t, url)
			trickle(t, p, []byte{0x82, 0x80 | 100, 0, 0, 0, 0}, false)
			return p
		}},
		{"no pong", protocol.CloseNoPong, func(t *testing.T) *peer {
			p := join(t, url)
			p.conn.SetPingHandler(func(string) error { return nil })
			return p
		}},
		{"a second hello", protocol.CloseUnexpected, func(t *testing.T) *peer {
			p := join(t, url)
			p.send(&hello)
			return p
		}},
		{"the coordinator's messages", protocol.CloseUnexpected, func(t *testing.T) *peer {
			p := join(t, url)
			p.send(&protocol.Status{Phase: protocol.PhaseFinished})
			return p
		}},
		{"a forged token", protocol.CloseBadToken, func(t *testing.T) *peer {
			p := connect(t, url)
			h := hello
			h.ResumeToken = bytes.Clone(join(t, url).welcome.ResumeToken)
			h.ResumeToken[3]++ // another participant's number
			p.send(&h)
			return p
		}},
		{"the token of a participant that is here", protocol.CloseSuperseded, func(t *testing.T) *peer {
			p := join(t, url)
			h := hello
			h.ResumeToken = p.welcome.ResumeToken
			newer := connect(t, url)
			newer.send(&h)
			if w := await[*protocol.Welcome](newer); w.Participant != p.welcome.Participant {
				t.Errorf("resumed as %d, want %d", w.Participant, p.welcome.Participant)
			}
			return p
		}},
		{"a flood of small messages", protocol.CloseAbuse, func(t *testing.T) *peer {
			p := join(t, url)
			for range 2 * protocol.MessageBurst {
				if p.conn.WriteMessage(websocket.BinaryMessage, protocol.Append(nil, &protocol.Progress{Order: 1})) != nil {
					break // closed already
				}
			}
			return p
		}},
		{"a flood of pings", protocol.CloseAbuse, func(t *testing.T) *peer {
			p := join(t, url)
			for range 2 * protocol.MessageBurst {
				if p.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(patience)) != nil {
					break
				}
			}
			return p
		}},
		{"message after message of unknown kinds", protocol.CloseAbuse, func(t *testing.T) *peer {
			p := join(t, url)
			for range protocol.MaxRejected + 1 {
				p.frame([]byte("\xfa\x3e\x00")) // field 1007, an empty message
			}
			return p
		}},
		{"the same model again and again", protocol.CloseAbuse, func(t *testing.T) *peer {
			p := join(t, url)
			p.send(&protocol.Tab{State: protocol.TabPaused})
			for range 40 { // the version may change in between
				if p.conn.WriteMessage(websocket.BinaryMessage, protocol.Append(nil, &protocol.Want{Full: true})) != nil {
					break
				}
			}
			return p
		}},
		{"a flood of unordered contributions", protocol.CloseAbuse, func(t *testing.T) *peer {
			p := join(t, url)
			for range protocol.MaxRejected + 1 {
				p.send(&protocol.Contribution{Order: 1 << 40, Round: 1 << 40, Weight: 1})
			}
			return p
		}},
	}
	for _, test := range closes {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			before := version()
			if got := test.do(t).closed(); got != test.want {
				t.Errorf("closed with %d (%v), want %d (%v)", got, got, test.want, test.want)
			}
			advances(t, version, before)
		})
	}

	// packed replaces a contribution's values by a block of a codec, which forge
	// then changes.
	packed := func(codec protocol.Codec, forge func([]byte) []byte) func(*protocol.Contribution) {
		return func(c *protocol.Contribution) {
			v := make([]float32, len(c.Vectors[0].Block)/4)
			for i := range v {
				v[i] = float32(i%13-6) / 100
			}
			k, err := compress.Lookup(codec)
			if err != nil {
				t.Fatal(err)
			}
			block, err := k.NewEncoder(compress.Flat(len(v))).Append(nil, v, compress.Options{Bits: 2, Seed: 1})
			if err != nil {
				t.Fatal(err)
			}
			c.Vectors[0].Codec, c.Vectors[0].Block = codec, forge(block)
		}
	}
	// Invalid contributions.
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	for _, test := range []struct {
		name string
		want protocol.Reason
		edit func(c *protocol.Contribution)
	}{
		{"NaN", protocol.ReasonNotFinite, func(c *protocol.Contribution) { setValue(c, 7, nan) }},
		{"infinity", protocol.ReasonNotFinite, func(c *protocol.Contribution) { setValue(c, 20_000, inf) }},
		{"an absurd value", protocol.ReasonOutOfBounds, func(c *protocol.Contribution) { setValue(c, 0, protocol.MaxDelta+1) }},
		{"no weight", protocol.ReasonOutOfBounds, func(c *protocol.Contribution) { c.Weight = 0 }},
		{"an absurd weight", protocol.ReasonOutOfBounds, func(c *protocol.Contribution) { c.Weight = protocol.MaxWeight }},
		{"too few values", protocol.ReasonWrongShape, func(c *protocol.Contribution) { c.Vectors[0].Block = c.Vectors[0].Block[4:] }},
		{"too many values", protocol.ReasonWrongShape, func(c *protocol.Contribution) { c.Vectors[0].Block = append(c.Vectors[0].Block, 0, 0, 0, 0) }},
		{"half a value", protocol.ReasonWrongShape, func(c *protocol.Contribution) { c.Vectors[0].Block = c.Vectors[0].Block[2:] }},
		{"no vector", protocol.ReasonWrongShape, func(c *protocol.Contribution) { c.Vectors = nil }},
		{"two vectors", protocol.ReasonWrongShape, func(c *protocol.Contribution) {
			v := c.Vectors[0]
			v.Block = v.Block[:100]
			c.Vectors = []protocol.Vector{v, v}
		}},
		{"another role", protocol.ReasonWrongShape, func(c *protocol.Contribution) { c.Vectors[0].Role = protocol.RoleModel }},
		{"another base", protocol.ReasonWrongBase, func(c *protocol.Contribution) { c.Vectors[0].BaseHash = make([]byte, 32) }},
		{"an unknown codec", protocol.ReasonCodec, func(c *protocol.Contribution) { c.Vectors[0].Codec = 77 }},
		{"a deadzone block cut off", protocol.ReasonCodec, packed(protocol.CodecDeadzone, func(b []byte) []byte { return b[:len(b)-3] })},
		{"a dither block with a trailing byte", protocol.ReasonCodec, packed(protocol.CodecDither, func(b []byte) []byte { return append(b, 1) })},
		{"planes of nothing", protocol.ReasonCodec, packed(protocol.CodecPlanes, func([]byte) []byte { return nil })},
		{"a block of another size", protocol.ReasonCodec, packed(protocol.CodecDeadzone, func(b []byte) []byte { b[1] ^= 1; return b })},
		{"a block of another version", protocol.ReasonCodec, packed(protocol.CodecDither, func(b []byte) []byte { b[0]++; return b })},
		{"infinity by float16", protocol.ReasonNotFinite, packed(protocol.CodecFloat16, func(b []byte) []byte { b[0], b[1] = 0, 0x7c; return b })},
		{"an absurd value by float16", protocol.ReasonOutOfBounds, packed(protocol.CodecFloat16, func(b []byte) []byte { b[0], b[1] = 0, 0x7b; return b })},
		{"a difference on the grid", protocol.ReasonCodec, func(c *protocol.Contribution) { c.Vectors[0].Codec = protocol.CodecGrid }},
		{"no round", protocol.ReasonUnordered, func(c *protocol.Contribution) { c.Round = 0 }},
		{"an attempt that is over", protocol.ReasonLate, func(c *protocol.Contribution) { c.Order = 0 }},
		{"a round to come", protocol.ReasonUnordered, func(c *protocol.Contribution) { c.Round += 1000 }},
		{"an order never given", protocol.ReasonUnordered, func(c *protocol.Contribution) { c.Order += 1000 }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			before := version()
			p, o := ordered(t)
			c := p.contribution(o)
			test.edit(c)
			p.send(c)
			if got := await[*protocol.Ack](p); got.Reason != test.want {
				t.Errorf("answered with %v (%s), want %v", got.Reason, got.Detail, test.want)
			}
			advances(t, version, before)
			// The session goes on: the next answer, a valid one, is accepted.
			acceptedSoon(t, p)
		})
	}

	t.Run("the same contribution twice", func(t *testing.T) {
		t.Parallel()
		p, o := ordered(t)
		p.send(p.contribution(o))
		p.send(p.contribution(o))
		if a, b := await[*protocol.Ack](p).Reason, await[*protocol.Ack](p).Reason; a != protocol.ReasonAccepted || b != protocol.ReasonDuplicate && b != protocol.ReasonLate {
			t.Errorf("answered with %v and %v, want accepted, then duplicate (or late)", a, b)
		}
	})
	t.Run("not chosen", func(t *testing.T) {
		t.Parallel()
		_, o := ordered(t)
		p := connect(t, url)
		h := hello
		h.TabState = protocol.TabPaused // a paused client is never chosen
		p.send(&h)
		p.welcome = await[*protocol.Welcome](p)
		p.send(p.contribution(o))
		if got := await[*protocol.Ack](p).Reason; got != protocol.ReasonUnordered && got != protocol.ReasonLate {
			t.Errorf("answered with %v, want unordered (or late)", got)
		}
	})
	t.Run("reads nothing", func(t *testing.T) {
		t.Parallel()
		narrow := net.Dialer{Control: func(_, _ string, c syscall.RawConn) (err error) {
			c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10) })
			return err
		}}
		dialer := websocket.Dialer{NetDialContext: narrow.DialContext}
		conn, _, err := dialer.DialContext(t.Context(), url, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		p := &peer{t: t, conn: conn}
		p.send(&hello)
		// Models of 100 KB until the socket's buffers are full. Only the
		// coordinator's counters show how the session ended.
		tick := time.NewTicker(60 * time.Millisecond)
		defer tick.Stop()
		for ; err == nil; <-tick.C {
			err = p.conn.WriteMessage(websocket.BinaryMessage, protocol.Append(nil, &protocol.Want{Full: true}))
		}
	})
	t.Run("breaks off in the middle", func(t *testing.T) {
		t.Parallel()
		before := version()
		p, o := ordered(t)
		first, chunks := announcement(p, o)
		p.frame(first)
		p.frame(chunks[0])
		p.conn.NetConn().(*net.TCPConn).SetLinger(0)
		p.conn.NetConn().Close() // a reset, not a close frame
		advances(t, version, before)
	})
	t.Run("a hundred connections from one address", func(t *testing.T) {
		t.Parallel()
		for i := range 100 {
			conn, r, err := dialFrom(t, url, "203.0.113.7")
			switch {
			case i < protocol.MaxPerAddress && err != nil:
				t.Fatalf("connection %d: %v", i+1, err)
			case i >= protocol.MaxPerAddress && (r == nil || r.StatusCode != http.StatusTooManyRequests):
				t.Fatalf("connection %d: %v, want status 429", i+1, err)
			}
			if conn != nil {
				defer conn.Close()
			}
		}
		conn, _, err := dialFrom(t, url, "203.0.113.8")
		if err != nil {
			t.Fatalf("another address: %v", err)
		}
		conn.Close()
	})
	t.Run("a page of another site", func(t *testing.T) {
		t.Parallel()
		_, r, err := websocket.DefaultDialer.Dial(url, http.Header{"Origin": {"https://example.com"}})
		if err == nil || r == nil || r.StatusCode != http.StatusForbidden {
			t.Errorf("got %v, want 403", err)
		}
		if s.hub.Counts().Refused["origin"] == 0 {
			t.Error("the refusal is not counted")
		}
	})
	t.Run("no handshake", func(t *testing.T) {
		t.Parallel()
		s.body(t, "/ws", http.StatusBadRequest)
	})
	t.Run("broken WebSocket frames", func(t *testing.T) {
		t.Parallel()
		for _, raw := range [][]byte{
			{0x82, 0x04, 1, 2, 3, 4},       // no mask
			{0x8f, 0x80, 0, 0, 0, 0},       // a reserved opcode
			{0x80, 0x80, 0, 0, 0, 0},       // a continuation of nothing
			{0xc2, 0x80, 0, 0, 0, 0},       // compressed, though that was not agreed
			{0x89, 0xfe, 1, 0, 0, 0, 0, 0}, // a ping of 256 bytes
		} {
			p := join(t, url)
			if _, err := p.conn.NetConn().Write(raw); err != nil {
				t.Fatal(err)
			}
			for {
				if _, err := p.read(); err != nil {
					var ne net.Error
					if errors.As(err, &ne) && ne.Timeout() {
						t.Errorf("%x: still open", raw)
					}
					break
				}
			}
		}
	})

	t.Cleanup(func() { // after the parallel cases, before the server stops
		cancel()
		good.Wait()
		for i, err := range ends {
			if err != nil || accepted[i] == 0 {
				t.Errorf("honest participant %d ended with %v after %d contributions", i, err, accepted[i])
			}
		}
		state, err := s.studies[0].live.State(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		answers := state.Ledger.Answers
		for _, reason := range []protocol.Reason{
			protocol.ReasonAccepted, protocol.ReasonLate, protocol.ReasonUnordered, protocol.ReasonWrongBase, protocol.ReasonWrongShape,
			protocol.ReasonNotFinite, protocol.ReasonOutOfBounds, protocol.ReasonCodec,
		} {
			if answers[reason] == 0 {
				t.Errorf("answers with %v are not counted", reason)
			}
		}
		closed := s.hub.Counts().Closed
		for _, test := range closes {
			if closed[test.want] == 0 {
				t.Errorf("sessions closed with %v are not counted", test.want)
			}
		}
	})
}

// trickle starts a frame and sends one byte of it (or a pong and an empty fragment)
// every few milliseconds, until the socket is closed.
func trickle(t *testing.T, p *peer, head []byte, fragments bool) {
	t.Helper()
	conn := p.conn.NetConn()
	if _, err := conn.Write(head); err != nil {
		t.Fatal(err)
	}
	go func() {
		piece := []byte{0}
		if fragments {
			piece = []byte{0x8a, 0x80, 0, 0, 0, 0, 0x00, 0x80, 0, 0, 0, 0}
		}
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for range tick.C {
			if _, err := conn.Write(piece); err != nil {
				return
			}
		}
	}()
}

// setValue changes a value of a contribution's delta.
func setValue(c *protocol.Contribution, i int, x float32) {
	binary.LittleEndian.PutUint32(c.Vectors[0].Block[4*i:], math.Float32bits(x))
}

// waitFor waits for a condition.
func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", patience, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// advances waits until the run has committed another version.
func advances(t *testing.T, version func() uint64, before uint64) {
	t.Helper()
	waitFor(t, "another version", func() bool { return version() > before })
}

// acceptedSoon answers orders until a contribution is accepted.
func acceptedSoon(t *testing.T, p *peer) {
	t.Helper()
	for {
		o := await[*protocol.Order](p)
		p.send(p.contribution(o))
		switch a := await[*protocol.Ack](p); {
		case a.Reason == protocol.ReasonAccepted:
			return
		case a.Reason != protocol.ReasonLate && a.Reason != protocol.ReasonAbandoned:
			t.Fatalf("a good contribution is answered with %v", a.Reason)
		}
	}
}
