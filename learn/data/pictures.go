package data

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"fedtab/learn/digest"
)

// Pictures collects the images of a participant, one by one.
type Pictures struct {
	schema *Schema
	pixels []uint8 // [Len(), shape]
	labels []uint8
	names  []string
	known  map[[32]byte]string // names by a sum of the pixels
}

// NewPictures returns an empty collection. It panics if the schema is that of a table.
func NewPictures(s *Schema) *Pictures {
	if s.Images == nil {
		panic("data: pictures under the schema of a table")
	}
	return &Pictures{schema: s, known: map[[32]byte]string{}}
}

// Len returns the number of images.
func (p *Pictures) Len() int { return len(p.labels) }

// Pixels returns the pixels of image i. They must not be changed.
func (p *Pictures) Pixels(i int) []uint8 {
	n := p.schema.Images.Size()
	return p.pixels[i*n : (i+1)*n : (i+1)*n]
}

// Add adds a picture in RGBA, [height, width, 4], as [ImageSchema.Fit] makes an image of
// it. name is the picture's in refusals. It refuses what the collection has, even under
// another class: the error is a *Refusal, and the collection is as it was.
func (p *Pictures) Add(name string, class int, rgba []uint8, width, height int) error {
	return p.add(name, class, rgba, width, height, (*Fitter).Fit)
}

// AddDrawn is Add for a drawing, of which [Fitter.FitDrawn] makes an image.
func (p *Pictures) AddDrawn(name string, class int, rgba []uint8, width, height int) error {
	return p.add(name, class, rgba, width, height, (*Fitter).FitDrawn)
}

func (p *Pictures) add(name string, class int, rgba []uint8, width, height int, fit func(f *Fitter, to, rgba []uint8, width, height int) error) error {
	im := p.schema.Images
	refuse := func(format string, args ...any) error {
		return &Refusal{fmt.Sprintf(format, args...), ErrFormat}
	}
	switch {
	case class < 0 || class >= len(im.Classes):
		return refuse("%s has no class. Choose one of %s.", name, strings.Join(im.Classes, ", "))
	case p.schema.Max > 0 && p.Len() >= p.schema.Max:
		return &Refusal{fmt.Sprintf("%s is left out: the task takes at most %d images.", name, p.schema.Max), ErrTooLarge}
	}
	begin := len(p.pixels)
	p.pixels = slices.Grow(p.pixels, im.Size())[:begin+im.Size()]
	image := p.pixels[begin:]
	if err := fit(&Fitter{ImageSchema: *im}, image, rgba, width, height); err != nil {
		p.pixels = p.pixels[:begin]
		if errors.Is(err, ErrEmpty) {
			return &Refusal{name + " is left out: there is nothing in it.", err}
		}
		return refuse("%s is left out: it is a picture of %d x %d pixels, want 1 to %d along a side.", name, width, height, maxSide)
	}
	sum := digest.Sum(image)
	if other, twice := p.known[sum]; twice {
		p.pixels = p.pixels[:begin]
		return refuse("%s is left out: it is the same picture as %s.", name, other)
	}
	p.known[sum] = name
	p.labels = append(p.labels, uint8(class))
	p.names = append(p.names, name)
	return nil
}

// Own returns the images as data, whose holdout is drawn from seed. It shares their
// pixels; the collection may be changed further. The error is a *Refusal: fewer images
// than the schema wants.
func (p *Pictures) Own(seed uint64) (*Own, error) {
	if n := p.Len(); n < p.schema.least() {
		return nil, &Refusal{fmt.Sprintf("You have %s, and the task wants at least %d.", plural(n, "image"), p.schema.least()), ErrFormat}
	}
	o, err := imagesOf(p.schema, p.pixels[:len(p.pixels):len(p.pixels)], slices.Clone(p.labels), seed)
	if err != nil {
		return nil, err
	}
	o.names = slices.Clone(p.names)
	return o, nil
}

// imagesOf returns images as own data.
func imagesOf(s *Schema, pixels, labels []uint8, seed uint64) (*Own, error) {
	set, err := NewSet(Array{append([]int{len(labels)}, s.Shape()...), pixels}, Array{[]int{len(labels)}, labels}, len(s.Images.Classes))
	if err != nil {
		return nil, err
	}
	return NewOwnImages(s, set, seed)
}

// Pictures returns the images as a collection that can be changed, nil for a table. Images
// without a name are called by their number from 1.
func (o *Own) Pictures() *Pictures {
	if o.images == nil {
		return nil
	}
	p := NewPictures(o.Schema)
	n := len(o.images.X)
	p.pixels, p.labels = o.images.X[:n:n], slices.Clone(o.images.Y)
	for i := range p.labels {
		name := fmt.Sprintf("image %d", i+1)
		if o.names != nil && o.names[i] != "" {
			name = o.names[i]
		}
		p.names = append(p.names, name)
		p.known[digest.Sum(p.Pixels(i))] = name
	}
	return p
}

// Counts returns the number of examples of each class, nil in a regression.
func (o *Own) Counts() []int {
	switch classes := o.Schema.Classes(); {
	case classes == nil:
		return nil
	case o.images != nil:
		return Count(o.images.Y, len(classes))
	default:
		return Count(o.table.labels, len(classes))
	}
}

// Notes returns sentences on classes without examples.
func (o *Own) Notes() []string { return absent(o.Counts(), o.Schema.Classes()) }

// absent returns sentences on classes without examples.
func absent(counts []int, classes []string) []string {
	var none, present []string
	for c, n := range counts {
		if n == 0 {
			none = append(none, classes[c])
		} else {
			present = append(present, classes[c])
		}
	}
	switch {
	case none == nil:
		return nil
	case len(present) == 1:
		return []string{fmt.Sprintf("All examples are of one class, %s.", clipName(present[0]))}
	}
	return []string{fmt.Sprintf("There are no examples of %s.", firstNames(none))}
}
