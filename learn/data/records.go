package data

import (
	"bytes"
	"fmt"
	"io"
)

// records splits the text of a table into records as encoding/csv does (RFC 4180), and
// allocates nothing for each. A test compares both.
type records struct {
	in    io.Reader
	sep   []byte
	limit int // bytes of a record

	buf    []byte // text that is read and not consumed: buf[at:end]
	at     int
	end    int
	err    error // of in
	offset int64 // bytes consumed
	line   int   // the last line consumed, from 1
	start  int   // the line in which the record begins

	fields [][]byte
	text   []byte // of a record with quotes
	ends   []int  // of its fields in text
}

func newRecords(in io.Reader, separator rune, limit int) *records {
	return &records{in: in, sep: []byte(string(separator)), limit: limit, buf: make([]byte, 1<<16)}
}

// quoteError is a record whose quotes are wrong. The next record begins in the next line.
type quoteError struct {
	line, start, column int // column is a byte of line, from 1
	bare                bool
}

// Error implements error.
func (e *quoteError) Error() string {
	what := "a quote that is not closed, or not followed by a separator"
	if e.bare {
		what = "a quote inside a field that is not in quotes, want it doubled and the field in quotes"
	}
	at := ""
	if e.start != e.line {
		at = fmt.Sprintf(" (the row begins in line %d)", e.start)
	}
	return fmt.Sprintf("byte %d: %s%s", e.column, what, at)
}

// problem returns the error as a problem of a row.
func (e *quoteError) problem(line int) Problem {
	return Problem{Line: line, Value: fmt.Sprintf("a quote at byte %d is not closed, or inside a value", e.column), Want: "it doubled and the value in quotes"}
}

// next returns the fields of the next record, which are valid until the next call, or
// io.EOF, a *quoteError, or errRecord. It skips empty lines.
func (r *records) next() ([][]byte, error) {
	for {
		line, err := r.nextLine()
		if err != nil {
			r.start = r.line + 1
			return nil, err
		}
		if len(line) == 0 {
			continue
		}
		r.start = r.line
		if bytes.IndexByte(line, '"') >= 0 {
			return r.quoted(line)
		}
		r.fields = r.fields[:0]
		if len(r.sep) > 1 {
			for i := bytes.Index(line, r.sep); i >= 0; i = bytes.Index(line, r.sep) {
				r.fields = append(r.fields, line[:i])
				line = line[i+len(r.sep):]
			}
			return append(r.fields, line), nil
		}
		sep, begin := r.sep[0], 0
		for i, b := range line {
			if b == sep {
				r.fields = append(r.fields, line[begin:i])
				begin = i + 1
			}
		}
		r.fields = append(r.fields, line[begin:])
		return r.fields, nil
	}
}

// quoted splits a record that begins with line and has quotes.
func (r *records) quoted(line []byte) ([][]byte, error) {
	r.text, r.ends = r.text[:0], r.ends[:0]
	whole := len(line)
	wrong := func(rest int, bare bool) error {
		return &quoteError{r.line, r.start, whole - rest + 1, bare}
	}
	for more := true; more; {
		if len(line) == 0 || line[0] != '"' {
			field := line
			i := bytes.Index(line, r.sep)
			if more = i >= 0; more {
				field, line = line[:i], line[i+len(r.sep):]
			}
			if q := bytes.IndexByte(field, '"'); q >= 0 {
				rest := len(field) - q
				if more {
					rest += len(r.sep) + len(line)
				}
				return nil, wrong(rest, true)
			}
			r.text = append(r.text, field...)
			r.ends = append(r.ends, len(r.text))
			continue
		}
		line = line[1:]
		for {
			i := bytes.IndexByte(line, '"')
			if i < 0 {
				r.text = append(append(r.text, line...), '\n')
				if len(r.text) > r.limit {
					return nil, errRecord
				}
				next, err := r.nextLine()
				if err == io.EOF {
					return nil, wrong(0, false)
				}
				if err != nil {
					return nil, err
				}
				line, whole = next, len(next)
				continue
			}
			r.text = append(r.text, line[:i]...)
			line = line[i+1:]
			if len(line) > 0 && line[0] == '"' {
				r.text = append(r.text, '"')
				line = line[1:]
				continue
			}
			break
		}
		r.ends = append(r.ends, len(r.text))
		if more = len(line) > 0; more {
			if !bytes.HasPrefix(line, r.sep) {
				return nil, wrong(len(line)+1, false)
			}
			line = line[len(r.sep):]
		}
	}
	r.fields = r.fields[:0]
	begin := 0
	for _, end := range r.ends {
		r.fields = append(r.fields, r.text[begin:end])
		begin = end
	}
	return r.fields, nil
}

// nextLine returns the next line without its end, LF or CRLF. It is valid until the next
// call.
func (r *records) nextLine() ([]byte, error) {
	for searched := r.at; ; {
		if i := bytes.IndexByte(r.buf[searched:r.end], '\n'); i >= 0 {
			return r.consume(searched+i, 1), nil
		}
		if r.err != nil {
			if r.at == r.end || r.err != io.EOF {
				return nil, r.err
			}
			return r.consume(r.end, 0), nil
		}
		if r.end-r.at > r.limit {
			return nil, errRecord
		}
		if r.at > 0 {
			r.end = copy(r.buf, r.buf[r.at:r.end])
			r.at = 0
		}
		if r.end == len(r.buf) {
			r.buf = append(r.buf, make([]byte, len(r.buf))...)
		}
		searched = r.end
		var n int
		n, r.err = r.in.Read(r.buf[r.end:])
		r.end += n
	}
}

// consume returns the line that ends before buf[end], where its line end is.
func (r *records) consume(end, lineEnd int) []byte {
	line := r.buf[r.at:end]
	r.offset += int64(len(line) + lineEnd)
	r.at = end + lineEnd
	r.line++
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line
}
