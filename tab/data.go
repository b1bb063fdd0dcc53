package tab

// Step is how far the tab's own data is.
type Step string

// The steps.
const (
	DataNone    Step = "none"
	DataLoading Step = "loading" // kept data, or the first rows of a file
	DataAsking  Step = "asking"  // the first rows are shown: the person answers, and has the rest read
	DataReading Step = "reading"
	DataRefused Step = "refused" // some rows cannot be used, and are listed
	DataReady   Step = "ready"
)

// Data is a worker's message of type "data": the tab's own data, how its reading stands,
// and what the browser keeps.
type Data struct {
	Type  string   `json:"type"`
	Step  Step     `json:"step"`
	Error string   `json:"error"` // what failed last, as a sentence; data that was there stays
	Notes []string `json:"notes"` // what a person should know, a sentence each
	Name  string   `json:"name"`  // of the file
	Bytes int64    `json:"bytes"` // of the file
	Done  int64    `json:"done"`  // bytes or pictures that are read, of Total
	Total int64    `json:"total"`

	Table bool     `json:"table"` // a file with columns is looked at; what follows is about it
	Found []string `json:"found"` // the columns of the file
	Want  []Wanted `json:"want"`  // of the task: the first of them, and those that were not found

	Decimal  string  `json:"decimal"`  // the sign that a person has chosen: point or comma
	Question string  `json:"question"` // which of them it is, where only a person can tell
	Offers   []Offer `json:"offers"`
	Layout   bool    `json:"layout"` // of images in a file: a person has to say it

	Problems    []Problem `json:"problems"` // the first
	AllProblems int       `json:"allProblems"`
	BadRows     int       `json:"badRows"` // have at least one problem, and could be left out
	GoodRows    int       `json:"goodRows"`

	Examples int     `json:"examples"` // that are ready
	Holdout  int     `json:"holdout"`  // of them: not trained on
	Classes  []Class `json:"classes"`

	ID      string `json:"id"`      // of the entry of Kept that has this data; empty: it is in memory only
	Storage string `json:"storage"` // why the browser keeps nothing, as a sentence
	Kept    []Kept `json:"kept"`    // for this task
}

// Wanted is a column of the task.
type Wanted struct {
	Name    string `json:"name"`
	Column  int    `json:"column"`  // of the file, from 1; 0: not found
	Several bool   `json:"several"` // not found because columns fit equally well
	Why     string `json:"why"`     // it was not found
}

// Preview is a worker's message of type "rows": the first rows of a file, as they are
// understood. static/extra/bring.js draws them: a thousand cells would take the page's program
// 100 ms.
type Preview struct {
	Type string `json:"type"`
	Rows []Row  `json:"rows"`
}

// Row is a row of the file's first ones.
type Row struct {
	Line  int    `json:"line"`
	Cells []Cell `json:"cells"` // as Data.Want has the columns
}

// Cell is a value of a row.
type Cell struct {
	Text    string `json:"text"`    // as it is in the file
	Value   string `json:"value"`   // as it was understood; empty: missing, or wrong
	Problem string `json:"problem"` // what would be right; empty if it is
}

// Offer is a column whose texts are not all values of the task: a person is asked what
// they stand for.
type Offer struct {
	Column string   `json:"column"`
	Why    string   `json:"why"` // the values themselves may be meant otherwise; empty: they are not
	Texts  []Text   `json:"texts"`
	More   int      `json:"more"` // texts beyond them
	Values []string `json:"values"`
}

// Text is a text in a column of values.
type Text struct {
	Text string `json:"text"`
	Rows int    `json:"rows"` // that have it; 0: not counted
	As   string `json:"as"`   // the value that it may stand for; empty: unknown
}

// Problem is a value that cannot be used.
type Problem struct {
	Where string `json:"where"` // "line 7", or the name of a picture
	What  string `json:"what"`  // column, value, and what would be right
}

// Class is how many examples a class has.
type Class struct {
	Name     string `json:"name"`
	Examples int    `json:"examples"`
}

// Kept is data that the browser keeps for a task.
type Kept struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Bytes    int64  `json:"bytes"` // that are kept
	Examples int    `json:"examples"`
	At       string `json:"at"`    // date and time
	Stale    string `json:"stale"` // why the task cannot use it; empty if it can
}

// Answers is a page's message of type "answers": what the person has said of a file.
type Answers struct {
	Decimal string   `json:"decimal"` // point, comma, or empty
	Layout  string   `json:"layout"`  // of images: first or last, where the colours are, or empty
	Columns []string `json:"columns"` // names of columns of the task ...
	Numbers []int    `json:"numbers"` // ... and their columns in the file, from 1; 0: none
	In      []string `json:"in"`      // columns of the task ...
	Texts   []string `json:"texts"`   // ... texts in them; empty: all are values as they are ...
	As      []string `json:"as"`      // ... and the values that the texts stand for
}
