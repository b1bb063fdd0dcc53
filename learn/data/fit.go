package data

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Size returns the number of bytes of an image.
func (im *ImageSchema) Size() int { return im.Width * im.Height * im.Channels }

// maxSide is the max number of pixels along a side of a picture.
const maxSide = 1 << 15

// Fit makes an image of the schema's shape, to, of a picture in RGBA, [height, width, 4],
// not multiplied by alpha, as a canvas gives it. It cuts the middle out of the picture,
// as large as the shape of the image allows, and averages the area that a pixel of the
// image covers; where the image is larger than the picture, it interpolates linearly.
// Grey is Rec. 601's luma. What is transparent is white, or black if the schema wants
// drawings. The error wraps ErrFormat.
func (im *ImageSchema) Fit(to, rgba []uint8, width, height int) error {
	return (&Fitter{ImageSchema: *im}).Fit(to, rgba, width, height)
}

// Fitter makes images of a schema's shape. It keeps its memory: for pictures of one size
// it allocates on the first call only. It is not safe for concurrent use.
type Fitter struct {
	ImageSchema

	columns, rows []covered
	sum           []float32 // of an image row
	line          []float32 // a row of the picture, as wide as the image
	opaque        []uint8
	around        []uint8 // a part of a drawing
}

// Fit is [ImageSchema.Fit].
func (im *Fitter) Fit(to, rgba []uint8, width, height int) error {
	if width < 1 || height < 1 || width > maxSide || height > maxSide || len(rgba) != 4*width*height {
		return fmt.Errorf("data: a picture of %d x %d pixels in %d bytes, want 1 to %d along a side and 4 bytes for each pixel: %w", width, height, len(rgba), maxSide, ErrFormat)
	}
	if len(to) != im.Size() {
		panic(fmt.Sprintf("data: image of %d bytes, want %d", len(to), im.Size()))
	}
	// The middle, w x h, has the proportions of the image.
	w, h := float64(width), float64(height)
	if wide := h * float64(im.Width) / float64(im.Height); wide < w {
		w = wide
	} else {
		h = w * float64(im.Height) / float64(im.Width)
	}
	background := uint8(255)
	if im.Drawn {
		background = 0
	}
	im.fit(to, rgba, width, height, window{(float64(width) - w) / 2, (float64(height) - h) / 2, w, h}, background)
	return nil
}

// window is a part of a picture, in pixels.
type window struct{ left, top, width, height float64 }

// fit makes an image of a part of a picture. What is transparent has the colour of the
// background.
func (im *Fitter) fit(to, rgba []uint8, width, height int, part window, background uint8) {
	im.columns = cover(im.columns, part.left, part.width, im.Width, width)
	im.rows = cover(im.rows, part.top, part.height, im.Height, height)
	im.sum, im.line = resized(im.sum, 3*im.Width), resized(im.line, 3*im.Width)
	im.opaque = resized(im.opaque, 4*width)
	sum, line := im.sum, im.line
	last := -1 // the row in line
	for y, r := range im.rows {
		clear(sum)
		for k := r.first; k <= r.last; k++ {
			if k != last {
				narrow(line, solid(rgba[4*width*k:][:4*width], im.opaque, background), im.columns)
				last = k
			}
			weight := r.weight(k)
			for i, v := range line {
				sum[i] += float32(weight * v)
			}
		}
		at := to[y*im.Width*im.Channels:][:im.Width*im.Channels]
		for x := range im.Width {
			red, green, blue := sum[3*x], sum[3*x+1], sum[3*x+2]
			if im.Channels == 1 {
				at[x] = pixel(float32(.299*red) + float32(.587*green) + float32(.114*blue))
				continue
			}
			at[3*x], at[3*x+1], at[3*x+2] = pixel(red), pixel(green), pixel(blue)
		}
	}
}

func pixel(v float32) uint8 { return uint8(min(max(v, 0)+.5, 255)) }

// covered are the pixels, first to last, that a pixel of an image averages: the first and
// the last with weights of their own, those between with inner.
type covered struct {
	first, last       int
	begin, end, inner float32
}

func (c *covered) weight(k int) float32 {
	switch k {
	case c.first:
		return c.begin
	case c.last:
		return c.end
	}
	return c.inner
}

// resized returns a slice of n elements in the memory of s if that is large enough.
func resized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// cover divides the length from start among n pixels of an image, in the memory of all.
// The picture has size pixels.
func cover(all []covered, start, length float64, n, size int) []covered {
	all = resized(all, n)
	clear(all)
	step := length / float64(n)
	for i := range all {
		c := &all[i]
		if step <= 1 { // between the centres of two pixels
			at := min(max(start+(float64(i)+.5)*step-.5, 0), float64(size-1))
			c.first = int(at)
			c.last = min(c.first+1, size-1)
			c.end = float32(at - float64(c.first))
			c.begin = 1 - c.end
			if c.last == c.first {
				c.begin = 1
			}
			continue
		}
		from := start + float64(i)*step
		until := min(from+step, float64(size))
		c.first = min(int(from), size-1)
		c.last = min(max(int(math.Ceil(until))-1, c.first), size-1)
		c.inner = float32(1 / step)
		if c.begin = 1; c.last > c.first {
			c.begin = float32((float64(c.first+1) - from) / step)
			c.end = float32((until - float64(c.last)) / step)
		}
	}
	return all
}

// narrow averages the pixels of a row, RGBA, to those of an image, RGB.
func narrow(to []float32, row []uint8, columns []covered) {
	for x := range columns {
		c := &columns[x]
		at := row[4*c.first:]
		red, green, blue := float32(c.begin*float32(at[0])), float32(c.begin*float32(at[1])), float32(c.begin*float32(at[2]))
		if c.last > c.first {
			var sum uint64 // of red, green and blue, 24 bits each: at most maxSide pixels
			for inner := row[4*(c.first+1) : 4*c.last]; len(inner) >= 4; inner = inner[4:] {
				p := uint64(binary.LittleEndian.Uint32(inner))
				sum += p&0xff | (p&0xff00)<<16 | (p&0xff0000)<<32
			}
			r, g, b := uint32(sum&0xffffff), uint32(sum>>24&0xffffff), uint32(sum>>48)
			at = row[4*c.last:]
			red += float32(c.inner*float32(r)) + float32(c.end*float32(at[0]))
			green += float32(c.inner*float32(g)) + float32(c.end*float32(at[1]))
			blue += float32(c.inner*float32(b)) + float32(c.end*float32(at[2]))
		}
		to[3*x], to[3*x+1], to[3*x+2] = red, green, blue
	}
}

// solid returns a row without transparency: the row itself, or buffer.
func solid(row, buffer []uint8, background uint8) []uint8 {
	all := ^uint64(0)
	rest := row
	for ; len(rest) >= 8; rest = rest[8:] {
		all &= binary.LittleEndian.Uint64(rest)
	}
	if (all>>24)&(all>>56) == 255 && (len(rest) == 0 || rest[3] == 255) {
		return row
	}
	for i := 0; i < len(row); i += 4 {
		alpha := uint32(row[i+3])
		for c := range 3 {
			buffer[i+c] = uint8((uint32(row[i+c])*alpha + uint32(background)*(255-alpha) + 127) / 255)
		}
	}
	return buffer
}
