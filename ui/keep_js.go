package ui

import "time"

// code fetches code that loads the newest model. It names the version, so that it is
// fetched each time that a person asks.
func (t *trying) code() {
	task := t.page.Selected
	t.page.Uncoded = false
	fetchJSON(t.page.path()+"/versions", func(v any, _ string) {
		t.loop.Do(func() {
			if task == t.page.Selected {
				t.page.OnSnippets(v)
			}
		})
	})
}

// shareCard has the browser share a picture of what the tab has contributed.
func shareCard(p *Page, h *host) {
	card := p.card()
	var lines []any
	for _, line := range card[1:] {
		lines = append(lines, line)
	}
	h.tell(map[string]any{
		"type": "share", "title": card[0], "lines": lines, "name": p.Selected + ".png",
		"foot": p.say("card.foot", p.Lang.Date(time.Now())),
	})
}
