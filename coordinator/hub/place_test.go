package hub

import (
	"strings"
	"testing"
	"testing/synctest"

	"fedtab/coordinator/hub/hubtest"
	"fedtab/protocol"
	"fedtab/run"
	"fedtab/strategy"
)

// When all sockets of an address are lost at once, its participants come back at once:
// each takes its own place over, and nobody else gets one.
func TestPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const places = 4
		f := newFixture(t, func(_ *run.Config, _ *strategy.Config, l *Limits) { l.PerAddress = places })
		hello := func(token []byte) *protocol.Hello {
			h := hubtest.Hello("small")
			h.ResumeToken = token
			return h
		}
		refused := func(what string, token []byte) {
			t.Helper()
			p := f.connect(t)
			p.Send(hello(token))
			if code, why := p.Closed(); code != protocol.CloseOverloaded || !strings.Contains(why, "too many connections from your address") || !strings.Contains(f.log.String(), "--per-address") {
				t.Errorf("%s: closed with %v (%q), want %v and what to do", what, code, why, protocol.CloseOverloaded)
			}
			synctest.Wait()
		}
		var lost [places]*hubtest.Peer
		for i := range lost {
			lost[i] = f.join(t)
		}
		refused("one more", nil)
		var back [places]*hubtest.Peer
		for i, p := range lost { // whose sockets are open still
			back[i] = f.connect(t).Join(hello(p.Welcome.ResumeToken))
			if got, want := back[i].Welcome.Participant, p.Welcome.Participant; got != want {
				t.Errorf("participant %d is back as %d", want, got)
			}
		}
		for i, p := range lost {
			if code, _ := p.Closed(); code != protocol.CloseSuperseded {
				t.Errorf("lost socket %d is closed with %v, want %v", i, code, protocol.CloseSuperseded)
			}
		}
		synctest.Wait()
		refused("one more beside those that are back", nil)
		// A take-over that is refused leaves the place where it was.
		contested := back[0]
		for n := 1; ; n++ {
			p := f.connect(t)
			p.Send(hello(contested.Welcome.ResumeToken))
			if m, err := p.Read(); err != nil {
				t.Fatal(err)
			} else if w, ok := m.(*protocol.Welcome); ok && n <= protocol.MaxTakeOvers {
				p.Welcome = w
				contested.Closed()
				contested = p
				synctest.Wait()
				continue
			}
			if code, _ := p.Closed(); code != protocol.CloseContested {
				t.Fatalf("take-over %d is closed with %v, want %v", n, code, protocol.CloseContested)
			}
			break
		}
		refused("one more beside a take-over that was refused", nil)
		// A place that a participant has left is another's, also if it would come back.
		back[1].Conn.NetConn().Close()
		synctest.Wait()
		last := f.join(t)
		refused("one whose place is taken", back[1].Welcome.ResumeToken)
		last.Send(&protocol.Bye{Code: protocol.CloseNormal})
		last.Closed()
		synctest.Wait()
		f.connect(t).Join(hello(back[1].Welcome.ResumeToken))
		if n := f.hub.Counts().Refused["address"]; n != 4 {
			t.Errorf("%d are counted as refused for their address, want 4", n)
		}
	})
}
