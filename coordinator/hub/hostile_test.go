package hub

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fedtab/compress"
	"fedtab/coordinator/hub/hubtest"
	"fedtab/protocol"

	"github.com/gorilla/websocket"
)

// withHonest runs a case in virtual time, beside honest participants whose run must
// go on after it.
func withHonest(t *testing.T, name string, do func(t *testing.T, f *fixture)) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			f := newFixture(t, nil)
			f.honest(t)
			do(t, f)
			f.advances()
		})
	})
}

// soon fails if more virtual time has passed than a refusal without waiting takes.
func soon(t *testing.T, began time.Time) {
	t.Helper()
	if took := time.Since(began); took > 0 {
		t.Errorf("refused after %v, want at once", took)
	}
}

// Every breach of the protocol closes its socket with a code of its own.
func TestCloseCodes(t *testing.T) {
	for _, test := range []struct {
		name string
		want protocol.CloseCode
		do   func(t *testing.T, f *fixture) *hubtest.Peer
	}{
		{"garbage", protocol.CloseMalformed, func(t *testing.T, f *fixture) *hubtest.Peer {
			p := f.join(t)
			p.Frame([]byte("\xff\xff\xff\xff garbage"))
			return p
		}},
		{"an empty frame", protocol.CloseMalformed, func(t *testing.T, f *fixture) *hubtest.Peer {
			p := f.join(t)
			p.Frame(nil)
			return p
		}},
		{"text", protocol.CloseMalformed, func(t *testing.T, f *fixture) *hubtest.Peer {
			p := f.join(t)
			if err := p.Conn.WriteMessage(websocket.TextMessage, []byte(`{"kind":"hello"}`)); err != nil {
				t.Fatal(err)
			}
			return p
		}},
		{"a frame cut off", protocol.CloseMalformed, func(t *testing.T, f *fixture) *hubtest.Peer {
			p, o := f.ordered(t)
			first, _ := announcement(p, o)
			p.Frame(first[:len(first)/2])
			return p
		}},
		{"two messages in one frame", protocol.CloseMalformed, func(t *testing.T, f *fixture) *hubtest.Peer {
			p := f.join(t)
			p.Frame(protocol.Append(protocol.Append(nil, &protocol.Tab{State: protocol.TabVisible}), &protocol.Tab{State: protocol.TabHidden}))
			return p
		}},
		{"a frame that is too large", protocol.CloseTooLarge, func(t *testing.T, f *fixture) *hubtest.Peer {
			p := f.join(t)
			p.Frame(make([]byte, protocol.MaxFrame+1))
			return p
		}},
		// These are refused by their header: nothing of the payload ever comes.
		{"a frame of 2^63-1 bytes", protocol.CloseTooLarge, func(t *testing.T, f *fixture) *hubtest.Peer {
			defer soon(t, time.Now())
			p := f.join(t)
			p.Raw(binary.BigEndian.AppendUint64([]byte{0x82, 0xff}, math.MaxInt64))
			p.Raw(make([]byte, 4))
			p.Closed()
			return nil
		}},
		{"a frame of 2^64-1 bytes", protocol.CloseTooLarge, func(t *testing.T, f *fixture) *hubtest.Peer {
			defer soon(t, time.Now())
			p := f.join(t)
			p.Raw(append(binary.BigEndian.AppendUint64([]byte{0x82, 0xff}, math.MaxUint64), 0, 0, 0, 0))
			p.Closed()
			return nil
		}},
		{"a hello of 2^63-1 bytes", protocol.CloseTooLarge, func(t *testing.T, f *fixture) *hubtest.Peer {
			defer soon(t, time.Now())
			p := f.connect(t)
			p.Raw(append(binary.BigEndian.AppendUint64([]byte{0x82, 0xff}, math.MaxInt64), 0, 0, 0, 0))
			p.Closed()
			return nil
		}},
		{"fragments that are too large together", protocol.CloseTooLarge, func(t *testing.T, f *fixture) *hubtest.Peer {
			p := f.join(t)
			first := append([]byte{0x02, 0xfe, 0xff, 0xff, 0, 0, 0, 0}, make([]byte, 0xffff)...)
			p.Raw(append(first, 0x00, 0xfe, 0xff, 0xff, 0, 0, 0, 0))
			return p
		}},
		{"empty fragments without end", protocol.CloseMalformed, func(t *testing.T, f *fixture) *hubtest.Peer {
			defer soon(t, time.Now())
			p := f.join(t)
			p.Raw([]byte{0x02, 0x80, 0, 0, 0, 0})
			for range 1000 {
				p.Raw([]byte{0x00, 0x80, 0, 0, 0, 0})
			}
			p.Closed()
			return nil
		}},
		{"a field that is too long", protocol.CloseTooLarge, func(t *testing.T, f *fixture) *hubtest.Peer {
			p := f.connect(t)
			p.Send(hubtest.Hello(strings.Repeat("x", protocol.MaxName+1)))
			return p
		}},
		{"a body that is too large", protocol.CloseTooLarge, func(t *testing.T, f *fixture) *hubtest.Peer {
			p, o := f.ordered(t)
			c := p.Contribution(o)
			c.Vectors[0].Block = make([]byte, protocol.MaxBody(p.Welcome.Parameters, 1)+1)
			p.Frame(protocol.AppendFrames(nil, c)[0])
			return p
		}},
		{"a body of exabytes", protocol.CloseTooLarge, func(t *testing.T, f *fixture) *hubtest.Peer {
			p, o := f.ordered(t)
			c := p.Contribution(o)
			c.Vectors[0].Block, c.Vectors[0].Size = nil, 1<<60
			p.Frame(protocol.Append(nil, c))
			return p
		}},
		{"a chunk of nothing", protocol.CloseUnexpected, func(t *testing.T, f *fixture) *hubtest.Peer {
			p := f.join(t)
			p.Send(&protocol.Chunk{Transfer: 1, Data: make([]byte, 2000)})
			return p
		}},
		{"a chunk of another transfer", protocol.CloseUnexpected, func(t *testing.T, f *fixture) *hubtest.Peer {
			p, o := f.ordered(t)
			first, _ := announcement(p, o)
			p.Frame(first)
			p.Send(&protocol.Chunk{Transfer: o.Order + 1, Data: make([]byte, 2000)})
			return p
		}},
		{"a gap between chunks", protocol.CloseUnexpected, func(t *testing.T, f *fixture) *hubtest.Peer {
			p, o := f.ordered(t)
			first, chunks := announcement(p, o)
			p.Frame(first)
			p.Frame(chunks[1])
			return p
		}},
		{"a chunk twice", protocol.CloseUnexpected, func(t *testing.T, f *fixture) *hubtest.Peer {
			p, o := f.ordered(t)
			first, chunks := announcement(p, o)
			p.Frame(first)
			p.Frame(chunks[0])
			p.Frame(chunks[0])
			return p
		}},
		{"tiny chunks", protocol.CloseUnexpected, func(t *testing.T, f *fixture) *hubtest.Peer {
			p, o := f.ordered(t)
			first, _ := announcement(p, o)
			p.Frame(first)
			p.Send(&protocol.Chunk{Transfer: o.Order, Data: make([]byte, 1)})
			return p
		}},
		{"two bodies at once", protocol.CloseUnexpected, func(t *testing.T, f *fixture) *hubtest.Peer {
			p, o := f.ordered(t)
			first, _ := announcement(p, o)
			p.Frame(first)
			p.Frame(first)
			return p
		}},
		{"chunks that never end", protocol.CloseSlow, func(t *testing.T, f *fixture) *hubtest.Peer {
			p, o := f.ordered(t)
			first, chunks := announcement(p, o)
			p.Frame(first)
			p.Frame(chunks[0])
			return p // it answers pings while it waits for the end
		}},
		{"a byte now and then", protocol.CloseSlow, func(t *testing.T, f *fixture) *hubtest.Peer {
			p := f.join(t)
			trickle(p, []byte{0x82, 0xfe, 4, 0, 0, 0, 0, 0}, []byte{0})
			return p
		}},
		{"a fragment with pongs after it", protocol.CloseSlow, func(t *testing.T, f *fixture) *hubtest.Peer {
			p := f.join(t)
			trickle(p, []byte{0x02, 0x80, 0, 0, 0, 0}, []byte{0x8a, 0x80, 0, 0, 0, 0})
			return p
		}},
		{"no hello", protocol.CloseNoHello, func(t *testing.T, f *fixture) *hubtest.Peer { return f.connect(t) }},
		{"half a hello", protocol.CloseNoHello, func(t *testing.T, f *fixture) *hubtest.Peer {
			p := f.connect(t)
			trickle(p, []byte{0x82, 0xfe, 4, 0, 0, 0, 0, 0}, []byte{0})
			return p
		}},
		{"no pong", protocol.CloseNoPong, func(t *testing.T, f *fixture) *hubtest.Peer {
			p := f.join(t)
			p.Conn.SetPingHandler(func(string) error { return nil })
			return p
		}},
		{"a second hello", protocol.CloseUnexpected, func(t *testing.T, f *fixture) *hubtest.Peer {
			p := f.join(t)
			p.Send(hubtest.Hello("small"))
			return p
		}},
		{"the coordinator's messages", protocol.CloseUnexpected, func(t *testing.T, f *fixture) *hubtest.Peer {
			p := f.join(t)
			p.Send(&protocol.Status{Phase: protocol.PhaseFinished})
			return p
		}},
		{"a forged token", protocol.CloseBadToken, func(t *testing.T, f *fixture) *hubtest.Peer {
			p := f.connect(t)
			h := hubtest.Hello("small")
			h.ResumeToken = bytes.Clone(f.join(t).Welcome.ResumeToken)
			h.ResumeToken[3]++ // another participant's number
			p.Send(h)
			return p
		}},
		{"the token of a participant that is here", protocol.CloseSuperseded, func(t *testing.T, f *fixture) *hubtest.Peer {
			p := f.join(t)
			h := hubtest.Hello("small")
			h.ResumeToken = p.Welcome.ResumeToken
			if w := f.connect(t).Join(h).Welcome; w.Participant != p.Welcome.Participant {
				t.Errorf("came back as %d, want %d", w.Participant, p.Welcome.Participant)
			}
			return p
		}},
		{"a flood of small messages", protocol.CloseAbuse, func(t *testing.T, f *fixture) *hubtest.Peer {
			p := f.join(t)
			for range 2 * protocol.MessageBurst {
				if p.Conn.WriteMessage(websocket.BinaryMessage, protocol.Append(nil, &protocol.Progress{Order: 1})) != nil {
					break // cut off already
				}
			}
			return p
		}},
		{"a flood of pings", protocol.CloseAbuse, func(t *testing.T, f *fixture) *hubtest.Peer {
			p := f.join(t)
			for range 2 * protocol.MessageBurst {
				if p.Conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(hubtest.Patience)) != nil {
					break
				}
			}
			return p
		}},
		{"message after message of unknown kinds", protocol.CloseAbuse, func(t *testing.T, f *fixture) *hubtest.Peer {
			p := f.join(t)
			for range protocol.MaxRejected + 1 {
				p.Frame(unknownKind)
			}
			return p
		}},
		{"the same model again and again", protocol.CloseAbuse, func(t *testing.T, f *fixture) *hubtest.Peer {
			p := f.join(t)
			p.Send(&protocol.Tab{State: protocol.TabPaused})
			for range 40 { // the version may change in between
				if p.Conn.WriteMessage(websocket.BinaryMessage, protocol.Append(nil, &protocol.Want{Full: true})) != nil {
					break
				}
			}
			return p
		}},
		{"contribution after contribution without an order", protocol.CloseAbuse, func(t *testing.T, f *fixture) *hubtest.Peer {
			p := f.join(t)
			for range protocol.MaxRejected + 1 {
				p.Send(&protocol.Contribution{Order: 1 << 40, Round: 1 << 40, Weight: 1})
			}
			return p
		}},
		{"decline after decline of what was not ordered", protocol.CloseAbuse, func(t *testing.T, f *fixture) *hubtest.Peer {
			p := f.join(t)
			p.Send(&protocol.Tab{State: protocol.TabPaused}) // at most one order has come
			for range protocol.MaxRejected + 2 {
				p.Send(&protocol.Decline{Order: 1 << 40, Reason: protocol.ReasonPaused, Detail: strings.Repeat("x", 1000)})
			}
			return p
		}},
		// A late answer is not a fault, but each order allows only one.
		{"late bodies without end", protocol.CloseAbuse, func(t *testing.T, f *fixture) *hubtest.Peer {
			p, o := f.ordered(t)
			p.Send(&protocol.Tab{State: protocol.TabPaused}) // no other order comes
			time.Sleep(5 * time.Second)                      // the round is closed
			for range 2 * protocol.MaxRejected {
				for _, frame := range protocol.AppendFrames(nil, p.Contribution(o)) {
					p.Conn.WriteMessage(websocket.BinaryMessage, frame)
				}
				time.Sleep(100 * time.Millisecond) // within the rate of messages
			}
			return p
		}},
	} {
		withHonest(t, test.name, func(t *testing.T, f *fixture) {
			if p := test.do(t, f); p != nil {
				if got, why := p.Closed(); got != test.want || why == "" {
					t.Errorf("closed with %d (%v: %q), want %d (%v) and a reason", got, got, why, test.want, test.want)
				}
			}
			synctest.Wait()
			if f.hub.Counts().Closed[test.want] == 0 {
				t.Errorf("sessions closed with %v are not counted: %v", test.want, f.hub.Counts().Closed)
			}
		})
	}
}

