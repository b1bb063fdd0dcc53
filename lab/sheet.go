package lab

// Sheet is a page as data. Words are keys of package words.
type Sheet struct {
	Name       string // in the address: /lab/NAME
	Title      string
	Lead       string // what there is to see, in a sentence
	Paragraphs []string
	Formula    string // in the signs of mathematics, the same in every language
	Where      string // what the signs of the formula are
	Try        []string
	Sources    []Source
	Parts      []Part

	settings []Setting
	groups   []Group
	begin    func() page
}

// Source is where something on a page is from.
type Source struct {
	Text    string // as literature is cited
	Address string // empty: it has none
}

// Part is what can be played with together.
type Part struct {
	Name     string // of its elements
	Title    string
	Settings []string // names, in the order of the form
	Figures  []Figure
	Readings []Reading
	Played   bool     // its steps can be played
	Buttons  []Button // besides those that play
}

// Figure is a picture of a part.
type Figure struct {
	Name  string
	Label string // what it shows, for those who cannot see it
}

// Reading is a figure or a sentence of a part that follows from the state.
type Reading struct {
	Name string
	Term string // key of what it is; empty: it is a sentence
	Mark string // class of the sign that the figures show it by; empty: none
}

// Button does something to the state.
type Button struct {
	Action string
	Label  string
}

// The actions of buttons.
const (
	NewSeed     = "lab-seed"    // the next seed
	Reset       = "lab-reset"   // everything as at first
	SaveTask    = "lab-task"    // a file of the page
	SaveRecords = "lab-records" // likewise
)

// Sheets returns the pages, in the order in which the lab lists them.
func Sheets() []*Sheet {
	return []*Sheet{raceSheet(), radonSheet(), nodesSheet(), surfaceSheet(), lambdaSheet(), packingSheet(), leaksSheet()}
}

// Find returns the page of a name, nil if there is none.
func Find(name string) *Sheet {
	for _, s := range Sheets() {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// Movable reports whether figures of the page have points that can be moved.
func (s *Sheet) Movable() bool { return len(s.groups) > 0 }

// Setting returns the setting of a name.
func (s *Sheet) Setting(name string) *Setting {
	for i := range s.settings {
		if s.settings[i].Name == name {
			return &s.settings[i]
		}
	}
	return nil
}
