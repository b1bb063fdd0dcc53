package e2e

import (
	"fmt"
	"testing"
)

// Pictures of home, of a page that there is not, of a task before joining, and of the
// page for a projector.
func TestHomeScreenshots(t *testing.T) {
	if *screenshots == "" {
		t.Skip("only with -screenshots FOLDER: the pictures are for people")
	}
	c := serve(t, digits("rounds: 15", "rounds: 8"), "--task", "own-clothes", "--task", "anes96", "--task", "own-vote", "--task", "own-digits")
	b := open(t, c.url())
	b.reads("Teach a model together")
	b.pictures("home-1")
	b = open(t, c.url()+"screen")
	b.pictures("screen-1-home")
	b = open(t, c.url()+"screen?task=digits")
	b.pictures("screen-2-task")
	b = open(t, c.url()+"t/none")
	b.pictures("absent")
	b = open(t, c.url()+"t/own-vote")
	b.reads("Understand")
	b.pictures("task-own")
	b = open(t, c.url()+"t/anes96?lang=de")
	b.reads("Verstehen")
	b.pictures("task-table-de")
	b = open(t, c.url()+"t/digits?lang=en")
	b.reads("Understand")
	b.pictures("task-1-before")
	b.join()
	await(t, "some rounds are over", func() bool { return c.state("digits").Version >= 3 })
	b.pictures("task-2-joined")
	screen := open(t, c.url()+"screen?task=digits")
	await(t, "there is a result", func() bool { return screen.text("screen-result") != "" })
	screen.pictures("screen-3-training")
	home := open(t, c.url())
	home.pictures("home-2-training")
	await(t, "the run is finished", func() bool { return c.state("digits").Finished != "" })
	await(t, "home says so", func() bool { return js[bool](home, "document.body.innerText.includes('Finished')") })
	home.pictures("home-3-finished")
}

// reads waits until the page has a text.
func (b *tab) reads(text string) {
	b.t.Helper()
	await(b.t, "the page reads "+text, func() bool { return js[bool](b, fmt.Sprintf("document.body?.innerText.includes(%q) ?? false", text)) })
}