// unknownKind is a frame with field 1007, an empty message.
var unknownKind = []byte("\xfa\x3e\x00")

// trickle begins a frame and then sends a piece more every 50 ms, until the socket
// is closed.
func trickle(p *hubtest.Peer, head, piece []byte) {
	p.Raw(head)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for p.Raw(piece) == nil {
			time.Sleep(50 * time.Millisecond)
		}
	}()
	p.T.Cleanup(func() {
		p.Conn.Close()
		<-ended
	})
}

// packed replaces a contribution's values by others in a block by a codec, which is
// then forged.
func packed(codec protocol.Codec, forge func([]byte) []byte) func(*protocol.Contribution) {
	return func(c *protocol.Contribution) {
		v := make([]float32, len(c.Vectors[0].Block)/4)
		for i := range v {
			v[i] = float32(i%13-6) / 100
		}
		k, err := compress.Lookup(codec)
		if err != nil {
			panic(err)
		}
		block, err := k.NewEncoder(compress.Flat(len(v))).Append(nil, v, compress.Options{Bits: 2, Seed: 1})
		if err != nil {
			panic(err)
		}
		c.Vectors[0].Codec, c.Vectors[0].Block = codec, forge(block)
	}
}

// What a contribution can be wrong about has an answer of its own; the session
// goes on, and the next answer, a good one, is accepted.
func TestAnswers(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	for _, test := range []struct {
		name string
		want protocol.Reason
		edit func(c *protocol.Contribution)
	}{
		{"NaN", protocol.ReasonNotFinite, func(c *protocol.Contribution) { hubtest.SetValue(c, 7, nan) }},
		{"infinity", protocol.ReasonNotFinite, func(c *protocol.Contribution) { hubtest.SetValue(c, 20_000, inf) }},
		{"an absurd value", protocol.ReasonOutOfBounds, func(c *protocol.Contribution) { hubtest.SetValue(c, 0, protocol.MaxDelta+1) }},
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
		{"a dither block that goes on", protocol.ReasonCodec, packed(protocol.CodecDither, func(b []byte) []byte { return append(b, 1) })},
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
		withHonest(t, test.name, func(t *testing.T, f *fixture) {
			p, o := f.ordered(t)
			c := p.Contribution(o)
			test.edit(c)
			p.Send(c)
			if got := hubtest.Await[*protocol.Ack](p); got.Reason != test.want {
				t.Errorf("answered with %v (%s), want %v", got.Reason, got.Detail, test.want)
			}
			f.advances()
			p.AcceptedSoon()
			answers := f.state().Ledger.Answers
			if answers[test.want] == 0 || answers[protocol.ReasonAccepted] == 0 {
				t.Errorf("the answers are not counted: %v", answers)
			}
		})
	}
}

