//go:build !js

package ui

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
			p.OnReady("wasm-relaxed")
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
	const damaged = "Its link is damaged, or not whole: open or paste the whole link that you were given."
	const training = "Round 7 is being trained by others: join to take part"
	for _, test := range []struct {
		name         string
		do           []func(p *Page)
		state, aside string
		field        bool
		tone         string
	}{
		{"none", nil, "This task is joined by invite", paste, true, "calm"},
		{"a link", []func(*Page){open(invite.Link("https://example.org/", "mnist-2nn", code), "mnist-2nn")}, training, "", false, "calm"},
		{"a code", []func(*Page){open(code, "mnist-2nn")}, training, "", false, "calm"},
		{"no invite", []func(*Page){open("please", "")}, "This is not a valid invite", damaged, true, "trouble"},
		{"no invite, then one", []func(*Page){open("please", ""), open(code, "mnist-2nn")}, training, "", false, "calm"},
		{"one to another task", []func(*Page){open(codeTo("other"), "other")}, "This invite is to a task that this coordinator does not have", ask, true, "trouble"},
		{"joined without", []func(*Page){refused("this task needs an invite")}, "This task needs an invite", paste, true, "trouble"},
		{"used up", []func(*Page){open(code, "mnist-2nn"), refused("the invite is used up")}, "The invite is used up", ask, true, "trouble"},
		{"used up, then another", []func(*Page){open(code, "mnist-2nn"), refused("the invite is used up"), open(code, "mnist-2nn")}, training, "", false, "calm"},
		{"used up, then none", []func(*Page){open(code, "mnist-2nn"), refused("the invite is used up"), open("please", "")}, "This is not a valid invite", damaged, true, "trouble"},
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
}

// An invite of no use before a task that is open: the page says so, has a field for the
// right one, and lets the person join without.
func TestInviteToOpenTask(t *testing.T) {
	const without = " The task shown here is open: to join it without an invite, leave the field empty."
	for _, test := range []struct {
		name, text   string
		state, aside string
		field        bool
	}{
		{"none", "", "Round 7 is being trained by others: join to take part", "", false},
		{"a good one", codeTo("mnist-2nn"), "Round 7 is being trained by others: join to take part", "", false},
		{"a damaged link", invite.Link("https://example.org/", "mnist-2nn", codeTo("mnist-2nn")[:40]), "This is not a valid invite",
			"Its link is damaged, or not whole: open or paste the whole link that you were given." + without, true},
		{"one to another task", codeTo("other"), "This invite is to a task that this coordinator does not have",
			"Ask the person who invited you for a new link. Open it, or paste it below." + without, true},
	} {
		p := shown(t)
		p.Task.Join = api.Open
		if test.text != "" {
			p.OnInvite(test.text)
		}
		if p.State() != test.state || p.Aside() != test.aside || p.ShowInvite() != test.field || !p.CanJoin() {
			t.Errorf("%s: %q, %q, field %v, join %v, want %q, %q, field %v, join true", test.name, p.State(), p.Aside(), p.ShowInvite(), p.CanJoin(), test.state, test.aside, test.field)
		}
	}
}

// An invite that is opened in a tab that takes part is not taken, and the page says so
// until the tab leaves.
func TestInviteInJoinedTab(t *testing.T) {
	p := shown(t)
	code := codeTo("mnist-2nn")
	p.OnInvite(code)
	p.Join()
	p.OnReady("wasm-relaxed")
	p.OnWorkerState(decode(t, `{"connection": "joined", "activity": "waiting"}`))
	const want = "This tab takes part already, and has not taken the invite that you opened. To use it, leave first, and open it again."
	if task := p.OnInvite(codeTo("other")); task != "" || p.Invite != code || p.Aside() != want {
		t.Errorf("task %q, invite %q, %q, want none, the one before, %q", task, p.Invite, p.Aside(), want)
	}
	p.Leave()
	p.OnGone()
	if got := p.Aside(); got != "" {
		t.Errorf("after it has left: %q, want nothing", got)
	}
}

// A tab that has joined by invite says beforehand what leaving costs.
func TestLeaveWords(t *testing.T) {
	const last = "This tab has used up its invite: if you leave, you need a new one to join again. To stop for a while, press Pause."
	const more = "If you leave, joining again takes another use of the invite. To stop for a while, press Pause."
	for _, test := range []struct {
		uses, participants int
		want               string
	}{{0, 1, ""}, {1, 1, last}, {2, 1, more}, {5, 4, more}, {5, 5, last}, {2, 5, last}} {
		p := shown(t)
		if test.uses > 0 {
			p.OnInvite(invite.Sign([]byte("key"), invite.Invite{Task: "mnist-2nn", Uses: uint32(test.uses), Expires: time.Unix(1<<31, 0)}))
		}
		shows := func(want string) {
			t.Helper()
			opening, text := tag(t, render(t, p), "leave-note")
			if text != want || strings.Contains(opening, "hidden") != (want == "") {
				t.Errorf("%d uses, %d participants: %s%q, want %q", test.uses, test.participants, opening, text, want)
			}
		}
		shows("")
		p.Join()
		p.OnReady("wasm-relaxed")
		p.OnWorkerState(map[string]any{"connection": "joined", "activity": "waiting", "participants": float64(test.participants)})
		shows(test.want)
		p.Paused = true // there is no Pause to press
		shows(strings.TrimSuffix(test.want, " To stop for a while, press Pause."))
		p.Paused = false
		p.Leave()
		shows("")
	}
}

// Where some participants of a tab have joined and others are refused, the page says
// how many, and why.
func TestSomeRefused(t *testing.T) {
	for _, test := range []struct{ report, aside, participants string }{
		{`"participants": 5, "numbers": [3, 4], "refused": 3, "refusedWhy": "the invite is used up"`,
			"3 of 5 participants here take no part: the invite is used up.", "2 of 5: No. 3, 4"},
		{`"participants": 2, "numbers": [3], "refused": 1`, "1 of 2 participants here takes no part.", "1 of 2: No. 3"},
		{`"participants": 2, "numbers": [3, 4]`, "", "2: No. 3, 4"},
	} {
		p := shown(t)
		p.Join()
		p.OnReady("wasm-relaxed")
		p.OnWorkerState(decode(t, `{"connection": "joined", "activity": "waiting", `+test.report+`}`))
		if p.Aside() != test.aside || p.ParticipantsWords() != test.participants {
			t.Errorf("%s: %q, %q, want %q, %q", test.report, p.Aside(), p.ParticipantsWords(), test.aside, test.participants)
		}
	}
}
