package data

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// parseNumber reads a finite decimal number: 12, -0.5, 1e3, with groups of three
// digits, 1,234.5, and per cent, 12.5%, which is 0.125. decimal is the decimal sign,
// a point or a comma; groups are separated by the other of both, by a space or an
// apostrophe. It refuses what else strconv reads: hexadecimal numbers, infinities,
// underscores.
func parseNumber(s string, decimal rune) (float64, bool) {
	comma := -1
	for i := range len(s) {
		switch b := s[i]; {
		case b >= '0' && b <= '9', b == '+', b == '-', b == 'e', b == 'E', b == '.' && decimal == '.':
		case b == ',' && decimal == ',' && comma < 0:
			comma = i
		default:
			return parseGrouped(s, decimal)
		}
	}
	if comma >= 0 {
		s = s[:comma] + "." + s[comma+1:]
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil
}

// parseGrouped reads a number with groups of digits or per cent.
func parseGrouped(s string, decimal rune) (float64, bool) {
	scale := 1.0
	if t := strings.TrimSuffix(s, "%"); t != s {
		s, scale = strings.TrimRight(t, " \u00a0\u202f"), 100
	}
	whole, rest := s, ""
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		whole, rest = s[:i], s[i:]
	}
	if i := strings.IndexRune(whole, decimal); i >= 0 {
		whole, rest = whole[:i], "."+whole[i+1:]+rest
	}
	digits, ok := ungroup(whole, decimal)
	if !ok || !digitsOnly(strings.TrimLeft(digits, "+-")) || strings.Trim(rest, "0123456789.eE+-") != "" {
		return 0, false
	}
	v, err := strconv.ParseFloat(digits+rest, 64)
	return v / scale, err == nil
}

// ungroup removes the separators of groups from the whole part of a number: all the
// same, with three digits after each, and one to three, not beginning with 0, before
// the first. A number without separators is returned as it is.
func ungroup(s string, decimal rune) (string, bool) {
	at := strings.IndexFunc(s, func(r rune) bool { return groups(r, decimal) })
	if at < 0 {
		return s, true
	}
	sep, _ := utf8.DecodeRuneInString(s[at:])
	parts := strings.Split(s, string(sep))
	first := strings.TrimLeft(parts[0], "+-")
	if len(first) < 1 || len(first) > 3 || first[0] == '0' || !digitsOnly(first) {
		return "", false
	}
	for _, p := range parts[1:] {
		if len(p) != 3 || !digitsOnly(p) {
			return "", false
		}
	}
	return strings.Join(parts, ""), true
}

// groups reports whether r can separate groups of digits beside a decimal sign.
func groups(r, decimal rune) bool {
	switch r {
	case '.', ',':
		return r != decimal
	case ' ', '\u00a0', '\u202f', '\'', '\u2019': // spaces that do not break are usual in French
		return true
	}
	return false
}

func digitsOnly(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// reading is how the signs of a number can be read.
type reading int

const (
	noNumber   reading = iota
	plain              // has neither sign that matters
	withPoint          // is a number with a decimal point only
	withComma          // is a number with a decimal comma only
	withEither         // is one number with a decimal point and another with a comma: 12.345
)

// readingOf tells how a text can be read.
func readingOf(s string) reading {
	p, point := parseNumber(s, '.')
	c, comma := parseNumber(s, ',')
	switch {
	case point && comma && p == c:
		return plain
	case point && comma:
		return withEither
	case point:
		return withPoint
	case comma:
		return withComma
	}
	return noNumber
}
