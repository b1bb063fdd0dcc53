package hubtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"strings"
	"time"

	"fedtab/protocol"

	"github.com/gorilla/websocket"
)

// World is where a peer misbehaves: a run of Task, in which honest participants
// train.
type World struct {
	T       T
	Task    string
	Connect func() *Peer // opens a socket and sends nothing
}

// Join joins the run.
func (w World) Join() *Peer { return w.Connect().Join(Hello(w.Task)) }

// Ordered joins and waits for an order.
func (w World) Ordered() (*Peer, *protocol.Order) {
	p := w.Join()
	return p, Await[*protocol.Order](p)
}

// Breach is a breach of the protocol.
type Breach struct {
	Name   string
	Want   protocol.CloseCode // with which the coordinator closes the socket
	AtOnce bool               // without waiting for anything more
	Do     func(w World) *Peer
}

// Breaches returns breaches of the protocol. The model of their run has so many
// parameters that a contribution travels in several chunks, and at least 20,001.
func Breaches() []Breach { return breaches }

var breaches = []Breach{
	{"garbage", protocol.CloseMalformed, false, func(w World) *Peer {
		p := w.Join()
		p.Frame([]byte("\xff\xff\xff\xff garbage"))
		return p
	}},
	{"an empty frame", protocol.CloseMalformed, false, func(w World) *Peer {
		p := w.Join()
		p.Frame(nil)
		return p
	}},
	{"text", protocol.CloseMalformed, false, func(w World) *Peer {
		p := w.Join()
		if err := p.Conn.WriteMessage(websocket.TextMessage, []byte(`{"kind":"hello"}`)); err != nil {
			w.T.Fatal(err)
		}
		return p
	}},
	{"a frame cut off", protocol.CloseMalformed, false, func(w World) *Peer {
		p, o := w.Ordered()
		first, _ := Announcement(p, o)
		p.Frame(first[:len(first)/2])
		return p
	}},
	{"two messages in one frame", protocol.CloseMalformed, false, func(w World) *Peer {
		p := w.Join()
		p.Frame(protocol.Append(protocol.Append(nil, &protocol.Tab{State: protocol.TabVisible}), &protocol.Tab{State: protocol.TabHidden}))
		return p
	}},
	{"a frame that is too large", protocol.CloseTooLarge, false, func(w World) *Peer {
		p := w.Join()
		p.Frame(make([]byte, protocol.MaxFrame+1))
		return p
	}},
	// These are refused by their header: nothing of the payload ever comes.
	{"a frame of 2^63-1 bytes", protocol.CloseTooLarge, true, func(w World) *Peer {
		p := w.Join()
		p.Raw(binary.BigEndian.AppendUint64([]byte{0x82, 0xff}, math.MaxInt64))
		p.Raw(make([]byte, 4))
		return p
	}},
	{"a frame of 2^64-1 bytes", protocol.CloseTooLarge, true, func(w World) *Peer {
		p := w.Join()
		p.Raw(append(binary.BigEndian.AppendUint64([]byte{0x82, 0xff}, math.MaxUint64), 0, 0, 0, 0))
		return p
	}},
	{"a hello of 2^63-1 bytes", protocol.CloseTooLarge, true, func(w World) *Peer {
		p := w.Connect()
		p.Raw(append(binary.BigEndian.AppendUint64([]byte{0x82, 0xff}, math.MaxInt64), 0, 0, 0, 0))
		return p
	}},
	{"fragments that are too large together", protocol.CloseTooLarge, false, func(w World) *Peer {
		p := w.Join()
		first := append([]byte{0x02, 0xfe, 0xff, 0xff, 0, 0, 0, 0}, make([]byte, 0xffff)...)
		p.Raw(append(first, 0x00, 0xfe, 0xff, 0xff, 0, 0, 0, 0))
		return p
	}},
	{"empty fragments without end", protocol.CloseMalformed, true, func(w World) *Peer {
		p := w.Join()
		p.Raw([]byte{0x02, 0x80, 0, 0, 0, 0})
		for range 1000 {
			p.Raw([]byte{0x00, 0x80, 0, 0, 0, 0})
		}
		return p
	}},
	{"a field that is too long", protocol.CloseTooLarge, false, func(w World) *Peer {
		p := w.Connect()
		p.Send(Hello(strings.Repeat("x", protocol.MaxName+1)))
		return p
	}},
	{"a body that is too large", protocol.CloseTooLarge, false, func(w World) *Peer {
		p, o := w.Ordered()
		c := p.Contribution(o)
		c.Vectors[0].Block = make([]byte, protocol.MaxBody(p.Welcome.Parameters, 1)+1)
		p.Frame(protocol.AppendFrames(nil, c)[0])
		return p
	}},
	{"a body of exabytes", protocol.CloseTooLarge, false, func(w World) *Peer {
		p, o := w.Ordered()
		c := p.Contribution(o)
		c.Vectors[0].Block, c.Vectors[0].Size = nil, 1<<60
		p.Frame(protocol.Append(nil, c))
		return p
	}},
	{"a chunk of nothing", protocol.CloseUnexpected, false, func(w World) *Peer {
		p := w.Join()
		p.Send(&protocol.Chunk{Transfer: 1, Data: make([]byte, 2000)})
		return p
	}},
	{"a chunk of another transfer", protocol.CloseUnexpected, false, func(w World) *Peer {
		p, o := w.Ordered()
		first, _ := Announcement(p, o)
		p.Frame(first)
		p.Send(&protocol.Chunk{Transfer: o.Order + 1, Data: make([]byte, 2000)})
		return p
	}},
	{"a gap between chunks", protocol.CloseUnexpected, false, func(w World) *Peer {
		p, o := w.Ordered()
		first, chunks := Announcement(p, o)
		p.Frame(first)
		p.Frame(chunks[1])
		return p
	}},
	{"a chunk twice", protocol.CloseUnexpected, false, func(w World) *Peer {
		p, o := w.Ordered()
		first, chunks := Announcement(p, o)
		p.Frame(first)
		p.Frame(chunks[0])
		p.Frame(chunks[0])
		return p
	}},
	{"tiny chunks", protocol.CloseUnexpected, false, func(w World) *Peer {
		p, o := w.Ordered()
		first, _ := Announcement(p, o)
		p.Frame(first)
		p.Send(&protocol.Chunk{Transfer: o.Order, Data: make([]byte, 1)})
		return p
	}},
	{"two bodies at once", protocol.CloseUnexpected, false, func(w World) *Peer {
		p, o := w.Ordered()
		first, _ := Announcement(p, o)
		p.Frame(first)
		p.Frame(first)
		return p
	}},
	{"chunks that never end", protocol.CloseSlow, false, func(w World) *Peer {
		p, o := w.Ordered()
		first, chunks := Announcement(p, o)
		p.Frame(first)
		p.Frame(chunks[0])
		return p // it answers pings while it waits for the end
	}},
	{"a byte now and then", protocol.CloseSlow, false, func(w World) *Peer {
		p := w.Join()
		trickle(p, []byte{0x82, 0xfe, 4, 0, 0, 0, 0, 0}, []byte{0})
		return p
	}},
	{"a fragment with pongs after it", protocol.CloseSlow, false, func(w World) *Peer {
		p := w.Join()
		trickle(p, []byte{0x02, 0x80, 0, 0, 0, 0}, []byte{0x8a, 0x80, 0, 0, 0, 0})
		return p
	}},
	{"no hello", protocol.CloseNoHello, false, func(w World) *Peer { return w.Connect() }},
	{"half a hello", protocol.CloseNoHello, false, func(w World) *Peer {
		p := w.Connect()
		trickle(p, []byte{0x82, 0xfe, 4, 0, 0, 0, 0, 0}, []byte{0})
		return p
	}},
	{"no pong", protocol.CloseNoPong, false, func(w World) *Peer {
		p := w.Join()
		p.Conn.SetPingHandler(func(string) error { return nil })
		return p
	}},
	{"a second hello", protocol.CloseUnexpected, false, func(w World) *Peer {
		p := w.Join()
		p.Send(Hello(w.Task))
		return p
	}},
	{"the coordinator's messages", protocol.CloseUnexpected, false, func(w World) *Peer {
		p := w.Join()
		p.Send(&protocol.Status{Phase: protocol.PhaseFinished})
		return p
	}},
	{"a forged token", protocol.CloseBadToken, false, func(w World) *Peer {
		p := w.Connect()
		h := Hello(w.Task)
		h.ResumeToken = bytes.Clone(w.Join().Welcome.ResumeToken)
		h.ResumeToken[4]++ // another participant's number
		p.Send(h)
		return p
	}},
	{"a token of the format before", protocol.CloseBadToken, false, func(w World) *Peer {
		p := w.Connect()
		h := Hello(w.Task)
		h.ResumeToken = make([]byte, 4+sha256.Size)
		p.Send(h)
		return p
	}},
	{"a token after a leave", protocol.CloseBadToken, false, func(w World) *Peer {
		left := w.Join()
		left.Send(&protocol.Bye{Code: protocol.CloseNormal})
		left.Closed()
		p := w.Connect()
		h := Hello(w.Task)
		h.ResumeToken = left.Welcome.ResumeToken
		p.Send(h)
		return p
	}},
	{"two sockets that fight over a token", protocol.CloseContested, false, func(w World) *Peer {
		p := w.Join()
		for range protocol.MaxTakeOvers {
			h := Hello(w.Task)
			h.ResumeToken = p.Welcome.ResumeToken
			again := w.Connect().Join(h)
			if code, _ := p.Closed(); code != protocol.CloseSuperseded {
				w.T.Fatalf("the older socket is closed with %v, want %v", code, protocol.CloseSuperseded)
			}
			p = again
		}
		fighter := w.Connect()
		h := Hello(w.Task)
		h.ResumeToken = p.Welcome.ResumeToken
		fighter.Send(h)
		p.AcceptedSoon() // it stays
		return fighter
	}},
	{"the token of a participant that is here", protocol.CloseSuperseded, false, func(w World) *Peer {
		p := w.Join()
		h := Hello(w.Task)
		h.ResumeToken = p.Welcome.ResumeToken
		if again := w.Connect().Join(h).Welcome; again.Participant != p.Welcome.Participant {
			w.T.Errorf("came back as %d, want %d", again.Participant, p.Welcome.Participant)
		}
		return p
	}},
	{"a flood of small messages", protocol.CloseAbuse, false, func(w World) *Peer {
		p := w.Join()
		for range 2 * protocol.MessageBurst {
			if p.Conn.WriteMessage(websocket.BinaryMessage, protocol.Append(nil, &protocol.Progress{Order: 1})) != nil {
				break // cut off already
			}
		}
		return p
	}},
	{"a flood of pings", protocol.CloseAbuse, false, func(w World) *Peer {
		p := w.Join()
		for range 2 * protocol.MessageBurst {
			if p.Conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(Patience)) != nil {
				break
			}
		}
		return p
	}},
	{"message after message of unknown kinds", protocol.CloseAbuse, false, func(w World) *Peer {
		p := w.Join()
		for range protocol.MaxRejected + 1 {
			p.Frame(UnknownKind)
		}
		return p
	}},
	{"the same model again and again", protocol.CloseAbuse, false, func(w World) *Peer {
		p := w.Join()
		p.Send(&protocol.Tab{State: protocol.TabPaused})
		for range 40 { // the version may change in between
			if p.Conn.WriteMessage(websocket.BinaryMessage, protocol.Append(nil, &protocol.Want{Full: true})) != nil {
				break
			}
		}
		return p
	}},
	{"contribution after contribution without an order", protocol.CloseAbuse, false, func(w World) *Peer {
		p := w.Join()
		for range protocol.MaxRejected + 1 {
			p.Send(&protocol.Contribution{Order: 1 << 40, Round: 1 << 40, Weight: 1})
		}
		return p
	}},
	{"decline after decline of what was not ordered", protocol.CloseAbuse, false, func(w World) *Peer {
		p := w.Join()
		p.Send(&protocol.Tab{State: protocol.TabPaused}) // at most one order has come
		for range protocol.MaxRejected + 2 {
			p.Send(&protocol.Decline{Order: 1 << 40, Reason: protocol.ReasonPaused, Detail: strings.Repeat("x", 1000)})
		}
		return p
	}},
	// A late answer is not a fault, but each order allows only one.
	{"late bodies without end", protocol.CloseAbuse, false, func(w World) *Peer {
		p, o := w.Ordered()
		p.Send(&protocol.Tab{State: protocol.TabPaused}) // no other order comes
		for Await[*protocol.Status](p).Closed < o.Round {
		}
		for range 2 * protocol.MaxRejected {
			for _, frame := range protocol.AppendFrames(nil, p.Contribution(o)) {
				p.Conn.WriteMessage(websocket.BinaryMessage, frame)
			}
			time.Sleep(100 * time.Millisecond) // within the rate of messages
		}
		return p
	}},
}

// UnknownKind is a frame with field 1007, an empty message.
var UnknownKind = []byte("\xfa\x3e\x00")

// trickle begins a frame and then sends a piece more every 50 ms, until the socket
// is closed.
func trickle(p *Peer, head, piece []byte) {
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

// Announcement returns the first frame and the chunks of a contribution.
func Announcement(p *Peer, o *protocol.Order) (first []byte, chunks [][]byte) {
	p.T.Helper()
	frames := protocol.AppendFrames(nil, p.Contribution(o))
	if len(frames) < 3 {
		p.T.Fatalf("the body travels in %d frames, want several chunks", len(frames))
	}
	return frames[0], frames[1:]
}
