package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"fedtab/static"

	"github.com/chromedp/chromedp/kb"
)

// caches returns the number of caches that the service worker has.
func (b *tab) caches() int {
	b.t.Helper()
	return js[int](b, "(caches.keys().then((names) => { window.caching = names.length }), window.caching ?? -1)")
}

// again reloads the page, and waits until its program runs.
func (b *tab) again() {
	b.t.Helper()
	js[bool](b, "window.gone = true, setTimeout(() => location.reload()), true")
	b.runs()
}

// runs waits until a page that was loaded anew has its program, which has folded a part
// of it open.
func (b *tab) runs() {
	b.t.Helper()
	await(b.t, "the page's program runs", func() bool {
		return js[bool](b, `!window.gone && (() => {
			const fold = document.getElementById("details-fold");
			if (fold?.getAttribute("aria-expanded") === "false") fold.click();
			return fold?.getAttribute("aria-expanded") === "true";
		})()`)
	})
}

func (b *tab) notice(text string) {
	b.t.Helper()
	await(b.t, "the page says: "+text, func() bool {
		return js[string](b, "document.getElementById('notice')?.hidden === false ? document.querySelector('#notice span').textContent : ''") == text
	})
}

// otherBuild builds the coordinator with a page that counts as another build.
func otherBuild(t *testing.T) string {
	t.Helper()
	m, err := static.Packed()
	if err != nil {
		t.Fatal(err)
	}
	m.Inputs = strings.Repeat("0", len(m.Inputs))
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	list, err := filepath.Abs("../static/dist/manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	other, overlay, out := filepath.Join(dir, "manifest.json"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "coordinator")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {list: other}})
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string][]byte{other: b, overlay: replace} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := exec.Command("go", "build", "-overlay", overlay, "-o", out, "../coordinator").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return out
}

// A page that was seen opens without its coordinator, says how it stands, offers a reload
// where the coordinator has another build, and leaves nothing behind where the person
// forgets.
func TestOffline(t *testing.T) {
	c := serve(t, digits("min_clients: 1", "min_clients: 2"))
	b := blank(t, profile(t), c.url())
	b.offline = true
	b.to(c.url() + "?invite=secret")
	await(t, "the page is kept", func() bool { return b.caches() == 2 })
	await(t, "the service worker is in charge", func() bool { return js[bool](b, "navigator.serviceWorker.controller !== null") })
	await(t, "the page is kept by its address alone", func() bool {
		return js[string](b, `(caches.keys().then(async (names) => {
			const pages = await caches.open(names.find((name) => name.endsWith("pages")));
			window.addresses = (await pages.keys()).map((request) => request.url).join(" ");
		}), window.addresses ?? "")`) == c.url()+"t/digits"
	})

	c.stop(syscall.SIGTERM)
	b.again()
	b.shows("Handwritten digits")
	await(t, "the page says that it tries again", func() bool { return b.text("state") == "The coordinator cannot be reached, trying again" })
	b.to(c.url())
	b.runs()
	b.shows("Handwritten digits") // the page that was seen, in place of home
	js[bool](b, "window.dispatchEvent(new Event('offline'))")
	b.notice("You are offline: what is here still works.")
	js[bool](b, "window.dispatchEvent(new Event('online'))")
	b.notice("")

	// The coordinator comes back, newer.
	usual := binary
	binary = otherBuild(t)
	defer func() { binary = usual }()
	c.start()
	b.notice("The coordinator has a newer page than this one. Reload to get it: your work is kept.")
	b.join()
	js[bool](b, "window.gone = true, document.querySelector('#notice button').click(), true")
	await(t, "the newer page is there, and takes part", func() bool {
		return js[bool](b, "!window.gone && document.documentElement?.dataset.build === '000000000000'") && b.state("connection") == "joined"
	})
	b.notice("")

	b.press("leave-forget")
	b.press("leave-forget")
	await(t, "nothing is kept", func() bool { return b.caches() == 0 })
	left := -1 // caches, once the open page has loaded something after that
	await(t, "the page has loaded a file again", func() bool {
		left = js[int](b, `(window.asked ??= (async () => {
			const { src } = document.querySelector("script[src*=host]");
			for (let i = 0; i < 3; i++) {
				await (await fetch(src, { cache: "reload" })).text();
			}
			window.left = (await caches.keys()).length;
		})(), window.left ?? -1)`)
		return left >= 0
	})
	if left != 0 {
		t.Errorf("%d caches after everything is forgotten, want none", left)
	}

	// It comes back without the task.
	c.stop(syscall.SIGTERM)
	if err := os.WriteFile(c.args[3], []byte(digits("name: digits", "name: others")), 0o600); err != nil {
		t.Fatal(err)
	}
	c.args[1] = filepath.Join(t.TempDir(), "data")
	c.start()
	b.notice("This task is no longer offered here. The home page shows what is.")
}

// A press of Join counts before the page's program has come, and so does Enter.
func TestJoinBeforeProgram(t *testing.T) {
	c := serve(t, digits("rounds: 15", "rounds: 1000"))
	l := connect(t, c, 0, 0, 0)
	for name, press := range map[string]func(b *tab){
		"pressed": func(b *tab) { js[bool](b, "document.getElementById('join').click(), true") },
		"Enter": func(b *tab) {
			js[bool](b, "document.getElementById('join').focus(), true")
			b.key(kb.Enter)
		},
	} {
		l.hold(func(path string) bool { return strings.HasSuffix(path, ".wasm") })
		b := blank(t, profile(t), l.url())
		b.to(l.url())
		await(t, "Join can be pressed", func() bool { return js[bool](b, "document.getElementById('join')?.disabled === false") })
		press(b)
		if got := b.text("join"); got != "Starting" || !js[bool](b, "document.getElementById('join').ariaDisabled === 'true'") {
			t.Errorf("%s: the button says %q", name, got)
		}
		l.release()
		await(t, "the tab has joined", func() bool { return b.state("connection") == "joined" })
		b.press("leave")
		await(t, "the tab has left", func() bool { return b.state("connection") == "left" })
		b.join() // the button is as before
		b.cancel()
	}
}
