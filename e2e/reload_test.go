package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"fedtab/compress"
	"fedtab/protocol"

	"github.com/gorilla/websocket"
)

// activities records what the tab does, from the first moment of its page.
const activities = `
window.activities = [];
new MutationObserver(() => {
  const a = document.getElementById('state')?.dataset.activity ?? '';
  if (a && a !== window.activities.at(-1)) window.activities.push(a);
}).observe(document, {subtree: true, childList: true, attributes: true});
`

// peer is a native participant under a test's control; it does not train.
type peer struct {
	t       *testing.T
	c       *coordinator
	conn    *websocket.Conn
	welcome *protocol.Welcome
	body    protocol.Assembler
}

// connect joins, or resumes.
func (s *peer) connect() {
	s.t.Helper()
	conn, _, err := websocket.DefaultDialer.Dial("ws://"+s.c.addr+"/ws", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	s.conn = conn
	h := &protocol.Hello{Protocol: protocol.Version, Task: "digits", Codecs: []protocol.Codec{protocol.CodecFloat32}, TabState: protocol.TabVisible}
	if s.welcome != nil {
		h.ResumeToken = s.welcome.ResumeToken
	}
	s.send(h)
	s.await(func(m protocol.Message) bool {
		w, ok := m.(*protocol.Welcome)
		if ok {
			s.welcome = w
		}
		return ok
	})
}

func (s *peer) send(m protocol.Message) {
	s.t.Helper()
	for _, f := range protocol.AppendFrames(nil, m) {
		if err := s.conn.WriteMessage(websocket.BinaryMessage, f); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *peer) await(done func(protocol.Message) bool) {
	s.t.Helper()
	for {
		s.conn.SetReadDeadline(time.Now().Add(patience))
		_, frame, err := s.conn.ReadMessage()
		if err != nil {
			s.t.Fatal(err)
		}
		m, err := protocol.Decode(frame)
		if c, ok := m.(*protocol.Chunk); ok {
			m, err = s.body.Add(c)
		} else if err == nil && protocol.Announced(m) > 0 {
			err, m = s.body.Start(m, protocol.MaxBlock, nil), nil
		}
		if err != nil {
			s.t.Fatal(err)
		}
		if m != nil && done(m) {
			return
		}
	}
}

// answer waits for the order and answers it with zeros.
func (s *peer) answer() {
	s.t.Helper()
	var o *protocol.Order
	s.await(func(m protocol.Message) (ok bool) { o, ok = m.(*protocol.Order); return ok })
	s.send(&protocol.Contribution{
		Transfer: o.Order, Order: o.Order, Round: o.Round, Weight: 600,
		Vectors: []protocol.Vector{{Role: protocol.RoleDelta, BaseHash: o.BaseHash, Block: compress.AppendFloat32(nil, make([]float32, s.welcome.Parameters))}},
	})
}

// participant returns the number that the page shows of a tab that takes part.
func (b *tab) participant() int {
	b.t.Helper()
	number := 0.
	await(b.t, "the page shows the participant's number", func() bool { number, _ = b.value("participant"); return number > 0 })
	return int(number)
}

// A tab that is reloaded during a round resumes as the same participant. Its finished
// contribution is kept in the tab: when a kill of the coordinator loses it, the
// reloaded page offers it again, and the next version contains it without a second
// training.
func TestReload(t *testing.T) {
	c := serve(t, digits("fraction: 0.1", "fraction: 1", "min_clients: 1", "min_clients: 2, min_reports: 2, deadline: 10m"))
	other := &peer{t: t, c: c}
	other.connect()
	b := open(t, c.url(), activities)
	b.offline = true
	b.join()
	await(t, "the tab's contribution is accepted", func() bool { v, _ := b.value("contributions"); return v == 1 })
	number := b.participant()
	if number == 0 {
		t.Fatal("the page does not show which participant the tab is")
	}

	back := func(what string) {
		t.Helper()
		js[bool](b, "window.gone = true")
		began := time.Now()
		js[bool](b, "setTimeout(() => location.reload()), true") // not before it has answered
		await(t, "the "+what+" tab has joined again", func() bool {
			return js[bool](b, "!window.gone") && b.state("connection") == "joined"
		})
		t.Logf("the %s tab is back after %v; the goal, on a quiet machine, is 3 s", what, time.Since(began))
		if got := b.participant(); got != number {
			t.Errorf("participant %d resumed as %d", number, got)
		}
	}
	back("reloaded")
	const part = "This tab has added 1 contribution"
	if v, _ := b.value("contributions"); v != 1 || !strings.HasPrefix(b.text("own-part"), part) {
		t.Errorf("after a reload the tab has %v contributions, %q, want %q", v, b.text("own-part"), part)
	}
	c.stop(syscall.SIGKILL)
	await(t, "the page says that it tries again", func() bool { return b.state("connection") == "reconnecting" })
	c.start()
	await(t, "the tab is back", func() bool { return b.state("connection") == "joined" })
	other.connect()
	other.answer()
	await(t, "the round is over", func() bool { return c.state("digits").Version >= 1 })
	if r := c.state("digits").Rounds[0]; r.Participants != 2 {
		t.Errorf("version 1 is made by %d participants, want both", r.Participants)
	}
	// The first thing that the reloaded page trains on is the second round.
	for _, a := range js[[]string](b, "window.activities") {
		if a == "training" && js[float64](b, "+document.getElementById('round').dataset.value") < 2 {
			t.Error("the tab has trained again after the reload")
		}
	}

	// A tab that was paused is still paused after a reload.
	b.press("pause")
	await(t, "the tab says that it pauses", func() bool { return b.state("activity") == "paused" })
	back("paused")
	await(t, "the tab is still paused", func() bool { return b.state("activity") == "paused" })
	// One that has left stays away.
	b.press("leave")
	await(t, "the tab has left", func() bool { return c.state("digits").Participants == 1 })
	js[bool](b, "window.gone = true, setTimeout(() => location.reload()), true")
	await(t, "the page is there again", func() bool {
		return js[bool](b, "!window.gone && document.getElementById('join')?.disabled === false")
	})
	if got := b.state("connection"); got != "" {
		t.Errorf("a tab that has left is %q after a reload", got)
	}
	b.shows("This tab has added")
}

// A duplicated tab has its participant's token. The newer tab continues. The older
// one shows that it is superseded, does not rejoin after a reload, and may join as a
// new participant.
func TestDuplicatedTab(t *testing.T) {
	c := serve(t, digits("min_clients: 1", "min_clients: 3"))
	older := open(t, c.url())
	older.join()
	number := older.participant()
	kept := js[string](older, "JSON.stringify(Object.fromEntries(Object.entries(sessionStorage)))")
	newer := open(t, c.url(), fmt.Sprintf("if (!sessionStorage.length) for (const [k, v] of Object.entries(%s)) sessionStorage.setItem(k, v)", kept))
	await(t, "the duplicate has joined", func() bool { return newer.state("connection") == "joined" })
	if got := newer.participant(); got != number {
		t.Errorf("the duplicate of participant %d is %d", number, got)
	}
	await(t, "the older tab says what has happened", func() bool { return older.state("connection") == "superseded" })
	if got := older.text("state"); !strings.Contains(got, "Another tab") {
		t.Errorf("text of the older tab: %q", got)
	}
	js[bool](older, "window.gone = true, setTimeout(() => location.reload()), true")
	await(t, "the page is there again", func() bool {
		return js[bool](older, "!window.gone && document.getElementById('join')?.disabled === false")
	})
	if s := c.state("digits"); s.Participants != 1 || newer.state("connection") != "joined" {
		t.Errorf("after a reload of the older tab there are %d participants, and the newer is %s", s.Participants, newer.state("connection"))
	}
	older.join()
	if got := older.participant(); got == number || got == 0 {
		t.Errorf("the older tab joins again as %d, want a new participant", got)
	}
	if got := newer.state("connection"); got != "joined" {
		t.Errorf("the newer tab is %s then", got)
	}
}
