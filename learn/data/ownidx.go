package data

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// OwnIDX says how the IDX files of a participant are read.
type OwnIDX struct {
	Labels io.Reader // the file of labels; nil: they follow the images, as in a shard
	Layout Layout    // of images in colours

	// Aliases are what a person has chosen: classes by the label in the file. nil: a label
	// is the name of its class if the names are numbers, else its number from 0.
	Aliases map[string]string
}

// Layout is the order of the pixels of an image in colours.
type Layout string

// The layouts.
const (
	DetectLayout  Layout = ""
	ChannelsLast  Layout = "last"  // red, green and blue of a pixel, then the next pixel
	ChannelsFirst Layout = "first" // red of all pixels, then green, then blue
)

// OwnImages are images of IDX files, read under a schema. [OwnImages.Own] makes data of
// them.
type OwnImages struct {
	Layout   Layout  // as it is read
	Likely   Layout  // what the pixels look like, if that is another or the file does not tell: the person must say which; empty otherwise
	Offers   []Offer // what labels can stand for; at most one
	Rejected int     // images whose label stands for no class
	Notes    []string

	name   string
	schema *Schema
	pixels []uint8
	labels []uint8
}

// ReadOwnIDX reads images, of unsigned bytes, and their labels: an array of [number,
// height, width], [number, height, width, channels] or [number, channels, height, width].
// Images of another size or with other colours are made fit as pictures are. It keeps the
// images in memory. name is the file's in errors: those of reading, and *Refusal.
func ReadOwnIDX(r io.Reader, name string, s *Schema, how OwnIDX) (*OwnImages, error) {
	refuse := func(format string, args ...any) (*OwnImages, error) {
		return nil, &Refusal{fmt.Sprintf(format, args...), ErrFormat}
	}
	if s.Images == nil {
		return refuse("The task wants a table, not images.")
	}
	buffered := bufio.NewReader(r)
	head, err := buffered.Peek(16)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("data: read %s: %w", name, err)
	}
	if what := foreign(head); what != "" {
		return refuse("%s is %s, not an IDX file.", name, what)
	}
	if len(head) < 4 || head[0] != 0 || head[1] != 0 || head[2] != idxUint8 {
		return refuse("%s is not an IDX file of images: it does not begin with the bytes 0, 0 and 8.", name)
	}
	in := &reader{r: buffered}
	_, dims, size, err := in.header(name, maxImageBytes, idxUint8)
	if err != nil {
		return nil, plainly(err)
	}
	from, layout, ok := shapeOf(dims, s.Images)
	switch {
	case !ok:
		return refuse("%s has an array of the shape %v, want images: [number, height, width], and 1 or 3 channels after or before height and width.", name, dims)
	case s.Max > 0 && dims[0] > s.Max:
		return nil, &Refusal{fmt.Sprintf("%s has %d images, and the task takes at most %d. Choose a part of it.", name, dims[0], s.Max), ErrTooLarge}
	}
	images, err := in.elements(name, dims, size)
	if err != nil {
		return nil, plainly(err)
	}
	labels, err := labelsOf(in, how.Labels, name, dims[0])
	if err != nil {
		return nil, err
	}
	out := &OwnImages{name: name, schema: s, Layout: layout}
	if from.Channels == 3 {
		out.settleLayout(images.Data, from, how.Layout)
	}
	if to := s.Images; from.Width == to.Width && from.Height == to.Height && from.Channels == to.Channels && out.Layout == ChannelsLast {
		out.pixels = images.Data
	} else {
		out.fit(images.Data, from)
	}
	out.class(labels, how.Aliases)
	return out, nil
}

// maxImageBytes is the max number of bytes of images that a participant brings.
const maxImageBytes = 8 * MaxOwnCells

