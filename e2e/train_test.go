package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// call sends a command of the DevTools protocol to a tab.
func call[P, R any](b *tab, command cdp.Command[P, R], params P) {
	b.t.Helper()
	err := chromedp.Do(b.ctx, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, command, params)
		return err
	}))
	if err != nil {
		b.t.Fatal(err)
	}
}

// place returns where an element is, after it was scrolled into view.
func (b *tab) place(id string) point {
	b.t.Helper()
	p := js[[]float64](b, fmt.Sprintf("(() => { const e = document.getElementById(%q); e.scrollIntoView({ block: 'center' }); const r = e.getBoundingClientRect(); return [r.left + r.width / 2, r.top + r.height / 2] })()", id))
	return point{p[0], p[1]}
}

// handled waits until the page's program has handled all that was pressed before, and
// the page shows it.
func (b *tab) handled() {
	b.t.Helper()
	const expanded = "document.getElementById('details-fold').getAttribute('aria-expanded')"
	before := js[string](b, expanded)
	b.press("details-fold")
	await(b.t, "the page has handled it", func() bool { return js[string](b, expanded) != before })
}

// settle waits until a press counts again.
func (b *tab) settle() {
	b.t.Helper()
	js[bool](b, "window.settled = false, setTimeout(() => { window.settled = true }, 500), true")
	await(b.t, "a press counts again", func() bool { return js[bool](b, "window.settled") })
}

// Who presses twice where once is meant, gets what the first press does: Join stays
// joined, Pause paused, and nothing is forgotten unasked.
func TestPressedTwice(t *testing.T) {
	c := serve(t, digits("hidden: [200, 200]", "hidden: [16]", "rounds: 15", "rounds: 100000"))
	for _, way := range []struct {
		name  string
		press func(b *tab, id string)
	}{
		{"a double click", func(b *tab, id string) {
			p := b.place(id)
			for clicks := range int64(2) {
				for _, kind := range []input.DispatchMouseEventType{input.DispatchMouseEventTypeMousePressed, input.DispatchMouseEventTypeMouseReleased} {
					call(b, input.DispatchMouseEvent, input.DispatchMouseEventParams{Type: kind, X: p.X, Y: p.Y, Button: input.MouseButtonLeft, ClickCount: clicks + 1})
				}
			}
		}},
		{"two quick clicks", func(b *tab, id string) {
			p := b.place(id)
			for range 2 {
				b.mouse(input.DispatchMouseEventTypeMousePressed, p)
				b.mouse(input.DispatchMouseEventTypeMouseReleased, p)
			}
		}},
		{"a double tap", func(b *tab, id string) {
			call(b, emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: true})
			p := b.place(id)
			for range 2 {
				call(b, input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: input.DispatchTouchEventTypeTouchStart, TouchPoints: []*input.TouchPoint{{X: p.X, Y: p.Y}}})
				call(b, input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: input.DispatchTouchEventTypeTouchEnd, TouchPoints: []*input.TouchPoint{}})
			}
		}},
		{"a key that is held", func(b *tab, id string) {
			js[bool](b, fmt.Sprintf("document.getElementById(%q).focus(), true", id))
			enter := input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyDown, Key: "Enter", Code: "Enter", Text: "\r", WindowsVirtualKeyCode: 13}
			call(b, input.DispatchKeyEvent, enter)
			enter.AutoRepeat = new(true)
			for range 3 {
				b.handled() // the focus may have gone elsewhere
				js[bool](b, fmt.Sprintf("(document.activeElement === document.body && document.getElementById(%q).focus()), true", id))
				call(b, input.DispatchKeyEvent, enter)
			}
			call(b, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyUp, Key: "Enter", Code: "Enter", WindowsVirtualKeyCode: 13})
		}},
	} {
		t.Run(way.name, func(t *testing.T) {
			b := open(t, c.url())
			b.ready()
			way.press(b, "join")
			await(t, "the tab trains", func() bool { v, _ := b.value("contributions"); return v > 0 })
			b.handled()
			if got := b.state("connection") + ", " + b.text("pause"); got != "joined, Pause" {
				t.Errorf("after Join: %s", got)
			}
			b.settle()
			for range 3 { // the card may have grown under the pointer meanwhile; a second press that counts undoes every one
				way.press(b, "pause")
				b.handled()
				if b.text("pause") == "Resume" {
					break
				}
				b.settle()
			}
			await(t, "the tab pauses", func() bool { return b.state("activity") == "paused" })
			b.handled()
			if got := b.text("pause"); got != "Resume" {
				t.Errorf("after Pause, the button says %s", got)
			}
			b.settle()
			way.press(b, "leave-forget")
			b.handled()
			if got := b.state("connection") + ", " + b.text("leave-forget"); got != "joined, Yes, leave and forget" {
				t.Errorf("after Leave and forget me: %s", got)
			}
			b.settle()
			way.press(b, "leave-forget")
			await(t, "the tab has left", func() bool { return b.state("connection") == "left" && c.state("digits").Participants == 0 })
			if got := js[string](b, "Object.keys(sessionStorage).filter((key) => key.startsWith('fedtab.')).join()"); got != "" {
				t.Errorf("the browser keeps %s", got)
			}
		})
	}
}

