package organiser

import (
	"fmt"
	"math"
	"regexp"
	"strings"

	"fedtab/static"

	"github.com/lucasb-eyer/go-colorful"
)

// minContrast is what text needs on its ground (WCAG 2.2, success criterion 1.4.3).
const minContrast = 4.5

// scheme is one of the page's two.
type scheme struct {
	name    string
	grounds []string // of the accent, and the text on it
	away    float64  // -1: a darker accent stands out more, 1: a lighter one
}

// schemes returns the page's schemes, light and dark, as its style sheet defines them.
func schemes() [2]scheme {
	light, dark, _ := strings.Cut(static.BaseCSS, "@media (prefers-color-scheme: dark)")
	return [2]scheme{{"light", groundsOf(light), -1}, {"dark", groundsOf(dark), 1}}
}

var groundForm = regexp.MustCompile(`--(?:ground|surface|trouble-ground|on-accent): (#[0-9a-f]{6});`)

// groundsOf returns the colours of a scheme's rules that the accent must stand out from.
func groundsOf(rules string) (all []string) {
	for _, m := range groundForm.FindAllStringSubmatch(rules, -1) {
		all = append(all, m[1])
	}
	return all
}

// styleOf returns the style sheet of an accent, #rrggbb in small letters. A colour that
// is hard to read in a scheme becomes darker or lighter there, of the same hue, which
// the notes say.
func styleOf(accent string) (Style, []string) {
	var notes, rules []string
	for _, s := range schemes() {
		used := s.readable(accent)
		if c, ground := s.contrast(accent); c < minContrast {
			notes = append(notes, fmt.Sprintf("accent: %s has a contrast of %.1f to 1 on %s, want at least %.1f: in the %s scheme %s takes its place", accent, c, ground, minContrast, s.name, used))
		}
		rules = append(rules, fmt.Sprintf(":root { --accent: %s; --accent-strong: %s; --busy: %[1]s; }", used, s.strong(used)))
	}
	return Style(rules[0] + "\n@media (prefers-color-scheme: dark) { " + rules[1] + " }\n"), notes
}

// contrast returns the smallest contrast that a colour has on a ground of the scheme, and
// on which.
func (s scheme) contrast(colour string) (smallest float64, on string) {
	smallest = math.Inf(1)
	for _, ground := range s.grounds {
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
