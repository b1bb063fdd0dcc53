package lab

import (
	"html"
	"math"
	"strconv"
	"strings"

	"fedtab/words"
)

// Frame is the area of a figure in which places are: in the units of the drawing, and in
// those of the figure.
type Frame struct {
	Width, Height            float64 // of the whole drawing
	Left, Top, Right, Bottom float64 // of the area, in the drawing
	Low, High                Point   // of the figure, at the left and lower and at the right and upper edge
	LogX, LogY               bool    // axes are logarithmic; Low and High are the logarithms to base 10
}

// figureWidth is the width of all figures: they are scaled to the page's.
const figureWidth = 440

// square returns a frame without axes in which both coordinates have the same unit.
func square(low, high Point) Frame {
	height := math.Round(figureWidth * (high.Y - low.Y) / (high.X - low.X))
	return Frame{Width: figureWidth, Height: height, Right: figureWidth, Bottom: height, Low: low, High: high}
}

// chart returns a frame with room for axes.
func chart(low, high Point) Frame {
	return Frame{Width: figureWidth, Height: 290, Left: 46, Top: 12, Right: figureWidth - 20, Bottom: 246, Low: low, High: high}
}

// at returns where a place is in the drawing. Places outside are at most a frame away.
func (f *Frame) at(p Point) (x, y float64) {
	p = f.scaled(p)
	part := func(v, low, high float64) float64 { return max(-1, min(2, (v-low)/(high-low))) }
	return f.Left + (f.Right-f.Left)*part(p.X, f.Low.X, f.High.X), f.Bottom - (f.Bottom-f.Top)*part(p.Y, f.Low.Y, f.High.Y)
}

// scaled returns a place in the units of Low and High.
func (f *Frame) scaled(p Point) Point {
	if f.LogX {
		p.X = math.Log10(p.X)
	}
	if f.LogY {
		p.Y = math.Log10(p.Y)
	}
	return p
}

// has reports whether a place is in the frame.
func (f *Frame) has(p Point) bool {
	p = f.scaled(p)
	return p.X >= f.Low.X && p.X <= f.High.X && p.Y >= f.Low.Y && p.Y <= f.High.Y
}

// plot writes SVG in a frame. Looks are the style sheet's (static/extra/lab.css): colours
// follow the scheme of the page.
type plot struct {
	Frame
	name string // of the figure
	b    strings.Builder
}

func rounded(x float64, decimals int) float64 {
	scale := math.Pow10(decimals)
	return math.Round(x*scale)/scale + 0 // no negative zero
}

// units writes a number of the drawing, to a tenth.
func units(x float64) string { return strconv.FormatFloat(rounded(x, 1), 'f', -1, 64) }

func (p *plot) add(parts ...string) {
	for _, s := range parts {
		p.b.WriteString(s)
	}
}

// path writes places as a path's data.
func (p *plot) path(points []Point, closed bool) string {
	var b strings.Builder
	for i, at := range points {
		x, y := p.at(at)
		if i == 0 {
			b.WriteByte('M')
		} else {
			b.WriteByte('L')
		}
		b.WriteString(units(x) + " " + units(y))
	}
	if closed {
		b.WriteByte('Z')
	}
	return b.String()
}

// line draws a line along places, as far as they are in the frame.
func (p *plot) line(class string, points []Point) {
	p.add(`<path class="`, class, `" clip-path="url(#area-`, p.name, `)" d="`, p.path(points, false), `"></path>`)
}

// area draws the hull of places that are in order around it; two are a line.
func (p *plot) area(class string, points []Point) {
	p.add(`<path class="`, class, `" d="`, p.path(points, true), `"></path>`)
}

// mark draws a sign at a place. One that is outside is drawn at the edge, as an arrow.
func (p *plot) mark(class string, at Point, size float64) {
	x, y := p.at(at)
	if cx, cy := max(p.Left+14, min(x, p.Right-14)), max(p.Top+14, min(y, p.Bottom-14)); !p.has(at) {
		p.arrow(class, cx, cy, math.Atan2(y-cy, x-cx))
		return
	}
	p.add(`<path class="mark `, class, `" d="`, sign(class, x, y, size), `"></path>`)
}

// marks draws the same sign at many places, all in the frame, as one element.
func (p *plot) marks(class string, places []Point, size float64) {
	p.add(`<path class="mark `, class, `" d="`)
	for _, at := range places {
		x, y := p.at(at)
		p.add(sign(class, x, y, size))
	}
	p.add(`"></path>`)
}

// Sign draws a sign around (0, 0), of 20 units, for a legend.
func Sign(class string) string {
	return `<path class="mark ` + class + `" d="` + sign(class, 0, 0, 7) + `"></path>`
}