// gate is a way to a coordinator on which requests can be refused.
func gate(t *testing.T, c *coordinator, refused func(*http.Request) bool) *httptest.Server {
	t.Helper()
	to, err := url.Parse(c.url())
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host // the page's origin
	}}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refused(r) {
			panic(http.ErrAbortHandler) // the browser has no answer
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(s.CloseClientConnections) // event streams last
	return s
}

// aside returns the sentence below the state.
func (b *tab) aside() string {
	b.t.Helper()
	return js[string](b, "document.querySelector('#state + .aside').textContent")
}

// A tab whose network goes says so while its socket is open still, and goes on by itself;
// what it could not fetch meanwhile is forgotten. A page that the browser freezes, and
// lets run again, goes on too.
func TestNetworkLost(t *testing.T) {
	c := serve(t, digits("hidden: [200, 200]", "hidden: [16]", "rounds: 15", "rounds: 100000"))
	var cut atomic.Bool
	cut.Store(true)
	front := gate(t, c, func(r *http.Request) bool { return cut.Load() && strings.HasPrefix(r.URL.Path, "/data/") })
	b := open(t, front.URL+"/")
	b.offline = true
	b.join()
	await(t, "the page says that it cannot fetch", func() bool { return strings.HasPrefix(b.text("state"), "Cannot fetch data: ") && b.aside() != "" })
	cut.Store(false)
	contributes := func(when string) {
		t.Helper()
		done, _ := b.value("contributions")
		await(t, "the tab contributes "+when, func() bool { v, _ := b.value("contributions"); return v > done })
		await(t, "nothing is said of the trouble "+when, func() bool { return b.aside() == "" && b.state("connection") == "joined" })
	}
	contributes("at first")

	call(b, network.OverrideNetworkState, network.OverrideNetworkStateParams{Offline: true, DownloadThroughput: -1, UploadThroughput: -1})
	await(t, "the page says so", func() bool {
		return b.state("connection") == "reconnecting" && strings.HasPrefix(b.text("state"), "This device has no network") && strings.HasPrefix(b.aside(), "There is nothing to do")
	})
	b.shows("You are offline")
	call(b, network.OverrideNetworkState, network.OverrideNetworkStateParams{DownloadThroughput: -1, UploadThroughput: -1})
	contributes("after it was offline")
	await(t, "the notice is gone", func() bool { return !js[bool](b, "document.body.innerText.includes('You are offline')") })

	call(b, page.SetWebLifecycleState, page.SetWebLifecycleStateParams{State: page.SetWebLifecycleStateStateFrozen})
	call(b, page.SetWebLifecycleState, page.SetWebLifecycleStateParams{State: page.SetWebLifecycleStateStateActive})
	contributes("after it was frozen")
}

