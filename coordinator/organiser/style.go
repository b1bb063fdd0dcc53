package organiser

import (
	"fmt"
	"math"

	"github.com/lucasb-eyer/go-colorful"
)

// minContrast is what text needs on its ground (WCAG 2.2, success criterion 1.4.3).
const minContrast = 4.5

// scheme is one of the page's two, as static/css/base.css defines it.
type scheme struct {
	name     string
	grounds  []string // --ground, --surface and --trouble-ground
	onAccent string   // text on the accent
	away     float64  // -1: a darker accent stands out more, 1: a lighter one
}

var (
	light = scheme{"light", []string{"#f4f6fb", "#ffffff", "#fdecea"}, "#ffffff", -1}
	dark  = scheme{"dark", []string{"#10131b", "#191d29", "#33191a"}, "#10131c", 1}
)

// styleOf returns the style sheet of an accent, #rrggbb. A colour that is hard to read in
// a scheme becomes darker or lighter there, of the same hue, which the notes say.
func styleOf(accent string) (Style, []string) {
	var notes []string
	rules := func(s scheme) string {
		used := s.readable(accent)
		if c, ground := s.contrast(accent); c < minContrast {
			notes = append(notes, fmt.Sprintf("accent: %s has a contrast of %.1f to 1 on %s, want at least %.1f: in the %s scheme %s takes its place", accent, c, ground, minContrast, s.name, used))
		}
		return fmt.Sprintf(":root { --accent: %s; --accent-strong: %s; --on-accent: %s; --busy: %[1]s; }", used, s.strong(used), s.onAccent)
	}
	css := rules(light) + "\n@media (prefers-color-scheme: dark) { " + rules(dark) + " }\n"
	return Style(css), notes
}

// contrast returns the smallest contrast that a colour has on a ground of the scheme, or
// under text, and on which.
func (s scheme) contrast(colour string) (smallest float64, on string) {
	smallest = math.Inf(1)
	for _, ground := range append(s.grounds[:len(s.grounds):len(s.grounds)], s.onAccent) {
		if c := contrast(colour, ground); c < smallest {
			smallest, on = c, ground
		}
	}
	return smallest, on
}

// readable returns the colour of the same hue that is nearest to a colour and has enough
// contrast.
func (s scheme) readable(colour string) string {
	if at, _ := s.contrast(colour); at >= minContrast {
		return colour
	}
	const step = .005 // of lightness, 0 to 1
	l, c, h := parsed(colour).OkLch()
	for ; ; l += step * s.away {
		if l <= 0 || l >= 1 { // black and white have the most contrast
			l, c = min(max(l, 0), 1), 0
		}
		used := colorful.OkLch(l, c, h).Clamped().Hex()
		if at, _ := s.contrast(used); at >= minContrast {
			return used
		}
	}
}

// strong returns a colour for what is pointed at: further from the grounds, or nearer if
// the accent is as far as can be.
func (s scheme) strong(accent string) string {
	const step = .08
	l, c, h := parsed(accent).OkLch()
	to := l + step*s.away
	if to < .15 || to > .97 {
		to = l - step*s.away
	}
	return s.readable(colorful.OkLch(to, c, h).Clamped().Hex())
}

// contrast returns the contrast ratio of two colours, 1 to 21 (WCAG 2.2, "contrast
// ratio").
func contrast(a, b string) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + .05) / (min(x, y) + .05)
}

// luminance returns the relative luminance of a colour, 0 to 1.
func luminance(colour string) float64 {
	r, g, b := parsed(colour).LinearRgb()
	return .2126*r + .7152*g + .0722*b
}

// parsed reads a colour that has been checked, or is one of ours.
func parsed(colour string) colorful.Color {
	c, err := colorful.Hex(colour)
	if err != nil {
		panic(err)
	}
	return c
}
