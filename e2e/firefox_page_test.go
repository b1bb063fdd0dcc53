package e2e

import (
	"fmt"
	"io"
	"net/http"
	"syscall"
	"testing"
	"time"
)

// A person with Firefox comes by the home page and by a link, in two languages, joins,
// pauses, reloads, goes away and comes back, tries the model, keeps it, loses the
// coordinator, and leaves without a trace.
func TestFirefoxPage(t *testing.T) {
	second := file(t, "more.yaml", digits("name: digits", "name: more", "title: Handwritten digits", "title: More digits"))
	c := serve(t, invited("min_clients: 1", "min_clients: 1", "rounds: 15", "rounds: 100000"), "--task", second)
	f := startFirefox(t)
	f.to(c.url())
	f.shows("More digits")
	f.is("a card leads to its task", `(() => { const go = document.querySelector('.card[data-task="more"] [data-go]'); go?.click(); return go })()`)
	f.is("the task's page is there", `location.pathname === "/t/more" && document.getElementById("join")`)
	f.to(c.url() + "t/digits?lang=de")
	f.shows("Was wird gelernt?")
	f.to(c.url() + "t/digits?lang=en")
	f.shows("What is learned?")

	f.to(c.invite())
	f.is("the invite has left the address", "document.readyState === 'complete' && !location.href.includes('invite')")
	f.press("join")
	f.stands("connection", "joined")
	learned := func(more uint64) {
		t.Helper()
		from := c.state("digits").Version
		await(t, "the model learns", func() bool { return c.state("digits").Version >= from+more })
	}
	learned(5)
	f.press("pause")
	f.stands("activity", "paused")
	f.is("a reload begins", "window.gone = true")
	f.call("browsingContext.reload", fmt.Sprintf(`{"context": %q, "wait": "complete"}`, f.page), nil)
	f.is("the page is another", "!window.gone")
	f.stands("activity", "paused")
	f.shows("This tab has added")
	f.press("pause")
	learned(2)
	f.to(c.url())
	f.shows("More digits")
	f.call("browsingContext.traverseHistory", fmt.Sprintf(`{"context": %q, "delta": -1}`, f.page), nil)
	f.is("the task's page is there again", `location.pathname === "/t/digits"`)
	f.stands("connection", "joined")
	learned(2)

	f.press("try-open")
	f.is("there is a place to draw", "document.querySelector('#try-canvas canvas')?.offsetParent")
	// What comes above may move the place while it is drawn on: then it is drawn again.
	const pause = 3 * time.Second
	drawn := time.Time{}
	await(t, "the one is recognised", func() bool {
		if f.js("document.getElementById('try').dataset.answer ?? ''") == "1" {
			return true
		}
		if time.Since(drawn) < pause {
			return false
		}
		f.js("(document.getElementById('try-erase').click(), document.querySelector('#try-canvas canvas').scrollIntoView({ block: 'center', behavior: 'instant' }), '')")
		var x, top, bottom int
		place := f.js("(() => { const r = document.querySelector('#try-canvas canvas').getBoundingClientRect(); return [r.x + r.width / 2, r.y + .15 * r.height, r.y + .85 * r.height].map(Math.round).join(' ') })()")
		if _, err := fmt.Sscan(place, &x, &top, &bottom); err != nil {
			t.Fatalf("%q: %v", place, err)
		}
		f.call("input.performActions", fmt.Sprintf(`{"context": %q, "actions": [{"type": "pointer", "id": "mouse", "actions": [
			{"type": "pointerMove", "x": %d, "y": %d}, {"type": "pointerDown", "button": 0},
			{"type": "pointerMove", "x": %d, "y": %d, "duration": 200}, {"type": "pointerUp", "button": 0}]}]}`, f.page, x, top, x, bottom), nil)
		drawn = time.Now()
		return false
	})
	answer, err := http.Get(f.js("document.getElementById('keep-onnx').href"))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if model, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != http.StatusOK || len(model) < 4*199_210 {
		t.Errorf("the model to keep: %s, %d bytes, want at least its parameters: %v", answer.Status, len(model), err)
	}

	f.is("the page is kept", `(caches.keys().then((names) => { window.caching = names.length }), window.caching === 2) && navigator.serviceWorker.controller`)
	c.stop(syscall.SIGKILL)
	f.stands("connection", "reconnecting")
	f.call("browsingContext.reload", fmt.Sprintf(`{"context": %q, "wait": "complete"}`, f.page), nil)
	f.shows("Handwritten digits")
	f.shows("The coordinator cannot be reached, trying again")
	c.start()
	f.stands("connection", "joined")
	learned(2)

	f.press("leave-forget")
	f.shows("Yes, leave and forget")
	f.is("the second press is meant", `(() => { const e = document.getElementById("leave-forget"); if (!e.textContent.startsWith("Yes")) return e.offsetParent === null || e.disabled; e.click(); return false })()`)
	await(t, "the tab has left", func() bool { return c.state("digits").Participants == 0 })
	f.is("nothing is kept", `(caches.keys().then((names) => { window.caching = names.length }), window.caching === 0) && Object.keys(sessionStorage).every((key) => !key.startsWith("fedtab."))`)
}