// Where something lets the page through but no socket, the page says so, and what to do.
func TestBlocked(t *testing.T) {
	c := serve(t, digits())
	front := gate(t, c, func(r *http.Request) bool { return r.Header.Get("Upgrade") != "" })
	b := open(t, front.URL+"/")
	b.offline = true
	b.press("join")
	await(t, "the page says what is in the way", func() bool {
		return strings.HasPrefix(b.text("state"), "Something in your network blocks the connection")
	})
	if got := b.aside(); !strings.Contains(got, "no WebSocket opens") || !strings.Contains(got, "Try another network") {
		t.Errorf("what to do: %q", got)
	}
}

// Join can be pressed while the coordinator is away: the page says what will happen, and
// it does. A number of participants that is none lets nobody join.
func TestJoinWhileAway(t *testing.T) {
	c := serve(t, digits("hidden: [200, 200]", "hidden: [16]", "rounds: 15", "rounds: 100000"))
	b := open(t, c.url())
	b.offline = true
	b.ready()
	b.fill("several", "-3")
	b.press("join") // before the page knows of the field
	b.handled()
	if got := b.text("several-error"); !strings.HasPrefix(got, `"-3" is no number`) || b.state("connection") != "" {
		t.Errorf("as -3 participants, the tab is %q, the page says %q", b.state("connection"), got)
	}
	b.fill("several", "")
	js[bool](b, "document.getElementById('several').dispatchEvent(new Event('change', { bubbles: true })), true")
	b.ready()
	c.stop(syscall.SIGKILL)
	await(t, "the page says that the coordinator is away", func() bool { return strings.HasPrefix(b.text("state"), "The coordinator cannot be reached") })
	b.shows("the tab joins once it is back")
	b.press("join")
	await(t, "the page says that it tries", func() bool {
		return b.state("connection") == "reconnecting" && strings.HasPrefix(b.text("state"), "The coordinator cannot be reached") && strings.HasPrefix(b.aside(), "There is nothing to do")
	})
	c.start()
	await(t, "the tab has joined", func() bool { return b.state("connection") == "joined" })
}

// spoken keeps what screen readers are told.
const spoken = `
window.spoken = [];
addEventListener("DOMContentLoaded", () => new MutationObserver(() => {
	const text = document.getElementById("announcement").textContent;
	if (text !== window.spoken.at(-1)) window.spoken.push(text);
}).observe(document.getElementById("announcement"), { childList: true, characterData: true, subtree: true }));
`

// A run of twenty rounds, in sight and hidden: a screen reader hears tenths of the way, the
// title of a hidden page says how the run ended, and nothing empty is left on the page.
func TestRunEnds(t *testing.T) {
	c := serve(t, digits("hidden: [200, 200]", "hidden: [16]", "rounds: 15", "rounds: 20", "min_clients: 1", "min_clients: 2"))
	seen, hidden := open(t, c.url(), spoken), open(t, c.url())
	hidden.join()
	hidden.hide(true)
	seen.ready()
	p := seen.place("join")
	seen.mouse(input.DispatchMouseEventTypeMousePressed, p)
	seen.mouse(input.DispatchMouseEventTypeMouseReleased, p)
	await(t, "the tab has joined", func() bool { return seen.state("connection") != "" })
	if at := seen.focus(); at == "body" {
		t.Error("after Join, nothing has the focus")
	}
	for _, b := range []*tab{seen, hidden} {
		await(t, "the run is finished", func() bool { return b.state("connection") == "finished" })
		await(t, "the title says how it ended", func() bool {
			return regexp.MustCompile(`^Training is finished: \d\d\.\d\d% test accuracy after 20 rounds`).MatchString(js[string](b, "document.title"))
		})
	}
	said := js[[]string](seen, "window.spoken")
	const most = 18 // loading, joining, waiting, nine tenths, the end, and some that are passed quickly
	if last := said[len(said)-1]; len(said) > most || !strings.HasPrefix(last, "Training is finished") {
		t.Errorf("a screen reader hears %d sentences in 20 rounds, want at most %d: %q", len(said), most, said)
	}
	if got := js[[]string](seen, `[...document.querySelectorAll(".buttons")].filter((row) => row.offsetHeight > 0 && ![...row.children].some((e) => e.offsetHeight > 0)).map((row) => row.outerHTML)`); len(got) > 0 {
		t.Errorf("rows of buttons without a button: %q", got)
	}
	seen.shows("Thank you! The training is finished")
	if v, _ := seen.value("contributions"); v == 0 {
		t.Error("the figures of what the tab has done are gone")
	}
	seen.saves()
	seen.press("moved-save")
	await(t, "what has moved is saved", func() bool { return js[bool](seen, "/^digits-moved[.]json [0-9]{4,}$/.test(saved.join())") })
	seen.press("thanks-share")
	await(t, "the part is a picture", func() bool { return js[bool](seen, "/^digits[.]png [0-9]{4,}$/.test(saved.at(-1))") })

	// On a narrow screen, a table that has more to the side shows it.
	seen.emulate(390, "light")
	seen.press("details-fold")
	await(t, "the table of rounds is shown", func() bool { return js[bool](seen, "document.querySelector('.history .scroll')?.offsetHeight > 0") })
	if !js[bool](seen, `(() => { const e = document.querySelector(".history .scroll"); return e.scrollWidth > e.clientWidth && e.tabIndex === 0 && getComputedStyle(e).backgroundImage.includes("gradient") })()`) {
		t.Error("nothing shows that the table of rounds goes on to the side")
	}
	if w := js[int](seen, "document.documentElement.scrollWidth"); w > 390 {
		t.Errorf("the page is %d pixels wide on a screen of 390", w)
	}
}

