package lab

import (
	"slices"
	"strconv"

	"fedtab/words"
)

// page is what a page computes and draws.
type page interface {
	// follow takes in that the state has changed. It must be quick.
	follow(*State)
	// work computes for some milliseconds what follow has left, and reports whether there
	// is more.
	work() bool
	// draw writes what the page shows.
	draw(*State, *View)
}

// saver is a page with files that a person can save.
type saver interface {
	// save returns the file of an action; nil: there is none.
	save(action string) *File
}

// File is a text to save.
type File struct{ Name, Text string }

// Machine is a page with its state.
type Machine struct {
	sheet  *Sheet
	state  *State
	page   page
	broken bool // the address was not possible
	file   *File
}

// Open shows a page as an address's query has it.
func (s *Sheet) Open(query string) *Machine {
	m := &Machine{sheet: s, state: newState(s.settings, s.groups), page: s.begin()}
	m.broken = !m.state.read(query)
	m.page.follow(m.state)
	return m
}

// Set sets a setting from what its field says. What is not possible changes nothing.
func (m *Machine) Set(name, text string) {
	of := m.state.setting(name)
	v, err := strconv.ParseFloat(text, 64)
	if of == nil || err != nil {
		return
	}
	if of.Kind == Slider || of.Kind == Step {
		i := int(v)
		if i < 0 || i >= len(of.Values) {
			return
		}
		v = of.Values[i]
	}
	m.change(func() { m.state.set(name, v) })
}

// Move moves a point of a group to a place.
func (m *Machine) Move(group string, index int, x, y float64) {
	m.change(func() { m.state.move(group, index, Point{x, y}) })
}

// Nudge moves a point by a distance.
func (m *Machine) Nudge(group string, index int, dx, dy float64) {
	if points := m.state.Points(group); index >= 0 && index < len(points) {
		m.Move(group, index, points[index].X+dx, points[index].Y+dy)
	}
}

// Press does what a button is for.
func (m *Machine) Press(action string) {
	switch action {
	case NewSeed:
		m.change(func() { m.state.set("seed", float64(m.state.Int("seed")%maxSeed+1)) })
	case Reset:
		m.change(m.state.reset)
	case SaveTask, SaveRecords:
		if p, ok := m.page.(saver); ok {
			m.file = p.save(action)
		}
	}
}

// TakeFile returns the file that was asked for since the last call; nil: there is none.
func (m *Machine) TakeFile() *File {
	f := m.file
	m.file = nil
	return f
}

func (m *Machine) change(f func()) {
	f()
	m.broken = false
	m.page.follow(m.state)
}

// Step takes steps, as far as there are so many, and reports whether there are more.
func (m *Machine) Step(n int) (more bool) {
	of := m.state.setting("step")
	if of == nil {
		return false
	}
	at := min(m.state.Value("step")+float64(n), m.state.most(of))
	m.change(func() { m.state.set("step", at) })
	return m.Unfinished()
}

// Unfinished reports whether there are steps to take.
func (m *Machine) Unfinished() bool {
	of := m.state.setting("step")
	return of != nil && m.state.Value("step") < m.state.most(of)
}

// Rewind goes back to the first step.
func (m *Machine) Rewind() { m.change(func() { m.state.set("step", 0) }) }

// Speed is how many steps are taken in a second when they are played.
func (m *Machine) Speed() float64 { return m.state.Value("speed") }

// Work computes for some milliseconds what takes long, and reports whether there is more.
func (m *Machine) Work() bool { return m.page.work() }

// Query is the state as an address has it.
func (m *Machine) Query() string { return m.state.Query() }

// View is what a page shows.
type View struct {
	Figures []Drawing
	Texts   []Text
	Fields  []Field
	Off     []string // actions of buttons that do nothing now
	Broken  bool     // the address was not possible: the page shows what it does at first

	l *words.Language
}

// Drawing is what a figure shows: SVG below everything else, which seldom changes, and above.
type Drawing struct {
	Name        string
	Frame       Frame
	Back, Front string
}

// Text is what a reading says.
type Text struct{ Name, Text string }

// Field is how a setting stands.
type Field struct {
	Name  string
	Value string // of its element
	Most  string // largest value of its element; empty: it has none
	Text  string // the value as people write it
}

// Draw returns what the page shows, in a language.
func (m *Machine) Draw(l *words.Language) *View {
	v := &View{Broken: m.broken, l: l}
	for i := range m.sheet.settings {
		v.Fields = append(v.Fields, m.field(l, &m.sheet.settings[i]))
	}
	m.page.draw(m.state, v)
	return v
}

// field returns how a setting stands.
func (m *Machine) field(l *words.Language, of *Setting) Field {
	value := m.state.Value(of.Name)
	f := Field{Name: of.Name, Value: write(value), Text: of.Words(l, value)}
	if of.Kind == Slider || of.Kind == Step {
		f.Value = strconv.Itoa(slices.Index(of.Values, value))
		last := len(of.Values) - 1
		for of.Values[last] > m.state.most(of) {
			last--
		}
		f.Most = strconv.Itoa(last)
	} else if of.Most != nil {
		f.Most = write(of.Most(m.state))
	}
	return f
}

// say says a text in the view's language.
func (v *View) say(key string, args ...any) string { return v.l.Say(key, args...) }

// tell has a reading say a text.
func (v *View) tell(name, text string) { v.Texts = append(v.Texts, Text{name, text}) }

// number writes a number with two decimals, or fewer.
func (v *View) number(x float64) string { return v.l.Exact(rounded(x, 2)) }

// place writes a place.
func (v *View) place(p Point) string { return v.say("lab.place", v.number(p.X), v.number(p.Y)) }
