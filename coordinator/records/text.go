package records

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"
	"time"
)

// text writes a value so that it is read back as the same; "" is none.
func text(value any) string {
	switch v := value.(type) {
	case uint64:
		return strconv.FormatUint(v, 10)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		b, err := json.Marshal(v)
		if err != nil {
			panic(err) // only finite numbers are values
		}
		return string(b)
	case time.Time:
		return timeText(v)
	case string:
		return v
	}
	return ""
}

// csvEncoder writes CSV with a header. Times are RFC 3339, and what has no value is empty.
type csvEncoder struct {
	w     *csv.Writer
	cells []string
}

func newCSV(w io.Writer, names []string) (*csvEncoder, error) {
	e := &csvEncoder{csv.NewWriter(w), make([]string, len(names))}
	return e, e.write(names)
}

func (e *csvEncoder) row(values []any) error {
	for i, v := range values {
		e.cells[i] = text(v)
	}
	return e.write(e.cells)
}

func (e *csvEncoder) write(cells []string) error {
	e.w.Write(cells)
	e.w.Flush() // into the buffer behind it
	return e.w.Error()
}

// lineEncoder writes a JSON object in a line for each row. What has no value is null.
type lineEncoder struct {
	w    io.Writer
	keys []string // with their quotes and colons
	line []byte
}

func newLines(w io.Writer, names []string) *lineEncoder {
	e := &lineEncoder{w: w}
	for _, name := range names {
		e.keys = append(e.keys, strconv.Quote(name)+":")
	}
	return e
}

func (e *lineEncoder) row(values []any) error {
	e.line = append(e.line[:0], '{')
	for i, v := range values {
		if t, ok := v.(time.Time); ok {
			v = timeText(t)
		}
		b, err := json.Marshal(v)
		if err != nil {
			return err
		}
		if i > 0 {
			e.line = append(e.line, ',')
		}
		e.line = append(append(e.line, e.keys[i]...), b...)
	}
	_, err := e.w.Write(append(e.line, '}', '\n'))
	return err
}