// The charts' scripts come when there is something to draw near what is seen, and the
// first rounds, which are far off, do not make the others a flat line.
func TestCharts(t *testing.T) {
	c := serve(t, digits("hidden: [200, 200]", "hidden: [16]", "rounds: 15", "rounds: 2"))
	b := open(t, c.url())
	if err := chromedp.Do(b.ctx, chromedp.EmulateViewport(800, 200)); err != nil {
		t.Fatal(err)
	}
	b.join()
	await(t, "the run is finished", func() bool { return b.state("connection") == "finished" })
	await(t, "there is a place for charts", func() bool { return js[bool](b, "document.getElementById('progressing').offsetHeight > 0") })
	b.handled()
	if js[bool](b, "'uPlot' in window") {
		t.Error("the charts' scripts are there, out of sight")
	}
	b.place("progressing")
	await(t, "the charts are drawn", func() bool { return js[bool](b, "document.querySelector('#chart-accuracy .uplot') !== null") })
	await(t, "each round's bytes are drawn", func() bool { return js[bool](b, "document.querySelector('#chart-bytes .uplot') !== null") })
	if bytes := js[string](b, "document.querySelector('#chart-bytes').ariaLabel"); !strings.Contains(bytes, "kB") {
		t.Errorf("the chart of bytes is described as %q", bytes)
	}
	// Legends have the colours of the system's scheme.
	js[bool](b, "(() => { window.drawnBefore = document.querySelector('#chart-bytes .uplot'); return true })()")
	b.emulate(800, "dark")
	await(t, "the charts are drawn in the other scheme", func() bool {
		return js[bool](b, "!drawnBefore.isConnected && document.querySelectorAll('#chart-bytes .uplot').length === 1")
	})

	scale := func(id, values string) []float64 {
		return js[[]float64](b, fmt.Sprintf(`(() => {
			const old = document.getElementById(%q), real = uPlot;
			old.replaceWith(old.cloneNode(false)); // a place without a chart
			let made;
			uPlot = function(options, data) { made = { options, data }; Object.assign(this, { destroy() {}, setSize() {} }); };
			fedtab.chart(%q, %s[0].map((_, i) => i + 1), %[3]s);
			uPlot = real;
			return made.options.scales.y.range({ data: made.data });
		})()`, id, id, values))
	}
	for _, c := range []struct {
		id, values string
		want       []float64
	}{
		{"chart-accuracy", "[[0.1, 0.91, 0.92, 0.93, 0.94, 0.95, 0.95, 0.96, 0.96, 0.97]]", []float64{0.9, 1}},
		{"chart-accuracy", "[[0.12, 0.91]]", []float64{0.1, 1}},
		{"chart-loss", "[[50, 1, 1, 1, 1, 1, 1, 1, 1, 1]]", []float64{0, 1.08}},
		{"chart-own", "[[0.9, null], [0.55, 0.6]]", []float64{0.5, 1}},
		{"chart-error", "[[2]]", []float64{0, 2.16}},
		{"chart-bytes", "[[5000]]", []float64{0, 5400}},
		{"chart-error", "[[0]]", []float64{0, 1}},
	} {
		if got := scale(c.id, c.values); !slices.Equal(got, c.want) {
			t.Errorf("%s of %s: from %v, want %v", c.id, c.values, got, c.want)
		}
	}
}

