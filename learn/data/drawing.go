package data

import (
	"fmt"
	"math"
)

// maxDrawing is the max number of pixels along a side of a drawing, which is held with
// room around it.
const maxDrawing = 1 << 11

// FitDrawn is Fit for a drawing, light on dark, where what is transparent is dark: the
// strokes get into a box of 20/28 of the image's side, and their centre of mass into its
// middle, as LeCun, Bottou, Bengio and Haffner (1998) have prepared the digits of MNIST.
// An error wraps ErrFormat, or ErrEmpty if there are no strokes.
func (im *Fitter) FitDrawn(to, rgba []uint8, width, height int) error {
	if len(to) != im.Size() {
		panic(fmt.Sprintf("data: image of %d bytes, want %d", len(to), im.Size()))
	}
	if width < 1 || height < 1 || width > maxDrawing || height > maxDrawing || len(rgba) != 4*width*height {
		return fmt.Errorf("data: a drawing of %d x %d pixels in %d bytes, want 1 to %d along a side and 4 bytes for each pixel: %w", width, height, len(rgba), maxDrawing, ErrFormat)
	}
	s := strokesOf(rgba, width)
	if s.mass == 0 {
		return fmt.Errorf("data: a drawing of %d x %d pixels without strokes: %w", width, height, ErrEmpty)
	}
	// The part of the drawing that becomes the image, of the proportions of the image. It
	// may exceed the drawing.
	side := float64(max(s.right-s.left, s.bottom-s.top)+1) * 28 / 20
	part := window{width: side, height: side}
	if narrow := float64(im.Width) / float64(im.Height); narrow < 1 {
		part.width *= narrow
	} else {
		part.height /= narrow
	}
	part.left, part.top = s.x+.5-part.width/2, s.y+.5-part.height/2
	left, top := int(math.Floor(part.left)), int(math.Floor(part.top))
	w, h := int(math.Ceil(part.left+part.width))-left, int(math.Ceil(part.top+part.height))-top
	im.around = resized(im.around, 4*w*h)
	clear(im.around)
	from, until := max(left, 0), min(left+w, width)
	for y := max(top, 0); y < min(top+h, height) && from < until; y++ {
		copy(im.around[4*((y-top)*w+from-left):], rgba[4*(y*width+from):4*(y*width+until)])
	}
	part.left -= float64(left)
	part.top -= float64(top)
	im.fit(to, im.around, w, h, part, 0)
	return nil
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
