package tab

// Examples is the kind of an entry for a file of examples, which comes over HTTP. The
// other kinds are the names of the protocol's messages, and Door.
const Examples = "examples"

// Door is the kind of an entry for the question why a socket was refused.
const Door = "door"

// Moved is a worker's message of type "moved": what has left or reached the tab since the
// last one. It comes at most every 250 ms.
type Moved struct {
	Type    string  `json:"type"`
	Entries []Entry `json:"entries"`
	Skipped int     `json:"skipped"` // more than an account holds; the totals have them
}

// Entry is a message or a file that has left or reached the tab. What does not apply to
// its kind is zero.
type Entry struct {
	At          int64   `json:"at"` // milliseconds since 1970, UTC
	Up          bool    `json:"up"` // it has left the tab
	Kind        string  `json:"kind"`
	Bytes       int64   `json:"bytes"` // on the wire, without TLS and TCP; 0: the browser had it
	Participant int     `json:"participant"`
	Round       int     `json:"round"`
	Version     int     `json:"version"`  // of a model, or the one that an order starts from
	Values      int     `json:"values"`   // that its vectors have: parameters, or counts of own data
	Bits        float64 `json:"bits"`     // for each value
	Codec       string  `json:"codec"`    // of the vectors
	Examples    int     `json:"examples"` // trained, with repetition; to be trained; or in the file
	Weight      int     `json:"weight"`   // examples behind a contribution
	Payload     string  `json:"payload"`  // name of what is asked or told of own data (docs/protocol.md)
	Reason      string  `json:"reason"`   // of an answer: accepted, late, ...
	Detail      string  `json:"detail"`   // more about it, in English
}

// Total is what has moved of one kind in one direction.
type Total struct {
	Kind     string `json:"kind"`
	Up       bool   `json:"up"`
	Messages int    `json:"messages"`
	Bytes    int64  `json:"bytes"`
}

// MaxEntries is how many entries an account holds until they are taken.
const MaxEntries = 1000

// Account keeps what moves until the page takes it, and the totals. Its zero value is
// empty.
type Account struct {
	entries []Entry
	skipped int
	totals  []Total
}

// Add counts an entry. Where MaxEntries wait already, only the totals have it.
func (a *Account) Add(e Entry) {
	a.total(Total{e.Kind, e.Up, 1, e.Bytes})
	if len(a.entries) >= MaxEntries {
		a.skipped++
		return
	}
	a.entries = append(a.entries, e)
}

func (a *Account) total(t Total) {
	for i := range a.totals {
		if of := &a.totals[i]; of.Kind == t.Kind && of.Up == t.Up {
			of.Messages, of.Bytes = of.Messages+t.Messages, of.Bytes+t.Bytes
			return
		}
	}
	a.totals = append(a.totals, t)
}

// Pending reports whether Take has something to return.
func (a *Account) Pending() bool { return len(a.entries) > 0 }

// Take returns the entries since the last call, oldest first. They are the caller's.
func (a *Account) Take() Moved {
	m := Moved{"moved", a.entries, a.skipped}
	a.entries, a.skipped = nil, 0
	return m
}

// Totals returns the totals, in the order in which the kinds came first. They are not to
// be written to, and valid until the next Add.
func (a *Account) Totals() []Total { return a.totals }
