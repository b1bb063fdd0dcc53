package figure

import (
	"fmt"
	"math"

	"gonum.org/v1/plot/vg"
)

// Lengths in points. The plot has the same height in every figure but heat maps.
const (
	pageWidth  = 945 * pixel // 16 cm
	plotHeight = 190
	edge       = 9 // between the page's edge and what is on it
	tickLength = 3
)

// Texts.
var (
	titleText  = style{size: 12, bold: true, color: ink}
	axisText   = style{size: 10, color: ink, align: 0.5}
	tickText   = style{size: 9, color: ink, align: 0.5}
	legendText = style{size: 9, color: ink}
	valueText  = style{size: 7.5, color: ink, align: 0.5}
)

// page is a figure with its layout.
type page struct {
	f     *Figure
	w, h  vg.Length
	title []string
	xText []string
	yText []string
	x, y  axis         // of Line, Bars and Scatter; Bars has no x
	plot  vg.Rectangle // where the data is
	names names        // below the plot: of Bars and Heat
	rows  names        // left of the plot: of Heat
	shown extent       // the values of Heat
	key   legend
}

// name is what the figure is called for a reader who cannot see it.
func (p *page) name() string {
	if t := clean(p.f.Title); t != "" {
		return t
	}
	x, y := clean(p.f.X), clean(p.f.Y)
	switch {
	case x != "" && y != "":
		return y + " by " + x
	case x+y != "":
		return x + y
	}
	return "Figure"
}

// page checks the figure and lays it out.
func (f *Figure) page() (*page, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	p := &page{f: f, w: pageWidth}
	var what string
	switch f.Kind {
	case Heat:
		what = p.scaleHeat()
	case Bars:
		what = p.scaleBars()
	default:
		what = p.scalePoints()
	}
	if what != "" {
		return nil, fmt.Errorf("figure %q: %w: %s", f.Title, ErrEmpty, what)
	}

	// From the left: the y axis's text, its labels, the plot.
	height := vg.Length(plotHeight)
	if f.Kind == Heat {
		height = heatHeight(len(f.Heat.Z))
	}
	p.yText = axisText.wrap(clean(f.Y), height, 2)
	left := edge + vg.Length(len(p.yText))*axisText.leading()
	if len(p.yText) > 0 {
		left += 4
	}
	right := p.w - edge
	if f.Kind == Heat {
		p.rows = layRows(f.Heat.Y, height)
		left += p.rows.depth + 5
		right -= p.barWidth()
	} else {
		p.y.divide(7, height, func(string) vg.Length { return tickText.leading() * 1.3 })
		left += tickText.widest(labels(p.y.ticks)) + tickLength + 2
		right -= 4
	}

	// From the bottom: the legend, the x axis's text, its labels, the plot, the title.
	var depth vg.Length // of labels
	switch f.Kind {
	case Bars:
		p.names = layNames(f.Names, left, right)
		depth = p.names.depth
	case Heat:
		p.names = layNames(f.Heat.X, left, right)
		depth = p.names.depth
	default:
		room := func(l string) vg.Length { return tickText.width(l) + 9 }
		p.x.divide(9, right-left, room)
		if n := len(p.x.ticks); n > 0 { // the last label may stick out
			last := p.x.ticks[n-1]
			over := left + vg.Length(p.x.at(last.value))*(right-left) + tickText.width(last.label)/2 - (p.w - edge/2)
			right -= max(over, 0)
		}
		depth = tickText.leading()
	}
	p.key = p.layLegend()
	p.xText = axisText.wrap(clean(f.X), right-left, 2)
	bottom := edge + p.key.height
	if p.key.height > 0 {
		bottom += 7
	}
	bottom += vg.Length(len(p.xText)) * axisText.leading()
	if len(p.xText) > 0 {
		bottom += 3
	}
	bottom += depth + tickLength + 2
	p.title = titleText.wrap(clean(f.Title), p.w-2*edge, 3)
	top := bottom + height
	p.h = top + edge + vg.Length(len(p.title))*titleText.leading()
	if len(p.title) > 0 {
		p.h += 6
	}
	// A page of whole pixels.
	p.h = vg.Length(math.Ceil(float64(p.h/pixel)-1e-6)) * pixel
	p.plot = rect(left, bottom, right, top)
	return p, nil
}

func labels(ticks []tick) []string {
	var out []string
	for _, t := range ticks {
		out = append(out, t.label)
	}
	return out
}

// px and py are the places of values on the page.
func (p *page) px(v float64) vg.Length {
	return p.plot.Min.X + vg.Length(p.x.at(v))*(p.plot.Max.X-p.plot.Min.X)
}

func (p *page) py(v float64) vg.Length {
	return p.plot.Min.Y + vg.Length(p.y.at(v))*(p.plot.Max.Y-p.plot.Min.Y)
}

