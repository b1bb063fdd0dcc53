package data

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// pets is a schema of small images.
func pets() *Schema {
	return &Schema{Images: &ImageSchema{Width: 3, Height: 2, Channels: 3, Classes: []string{"cat", "dog"}}, Holdout: .25, Min: 2, Max: 100}
}

// collected returns a collection of n different pictures.
func collected(t testing.TB, s *Schema, n int) *Pictures {
	t.Helper()
	p := NewPictures(s)
	for i := range n {
		rgba := bytes.Repeat([]byte{byte(i), byte(2 * i), 7, 255}, 12)
		if err := p.Add(strings.Repeat("p", i)+".png", i%2, rgba, 4, 3); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// kept returns own data of each kind.
func kept(t testing.TB) map[string]*Own {
	t.Helper()
	all := map[string]*Own{}
	for name, c := range map[string]struct {
		s    *Schema
		text string
	}{
		"classes": {patients(), patientsCSV},
		"numbers": {houses(), "area,rooms,price\n1,2,3.25\n-1e30,2,3\n"},
	} {
		c.s.Holdout = .25
		rows, err := ReadOwn(strings.NewReader(c.text), "x.csv", c.s, OwnCSV{})
		if err != nil {
			t.Fatal(err)
		}
		if all[name], err = rows.Own(7, false); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if all["images"], err = collected(t, pets(), 5).Own(9); err != nil {
		t.Fatal(err)
	}
	return all
}

func saved(t testing.TB, o *Own) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := o.Save(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestKeep(t *testing.T) {
	for name, o := range kept(t) {
		b := saved(t, o)
		got, err := LoadOwn(iotest.HalfReader(bytes.NewReader(b)), int64(len(b)), o.Schema)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !bytes.Equal(saved(t, got), b) || !slices.Equal(got.train, o.train) || !slices.Equal(got.test, o.test) || !reflect.DeepEqual(got.names, o.names) {
			t.Errorf("%s: got %+v, want %+v", name, got, o)
		}
		for n := range b {
			if _, err := LoadOwn(bytes.NewReader(b[:n]), int64(n), o.Schema); !damaged(err, "it is too short") {
				t.Errorf("%s: the first %d of %d bytes: %v", name, n, len(b), err)
			}
		}
		if _, err := LoadOwn(bytes.NewReader(b[:50]), int64(len(b)), o.Schema); !damaged(err, "it is too short") {
			t.Errorf("%s: a file that ends early: %v", name, err)
		}
		if _, err := LoadOwn(bytes.NewReader(append(b, 0)), int64(len(b)+1), o.Schema); !damaged(err, "1 byte too many") {
			t.Errorf("%s: a byte more: %v", name, err)
		}
		broken := errors.New("no access")
		if _, err := LoadOwn(iotest.ErrReader(broken), int64(len(b)), o.Schema); !errors.Is(err, broken) {
			t.Errorf("%s: got %v, want %v", name, err, broken)
		}
		if err := o.Save(failing{broken}); !errors.Is(err, broken) {
			t.Errorf("%s: got %v, want %v", name, err, broken)
		}
	}
}

func damaged(err error, why string) bool {
	r := (*Refusal)(nil)
	return errors.As(err, &r) && err.Error() == "The data that was kept is damaged ("+why+"): choose your files again."
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// What the data depends on is in the hash, and no more.
func TestSchemaHash(t *testing.T) {
	own := kept(t)
	for name, change := range map[string]func(s *Schema){
		"a name":        func(s *Schema) { s.Table.Features[0].Name = "years" },
		"a type":        func(s *Schema) { s.Table.Features[2].Type = CategoryField },
		"values":        func(s *Schema) { s.Table.Features[1].Values = []string{"m", "f"} },
		"a bound":       func(s *Schema) { s.Table.Features[0].Max = bound(130) },
		"no bound":      func(s *Schema) { s.Table.Features[0].Max = nil },
		"missing":       func(s *Schema) { s.Table.Features[2].Missing = "yes" },
		"the label":     func(s *Schema) { s.Table.Label.Values = []string{"healthy", "ill", "dead"} },
		"fewer columns": func(s *Schema) { s.Table.Features = s.Table.Features[1:] },
		"the order":     func(s *Schema) { f := s.Table.Features; f[0], f[3] = f[3], f[0] },
	} {
		s := patients()
		change(s)
		b := saved(t, own["classes"])
		if _, err := LoadOwn(bytes.NewReader(b), int64(len(b)), s); err == nil || err.Error() != "The task wants other data than when yours was kept: choose your files again." {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]func(im *ImageSchema){
		"width": func(im *ImageSchema) { im.Width = 2; im.Height = 3 }, "channels": func(im *ImageSchema) { im.Channels = 1; im.Width = 9 }, "classes": func(im *ImageSchema) { im.Classes = []string{"dog", "cat"} },
	} {
		s := pets()
		change(s.Images)
		if s.Hash() == pets().Hash() {
			t.Errorf("%s is not in the hash", name)
		}
	}
	s := patients()
	s.Min, s.Max, s.Holdout, s.Scale = 1, 5, .5, NoScale
	s.Table.Features[0].Columns, s.Table.Features[1].Aliases = nil, nil
	if s.Hash() != patients().Hash() {
		t.Error("other names of columns and values are in the hash")
	}
	s.Min, s.Max = 4, 5
	b := saved(t, own["classes"])
	if _, err := LoadOwn(bytes.NewReader(b), int64(len(b)), s); err == nil || err.Error() != "3 examples, want 4 to 5." {
		t.Errorf("fewer rows than the task wants now: %v", err)
	}
}

// A file that Save has not written is refused, or its data is under the schema.
func FuzzLoadOwn(f *testing.F) {
	all := kept(f)
	names := []string{"classes", "numbers", "images"}
	for i, name := range names {
		f.Add(saved(f, all[name])[keepHead-8:], uint8(i))
	}
	f.Fuzz(func(t *testing.T, text []byte, kind uint8) {
		s := all[names[kind%3]].Schema
		hash := s.Hash()
		file := slices.Concat([]byte(keepMagic), hash[:], make([]byte, 8), text)
		o, err := LoadOwn(bytes.NewReader(file), int64(len(file)), s)
		if err != nil {
			if r := (*Refusal)(nil); !errors.As(err, &r) {
				t.Fatalf("refused by %v", err)
			}
			return
		}
		if got := saved(t, o); !bytes.Equal(got, file) {
			t.Fatalf("%d bytes became %d", len(file), len(got))
		}
		c := o.Scaled()
		ex, err := o.Train(c)
		if err != nil {
			t.Fatal(err)
		}
		x, y := make([]float32, ex.Features()), make([]float32, 1)
		for i := range ex.Len() {
			if ex.Fill(x, y, []int32{int32(i)}); math.IsNaN(float64(y[0])) {
				t.Fatalf("example %d has no label", i)
			}
		}
	})
}
