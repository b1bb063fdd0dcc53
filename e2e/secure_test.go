package e2e

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"fedtab/privacy/secagg"
	"fedtab/protocol"

	"github.com/gorilla/websocket"
)

// securely is a small task with secure aggregation.
func securely(edit ...string) string {
	return digits(append([]string{
		"hidden: [200, 200]", "hidden: [16]", "batch: 10", "batch: 50", "fraction: 0.1", "fraction: 1", "min_clients: 1", "min_clients: 6",
		"seed: 1", "seed: 1\nprivacy: {aggregation: secure, min: 5, dropout: .3, examples: 10000}",
	}, edit...)...)
}

// wire is a way to a coordinator, for pages and sockets, on which the test sees every message of
// the protocol.
type wire struct {
	*httptest.Server
	c *coordinator

	mu      sync.Mutex
	sent    map[string]int // messages of tabs, by what they are
	plain   []string       // that tell something of a single tab's data
	swallow func(what string, cohort int) bool
	gone    bool // a tab's messages have been swallowed
}

// wireTo returns a wire to a coordinator. The listener may be nil.
func wireTo(t *testing.T, c *coordinator, l net.Listener) *wire {
	t.Helper()
	to, err := url.Parse(c.url())
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{c: c, sent: map[string]int{}}
	pages := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host // the page's origin
	}}
	w.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		if websocket.IsWebSocketUpgrade(r) {
			w.socket(answer, r)
		} else {
			pages.ServeHTTP(answer, r)
		}
	}))
	if l != nil {
		w.Listener.Close()
		w.Listener = l
	}
	w.Start()
	t.Cleanup(w.CloseClientConnections) // event streams last
	return w
}

// socket hands on what a tab and the coordinator say.
func (w *wire) socket(answer http.ResponseWriter, r *http.Request) {
	rear, _, err := websocket.DefaultDialer.Dial("ws://"+w.c.addr+r.URL.Path, http.Header{"Origin": r.Header["Origin"], "Host": {r.Host}})
	if err != nil {
		http.Error(answer, err.Error(), http.StatusBadGateway)
		return
	}
	defer rear.Close()
	up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	front, err := up.Upgrade(answer, r, nil)
	if err != nil {
		return
	}
	defer front.Close()
	var cohort int // of the newest attempt
	go func() {
		defer front.Close()
		for {
			kind, frame, err := rear.ReadMessage()
			if err != nil {
				return
			}
			if m, ok := decoded(frame).(*protocol.Secure); ok && inside(m) == "roster" {
				w.mu.Lock()
				const head, each = 17 + 8, 2 * secagg.KeySize
				cohort = (len(m.Vectors[0].Block) - head) / each
				w.mu.Unlock()
			}
			if front.WriteMessage(kind, frame) != nil {
				return
			}
		}
	}()
	swallowing := false
	for {
		kind, frame, err := front.ReadMessage()
		if err != nil {
			return
		}
		w.mu.Lock()
		swallowing = swallowing || w.swallows(decoded(frame), cohort)
		w.mu.Unlock()
		if !swallowing && rear.WriteMessage(kind, frame) != nil {
			return
		}
	}
}

func decoded(frame []byte) protocol.Message {
	m, _ := protocol.Decode(frame)
	return m
}

// inside says what a message of secure aggregation is.
func inside(m *protocol.Secure) string {
	if len(m.Vectors) != 1 {
		return ""
	}
	return secagg.KindOf(m.Vectors[0].Block)
}

// swallows notes a tab's message, and reports whether it is to be swallowed, and all after it.
func (w *wire) swallows(m protocol.Message, cohort int) bool {
	what := fmt.Sprintf("%T", m)
	switch m := m.(type) {
	case *protocol.Secure:
		what = inside(m)
	case *protocol.Contribution:
		what = "contribution"
		if len(m.Vectors) != 1 || m.Vectors[0].Kind != protocol.PayloadMasked || secagg.KindOf(m.Vectors[0].Block) != "masked vector" ||
			m.Weight != 1 || m.Metrics != (protocol.Metrics{}) {
			w.plain = append(w.plain, fmt.Sprintf("%+v", m))
		}
	case *protocol.Progress:
		if m.Examples != 0 {
			w.plain = append(w.plain, fmt.Sprintf("%+v", m))
		}
	case *protocol.Hello, *protocol.Tab, *protocol.Decline, *protocol.Want, *protocol.Bye:
	default:
		w.plain = append(w.plain, what)
	}
	if w.swallow != nil && w.swallow(what, cohort) {
		w.swallow, w.gone = nil, true
		return true
	}
	w.sent[what]++
	return false
}

// stops has the wire swallow a tab's message of a kind, and all that the tab sends after it, in
// an attempt of so many, or more.
func (w *wire) stops(what string, among int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.swallow = func(is string, cohort int) bool { return is == what && cohort >= among }
}

// stopped reports whether it has.
func (w *wire) stopped() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.gone
}

// another opens another window.
func (f *firefox) another() *firefox {
	f.t.Helper()
	g := *f
	var made struct{ Context string }
	f.call("browsingContext.create", `{"type": "window"}`, &made)
	g.page = made.Context
	return &g
}

