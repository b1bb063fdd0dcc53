package organiser

import (
	"fmt"
	"strings"
	"time"

	"fedtab/words"
)

const dash = words.Dash

func (b *Board) percent(x *float64) string {
	return words.Known(x, func(v float64) string { return b.Lang.Percent(v, 2) })
}

func (b *Board) loss(x *float64) string { return words.Known(x, b.Lang.Loss) }

func (b *Board) amount(x *float64) string { return words.Known(x, b.Lang.Amount) }

// when writes a moment by how long ago it was; a date, if that is days.
func (b *Board) when(t time.Time) string {
	switch ago := b.Now.Sub(t); {
	case t.IsZero():
		return dash
	case ago < 45*time.Second:
		return "now"
	case ago < time.Hour:
		return plural(int(ago.Minutes()+.5), "minute") + " ago"
	case ago < 36*time.Hour:
		return plural(int(ago.Hours()+.5), "hour") + " ago"
	}
	return t.Local().Format("2 Jan 2006")
}

func plural(n int, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}

// first returns the first line of a text.
func first(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// short leaves out most of a long digest in a sentence.
func short(text string) string {
	before, digest, ok := strings.Cut(text, "SHA-256 ")
	if !ok || len(digest) < 20 {
		return text
	}
	return before + "SHA-256 " + digest[:12] + "…"
}
