package export

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Bounds of what a decoder takes.
const (
	maxMembers = 4096 // of one object
	maxDepth   = 16   // of a value that is skipped
)

// decoder reads JSON (RFC 8259) from text, value by value, as the caller expects them.
// It keeps the first error; after it, every method returns a zero.
type decoder struct {
	what string // the text's name in errors
	text string
	at   int
	err  error
}

func newDecoder(what, text string) *decoder {
	d := &decoder{what: what, text: text}
	if !utf8.ValidString(text) {
		d.fail("is not UTF-8")
	}
	return d
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("export: %s, byte %d: %s: %w", d.what, d.at, fmt.Sprintf(format, args...), ErrFormat)
		d.at = len(d.text)
	}
}

// peek skips white space and returns the next byte, 0 at the end.
func (d *decoder) peek() byte {
	for d.at < len(d.text) {
		switch c := d.text[d.at]; c {
		case ' ', '\t', '\n', '\r':
			d.at++
		default:
			return c
		}
	}
	return 0
}

func (d *decoder) expect(c byte) bool {
	if d.peek() != c {
		d.fail("want %q", c)
		return false
	}
	d.at++
	return true
}

// end refuses text after the value.
func (d *decoder) end() error {
	if d.peek() != 0 || d.at < len(d.text) {
		d.fail("want the end")
	}
	return d.err
}

// object reads an object. member reads the value of a key; no key comes twice.
func (d *decoder) object(member func(key string)) {
	if !d.expect('{') {
		return
	}
	if d.peek() == '}' {
		d.at++
		return
	}
	var keys []string
	for {
		key := d.str()
		switch {
		case slices.Contains(keys, key):
			d.fail("key %q comes twice", key)
		case len(keys) == maxMembers:
			d.fail("more than %d members", maxMembers)
		}
		keys = append(keys, key)
		if !d.expect(':') {
			return
		}
		member(key)
		if d.err != nil || !d.more('}') {
			return
		}
	}
}

// array reads an array of at most limit elements.
func (d *decoder) array(limit int, element func(i int)) {
	if !d.expect('[') {
		return
	}
	if d.peek() == ']' {
		d.at++
		return
	}
	for i := 0; ; i++ {
		if i == limit {
			d.fail("more than %d elements", limit)
		}
		element(i)
		if d.err != nil || !d.more(']') {
			return
		}
	}
}

// more reads a comma and returns true, or the end of an object or array.
func (d *decoder) more(end byte) bool {
	switch d.peek() {
	case ',':
		d.at++
		return true
	case end:
		d.at++
	default:
		d.fail("want ',' or %q", end)
	}
	return false
}

// str reads a string.
func (d *decoder) str() string {
	if !d.expect('"') {
		return ""
	}
	begin := d.at
	for d.at < len(d.text) {
		switch c := d.text[d.at]; {
		case c == '"':
			d.at++
			return d.text[begin : d.at-1]
		case c == '\\':
			return d.escaped(begin)
		case c < ' ':
			d.fail("control character %#x in a string", c)
			return ""
		}
		d.at++
	}
	d.fail("a string is not closed")
	return ""
}

// escaped reads the rest of a string that has an escape at d.at.
func (d *decoder) escaped(begin int) string {
	var b strings.Builder
	b.WriteString(d.text[begin:d.at])
	for d.at < len(d.text) {
		c := d.text[d.at]
		d.at++
		switch {
		case c == '"':
			return b.String()
		case c < ' ':
			d.fail("control character %#x in a string", c)
			return ""
		case c != '\\':
			b.WriteByte(c)
			continue
		case d.at == len(d.text):
			continue
		}
		c = d.text[d.at]
		d.at++
		if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 {
			b.WriteByte("\"\\/\b\f\n\r\t"[i])
			continue
		}
		if c != 'u' {
			d.fail(`\%c is no escape`, c)
			return ""
		}
		r := d.hex()
		if utf16.IsSurrogate(r) { // alone it becomes U+FFFD
			if strings.HasPrefix(d.text[d.at:], `\u`) {
				at := d.at
				d.at += 2
				if pair := utf16.DecodeRune(r, d.hex()); pair != utf8.RuneError {
					r = pair
				} else if d.err == nil {
					d.at = at
				}
			}
		}
		b.WriteRune(r)
	}
	d.fail("a string is not closed")
	return ""
}

