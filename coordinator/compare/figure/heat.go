package figure

import (
	"math"

	"gonum.org/v1/plot/vg"
)

const (
	barThick = 10 // the width of the bar of colours
	barGap   = 10 // between it and the plot
)

// heatHeight is the height of a heat map of that many rows.
func heatHeight(rows int) vg.Length {
	n := vg.Length(rows)
	return max(min(max(n*26, 130), plotHeight+20), n*13)
}

// scaleHeat finds the range of the values. It returns why there is nothing to draw.
func (p *page) scaleHeat() string {
	for _, row := range p.f.Heat.Z {
		for _, v := range row {
			if finite(v) {
				p.shown.add(v)
			}
		}
	}
	if p.shown.n == 0 {
		return "the grid has no value"
	}
	e := p.shown
	e.whole = false
	p.y = newAxis(e, false, nil, nil, 0)
	p.y.divide(6, heatHeight(len(p.f.Heat.Z)), func(string) vg.Length { return tickText.leading() * 1.3 })
	return ""
}

// barWidth is the room that the bar of colours needs with its labels.
func (p *page) barWidth() vg.Length {
	w := barGap + barThick + tickLength + 2 + tickText.widest(labels(p.y.ticks))
	if z := axisText.wrap(clean(p.f.Z), heatHeight(len(p.f.Heat.Z)), 2); len(z) > 0 {
		w += 4 + vg.Length(len(z))*axisText.leading()
	}
	return w
}

func (p *page) drawHeat(on surface) {
	g, r := p.f.Heat, p.plot
	w, h := (r.Max.X-r.Min.X)/vg.Length(len(g.X)), (r.Max.Y-r.Min.Y)/vg.Length(len(g.Y))
	write, digits := p.cellStyle(w, h)
	for i, row := range g.Z {
		for j, v := range row {
			x, y := r.Min.X+vg.Length(j)*w, r.Max.Y-vg.Length(i+1)*h
			cell := rect(x, y, x+w, y+h)
			if !finite(v) {
				// A cross, not a colour: no shade means that nothing was measured.
				on.stroke(lines(cell.Min, cell.Max), pen{color: ruling, width: 0.8})
				on.stroke(lines(vg.Point{X: x, Y: y + h}, vg.Point{X: x + w, Y: y}), pen{color: ruling, width: 0.8})
				on.stroke(rectangle(cell), pen{color: ruling, width: 0.8})
				continue
			}
			c := shade(p.y.at(v))
			on.fill(rectangle(cell), c)
			// White seams, and no hair lines between cells that a renderer smooths.
			on.stroke(rectangle(cell), pen{color: white, width: min(0.8, w/20)})
			if write.size > 0 {
				write.color = over(c)
				on.text(format(v, digits), write, vg.Point{X: x + w/2, Y: y + h/2 - write.size*0.35})
			}
		}
	}
	for i, t := range p.rows.text {
		top := r.Max.Y - p.rows.at[i] + vg.Length(len(t))*p.rows.style.leading()/2 - p.rows.style.size*0.05
		p.rows.style.lines(on, t, r.Min.X-5, top)
	}
	p.drawColours(on)
}

// cellStyle returns the style and the decimals of values in cells of a size, with size 0
// if there is no room for them.
func (p *page) cellStyle(w, h vg.Length) (style, int) {
	most := decimals(p.shown)
	for digits := most; digits >= max(most-1, 0); digits-- {
		for _, size := range []vg.Length{9, 8, 7, 6} {
			s := valueText
			s.size = size
			if h < size+2 {
				continue
			}
			fits := true
			for _, row := range p.f.Heat.Z {
				for _, v := range row {
					fits = fits && (!finite(v) || s.width(format(v, digits)) <= w-3)
				}
			}
			if fits {
				return s, digits
			}
		}
	}
	return style{}, 0
}

// drawColours draws the bar of colours with its axis.
func (p *page) drawColours(on surface) {
	const steps = 64
	r := rect(p.plot.Max.X+barGap, p.plot.Min.Y, p.plot.Max.X+barGap+barThick, p.plot.Max.Y)
	h := (r.Max.Y - r.Min.Y) / steps
	for i := range steps {
		y := r.Min.Y + vg.Length(i)*h
		// Each step reaches below the next one, so that no seam is seen.
		on.fill(rectangle(rect(r.Min.X, y, r.Max.X, min(y+2*h, r.Max.Y))), shade((float64(i)+0.5)/steps))
	}
	mark := pen{color: frame, width: 0.8}
	on.stroke(rectangle(r), mark)
	x := r.Max.X + tickLength
	for _, t := range p.y.ticks {
		y := p.py(t.value)
		on.stroke(lines(vg.Point{X: r.Max.X, Y: y}, vg.Point{X: x, Y: y}), mark)
		on.text(t.label, tickText.at(0), vg.Point{X: x + 2, Y: y - tickText.size*0.35})
	}
	x += 2 + tickText.widest(labels(p.y.ticks)) + 4
	turned := axisText
	turned.turn = math.Pi / 2
	turned.lines(on, axisText.wrap(clean(p.f.Z), p.plot.Max.Y-p.plot.Min.Y, 2), x, (p.plot.Min.Y+p.plot.Max.Y)/2)
}
