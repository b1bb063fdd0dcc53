//go:build !js

package main

import (
	"strings"
	"testing"
	"time"

	"fedtab/api"
	"fedtab/protocol/invite"
	"fedtab/tab"
)

func codeTo(task string) string {
	return invite.Sign([]byte("key"), invite.Invite{Task: task, Uses: 1, Expires: time.Unix(1<<31, 0)})
}

// What the page says about invites, what to do, and whether there is a field for one.
func TestInviteWords(t *testing.T) {
	code := codeTo("mnist-2nn")
	refused := func(detail string) func(p *Page) {
		return func(p *Page) {
			p.Join()
			p.OnReady("scalar")
			if !p.OnWorkerState(map[string]any{"connection": string(tab.Uninvited), "detail": detail}) {
				t.Error("the worker is not ended")
			}
		}
	}
	open := func(text, task string) func(p *Page) {
		return func(p *Page) {
			if got := p.OnInvite(text); got != task {
				t.Errorf("OnInvite(%q) = %q, want %q", text, got, task)
			}
		}
	}
	const paste = "Open the link that you were given, or paste it below."
	const ask = "Ask the person who invited you for a new link. Open it, or paste it below."
	const training = "Round 7 is being trained by others: join to take part"
	for _, test := range []struct {
		name         string
		do           []func(p *Page)
		state, aside string
		field        bool
		tone         string
	}{
		{"none", nil, "This task is joined by invite", paste, true, "calm"},
		{"a link", []func(*Page){open(invite.Link("https://example.org/", code), "mnist-2nn")}, training, "", false, "calm"},
		{"a code", []func(*Page){open(code, "mnist-2nn")}, training, "", false, "calm"},
		{"no invite", []func(*Page){open("please", "")}, "This is not a valid invite", "Open or paste the whole link that you were given.", true, "trouble"},
		{"no invite, then one", []func(*Page){open("please", ""), open(code, "mnist-2nn")}, training, "", false, "calm"},
		{"one to another task", []func(*Page){open(codeTo("other"), "other")}, "This invite is to a task that this coordinator does not have", ask, true, "trouble"},
		{"joined without", []func(*Page){refused("this task needs an invite")}, "This task needs an invite", paste, true, "trouble"},
		{"used up", []func(*Page){open(code, "mnist-2nn"), refused("the invite is used up")}, "The invite is used up", ask, true, "trouble"},
		{"used up, then another", []func(*Page){open(code, "mnist-2nn"), refused("the invite is used up"), open(code, "mnist-2nn")}, training, "", false, "calm"},
		{"used up, then none", []func(*Page){open(code, "mnist-2nn"), refused("the invite is used up"), open("please", "")}, "This is not a valid invite", "Open or paste the whole link that you were given.", true, "trouble"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := shown(t)
			p.Task.Join = api.Invited
			for _, do := range test.do {
				do(p)
			}
			if got := p.State(); got != test.state {
				t.Errorf("state %q, want %q", got, test.state)
			}
			if got := p.Aside(); got != test.aside {
				t.Errorf("aside %q, want %q", got, test.aside)
			}
			if got := p.Tone(); got != test.tone {
				t.Errorf("tone %q, want %q", got, test.tone)
			}
			if !p.CanJoin() || p.ShowReload() || p.JoinLabel() != "Join training" {
				t.Errorf("join %v, reload %v, label %q, want true, false, Join training", p.CanJoin(), p.ShowReload(), p.JoinLabel())
			}
			opening, _ := tag(t, render(t, p), "invite")
			if field := p.ShowInvite(); field != test.field || !strings.Contains(opening, `type="text"`) {
				t.Errorf("field %v, want %v", field, test.field)
			}
		})
	}
	p := shown(t)
	if p.Task.Join = api.Open; p.ShowInvite() {
		t.Error("a task that is open has a field for an invite")
	}
}
