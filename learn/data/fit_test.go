package data

import (
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// averages computes Fit's average of an area of an opaque picture from the definition.
func averages(im *ImageSchema, rgba []uint8, width, height int) []float64 {
	w, h := float64(width), float64(height)
	if wide := h * float64(im.Width) / float64(im.Height); wide < w {
		w = wide
	} else {
		h = w * float64(im.Height) / float64(im.Width)
	}
	left, top := (float64(width)-w)/2, (float64(height)-h)/2
	overlap := func(p int, from, until float64) float64 {
		return max(0, min(float64(p+1), until)-max(float64(p), from))
	}
	out := make([]float64, im.Size())
	for y := range im.Height {
		for x := range im.Width {
			var sum [3]float64
			area := 0.
			for v := range height {
				b := overlap(v, top+float64(y)*h/float64(im.Height), top+float64(y+1)*h/float64(im.Height))
				for u := range width {
					a := b * overlap(u, left+float64(x)*w/float64(im.Width), left+float64(x+1)*w/float64(im.Width))
					area += a
					for c := range sum {
						sum[c] += a * float64(rgba[4*(v*width+u)+c])
					}
				}
			}
			for c := range sum {
				sum[c] /= area
			}
			if im.Channels == 1 {
				out[y*im.Width+x] = .299*sum[0] + .587*sum[1] + .114*sum[2]
			} else {
				copy(out[3*(y*im.Width+x):], sum[:])
			}
		}
	}
	return out
}

// A smaller image has the averages of the areas that its pixels cover.
func TestFitAverages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		im := &ImageSchema{
			Width: rapid.IntRange(1, 7).Draw(t, "image width"), Height: rapid.IntRange(1, 7).Draw(t, "image height"),
			Channels: rapid.SampledFrom([]int{1, 3}).Draw(t, "channels"),
		}
		width := rapid.IntRange(im.Width, 30).Draw(t, "width")
		height := rapid.IntRange(im.Height, 30).Draw(t, "height")
		rgba := rapid.SliceOfN(rapid.Uint8(), 4*width*height, 4*width*height).Draw(t, "rgba")
		for i := 3; i < len(rgba); i += 4 {
			rgba[i] = 255
		}
		to := make([]uint8, im.Size())
		if err := im.Fit(to, rgba, width, height); err != nil {
			t.Fatal(err)
		}
		for i, want := range averages(im, rgba, width, height) {
			if math.Abs(float64(to[i])-want) > .51 {
				t.Fatalf("%d x %d to %d x %d: value %d is %d, want %v", width, height, im.Width, im.Height, i, to[i], want)
			}
		}
	})
}

func TestFit(t *testing.T) {
	grey := func(values ...uint8) (rgba []uint8) {
		for _, v := range values {
			rgba = append(rgba, v, v, v, 255)
		}
		return rgba
	}
	for _, c := range []struct {
		name          string
		im            ImageSchema
		rgba          []uint8
		width, height int
		want          []uint8
	}{
		{"the same size", ImageSchema{Width: 2, Height: 2, Channels: 1}, grey(1, 2, 3, 4), 2, 2, []uint8{1, 2, 3, 4}},
		{"RGB", ImageSchema{Width: 1, Height: 1, Channels: 3}, []uint8{1, 2, 3, 255}, 1, 1, []uint8{1, 2, 3}},
		{"half", ImageSchema{Width: 1, Height: 1, Channels: 1}, grey(10, 20, 30, 40), 2, 2, []uint8{25}},
		{"the middle of a wide one", ImageSchema{Width: 1, Height: 1, Channels: 1}, grey(0, 7, 200), 3, 1, []uint8{7}},
		{"the middle of a tall one", ImageSchema{Width: 2, Height: 1, Channels: 1}, grey(0, 0, 7, 9, 200, 200), 2, 3, []uint8{7, 9}},
		{"larger, interpolated", ImageSchema{Width: 4, Height: 4, Channels: 1}, grey(0, 100, 0, 100), 2, 2, []uint8{0, 25, 75, 100, 0, 25, 75, 100, 0, 25, 75, 100, 0, 25, 75, 100}},
		{"a pixel", ImageSchema{Width: 2, Height: 2, Channels: 1}, grey(9), 1, 1, []uint8{9, 9, 9, 9}},
		{"transparent", ImageSchema{Width: 2, Height: 1, Channels: 1}, []uint8{0, 0, 0, 0, 100, 100, 100, 255}, 2, 1, []uint8{255, 100}},
		{"half transparent", ImageSchema{Width: 1, Height: 1, Channels: 1}, []uint8{0, 0, 0, 51}, 1, 1, []uint8{204}},
		{"a transparent drawing", ImageSchema{Width: 2, Height: 1, Channels: 1, Drawn: true}, []uint8{255, 255, 255, 0, 255, 255, 255, 255}, 2, 1, []uint8{0, 255}},
		{"luma", ImageSchema{Width: 3, Height: 1, Channels: 1}, []uint8{255, 0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255}, 3, 1, []uint8{76, 150, 29}},
	} {
		t.Run(c.name, func(t *testing.T) {
			to := make([]uint8, c.im.Size())
			if err := c.im.Fit(to, c.rgba, c.width, c.height); err != nil || string(to) != string(c.want) {
				t.Errorf("got %v, %v, want %v", to, err, c.want)
			}
		})
	}
	im := ImageSchema{Width: 1, Height: 1, Channels: 1}
	for _, size := range [][2]int{{0, 1}, {1, 0}, {2, 1}, {maxSide + 1, 1}} {
		if err := im.Fit(make([]uint8, 1), make([]uint8, 4), size[0], size[1]); !errors.Is(err, ErrFormat) {
			t.Errorf("%v: got %v, want ErrFormat", size, err)
		}
	}
}

// A photo of 2 megapixels.
func BenchmarkFit(b *testing.B) {
	const width, height = 1632, 1224
	rgba := make([]uint8, 4*width*height)
	for i := range rgba {
		rgba[i] = 255 - uint8(i*i>>9)*uint8(3-i&3)
	}
	im := ImageSchema{Width: 64, Height: 64, Channels: 3}
	to := make([]uint8, im.Size())
	b.SetBytes(int64(len(rgba)))
	for b.Loop() {
		if err := im.Fit(to, rgba, width, height); err != nil {
			b.Fatal(err)
		}
	}
}
