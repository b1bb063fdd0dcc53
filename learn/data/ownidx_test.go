package data

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// idx returns an IDX file.
func idx(dims []int, elements ...uint8) []byte {
	return append(appendIDXHeader(nil, idxUint8, dims...), elements...)
}

// greys is a schema of grey images of 2 x 2 pixels with the given classes.
func greys(classes ...string) *Schema {
	return &Schema{Images: &ImageSchema{Width: 2, Height: 2, Channels: 1, Classes: classes}, Min: 1, Max: 100}
}

func TestReadOwnIDX(t *testing.T) {
	four := []uint8{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	for _, c := range []struct {
		name           string
		s              *Schema
		images, labels []byte
		aliases        map[string]string
		pixels, y      []uint8
		offer          *Offer
		rejected       int
	}{
		{"names of classes", greys("0", "1", "2"), idx([]int{3, 2, 2}, four...), idx([]int{3}, 2, 0, 1), nil, four, []uint8{2, 0, 1}, nil, 0},
		{"names in another order", greys("2", "1", "0"), idx([]int{3, 2, 2}, four...), idx([]int{3}, 2, 0, 1), nil, four, []uint8{0, 2, 1}, nil, 0},
		{"numbers of classes", greys("cat", "dog"), idx([]int{3, 2, 2}, four...), idx([]int{3}, 1, 0, 1), nil, four, []uint8{1, 0, 1}, nil, 0},
		{"one file", greys("cat", "dog"), append(idx([]int{3, 2, 2}, four...), idx([]int{3}, 1, 0, 1)...), nil, nil, four, []uint8{1, 0, 1}, nil, 0},
		{"rows of pixels", greys("cat", "dog"), idx([]int{3, 4}, four...), idx([]int{3}, 1, 0, 1), nil, four, []uint8{1, 0, 1}, nil, 0},
		{"a channel", greys("cat", "dog"), idx([]int{3, 2, 2, 1}, four...), idx([]int{3}, 1, 0, 1), nil, four, []uint8{1, 0, 1}, nil, 0},
		{"a channel first", greys("cat", "dog"), idx([]int{3, 1, 2, 2}, four...), idx([]int{3}, 1, 0, 1), nil, four, []uint8{1, 0, 1}, nil, 0},
		{"another size", greys("cat", "dog"), idx([]int{1, 2, 4}, 0, 2, 4, 9, 0, 6, 8, 9), idx([]int{1}, 1), nil, []uint8{2, 4, 6, 8}, []uint8{1}, nil, 0},
		{"from 1", greys("cat", "dog"), idx([]int{3, 2, 2}, four...), idx([]int{3}, 2, 1, 2), nil, []uint8{5, 6, 7, 8}, []uint8{1},
			&Offer{Field: "label", Texts: []Text{{"2", 2}}, Values: []string{"cat", "dog"}, Suggested: map[string]string{"1": "cat", "2": "dog"}, Shifted: "label goes from 1 in the file and from 0 in the task"}, 2},
		{"from 1, answered", greys("cat", "dog"), idx([]int{3, 2, 2}, four...), idx([]int{3}, 2, 1, 2), map[string]string{"1": "cat", "2": "dog"}, four, []uint8{1, 0, 1}, nil, 0},
		{"200 and 201", greys("0", "1"), idx([]int{3, 2, 2}, four...), idx([]int{3}, 200, 201, 200), nil, nil, nil,
			&Offer{Field: "label", Texts: []Text{{"200", 2}, {"201", 1}}, Values: []string{"0", "1"}, Suggested: map[string]string{"200": "0", "201": "1"}}, 3},
		{"a label that is no class", greys("0", "1"), idx([]int{3, 2, 2}, four...), idx([]int{3}, 1, 7, 0), nil, []uint8{1, 2, 3, 4, 9, 10, 11, 12}, []uint8{1, 0},
			&Offer{Field: "label", Texts: []Text{{"7", 1}}, Values: []string{"0", "1"}}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			how := OwnIDX{Aliases: c.aliases}
			if c.labels != nil {
				how.Labels = iotest.HalfReader(bytes.NewReader(c.labels))
			}
			got, err := ReadOwnIDX(iotest.HalfReader(bytes.NewReader(c.images)), "x", c.s, how)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.pixels, c.pixels) || !bytes.Equal(got.labels, c.y) || got.Rejected != c.rejected || got.Likely != "" {
				t.Errorf("got %v of %v, %d rejected, likely %q, want %v of %v, %d", got.pixels, got.labels, got.Rejected, got.Likely, c.pixels, c.y, c.rejected)
			}
			var offer *Offer
			if len(got.Offers) > 0 {
				offer = &got.Offers[0]
			}
			if !reflect.DeepEqual(offer, c.offer) {
				t.Errorf("offer %+v, want %+v", offer, c.offer)
			}
			_, err = got.Own(1, false)
			if r := (*Refusal)(nil); (c.offer != nil) != errors.As(err, &r) || (c.offer == nil && err != nil) {
				t.Errorf("own data: %v", err)
			}
			if own, err := got.Own(1, true); len(c.y) > 0 && (c.offer == nil || c.offer.Shifted == "") && (err != nil || own.Len() != len(c.y)) {
				t.Errorf("leaving images out: %v", err)
			}
		})
	}
}

