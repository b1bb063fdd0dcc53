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

// look returns the whole lines at the beginning of in, of what fits in its buffer. It
// consumes nothing. What is not text with LF or CRLF is a *textError.
func look(in *bufio.Reader, name string) (sample []byte, err error) {
	sample, err = in.Peek(in.Size())
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("data: read %s: %w", name, err)
	}
	whole := err == io.EOF
	if i := bytes.IndexByte(sample, 0); i >= 0 {
		return nil, &textError{name, 1 + bytes.Count(sample[:i], []byte("\n")), true}
	}
	if bytes.IndexByte(sample, '\n') < 0 && bytes.IndexByte(bytes.TrimRight(sample, "\r"), '\r') >= 0 {
		return nil, &textError{name, 1, false}
	}
	if !whole {
		sample = sample[:bytes.LastIndexByte(sample, '\n')+1]
	}
	return sample, nil
}

// textError is why a file is no text that can be read: it has a zero byte, or its lines
// end in CR alone.
type textError struct {
	name string
	line int
	zero bool
}

// Error implements error.
func (e *textError) Error() string {
	what := "lines end in CR alone, want LF or CRLF"
	if e.zero {
		what = "has a zero byte, want text in CSV"
	}
	return fmt.Sprintf("data: %s:%d: %s: %v", e.name, e.line, what, ErrFormat)
}

// Unwrap returns ErrFormat.
func (e *textError) Unwrap() error { return ErrFormat }

// refusal returns the error as sentences for a person.
func (e *textError) refusal() error {
	if e.zero {
		return &Refusal{fmt.Sprintf("%s, line %d: a zero byte. The file is damaged, or not a table in text.", e.name, e.line), ErrFormat}
	}
	return &Refusal{e.name + " has the line ends of old Macintosh programs. Save it as CSV UTF-8 and choose that file.", ErrFormat}
}

// separator detects the separator of a sample: a tab, semicolon or vertical bar if all
// of the first rows have the same number of it, else a comma. The comma comes last because
// it is also a decimal sign.
func separator(sample []byte) rune {
	best, most := ',', 1
	for _, sep := range []rune{'\t', ';', '|', ','} {
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
	var seen signs
	for range enough {
		row, err := r.next()
		if err != nil || seen.point { // the end, or what the reading of the whole file will report
			break
		}
		for i, field := range row[:min(len(row), len(c.columns))] {
			if c.columns[i].role != number && (c.columns[i].role != target || c.columns[i].codes != nil) {
				continue
			}
			seen.add(strings.TrimSpace(string(field)), r.start, i)
		}
	}
	if !seen.ambiguous() {
		return seen.decimal(), ""
	}
	point, comma := seen.readings()
	return '.', fmt.Sprintf("%s:%d: %s is %s: no other number tells whether that is %s or %s",
		c.name, seen.line, c.column(seen.column), clip(seen.either), point, comma)
}

// signs is what the numbers of a table say about the decimal sign.
type signs struct {
	point, comma bool   // a number can be read with this sign only
	either       string // the first number that can be read with either; empty: none
	line, column int    // of it
}

func (s *signs) add(text string, line, column int) {
	switch readingOf(text) {
	case withPoint:
		s.point = true // a comma beside it is an error, or separates groups
	case withComma:
		s.comma = true
	case withEither:
		if s.either == "" {
			s.either, s.line, s.column = text, line, column
		}
	}
}

// settled reports whether a number shows the decimal sign.
func (s *signs) settled() bool { return s.point || s.comma }

// ambiguous reports whether no number shows the decimal sign, and one needs it.
func (s *signs) ambiguous() bool { return !s.settled() && s.either != "" }

// decimal returns the decimal sign: a point unless numbers show a comma.
func (s *signs) decimal() rune {
	if s.comma && !s.point {
		return ','
	}
	return '.'
}

// readings returns the number that can be read in two ways with a decimal point and with
// a comma.
func (s *signs) readings() (point, comma string) {
	p, _ := parseNumber(s.either, '.')
	c, _ := parseNumber(s.either, ',')
	return strconv.FormatFloat(p, 'f', -1, 64), strconv.FormatFloat(c, 'f', -1, 64)
}

// errRecord is a record beyond the limit: without it, a file without line ends, or with
// a quote that is not closed, would fill the memory.
var errRecord = errors.New("row too long")
