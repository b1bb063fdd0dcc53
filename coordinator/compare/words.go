package compare

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// write writes a figure with the digits that people read.
func write(u unit, x float64) string {
	switch {
	case math.IsNaN(x):
		return "–"
	case u == percent:
		return strconv.FormatFloat(100*x, 'f', 2, 64) + "%"
	case u == size:
		for _, of := range []struct {
			by   float64
			name string
		}{{1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}} {
			if math.Abs(x) >= of.by {
				return digits(x/of.by) + " " + of.name
			}
		}
		return digits(x) + " B"
	case u == seconds:
		switch {
		case x >= 7200:
			return digits(x/3600) + " h"
		case x >= 120:
			return digits(x/60) + " min"
		}
		return digits(x) + " s"
	}
	return digits(x)
}

// digits writes a number with four digits that count, and whole numbers in full.
func digits(x float64) string {
	if x == math.Trunc(x) && math.Abs(x) < 1e9 {
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
	text := strconv.FormatFloat(x, 'g', 4, 64)
	if strings.Contains(text, "e") {
		if n := math.Abs(x); n >= 1e-4 && n < 1e9 {
			return strconv.FormatFloat(x, 'f', -1, 64)[:6]
		}
		return text
	}
	return text
}

// cell writes a spread for a table.
func (s Spread) cell(u unit) string {
	text := write(u, s.Mean)
	if s.Seeds > 1 && s.Deviation > 0 {
		text += " ± " + strings.TrimSuffix(write(u, s.Deviation), "%")
	}
	if s.Lacking > 0 && s.Seeds > 0 {
		text += fmt.Sprintf(" (%d of %d seeds)", s.Seeds, s.Seeds+s.Lacking)
	}
	return text
}
