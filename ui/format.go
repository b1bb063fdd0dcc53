package ui

import (
	"math"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// How numbers, sizes and times are written.

// sentence gives words from elsewhere a capital letter.
func sentence(words string) string {
	if words == "" {
		return ""
	}
	first, n := utf8.DecodeRuneInString(words)
	return string(unicode.ToUpper(first)) + words[n:]
}

// count writes n with commas between thousands.
func count(n int) string {
	s := strconv.Itoa(n)
	sign := ""
	if n < 0 {
		sign, s = "−", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return count(n) + " " + noun + "s"
}

// percent writes a share of one in hundredths. It rounds down, so that nothing
// is shown as reached before it is.
func percent(share float64, decimals int) string {
	if math.IsNaN(share) {
		return dash
	}
	scale := math.Pow(10, float64(decimals))
	// The small addition undoes the error of the product: 0.29 * 100 is
	// 28.999999999999996.
	v := math.Floor(share*100*scale+1e-6) / scale
	return strconv.FormatFloat(v, 'f', decimals, 64) + "%"
}

func (f Figure) percent() string {
	if !f.Known {
		return dash
	}
	return percent(f.Value, 2)
}

func (f Figure) loss() string {
	if !f.Known || math.IsNaN(f.Value) || math.IsInf(f.Value, 0) {
		return dash
	}
	return strconv.FormatFloat(f.Value, 'f', 4, 64)
}

// raw writes the number exactly, for tests and scripts; empty if unknown.
func (f Figure) raw() string {
	if !f.Known {
		return ""
	}
	return exact(f.Value)
}

func exact[N int64 | float64](v N) string { return strconv.FormatFloat(float64(v), 'f', -1, 64) }

func short(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }

// size writes a number of bytes in decimal units, with three digits.
func size[N int | int64 | float64](n N) string {
	bytes := float64(n)
	units := []string{"B", "kB", "MB", "GB", "TB"}
	i := 0
	for bytes >= 999.5 && i < len(units)-1 {
		bytes /= 1000
		i++
	}
	decimals := 0
	if i > 0 && bytes < 99.95 {
		decimals = 1
		if bytes < 9.995 {
			decimals = 2
		}
	}
	return strconv.FormatFloat(bytes, 'f', decimals, 64) + " " + units[i]
}

// perSecond writes a rate of samples.
func perSecond(rate float64) string {
	if rate <= 0 {
		return dash
	}
	return count(int(math.Round(rate))) + "/s"
}

func seconds(s float64) string {
	switch {
	case s < 10:
		return strconv.FormatFloat(s, 'f', 1, 64) + " s"
	case s < 120:
		return strconv.FormatFloat(s, 'f', 0, 64) + " s"
	}
	m := int(math.Round(s / 60))
	return count(m) + " min"
}

// amount writes a number of any unit: in a few digits, a large one as a whole number.
func (f Figure) amount() string {
	if v := math.Abs(f.Value); f.Known && v >= 1000 && v < 1e15 {
		return count(int(math.Round(f.Value)))
	}
	return f.short()
}

// short writes a number in a few digits.
func (f Figure) short() string {
	if !f.Known {
		return dash
	}
	return short(f.Value)
}

func (f Figure) three() string {
	if !f.Known {
		return dash
	}
	return three(f.Value)
}

// three writes a positive number with three digits, of which at most three are
// decimals.
func three(v float64) string {
	switch {
	case v >= 99.95:
		return count(int(math.Round(v)))
	case v >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case v >= .9995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}