// smooth returns images in colours, each a gradient with its own slopes.
func smooth(n, width, height int) []uint8 {
	var b []uint8
	for i := range n {
		for y := range height {
			for x := range width {
				b = append(b, uint8(20+4*x+i), uint8(200-3*y), uint8(90+2*x+y))
			}
		}
	}
	return b
}

// planes returns the same images, colour by colour.
func planes(images []uint8, n, width, height int) []uint8 {
	var b []uint8
	for i := range n {
		for c := range 3 {
			for at := range width * height {
				b = append(b, images[3*(i*width*height+at)+c])
			}
		}
	}
	return b
}

// Images that are stored colour by colour are recognised, or asked about.
func TestLayout(t *testing.T) {
	const n, width, height = 6, 8, 5
	s := &Schema{Images: &ImageSchema{Width: width, Height: height, Channels: 3, Classes: []string{"a", "b"}}}
	last := smooth(n, width, height)
	first := planes(last, n, width, height)
	labels := idx([]int{n}, 0, 1, 0, 1, 0, 1)
	for _, c := range []struct {
		name   string
		dims   []int
		pixels []uint8
		told   Layout
		layout Layout
		likely Layout
	}{
		{"by pixel", []int{n, height, width, 3}, last, DetectLayout, ChannelsLast, ""},
		{"by colour", []int{n, 3, height, width}, first, DetectLayout, ChannelsFirst, ""},
		{"by colour in the shape of pixels", []int{n, height, width, 3}, first, DetectLayout, ChannelsLast, ChannelsFirst},
		{"by pixel in the shape of colours", []int{n, 3, height, width}, last, DetectLayout, ChannelsFirst, ChannelsLast},
		{"without a shape", []int{n, 3 * height * width}, first, DetectLayout, ChannelsFirst, ChannelsFirst},
		{"told", []int{n, height, width, 3}, first, ChannelsFirst, ChannelsFirst, ""},
		{"told without a shape", []int{n, 3 * height * width}, last, ChannelsLast, ChannelsLast, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ReadOwnIDX(bytes.NewReader(idx(c.dims, c.pixels...)), "x", s, OwnIDX{Labels: bytes.NewReader(labels), Layout: c.told})
			if err != nil || got.Layout != c.layout || got.Likely != c.likely {
				t.Fatalf("got %+v, %v, want %q, %q", got, err, c.layout, c.likely)
			}
			if right := bytes.Equal(got.pixels, last); right != (c.likely == "" || c.likely == got.Layout) {
				t.Errorf("the pixels are right: %v", right)
			}
			if _, err := got.Own(1, true); (err != nil) != (c.likely != "") {
				t.Errorf("own data: %v", err)
			}
		})
	}
}

