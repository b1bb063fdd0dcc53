package data

import (
	"bytes"
	"io"
	"path"
	"strings"
)

// ClassOf returns the class of a text, an index into those of the schema: its name, in
// any case, or as chosen tells. It returns -1 if it is none.
func (im *ImageSchema) ClassOf(text string, chosen map[string]string) int {
	return indexOf(strings.TrimSpace(text), im.Classes, chosen)
}

// ClassOfPath returns the class of a picture by the folder that it is in, or by the next
// one above that is called like a class. If none is, it returns -1 and the name of the
// picture's folder, if it is in one.
func (im *ImageSchema) ClassOfPath(file string, chosen map[string]string) (class int, folder string) {
	dir := path.Dir(strings.ReplaceAll(file, "\\", "/"))
	if folder = path.Base(dir); folder == "." || folder == "/" {
		folder = ""
	}
	for ; dir != "." && dir != "/"; dir = path.Dir(dir) {
		if class := im.ClassOf(path.Base(dir), chosen); class >= 0 {
			return class, path.Base(dir)
		}
	}
	return -1, folder
}

// Labels are classes of pictures by their names, from a table.
type Labels struct {
	Offers []Offer // texts that are no class; at most one

	classes map[string]int // by path, as in the table
	bases   map[string]int // by name without folders; -1: several classes
}

// ReadLabels reads the classes of pictures from a table: the class in the column with the
// most classes, the names of the pictures in the one with the most names of files, else in
// the first other column. name is the table's in errors: those of reading, and *Refusal.
func ReadLabels(r io.Reader, name string, s *Schema, chosen map[string]string) (*Labels, error) {
	refuse := func(text string) (*Labels, error) { return nil, &Refusal{name + text, ErrFormat} }
	if s.Images == nil {
		return refuse(" has labels of images, and the task wants a table.")
	}
	c, sample, err := newCSVReader(r, name, CSV{})
	if err != nil {
		return nil, plainly(err)
	}
	rows := firstRows(sample, c.cfg.Separator)
	if len(rows) == 0 || len(rows[0]) < 2 {
		return refuse(" is not a table with a column of file names and one of classes.")
	}
	columns := len(rows[0])
	files, classes := make([]int, columns), make([]int, columns) // values that look like them
	for _, row := range rows {
		for i, text := range row[:min(len(row), columns)] {
			if s.Images.ClassOf(text, chosen) >= 0 {
				classes[i]++
			} else if path.Ext(text) != "" {
				files[i]++
			}
		}
	}
	of, file := most(classes, -1), most(files, -1)
	switch {
	case of < 0 && file >= 0 && columns == 2:
		of = 1 - file // its texts are offered
	case of < 0:
		return refuse(" does not have a column with " + strings.Join(s.Images.Classes, ", ") + ".")
	default:
		if file = most(files, of); file < 0 && of == 0 {
			file = 1
		}
		file = max(file, 0)
	}
	l := &Labels{classes: map[string]int{}, bases: map[string]int{}}
	f := ownField{Field: &Field{Name: "class", Type: CategoryField, Values: s.Images.Classes}, chosen: chosen, answered: chosen != nil, texts: map[string]*ownText{}}
	for first := true; ; first = false {
		row, err := c.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, plainly(err)
		}
		if len(row) <= max(of, file) || first && s.Images.ClassOf(row[of], chosen) < 0 { // names of columns
			continue
		}
		if class, want := f.category(bytes.TrimSpace([]byte(row[of]))); want == "" {
			l.add(row[file], int(class))
		}
	}
	if len(l.classes) == 0 && len(f.order) == 0 {
		return refuse(" has no rows of names and classes.")
	}
	if offer := f.offer(); len(offer.Texts) > 0 {
		l.Offers = []Offer{offer}
	}
	return l, nil
}

func (l *Labels) add(file string, class int) {
	file = slashed(file)
	l.classes[file] = class
	name := path.Base(file)
	if other, twice := l.bases[name]; twice && other != class {
		class = -1
	}
	l.bases[name] = class
}

// Len returns the number of pictures with a class.
func (l *Labels) Len() int { return len(l.classes) }

// Class returns the class of a picture by its path or name, which may be without its
// extension in the table; -1 if the table has none, or several.
func (l *Labels) Class(file string) int {
	file = slashed(file)
	for _, name := range []string{file, strings.TrimSuffix(file, path.Ext(file))} {
		for rest, more := name, true; more; _, rest, more = strings.Cut(rest, "/") {
			if class, ok := l.classes[rest]; ok {
				return class
			}
		}
		if class, ok := l.bases[path.Base(name)]; ok {
			return class
		}
	}
	return -1
}

// slashed returns the path of a file in one form.
func slashed(file string) string {
	return path.Clean(strings.ToLower(strings.ReplaceAll(strings.TrimSpace(file), "\\", "/")))
}

// most returns the index of the largest positive number other than that of not; -1 if
// there is none.
func most(counts []int, not int) int {
	at := -1
	for i, n := range counts {
		if i != not && n > 0 && (at < 0 || n > counts[at]) {
			at = i
		}
	}
	return at
}