// Eight tabs of two browsers learn, and the coordinator gets sums: one tab is reloaded while it
// exchanges keys, one is closed before its masked vector has left it, and one after that.
func TestSecure(t *testing.T) {
	c := serve(t, securely("rounds: 15", "rounds: 100000"))
	wires := make([]*wire, 4)
	for i := range wires {
		wires[i] = wireTo(t, c, nil)
	}
	others, reloaded, before, after := wires[0], wires[1], wires[2], wires[3]
	reloaded.stops("shares", 8)

	f := startFirefox(t)
	windows := []*firefox{f, f.another(), f.another(), f.another()}
	for i, w := range windows {
		address := others.URL
		if i == 0 {
			address = before.URL
		}
		w.to(address + "/")
		w.press("join")
	}
	var tabs []*tab
	for _, w := range []*wire{others, others, after, reloaded} {
		b := open(t, w.URL+"/", activities)
		b.offline = true
		b.join()
		tabs = append(tabs, b)
	}

	await(t, "a tab has sent no shares", reloaded.stopped)
	back := tabs[3]
	number := back.participant()
	js[bool](back, "window.gone = true, setTimeout(() => location.reload()), true")
	await(t, "the tab is back", func() bool { return js[bool](back, "!window.gone") && back.state("connection") == "joined" })
	if got := back.participant(); got != number {
		t.Errorf("participant %d has come back as %d", number, got)
	}
	had, _ := back.value("contributions")
	await(t, "the tab that was reloaded contributes", func() bool { v, _ := back.value("contributions"); return v > had })

	before.stops("contribution", 7)
	await(t, "a tab has masked what it learned", before.stopped)
	f.call("browsingContext.close", fmt.Sprintf(`{"context": %q}`, f.page), nil)

	after.stops("reveal", 6)
	await(t, "a tab has sent its masked vector", after.stopped)
	tabs[2].cancel()
	version := c.state("digits").Version
	await(t, "the others go on", func() bool { return c.state("digits").Version > version+1 })
	if seen := js[[]string](tabs[0], "window.activities"); !slices.Contains(seen, "summing") {
		t.Errorf("a tab was %q, and never waited for the sum", seen)
	}
	c.order("stop", "--run", c.state("digits").Run)
	await(t, "the tabs say that the run is over", func() bool { return tabs[0].state("connection") == "finished" })

	s := c.state("digits")
	most := 0
	for _, r := range s.Rounds {
		if most = max(most, r.Participants); r.Participants < 5 {
			t.Errorf("round %d has a sum of %d participants, want at least 5", r.Round, r.Participants)
		}
	}
	if most < 7 || *s.TestAccuracy < .8 {
		t.Errorf("at most %d participants a round, want 7; test accuracy %.3f, want at least 0.8", most, *s.TestAccuracy)
	}
	for _, w := range wires {
		w.mu.Lock()
		for _, kind := range []string{"keys", "shares", "contribution", "reveal"} {
			if w.sent[kind] == 0 && !w.gone {
				t.Errorf("tabs have sent %v, want messages of each kind", w.sent)
			}
		}
		for _, m := range w.plain {
			t.Errorf("the coordinator could read of a single tab: %s", m)
		}
		w.mu.Unlock()
	}
}

// Before joining, the page says what secure aggregation hides from whom, or, on a page that is not
// encrypted, why this browser cannot take part, and what would help.
func TestSecureBeforeJoining(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	public := fmt.Sprintf("http://study.example:%d", l.Addr().(*net.TCPAddr).Port)
	c := serve(t, securely(), "--public-url", public)
	w := wireTo(t, c, l)
	b := open(t, public+"/")
	await(t, "the page says what is missing", func() bool { return js[bool](b, "document.getElementById('lack')?.offsetParent != null") })
	if got := b.text("lack"); !strings.Contains(got, "an address that begins with https") {
		t.Errorf("the page says %q", got)
	}
	if !js[bool](b, "document.getElementById('join').disabled") {
		t.Error("the tab can join a task whose cryptography it lacks")
	}
	b.axe("secure aggregation, on a page that is not encrypted")

	b = open(t, w.URL+"/")
	b.shows("learns only the sum of at least 5 contributions")
	b.shows("It does not protect against an organiser who cheats")
	b.axe("secure aggregation, before joining")
	b.join()
	await(t, "the tab waits", func() bool { return strings.Contains(b.text("state"), "waiting for 5 more participants") })
	b.axe("secure aggregation, joined")
}

// A task with secure aggregation before joining, in both languages; while the tab waits for keys,
// and what has left it; and on a page that is not encrypted.
func securePictures(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	public := fmt.Sprintf("http://study.example:%d", l.Addr().(*net.TCPAddr).Port)
	c := serve(t, securely("rounds: 15", "rounds: 100000"), "--public-url", public)
	w, silent := wireTo(t, c, l), wireTo(t, c, nil)
	for i, language := range []string{"en", "de"} {
		b := open(t, public+"/?lang="+language)
		await(t, "the page says what is missing", func() bool { return js[bool](b, "document.getElementById('lack')?.offsetParent != null") })
		b.pictures(fmt.Sprintf("secure-%d-lack-%s", i+1, language))
	}
	b := open(t, w.URL+"/?lang=de")
	b.shows("Teilnehmenden selbst spielen")
	b.pictures("secure-3-before")
	b = open(t, w.URL+"/")
	b.shows("play the other participants")
	b.pictures("secure-4-before")
	b.join()
	for range 4 {
		open(t, w.URL+"/").join()
	}
	silent.stops("shares", 6)
	held := open(t, silent.URL+"/")
	held.offline = true
	held.join()
	await(t, "the tab waits for keys", func() bool { return b.state("activity") == "agreeing" })
	b.pictures("secure-5-agreeing")
	held.cancel()
	await(t, "the round ends without it", func() bool { return c.state("digits").Version == 1 })
	b.press("moved-fold")
	b.pictures("secure-6-moved")
}
