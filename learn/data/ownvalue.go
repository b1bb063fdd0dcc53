package data

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"unicode"
)

// ownText is a text in a column of categories.
type ownText struct {
	text  string
	value float64 // index of the value, NaN if missing
	want  string  // if it is no value
	n     int     // rows
}

// number reads a number, NaN for a missing one.
func (o *ownReader) number(f *ownField, text []byte) (v float64, want string) {
	if o.asks && bytes.ContainsAny(text, ".,") {
		o.ask(string(text), f.column)
	}
	v, ok := shortNumber(text, byte(o.Decimal))
	if !ok {
		s := string(text)
		switch v, ok = parseNumber(s, o.Decimal); {
		case ok:
		case missing(s) && f.Missing != "":
			f.missing++
			return math.NaN(), ""
		case missing(s):
			return 0, "a value"
		default:
			return 0, f.wants() + o.hint(s)
		}
	}
	if v < f.lo || v > f.hi {
		if math.Abs(v) > math.MaxFloat32 {
			return 0, "a number of at most 3.4e38"
		}
		return 0, f.wants()
	}
	return v, ""
}

// ask notes what a number says about the decimal sign, which the first rows have not
// shown. As long as no number depended on it, it can still become a comma.
func (o *ownReader) ask(s string, column int) {
	o.signs.add(s, o.line, column)
	if o.signs.either == "" {
		o.Decimal = o.signs.decimal()
	}
	o.asks = !o.signs.settled()
}

// hint says what a text is that is no number.
func (o *ownReader) hint(s string) string {
	other, sign := ',', "point"
	if o.Decimal == ',' {
		other, sign = '.', "comma"
	}
	if _, ok := parseNumber(s, other); ok {
		return " with a decimal " + sign
	}
	if date(s) {
		return " (it is a date: write a year or a number of days)"
	}
	if cut := strings.TrimRightFunc(s, func(r rune) bool { return !unicode.IsDigit(r) }); cut != s {
		if _, ok := parseNumber(cut, o.Decimal); ok {
			return " without a unit"
		}
	}
	return ""
}

// shortNumber reads the numbers that most files have: at most 15 digits with at most one
// decimal sign. The quotient of two numbers that binary64 has exactly is the nearest one
// (Clinger 1990), so that the result is that of parseNumber.
func shortNumber(b []byte, decimal byte) (float64, bool) {
	const digits = 15
	i, negative := 0, false
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		negative = b[0] == '-'
		i = 1
	}
	if n := len(b) - i; n == 0 || n > digits+1 {
		return 0, false
	}
	var m uint64
	point := -1
	for k := i; k < len(b); k++ {
		c := b[k] - '0'
		if c <= 9 {
			m = m*10 + uint64(c)
		} else if b[k] == decimal && point < 0 {
			point = k
		} else {
			return 0, false
		}
	}
	n := len(b) - i
	v := float64(m)
	if point >= 0 {
		n--
		v /= powers[len(b)-point-1]
	}
	if n == 0 || n > digits {
		return 0, false
	}
	if negative {
		v = -v
	}
	return v, true
}

var powers = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// category reads a value of a category, NaN for a missing one.
func (f *ownField) category(text []byte) (v float64, want string) {
	t := f.texts[string(text)]
	if t == nil {
		t = f.text(string(text))
		if len(f.texts) < maxTexts {
			f.texts[t.text] = t
			f.order = append(f.order, t)
		}
	}
	if t.n++; t.want == "" && math.IsNaN(t.value) {
		f.missing++
	}
	return t.value, t.want
}

// text reads a text of a category.
func (f *ownField) text(s string) *ownText {
	t := &ownText{text: s}
	k := -1
	if to, ok := f.chosen[s]; ok {
		k = slices.Index(f.Values, to)
	} else {
		k = indexOf(s, f.Values, f.Aliases)
	}
	switch {
	case k >= 0:
		t.value = float64(k)
	case missing(s) && f.Missing != "":
		t.value = math.NaN()
	case missing(s):
		t.want = "a value"
	default:
		t.want = f.wants()
	}
	return t
}
