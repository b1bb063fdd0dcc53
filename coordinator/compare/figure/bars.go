package figure

import (
	"math"

	"gonum.org/v1/plot/vg"
)

// scaleBars sets the y axis. It returns why there is nothing to draw.
func (p *page) scaleBars() string {
	f := p.f
	var y extent
	for _, s := range f.Series {
		for _, pt := range s.Points {
			if p.show(pt) {
				p.addY(&y, pt)
			}
		}
	}
	switch {
	case len(f.Series) == 0:
		return "no series"
	case y.n == 0:
		return "no series has a value that its axes can show"
	}
	p.addReferences(&y)
	if f.LogY {
		y.add(y.min / 2) // the smallest bar has a length
	} else {
		y.add(0)
	}
	// Room for the values.
	p.y = newAxis(y, f.LogY, f.YMin, f.YMax, 0.09)
	return ""
}

// barPlaces returns the left edge of the first bar of a group, and the width of a bar.
func (p *page) barPlaces(group int) (left, width vg.Length) {
	slot := (p.plot.Max.X - p.plot.Min.X) / vg.Length(len(p.f.Names))
	n := vg.Length(len(p.f.Series))
	width = min(slot*0.82/n, 46)
	middle := p.plot.Min.X + (vg.Length(group)+0.5)*slot
	return middle - width*n/2, width
}

// base is the value at which bars start.
func (p *page) base() float64 {
	return min(max(0, p.y.min), p.y.max)
}

func (p *page) drawBars(on surface) {
	f := p.f
	var values extent
	for _, s := range f.Series {
		for _, pt := range s.Points {
			if p.show(pt) {
				values.add(pt.Y)
			}
		}
	}
	base := p.py(p.base())
	clip := func(y vg.Length) vg.Length { return min(max(y, p.plot.Min.Y), p.plot.Max.Y) }
	write, digits := p.valueStyle(values)
	for i, s := range f.Series {
		for g, pt := range s.Points {
			if !p.show(pt) {
				continue
			}
			left, width := p.barPlaces(g)
			x := left + vg.Length(i)*width
			gap := min(width*0.06, 1)
			top := clip(p.py(pt.Y))
			p.drawBar(on, i, rect(x+gap, base, x+width-gap, top))
			p.drawError(on, pt, x+width/2, ink)
			if write.size == 0 || !p.y.holds(pt.Y) {
				continue
			}
			// Beyond the error bar.
			if pt.Y >= p.base() {
				if pt.band() {
					top = max(top, clip(p.py(pt.High)))
				}
				writeValue(on, format(pt.Y, digits), write, vg.Point{X: x + width/2, Y: top + 2.5})
			} else {
				if pt.band() {
					top = min(top, clip(p.py(pt.Low)))
				}
				writeValue(on, format(pt.Y, digits), write, vg.Point{X: x + width/2, Y: top - 1.5 - write.size*0.75})
			}
		}
	}
	if base > p.plot.Min.Y {
		on.stroke(lines(vg.Point{X: p.plot.Min.X, Y: base}, vg.Point{X: p.plot.Max.X, Y: base}), pen{color: frame, width: 0.8})
	}
}

// writeValue writes a value on a white ground, which keeps lines of references and of the
// grid off it.
func writeValue(on surface, text string, s style, base vg.Point) {
	w := s.width(text)/2 + 1
	on.fill(rectangle(rect(base.X-w, base.Y-1, base.X+w, base.Y+s.size*0.75)), white.faint(0.85))
	on.text(text, s, base)
}

// drawBar draws a bar of a series.
func (p *page) drawBar(on surface, series int, r vg.Rectangle) {
	on.fill(rectangle(r), hue(series))
	hatch(on, series, r)
	on.stroke(rectangle(r), pen{color: hue(series), width: 0.7})
}

// valueStyle returns the style and the decimals of the values above the bars, with size 0
// if there is no room for them.
func (p *page) valueStyle(values extent) (style, int) {
	_, width := p.barPlaces(0)
	if p.f.LogY {
		values.whole = false
	}
	for digits := decimals(values); digits >= 0; digits-- {
		for _, size := range []vg.Length{valueText.size, 6.5} {
			s := valueText
			s.size = size
			if p.valuesFit(s, digits, width-2) {
				return s, digits
			}
		}
		if largest := max(math.Abs(values.min), math.Abs(values.max)); digits > 0 && largest < math.Pow(10, float64(2-digits)) {
			break // fewer decimals would leave less than two digits
		}
	}
	return style{}, 0
}

func (p *page) valuesFit(s style, digits int, width vg.Length) bool {
	for _, series := range p.f.Series {
		for _, pt := range series.Points {
			if p.show(pt) && s.width(format(pt.Y, digits)) > width {
				return false
			}
		}
	}
	return true
}
