//go:build !js

package ui

import (
	"strings"
	"testing"

	"fedtab/api"
)

// secured makes a task one with secure aggregation.
func secured(p *Page) *Page {
	p.Task.Privacy = api.Privacy{Aggregation: api.Secure, Min: 5, Max: 100, Dropout: .3, Corrupt: .2, Bits: 12, Subset: 1}
	return p
}

// Before joining, the page says what the coordinator sees, and what that protects from.
func TestSeenWords(t *testing.T) {
	groups := secured(shown(t))
	groups.Task.Privacy.Groups = 10
	for name, c := range map[string]struct {
		page       *Page
		has, lacks string
	}{
		"plain":     {shown(t), "it gets what each tab has learned", "sum"},
		"secure":    {secured(shown(t)), "learns only the sum of at least 5 contributions", "test examples"},
		"curiosity": {secured(shown(t)), "protects against curiosity", "A round has several such sums"},
		"cheating":  {secured(shown(t)), "an organiser who cheats, who could hand out another page or play the other participants", ""},
		"groups":    {groups, "each of a group of at least 10", ""},
	} {
		if got := c.page.seenWords(); !strings.Contains(got, c.has) || c.lacks != "" && strings.Contains(got, c.lacks) {
			t.Errorf("%s: %q, want %q and not %q", name, got, c.has, c.lacks)
		}
	}
	p := secured(ownTask(t, patients))
	own, understand := Own{p}, Understand{p}
	for _, text := range []string{own.leavesWords(), p.leavesWords(), p.inferredWords()} {
		if !strings.Contains(text, "mask") && !strings.Contains(text, "sums only") {
			t.Errorf("%q says nothing of masks or sums", text)
		}
	}
	if page := render(t, p); !strings.Contains(page, understand.questions()[4].term) || !strings.Contains(page, "It protects against curiosity") {
		t.Error("the page does not say who sees what the tab has learned")
	}
}

// A browser that lacks what secure aggregation needs is told so, and cannot join; to a plain task
// it can.
func TestLackWords(t *testing.T) {
	for name, c := range map[string]struct {
		lack Lack
		want string
	}{
		"nothing":    {Lack{}, ""},
		"encryption": {Lack{Encryption: true}, "an address that begins with https"},
		"primitives": {Lack{Primitives: "X25519"}, "(X25519). Update it"},
		"storage":    {Lack{Storage: true}, "Leave the private window"},
	} {
		p := secured(shown(t))
		p.Lack = c.lack
		if got := p.lackWords(); !strings.Contains(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if got, want := p.CanJoin(), c.want == ""; got != want {
			t.Errorf("%s: the tab can join: %v, want %v", name, got, want)
		}
		if opening, _ := tag(t, render(t, p), "lack"); strings.Contains(opening, "hidden") != (c.want == "") {
			t.Errorf("%s: %s", name, opening)
		}
		p.Task.Privacy = api.Privacy{Aggregation: api.Plain}
		if p.lackWords() != "" || !p.CanJoin() {
			t.Errorf("%s: a plain task cannot be joined", name)
		}
	}
}

// While the tab waits for the others of its round, the page says for what.
func TestSecureStates(t *testing.T) {
	for activity, want := range map[string][3]string{
		"agreeing": {"Learned in round 7: waiting for the others to exchange keys", "There is nothing to do", "Wait for the others' keys"},
		"summing":  {"Sent what was learned in round 7, masked: waiting for the sum of all", "Keep this tab open until then", "Wait for the sum of all"},
	} {
		p := secured(shown(t))
		p.Join()
		p.OnReady("wasm-simd128")
		p.OnWorkerState(map[string]any{"connection": "joined", "activity": activity, "round": 7.0, "codec": "deadzone"})
		steps := (&Train{p}).timeline()
		if got := p.State(); got != want[0] || p.Tone() != "busy" || !p.Handing() {
			t.Errorf("%s: %q, %s, handing %v, want %q, busy", activity, got, p.Tone(), p.Handing(), want[0])
		}
		if got := p.Aside(); !strings.HasPrefix(got, want[1]) {
			t.Errorf("%s: %q, want %q", activity, got, want[1])
		}
		if got := steps[3]; got.words != want[2] || got.current != "step" {
			t.Errorf("%s: step %+v, want %q", activity, got, want[2])
		}
		if got := p.PackedWords(); got != "masked, 12 bits a number up" {
			t.Errorf("%s: packed %q", activity, got)
		}
	}
}

// What secure aggregation moves is named, and so is what is in it.
func TestMovedSecureWords(t *testing.T) {
	p := secured(shown(t))
	c := Moved{p}
	p.OnMoved(decode(t, `{"entries": [
		{"kind": "progress", "up": true, "bytes": 10, "round": 4},
		{"kind": "secure", "up": true, "bytes": 100, "payload": "keys"}, {"kind": "secure", "bytes": 600, "payload": "roster"},
		{"kind": "secure", "up": true, "bytes": 900, "payload": "shares"}, {"kind": "secure", "bytes": 900, "payload": "inbox"},
		{"kind": "contribution", "up": true, "bytes": 300000, "values": 199218, "payload": "secure"},
		{"kind": "secure", "bytes": 40, "payload": "survivors"}, {"kind": "secure", "up": true, "bytes": 300, "payload": "reveal"}]}`))
	if got := c.groups(); len(got) != 3 || got[0].what != "What was learned: changes of the model" || got[2].what != "Keys and shares, by which what was learned is masked" {
		t.Errorf("totals %v", got)
	}
	want := []string{
		"Training of round 4 has begun", "Two public keys", "The public keys of all", "Parts of this tab's secrets", "Parts of others' secrets of this round, sealed",
		"199,218 masked numbers, of which only the sum", "Whose masked contributions", "Parts of others' secrets, which take the masks",
	}
	i := 0
	for e := range p.Moved.entries.all(0) {
		if got := c.entryWords(e); !strings.HasPrefix(got, want[i]) {
			t.Errorf("%q, want %q", got, want[i])
		}
		i++
	}
	if i != len(want) {
		t.Errorf("%d entries, want %d", i, len(want))
	}
}

// Browsers cannot take part in a task for members, who sign.
func TestMembersWords(t *testing.T) {
	p := secured(shown(t))
	p.Task.Privacy.Members = true
	if got := p.lackWords(); !strings.Contains(got, "coordinator client") || p.CanJoin() {
		t.Errorf("%q, can join %v", got, p.CanJoin())
	}
}
