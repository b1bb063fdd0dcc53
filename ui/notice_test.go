//go:build !js

package ui

import "testing"

func TestNotice(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(p *Page)
		want   string
		reload bool
	}{
		{"all is well", func(p *Page) { p.Build = "a" }, "", false},
		{"a coordinator without a page", func(p *Page) { p.Build, p.Task.Build = "a", "" }, "", false},
		{"offline", func(p *Page) { p.Offline = true }, "You are offline: what is here still works.", false},
		{"gone", func(p *Page) { p.Gone = true }, "This task is no longer offered here. The home page shows what is.", false},
		{"older", func(p *Page) { p.Build = "b" }, "The coordinator has a newer page than this one. Reload to get it: your work is kept.", true},
		{"older, training", func(p *Page) {
			p.Build = "b"
			inRound(t, p, "training")
		}, "The coordinator has a newer page than this one. Reload to get it: your work is kept.", true},
		{"older, sending", func(p *Page) {
			p.Build = "b"
			inRound(t, p, "sending")
		}, "", false},
		{"served again", func(p *Page) {
			p.Gone = true
			p.OnTask(decode(t, `{"name": "mnist-2nn", "run": "r1"}`))
		}, "", false},
	} {
		p := shown(t)
		p.Task.Build = "a"
		c.change(p)
		if got, reload := p.Notice(); got != c.want || reload != c.reload {
			t.Errorf("%s: %q, %v, want %q, %v", c.name, got, reload, c.want, c.reload)
		}
	}
}

// inRound has the tab do something in a round.
func inRound(t *testing.T, p *Page, activity string) {
	p.Join()
	p.OnReady("simd")
	p.OnWorkerState(decode(t, `{"connection": "joined", "activity": "`+activity+`"}`))
}