// saves has the page note what it has the browser save, the name and the bytes of each
// file, in place of asking for a directory.
func (b *tab) saves() {
	b.t.Helper()
	js[bool](b, `(() => {
		let bytes = 0;
		window.saved = [];
		URL.createObjectURL = (blob) => { bytes = blob.size; return "about:blank"; };
		HTMLAnchorElement.prototype.click = function() { saved.push(this.download + " " + bytes); };
		return true;
	})()`)
}

// sets changes a setting, as a person does.
func (b *tab) sets(id, property, value string) {
	b.t.Helper()
	js[bool](b, fmt.Sprintf("(() => { const e = document.getElementById(%q); e.%s = %s; e.dispatchEvent(new Event('change', { bubbles: true })); return true })()", id, property, value))
}

// twoCores is a browser that tells of two cores.
const twoCores = `Object.defineProperty(Navigator.prototype, "hardwareConcurrency", { get: () => 2 });`

// numbers returns the numbers of the tab's participants.
func (b *tab) numbers() []string {
	b.t.Helper()
	return regexp.MustCompile(`\d+`).FindAllString(b.text("participant")[strings.Index(b.text("participant"), ":")+1:], -1)
}

// Two cores make two participants, who come back as themselves after a reload in a round.
// Effort changes while they train, the tab pauses while it is hidden; the settings stay
// over a reload, until all is forgotten.
func TestCores(t *testing.T) {
	c := serve(t, digits("fraction: 0.1", "fraction: 1", "min_clients: 1", "min_clients: 2, deadline: 10m", "rounds: 15", "rounds: 100000"))
	b := open(t, c.url(), twoCores)
	b.ready()
	b.press("effort-fold")
	b.selects("#cores", "2")
	b.shows("2 cores train side by side: 2 participants.")
	b.join()
	two := func() bool {
		return js[string](b, "document.getElementById('participant').dataset.participants") == "2" && len(b.numbers()) == 2
	}
	await(t, "both cores take part", func() bool { return two() && c.state("digits").Participants == 2 })
	await(t, "a round has both", func() bool {
		s := c.state("digits")
		return len(s.Rounds) > 0 && s.Rounds[len(s.Rounds)-1].Participants == 2
	})
	b.sets("effort", "value", "'10'")
	b.shows("Effort: 10% of a core")
	done, _ := b.value("contributions")
	await(t, "it trains with less effort", func() bool { v, _ := b.value("contributions"); return v > done })
	b.sets("effort", "value", "'90'")
	b.sets("pause-hidden", "checked", "true")
	b.hide(true)
	await(t, "the hidden tab pauses", func() bool {
		return b.state("activity") == "paused" && strings.HasPrefix(b.text("state"), "Paused by your settings")
	})
	await(t, "what has left of both is listed", func() bool {
		left, _ := b.value("moved-sum")
		sent, ok := b.value("bytes-up")
		return ok && left >= sent
	})
	b.hide(false)
	await(t, "the tab trains again", func() bool { return b.state("activity") == "training" })

	before := b.numbers()
	js[bool](b, "window.gone = true, setTimeout(() => location.reload()), true")
	await(t, "both are back", func() bool { return js[bool](b, "!window.gone") && b.state("connection") == "joined" && two() })
	if got := b.numbers(); !slices.Equal(got, before) {
		t.Errorf("participants %v came back as %v", before, got)
	}
	if got := js[string](b, "[document.getElementById('effort').value, document.getElementById('cores').value, document.getElementById('pause-hidden').checked].join()"); got != "90,2,true" {
		t.Errorf("settings after a reload: %s, want 90,2,true", got)
	}
	b.press("leave-forget")
	b.handled()
	b.press("leave-forget")
	await(t, "both have left", func() bool { return b.state("connection") == "left" && c.state("digits").Participants == 0 })
	if got := js[string](b, "[...Object.keys(localStorage), ...Object.keys(sessionStorage)].filter((key) => key.startsWith('fedtab.')).join()"); got != "" {
		t.Errorf("the browser keeps %s", got)
	}
	await(t, "the settings are as at first", func() bool {
		return js[string](b, "[document.getElementById('effort').value, document.getElementById('cores').value, document.getElementById('pause-hidden').checked].join()") == "100,1,false"
	})
}

