package ui

import (
	"strconv"
	"strings"
)

// Details are the technical figures: for engineers, and for tests.
type Details struct {
	Page *Page
}

func (c *Details) expanded() string { return strconv.FormatBool(c.Page.Open["details"]) }

func (c *Details) participantTitle() string {
	if c.Page.Local.Participants > 1 {
		return c.Page.say("participant.several")
	}
	return c.Page.say("participant")
}

// wrong marks a field whose value cannot be used.
func (c *Details) wrong() any {
	if c.Page.SeveralProblem() != "" {
		return "true"
	}
	return nil
}

// maxParticipants is how many a tab may have; the worker has the same bound.
const maxParticipants = 16

// Fold shows or hides a part of the page.
func (p *Page) Fold(part string) {
	if p.Open == nil {
		p.Open = map[string]bool{}
	}
	p.Open[part] = !p.Open[part]
}

// several returns as how many participants the person wants to take part; ok is false if
// the field holds no such number.
func (p *Page) several() (n int, ok bool) {
	text := strings.TrimSpace(p.Several)
	if text == "" {
		return 1, true
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxParticipants {
		return 1, false
	}
	return n, true
}

// SeveralProblem says what is wrong with the number of participants, and what would be
// right; empty if nothing is.
func (p *Page) SeveralProblem() string {
	if _, ok := p.several(); ok {
		return ""
	}
	return p.say("several.problem", clipped(p.Several), maxParticipants)
}

// clipped returns a text that a person has typed, no longer than a message quotes it.
func clipped(text string) string {
	const maxQuoted = 20 // characters
	if r := []rune(text); len(r) > maxQuoted {
		return string(r[:maxQuoted]) + "…"
	}
	return text
}
