package e2e

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"fedtab/protocol"

	"github.com/chromedp/chromedp"
	"github.com/gorilla/websocket"
)

// visit is what a person sees of a page, in milliseconds since the navigation, and how long
// its main thread was held up.
type visit struct {
	Origin                                       float64 // of the navigation, in milliseconds since 1970
	Readable, Pressable, Shown, Joined, Training float64
	Blocking, Longest                            float64
}

// watching records a visit. It presses Join as soon as that can be pressed, once.
const watching = `
window.visit = { Origin: performance.timeOrigin, Blocking: 0, Longest: 0 };
(() => {
	const title = %q, description = %q;
	const begun = new Set();
	// painted records when what is on the page now is on the screen.
	const painted = (name, then) => {
		begun.add(name);
		requestAnimationFrame(() => {
			const { port1, port2 } = new MessageChannel();
			port1.onmessage = () => { visit[name] = performance.now(); then?.(); };
			port2.postMessage("");
		});
	};
	const shown = (e) => e?.checkVisibility() === true;
	const is = (e, text) => shown(e) && e.textContent.trim() === text;
	const join = () => document.getElementById("join");
	const response = () => JSON.stringify([join()?.disabled, shown(join()), join()?.textContent, document.getElementById("state")?.textContent]);
	let before;
	const press = () => { before = response(); join().click(); };
	const look = () => {
		if (!begun.has("Readable") && is(document.getElementById("task-title"), title) && [...document.querySelectorAll("main p")].some((p) => is(p, description))) {
			painted("Readable");
		}
		if (!begun.has("Pressable") && shown(join()) && !join().disabled) {
			painted("Pressable", press);
		}
		if (before && !begun.has("Shown") && response() !== before) {
			painted("Shown");
		}
		const { connection, activity } = document.getElementById("state")?.dataset ?? {};
		if (connection === "joined") {
			visit.Joined ??= performance.now();
		}
		if (activity === "training") {
			visit.Training ??= performance.now();
		}
	};
	new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
	new PerformanceObserver((list) => {
		for (const { duration } of list.getEntries()) {
			visit.Blocking += duration - 50;
			visit.Longest = Math.max(visit.Longest, duration);
		}
	}).observe({ type: "longtask", buffered: true });
})();
`

const (
	watchedTitle       = "Handwritten digits"
	watchedDescription = "Together they learn to read digits."
)

// watchedTask needs two participants.
func watchedTask() string {
	return digits("title: "+watchedTitle, "title: "+watchedTitle+"\ndescription: "+watchedDescription, "min_clients: 1", "min_clients: 2", "fraction: 0.1", "fraction: 1", "rounds: 15", "rounds: 100")
}

// visits shows a page in a new tab and watches it.
func visits(t *testing.T, in context.Context, address string) *tab {
	t.Helper()
	b := blank(t, in, address, fmt.Sprintf(watching, watchedTitle, watchedDescription))
	if err := chromedp.Do(b.ctx, chromedp.Navigate(address)); err != nil {
		t.Fatal(err)
	}
	return b
}

// visit returns what was seen, once a moment of it has come.
func (b *tab) visit(moment string) visit {
	b.t.Helper()
	await(b.t, "the page is "+moment, func() bool { return js[bool](b, "visit."+moment+" > 0 && visit.Shown > 0") })
	return js[visit](b, "visit")
}

// presence joins and does nothing: the participant that a round needs besides. It leaves
// when the function that it returns is called.
func presence(t *testing.T, c *coordinator) (leave func()) {
	t.Helper()
	conn, _, err := websocket.DefaultDialer.Dial("ws://"+c.addr+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	hello := &protocol.Hello{Protocol: protocol.Version, Task: "digits", TabState: protocol.TabVisible}
	for codec := protocol.CodecFloat32; codec <= protocol.CodecGrid; codec++ {
		hello.Codecs = append(hello.Codecs, codec)
	}
	for _, f := range protocol.AppendFrames(nil, hello) {
		if err := conn.WriteMessage(websocket.BinaryMessage, f); err != nil {
			t.Fatal(err)
		}
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for err := error(nil); err == nil; { // pings are answered meanwhile
			_, _, err = conn.NextReader()
		}
	}()
	await(t, "the other participant is there", func() bool { return c.state("digits").Participants == 1 })
	return func() {
		for _, f := range protocol.AppendFrames(nil, &protocol.Bye{}) {
			conn.WriteMessage(websocket.BinaryMessage, f)
		}
		conn.Close()
		<-gone
		await(t, "the participants have left", func() bool { return c.state("digits").Participants == 0 })
	}
}

// table is a table of what was measured, against what is to be reached.
type table struct{ rows [][3]string }

func (m *table) add(what, goal, format string, args ...any) {
	m.rows = append(m.rows, [3]string{what, fmt.Sprintf(format, args...), goal})
}

// ms adds the median of times, with the smallest and the largest.
func (m *table) ms(what, goal string, times []float64) {
	m.add(what, goal, "%.0f ms (%.0f to %.0f)", median(times), slices.Min(times), slices.Max(times))
}

func (m *table) kB(what, goal string, bytes []float64) {
	m.add(what, goal, "%.1f kB", median(bytes)/1e3)
}

func (m *table) log(t *testing.T) {
	text := "\n| measure | here | goal |\n|---|---|---|"
	for _, r := range m.rows {
		text += fmt.Sprintf("\n| %s | %s | %s |", r[0], r[1], r[2])
	}
	t.Log(text)
}

// of returns a figure of every visit.
func figuresOf(visits []visit, figure func(visit) float64) (values []float64) {
	for _, v := range visits {
		values = append(values, figure(v))
	}
	return values
}

const loads = 5

// How soon a page can be read and used, and what it takes from the network, the first time
// and again (docs/page.md).
func TestPageLoadSpeed(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures: make measure")
	}
	var m table
	for _, network := range []struct {
		name     string
		down, up float64
		trip     time.Duration
		goal     string
	}{
		{"9 Mbit/s", 9e6, 1.5e6, 40 * time.Millisecond, "<= 1,000 ms"},
		{"1.6 Mbit/s, 150 ms", 1.6e6, 750e3, 150 * time.Millisecond, "<= 2,000 ms"},
	} {
		c := serve(t, watchedTask())
		l := connect(t, c, network.down, network.up, network.trip)
		var visits_ []visit
		var bytes []float64
		for range loads {
			from := l.arrived(time.Now())
			b := visits(t, profile(t), l.url())
			v := b.visit("Joined")
			visits_, bytes = append(visits_, v), append(bytes, float64(l.arrived(v.moment(v.Pressable))-from))
			b.cancel()
			await(t, "the tab has left", func() bool { return c.state("digits").Participants == 0 })
		}
		m.ms("readable, "+network.name, "", figuresOf(visits_, func(v visit) float64 { return v.Readable }))
		m.ms("Join can be pressed, "+network.name, network.goal, figuresOf(visits_, func(v visit) float64 { return v.Pressable }))
		m.ms("the press is answered on the screen, "+network.name, "", figuresOf(visits_, func(v visit) float64 { return v.Shown - v.Pressable }))
		m.kB("bytes until Join can be pressed, "+network.name, "<= 150 kB", bytes)
	}
	m.log(t)
}

// moment returns when something was seen.
func (v visit) moment(ms float64) time.Time {
	return time.UnixMicro(int64((v.Origin + ms) * 1000))
}

var _ = strconv.Itoa