func TestOwnIDXRefuses(t *testing.T) {
	s := greys("0", "1")
	s.Min, s.Max = 2, 3
	images := idx([]int{2, 2, 2}, 1, 2, 3, 4, 5, 6, 7, 8)
	labels := idx([]int{2}, 0, 1)
	for _, c := range []struct {
		name           string
		s              *Schema
		images, labels []byte
		want           string
	}{
		{"gzip", s, []byte("\x1f\x8b\x08\x00"), nil, "x is compressed with gzip, not an IDX file."},
		{"a picture", s, []byte("\x89PNG\r\n"), nil, "x is an image, not an IDX file."},
		{"text", s, []byte("a,b,c\n"), nil, "x is not an IDX file of images: it does not begin with the bytes 0, 0 and 8."},
		{"numbers", s, []byte("\x00\x00\x0d\x01"), nil, "x is not an IDX file of images"},
		{"empty", s, nil, nil, "x is not an IDX file of images"},
		{"no labels", s, images, nil, "x has no labels: choose the file of the labels too."},
		{"cut", s, images[:20], labels, "IDX x ends at byte 20, 4 bytes short in its elements."},
		{"longer", s, append(slices.Clone(images), 1), labels, "bytes follow the end at byte 24."},
		{"labels cut", s, images, labels[:9], "IDX labels ends at byte 9, 1 bytes short in its elements."},
		{"too many labels", s, images, idx([]int{3}, 0, 1, 0), "IDX labels at byte 0 has more elements than the limit of 2 allows."},
		{"too few labels", s, images, idx([]int{1}, 0), "x has 2 images, and the labels have the shape [1]: do the files belong together?"},
		{"labels first", s, labels, images, "x has an array of the shape [2], want images: [number, height, width]"},
		{"two dimensions", s, idx([]int{2, 3}, 1, 2, 3, 4, 5, 6), labels, "x has an array of the shape [2 3], want images"},
		{"five channels", s, idx([]int{1, 2, 2, 5}, make([]uint8, 20)...), labels, "x has an array of the shape [1 2 2 5], want images"},
		{"no pixels", s, idx([]int{2, 0, 2}), labels, "x has an array of the shape [2 0 2], want images"},
		{"too few", s, idx([]int{1, 2, 2}, 1, 2, 3, 4), idx([]int{1}, 1), "x has 1 image with a class, and the task wants at least 2."},
		{"too many", s, idx([]int{4, 2, 2}, make([]uint8, 16)...), nil, "x has 4 images, and the task takes at most 3. Choose a part of it."},
		{"a label that is no class", s, images, idx([]int{2}, 0, 9), "x: 1 of 2 images have a label that is no class, such as 9. Say what it stands for, or leave them out."},
		{"far too large", s, appendIDXHeader(nil, idxUint8, math.MaxUint32, 28, 28), nil, "IDX x at byte 0 has more elements than the limit of 536870912 allows."},
		{"a table", houses(), images, labels, "The task wants a table, not images."},
	} {
		t.Run(c.name, func(t *testing.T) {
			how := OwnIDX{}
			if c.labels != nil {
				how.Labels = bytes.NewReader(c.labels)
			}
			got, err := ReadOwnIDX(bytes.NewReader(c.images), "x", c.s, how)
			if err == nil {
				_, err = got.Own(1, false)
			}
			if r := (*Refusal)(nil); !errors.As(err, &r) || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
	broken := errors.New("the file has changed")
	if _, err := ReadOwnIDX(iotest.ErrReader(broken), "x", s, OwnIDX{}); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

// Whatever files hold, own data made of them is under the schema.
func FuzzReadOwnIDX(f *testing.F) {
	f.Add(idx([]int{2, 2, 2}, 1, 2, 3, 4, 5, 6, 7, 8), idx([]int{2}, 0, 1), uint8(0))
	f.Add(idx([]int{2, 12}, make([]uint8, 24)...), idx([]int{2}, 1, 2), uint8(1))
	f.Add(idx([]int{1, 3, 2, 2}, make([]uint8, 12)...), []byte(nil), uint8(3))
	f.Fuzz(func(t *testing.T, images, labels []byte, bits uint8) {
		s := greys("0", "1")
		if bits&1 != 0 {
			s = pets()
		}
		how := OwnIDX{Layout: []Layout{DetectLayout, ChannelsFirst, ChannelsLast}[bits>>1&3%3]}
		if bits&8 == 0 {
			how.Labels = bytes.NewReader(labels)
		}
		got, err := ReadOwnIDX(bytes.NewReader(images), "x", s, how)
		if err == nil {
			var own *Own
			if own, err = got.Own(1, true); err == nil && (own.Len() != got.Len() || own.images.Features() != s.Images.Size()) {
				t.Fatalf("%d images of %d bytes", own.Len(), own.images.Features())
			}
		}
		if r := (*Refusal)(nil); err != nil && !errors.As(err, &r) {
			t.Fatalf("refused by %v", err)
		}
	})
}

// MNIST's 60,000 images, whose files the build has unpacked the archive of.
func BenchmarkReadOwnIDX(b *testing.B) {
	unpacked := func(name string) []byte {
		f, err := os.Open("../../coordinator/dataset/mnist/" + name)
		if err != nil {
			b.Skip("make data copies MNIST: ", err)
		}
		defer f.Close()
		z, err := gzip.NewReader(f)
		if err != nil {
			b.Fatal(err)
		}
		all, err := io.ReadAll(z)
		if err != nil {
			b.Fatal(err)
		}
		return all
	}
	images, labels := unpacked("train-images-idx3-ubyte.gz"), unpacked("train-labels-idx1-ubyte.gz")
	s := &Schema{Images: &ImageSchema{Width: 28, Height: 28, Channels: 1, Classes: strings.Split("0123456789", "")}}
	for b.Loop() {
		got, err := ReadOwnIDX(bytes.NewReader(images), "x", s, OwnIDX{Labels: bytes.NewReader(labels)})
		if err != nil || got.Len() != 60000 {
			b.Fatal(got, err)
		}
		if _, err := got.Own(1, false); err != nil {
			b.Fatal(err)
		}
	}
}