// sign returns the outline of a sign: its form tells it apart where colours do not.
func sign(class string, x, y, r float64) string {
	m := func(dx, dy float64) string { return units(x+dx*r) + " " + units(y+dy*r) }
	switch class {
	case "mean", "known", "chosen", "third", "slow": // a square
		return "M" + m(-.9, -.9) + "L" + m(.9, -.9) + "L" + m(.9, .9) + "L" + m(-.9, .9) + "Z"
	case "median", "true": // a diamond
		return "M" + m(0, -1.25) + "L" + m(1.25, 0) + "L" + m(0, 1.25) + "L" + m(-1.25, 0) + "Z"
	case "best": // a line
		return "M" + m(0, -1.3) + "L" + m(0, 1.3)
	case "bad", "second": // a triangle
		return "M" + m(0, -1.2) + "L" + m(1.1, .8) + "L" + m(-1.1, .8) + "Z"
	}
	d := units(2 * r)
	return "M" + m(-1, 0) + "a" + units(r) + " " + units(r) + " 0 1 0 " + d + " 0a" + units(r) + " " + units(r) + " 0 1 0 -" + d + " 0Z"
}

// arrow draws an arrow that points at an angle.
func (p *plot) arrow(class string, x, y, angle float64) {
	tip := func(a, r float64) string { return units(x+r*math.Cos(angle+a)) + " " + units(y+r*math.Sin(angle+a)) }
	p.add(`<path class="mark `, class, `" d="M`, tip(0, 12), "L", tip(2.5, 10), "L", tip(math.Pi, 4), "L", tip(-2.5, 10), `Z"></path>`)
}

// text writes words at a place of the drawing.
func (p *plot) text(class string, x, y float64, words string) {
	p.add(`<text class="`, class, `" x="`, units(x), `" y="`, units(y), `">`, html.EscapeString(words), `</text>`)
}

// handles draws the points of a group, which a person can move.
func (p *plot) handles(v *View, g *Group, points []Point, class func(i int) string) {
	for i, at := range points {
		x, y := p.at(at)
		c := class(i)
		p.add(`<g class="handle" tabindex="0" role="slider" data-group="`, g.Name, `" data-index="`, strconv.Itoa(i),
			`" aria-label="`, html.EscapeString(v.say(g.Label, i+1)), `" aria-valuemin="`, write(g.Low.X), `" aria-valuemax="`, write(g.High.X), `" aria-valuenow="`, write(at.X),
			`" aria-valuetext="`, html.EscapeString(v.place(at)), `"><circle class="grip" cx="`, units(x), `" cy="`, units(y), `" r="20"></circle><path class="mark `, c, `" d="`, sign(c, x, y, 7), `"></path></g>`)
	}
}

// powers writes a small number with a power of ten, others as they are.
func powers(l *words.Language, v float64) string {
	switch {
	case v >= 1000:
		return l.Count(int(v))
	case v <= 0 || v >= .001:
		return l.Exact(v)
	}
	exponent := int(math.Floor(math.Log10(v) + 1e-9))
	text := "10⁻" + []string{"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"}[-exponent]
	if times := rounded(v*math.Pow10(-exponent), 3); times != 1 {
		return l.Exact(times) + " · " + text
	}
	return text
}

// axes draws the axes with some values, and what they are.
func (p *plot) axes(v *View, x, y string, xs, ys []float64) {
	for _, value := range ys {
		_, at := p.at(Point{p.Low.X, value})
		p.add(`<path class="grid" d="M`, units(p.Left), " ", units(at), "H", units(p.Right), `"></path>`)
		p.text("tick end", p.Left-6, at+5, powers(v.l, value))
	}
	for _, value := range xs {
		at, _ := p.at(Point{value, 1})
		p.text("tick", at, p.Bottom+18, powers(v.l, value))
	}
	p.text("axis", (p.Left+p.Right)/2, p.Bottom+37, x)
	p.text("axis start", p.Left+6, p.Top+6, y)
}

// legend says what lines are, below a height of the drawing, at the right.
func (p *plot) legend(y float64, rows ...[2]string) { p.legendAt(p.Right, y, rows...) }

// legendAt is legend that ends at a place of the drawing.
func (p *plot) legendAt(right, y float64, rows ...[2]string) {
	for i, row := range rows {
		at := y + 19*float64(i)
		p.add(`<path class="`, row[0], `" d="M`, units(right-30), " ", units(at), "H", units(right-6), `"></path>`)
		p.text("end", right-36, at+5, row[1])
	}
}

// show hands the drawing to the view, above what lies behind it.
func (p *plot) show(v *View, back string) {
	v.Figures = append(v.Figures, Drawing{Name: p.name, Frame: p.Frame, Back: back, Front: p.b.String()})
}
