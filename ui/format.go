package ui

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"fedtab/words"
)

// dash stands where a number is not known.
const dash = words.Dash

// say returns the text with a key in the page's language (package words).
func (p *Page) say(key string, args ...any) string { return p.Lang.Say(key, args...) }

// Figures that may not be known are pointers, and a dash as long as they are nil.

func (p *Page) percent(x *float64) string {
	return words.Known(x, func(v float64) string { return p.Lang.Percent(v, 2) })
}

func (p *Page) loss(x *float64) string { return words.Known(x, p.Lang.Loss) }

func (p *Page) amount(x *float64) string { return words.Known(x, p.Lang.Amount) }

func (p *Page) short(x *float64) string { return words.Known(x, p.Lang.Short) }

func (p *Page) three(x *float64) string { return words.Known(x, p.Lang.Three) }

// raw writes a figure exactly, for tests and scripts; empty if unknown.
func raw(x *float64) string {
	if x == nil {
		return ""
	}
	return exact(*x)
}

func exact[N int64 | float64](v N) string { return strconv.FormatFloat(float64(v), 'f', -1, 64) }

// sentence gives words from elsewhere a capital letter.
func sentence(words string) string {
	if words == "" {
		return ""
	}
	first, n := utf8.DecodeRuneInString(words)
	return string(unicode.ToUpper(first)) + words[n:]
}

// sentences joins those that are not empty.
func sentences(all ...string) string {
	var some []string
	for _, s := range all {
		if s != "" {
			some = append(some, s)
		}
	}
	return strings.Join(some, " ")
}
