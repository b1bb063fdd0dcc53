package organiser

import (
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"fedtab/api/v1"
	"fedtab/words"
)

// Signing is whether somebody is signed in.
type Signing int

// The states of signing in.
const (
	Unknown Signing = iota
	SignedOut
	SignedIn
)

// The pages of the dashboard, by the first part of the address' fragment.
const (
	RunsPage    = ""
	RunPage     = "run"
	NewPage     = "new"
	ComparePage = "compare"
	InvitesPage = "invites"
	OrdersPage  = "orders"
)

// Route is what is shown.
type Route struct {
	Page string
	Of   string     // a run, or runs with commas between them
	Set  url.Values // what the page is to show of it
}

// ParseRoute reads the fragment of an address, such as #/run/digits-1a2b3c4d.
func ParseRoute(hash string) Route {
	path, query, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(hash, "#"), "/"), "?")
	page, of, _ := strings.Cut(path, "/")
	r := Route{Page: page}
	r.Of, _ = url.PathUnescape(of)
	r.Set, _ = url.ParseQuery(query)
	if !slices.Contains([]string{RunsPage, RunPage, NewPage, ComparePage, InvitesPage, OrdersPage}, page) {
		r.Page = RunsPage
	}
	return r
}

// Board is all that the dashboard shows.
type Board struct {
	Lang    *words.Language
	Now     time.Time
	Width   int // of the window, pixels
	Signed  Signing
	Token   string // that a person has typed
	Server  v1.Server
	Problem string // why the last question or order failed
	Said    string // what the last order has led to
	Next    string // what the next page says of it
	Busy    bool   // an order is under way
	Lost    bool   // the coordinator cannot be reached
	Route   Route

	List    List
	One     One
	New     New
	Compare Compare
	Invites Invites
	Orders  []v1.AuditEntry
	Ask     *Ask
	Asked   int // counts questions
	Signs   int // counts sign-ins and sign-outs
}

// Ask is a question before an order is given.
type Ask struct {
	Order  string // what the order is: pause, stop, extend, roll-back, delete, annotate, withdraw
	Run    string
	Title  string
	Text   string // what the order does
	Label  string // of the field; empty: there is none
	Value  string // in the field
	Was    string // in the field at first
	Number bool   // the field takes a number
	Long   bool   // the field takes several lines
	Needed string // what the field must say; empty: anything
	Yes    string // the button
	Danger bool   // what is done cannot be undone
}

// Ready reports whether the order may be given.
func (a *Ask) Ready() bool {
	if a.Number {
		n, err := strconv.Atoi(strings.TrimSpace(a.Value))
		return err == nil && n > 0
	}
	return a.Needed == "" || strings.TrimSpace(a.Value) == a.Needed
}

// May reports whether orders may be given: viewers only look.
func (b *Board) May() bool { return b.Signed == SignedIn && b.Server.Role == "organiser" }

// Title returns the title of the window.
func (b *Board) Title() string {
	title := map[string]string{
		RunsPage: "Runs", RunPage: b.Route.Of, NewPage: "New run", ComparePage: "Compare runs", InvitesPage: "Invites", OrdersPage: "Orders",
	}[b.Route.Page]
	if b.Signed == SignedOut {
		title = "Sign in"
	}
	return title + " · fedtab, for organisers"
}

// OnError takes in that a question or an order failed, and reports whether it did.
func (b *Board) OnError(err error) bool {
	b.Lost = false
	if err == nil {
		return false
	}
	var r *Refusal
	switch {
	case !errors.As(err, &r):
		b.Problem = err.Error()
	case r.Status == 0:
		b.Lost = true
	case r.Status == 401:
		if b.Signed == SignedIn {
			b.Problem = "The session has ended, or the token was replaced: sign in again. Nothing is lost."
		}
		b.Signed = SignedOut
	default:
		b.Problem = r.Text
	}
	return true
}

// shown returns the class of a page's section.
func (b *Board) shown(page string) bool { return b.Signed == SignedIn && b.Route.Page == page }

// current marks the link to the page that is shown.
func (b *Board) current(page string) any {
	if b.Route.Page == page {
		return "page"
	}
	return nil
}

// Refusal is an answer of the API that is none: the status of HTTP, 0 where none came, and a
// sentence.
type Refusal struct {
	Status int
	Text   string
}

func (r *Refusal) Error() string { return r.Text }

// question returns what is asked before an order to a run is given.
func question(order, run string, d *v1.Detail) *Ask {
	a := &Ask{Order: order, Run: run}
	switch order {
	case "pause":
		a.Title, a.Text, a.Label, a.Yes = "Pause the run?", "No round begins until it is resumed. Participants stay, and see why.", "Why, for participants to read", "Pause"
	case "stop":
		a.Title, a.Text, a.Label, a.Yes = "Stop the run?", "A version that is being made is completed, then the run is over. Participants see why. It can be extended later.", "Why, for participants to read", "Stop"
	case "extend":
		a.Title, a.Text, a.Label, a.Number, a.Value, a.Yes = "Extend the run?", "It goes on for more rounds than it was to have, with the same participants and models.", "Rounds to add", true, "10", "Extend"
	case "begin":
		a.Title, a.Text, a.Label, a.Yes = "Start the next run of this task?", "Participants whose page is open come to it by themselves.", "Start from a version, such as "+run+"@best; empty: from the seed", "Start"
	case "annotate":
		a.Title, a.Text, a.Label, a.Long, a.Yes = "Note", "For organisers: why this run, what came out.", "Note", true, "Keep the note"
		if d != nil {
			a.Value, a.Was = d.Note, d.Note
		}
	case "withdraw":
		a.Title, a.Text, a.Yes = "Withdraw the task?", "It is served no longer, and participants are told. Its runs stay listed.", "Withdraw"
	case "delete":
		a.Title, a.Text, a.Label, a.Needed, a.Yes, a.Danger = "Delete the run?", "Its rounds, events and models are removed from the database for good. To delete it, write its name.", "Name: "+run, run, "Delete for good", true
	default:
		return nil
	}
	return a
}

// texts returns what fields with several lines have, by their ids. With a serial a field takes
// it once: what a person writes after that stays.
func (b *Board) texts() map[string]any {
	ask := &Ask{}
	if b.Ask != nil {
		ask = b.Ask
	}
	return map[string]any{
		"yaml":      map[string]any{"serial": b.New.Serial, "text": b.New.YAML},
		"token":     map[string]any{"serial": b.Signs, "text": ""},
		"ask-value": map[string]any{"serial": b.Asked, "text": ask.Value},
	}
}
