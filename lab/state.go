package lab

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// State is the settings and the points of a page. A page is drawn from it alone.
type State struct {
	settings []Setting
	groups   []Group
	values   map[string]float64
	moved    map[string][]Point // by group; a group without a moved point is absent
}

func newState(settings []Setting, groups []Group) *State {
	s := &State{settings: settings, groups: groups}
	s.reset()
	return s
}

// reset sets everything to what it is at first.
func (s *State) reset() {
	s.values, s.moved = map[string]float64{}, map[string][]Point{}
	for _, of := range s.settings {
		s.values[of.Name] = of.Default
	}
}

// Value returns the value of a setting.
func (s *State) Value(name string) float64 { return s.values[name] }

// Int returns the value of a setting of whole numbers.
func (s *State) Int(name string) int { return int(s.values[name]) }

// seed returns the value of a seed.
func (s *State) seed(name string) uint64 { return uint64(s.values[name]) }

// Points returns where the points of a group are. They must not be changed.
func (s *State) Points(name string) []Point {
	if moved, ok := s.moved[name]; ok {
		return moved
	}
	for i := range s.groups {
		if g := &s.groups[i]; g.Name == name {
			all := g.Begin(s)
			for k, p := range all {
				all[k] = g.rounded(p)
			}
			return all
		}
	}
	return nil
}

func (s *State) setting(name string) *Setting {
	for i := range s.settings {
		if s.settings[i].Name == name {
			return &s.settings[i]
		}
	}
	return nil
}

func (s *State) group(name string) *Group {
	for i := range s.groups {
		if s.groups[i].Name == name {
			return &s.groups[i]
		}
	}
	return nil
}

// most returns the largest value that a setting of several can have now.
func (s *State) most(of *Setting) float64 {
	if of.Most != nil {
		return of.Most(s)
	}
	return of.Values[len(of.Values)-1]
}

// set sets a setting, and reports whether it can have that value. Others that do not allow
// what they were any more are lowered; points that follow from the setting are where it puts
// them.
func (s *State) set(name string, v float64) bool {
	of, v := s.setting(name), v+0 // no negative zero
	if of == nil || !of.allows(v) || of.Most != nil && v > of.Most(s) {
		return false
	}
	if s.values[name] == v {
		return true
	}
	s.values[name] = v
	for _, other := range s.settings {
		if other.Most != nil {
			s.values[other.Name] = min(s.values[other.Name], other.Most(s))
		}
	}
	for _, g := range s.groups {
		if slices.Contains(g.From, name) {
			delete(s.moved, g.Name)
		}
	}
	return true
}

// move moves a point of a group.
func (s *State) move(group string, index int, to Point) {
	g := s.group(group)
	if g == nil {
		return
	}
	points := append([]Point(nil), s.Points(group)...)
	if index < 0 || index >= len(points) {
		return
	}
	points[index] = g.rounded(to)
	s.moved[group] = points
}

// Query writes the state as an address has it: every setting, and the points that were moved.
func (s *State) Query() string {
	var parts []string
	for _, of := range s.settings {
		parts = append(parts, of.Name+"="+write(s.values[of.Name]))
	}
	for _, g := range s.groups {
		points, ok := s.moved[g.Name]
		if !ok {
			continue
		}
		pairs := make([]string, len(points))
		for i, p := range points {
			pairs[i] = write(p.X) + "," + write(p.Y)
		}
		parts = append(parts, g.Name+"="+strings.Join(pairs, "_"))
	}
	return strings.Join(parts, "&")
}

// read takes in an address's query, without its question mark. It reports whether everything
// in it was possible; what was not is left as it is at first. Keys that are no setting's
// are ignored.
func (s *State) read(query string) bool {
	s.reset()
	given := map[string]string{}
	whole := true
	for part := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		if _, twice := given[name]; !twice {
			given[name] = unescape(value)
		}
	}
	// In the order of the settings: one may bound those after it.
	for _, of := range s.settings {
		if text, ok := given[of.Name]; ok {
			v, err := strconv.ParseFloat(text, 64)
			whole = err == nil && s.set(of.Name, v) && whole
		}
	}
	for _, g := range s.groups {
		if text, ok := given[g.Name]; ok {
			points, good := g.read(text, len(g.Begin(s)))
			if good {
				s.moved[g.Name] = points
			}
			whole = whole && good
		}
	}
	return whole
}

// read reads the points of a group.
func (g *Group) read(text string, want int) ([]Point, bool) {
	pairs := strings.Split(text, "_")
	if len(pairs) != want {
		return nil, false
	}
	points := make([]Point, len(pairs))
	for i, pair := range pairs {
		x, y, _ := strings.Cut(pair, ",")
		var p Point
		var errX, errY error
		p.X, errX = strconv.ParseFloat(x, 64)
		p.Y, errY = strconv.ParseFloat(y, 64)
		if errX != nil || errY != nil || math.IsNaN(p.X) || math.IsNaN(p.Y) || g.rounded(p) != p {
			return nil, false
		}
		points[i] = p
	}
	return points, true
}

// unescape undoes percent-encoding, which some programs do to addresses that they pass on.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if v, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(v))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