// A task may have each participant train parts of its data side by side. The model is the
// same on any number of cores, and the tab is one participant.
func TestSplit(t *testing.T) {
	split := func(t *testing.T, in func(*testing.T, *coordinator) *tab, cores string) float64 {
		c := serve(t, digits("batch: 10", "batch: 10, split: 2", "rounds: 15", "rounds: 3"))
		b := in(t, c)
		b.ready()
		b.press("effort-fold")
		b.selects("#cores", cores)
		b.shows(map[string]string{"1": "One core trains.", "2": "2 cores train parts of your data side by side, as one participant."}[cores])
		b.join()
		await(t, "the run is finished", func() bool { return c.state("digits").Phase == "finished" })
		s := c.state("digits")
		for _, r := range s.Rounds {
			if r.Participants != 1 {
				t.Errorf("round %d has %d participants, want 1", r.Round, r.Participants)
			}
		}
		if *s.TestAccuracy < .8 {
			t.Errorf("test accuracy %.3f, want .8", *s.TestAccuracy)
		}
		return *s.TestLoss
	}
	chromium := func(t *testing.T, c *coordinator) *tab { return open(t, c.url(), twoCores) }
	if one, two := split(t, chromium, "1"), split(t, chromium, "2"); one != two {
		t.Errorf("test loss %v on one core and %v on two, want the same", one, two)
	}
}

// A run that is over goes on when its organiser extends it: the tab that took part comes
// back without a reload, the run keeps its identity, and its rounds go on.
func TestExtended(t *testing.T) {
	c := serve(t, short("rounds: 3"))
	b := open(t, c.url())
	b.join()
	await(t, "the run is finished", func() bool { return c.state("digits").Phase == "finished" && b.state("connection") == "finished" })
	before := c.state("digits")
	js[bool](b, "window.same = true")
	c.order("extend", "--run", "digits", "--by", "4")
	await(t, "the run is finished again", func() bool { s := c.state("digits"); return s.Phase == "finished" && s.Version == 7 })
	s := c.state("digits")
	if s.Run != before.Run || s.Finished != "7 rounds done" || s.Stop.Rounds != 7 {
		t.Errorf("run %s, %q, %d rounds, want run %s and 7 rounds", s.Run, s.Finished, s.Stop.Rounds, before.Run)
	}
	for i, r := range s.Rounds {
		if r.Round != uint64(i+1) {
			t.Errorf("round %d is at place %d", r.Round, i+1)
		}
	}
	if !js[bool](b, "window.same === true") {
		t.Error("the page was reloaded")
	}
	await(t, "the tab shows the end", func() bool { return b.state("connection") == "finished" })
}

// How much faster a tab trains on two cores: as two participants, and as one that trains two
// parts of its data (docs/performance.md).
func TestCoresSpeed(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures: make measure")
	}
	for _, task := range []string{"batch: 10", "batch: 10, split: 2"} {
		for _, cores := range []string{"1", "2"} {
			c := serve(t, digits("epochs: 1", "epochs: 4", "fraction: 0.1", "fraction: 1", "batch: 10", task, "min_clients: 1", "min_clients: "+map[bool]string{true: "2", false: "1"}[cores == "2" && task == "batch: 10"], "rounds: 15", "rounds: 6"))
			b := open(t, c.url(), twoCores)
			b.ready()
			b.press("effort-fold")
			b.selects("#cores", cores)
			b.join()
			await(t, "the run is finished", func() bool { return c.state("digits").Phase == "finished" })
			var seconds []float64
			s := c.state("digits")
			for _, r := range s.Rounds[1:] { // data is fetched in the first
				seconds = append(seconds, r.Seconds)
			}
			rounds := s.Rounds[len(s.Rounds)-1]
			t.Logf("%s, cores: %s: %d participants, %.2f s a round", task, cores, rounds.Participants, median(seconds))
		}
	}
}

