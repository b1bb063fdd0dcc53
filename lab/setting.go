package lab

import (
	"math"
	"slices"
	"strconv"

	"fedtab/words"
)

// Kind is how a setting is set.
type Kind int

// The kinds.
const (
	Slider Kind = iota // along its values
	Choice             // one of a few values
	Seed               // a whole number from 1 to maxSeed
	Speed              // a choice that changes nothing but how fast steps are taken
	Step               // a slider that is moved by playing, too
)

// maxSeed bounds seeds, so that they are short in an address.
const maxSeed = 9999

// Setting is something that a person can set.
type Setting struct {
	Name    string // in the address
	Label   string // key of its text
	Kind    Kind
	Values  []float64 // what it may be, ascending; nil: of a seed
	Default float64

	// Say writes a value; nil writes the number.
	Say func(l *words.Language, v float64) string
	// Most is the largest value that other settings allow; nil: all are allowed.
	Most func(*State) float64
}

// Words writes a value.
func (s *Setting) Words(l *words.Language, v float64) string {
	if s.Say != nil {
		return s.Say(l, v)
	}
	return l.Exact(v)
}

// allows reports whether the setting can have a value, whatever other settings are.
func (s *Setting) allows(v float64) bool {
	if s.Kind == Seed {
		return v >= 1 && v <= maxSeed && v == math.Trunc(v)
	}
	return slices.Contains(s.Values, v)
}

// write writes a value as an address has it.
func write(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// upTo returns the whole numbers from 0 to n.
func upTo(n int) []float64 {
	all := make([]float64, n+1)
	for i := range all {
		all[i] = float64(i)
	}
	return all
}

// Point is a place in a figure.
type Point struct{ X, Y float64 }

// Group is points of a figure that a person can move.
type Group struct {
	Name      string // in the address
	Label     string // key of a point's name, whose argument is its number
	Low, High Point  // where they may be
	Begin     func(*State) []Point
	From      []string // settings that Begin looks at: a change of one puts the points there again
}

// rounded returns a place that an address can hold: in the group's bounds, to two decimals.
func (g *Group) rounded(p Point) Point {
	of := func(v, low, high float64) float64 {
		if !(v >= low) { // NaN too
			v = low
		}
		return math.Round(min(v, high)*100) / 100
	}
	return Point{of(p.X, g.Low.X, g.High.X), of(p.Y, g.Low.Y, g.High.Y)}
}
