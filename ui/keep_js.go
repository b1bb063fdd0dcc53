package ui

import "time"

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
