package e2e

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// axeScript is axe-core, which browsers.sh installs.
var axeScript = sync.OnceValues(func() (string, error) {
	b, err := os.ReadFile("axe/node_modules/axe-core/axe.min.js")
	return string(b), err
})

// axeRun starts axe-core once colours have stopped to change. The rules are all that are on
// by default, and the size of targets.
const axeRun = `(async () => {
	await Promise.all(document.getAnimations().filter((a) => a instanceof CSSTransition).map((a) => a.finished.catch(() => {})));
	const { violations } = await axe.run(document, { resultTypes: ["violations"], rules: { "target-size": { enabled: true } } });
	return violations.flatMap((v) => v.nodes.map((n) => ({ rule: v.id, help: v.help, html: n.html, target: n.target.join(" "), why: n.failureSummary })));
})()`

// barrier is an element that breaks a rule of axe-core.
type barrier struct{ Rule, Help, HTML, Target, Why string }

func (v barrier) same(w barrier) bool { return v.Rule == w.Rule && v.Target == w.Target }

// axe fails the test for every barrier that axe-core finds in what the page shows, in light
// colours on a wide screen and in dark ones on a narrow one. The state names it.
func (b *tab) axe(state string) {
	b.t.Helper()
	script, err := axeScript()
	if err != nil {
		b.t.Fatal("no axe-core: run make browsers")
	}
	for _, look := range []struct {
		width  int64
		scheme string
	}{{390, "dark"}, {1280, "light"}} {
		b.emulate(look.width, look.scheme)
		// Content-Security-Policy does not bind what a debugger evaluates.
		if !js[bool](b, "typeof axe === 'object'") {
			js[bool](b, script+"; true")
		}
		found := b.barriers()
		if len(found) > 0 {
			// The program may have drawn the page anew meanwhile: what was looked at is
			// gone. A barrier stays.
			again := b.barriers()
			found = slices.DeleteFunc(found, func(v barrier) bool { return !slices.ContainsFunc(again, v.same) })
		}
		for _, v := range found {
			b.t.Errorf("%s, %s, %d pixels wide: %s (%s): %s\n%s\n%s", state, look.scheme, look.width, v.Help, v.Rule, v.Target, v.HTML, v.Why)
		}
	}
}

// barriers runs axe-core.
func (b *tab) barriers() []barrier {
	b.t.Helper()
	found, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]barrier](axeRun, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("axe-core: %v", err)
	}
	return found
}

// emulate sets the width of the screen, in pixels, and the colours that the person prefers.
func (b *tab) emulate(width int64, scheme string) {
	b.t.Helper()
	media := chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	})
	if err := chromedp.Do(b.ctx, chromedp.EmulateViewport(width, 900), media); err != nil {
		b.t.Fatal(err)
	}
}

