package lab

import (
	"math"
	"math/rand/v2"
)

// glyphSide is the number of pixels along the sides of a glyph.
const glyphSide = 14

// glyphClasses is the number of digits.
const glyphClasses = 10

// How pictures of a digit differ. The deviations are such that a linear model mistakes about
// one of 20.
const (
	glyphHeight = 9.4  // of a digit, in pixels
	glyphWidth  = 7.   // of a digit, in pixels
	glyphShift  = .5   // of its middle, in pixels: standard deviation, as the next four
	glyphScale  = .08  // of its width and of its height, as a part of them
	glyphSlant  = .14  // of x by y
	glyphTurn   = .1   // in radians
	glyphShake  = .052 // of each point of a stroke, as a part of width and height
	glyphThin   = .9   // the thinnest pen, in pixels
	glyphThick  = 1.7  // the thickest
)

// glyphs draws n pictures of the digits 0 to 9 as strokes with a pen that shakes: x is
// [n, glyphSide, glyphSide], 0 without ink to 1; y are the digits, in random order. They are
// like handwriting, and drawn by a program: the lab has no digits that people wrote.
func glyphs(n int, r *rand.Rand) (x []float32, y []uint8) {
	x = make([]float32, n*glyphSide*glyphSide)
	for i := range n {
		digit := r.IntN(glyphClasses)
		y = append(y, uint8(digit))
		glyph(x[i*glyphSide*glyphSide:][:glyphSide*glyphSide], digit, r)
	}
	return x, y
}

// glyph draws a digit.
func glyph(dst []float32, digit int, r *rand.Rand) {
	wide, high := glyphWidth*(1+glyphScale*r.NormFloat64()), glyphHeight*(1+glyphScale*r.NormFloat64())
	slant := glyphSlant * r.NormFloat64()
	sin, cos := math.Sincos(glyphTurn * r.NormFloat64())
	const middle = glyphSide / 2.
	dx, dy := middle+glyphShift*r.NormFloat64(), middle+glyphShift*r.NormFloat64()
	half := (glyphThin + (glyphThick-glyphThin)*r.Float64()) / 2
	for _, stroke := range glyphStrokes[digit] {
		line := make([]Point, len(stroke))
		for i, p := range stroke {
			u, v := wide*(p.X-.5+glyphShake*r.NormFloat64()), high*(p.Y-.5+glyphShake*r.NormFloat64())
			u -= slant * v
			line[i] = Point{dx + cos*u - sin*v, dy + sin*u + cos*v}
		}
		ink(dst, line, half)
	}
}

// ink draws a line whose pen has half a width. A pixel at the edge has part of the ink.
func ink(dst []float32, line []Point, half float64) {
	for i := range dst {
		at := Point{float64(i%glyphSide) + .5, float64(i/glyphSide) + .5}
		for k, to := range line[1:] {
			cover := half + .5 - distance(at, line[k], to)
			dst[i] = max(dst[i], float32(min(max(cover, 0), 1)))
		}
	}
}

// distance returns how far a place is from the line between two others.
func distance(p, from, to Point) float64 {
	dx, dy := to.X-from.X, to.Y-from.Y
	along := 0.
	if length := dx*dx + dy*dy; length > 0 {
		along = min(max(((p.X-from.X)*dx+(p.Y-from.Y)*dy)/length, 0), 1)
	}
	return math.Hypot(p.X-from.X-along*dx, p.Y-from.Y-along*dy)
}

// glyphStrokes are the lines of each digit, in a square from 0 to 1, y downwards.
var glyphStrokes = [glyphClasses][][]Point{
	{{{.5, 0}, {.16, .14}, {0, .5}, {.16, .86}, {.5, 1}, {.84, .86}, {1, .5}, {.84, .14}, {.5, 0}}},
	{{{.2, .22}, {.55, 0}, {.55, 1}}},
	{{{.05, .22}, {.25, .02}, {.7, .02}, {.92, .24}, {.8, .48}, {.05, 1}, {1, 1}}},
	{{{.05, .1}, {.4, 0}, {.85, .08}, {.88, .34}, {.4, .47}, {.9, .6}, {.95, .86}, {.5, 1}, {.02, .9}}},
	{{{.65, 0}, {.02, .66}, {1, .66}}, {{.72, .36}, {.72, 1}}},
	{{{.92, 0}, {.16, 0}, {.1, .44}, {.55, .38}, {.94, .56}, {.9, .86}, {.5, 1}, {.04, .9}}},
	{{{.8, .02}, {.35, .2}, {.06, .6}, {.2, .95}, {.65, 1}, {.94, .8}, {.8, .54}, {.4, .52}, {.08, .7}}},
	{{{.02, .02}, {.98, .02}, {.36, 1}}},
	{{{.5, 0}, {.14, .1}, {.14, .36}, {.5, .48}, {.92, .66}, {.88, .92}, {.5, 1}, {.1, .92}, {.08, .66}, {.5, .48}, {.86, .36}, {.86, .1}, {.5, 0}}},
	{{{.92, .3}, {.6, .48}, {.2, .44}, {.06, .2}, {.35, 0}, {.75, .02}, {.94, .28}, {.84, .7}, {.55, 1}}},
}
