package export

import (
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"
)

// The tab does not link encoding/json, which weighs 500 KB (learn/export stays small).

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string. Bytes that are not UTF-8 become U+FFFD.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			switch {
			case c == '"' || c == '\\':
				b = append(b, '\\', c)
			case c < ' ':
				b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			default:
				b = append(b, c)
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		b = utf8.AppendRune(b, r)
		i += n
	}
	return append(b, '"')
}

func appendFloat(b []byte, x float64) []byte { return strconv.AppendFloat(b, x, 'g', -1, 64) }
func appendFloat32(b []byte, x float32) []byte {
	return strconv.AppendFloat(b, float64(x), 'g', -1, 32)
}
func appendInt(b []byte, n int) []byte { return strconv.AppendInt(b, int64(n), 10) }

// appendList appends a JSON array of n elements.
func appendList(b []byte, n int, element func(b []byte, i int) []byte) []byte {
	b = append(b, '[')
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = element(b, i)
	}
	return append(b, ']')
}

func appendStrings(b []byte, texts []string) []byte {
	return appendList(b, len(texts), func(b []byte, i int) []byte { return appendString(b, texts[i]) })
}

func appendInts(b []byte, n []int) []byte {
	return appendList(b, len(n), func(b []byte, i int) []byte { return appendInt(b, n[i]) })
}

// object appends a JSON object.
type object struct {
	b     []byte
	empty bool
}

func newObject(b []byte) *object { return &object{append(b, '{'), true} }

// key appends a key. The value is appended to b next.
func (o *object) key(name string) *object {
	if !o.empty {
		o.b = append(o.b, ',')
	}
	o.empty = false
	o.b = append(appendString(o.b, name), ':')
	return o
}

func (o *object) string(name, s string)        { o.b = appendString(o.key(name).b, s) }
func (o *object) int(name string, n int)       { o.b = appendInt(o.key(name).b, n) }
func (o *object) float(name string, x float64) { o.b = appendFloat(o.key(name).b, x) }
func (o *object) float32(name string, x float32) {
	o.b = appendFloat32(o.key(name).b, x)
}

// texts appends an object of texts in the order of their keys, unless there is none.
func (o *object) texts(name string, texts map[string]string) {
	if len(texts) == 0 {
		return
	}
	t := newObject(o.key(name).b)
	for _, key := range slices.Sorted(maps.Keys(texts)) {
		t.string(key, texts[key])
	}
	o.b = t.end()
}

func (o *object) end() []byte { return append(o.b, '}') }