// The page has no barriers in any of its states, that axe-core knows.
func TestAxe(t *testing.T) {
	t.Run("training", func(t *testing.T) {
		c := serve(t, digits("rounds: 15", "rounds: 1000"))
		l := connect(t, c, 0, 0, 0)
		l.hold(func(path string) bool { return strings.HasSuffix(path, ".wasm") })
		b := open(t, l.url())
		await(t, "the page is there", func() bool {
			return js[bool](b, "document.getElementById('join') !== null || document.readyState === 'complete'")
		})
		b.axe("loading")
		l.release()
		b.ready()
		b.unfold()
		b.axe("before joining")
		b.join()
		await(t, "the tab trains", func() bool { return b.state("activity") == "training" && c.state("digits").Version >= 2 })
		b.unfold()
		b.axe("training")
		b.press("try-open")
		await(t, "there is a place to draw", func() bool { return js[bool](b, "document.querySelector('#try-canvas canvas') !== null") })
		b.axe("trying the model")
		b.press("pause")
		await(t, "the tab pauses", func() bool { return b.state("activity") == "paused" })
		b.axe("paused")
		b.offline = true
		c.stop(syscall.SIGKILL)
		await(t, "the tab tries again", func() bool { return b.state("connection") == "reconnecting" })
		b.axe("reconnecting")
		c.start()
		await(t, "the tab is back", func() bool { return b.state("connection") == "joined" })
		b.press("leave")
		b.ready()
		b.axe("left")
		b.press("keep-code")
		await(t, "there is code that loads the model", func() bool { return js[bool](b, "document.querySelector('#keep-snippets pre')?.offsetParent != null") })
		b.axe("keeping the model")
		js[bool](b, "window.dispatchEvent(new Event('offline'))")
		b.notice("You are offline: what is here still works.")
		b.axe("offline")
		js[bool](b, "window.dispatchEvent(new Event('online'))")
		usual := binary
		binary = otherBuild(t)
		defer func() { binary = usual }()
		c.stop(syscall.SIGTERM)
		c.start()
		b.notice("The coordinator has a newer page than this one. Reload to get it: your work is kept.")
		b.axe("a newer page")
	})
	t.Run("finished", func(t *testing.T) {
		b := open(t, serve(t, digits("hidden: [200, 200]", "hidden: [16]", "batch: 10", "batch: 50", "rounds: 15", "rounds: 2")).url())
		b.join()
		await(t, "the run is finished", func() bool { return b.state("connection") == "finished" })
		b.axe("finished")
	})
	t.Run("waiting", func(t *testing.T) {
		c := serve(t, digits("min_clients: 1", "min_clients: 3"))
		b := open(t, c.url())
		b.join()
		b.axe("joined, too few are there")
		kept := js[string](b, "JSON.stringify(Object.fromEntries(Object.entries(sessionStorage)))")
		open(t, c.url(), fmt.Sprintf("if (!sessionStorage.length) for (const [k, v] of Object.entries(%s)) sessionStorage.setItem(k, v)", kept))
		await(t, "the tab is superseded", func() bool { return b.state("connection") == "superseded" })
		b.axe("superseded")
	})
	t.Run("refused", func(t *testing.T) {
		c := serve(t, invited())
		b := open(t, c.url())
		b.ready()
		b.axe("an invite is needed")
		b.fill("invite", "please")
		b.press("join")
		await(t, "the invite is none", func() bool {
			return js[bool](b, "document.getElementById('state').textContent.includes('not a valid invite')")
		})
		b.axe("no invite")
		b.fill("invite", "")
		b.press("join")
		await(t, "the tab is refused", func() bool { return b.state("connection") == "uninvited" })
		b.axe("refused without an invite")
		full := serve(t, digits("min_clients: 1", "min_clients: 2"), "--count-loopback")
		fill(t, strings.TrimSuffix(full.url(), "/"))
		b = open(t, full.url())
		b.offline = true
		b.press("join")
		await(t, "the tab is turned away", func() bool { return b.state("connection") == "reconnecting" })
		b.axe("too many from one address")
		port := freePort(t)
		public := fmt.Sprintf("http://study.example:%d", port)
		proxies[0].run(t, serve(t, digits(), "--public-url", public), port)
		b = open(t, public+"/")
		await(t, "the page warns", func() bool { return js[bool](b, "document.getElementById('plain')?.hidden === false") })
		b.axe("a network without encryption")
	})
	t.Run("other pages", func(t *testing.T) {
		second := file(t, "more.yaml", digits("name: digits", "name: more", "title: Handwritten digits", "title: More digits"))
		c := serve(t, digits(), "--task", second)
		b := open(t, c.url())
		b.shows("More digits")
		b.axe("home")
		b = open(t, c.url()+"screen?task=more")
		b.shows("More digits")
		b.axe("a projector's page")
		b = open(t, c.url()+"t/none")
		b.shows("There is no such page")
		b.absent()
		b.axe("no such page")
		b = open(t, c.url()+"bench")
		b.shows("Measure")
		b.axe("a page that measures")
		d := device{t, func(expression string) string { return js[string](b, expression) }}
		d.press("bench-measure")
		d.says("1 of 9")
		b.axe("measuring")
		d.press("bench-stop")
		d.short()
		d.press("bench-measure")
		d.says("Measured")
		b.axe("measured")
		b = open(t, c.url()+"t/digits?lang=de")
		b.ready()
		b.unfold()
		b.axe("German")
	})
	t.Run("gone", func(t *testing.T) {
		second := file(t, "more.yaml", digits("name: digits", "name: more", "title: Handwritten digits", "title: More digits"))
		c := serve(t, digits(), "--task", second)
		b := open(t, c.url()+"t/more")
		b.runs()
		b.offline = true
		c.stop(syscall.SIGTERM)
		c.args = c.args[:len(c.args)-2]
		c.start()
		b.shows("This task is no longer offered here.")
		b.axe("the task is gone")
	})
	t.Run("own table", func(t *testing.T) {
		b := open(t, serve(t, ownTable("rounds: 4", "rounds: 2")).url())
		b.step("none")
		b.axe("no data yet")
		b.choose("own-files", file(t, "ward.csv", patients(60, patientColumns, patientRow, "old,60,f,ill", "30,60,x,ill")))
		b.step("asking")
		b.axe("questions about a table")
		b.press("own-read")
		b.step("refused")
		b.axe("a table with problems")
		b.press("own-skip")
		b.step("ready")
		b.axe("a table that is ready")
		b.press("join")
		await(t, "the run is finished", func() bool { return b.state("connection") == "finished" })
		b.axe("finished with own data")
		b.press("try-open")
		await(t, "there is a form", func() bool { return js[bool](b, "document.querySelector('#try-form input')?.offsetParent != null") })
		b.axe("trying the model on a row")
		b.press("own-forget")
		b.axe("asked again before forgetting")
		b = open(t, serve(t, ownTable()).url())
		b.choose("own-files", file(t, "few.csv", patients(5, patientColumns, patientRow)))
		b.press("own-read")
		b.step("refused")
		b.axe("refused data")
	})
	t.Run("own pictures", func(t *testing.T) {
		b := open(t, serve(t, ownPictures()).url())
		b.step("none")
		b.axe("no pictures yet")
		b.choose("own-folder", folder(t, 5))
		b.step("ready")
		b.axe("pictures")
	})
}

// ready waits until Join can be pressed.
func (b *tab) ready() {
	b.t.Helper()
	await(b.t, "Join can be pressed", func() bool {
		return js[bool](b, "(() => { const e = document.getElementById('join'); return Boolean(e && !e.disabled && !e.hidden) })()")
	})
}

// unfold opens all that can be unfolded.
func (b *tab) unfold() {
	b.t.Helper()
	const folds = "[...document.querySelectorAll('[aria-expanded=false]')].filter((e) => e.checkVisibility())"
	js[bool](b, folds+".forEach((e) => e.click()), true")
	await(b.t, "all is unfolded", func() bool { return js[bool](b, folds+".length === 0") })
}
