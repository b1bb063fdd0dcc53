package data

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
)

// sampleSize is how much of a table is looked at to find out its dialect.
const sampleSize = 1 << 16

// look returns the whole lines at the beginning of in, and how many bytes stand
// before them. It reads nothing away. What is no text in a form that can be read
// is refused.
func look(in *bufio.Reader, name string) (sample []byte, skip int, err error) {
	sample, err = in.Peek(sampleSize)
	if err != nil && err != io.EOF {
		return nil, 0, fmt.Errorf("data: read %s: %w", name, err)
	}
	whole := err == io.EOF
	refuse := func(line int, what string) ([]byte, int, error) {
		return nil, 0, fmt.Errorf("data: %s:%d: %s: %w", name, line, what, ErrFormat)
	}
	switch {
	case bytes.HasPrefix(sample, []byte("\xff\xfe")), bytes.HasPrefix(sample, []byte("\xfe\xff")):
		return refuse(1, "is UTF-16, want text in UTF-8")
	case bytes.HasPrefix(sample, []byte("PK\x03\x04")):
		return refuse(1, "is a zip archive or a spreadsheet, want text in CSV")
	case bytes.HasPrefix(sample, []byte("\xef\xbb\xbf")):
		sample, skip = sample[3:], 3
	}
	if i := bytes.IndexByte(sample, 0); i >= 0 {
		return refuse(1+bytes.Count(sample[:i], []byte("\n")), "has a zero byte, want text in CSV")
	}
	if bytes.IndexByte(sample, '\n') < 0 && bytes.IndexByte(bytes.TrimRight(sample, "\r"), '\r') >= 0 {
		return refuse(1, "lines end in CR alone, want LF or CRLF")
	}
	if !whole {
		sample = sample[:bytes.LastIndexByte(sample, '\n')+1]
	}
	return sample, skip, nil
}

// separator finds out what separates the fields of a sample: a tab or a
// semicolon if all of the first rows have as many of it, or else a comma. The
// comma comes last because it is also a decimal sign.
func separator(sample []byte) rune {
	best, most := ',', 1
	for _, sep := range []rune{'\t', ';', ','} {
		rows := firstRows(sample, sep)
		if len(rows) == 0 {
			continue
		}
		n, same := len(rows[0]), true
		for _, row := range rows {
			same = same && len(row) == n
		}
		if same && n > 1 {
			return sep
		}
		if n > most {
			best, most = sep, n // should nothing fit, errors are about the likeliest
		}
	}
	return best
}

// firstRows splits some rows of a sample; none if they cannot be split. A row
// that the sample's end cuts inside a quoted field is left out.
func firstRows(sample []byte, sep rune) [][]string {
	const enough = 50
	r := csv.NewReader(bytes.NewReader(sample))
	r.Comma, r.FieldsPerRecord = sep, -1
	var rows [][]string
	for len(rows) < enough {
		row, err := r.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			if r.InputOffset() == int64(len(sample)) {
				break
			}
			return nil
		}
		rows = append(rows, row)
	}
	return rows
}

// decimal finds out the decimal sign of a sample. It is a comma only if a
// number can be read in no other way, as 0,5 or 12,75 but not 1,234, and no
// number has a point.
func decimal(sample []byte, sep rune) rune {
	comma := false
	for _, row := range firstRows(sample, sep) {
		for _, s := range row {
			s = strings.TrimSpace(s)
			if _, ok := parseNumber(s, '.'); ok && strings.Contains(s, ".") {
				return '.'
			}
			if _, ok := parseNumber(s, ','); ok && strings.Contains(s, ",") {
				comma = comma || !thousands(s)
			}
		}
	}
	if comma {
		return ','
	}
	return '.'
}

// thousands reports whether the comma of a number may be one between thousands,
// as in 1,234.
func thousands(s string) bool {
	whole, rest, _ := strings.Cut(strings.TrimLeft(s, "+-"), ",")
	return len(whole) >= 1 && len(whole) <= 3 && whole[0] != '0' && len(rest) == 3 && !strings.ContainsAny(rest, "eE+-")
}

var errRecord = errors.New("a row is too long")

// boundedReader bounds what encoding/csv collects for one row: a file without
// line ends, or with a quote that is never closed, would fill the memory.
type boundedReader struct {
	r     io.Reader
	at    int64 // bytes read
	start int64 // of the row at hand
	limit int
}

// Read implements io.Reader.
func (b *boundedReader) Read(p []byte) (int, error) {
	// encoding/csv reads ahead into a buffer of bufio's usual size.
	const ahead = 4096
	if b.at-b.start > int64(b.limit)+ahead {
		return 0, errRecord
	}
	n, err := b.r.Read(p)
	b.at += int64(n)
	return n, err
}
