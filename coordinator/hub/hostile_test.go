package hub

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"fedtab/coordinator/hub/hubtest"
	"fedtab/protocol"
	"fedtab/run"
	"fedtab/strategy"

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

// Every breach of the protocol closes its socket with a code of its own.
func TestCloseCodes(t *testing.T) {
	for _, b := range hubtest.Breaches() {
		withHonest(t, b.Name, func(t *testing.T, f *fixture) {
			began := time.Now()
			if got, why := b.Do(f.world(t)).Closed(); got != b.Want || why == "" {
				t.Errorf("closed with %d (%v: %q), want %d (%v) and a reason", got, got, why, b.Want, b.Want)
			}
			if took := time.Since(began); b.AtOnce && took > 0 {
				t.Errorf("refused after %v, want at once", took)
			}
			synctest.Wait()
			if f.hub.Counts().Closed[b.Want] == 0 {
				t.Errorf("sessions closed with %v are not counted: %v", b.Want, f.hub.Counts().Closed)
			}
			line := fmt.Sprintf(`msg="session closed" session=\d+ participant=\d code=%d reason="?[a-z].* remote=`, b.Want)
			if got, want := regexp.MustCompile(line).MatchString(f.log.String()), b.Want != protocol.CloseSuperseded; got != want {
				t.Errorf("the log has a line %s: %v, want %v:\n%s", line, got, want, f.log.String())
			}
		})
	}
}

// What a contribution can be wrong about has an answer of its own; the session
// goes on, and the next answer, a good one, is accepted.
func TestAnswers(t *testing.T) {
	for _, lie := range hubtest.Lies() {
		withHonest(t, lie.Name, func(t *testing.T, f *fixture) {
			p, o := f.ordered(t)
			c := p.Contribution(o)
			lie.Edit(c)
			p.Send(c)
			if got := hubtest.Await[*protocol.Ack](p); got.Reason != lie.Want {
				t.Errorf("answered with %v (%s), want %v", got.Reason, got.Detail, lie.Want)
			}
			f.advances()
			p.AcceptedSoon()
			answers := f.state().Ledger.Answers
			if answers[lie.Want] == 0 || answers[protocol.ReasonAccepted] == 0 {
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
		first, chunks := hubtest.Announcement(p, o)
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
	})
}

// Before their hello an address may have as many sockets again as participants.
func TestSurplus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const sockets = 2 * 10
		f := newFixture(t, func(_ *run.Config, _ *strategy.Config, l *Limits) { l.PerAddress = sockets / 2 })
		for i := range sockets + 5 { // all connections in memory have one address
			conn, r, err := f.dialer.DialContext(t.Context(), testURL, nil)
			switch {
			case i < sockets && err != nil:
				t.Fatalf("connection %d: %v", i+1, err)
			case i >= sockets && (r == nil || r.StatusCode != http.StatusTooManyRequests):
				t.Fatalf("connection %d: %v (%v), want status 429", i+1, r, err)
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