func TestContributionTwice(t *testing.T) {
	withHonest(t, "twice", func(t *testing.T, f *fixture) {
		p, o := f.ordered(t)
		p.Send(p.Contribution(o))
		p.Send(p.Contribution(o))
		if a, b := hubtest.Await[*protocol.Ack](p).Reason, hubtest.Await[*protocol.Ack](p).Reason; a != protocol.ReasonAccepted || b != protocol.ReasonDuplicate && b != protocol.ReasonLate {
			t.Errorf("answered with %v and %v, want accepted, then duplicate (or late)", a, b)
		}
	})
}

func TestContributionOfAnother(t *testing.T) {
	withHonest(t, "not chosen", func(t *testing.T, f *fixture) {
		_, o := f.ordered(t)
		h := hubtest.Hello("small")
		h.TabState = protocol.TabPaused // paused tabs are never chosen
		p := f.connect(t).Join(h)
		p.Send(p.Contribution(o))
		if got := hubtest.Await[*protocol.Ack](p).Reason; got != protocol.ReasonUnordered && got != protocol.ReasonLate {
			t.Errorf("answered with %v, want unordered (or late)", got)
		}
	})
}

// A peer that asks for models and reads nothing fills its connection, and is
// closed.
func TestReadsNothing(t *testing.T) {
	withHonest(t, "reads nothing", func(t *testing.T, f *fixture) {
		p := f.connect(t)
		narrow(p.Conn.NetConn(), 4<<10)
		p.Send(hubtest.Hello("small"))
		for err := error(nil); err == nil; time.Sleep(200 * time.Millisecond) {
			err = p.Conn.WriteMessage(websocket.BinaryMessage, protocol.Append(nil, &protocol.Want{Full: true}))
		}
		if n := f.hub.Counts().Closed; n[protocol.CloseSlow] != 1 {
			t.Errorf("closed: %v, want one with %v", n, protocol.CloseSlow)
		}
	})
}

