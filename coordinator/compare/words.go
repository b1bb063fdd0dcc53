package compare

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// scaleFor returns in which unit a figure is read, by what it is multiplied for it, and the
// unit's name.
func scaleFor(u unit, x float64) (by float64, name string) {
	switch {
	case u == percent:
		return 100, "%"
	case u == size:
		for _, of := range []struct {
			by   float64
			name string
		}{{1e-9, " GB"}, {1e-6, " MB"}, {1e-3, " kB"}} {
			if math.Abs(x)*of.by >= 1 {
				return of.by, of.name
			}
		}
		return 1, " B"
	case u == seconds && x >= 7200:
		return 1. / 3600, " h"
	case u == seconds && x >= 120:
		return 1. / 60, " min"
	case u == seconds:
		return 1, " s"
	}
	return 1, ""
}

// digits writes a number with four digits that count, and at least its whole part.
func digits(x float64) string {
	size := math.Abs(x)
	switch {
	case math.IsNaN(x):
		return "–"
	case size >= 1e9 || size > 0 && size < 1e-4:
		return strconv.FormatFloat(x, 'g', 3, 64)
	case x == math.Trunc(x) || size >= 1000:
		return grouped(strconv.FormatFloat(x, 'f', 0, 64))
	}
	return decimals(x, 3-int(math.Floor(math.Log10(size))))
}

func decimals(x float64, n int) string { return strconv.FormatFloat(x, 'f', max(n, 0), 64) }

// grouped puts commas between groups of three digits.
func grouped(text string) string {
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// cell writes a spread for a table: the mean, and the deviation with as many decimals.
func (s Spread) cell(u unit) string {
	if math.IsNaN(s.Mean) {
		return "–"
	}
	by, name := scaleFor(u, s.Mean)
	text := digits(s.Mean * by)
	if s.Seeds > 1 && s.Deviation > 0 {
		n := 0
		if point := strings.Index(text, "."); point >= 0 && !strings.Contains(text, "e") {
			n = len(text) - point - 1
			text += " ± " + decimals(s.Deviation*by, n)
		} else {
			text += " ± " + digits(s.Deviation*by)
		}
	}
	text += name
	if s.Lacking > 0 {
		text += fmt.Sprintf(" (%d of %d seeds)", s.Seeds, s.Seeds+s.Lacking)
	}
	return text
}
