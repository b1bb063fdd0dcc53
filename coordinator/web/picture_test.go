package web

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"testing"
)

func TestPicture(t *testing.T) {
	for _, test := range []struct {
		name          string
		width, height int // 0: there is none
	}{
		{"mnist-2nn", 12 * 28, 4 * 28},
		{"mnist-2nn-noniid", 12 * 28, 4 * 28}, // a shard has a digit or two
		{"own-digits", 12 * 28, 4 * 28},
		{"own-clothes", 12 * 28, 3 * 28},
		{"anes96", 0, 0},
		{"own-vote", 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, s := studyOf(t, test.name)
			path := s.URL + "/api/tasks/" + test.name + "/picture.png"
			r, b := get(t, path)
			if test.width == 0 {
				if r.StatusCode != 404 {
					t.Errorf("%s, want 404", r.Status)
				}
				return
			}
			if r.StatusCode != 200 || r.Header.Get("Content-Type") != "image/png" || r.Header.Get("Cache-Control") != "no-cache" {
				t.Fatalf("%s, %v", r.Status, r.Header)
			}
			if len(b) > 16<<10 {
				t.Errorf("%d bytes, want at most 16 KiB", len(b))
			}
			m, err := png.Decode(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			if size := m.Bounds().Size(); size != (image.Point{test.width, test.height}) {
				t.Errorf("%v, want %d x %d", size, test.width, test.height)
			}
			request, err := http.NewRequest("GET", path, nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("If-None-Match", r.Header.Get("ETag"))
			again, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			again.Body.Close()
			if again.StatusCode != 304 {
				t.Errorf("with the tag that it has: %s, want 304", again.Status)
			}
		})
	}
}

// Tiles are in rows, colours stay, and large images become smaller.
func TestSprite(t *testing.T) {
	grey := func(p uint8, n int) []uint8 { return bytes.Repeat([]uint8{p}, n) }
	m := sprite([][]uint8{grey(0, 4), grey(255, 4), grey(119, 4)}, []int{2, 2})
	if m.Bounds() != image.Rect(0, 0, 6, 2) {
		t.Errorf("three images of 2 x 2 are %v", m.Bounds())
	}
	for x, want := range []uint8{0, 0, 255, 255, 119, 119} {
		if got := color.GrayModel.Convert(m.At(x, 1)).(color.Gray).Y; got != want {
			t.Errorf("column %d is %d, want %d", x, got, want)
		}
	}
	many := make([][]uint8, 13)
	for i := range many {
		many[i] = grey(1, 4)
	}
	if m := sprite(many, []int{2, 2, 1}); m.Bounds() != image.Rect(0, 0, 24, 2) {
		t.Errorf("thirteen images of 2 x 2 are %v", m.Bounds())
	}
	large := bytes.Repeat([]uint8{10, 20, 30}, 300*100)
	m = sprite([][]uint8{large}, []int{100, 300, 3})
	if m.Bounds() != image.Rect(0, 0, 60, 20) || m.At(59, 19) != (color.NRGBA{10, 20, 30, 255}) {
		t.Errorf("an image of 300 x 100 is %v, its last pixel %v", m.Bounds(), m.At(59, 19))
	}
}
