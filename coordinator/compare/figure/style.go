package figure

import (
	"math"

	"gonum.org/v1/plot/vg"
)

// rgb is a colour with an opacity from 0 to 1.
type rgb struct {
	r, g, b uint8
	opacity float64
}

func solid(hex uint32) rgb { return rgb{uint8(hex >> 16), uint8(hex >> 8), uint8(hex), 1} }

// faint returns the colour with another opacity.
func (c rgb) faint(opacity float64) rgb {
	c.opacity = opacity
	return c
}

// RGBA implements color.Color.
func (c rgb) RGBA() (r, g, b, a uint32) {
	p := func(v uint8) uint32 { return uint32(math.Round(float64(v) * 0x101 * c.opacity)) }
	return p(c.r), p(c.g), p(c.b), uint32(math.Round(0xFFFF * c.opacity))
}

// luminance is the relative luminance of WCAG 2, from 0 to 1.
func (c rgb) luminance() float64 {
	part := func(v uint8) float64 {
		s := float64(v) / 255
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	return 0.2126*part(c.r) + 0.7152*part(c.g) + 0.0722*part(c.b)
}

var (
	white  = solid(0xFFFFFF)
	ink    = solid(0x1A1A1A) // of texts
	frame  = solid(0x4D4D4D) // of axes
	ruling = solid(0xE3E3E3) // of grid lines
)

// palette is that of Okabe and Ito (https://jfly.uni-koeln.de/color/), without its
// yellow, which is too light for a line on white.
var palette = []rgb{
	solid(0x0072B2), solid(0xD55E00), solid(0x009E73), solid(0xCC79A7),
	solid(0xE69F00), solid(0x56B4E9), solid(0x000000),
}

// hue returns the colour of a series.
func hue(series int) rgb { return palette[series%len(palette)] }

// Lengths of dashes and gaps. The numbers of dashes, markers and colours have no common
// factor, so that 20 curves differ by dashes and markers, without colours.
var dashes = [][]vg.Length{nil, {6, 2.5}, {1.6, 2}, {7, 2, 1.6, 2}}

func dash(series int) []vg.Length { return dashes[series%len(dashes)] }

// referenceDashes differ from those of series by long gaps.
var referenceDashes = [][]vg.Length{{9, 5}, {2, 5}, {9, 5, 2, 5}, {4, 4, 4, 9}}

// pen is how a path is stroked.
type pen struct {
	color  rgb
	width  vg.Length
	dashes []vg.Length
}

func referencePen(i int) pen {
	return pen{solid(0x595959), 1.1, referenceDashes[i%len(referenceDashes)]}
}

// surface is what a page is drawn on. Its origin is at the bottom left.
type surface interface {
	fill(p vg.Path, c rgb)
	stroke(p vg.Path, s pen)
	text(s string, t style, base vg.Point)
}

func lines(pts ...vg.Point) vg.Path {
	var p vg.Path
	for i, pt := range pts {
		if i == 0 {
			p.Move(pt)
		} else {
			p.Line(pt)
		}
	}
	return p
}

func polygon(pts ...vg.Point) vg.Path {
	p := lines(pts...)
	p.Close()
	return p
}

func rectangle(r vg.Rectangle) vg.Path {
	return polygon(r.Min, vg.Point{X: r.Max.X, Y: r.Min.Y}, r.Max, vg.Point{X: r.Min.X, Y: r.Max.Y})
}

func rect(x0, y0, x1, y1 vg.Length) vg.Rectangle {
	return vg.Rectangle{Min: vg.Point{X: min(x0, x1), Y: min(y0, y1)}, Max: vg.Point{X: max(x0, x1), Y: max(y0, y1)}}
}

// shapes are the corners of markers, at the distance of a radius; nil is a circle.
var shapes = [][]vg.Point{
	nil,
	{{X: -.85, Y: -.85}, {X: .85, Y: -.85}, {X: .85, Y: .85}, {X: -.85, Y: .85}},
	{{X: -1.05, Y: -.75}, {X: 1.05, Y: -.75}, {X: 0, Y: 1.15}},
	{{X: 0, Y: -1.25}, {X: 1.25, Y: 0}, {X: 0, Y: 1.25}, {X: -1.25, Y: 0}},
	{{X: -1.05, Y: .75}, {X: 1.05, Y: .75}, {X: 0, Y: -1.15}},
}

// marker draws the marker of a series. Every second round of shapes is hollow. A white
// edge separates markers that touch.
func marker(on surface, series int, at vg.Point, r vg.Length, c rgb) {
	var p vg.Path
	if shape := shapes[series%len(shapes)]; shape == nil {
		p.Move(vg.Point{X: at.X + r, Y: at.Y})
		p.Arc(at, r, 0, 2*math.Pi)
		p.Close()
	} else {
		pts := make([]vg.Point, len(shape))
		for i, s := range shape {
			pts[i] = at.Add(s.Scale(r))
		}
		p = polygon(pts...)
	}
	if series/len(shapes)%2 == 1 {
		on.fill(p, white)
		on.stroke(p, pen{color: c.faint(1), width: 1.1})
		return
	}
	on.fill(p, c)
	on.stroke(p, pen{color: white.faint(0.8), width: 0.4})
}

// viridis are colours of matplotlib's map of that name, at equal distances. Its luminance
// grows with the value, so that grey print keeps the order.
var viridis = []rgb{
	solid(0x440154), solid(0x472D7B), solid(0x3B528B), solid(0x2C728E), solid(0x21918C),
	solid(0x28AE80), solid(0x5EC962), solid(0xADDC30), solid(0xFDE725),
}

// shade returns the colour of v from 0 to 1.
func shade(v float64) rgb {
	v = min(max(v, 0), 1) * float64(len(viridis)-1)
	i := min(int(v), len(viridis)-2)
	t := v - float64(i)
	a, b := viridis[i], viridis[i+1]
	mix := func(a, b uint8) uint8 { return uint8(math.Round(float64(a) + t*(float64(b)-float64(a)))) }
	return rgb{mix(a.r, b.r), mix(a.g, b.g), mix(a.b, b.b), 1}
}

// over returns black or white, whichever contrasts more with the background.
func over(background rgb) rgb {
	// The contrasts of WCAG 2 are equal at this luminance.
	if background.luminance() > 0.179 {
		return solid(0x000000)
	}
	return white
}

// hatch strokes the pattern of a series over a bar: none, one of two diagonals, both, or
// horizontal lines. Every second round of patterns is denser.
func hatch(on surface, series int, r vg.Rectangle) {
	var dirs []vg.Point
	switch series % 5 {
	case 1:
		dirs = []vg.Point{{X: 1, Y: 1}}
	case 2:
		dirs = []vg.Point{{X: 1, Y: -1}}
	case 3:
		dirs = []vg.Point{{X: 1}}
	case 4:
		dirs = []vg.Point{{X: 1, Y: 1}, {X: 1, Y: -1}}
	}
	step := vg.Length(4.5)
	if series/5%2 == 1 {
		step = 2.6
	}
	var p vg.Path
	w, h := r.Max.X-r.Min.X, r.Max.Y-r.Min.Y
	for _, d := range dirs {
		from, to := r.Min.Y, r.Max.Y // of the line's height at the left edge
		if d.Y > 0 {
			from -= w
		}
		if d.Y < 0 {
			to += w
		}
		for y := vg.Length(math.Ceil(float64(from/step))) * step; y < to; y += step {
			x0, x1 := vg.Length(0), w
			switch {
			case d.Y > 0:
				x0, x1 = max(0, r.Min.Y-y), min(w, r.Min.Y+h-y)
			case d.Y < 0:
				x0, x1 = max(0, y-r.Min.Y-h), min(w, y-r.Min.Y)
			}
			if x1 > x0 {
				p.Move(vg.Point{X: r.Min.X + x0, Y: y + x0*d.Y})
				p.Line(vg.Point{X: r.Min.X + x1, Y: y + x1*d.Y})
			}
		}
	}
	if len(p) > 0 {
		on.stroke(p, pen{color: white.faint(0.75), width: 0.8})
	}
}
