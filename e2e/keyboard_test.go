package e2e

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// key presses a key, and returns the id of the element that has the focus then, or its
// name in lower case.
func (b *tab) key(key string) string {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, chromedp.KeyEvent(key)); err != nil {
		b.t.Fatal(err)
	}
	return b.focus()
}

// focus returns the id of the element that has the keyboard's focus, or its name in lower
// case.
func (b *tab) focus() string {
	b.t.Helper()
	return js[string](b, "document.activeElement?.id || document.activeElement?.localName || ''")
}

// tabTo presses Tab until an element has the focus.
func (b *tab) tabTo(id string) {
	b.t.Helper()
	var passed []string
	for range 100 {
		at := b.key(kb.Tab)
		if at == id {
			return
		}
		passed = append(passed, at)
	}
	b.t.Fatalf("the focus does not come to %s by Tab; it passes %q", id, passed)
}

// Everything that a participant does is done by the keyboard alone, and the focus is never
// lost: what follows a press begins where it was.
func TestKeyboard(t *testing.T) {
	c := serve(t, digits("rounds: 15", "rounds: 1000"))
	b := open(t, c.url())
	await(t, "Join can be pressed", func() bool { return js[bool](b, "document.getElementById('join')?.disabled === false") })
	b.tabTo("join")
	if !js[bool](b, "document.activeElement.matches(':focus-visible')") {
		t.Error("it is not seen that Join has the focus")
	}
	kept := func(after string) {
		t.Helper()
		if at := b.focus(); at == "body" || at == "" {
			t.Errorf("after %s, nothing has the focus", after)
		}
	}
	b.key(kb.Enter)
	await(t, "the tab trains", func() bool { return b.state("activity") == "training" })
	kept("Join")
	b.reach("pause")
	b.key(" ")
	await(t, "the tab pauses", func() bool { return b.state("activity") == "paused" })
	kept("Pause")
	b.reach("pause")
	b.key(kb.Enter)
	await(t, "the tab trains again", func() bool { return b.state("activity") == "training" })
	kept("Resume")
	b.reach("leave")
	b.key(" ")
	await(t, "the tab has left", func() bool { return c.state("digits").Participants == 0 })
	await(t, "the tab can join again", func() bool { return js[bool](b, "document.getElementById('join')?.disabled === false") })
	kept("Leave")
	b.reach("join")
	b.key(kb.Enter)
	await(t, "the tab has joined again", func() bool { return b.state("connection") == "joined" })
	kept("Join")
}

// reach moves the focus to an element, unless that has it already.
func (b *tab) reach(id string) {
	b.t.Helper()
	if b.focus() != id {
		b.tabTo(id)
	}
}