// draw draws the page.
func (p *page) draw(on surface) {
	titleText.lines(on, p.title, edge, p.h-edge)
	middle := (p.plot.Min.X + p.plot.Max.X) / 2
	below := p.plot.Min.Y - tickLength - 2 // the top of the labels
	turned := axisText
	turned.turn = math.Pi / 2
	turned.lines(on, p.yText, edge, (p.plot.Min.Y+p.plot.Max.Y)/2)

	if p.f.Kind == Heat {
		p.drawHeat(on)
	} else {
		p.drawAxes(on)
		p.drawReferences(on)
		if p.f.Kind == Bars {
			p.drawBars(on)
		} else {
			p.drawPoints(on)
		}
		// Over bands and bars, which may touch it.
		on.stroke(lines(vg.Point{X: p.plot.Min.X, Y: p.plot.Max.Y}, p.plot.Min, vg.Point{X: p.plot.Max.X, Y: p.plot.Min.Y}), pen{color: frame, width: 0.8})
	}
	if p.f.Kind == Bars || p.f.Kind == Heat {
		p.names.draw(on, below)
		below -= p.names.depth
	} else {
		below -= tickText.leading()
	}
	axisText.lines(on, p.xText, middle, below-3)
	p.drawLegend(on)
}

// drawAxes draws grid lines, ticks and their labels.
func (p *page) drawAxes(on surface) {
	grid, mark := pen{color: ruling, width: 0.6}, pen{color: frame, width: 0.8}
	r := p.plot
	for _, t := range p.y.ticks {
		y := p.py(t.value)
		on.stroke(lines(vg.Point{X: r.Min.X, Y: y}, vg.Point{X: r.Max.X, Y: y}), grid)
		on.stroke(lines(vg.Point{X: r.Min.X - tickLength, Y: y}, vg.Point{X: r.Min.X, Y: y}), mark)
		on.text(t.label, tickText.at(1), vg.Point{X: r.Min.X - tickLength - 2, Y: y - tickText.size*0.35})
	}
	if p.f.Kind == Bars {
		return
	}
	for _, t := range p.x.ticks {
		x := p.px(t.value)
		on.stroke(lines(vg.Point{X: x, Y: r.Min.Y}, vg.Point{X: x, Y: r.Max.Y}), grid)
		on.stroke(lines(vg.Point{X: x, Y: r.Min.Y - tickLength}, vg.Point{X: x, Y: r.Min.Y}), mark)
		tickText.lines(on, []string{t.label}, x, r.Min.Y-tickLength-2)
	}
}

// drawReferences draws the references that the y axis holds.
func (p *page) drawReferences(on surface) {
	for i, r := range p.f.References {
		if finite(r.Y) && p.y.holds(r.Y) {
			y := p.py(r.Y)
			on.stroke(lines(vg.Point{X: p.plot.Min.X, Y: y}, vg.Point{X: p.plot.Max.X, Y: y}), referencePen(i))
		}
	}
}

// names are the labels of an axis of names.
type names struct {
	text  [][]string // lines; nil where there is no room for the label
	at    []vg.Length
	turn  float64
	depth vg.Length // from the plot
	style style
}

// slant is the angle of names that do not fit between their neighbours.
const slant = math.Pi / 5

// layNames lays out names below a plot from left to right: level and in up to three
// lines if all fit so, or else slanted.
func layNames(of []string, left, right vg.Length) names {
	slot := (right - left) / vg.Length(len(of))
	n := names{style: tickText}
	level := true
	for i, name := range of {
		n.at = append(n.at, left+(vg.Length(i)+0.5)*slot)
		level = level && tickText.wraps(clean(name), slot-5, 3)
	}
	n.text = make([][]string, len(of))
	if level {
		for i, name := range of {
			n.text[i] = tickText.wrap(clean(name), slot-5, 3)
			n.depth = max(n.depth, vg.Length(len(n.text[i]))*tickText.leading())
		}
		return n
	}
	n.turn, n.style.align, n.style.turn = slant, 1, slant
	sin, cos := vg.Length(math.Sin(slant)), vg.Length(math.Cos(slant))
	every := max(int(math.Ceil(float64(n.style.leading()/sin/slot))), 1)
	for i := 0; i < len(of); i += every {
		// A name ends below its slot and starts on the page.
		fits := min(130, (n.at[i]-edge)/cos)
		n.text[i] = []string{n.style.shorten(clean(of[i]), fits)}
		n.depth = max(n.depth, n.style.width(n.text[i][0])*sin+n.style.leading()*cos)
	}
	return n
}

// layRows lays out names left of a plot, from top to bottom.
func layRows(of []string, height vg.Length) names {
	n := names{style: tickText.at(1)}
	slot := height / vg.Length(len(of))
	n.text = make([][]string, len(of))
	fit := min(int(slot/n.style.leading()), 3)
	every := max(int(math.Ceil(float64(n.style.leading()/slot))), 1)
	for i, name := range of {
		n.at = append(n.at, (vg.Length(i)+0.5)*slot) // from the top
		if i%every == 0 {
			n.text[i] = n.style.wrap(clean(name), 110, max(fit, 1))
			n.depth = max(n.depth, n.style.widest(n.text[i]))
		}
	}
	return n
}

// draw draws the names below y.
func (n names) draw(on surface, y vg.Length) {
	for i, t := range n.text {
		if n.turn == 0 {
			n.style.lines(on, t, n.at[i], y)
		} else if t != nil {
			on.text(t[0], n.style, vg.Point{X: n.at[i] + n.style.size*0.3, Y: y - n.style.size*0.7})
		}
	}
}
