package data

import (
	"fmt"
	"math"
)

// FitDrawn is Fit for a drawing, light on dark, where what is transparent is dark: the
// strokes get into a box of 20/28 of the image's side, and their centre of mass into its
// middle, as LeCun, Bottou, Bengio and Haffner (1998) have prepared the digits of MNIST.
// An error wraps ErrFormat, or ErrEmpty if there are no strokes.
func (im *Fitter) FitDrawn(to, rgba []uint8, width, height int) error {
	if width < 1 || height < 1 || width > maxSide || height > maxSide || len(rgba) != 4*width*height {
		return fmt.Errorf("data: a drawing of %d x %d pixels in %d bytes, want 1 to %d along a side and 4 bytes for each pixel: %w", width, height, len(rgba), maxSide, ErrFormat)
	}
	s := strokesOf(rgba, width)
	if s.mass == 0 {
		return fmt.Errorf("data: a drawing of %d x %d pixels without strokes: %w", width, height, ErrEmpty)
	}
	// A square of the drawing, in whole pixels, which may exceed it.
	size := max(s.right-s.left, s.bottom-s.top) + 1
	side := (size*28 + 10) / 20
	left := int(math.Round(s.x + .5 - float64(side)/2))
	top := int(math.Round(s.y + .5 - float64(side)/2))
	if side > maxSide {
		return fmt.Errorf("data: strokes of %d pixels along a side, want at most %d: %w", size, maxSide*20/28, ErrFormat)
	}
	im.centred = resized(im.centred, 4*side*side)
	clear(im.centred)
	from, until := max(left, 0), min(left+side, width)
	for y := max(top, 0); y < min(top+side, height) && from < until; y++ {
		copy(im.centred[4*((y-top)*side+from-left):], rgba[4*(y*width+from):4*(y*width+until)])
	}
	drawn := im.Drawn
	im.Drawn = true // dark under what is transparent
	err := im.Fit(to, im.centred, side, side)
	im.Drawn = drawn
	return err
}

// strokes are the light pixels of a drawing.
type strokes struct {
	left, top, right, bottom int
	mass                     float64 // sum of their light
	x, y                     float64 // centre of mass, in pixels
}

func strokesOf(rgba []uint8, width int) strokes {
	s := strokes{left: math.MaxInt, top: math.MaxInt, right: -1, bottom: -1}
	const dark = 255 * 8 // a dark pixel of JPEG or of a canvas' edge is no stroke
	for i := 0; i < len(rgba); i += 4 {
		light := int(max(rgba[i], rgba[i+1], rgba[i+2])) * int(rgba[i+3])
		if light <= dark {
			continue
		}
		x, y := i/4%width, i/4/width
		s.left, s.right = min(s.left, x), max(s.right, x)
		s.top, s.bottom = min(s.top, y), max(s.bottom, y)
		m := float64(light)
		s.mass += m
		s.x += m * float64(x)
		s.y += m * float64(y)
	}
	s.x, s.y = s.x/s.mass, s.y/s.mass
	return s
}
