package data

import (
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

var recordTexts = []string{
	"", "\n\n", "a,b\n1,2\n", "a,b\r\n1,2\r\n", "a,b\n1,2", "a,b\n1,2\r", "\r", "a\rb,c\n", ",\n,,\n",
	"\"a\",b\n", "\"a,b\",\"c\"\"d\"\n", "\"a\nb\r\nc\",d\ne,f\n", "\"\"\n", "\"\",\"\"\n1", "a\"b,c\nd,e\n", "\"a\"b,c\nd,e\n",
	"a,\"b\nc\n", "\"a\n", "\"", "a,\"\"\"\",b\n", "\"a\"\n\n\"b\"", "a;b;\"c;d\"\n", "é,ü\n\"ö\",ß\n", "a,b\n\"x\r", "a,\"b\"\r\n",
}

// Records, and the first error with its position, are those of encoding/csv.
func FuzzRecords(f *testing.F) {
	for _, text := range recordTexts {
		f.Add(text, ",")
		f.Add(text, ";")
		f.Add(text, "é")
	}
	f.Fuzz(func(t *testing.T, text, separator string) {
		sep := []rune(separator + ",")[0]
		if !validSeparator(sep) {
			return
		}
		want := csv.NewReader(strings.NewReader(text))
		want.Comma, want.FieldsPerRecord = sep, -1
		got := newRecords(iotest.OneByteReader(strings.NewReader(text)), sep, 1<<20)
		for {
			fields, err := got.next()
			row, wantErr := want.Read()
			var q *quoteError
			if p := (*csv.ParseError)(nil); errors.As(wantErr, &p) {
				if !errors.As(err, &q) || q.start != p.StartLine || q.bare != errors.Is(p.Err, csv.ErrBareQuote) || q.bare && (q.line != p.Line || q.column != p.Column) {
					t.Fatalf("%q: got %v (%+v), want %v", text, err, q, wantErr)
				}
				return
			}
			if err != wantErr {
				t.Fatalf("%q: got %v, want %v", text, err, wantErr)
			}
			if err != nil {
				return
			}
			var texts []string
			for _, b := range fields {
				texts = append(texts, string(b))
			}
			line, _ := want.FieldPos(0)
			if !slices.Equal(texts, row) || got.start != line || got.offset != want.InputOffset() {
				t.Fatalf("%q: line %d, byte %d: got %q, want line %d, byte %d: %q", text, got.start, got.offset, texts, line, want.InputOffset(), row)
			}
		}
	})
}

// After wrong quotes the next line is the next record.
func TestRecordsGoOn(t *testing.T) {
	r := newRecords(strings.NewReader("a,b\n1\"2,3\n4,5\n\"6\"7,8\n9,0\n"), ',', 100)
	var got []string
	for {
		fields, err := r.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			got = append(got, "!")
			continue
		}
		got = append(got, string(fields[0]))
	}
	if want := []string{"a", "!", "4", "!", "9"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A record has a limit, with and without quotes.
func TestRecordLimit(t *testing.T) {
	for _, head := range []string{"", "\"", "\"a\nb"} {
		e := &endless{text: "1,2", n: 1 << 30}
		if strings.HasSuffix(head, "b") {
			e.text = "1\n2"
		}
		r := newRecords(io.MultiReader(strings.NewReader("a,b\n"+head), e), ',', 1<<16)
		r.next()
		if _, err := r.next(); err != errRecord || e.read > 1<<18 {
			t.Errorf("after %q: got %v after %d bytes, want %v", head, err, e.read, errRecord)
		}
	}
}
