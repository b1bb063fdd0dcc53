package strategy

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Type is what a Setting holds.
type Type uint8

// The types of settings.
const (
	Whole    Type = iota + 1 // int
	Number                   // float64
	Choice                   // string
	Duration                 // time.Duration
)

// Go returns the Go type of a value.
func (t Type) Go() reflect.Type {
	switch t {
	case Whole:
		return reflect.TypeFor[int]()
	case Number:
		return reflect.TypeFor[float64]()
	case Choice:
		return reflect.TypeFor[string]()
	case Duration:
		return reflect.TypeFor[time.Duration]()
	}
	panic(fmt.Sprintf("strategy: setting type %d", t))
}

// A Setting describes one setting of a scheme. The zero of its type stands for a
// setting that is not given.
type Setting struct {
	Key  string // in task files
	Type Type
	Help string // meaning, in a few words

	Min, Max float64  // of Whole and Number; of Duration in seconds
	Above    bool     // Min itself is not allowed
	Unit     string   // what a Whole counts, in errors
	Note     string   // why the range is what it is, in errors
	Choices  []string // of Choice; the first is the default
	Required bool

	Default  any       // in place of zero; nil leaves zero
	Defaults []Default // the first whose condition holds goes before Default
	Zero     string    // what zero means where no default replaces it

	When      When   // condition on another setting, without which this one has no meaning
	InsteadOf string // key of a setting that takes the place of this one: at most one of the two is given
}

// A Default is a default under a condition.
type Default struct {
	When  When
	Value any
}

// When is a condition: the setting Key has one of Values. The zero value always
// holds.
type When struct {
	Key    string
	Values []string
}

func (w When) holds(c *Config) bool {
	if w.Key == "" {
		return true
	}
	v, _ := c.Get(w.Key)
	s, _ := v.(string)
	return slices.Contains(w.Values, s)
}

// String returns the condition as an error asks for it.
func (w When) String() string { return w.Key + ": " + either(w.Values) + " beside it" }

// problem returns what is wrong with a value that is given, or nil.
func (s Setting) problem(v any) *Problem {
	ok, shown := true, v
	switch x := v.(type) {
	case int:
		ok = s.within(float64(x))
	case float64:
		ok = s.within(x)
	case time.Duration:
		ok = s.within(x.Seconds())
	case string:
		ok, shown = slices.Contains(s.Choices, x), fmt.Sprintf("%q", x)
	}
	if ok {
		return nil
	}
	return &Problem{s.Key, shown, s.Range()}
}

// within is false for NaN.
func (s Setting) within(x float64) bool {
	return x >= s.Min && x <= s.Max && !(s.Above && x == s.Min)
}

// maxWhole is the Max of a Whole that nothing else bounds.
const maxWhole = 1 << 30

// Range says which values are allowed, and what zero means.
func (s Setting) Range() string {
	if s.Type == Choice {
		return oneOf(s.Choices)
	}
	text := s.limits() + s.Note
	if s.Zero != "" && !s.Required && (s.Type != Number || s.Min > 0) {
		text += fmt.Sprintf(" (0: %s)", s.Zero)
	}
	return text
}

// limits returns the range alone.
func (s Setting) limits() string {
	limit := func(x float64) string {
		if s.Type == Duration {
			return short(time.Duration(x * float64(time.Second)))
		}
		return strconv.FormatFloat(x, 'f', -1, 64)
	}
	var b strings.Builder
	less := "<="
	if s.Above {
		less = "<"
	}
	switch {
	case math.IsInf(s.Max, 1) || s.Type == Whole && s.Max >= maxWhole:
		fmt.Fprintf(&b, "%s %s %s", s.Key, strings.ReplaceAll(less, "<", ">"), limit(s.Min))
	default:
		fmt.Fprintf(&b, "%s %s %s <= %s", limit(s.Min), less, s.Key, limit(s.Max))
	}
	if s.Unit != "" {
		b.WriteString(" " + s.Unit)
	}
	return b.String()
}

// DefaultText says in words what stands for a setting that is not given.
func (s Setting) DefaultText() string {
	var parts []string
	add := func(value any, when When) {
		text := fmt.Sprint(value)
		if d, ok := value.(time.Duration); ok {
			text = short(d)
		}
		if when.Key != "" {
			text = strings.Join(when.Values, ", ") + ": " + text
		}
		parts = append(parts, text)
	}
	switch {
	case s.Required:
		return "required"
	case s.Type == Choice:
		return s.Choices[0]
	}
	switch {
	case s.Default != nil:
		add(s.Default, When{})
	case s.Zero != "":
		parts = append(parts, "0: "+s.Zero)
	case len(s.Defaults) == 0:
		parts = append(parts, "0")
	}
	for _, d := range s.Defaults {
		add(d.Value, d.When)
	}
	return strings.Join(parts, "; ")
}

// short writes a duration without the zeros at its end: 2m, not 2m0s.
func short(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"0s", "0m"} {
		if rest := strings.TrimSuffix(text, zero); strings.HasSuffix(rest, "m") || strings.HasSuffix(rest, "h") {
			text = rest
		}
	}
	return text
}

// fill sets the default of a setting that is not given.
func (s Setting) fill(c *Config) {
	if v, _ := c.Get(s.Key); given(v) || !s.When.holds(c) {
		return
	}
	if s.InsteadOf != "" {
		if v, _ := c.Get(s.InsteadOf); given(v) {
			return
		}
	}
	value := s.Default
	for _, d := range s.Defaults {
		if d.When.holds(c) {
			value = d.Value
			break
		}
	}
	if value != nil {
		c.Set(s.Key, value)
	}
}

// given says whether a value is one that a setting was given.
func given(v any) bool { return v != nil && !reflect.ValueOf(v).IsZero() }

func oneOf(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = fmt.Sprintf("%q", n)
	}
	return either(quoted)
}

func either(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// with returns a copy of a setting that was changed for one scheme.
func (s Setting) with(change func(*Setting)) Setting {
	change(&s)
	return s
}