// shapeOf returns the shape of the images in an array, and their layout if that tells.
func shapeOf(dims []int, want *ImageSchema) (im ImageSchema, layout Layout, ok bool) {
	colours := func(n int) bool { return n == 1 || n == 3 }
	im = ImageSchema{Channels: 1}
	layout = ChannelsLast
	switch d := dims[1:]; {
	case len(d) == 1 && d[0] == want.Size():
		im = ImageSchema{Width: want.Width, Height: want.Height, Channels: want.Channels}
		if im.Channels > 1 {
			layout = DetectLayout
		}
	case len(d) == 2:
		im.Height, im.Width = d[0], d[1]
	case len(d) == 3 && colours(d[2]):
		im.Height, im.Width, im.Channels = d[0], d[1], d[2]
		if d[0] == d[2] {
			layout = DetectLayout
		}
	case len(d) == 3 && colours(d[0]):
		im.Channels, im.Height, im.Width = d[0], d[1], d[2]
		layout = ChannelsFirst
	}
	if im.Channels == 1 {
		layout = ChannelsLast // both are the same
	}
	return im, layout, im.Width >= 1 && im.Height >= 1 && im.Width <= maxSide && im.Height <= maxSide
}

// labelsOf reads the labels of n images from a file of their own, or after the images.
func labelsOf(in *reader, r io.Reader, name string, n int) ([]uint8, error) {
	if r != nil {
		if err := in.end(); err != nil {
			return nil, plainly(err)
		}
		in = &reader{r: bufio.NewReader(r)}
	} else if more, err := in.more(); err != nil {
		return nil, err
	} else if !more {
		return nil, &Refusal{fmt.Sprintf("%s has no labels: choose the file of the labels too.", name), ErrFormat}
	}
	labels, err := in.array("labels", max(n, 1))
	if err == nil {
		err = in.end()
	}
	switch {
	case err != nil:
		return nil, plainly(err)
	case len(labels.Dims) != 1 || labels.Dims[0] != n:
		return nil, &Refusal{fmt.Sprintf("%s has %d images, and the labels have the shape %v: do the files belong together?", name, n, labels.Dims), ErrFormat}
	}
	return labels.Data, nil
}

// settleLayout compares the layout that the file tells with what its pixels look like.
func (o *OwnImages) settleLayout(pixels []uint8, im ImageSchema, told Layout) {
	if told != DetectLayout {
		o.Layout = told
		return
	}
	const clear = 1.25
	last, first := roughness(pixels, im)
	likely := ChannelsLast
	if first < last {
		likely = ChannelsFirst
	}
	rough, smooth := max(last, first), min(last, first)
	if o.Layout == DetectLayout || o.Layout != likely && rough > clear*smooth {
		o.Likely = likely
	}
	if o.Layout == DetectLayout {
		o.Layout = likely
	}
}

// roughness returns the mean difference of pixels side by side, for each layout, of some
// of the images. It is larger with the wrong one.
func roughness(pixels []uint8, im ImageSchema) (last, first float64) {
	const enough = 200
	size, plane := im.Size(), im.Width*im.Height
	n := len(pixels) / max(size, 1)
	step := max(1, n/enough)
	for i := 0; i < n; i += step {
		image := pixels[i*size:][:size]
		for y := range im.Height {
			for x := 1; x < im.Width; x++ {
				at := y*im.Width + x
				for c := range 3 {
					last += apart(image[3*at+c], image[3*at+c-3])
					first += apart(image[c*plane+at], image[c*plane+at-1])
				}
			}
		}
	}
	return last, first
}

func apart(a, b uint8) float64 { return float64(max(a, b) - min(a, b)) }

// fit makes the images those of the schema.
func (o *OwnImages) fit(pixels []uint8, from ImageSchema) {
	to := o.schema.Images
	size, plane := from.Size(), from.Width*from.Height
	n := len(pixels) / size
	rgba := make([]uint8, 4*plane)
	o.pixels = make([]uint8, n*to.Size())
	pixel, channel := from.Channels, 1 // from one to the next
	if o.Layout == ChannelsFirst {
		pixel, channel = 1, plane
	}
	if from.Channels == 1 {
		channel = 0
	}
	for i := range n {
		image := pixels[i*size:][:size]
		for at := range plane {
			p := rgba[4*at:][:4]
			p[0], p[1], p[2], p[3] = image[at*pixel], image[at*pixel+channel], image[at*pixel+2*channel], 255
		}
		if err := to.Fit(o.pixels[i*to.Size():][:to.Size()], rgba, from.Width, from.Height); err != nil {
			panic(err) // shapeOf has checked the size
		}
	}
	if from.Width != to.Width || from.Height != to.Height {
		o.Notes = append(o.Notes, fmt.Sprintf("The images, %d x %d pixels, are resized to %d x %d.", from.Width, from.Height, to.Width, to.Height))
	}
	if from.Channels != to.Channels {
		o.Notes = append(o.Notes, map[int]string{1: "The colours become grey.", 3: "Grey counts as a colour."}[to.Channels])
	}
	if o.Layout == ChannelsFirst {
		o.Notes = append(o.Notes, "The pixels are stored by colour.")
	}
}

