package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Home leads to a task; a projector shows who takes part; back at home the tab knows where
// it takes part, and goes on there.
func TestHomeAndScreen(t *testing.T) {
	c := serve(t, digits("rounds: 15", "rounds: 1000"), "--task", "anes96")
	home := open(t, c.url())
	home.shows("Nobody here right now")
	home.follow(`[data-task="digits"] .primary`)
	home.shows("What leaves it?")
	screen := open(t, c.url()+"screen?task=digits")
	await(t, "the screen shows where to join", func() bool { return screen.text("address") == c.url()+"t/digits" })
	await(t, "the code is drawn", func() bool {
		return js[bool](screen, "(document.querySelector('.qr')?.naturalWidth ?? 0) > 0")
	})
	home.join()
	await(t, "the screen counts the tab", func() bool { return screen.text("screen-people") == "1 participant now" })
	await(t, "the screen shows a result", func() bool { return strings.HasSuffix(screen.text("screen-result"), "% right") })

	const questions = "document.getElementById('understand-points').hidden"
	await(t, "the answers are put away", func() bool { return js[bool](home, questions) })
	home.press("understand-fold")
	await(t, "the answers are back", func() bool { return !js[bool](home, questions) })

	home.follow(".brand")
	home.shows("You take part here")
	home.follow(`[data-task="digits"] .primary`)
	await(t, "the tab goes on", func() bool { return home.state("connection") == "joined" })
	home.press("leave")
	await(t, "the screen knows that the tab has left", func() bool { return screen.text("screen-people") == "Nobody here right now: be the first" })

	home.follow(`[lang="de"]:not(html)`)
	home.shows("Was verlässt es?")
	home.follow(".brand")
	home.shows("Clinton oder Dole?")
	home.follow(`[lang="en"]:not(html)`)
	home.shows("Clinton or Dole?")
}

// follow presses the first element that a selector matches, as soon as there is one.
func (b *tab) follow(selector string) {
	b.t.Helper()
	await(b.t, "there is "+selector, func() bool {
		return js[bool](b, fmt.Sprintf("(() => { const e = document.querySelector(%q); if (!e || e.offsetParent === null) return false; e.click(); return true })()", selector))
	})
}

// site returns a file about an organiser.
func site(t *testing.T) string {
	t.Helper()
	path := file(t, "site.yaml", "name: School of Data, Sample Town\ncontact: data@school.example\nprivacy: {en: We keep no addresses., de: Wir speichern keine Adressen.}\naccent: \"#0b6b63\"\nlogo: logo.svg\n")
	const logo = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="16" r="15" fill="#0b6b63"/><path d="M9 17l5 5 9-12" fill="none" stroke="#fff" stroke-width="3.5"/></svg>`
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "logo.svg"), []byte(logo), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// absent drops what the console says of an address that there is not.
func (b *tab) absent() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.problems = slices.DeleteFunc(b.problems, func(p string) bool { return strings.Contains(p, "404 (Not Found)") })
}
