package data

import (
	"errors"
	"strings"
	"testing"
)

func TestClassOfPath(t *testing.T) {
	im := pets().Images
	chosen := map[string]string{"Hunde": "dog"}
	for file, want := range map[string]struct {
		class  int
		folder string
	}{
		"pets/cat/1.png": {0, "cat"}, "pets/Dog/1.png": {1, "Dog"}, "pets/dog/old/1.png": {1, "dog"}, `C:\pets\CAT\1.png`: {0, "CAT"},
		"hunde/1.png": {1, "hunde"}, "birds/1.png": {-1, "birds"}, "1.png": {-1, ""}, "/cat.png": {-1, ""}, "dog/cat/x.png": {0, "cat"},
	} {
		if class, folder := im.ClassOfPath(file, chosen); class != want.class || folder != want.folder {
			t.Errorf("%s: got %d, %q, want %v", file, class, folder, want)
		}
	}
}

func TestReadLabels(t *testing.T) {
	for _, c := range []struct {
		name, text string
		chosen     map[string]string
		want       map[string]int
		offered    string
	}{
		{"names and classes", "file,label\na.png,cat\nb.png,Dog\n", nil, map[string]int{"a.png": 0, "pets/B.PNG": 1, "c.png": -1}, ""},
		{"no header, another order", "cat;a.png\ndog;b.png\n", nil, map[string]int{"a.png": 0, "b.png": 1}, ""},
		{"paths", "label\tpath\ncat\tx\\1.png\ndog\ty/1.png\n", nil, map[string]int{"x/1.png": 0, "all/y/1.png": 1, "1.png": -1}, ""},
		{"no extensions", "id,breed,label\n1,tabby,cat\n2,boxer,dog\n", nil, map[string]int{"1.jpg": 0, "x/2.jpeg": 1}, ""},
		{"texts that are no class", "file,label\na.png,cat\nb.png,bird\n", nil, map[string]int{"a.png": 0, "b.png": -1}, "bird"},
		{"no class at all", "file,label\na.png,Katze\nb.png,Hund\n", nil, map[string]int{"a.png": -1}, "Katze Hund"},
		{"aliases", "file,label\na.png,Katze\nb.png,Hund\n", map[string]string{"Katze": "cat", "Hund": "dog"}, map[string]int{"a.png": 0, "b.png": 1}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := ReadLabels(strings.NewReader(c.text), "l.csv", pets(), c.chosen)
			if err != nil {
				t.Fatal(err)
			}
			for file, want := range c.want {
				if got := l.Class(file); got != want {
					t.Errorf("%s: got %d, want %d", file, got, want)
				}
			}
			var offered []string
			for _, o := range l.Offers {
				for _, text := range o.Texts {
					offered = append(offered, text.Text)
				}
			}
			if got := strings.Join(offered, " "); got != c.offered {
				t.Errorf("offers %q, want %q", got, c.offered)
			}
		})
	}
	for text, want := range map[string]string{
		"":                     "l.csv is not a table with a column of file names and one of classes.",
		"a.png\nb.png\n":       "l.csv is not a table with a column of file names and one of classes.",
		"a,b,c\n1,2,3\n":       "l.csv does not have a column with cat, dog.",
		"PK\x03\x04xl/":        "l.csv:1: is an Excel workbook, want text in CSV.",
		"file,label\n\"a.png,": "l.csv does not have a column with cat, dog.",
	} {
		_, err := ReadLabels(strings.NewReader(text), "l.csv", pets(), nil)
		if r := (*Refusal)(nil); !errors.As(err, &r) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

// Whatever a table holds, classes are those of the schema, and an error is a refusal.
func FuzzReadLabels(f *testing.F) {
	for _, text := range append(recordTexts, "file,label\na.png,cat\nb.png,Dog\n", "x/a,dog\nx\\b,bird\n") {
		f.Add(text, "x/a.png")
	}
	f.Fuzz(func(t *testing.T, text, file string) {
		l, err := ReadLabels(strings.NewReader(text), "l.csv", pets(), map[string]string{"bird": "cat"})
		if err != nil {
			if r := (*Refusal)(nil); !errors.As(err, &r) {
				t.Fatalf("refused by %v", err)
			}
			return
		}
		if class := l.Class(file); class < -1 || class > 1 {
			t.Fatalf("%q is of class %d", file, class)
		}
	})
}
