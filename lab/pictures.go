package lab

import (
	"math"
	"strconv"
	"strings"
)

// greys is the number of greys that pictures are drawn in, besides none.
const greys = 7

// pictures draws square pictures of pixels from 0 to 1: all pixels of a grey are one path,
// and neighbours in a row one rectangle, so that many pictures are a short text.
type pictures struct{ paths [greys]strings.Builder }

// add draws a picture of side x side pixels in a square of the drawing.
func (g *pictures) add(pixels []float32, side int, left, top, size float64) {
	edge := func(from float64, i int) string { return units(from + size*float64(i)/float64(side)) }
	for row := range side {
		line := pixels[row*side:][:side]
		for i := 0; i < side; {
			grey, from := greyOf(line[i]), i
			for i < side && greyOf(line[i]) == grey {
				i++
			}
			if grey > 0 {
				b := &g.paths[grey-1]
				b.WriteString("M" + edge(left, from) + " " + edge(top, row) + "H" + edge(left, i) + "V" + edge(top, row+1) + "H" + edge(left, from) + "Z")
			}
		}
	}
}

// greyOf returns the grey of a pixel: 0, it has no ink, to greys.
func greyOf(pixel float32) int { return int(math.Round(greys * float64(pixel))) }

// pictures draws what was added.
func (p *plot) pictures(g *pictures) {
	for i := range g.paths {
		p.add(`<path class="grey" fill-opacity="`, strconv.FormatFloat(rounded(float64(i+1)/greys, 2), 'f', -1, 64), `" d="`, g.paths[i].String(), `"></path>`)
	}
}

// frames draws squares as one path.
func (p *plot) frames(class string, corners []Point, size float64) {
	p.add(`<path class="`, class, `" d="`)
	for _, c := range corners {
		p.add("M", units(c.X), " ", units(c.Y), "h", units(size), "v", units(size), "h", units(-size), "Z")
	}
	p.add(`"></path>`)
}

// album is a way to lay out cells of so many pictures side by side in an area.
type album struct {
	left, top   float64
	columns     int
	size        float64 // of a picture
	across, gap float64 // pictures of a cell, and what is between cells
}

// newAlbum lays out n cells so that the pictures are as large as possible.
func newAlbum(n, across int, left, top, right, bottom, gap float64) album {
	a := album{across: float64(across), gap: gap}
	for columns := 1; columns <= n; columns++ {
		rows := (n + columns - 1) / columns
		size := min(((right-left+gap)/float64(columns)-gap)/a.across, (bottom-top+gap)/float64(rows)-gap)
		if size > a.size {
			a.columns, a.size = columns, size
			a.left = left + (right-left-a.width(columns))/2
			a.top = top + (bottom-top-float64(rows)*(size+gap)+gap)/2
		}
	}
	return a
}

// width returns the width of cells beside each other.
func (a *album) width(columns int) float64 {
	return float64(columns)*(a.across*a.size+a.gap) - a.gap
}

// at returns the upper left corner of a picture of a cell.
func (a *album) at(cell, picture int) Point {
	return Point{
		a.left + float64(cell%a.columns)*(a.across*a.size+a.gap) + float64(picture)*a.size,
		a.top + float64(cell/a.columns)*(a.size+a.gap),
	}
}

// plus returns a place further to the right and below by a distance.
func (p Point) plus(d float64) Point { return Point{p.X + d, p.Y + d} }
