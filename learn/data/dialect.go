package data

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// sampleSize is how many bytes of a table its dialect is detected from.
const sampleSize = 1 << 16

// look returns the whole lines at the beginning of in. It consumes nothing. It refuses
// what is not text with LF or CRLF.
func look(in *bufio.Reader, name string) (sample []byte, err error) {
	sample, err = in.Peek(sampleSize)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("data: read %s: %w", name, err)
	}
	whole := err == io.EOF
	refuse := func(line int, what string) ([]byte, error) {
		return nil, fmt.Errorf("data: %s:%d: %s: %w", name, line, what, ErrFormat)
	}
	if bytes.HasPrefix(sample, []byte("PK\x03\x04")) {
		return refuse(1, "is a zip archive or a spreadsheet, want text in CSV")
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
	return sample, nil
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
	r := newRecords(bytes.NewReader(sample), sep, len(sample))
	var rows [][]string
	for len(rows) < enough {
		fields, err := r.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			if r.offset == int64(len(sample)) {
				break
			}
			return nil
		}
		row := make([]string, len(fields))
		for i, f := range fields {
			row[i] = string(f)
		}
		rows = append(rows, row)
	}
	return rows
}

// decimal detects the decimal sign from the columns of numbers of a sample. Where no
// number shows which sign it is, and one could be read either way, as 12.345 can, it
// returns a point, and that number.
func (c *csvReader) decimal(sample []byte) (sign rune, ambiguous string) {
	r := newRecords(bytes.NewReader(sample), c.cfg.Separator, len(sample))
	const enough = 1000
	point, comma := false, false
	var either, where string
	for range enough {
		row, err := r.next()
		if err != nil { // the end, or what the reading of the whole file will report
			break
		}
		for i, field := range row[:min(len(row), len(c.columns))] {
			if c.columns[i].role != number && (c.columns[i].role != target || c.columns[i].codes != nil) {
				continue
			}
			s := strings.TrimSpace(string(field))
			switch readingOf(s) {
			case withPoint:
				point = true
			case withComma:
				comma = true
			case withEither:
				if either == "" {
					either, where = s, fmt.Sprintf("%d: %s", r.start, c.column(i))
				}
			}
		}
		if point {
			break // a comma beside it is an error, or separates groups
		}
	}
	switch {
	case point || !comma && either == "":
		return '.', ""
	case comma:
		return ',', ""
	}
	p, _ := parseNumber(either, '.')
	q, _ := parseNumber(either, ',')
	return '.', fmt.Sprintf("%s:%s is %s: no other number tells whether that is %s or %s",
		c.name, where, clip(either), strconv.FormatFloat(p, 'f', -1, 64), strconv.FormatFloat(q, 'f', -1, 64))
}

// errRecord is a record beyond the limit: without it, a file without line ends, or with
// a quote that is not closed, would fill the memory.
var errRecord = errors.New("row too long")
