package data

import (
	"errors"
	"math"
	"testing"
)

// block is a picture that is transparent but for a light rectangle.
func block(width, height, left, top, w, h int) []uint8 {
	rgba := make([]uint8, 4*width*height)
	for y := top; y < top+h; y++ {
		for x := left; x < left+w; x++ {
			copy(rgba[4*(y*width+x):], []uint8{255, 255, 255, 255})
		}
	}
	return rgba
}

// extent returns the light box of an image, and its centre of mass from its middle.
func extent(image []uint8, width int) (w, h int, x, y float64) {
	left, top, right, bottom := math.MaxInt, math.MaxInt, -1, -1
	mass := 0.
	for i, p := range image {
		if p < 64 {
			continue
		}
		left, right = min(left, i%width), max(right, i%width)
		top, bottom = min(top, i/width), max(bottom, i/width)
		mass += float64(p)
		x += float64(p) * float64(i%width)
		y += float64(p) * float64(i/width)
	}
	middle := float64(width-1) / 2
	return right - left + 1, bottom - top + 1, x/mass - middle, y/mass - middle
}

// Wherever a drawing is, and however large: its strokes take 20 of 28 pixels, and their
// centre of mass is in the middle.
func TestFitDrawn(t *testing.T) {
	f := Fitter{ImageSchema: ImageSchema{Width: 28, Height: 28, Channels: 1}}
	image := make([]uint8, f.Size())
	for _, c := range []struct {
		name                     string
		width, height            int
		left, top, w, h          int
		wantWidth, wantHeight, d int // and the tolerance in pixels
	}{
		{"in the middle", 280, 280, 100, 90, 80, 100, 16, 20, 0},
		{"in a corner", 280, 280, 0, 0, 100, 100, 20, 20, 0},
		{"at the other", 280, 280, 180, 180, 100, 100, 20, 20, 0},
		{"all of it", 100, 100, 0, 0, 100, 100, 20, 20, 0},
		{"a stroke", 280, 140, 250, 10, 12, 120, 2, 20, 0},
		{"small, interpolated", 28, 28, 3, 20, 5, 4, 20, 16, 2},
		{"a dot", 280, 280, 279, 0, 1, 1, 20, 20, 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			rgba := block(c.width, c.height, c.left, c.top, c.w, c.h)
			if err := f.FitDrawn(image, rgba, c.width, c.height); err != nil {
				t.Fatal(err)
			}
			w, h, x, y := extent(image, 28)
			if abs(w-c.wantWidth) > c.d || abs(h-c.wantHeight) > c.d {
				t.Errorf("%d x %d pixels, want %d x %d", w, h, c.wantWidth, c.wantHeight)
			}
			if limit := .5 + 14*float64(c.d)/28; math.Abs(x) > limit || math.Abs(y) > limit {
				t.Errorf("the centre of mass is %.2f, %.2f from the middle, want at most %.1f", x, y, limit)
			}
		})
	}
	// An image that is no square.
	f.Width = 14
	image = make([]uint8, f.Size())
	if err := f.FitDrawn(image, block(100, 100, 50, 20, 20, 60), 100, 100); err != nil {
		t.Fatal(err)
	}
	if w, h, x, y := extent(image, 14); abs(w-7) > 1 || h != 20 || math.Abs(x) > .5 || math.Abs(y-7) > .5 {
		t.Errorf("%d x %d pixels, %.2f and %.2f from the middle", w, h, x, y)
	}
	f.Width = 28
	image = make([]uint8, f.Size())
	// On opaque dark as on transparent.
	rgba := block(60, 60, 10, 10, 20, 30)
	if err := f.FitDrawn(image, rgba, 60, 60); err != nil {
		t.Fatal(err)
	}
	want := append([]uint8(nil), image...)
	for i := 3; i < len(rgba); i += 4 {
		rgba[i] = 255
	}
	if err := f.FitDrawn(image, rgba, 60, 60); err != nil || string(image) != string(want) {
		t.Errorf("on opaque dark another image: %v", err)
	}
	if f.Drawn {
		t.Error("the schema was changed")
	}
	for _, c := range []struct {
		rgba          []uint8
		width, height int
		want          error
	}{
		{make([]uint8, 400), 10, 10, ErrEmpty}, {rgba, 60, 59, ErrFormat}, {nil, 0, 0, ErrFormat}, {make([]uint8, 4*(maxDrawing+1)), maxDrawing + 1, 1, ErrFormat},
	} {
		if err := f.FitDrawn(image, c.rgba, c.width, c.height); !errors.Is(err, c.want) {
			t.Errorf("%d x %d: %v, want %v", c.width, c.height, err, c.want)
		}
	}
}

func abs(n int) int { return max(n, -n) }

func FuzzFitDrawn(f *testing.F) {
	f.Add([]byte("\xff\xff\xff\xff\x00\x00\x00\x00"), 2, false)
	f.Add(block(7, 3, 1, 1, 4, 1), 7, true)
	f.Fuzz(func(t *testing.T, rgba []byte, width int, drawn bool) {
		if width < 1 || width > 100 || len(rgba) > 1<<14 {
			return
		}
		height := len(rgba) / 4 / width
		rgba = rgba[:4*width*height]
		fit := Fitter{ImageSchema: ImageSchema{Width: 5, Height: 4, Channels: 3, Drawn: drawn}}
		image := make([]uint8, fit.Size())
		if err := fit.FitDrawn(image, rgba, width, height); err != nil && !errors.Is(err, ErrEmpty) && !errors.Is(err, ErrFormat) {
			t.Fatal(err)
		}
		if fit.Drawn != drawn {
			t.Fatal("the schema was changed")
		}
	})
}