func TestBreaksOff(t *testing.T) {
	withHonest(t, "in the middle of a body", func(t *testing.T, f *fixture) {
		p, o := f.ordered(t)
		first, chunks := announcement(p, o)
		p.Frame(first)
		p.Frame(chunks[0])
		p.Conn.NetConn().Close() // without a close frame
		synctest.Wait()
		if n := f.hub.Sessions(); n != 3 {
			t.Errorf("%d sessions are open, want the honest 3", n)
		}
	})
}

// After its close frame the coordinator reads on for Limits.Close at most, and no
// more than Limits.Drain bytes.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := testLimits()
		flood := &endless{}
		s := &session{hub: &Hub{limits: limits}, wire: &wire{Conn: flood, open: true}}
		began := time.Now()
		s.drain()
		if took := time.Since(began); took != limits.Close {
			t.Errorf("it took %v, want %v", took, limits.Close)
		}
		if flood.read < limits.Drain || flood.read > limits.Drain+2<<10 {
			t.Errorf("%d bytes were read, want at most %d and a buffer", flood.read, limits.Drain)
		}
	})
}

// endless is a connection from which bytes come without end.
type endless struct {
	net.Conn
	read int64
}

func (e *endless) Read(p []byte) (int, error)      { e.read += int64(len(p)); return len(p), nil }
func (e *endless) SetReadDeadline(time.Time) error { return nil }

func TestHandshakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		dial := func(header http.Header) (*websocket.Conn, int, error) {
			conn, r, err := f.dialer.DialContext(t.Context(), testURL, header)
			status := 0
			if r != nil {
				status = r.StatusCode
			}
			return conn, status, err
		}
		if _, status, _ := dial(http.Header{"Origin": {"https://example.org"}}); status != http.StatusForbidden || f.hub.Counts().Refused["origin"] != 1 {
			t.Errorf("a page of another site: status %d, counted %v, want 403", status, f.hub.Counts().Refused)
		}
		client := http.Client{Transport: &http.Transport{DialContext: f.dialer.NetDialContext}}
		r, err := client.Get("http://example.com/ws")
		if err != nil || r.StatusCode != http.StatusBadRequest || f.hub.Counts().Refused["request"] != 1 {
			t.Errorf("no handshake: %v (%v), want status 400", r, err)
		}
		r.Body.Close()
		client.CloseIdleConnections()
		// All connections in memory have one address.
		for i := range protocol.MaxPerAddress + 10 {
			conn, status, err := dial(nil)
			switch {
			case i < protocol.MaxPerAddress && err != nil:
				t.Fatalf("connection %d: %v", i+1, err)
			case i >= protocol.MaxPerAddress && status != http.StatusTooManyRequests:
				t.Fatalf("connection %d: status %d, want 429", i+1, status)
			}
			if conn != nil {
				defer conn.Close()
			}
		}
	})
}

func TestBrokenFrames(t *testing.T) {
	for _, raw := range [][]byte{
		{0x82, 0x04, 1, 2, 3, 4},       // no mask
		{0x8f, 0x80, 0, 0, 0, 0},       // a reserved opcode
		{0x80, 0x80, 0, 0, 0, 0},       // a continuation of nothing
		{0xc2, 0x80, 0, 0, 0, 0},       // compressed, though that was not agreed
		{0x89, 0xfe, 1, 0, 0, 0, 0, 0}, // a ping of 256 bytes
	} {
		withHonest(t, fmt.Sprintf("%x", raw), func(t *testing.T, f *fixture) {
			p := f.join(t)
			if err := p.Raw(raw); err != nil {
				t.Fatal(err)
			}
			for {
				if _, err := p.Read(); err != nil {
					var ne net.Error
					if errors.As(err, &ne) && ne.Timeout() {
						t.Error("still open")
					}
					break
				}
			}
		})
	}
}
