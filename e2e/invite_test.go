package e2e

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// invited is a task that is joined by invite.
func invited(edit ...string) string {
	return digits(append([]string{"seed: 1", "seed: 1\njoin: invited"}, edit...)...)
}

// invite makes an invite while the coordinator runs, and returns its link.
func (c *coordinator) invite(args ...string) string {
	c.t.Helper()
	out, err := exec.Command(binary, append([]string{"invite", "--data", c.dir(), "--task", "digits"}, args...)...).Output()
	if err != nil {
		c.t.Fatalf("coordinator invite: %v", err)
	}
	link, _, _ := strings.Cut(string(out), "\n")
	return link
}

// fill writes into a field of the page.
func (b *tab) fill(id, text string) {
	b.t.Helper()
	await(b.t, "the field "+id+" is there", func() bool {
		return js[bool](b, fmt.Sprintf("(() => { const e = document.getElementById(%q); if (e) e.value = %q; return e !== null })()", id, text))
	})
}

// says waits until the state line has a text.
func (b *tab) says(text string) {
	b.t.Helper()
	await(b.t, "the page says "+text, func() bool { return b.text("state") == text })
}

func (b *tab) field(shown bool) {
	b.t.Helper()
	if got := js[bool](b, "!document.getElementById('invite').parentNode.hidden"); got != shown {
		b.t.Errorf("the field for an invite is shown: %v, want %v", got, shown)
	}
}

// A tab joins by the link that its person was given, which vanishes from the address,
// and comes back after a reload. Tabs without a link are told so, and one that comes
// when the invite is used up; they join with the next.
func TestInvite(t *testing.T) {
	c := serve(t, invited("min_clients: 1", "min_clients: 3"))
	link := c.invite()
	b := open(t, link)
	b.join()
	if got, want := js[string](b, "location.href"), c.url()+"t/digits"; got != want {
		t.Errorf("the address is %s, want %s", got, want)
	}
	b.field(false)
	number := b.participant()
	js[bool](b, "window.gone = true, setTimeout(() => location.reload()), true")
	await(t, "the reloaded tab has joined again", func() bool {
		return js[bool](b, "!window.gone") && b.state("connection") == "joined"
	})
	if got := b.participant(); got != number {
		t.Errorf("participant %d resumed as %d", number, got)
	}

	other := open(t, c.url())
	other.says("This task is joined by invite")
	other.field(true)
	other.press("join")
	await(t, "the tab is refused", func() bool { return other.state("connection") == "uninvited" })
	other.says("This task needs an invite")
	other.fill("invite", "please")
	other.press("join")
	other.says("This is not a valid invite")
	other.fill("invite", link)
	other.press("join")
	other.says("The invite is used up")
	other.field(true)
	other.fill("invite", strings.Split(c.invite(), "#invite=")[1]) // the code alone
	other.join()
	if n := c.state("digits").Participants; n != 2 {
		t.Errorf("%d participants, want 2", n)
	}

	// One that has left needs another use.
	b.press("leave")
	await(t, "the tab has left", func() bool { return c.state("digits").Participants == 1 })
	b.press("join")
	b.says("The invite is used up")
}
