package data

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

func TestPictures(t *testing.T) {
	s := pets()
	s.Max = 5
	p := collected(t, s, 4)
	if p.Len() != 4 || p.names[1] != "p.png" || p.labels[1] != 1 || !bytes.Equal(p.Pixels(1), bytes.Repeat([]byte{1, 2, 7}, 6)) {
		t.Errorf("%d pictures, %q of class %d: %v", p.Len(), p.names[1], p.labels[1], p.Pixels(1))
	}
	rgba := func(v byte) []byte { return bytes.Repeat([]byte{v, 2 * v, 7, 255}, 2) }
	for _, c := range []struct {
		name          string
		class         int
		rgba          []byte
		width, height int
		want          string
	}{
		{"new.png", 2, rgba(9), 2, 1, "new.png has no class. Choose one of cat, dog."},
		{"new.png", -1, rgba(9), 2, 1, "new.png has no class. Choose one of cat, dog."},
		{"copy.png", 0, rgba(1), 2, 1, "copy.png is left out: it is the same picture as p.png."},
		{"odd.png", 0, rgba(9), 3, 1, "odd.png is left out: it is a picture of 3 x 1 pixels, want 1 to 32768 along a side."},
		{"five.png", 0, rgba(9), 2, 1, ""},
		{"six.png", 0, rgba(10), 2, 1, "six.png is left out: the task takes at most 5 images."},
	} {
		err := p.Add(c.name, c.class, c.rgba, c.width, c.height)
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		} else if r := (*Refusal)(nil); !errors.As(err, &r) || err.Error() != c.want {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
	own, err := p.Own(1)
	if err != nil || own.Len() != 5 || !slices.Equal(own.Counts(), []int{3, 2}) || own.Notes() != nil {
		t.Fatalf("%+v, %v", own, err)
	}
	// A collection made of own data goes on.
	p = own.Pictures()
	if err := p.Add("x.png", 0, rgba(9), 2, 1); err == nil || p.Len() != 5 || p.names[4] != "five.png" {
		t.Errorf("%d pictures, %v", p.Len(), err)
	}
	few := NewPictures(pets())
	if _, err := few.Own(1); err == nil || err.Error() != "You have 0 images, and the task wants at least 2." {
		t.Errorf("got %v", err)
	}
	for i := range 2 {
		few.Add("x", 0, rgba(byte(i)), 2, 1)
	}
	if own, err := few.Own(1); err != nil || !slices.Equal(own.Notes(), []string{"All examples are of one class, cat."}) {
		t.Errorf("got %v, %v", own, err)
	}
}
