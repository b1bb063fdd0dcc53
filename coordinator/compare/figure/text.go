package figure

import (
	"math"
	"strings"
	"sync"
	"unicode"

	"codeberg.org/go-fonts/liberation/liberationsansbold"
	"codeberg.org/go-fonts/liberation/liberationsansregular"
	xfont "golang.org/x/image/font"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
)

var (
	regular = sync.OnceValue(func() *opentype.Font { return parse(liberationsansregular.TTF) })
	bold    = sync.OnceValue(func() *opentype.Font { return parse(liberationsansbold.TTF) })
)

// parse panics if a font of the program's own is broken.
func parse(ttf []byte) *opentype.Font {
	f, err := opentype.Parse(ttf)
	if err != nil {
		panic("figure: embedded font: " + err.Error())
	}
	return f
}

// style is the look of a text.
type style struct {
	size  vg.Length
	bold  bool
	color rgb
	align float64 // which part of the text lies at its point: 0 the left end, 1 the right
	turn  float64 // radians, counterclockwise
}

func (s style) face() font.Face {
	f := regular()
	if s.bold {
		f = bold()
	}
	return font.Face{Font: font.Font{Typeface: "Liberation", Variant: "Sans", Size: s.size}, Face: f}
}

func (s style) width(text string) vg.Length {
	f := s.face()
	return f.Width(text)
}

// outline returns the outlines of a text. What the font lacks is an empty box.
func (s style) outline(text string, base vg.Point) vg.Path {
	f := s.face()
	var (
		buf   sfnt.Buffer
		p     vg.Path
		units = fixed.Int26_6(f.Face.UnitsPerEm())
		scale = s.size / vg.Length(units)
		x     = -vg.Length(s.align) * f.Width(text)
		last  sfnt.GlyphIndex
	)
	sin, cos := math.Sincos(s.turn)
	for i, r := range text {
		glyph, err := f.Face.GlyphIndex(&buf, r)
		if err != nil {
			continue
		}
		if i > 0 {
			if kern, err := f.Face.Kern(&buf, last, glyph, units, xfont.HintingNone); err == nil {
				x += vg.Length(kern) * scale
			}
		}
		last = glyph
		at := func(q fixed.Point26_6) vg.Point {
			// The font's y points down.
			dx, dy := float64(x+vg.Length(q.X)*scale), float64(-vg.Length(q.Y)*scale)
			return base.Add(vg.Point{X: vg.Length(dx*cos - dy*sin), Y: vg.Length(dx*sin + dy*cos)})
		}
		segments, err := f.Face.LoadGlyph(&buf, glyph, units, nil)
		if err != nil {
			continue
		}
		for j, g := range segments {
			switch g.Op {
			case sfnt.SegmentOpMoveTo:
				if j > 0 {
					p.Close()
				}
				p.Move(at(g.Args[0]))
			case sfnt.SegmentOpLineTo:
				p.Line(at(g.Args[0]))
			case sfnt.SegmentOpQuadTo:
				p.QuadTo(at(g.Args[0]), at(g.Args[1]))
			case sfnt.SegmentOpCubeTo:
				p.CubeTo(at(g.Args[0]), at(g.Args[1]), at(g.Args[2]))
			}
		}
		if len(segments) > 0 {
			p.Close()
		}
		if advance, err := f.Face.GlyphAdvance(&buf, glyph, units, xfont.HintingNone); err == nil {
			x += vg.Length(advance) * scale
		}
	}
	return p
}

// leading is the distance of two lines.
func (s style) leading() vg.Length { return s.size * 1.2 }

// at returns the style with another alignment.
func (s style) at(align float64) style {
	s.align = align
	return s
}

// maxText is the max length of a text in runes; measuring longer ones takes long, and
// no text of that length fits.
const maxText = 1000

// clean returns the text without what XML cannot hold or a line cannot show: control
// characters become spaces, which are joined.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), unicode.IsSpace(r):
			return ' '
		case r == 0xFFFE, r == 0xFFFF:
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > maxText {
		s = string(r[:maxText]) + "…"
	}
	return s
}

// shorten cuts a text that is wider than max, and marks the cut.
func (s style) shorten(text string, max vg.Length) string {
	if s.width(text) <= max {
		return text
	}
	r := []rune(text)
	n := s.fit(r, max-s.width("…"))
	return strings.TrimRight(string(r[:n]), " ") + "…"
}

// fit returns how many runes of r are at most max wide.
func (s style) fit(r []rune, max vg.Length) int {
	low, high := 0, len(r)
	for low < high {
		n := (low + high + 1) / 2
		if s.width(string(r[:n])) <= max {
			low = n
		} else {
			high = n - 1
		}
	}
	return low
}

// wrap breaks a clean text into at most lines lines, at spaces where that is possible.
// What does not fit is cut off. An empty text has no lines.
func (s style) wrap(text string, max vg.Length, lines int) []string {
	var out []string
	for text != "" {
		if len(out) == lines-1 || s.width(text) <= max {
			return append(out, s.shorten(text, max))
		}
		r := []rune(text)
		n := s.fit(r, max)
		line := string(r[:n])
		if i := strings.LastIndexByte(line, ' '); i > 0 && (n == len(r) || r[n] != ' ') {
			line = line[:i]
		} else if n == 0 {
			line = string(r[:1]) // a column narrower than a letter still ends
		}
		out = append(out, line)
		text = strings.TrimLeft(text[len(line):], " ")
	}
	return out
}

// wraps reports whether wrap breaks the text at spaces only, and cuts nothing off.
func (s style) wraps(text string, max vg.Length, lines int) bool {
	for _, word := range strings.Fields(text) {
		if s.width(word) > max {
			return false
		}
	}
	out := s.wrap(text, max, lines)
	return strings.Join(out, " ") == text
}

// widest returns the width of the widest of the texts.
func (s style) widest(texts []string) vg.Length {
	var w vg.Length
	for _, t := range texts {
		w = max(w, s.width(t))
	}
	return w
}

// lines draws lines of text below each other, the first with its top at y.
func (s style) lines(on surface, text []string, x, y vg.Length) {
	for i, t := range text {
		sin, cos := math.Sincos(s.turn)
		d := s.size*0.8 + vg.Length(i)*s.leading() // from the top to the line's base
		on.text(t, s, vg.Point{X: x + d*vg.Length(sin), Y: y - d*vg.Length(cos)})
	}
}
