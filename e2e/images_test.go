package e2e

import (
	"flag"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

var images = flag.String("images", "", "write the README's pictures to this `folder`, from those in -screenshots")

// maxImage bounds a picture of the README, in bytes.
const maxImage = 150_000

// TestImages checks the size of the README's pictures, or writes them.
func TestImages(t *testing.T) {
	for _, name := range []string{"home", "task", "training", "try", "lab", "dashboard", "newrun"} {
		path := filepath.Join("../docs/images", name+".png")
		if *images != "" {
			path = filepath.Join(*images, name+".png")
			recode(t, filepath.Join(*screenshots, "readme-"+name+".png"), path)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > maxImage {
			t.Errorf("%s has %d bytes, want at most %d", path, info.Size(), maxImage)
		}
	}
}

// recode writes a picture with its 256 most frequent colours.
func recode(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	picture, err := png.Decode(in)
	if err != nil {
		t.Fatalf("%s: %v", from, err)
	}
	bounds := picture.Bounds()
	counts := map[color.Color]int{}
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			counts[picture.At(x, y)]++
		}
	}
	palette := color.Palette(slices.SortedFunc(maps.Keys(counts), func(a, b color.Color) int { return counts[b] - counts[a] }))
	small := image.NewPaletted(bounds, palette[:min(256, len(palette))])
	nearest := map[color.Color]uint8{}
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			c := picture.At(x, y)
			i, ok := nearest[c]
			if !ok {
				i = uint8(small.Palette.Index(c))
				nearest[c] = i
			}
			small.SetColorIndex(x, y, i)
		}
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(out, small); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}
