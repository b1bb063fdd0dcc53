package figure

import (
	"slices"

	"gonum.org/v1/plot/vg"
)

// entry is a line of a legend: of a series, or of a reference if series is negative.
type entry struct {
	series, reference int
	text              []string
}

// legend is a table below the plot, filled row by row.
type legend struct {
	entries []entry
	columns int
	width   vg.Length   // of a column
	rows    []vg.Length // heights
	height  vg.Length
}

const (
	swatch    = 24 // the width of a sample of a curve
	swatchGap = 5
	columnGap = 14
)

// layLegend lays out the legend of what has a name and is drawn.
func (p *page) layLegend() legend {
	var l legend
	if p.f.Kind == Heat {
		return l
	}
	room := p.w - 2*edge
	add := func(e entry, name string) {
		if name = clean(name); name == "" {
			return
		}
		e.text = legendText.wrap(name, room-swatch-swatchGap, 3)
		l.width = max(l.width, swatch+swatchGap+legendText.widest(e.text))
		l.entries = append(l.entries, e)
	}
	for i, s := range p.f.Series {
		if p.drawn(s) {
			add(entry{series: i}, s.Name)
		}
	}
	for i, r := range p.f.References {
		if finite(r.Y) && p.y.holds(r.Y) {
			add(entry{series: -1, reference: i}, r.Name)
		}
	}
	if len(l.entries) == 0 {
		return l
	}
	l.columns = min(max(int((room+columnGap)/(l.width+columnGap)), 1), len(l.entries))
	// Columns of the same length, where that needs no more rows.
	rows := (len(l.entries) + l.columns - 1) / l.columns
	l.columns = (len(l.entries) + rows - 1) / rows
	for i, e := range l.entries {
		if i%l.columns == 0 {
			l.rows = append(l.rows, 0)
		}
		last := &l.rows[len(l.rows)-1]
		*last = max(*last, vg.Length(len(e.text))*legendText.leading()+2)
	}
	for _, h := range l.rows {
		l.height += h
	}
	return l
}

// drawLegend draws the legend, in the middle of the page.
func (p *page) drawLegend(on surface) {
	l := p.key
	wide := vg.Length(l.columns)*(l.width+columnGap) - columnGap
	left, y := (p.w-wide)/2, edge+l.height
	for i, e := range l.entries {
		if i > 0 && i%l.columns == 0 {
			y -= l.rows[i/l.columns-1]
		}
		x := left + vg.Length(i%l.columns)*(l.width+columnGap)
		legendText.lines(on, e.text, x+swatch+swatchGap, y)
		p.drawSwatch(on, e, x, y-legendText.size*0.8+legendText.size*0.33)
	}
}

// drawSwatch draws a sample of the entry; y is its middle.
func (p *page) drawSwatch(on surface, e entry, x, y vg.Length) {
	curve := lines(vg.Point{X: x, Y: y}, vg.Point{X: x + swatch, Y: y})
	middle := vg.Point{X: x + swatch/2, Y: y}
	switch {
	case e.series < 0:
		on.stroke(curve, referencePen(e.reference))
	case p.f.Kind == Bars:
		p.drawBar(on, e.series, rect(x+5, y-4, x+swatch, y+4))
	case p.f.Kind == Scatter || slices.Contains(p.f.Loose, e.series):
		marker(on, e.series, middle, dotRadius, hue(e.series))
	default:
		on.stroke(curve, pen{hue(e.series), curveWidth, dash(e.series)})
		marker(on, e.series, middle, markerRadius, hue(e.series))
	}
}
