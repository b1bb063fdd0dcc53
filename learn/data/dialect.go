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

// sampleSize is how many bytes of a table its dialect is detected from.
const sampleSize = 1 << 16

// look returns the whole lines at the beginning of in, and the number of bytes
// before them. It consumes nothing. It refuses what is not text in UTF-8 with LF or
// CRLF.
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

// separator detects the separator of a sample: a tab or a semicolon if all of the
// first rows have the same number of it, else a comma. The comma comes last because
// it is also a decimal sign.
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
			best, most = sep, n // if no separator is consistent, errors are about the most likely one
		}
	}
	return best
}

// firstRows splits the first rows of a sample, and returns none if it cannot. It
// drops a row that the end of the sample cuts inside a quoted field.
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

// decimal detects the decimal sign of a sample. It is a comma only if a number can
// be read in no other way (0,5 or 12,75, but not 1,234) and no number has a point.
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

// thousands reports whether the comma of a number may separate thousands, as in
// 1,234.
func thousands(s string) bool {
	whole, rest, _ := strings.Cut(strings.TrimLeft(s, "+-"), ",")
	return len(whole) >= 1 && len(whole) <= 3 && whole[0] != '0' && len(rest) == 3 && !strings.ContainsAny(rest, "eE+-")
}

var errRecord = errors.New("row too long")

// boundedReader bounds what encoding/csv buffers for one row: without it, a file
// without line ends, or with a quote that is not closed, would fill the memory.
type boundedReader struct {
	r     io.Reader
	at    int64 // bytes read
	start int64 // of the current row
	limit int
}

// Read implements io.Reader.
func (b *boundedReader) Read(p []byte) (int, error) {
	// encoding/csv reads ahead by a buffer of bufio's default size.
	const ahead = 4096
	if b.at-b.start > int64(b.limit)+ahead {
		return 0, errRecord
	}
	n, err := b.r.Read(p)
	b.at += int64(n)
	return n, err
}
