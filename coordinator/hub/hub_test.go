package hub

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fedtab/coordinator/hub/hubtest"
	"fedtab/protocol"
	"fedtab/run"
	"fedtab/strategy"

	"github.com/gorilla/websocket"
)

// What a client does wrong before it has joined is answered by a close code that
// says whether to come back, and by a reason.
func TestRefusedHello(t *testing.T) {
	edit := func(f func(h *protocol.Hello)) []byte {
		h := hubtest.Hello("small")
		f(h)
		return protocol.Append(nil, h)
	}
	for _, test := range []struct {
		name  string
		frame []byte
		want  protocol.CloseCode
	}{
		{"another protocol version", edit(func(h *protocol.Hello) { h.Protocol = "fedtab.v0" }), protocol.CloseProtocolVersion},
		{"an unknown task", edit(func(h *protocol.Hello) { h.Task = "nothing" }), protocol.CloseUnknownTask},
		{"a foreign resume token", edit(func(h *protocol.Hello) { h.ResumeToken = make([]byte, 36) }), protocol.CloseBadToken},
		{"no codec in common", edit(func(h *protocol.Hello) { h.Codecs = []protocol.Codec{77} }), protocol.CloseCapability},
		{"no hello first", protocol.Append(nil, &protocol.Progress{Order: 1}), protocol.CloseUnexpected},
		{"garbage", []byte("\xff\xff\xff\xff"), protocol.CloseMalformed},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, nil)
				p := f.connect(t)
				p.Frame(test.frame)
				_, frame, err := p.Conn.ReadMessage()
				if err != nil {
					t.Fatal(err)
				}
				m, err := protocol.Decode(frame)
				if bye, ok := m.(*protocol.Bye); err != nil || !ok || bye.Code != test.want || bye.Detail == "" {
					t.Errorf("got %+v (%v), want a bye with %d and a reason", m, err, test.want)
				}
				if _, _, err = p.Conn.ReadMessage(); !websocket.IsCloseError(err, int(test.want)) {
					t.Errorf("got %v, want close code %d", err, test.want)
				}
				if test.want.Reconnect() {
					t.Errorf("%d asks to come back", test.want)
				}
				// It was no participant: the ledger has nothing of it.
				if l := f.state().Ledger; l.Up != 0 || l.Down != 0 {
					t.Errorf("the ledger has %d bytes up and %d down", l.Up, l.Down)
				}
			})
		})
	}
}

// A message of a later protocol gets a typed answer, and the session goes on.
func TestUnknownKinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		p := f.join(t)
		for range 2 {
			p.Frame(hubtest.UnknownKind)
			if a := hubtest.Await[*protocol.Ack](p); a.Reason != protocol.ReasonUnsupported {
				t.Errorf("answered with %v, want %v", a.Reason, protocol.ReasonUnsupported)
			}
		}
		if n := f.hub.Counts().Ignored; n != 2 {
			t.Errorf("%d are counted, want 2", n)
		}
	})
}

// A session that answers pings stays open for as long as it likes, and one whose
// tab has vanished is found within PongTimeout; its participant is waited for, and
// comes back as the same one.
func TestPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		p := f.join(t)
		var silent atomic.Bool
		answer := p.Conn.PingHandler()
		p.Conn.SetPingHandler(func(text string) error {
			if silent.Load() {
				return nil
			}
			return answer(text)
		})
		go func() { // reading answers pings
			for {
				p.Conn.SetReadDeadline(time.Now().Add(time.Hour))
				if _, _, err := p.Conn.ReadMessage(); err != nil {
					return
				}
			}
		}()
		time.Sleep(10 * time.Minute)
		if n := f.hub.Sessions(); n != 1 {
			t.Fatalf("after 10 minutes %d sessions are open, want 1", n)
		}
		silent.Store(true)
		time.Sleep(protocol.PongTimeout + protocol.CloseTimeout + time.Second)
		if n := f.hub.Sessions(); n != 0 {
			t.Fatalf("a silent session is still open")
		}
		h := hubtest.Hello("small")
		h.ResumeToken = p.Welcome.ResumeToken
		if w := f.connect(t).Join(h).Welcome; w.Participant != p.Welcome.Participant {
			t.Errorf("it comes back as %d, want %d", w.Participant, p.Welcome.Participant)
		}
	})
}

// The end of the run closes every session with its reason, and Shutdown with
// another one that asks to come back.
func TestEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(c *run.Config, _ *strategy.Config, _ *Limits) { c.Stop.Time = 20 * time.Second })
		p := f.join(t)
		if code, why := p.Closed(); code != protocol.CloseFinished || why == "" {
			t.Errorf("closed with %v (%q), want %v", code, why, protocol.CloseFinished)
		}
		late := f.connect(t)
		late.Send(hubtest.Hello("small"))
		if code, _ := late.Closed(); code != protocol.CloseFinished {
			t.Errorf("a late client is closed with %v, want %v", code, protocol.CloseFinished)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		p := f.join(t)
		go f.hub.Shutdown(t.Context())
		if code, _ := p.Closed(); code != protocol.CloseShutdown || !code.Reconnect() {
			t.Errorf("closed with %v, want %v", code, protocol.CloseShutdown)
		}
		if _, r, err := f.dialer.DialContext(t.Context(), testURL, nil); err == nil || r == nil || r.StatusCode != 503 {
			t.Errorf("after Shutdown a handshake is answered with %v (%v), want 503", r, err)
		}
	})
}

// Participants answer as fast as the coordinator asks: its pace is no flood of theirs.
func TestAnswersAreNoFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		var wait sync.WaitGroup
		for range 3 {
			p := f.join(t)
			wait.Go(func() {
				if _, err := p.Obey(ctx, time.Millisecond); err != nil { // 50 times MaxMessageRate
					t.Errorf("an honest participant: %v", err)
				}
			})
		}
		began := time.Now()
		for f.state().Version < 2*protocol.MessageBurst {
			if took := time.Since(began); took > time.Minute {
				t.Fatalf("version %d after %v", f.state().Version, took)
			}
			time.Sleep(10 * time.Millisecond)
		}
		cancel()
		wait.Wait()
	})
}

// Versions that are asked for beside orders have a pace for each address, whatever the
// number of sessions; those that orders need have none.
func TestVersionsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(_ *run.Config, sc *strategy.Config, l *Limits) {
			sc.MinClients = 100 // no orders
			l.Models, l.ModelBurst, l.ModelWait = .5, 3, 5*time.Second
		})
		began := time.Now()
		took := func() time.Duration { return time.Since(began).Round(time.Second) }
		ask := func() *hubtest.Peer {
			p := f.join(t)
			p.Send(&protocol.Want{Full: true})
			return p
		}
		for i, want := range []time.Duration{0, 0, 0, 2 * time.Second, 4 * time.Second} {
			hubtest.Await[*protocol.Model](ask())
			if got := took(); got != want {
				t.Errorf("model %d has come after %v, want %v", i, got, want)
			}
		}
		var waiting []*hubtest.Peer
		for range 3 { // their turns are in 2, 4 and 6 s
			waiting = append(waiting, ask())
			synctest.Wait() // they have their turns in this order
		}
		if code, why := waiting[2].Closed(); code != protocol.CloseOverloaded || !strings.Contains(why, "more than 3 asked for") {
			t.Errorf("closed with %v (%q), want %v", code, why, protocol.CloseOverloaded)
		}
	})
}
