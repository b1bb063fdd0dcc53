package words

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Dash stands where a number is not known.
const Dash = "–"

// sign returns a text of the language's numbers: its decimal sign, for instance.
func (l *Language) sign(key string) string {
	text, _ := l.text(key)
	return text
}

// decimal writes a number that strconv has written as the language does.
func (l *Language) decimal(s string) string {
	return strings.Replace(s, ".", l.sign("number.decimal"), 1)
}

// Known writes a figure, or a dash for nil: one that is not known.
func Known(x *float64, write func(float64) string) string {
	if x == nil {
		return Dash
	}
	return write(*x)
}

// Count writes n with signs between thousands.
func (l *Language) Count(n int) string {
	s := strconv.Itoa(n)
	minus := ""
	if n < 0 {
		minus, s = "−", s[1:]
	}
	if len(s) > 3 {
		group := l.sign("number.group")
		for i := len(s) - 3; i > 0; i -= 3 {
			s = s[:i] + group + s[i:]
		}
	}
	return minus + s
}

// Percent writes a share of one in hundredths. It rounds down, so that nothing is shown
// as reached before it is. NaN is a dash.
func (l *Language) Percent(share float64, decimals int) string {
	if math.IsNaN(share) {
		return Dash
	}
	scale := math.Pow(10, float64(decimals))
	// The small addition undoes the error of the product: 0.29 * 100 is
	// 28.999999999999996.
	v := math.Floor(share*100*scale+1e-6) / scale
	return l.percent(strconv.FormatFloat(v, 'f', decimals, 64))
}

// Share writes a share of one in hundredths, with all its digits.
func (l *Language) Share(share float64) string {
	return l.percent(strconv.FormatFloat(math.Round(share*1e8)/1e6, 'f', -1, 64))
}

func (l *Language) percent(s string) string {
	return l.fill(l.sign("number.percent"), []any{l.decimal(s)})
}

// Loss writes a loss with four decimals. NaN and infinities are a dash.
func (l *Language) Loss(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return Dash
	}
	return l.decimal(strconv.FormatFloat(v, 'f', 4, 64))
}

// Short writes a number with at most four digits.
func (l *Language) Short(v float64) string {
	return l.decimal(strconv.FormatFloat(v, 'g', 4, 64))
}

// Exact writes all digits of a number, in the shortest way.
func (l *Language) Exact(v float64) string {
	return l.decimal(strconv.FormatFloat(v, 'g', -1, 64))
}

// Amount writes a number of any unit: with a few digits, a large one as a whole number.
func (l *Language) Amount(v float64) string {
	if a := math.Abs(v); a >= 1000 && a < 1e15 {
		return l.Count(int(math.Round(v)))
	}
	return l.Short(v)
}

// Three writes a positive number with three digits, of which at most three are
// decimals.
func (l *Language) Three(v float64) string {
	decimals := 3
	switch {
	case v >= 99.95:
		return l.Count(int(math.Round(v)))
	case v >= 9.995:
		decimals = 1
	case v >= .9995:
		decimals = 2
	}
	return l.decimal(strconv.FormatFloat(v, 'f', decimals, 64))
}

// Size writes a number of bytes in decimal units, with three digits.
func (l *Language) Size(bytes int64) string {
	v := float64(bytes)
	units := []string{"B", "kB", "MB", "GB", "TB"}
	i := 0
	for v >= 999.5 && i < len(units)-1 {
		v /= 1000
		i++
	}
	decimals := 0
	if i > 0 && v < 99.95 {
		decimals = 1
		if v < 9.995 {
			decimals = 2
		}
	}
	return l.decimal(strconv.FormatFloat(v, 'f', decimals, 64)) + " " + units[i]
}

// PerSecond writes a rate. Without one it is a dash.
func (l *Language) PerSecond(rate float64) string {
	if rate <= 0 {
		return Dash
	}
	return l.Count(int(math.Round(rate))) + "/s"
}

// Duration writes a time in seconds: as "1.5 s", "42 s" or "3 min".
func (l *Language) Duration(seconds float64) string {
	switch {
	case seconds < 10:
		return l.decimal(strconv.FormatFloat(seconds, 'f', 1, 64)) + " s"
	case seconds < 120:
		return strconv.FormatFloat(seconds, 'f', 0, 64) + " s"
	}
	return l.Count(int(math.Round(seconds/60))) + " min"
}

// Clock writes the time of day, where the reader is.
func (l *Language) Clock(t time.Time) string { return t.Local().Format("15:04:05") }

// Date writes a day: "4 March 2026".
func (l *Language) Date(t time.Time) string {
	t = t.Local()
	month := strings.Fields(l.sign("date.months"))[t.Month()-1]
	return l.fill(l.sign("date.day"), []any{strconv.Itoa(t.Day()), month, strconv.Itoa(t.Year())})
}

// And joins names: "a, b and c".
func (l *Language) And(names []string) string { return l.list(names, "list.and") }

// Or joins names: "a, b or c".
func (l *Language) Or(names []string) string { return l.list(names, "list.or") }

func (l *Language) list(names []string, key string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " " + l.sign(key) + " " + names[last]
}
