package e2e

import (
	"regexp"
	"strings"
	"testing"
)

// organisers returns the link that the coordinator has printed for its organisers.
func (c *coordinator) organisers() (link string) {
	c.t.Helper()
	await(c.t, "the coordinator prints its organisers' link", func() bool {
		found := regexp.MustCompile(`organisers open (\S+)`).FindStringSubmatch(c.said.String())
		if found != nil {
			link = found[1]
		}
		return found != nil
	})
	return link
}

// An open page sees its run paused, with the reason, and goes on with it.
func TestPausedByOrganiser(t *testing.T) {
	c := serve(t, digits("rounds: 15", "rounds: 1000"))
	b := open(t, c.url())
	b.join()
	await(t, "the tab trains", func() bool { return c.state("digits").Version >= 2 })
	c.order("pause", "--run", "digits", "--reason", "back after lunch")
	b.shows("back after lunch")
	version := c.state("digits").Version
	if s := c.state("digits"); s.Phase != "paused" || s.Participants != 1 {
		t.Errorf("phase %s with %d participants, want a pause with 1", s.Phase, s.Participants)
	}
	c.order("resume", "--run", "digits")
	await(t, "the tab trains on", func() bool { return c.state("digits").Version >= version+2 })
}

// An open page whose run is over comes to the next one, which starts from a version of it,
// without a reload.
func TestNextRun(t *testing.T) {
	c := serve(t, short("rounds: 3"))
	b := open(t, c.url())
	b.join()
	await(t, "the run is finished", func() bool { return c.state("digits").Phase == "finished" && b.state("connection") == "finished" })
	before := c.state("digits")
	js[bool](b, "window.same = true")
	if said := c.order("run", "--task", "digits", "--from", before.Run+"@best"); !strings.Contains(said, "has begun, at version 1") {
		t.Errorf("it prints %q", said)
	}
	await(t, "the next run is finished", func() bool {
		s := c.state("digits")
		return s.Phase == "finished" && s.Run != before.Run && s.Version == 3
	})
	if s := c.state("digits"); s.Participants > 1 || s.Rounds[0].Participants != 0 || s.Rounds[1].Participants != 1 {
		t.Errorf("%+v, want a first version of nobody and then the tab's", s)
	}
	if !js[bool](b, "window.same === true") {
		t.Error("the page was reloaded")
	}
	await(t, "the tab shows the end", func() bool { return b.state("connection") == "finished" })
}
