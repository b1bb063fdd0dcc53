package figure

import (
	"math"
	"slices"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

const (
	curveWidth   = 1.6
	markerRadius = 2.6
	dotRadius    = 2.8
)

// show reports whether the axes of Line and Scatter can show the point, or Bars the value.
func (p *page) show(pt Point) bool {
	f := p.f
	return shows(pt.Y, f.LogY) && (f.Kind == Bars || shows(pt.X, f.LogX))
}

// drawn reports whether anything of the series is drawn.
func (p *page) drawn(s Series) bool {
	for _, pt := range s.Points {
		if p.show(pt) {
			return true
		}
	}
	return false
}

// scalePoints sets the axes of Line and Scatter. It returns why there is nothing to draw.
func (p *page) scalePoints() string {
	f := p.f
	var x, y extent
	any, within := false, false
	for _, s := range f.Series {
		for _, pt := range s.Points {
			if !p.show(pt) {
				continue
			}
			any = true
			if f.XMin != nil && pt.X < *f.XMin || f.XMax != nil && pt.X > *f.XMax {
				continue
			}
			if (f.YMin == nil || pt.Y >= *f.YMin) && (f.YMax == nil || pt.Y <= *f.YMax) {
				within = true
			}
			x.add(pt.X)
			p.addY(&y, pt)
		}
	}
	switch {
	case !any && len(f.Series) == 0:
		return "no series"
	case !any:
		return "no series has a value that its axes can show"
	case !within:
		return "no value lies within the limits of the axes"
	}
	p.addReferences(&y)
	pad := 0.0
	if f.Kind == Scatter {
		pad = 0.04
	}
	p.x = newAxis(x, f.LogX, f.XMin, f.XMax, pad)
	p.y = newAxis(y, f.LogY, f.YMin, f.YMax, 0.05)
	return ""
}

// addY adds a point and its band.
func (p *page) addY(e *extent, pt Point) {
	e.add(pt.Y)
	if pt.band() {
		if shows(pt.Low, p.f.LogY) {
			e.add(pt.Low)
		}
		if shows(pt.High, p.f.LogY) {
			e.add(pt.High)
		}
	}
}

func (p *page) addReferences(e *extent) {
	for _, r := range p.f.References {
		if shows(r.Y, p.f.LogY) {
			e.add(r.Y)
		}
	}
}

// runs returns the stretches of points between those that cannot be shown.
func (p *page) runs(pts []Point, show func(Point) bool) [][]Point {
	var out [][]Point
	start := -1
	for i := 0; i <= len(pts); i++ {
		if i < len(pts) && show(pts[i]) {
			if start < 0 {
				start = i
			}
		} else if start >= 0 {
			out = append(out, pts[start:i])
			start = -1
		}
	}
	return out
}

func (p *page) drawPoints(on surface) {
	clip := draw.Canvas{Rectangle: p.plot}
	if p.f.Kind == Line {
		for i, s := range p.f.Series {
			p.drawBand(on, clip, i, s)
		}
	}
	for i, s := range p.f.Series {
		if p.f.Kind == Scatter || slices.Contains(p.f.Loose, i) {
			for _, pt := range s.Points {
				if p.show(pt) && p.x.holds(pt.X) {
					p.drawError(on, pt, p.px(pt.X), hue(i))
				}
			}
			for _, pt := range s.Points {
				p.drawMarker(on, i, pt, dotRadius, hue(i).faint(0.85))
			}
			continue
		}
		for _, run := range p.runs(s.Points, p.show) {
			var pts []vg.Point
			for _, pt := range run {
				pts = append(pts, vg.Point{X: p.px(pt.X), Y: p.py(pt.Y)})
			}
			for _, part := range clip.ClipLinesXY(pts) {
				on.stroke(lines(part...), pen{hue(i), curveWidth, dash(i)})
			}
			if len(run) == 1 && len(s.Points) > maxMarkers {
				p.drawMarker(on, i, run[0], markerRadius, hue(i))
			}
		}
		p.drawMarkers(on, i, s)
	}
}

// maxMarkers is the max number of markers on a curve, about.
const maxMarkers = 12

// drawMarkers draws markers at equal distances along x, each series at others, so that
// curves on each other are both seen.
func (p *page) drawMarkers(on surface, i int, s Series) {
	few := len(s.Points) <= maxMarkers
	step := (p.plot.Max.X - p.plot.Min.X) / maxMarkers
	next := vg.Length(math.Inf(-1))
	for _, pt := range s.Points {
		if !p.show(pt) || !p.x.holds(pt.X) {
			continue
		}
		x := p.px(pt.X)
		if math.IsInf(float64(next), -1) {
			next = x + step*vg.Length(i%4)/4
		}
		if few || x >= next {
			p.drawMarker(on, i, pt, markerRadius, hue(i))
			next = max(next+step, x+step/2)
		}
	}
}

func (p *page) drawMarker(on surface, series int, pt Point, r vg.Length, c rgb) {
	if p.show(pt) && p.x.holds(pt.X) && p.y.holds(pt.Y) {
		marker(on, series, vg.Point{X: p.px(pt.X), Y: p.py(pt.Y)}, r, c)
	}
}

// drawBand fills the bands of a curve. A band of one point is an error bar.
func (p *page) drawBand(on surface, clip draw.Canvas, i int, s Series) {
	band := func(pt Point) bool { return p.show(pt) && pt.band() }
	for _, run := range p.runs(s.Points, band) {
		if len(run) == 1 {
			if p.x.holds(run[0].X) {
				p.drawError(on, run[0], p.px(run[0].X), hue(i))
			}
			continue
		}
		var pts []vg.Point
		for _, pt := range run {
			pts = append(pts, vg.Point{X: p.px(pt.X), Y: p.py(pt.High)})
		}
		for j := len(run) - 1; j >= 0; j-- {
			pts = append(pts, vg.Point{X: p.px(run[j].X), Y: p.py(run[j].Low)})
		}
		if pts = clip.ClipPolygonXY(pts); len(pts) > 0 {
			on.fill(polygon(pts...), hue(i).faint(0.18))
		}
	}
}

// drawError draws the error bar of a point at x.
func (p *page) drawError(on surface, pt Point, x vg.Length, c rgb) {
	if !pt.band() {
		return
	}
	bottom, top := p.py(pt.Low), p.py(pt.High)
	low, high := max(bottom, p.plot.Min.Y), min(top, p.plot.Max.Y)
	if low >= high {
		return
	}
	s := pen{color: c, width: 0.9}
	on.stroke(lines(vg.Point{X: x, Y: low}, vg.Point{X: x, Y: high}), s)
	if low == bottom { // an end that is cut off has no bar
		on.stroke(lines(vg.Point{X: x - 2.5, Y: low}, vg.Point{X: x + 2.5, Y: low}), s)
	}
	if high == top {
		on.stroke(lines(vg.Point{X: x - 2.5, Y: high}, vg.Point{X: x + 2.5, Y: high}), s)
	}
}