// A tab of Firefox and one of Chromium train one model.
func TestBrowsersTogether(t *testing.T) {
	c := serve(t, digits("hidden: [200, 200]", "hidden: [16]", "fraction: 0.1", "fraction: 1", "min_clients: 1", "min_clients: 2, min_reports: 2, deadline: 10m", "rounds: 15", "rounds: 2"))
	f := startFirefox(t)
	f.call("browsingContext.navigate", fmt.Sprintf(`{"context": %q, "url": %q, "wait": "complete"}`, f.page, c.url()), nil)
	await(t, "Join can be pressed in Firefox", func() bool {
		return f.js(`(() => { const e = document.getElementById('join'); if (!e || e.disabled || e.hidden) return ''; e.click(); return 'yes' })()`) == "yes"
	})
	b := open(t, c.url())
	b.join()
	await(t, "both have finished", func() bool {
		return b.state("connection") == "finished" && f.js("document.getElementById('state').dataset.connection ?? ''") == "finished"
	})
	for _, r := range c.state("digits").Rounds {
		if r.Participants != 2 {
			t.Errorf("round %d has %d participants, want both", r.Round, r.Participants)
		}
	}
}

// A worker whose script cannot be loaded says so: the second that trains, and that which
// tries the model. With the script, both go on.
func TestWorkerWithoutItsScript(t *testing.T) {
	c := serve(t, digits("rounds: 15", "rounds: 100000"))
	b := open(t, c.url(), twoCores)
	b.offline = true // the console says that there is no such script
	b.join()
	await(t, "there is a model", func() bool { return c.state("digits").Version > 0 })
	b.press("leave")
	await(t, "the tab has left", func() bool { return b.state("connection") == "left" })

	js[bool](b, `window.real = Worker, window.trains = 0, window.Worker = function (address, options) {
		return new real(options.name === "train" && trains++ === 0 ? address : "none.js", options);
	}, true`)
	b.press("try-open")
	const want = "The program that tries the model stopped: its script could not be loaded. Try again."
	await(t, want, func() bool { return b.text("try-trouble") == want })
	b.press("effort-fold")
	b.selects("#cores", "2")
	b.press("join")
	b.shows("The training program stopped: its script could not be loaded")

	js[bool](b, "window.Worker = real, true")
	b.press("try-open")
	await(t, "the model answers", func() bool { return js[bool](b, "Boolean(document.querySelector('#try-canvas canvas'))") })
	b.join()
	await(t, "both cores take part", func() bool { return c.state("digits").Participants == 2 })
}

// halfDrawn makes every part of a rendering take long, so that the next one comes in a task of
// its own, and between them takes from Join what it does, presses it, and gives it back: as a
// person may press a button that is half drawn.
const halfDrawn = `(() => {
	let draw;
	Object.defineProperty(window, "vuguRender", {
		set(f) { draw = f; },
		get: () => draw && (() => {
			draw();
			for (const begun = performance.now(); performance.now() - begun < 15;) {}
			const { port1, port2 } = new MessageChannel();
			port1.onmessage = () => {
				const join = document.getElementById("join");
				if (join?.dataset.action) {
					const { action } = join.dataset;
					delete join.dataset.action;
					join.click();
					join.dataset.action = action;
				}
			};
			port2.postMessage("");
		}),
	});
})()`

// A button that is pressed while it is half drawn does what it does once it is drawn.
func TestPressHalfDrawn(t *testing.T) {
	c := serve(t, digits("rounds: 15", "rounds: 1000"))
	b := open(t, c.url(), halfDrawn)
	await(t, "the tab has joined", func() bool { return b.state("connection") == "joined" })
}