// hex reads the four digits of an escape.
func (d *decoder) hex() rune {
	if d.at+4 > len(d.text) {
		d.fail("want four hexadecimal digits")
		return 0
	}
	n, err := strconv.ParseUint(d.text[d.at:d.at+4], 16, 16)
	if err != nil {
		d.fail("want four hexadecimal digits")
		return 0
	}
	d.at += 4
	return rune(n)
}

// number reads the text of a number.
func (d *decoder) number() string {
	d.peek()
	begin := d.at
	digits := func() {
		from := d.at
		for d.at < len(d.text) && d.text[d.at] >= '0' && d.text[d.at] <= '9' {
			d.at++
		}
		if d.at == from {
			d.fail("want a number")
		}
	}
	is := func(set string) bool {
		if d.at < len(d.text) && strings.IndexByte(set, d.text[d.at]) >= 0 {
			d.at++
			return true
		}
		return false
	}
	is("-")
	if !is("0") {
		digits()
	}
	if is(".") {
		digits()
	}
	if is("eE") {
		is("+-")
		digits()
	}
	if d.err != nil {
		return "0"
	}
	return d.text[begin:d.at]
}

func (d *decoder) float() float64 { return d.parse(64) }

// float32 reads a number that float32 can hold.
func (d *decoder) float32() float32 { return float32(d.parse(32)) }

func (d *decoder) parse(bits int) float64 {
	begin := d.at
	v, err := strconv.ParseFloat(d.number(), bits)
	if err != nil {
		d.at = begin
		d.fail("want a number that float%d can hold", bits)
		return 0
	}
	return v
}

// int reads a whole number from 0 to limit.
func (d *decoder) int(limit int) int { return int(d.uint(uint64(limit))) }

func (d *decoder) uint(limit uint64) uint64 {
	begin := d.at
	n, err := strconv.ParseUint(d.number(), 10, 64)
	if d.err == nil && (err != nil || n > limit) {
		d.at = begin
		d.fail("want a whole number from 0 to %d", limit)
		return 0
	}
	return n
}

// ints reads an array of at most limit whole numbers from 0 to largest.
func (d *decoder) ints(limit, largest int) []int {
	var n []int
	d.array(limit, func(int) { n = append(n, d.int(largest)) })
	return n
}

// strs reads an array of at most limit strings.
func (d *decoder) strs(limit int) []string {
	var s []string
	d.array(limit, func(int) { s = append(s, d.str()) })
	return s
}

// oneOf reads a string that is one of names, and returns its index.
// texts reads an object of texts.
func (d *decoder) texts() map[string]string {
	texts := map[string]string{}
	d.object(func(key string) { texts[key] = d.str() })
	return texts
}

func (d *decoder) oneOf(names []string) int {
	at := d.at
	s := d.str()
	i := slices.Index(names, s)
	if i < 0 && d.err == nil {
		d.at = at
		d.fail("%q, want one of %s", s, strings.Join(names, ", "))
	}
	return max(i, 0)
}

// skip reads any value.
func (d *decoder) skip(depth int) {
	if depth > maxDepth {
		d.fail("more than %d levels", maxDepth)
		return
	}
	switch c := d.peek(); c {
	case '{':
		d.object(func(string) { d.skip(depth + 1) })
	case '[':
		d.array(math.MaxInt, func(int) { d.skip(depth + 1) })
	case '"':
		d.str()
	case 't', 'f', 'n':
		for _, word := range []string{"true", "false", "null"} {
			if strings.HasPrefix(d.text[d.at:], word) {
				d.at += len(word)
				return
			}
		}
		d.fail("want a value")
	default:
		d.number()
	}
}