// class finds the classes of labels, and leaves out images without one.
func (o *OwnImages) class(labels []uint8, chosen map[string]string) {
	im := o.schema.Images
	f := ownField{Field: &Field{Name: "label", Type: CategoryField, Values: im.Classes}, chosen: chosen, answered: chosen != nil, texts: map[string]*ownText{}}
	if !numeric(im.Classes) { // labels are numbers of classes
		f.Values = nil
		for k := range im.Classes {
			f.Values = append(f.Values, strconv.Itoa(k))
		}
	}
	var of [256]*ownText
	for y, n := range Count(labels, 256) {
		if n == 0 {
			continue
		}
		text := strconv.Itoa(y)
		t := &ownText{text: text, n: n}
		k := indexOf(text, f.Values, nil)
		if to, ok := chosen[text]; ok {
			k = indexOf(to, im.Classes, nil)
		}
		t.value = float64(k)
		if k < 0 {
			t.want = "one of " + strings.Join(im.Classes, ", ")
		}
		of[y] = t
		f.order = append(f.order, t)
	}
	if offer := f.offer(); len(offer.Texts) > 0 {
		// The values of the offer are classes, whatever labels count.
		for text, to := range offer.Suggested {
			offer.Suggested[text] = im.Classes[indexOf(to, f.Values, nil)]
		}
		offer.Values = im.Classes
		o.Offers = []Offer{offer}
	}
	size := im.Size()
	o.labels = make([]uint8, 0, len(labels))
	for i, y := range labels {
		if of[y].want != "" {
			o.Rejected++
			continue
		}
		if k := len(o.labels); k < i {
			copy(o.pixels[k*size:][:size], o.pixels[i*size:][:size])
		}
		o.labels = append(o.labels, uint8(of[y].value))
	}
	o.pixels = o.pixels[:len(o.labels)*size]
}

func numeric(texts []string) bool {
	for _, s := range texts {
		if !digitsOnly(s) {
			return false
		}
	}
	return true
}

// Len returns the number of images with a class.
func (o *OwnImages) Len() int { return len(o.labels) }

// Own returns the images as data, whose holdout is drawn from seed. skip leaves out the
// images without a class. The error is a *Refusal: the layout is not clear, labels count
// from another number, images without a class, or too few.
func (o *OwnImages) Own(seed uint64, skip bool) (*Own, error) {
	refuse := func(format string, args ...any) (*Own, error) {
		return nil, &Refusal{fmt.Sprintf(format, args...), ErrFormat}
	}
	switch n := o.Len(); {
	case o.Likely == ChannelsFirst:
		return refuse("%s: the pixels look as if red comes first for the whole image, then green, then blue. Say whether that is so.", o.name)
	case o.Likely == ChannelsLast:
		return refuse("%s: the pixels look as if red, green and blue of a pixel come together. Say whether that is so.", o.name)
	case len(o.Offers) > 0 && o.Offers[0].Shifted != "":
		return refuse("%s: %s. Say what its values stand for.", o.name, o.Offers[0].Shifted)
	case o.Rejected > 0 && !skip:
		return refuse("%s: %d of %d images have a label that is no class, such as %s. Say what it stands for, or leave them out.", o.name, o.Rejected, n+o.Rejected, o.Offers[0].Texts[0].Text)
	case n < o.schema.least():
		return refuse("%s has %s with a class, and the task wants at least %d.", o.name, plural(n, "image"), o.schema.least())
	}
	own, err := imagesOf(o.schema, o.pixels, o.labels, seed)
	if err != nil {
		return nil, plainly(err)
	}
	return own, nil
}
