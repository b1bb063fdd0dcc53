package figure

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"math"
	"strconv"

	"gonum.org/v1/plot/vg"
)

// vector writes SVG. gonum's own writer cannot anchor text at its middle or end, so that
// labels move when the reader lacks the font.
type vector struct {
	b bytes.Buffer
	h vg.Length
}

// newSVG starts a picture; title is what a screen reader says.
func newSVG(w, h vg.Length, title string) *vector {
	v := &vector{h: h}
	fmt.Fprintf(&v.b, `<svg xmlns="http://www.w3.org/2000/svg" role="img" width="%spt" height="%spt" viewBox="0 0 %s %s"`,
		number(w), number(h), number(w), number(h))
	// Arial and Helvetica have the widths of Liberation Sans.
	v.b.WriteString(` font-family="'Liberation Sans', Arial, Helvetica, sans-serif">` + "\n")
	fmt.Fprintf(&v.b, "<title>%s</title>\n", html.EscapeString(title))
	v.fill(rectangle(rect(0, 0, w, h)), white)
	return v
}

// number writes a length in points, to a hundredth.
func number(l vg.Length) string {
	v := math.Round(float64(l)*100) / 100
	if v == 0 {
		v = 0 // not -0
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

func (v *vector) paint(attr string, c rgb) {
	fmt.Fprintf(&v.b, ` %s="#%02x%02x%02x"`, attr, c.r, c.g, c.b)
	if c.opacity < 1 {
		fmt.Fprintf(&v.b, ` %s-opacity="%s"`, attr, number(vg.Length(c.opacity)))
	}
}

// path writes the path's data. Its arcs are whole circles.
func (v *vector) path(p vg.Path) {
	v.b.WriteString(`<path d="`)
	at := func(command string, x, y vg.Length) { v.b.WriteString(command + number(x) + " " + number(v.h-y)) }
	for _, c := range p {
		switch c.Type {
		case vg.MoveComp:
			at("M", c.Pos.X, c.Pos.Y)
		case vg.LineComp:
			at("L", c.Pos.X, c.Pos.Y)
		case vg.ArcComp:
			r := number(c.Radius)
			at("A"+r+" "+r+" 0 0 0 ", c.Pos.X-c.Radius, c.Pos.Y)
			at("A"+r+" "+r+" 0 0 0 ", c.Pos.X+c.Radius, c.Pos.Y)
		case vg.CloseComp:
			v.b.WriteString("Z")
		}
	}
	v.b.WriteString(`"`)
}

func (v *vector) fill(p vg.Path, c rgb) {
	v.path(p)
	v.paint("fill", c)
	v.b.WriteString("/>\n")
}

func (v *vector) stroke(p vg.Path, s pen) {
	v.path(p)
	v.b.WriteString(` fill="none"`)
	v.paint("stroke", s.color)
	fmt.Fprintf(&v.b, ` stroke-width="%s"`, number(s.width))
	if len(s.dashes) > 0 {
		v.b.WriteString(` stroke-dasharray="`)
		for i, d := range s.dashes {
			if i > 0 {
				v.b.WriteByte(' ')
			}
			v.b.WriteString(number(d))
		}
		v.b.WriteByte('"')
	}
	v.b.WriteString("/>\n")
}

func (v *vector) text(s string, t style, base vg.Point) {
	x, y := number(base.X), number(v.h-base.Y)
	fmt.Fprintf(&v.b, `<text x="%s" y="%s" font-size="%s"`, x, y, number(t.size))
	v.paint("fill", t.color)
	if t.bold {
		v.b.WriteString(` font-weight="bold"`)
	}
	switch t.align {
	case 0.5:
		v.b.WriteString(` text-anchor="middle"`)
	case 1:
		v.b.WriteString(` text-anchor="end"`)
	}
	if t.turn != 0 {
		fmt.Fprintf(&v.b, ` transform="rotate(%s %s %s)"`, number(vg.Length(-t.turn*180/math.Pi)), x, y)
	}
	// Another font is squeezed, so that texts end where the layout says.
	fmt.Fprintf(&v.b, ` textLength="%s" lengthAdjust="spacingAndGlyphs">%s</text>`+"\n", number(t.width(s)), html.EscapeString(s))
}

func (v *vector) writeTo(w io.Writer) error {
	v.b.WriteString("</svg>\n")
	_, err := w.Write(v.b.Bytes())
	return err
}
