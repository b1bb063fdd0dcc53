package web

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"math/rand/v2"
	"net/http"
	"path"
	"slices"
	"sync"
	"time"

	"fedtab/learn/data"
	"fedtab/tasks"

	"github.com/klauspost/compress/gzip"
)

// A picture shows examples of a task, tiles in a row and rows of them.
const (
	tilesAcross = 12
	tilesDown   = 4
	tiles       = tilesAcross * tilesDown
	maxTile     = 64 // pixels on a side; larger images are shown smaller
	greys       = 16 // shades, which make the file half as large as 256
)

// picture is a PNG with its entity tag.
type picture struct {
	content []byte
	etag    string
}

// drawing returns what draws the study's picture, once: of public images, or of the
// samples that ship for a task with images of its own; nil if it has neither.
func (st *Study) drawing() func() (picture, error) {
	var draw func() (image.Image, error)
	switch {
	case st.Data.Own == nil && st.Data.Public && isImage(st.Data.Shape()) && st.Data.Encoding() == nil:
		draw = st.drawPublic
	case st.Data.Own != nil && st.Data.Own.Images != nil && len(st.fixedData.Samples) > 0:
		draw = st.drawSamples
	default:
		return nil
	}
	return sync.OnceValues(func() (picture, error) {
		m, err := draw()
		if err != nil {
			return picture{}, fmt.Errorf("task %s: picture of the data: %w", st.Task.Name, err)
		}
		var b bytes.Buffer
		if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, m); err != nil {
			return picture{}, err
		}
		sum := sha256.Sum256(b.Bytes())
		return picture{b.Bytes(), fmt.Sprintf(`"%x"`, sum[:8])}, nil
	})
}

// isImage reports whether examples of a shape can be shown: [height, width] of greys, or
// [height, width, channels] with 1 or 3 of these.
func isImage(shape []int) bool {
	return len(shape) == 2 || len(shape) == 3 && (shape[2] == 1 || shape[2] == 3)
}

// drawPublic draws examples of the training set, as many of each class as there are.
func (st *Study) drawPublic() (image.Image, error) {
	d := st.Data
	perClass := (tiles + d.Labels() - 1) / d.Labels()
	taken := make([]int, d.Labels())
	var pixels [][]uint8
	for n, shard := range d.Shards {
		var places []int // in the shard
		for at, i := range shard {
			if class := d.Train.Y[i]; taken[class] < perClass && len(pixels)+len(places) < tiles {
				taken[class]++
				places = append(places, at)
			}
		}
		if len(places) == 0 {
			continue
		}
		z, err := gzip.NewReader(d.Packed.Open(n))
		if err != nil {
			return nil, err
		}
		set, err := data.ReadShard(z, maxShard)
		if err != nil {
			return nil, err
		}
		for _, at := range places {
			pixels = append(pixels, set.X[at*set.Features():][:set.Features()])
		}
	}
	// Neighbours of different classes show what there is.
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(pixels), func(i, j int) { pixels[i], pixels[j] = pixels[j], pixels[i] })
	return sprite(pixels, d.Shape()), nil
}

// maxShard is the max number of bytes of an unpacked shard, which the coordinator has
// packed itself.
const maxShard = 1 << 31

// drawSamples draws the pictures of the first sample file.
func (st *Study) drawSamples() (image.Image, error) {
	schema := st.Data.Own
	b, err := tasks.Files.ReadFile(path.Join("samples", st.Task.Name, st.fixedData.Samples[0]))
	if err != nil {
		return nil, err
	}
	archive, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	byClass := make([]*data.Pictures, len(schema.Images.Classes))
	for i := range byClass {
		byClass[i] = data.NewPictures(schema)
	}
	for _, f := range archive.File {
		class := slices.Index(schema.Images.Classes, path.Dir(f.Name))
		if class < 0 || f.FileInfo().IsDir() {
			continue
		}
		if err := addPicture(byClass[class], f, class); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	var pixels [][]uint8
	for i, more := 0, true; more && len(pixels) < tiles; i++ {
		more = false
		for _, p := range byClass {
			if i < p.Len() && len(pixels) < tiles {
				pixels, more = append(pixels, p.Pixels(i)), true
			}
		}
	}
	if len(pixels) == 0 {
		return nil, errors.New("no sample is a picture of a class")
	}
	return sprite(pixels, schema.Shape()), nil
}

func addPicture(to *data.Pictures, f *zip.File, class int) error {
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	m, err := png.Decode(io.LimitReader(r, int64(f.UncompressedSize64)))
	if err != nil {
		return err
	}
	rgba := image.NewNRGBA(m.Bounds())
	draw.Draw(rgba, rgba.Bounds(), m, m.Bounds().Min, draw.Src)
	return to.Add(f.Name, class, rgba.Pix, rgba.Rect.Dx(), rgba.Rect.Dy())
}

// sprite arranges images of a shape in rows.
func sprite(images [][]uint8, shape []int) image.Image {
	height, width, channels := shape[0], shape[1], 1
	if len(shape) == 3 {
		channels = shape[2]
	}
	by := (max(height, width) + maxTile - 1) / maxTile // pixels of an image that become one
	h, w := max(1, height/by), max(1, width/by)
	across := min(tilesAcross, len(images))
	images = images[:len(images)/across*across] // the last row is full
	area := image.Rect(0, 0, across*w, len(images)/across*h)
	var out draw.Image = image.NewNRGBA(area)
	if channels == 1 {
		shades := make(color.Palette, greys)
		for i := range shades {
			shades[i] = color.Gray{uint8(i * 255 / (greys - 1))}
		}
		out = image.NewPaletted(area, shades)
	}
	for i, pixels := range images {
		left, top := i%across*w, i/across*h
		for y := range h {
			for x := range w {
				out.Set(left+x, top+y, mean(pixels, width, channels, x*by, y*by, min(by, width), min(by, height)))
			}
		}
	}
	return out
}

// mean returns the mean colour of a part of an image.
func mean(pixels []uint8, width, channels, left, top, across, down int) color.Color {
	var sums [3]int
	for y := top; y < top+down; y++ {
		for x := left; x < left+across; x++ {
			for c := range channels {
				sums[c] += int(pixels[(y*width+x)*channels+c])
			}
		}
	}
	n := across * down
	if channels == 1 {
		return color.Gray{uint8(sums[0] / n)}
	}
	return color.NRGBA{uint8(sums[0] / n), uint8(sums[1] / n), uint8(sums[2] / n), 255}
}

// picture serves a picture of the data.
func (s *server) picture(w http.ResponseWriter, r *http.Request, st *Study) {
	if st.picture == nil {
		fail(w, http.StatusNotFound, "task %s has no picture: its data are no images that the coordinator may show", st.Task.Name)
		return
	}
	p, err := st.picture()
	if err != nil {
		fail(w, http.StatusInternalServerError, "%v", err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "image/png")
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", p.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(p.content))
}
