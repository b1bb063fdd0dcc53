package task

import (
	"fmt"
	"reflect"
)

// Fields are those of a file that is read as strictly as task files are: with every
// problem, its line, and what would be right.
type Fields struct{ d *decoder }

// ReadFields reads text, the content of the file called name, into a struct with yaml
// tags, and then calls check. what is the kind of the file in errors: "site". The error
// is an *Error.
func ReadFields(name string, text []byte, what string, into any, check func(f Fields)) error {
	d := newDecoder(name, what, into)
	if d.document(text) {
		check(Fields{d})
	}
	return d.err()
}

// Want reports the field at path, which holds value, unless ok: as wrong or as missing.
func (f Fields) Want(ok bool, path, value, want string) {
	f.d.want(ok, path, quoted(value), want)
}

// Texts reports each language of a text, which the field at path holds, for which ok is
// false.
func (f Fields) Texts(t Text, path string, ok func(text string) bool, want string) {
	f.d.translated(t, path, ok, want)
}

// Wrong reports that the field at path is of no use, unless it could not be read.
func (f Fields) Wrong(path, format string, args ...any) {
	f.d.wrong(path, path+": "+fmt.Sprintf(format, args...))
}

// Has reports whether the field at path was given, and could be read.
func (f Fields) Has(path string) bool { return f.d.has(path) && !f.d.brokenAt(path) }

func newDecoder(name, what string, into any) *decoder {
	return &decoder{
		places: places{name, map[string]origin{}}, what: what, into: reflect.ValueOf(into).Elem(), broken: map[string]bool{},
	}
}
