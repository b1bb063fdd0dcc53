package figure

import (
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot/vg"
)

// extent is the range of the values it has seen.
type extent struct {
	min, max float64
	n        int
	whole    bool // all are integers
}

func (e *extent) add(v float64) {
	if e.n == 0 {
		e.min, e.max, e.whole = v, v, true
	}
	e.n++
	e.min, e.max = min(e.min, v), max(e.max, v)
	e.whole = e.whole && v == math.Trunc(v)
}

// axis places the values from min to max.
type axis struct {
	min, max float64
	log      bool
	whole    bool // no tick lies between integers
	ticks    []tick
}

// tick is a value with a label.
type tick struct {
	value float64
	label string
}

// newAxis returns the axis of the values in e, with a margin of pad times its range at
// ends without a limit. A margin does not cross zero.
func newAxis(e extent, log bool, from, to *float64, pad float64) axis {
	lo, hi := e.min, e.max
	if log {
		lo, hi = math.Log10(lo), math.Log10(hi)
	}
	limit := func(v *float64) float64 {
		if log {
			return math.Log10(*v)
		}
		return *v
	}
	if from != nil {
		lo = limit(from)
	}
	if to != nil {
		hi = limit(to)
	}
	// One value, or a range that float64 cannot divide.
	if tiny := max(1e-9*max(math.Abs(lo), math.Abs(hi)), 1e-100); hi-lo < tiny {
		d := 0.1 * math.Abs(lo)
		if log || d < 1e-90 {
			d = 0.5
		}
		if e.whole && !log {
			d = max(d, 1)
		}
		switch {
		case from != nil:
			hi = lo + d
		case to != nil:
			lo = hi - d
		default:
			lo, hi = lo-d, hi+d
		}
	} else if d := pad * (hi - lo); !log {
		if from == nil {
			lo = margin(lo, -d)
		}
		if to == nil {
			hi = margin(hi, d)
		}
	} else {
		if from == nil {
			lo -= d
		}
		if to == nil {
			hi += d
		}
	}
	if log {
		lo, hi = math.Pow(10, lo), math.Pow(10, hi)
	}
	return axis{min: lo, max: hi, log: log, whole: e.whole}
}

// margin returns v+d, or zero if that lies between.
func margin(v, d float64) float64 {
	if v != 0 && (v+d)*math.Copysign(1, v) < 0 || v == 0 {
		return 0
	}
	return v + d
}

// at returns the place of v, 0 at min and 1 at max. What a log axis cannot show lies below
// its start.
func (a axis) at(v float64) float64 {
	if !a.log {
		return (v - a.min) / (a.max - a.min)
	}
	if v <= 0 {
		return -1
	}
	return math.Log(v/a.min) / math.Log(a.max/a.min)
}

// holds reports whether v lies between the ends, but for rounding.
func (a axis) holds(v float64) bool {
	t := a.at(v)
	return t > -1e-9 && t < 1+1e-9
}

// divide sets as many ticks as there is room for, at most n. Their labels must leave gaps:
// room returns how long a label is along an axis of the given length.
func (a *axis) divide(n int, length vg.Length, room func(label string) vg.Length) {
	for ; n >= 1; n-- {
		a.ticks = a.ticksOf(n)
		end, fits := vg.Length(math.Inf(-1)), true
		for _, t := range a.ticks {
			at, r := vg.Length(a.at(t.value))*length, room(t.label)
			fits = fits && at-r/2 > end
			end = at + r/2
		}
		if fits {
			return
		}
	}
}

// ticksOf returns about n ticks at round values, ascending.
func (a axis) ticksOf(n int) []tick {
	if !a.log {
		return a.linear(n)
	}
	first := int(math.Ceil(math.Log10(a.min) - 1e-9))
	last := int(math.Floor(math.Log10(a.max) + 1e-9))
	if last-first < 2 {
		var some []tick
		for e := first - 1; e <= last; e++ {
			for _, m := range []float64{1, 2, 5} {
				if v := m * math.Pow(10, float64(e)); a.holds(v) {
					some = append(some, tick{v, format(v, -1)})
				}
			}
		}
		if len(some) < 3 {
			some = a.linear(n)
		}
		if len(some) <= n || last <= first {
			return some
		}
	}
	var some []tick
	step := max((last-first+n)/max(n, 1), 1)
	for e := first; e <= last; e += step {
		v := math.Pow(10, float64(e))
		some = append(some, tick{v, format(v, -1)})
	}
	return some
}

func (a axis) linear(n int) []tick {
	raw := (a.max - a.min) / float64(n)
	power := math.Floor(math.Log10(raw))
	step := math.Pow(10, power)
	for _, m := range []float64{1, 2, 5, 10} {
		if m*step >= raw*(1-1e-9) {
			step *= m
			if m == 10 {
				power++
			}
			break
		}
	}
	if a.whole && step < 1 {
		step, power = 1, 0
	}
	var some []tick
	for k := math.Ceil(a.min/step - 1e-9); k <= math.Floor(a.max/step+1e-9); k++ {
		v := k * step
		some = append(some, tick{v, format(v, int(max(0, -power)))})
	}
	return some
}

// format writes v with that many decimals, or with as many as it has if negative. Very
// large and very small values are written as powers of ten.
func format(v float64, decimals int) string {
	if a := math.Abs(v); v != 0 && (a >= 1e10 || a < 1e-5) || decimals > 8 {
		mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(v, 'e', -1, 64), "e")
		if len(mantissa) > 5 {
			mantissa, exponent, _ = strings.Cut(strconv.FormatFloat(v, 'e', 3, 64), "e")
		}
		e, _ := strconv.Atoi(exponent)
		if mantissa == "0" || strings.Trim(mantissa, "0.") == "" {
			return "0"
		}
		power := "10^" + strconv.Itoa(e)
		if mantissa == "1" {
			return minus(power)
		}
		return minus(mantissa + "×" + power)
	}
	s := strconv.FormatFloat(v, 'f', decimals, 64)
	if strings.Trim(s, "-0.") == "" {
		s = strings.TrimPrefix(s, "-")
	}
	whole, part, dot := strings.Cut(s, ".")
	digits := strings.TrimPrefix(whole, "-")
	if len(digits) > 3 {
		for i := len(digits) - 3; i > 0; i -= 3 {
			digits = digits[:i] + "," + digits[i:]
		}
	}
	if strings.HasPrefix(whole, "-") {
		digits = "-" + digits
	}
	if dot {
		digits += "." + part
	}
	return minus(digits)
}

// minus writes minus signs as such; a hyphen is easily overlooked.
func minus(s string) string { return strings.ReplaceAll(s, "-", "−") }

// decimals returns how many decimals three digits of the largest value need.
func decimals(e extent) int {
	if e.whole {
		return 0
	}
	largest := max(math.Abs(e.min), math.Abs(e.max))
	if largest == 0 {
		return 0
	}
	return min(max(2-int(math.Floor(math.Log10(largest))), 0), 6)
}
