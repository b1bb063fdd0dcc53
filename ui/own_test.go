//go:build !js

package ui

import (
	"reflect"
	"strings"
	"testing"

	"fedtab/tab"
)

// ownTask is a task with data of participants: a table, or pictures.
func ownTask(t *testing.T, own string) *Page {
	t.Helper()
	p := &Page{}
	p.OnTasks([]any{map[string]any{"name": "study", "phase": "waiting"}})
	p.Kind = TaskKind
	p.Select(p.Tasks[0].Name)
	p.OnLink(LinkOpen)
	p.OnTask(decode(t, `{"name": "study", "run": "r1", "phase": "waiting", "data": {"classes": 2, "own": `+own+`}}`))
	return p
}

const (
	patients = `{"table": {"features": [{"name": "age", "type": "number", "min": 0, "max": 120}, {"name": "sex", "type": "category", "values": ["f", "m"]}],
		"label": {"name": "outcome", "type": "category", "values": ["healthy", "ill"]}}, "standardise": "federated", "holdout": 0.2, "min_examples": 10, "max_examples": 1000}`
	pets = `{"images": {"width": 28, "height": 28, "channels": 1, "classes": ["cat", "dog"], "drawn": true}, "holdout": 0.2, "min_examples": 2, "max_examples": 1000}`
)

// A task with own data is joined only once the data is at hand.
func TestJoinNeedsData(t *testing.T) {
	p := ownTask(t, patients)
	if p.CanJoin() || p.State() != "Bring your data to take part" || p.ShowSeveral() {
		t.Errorf("without data: join %v, %q, several %v", p.CanJoin(), p.State(), p.ShowSeveral())
	}
	p.OnData(decode(t, `{"type": "data", "step": "ready", "name": "a.csv", "examples": 100, "holdout": 20}`))
	if !p.CanJoin() || !p.MayBring() {
		t.Errorf("with data: join %v, bring %v, want both", p.CanJoin(), p.MayBring())
	}
	page := render(t, p)
	if _, text := tag(t, page, "own-state"); text != "Ready: 100 rows from a.csv; 20 of them only test the model" {
		t.Errorf("the data is %q", text)
	}
	p.Join()
	p.OnReady("scalar")
	p.OnWorkerState(decode(t, `{"connection": "joined", "activity": "waiting"}`))
	if p.MayBring() {
		t.Error("a tab that takes part may change its data")
	}
	if page = render(t, p); !strings.Contains(page, "To change it, leave first.") {
		t.Error("the page does not say that the tab has to leave first")
	}
	for _, step := range []string{"none", "loading", "asking", "reading", "refused"} {
		p := ownTask(t, pets)
		if p.OnData(map[string]any{"step": step}); p.CanJoin() {
			t.Errorf("a tab whose data is %s may join", step)
		}
	}
	if p := shown(t); !p.CanJoin() || p.MayBring() {
		t.Errorf("public data: join %v, bring %v, want true, false", p.CanJoin(), p.MayBring())
	}
}

// The page shows what models do on the tab's own hold-out.
func TestGain(t *testing.T) {
	p := ownTask(t, patients)
	p.Join()
	p.OnReady("scalar")
	p.OnWorkerState(decode(t, `{"connection": "joined"}`))
	c := Own{p}
	if c.gains() || c.canPersonalise() {
		t.Errorf("before anything is known: gains %v, personalise %v", c.gains(), c.canPersonalise())
	}
	p.OnWorkerState(decode(t, `{"connection": "joined", "before": 0.875, "beforeRound": 2, "after": 0.95, "afterVersion": 2, "alone": 0.8}`))
	page := render(t, p)
	for id, want := range map[string]string{"gain-before": "87.50%", "gain-after": "95.00%", "gain-alone": "80.00%", "gain-personal": dash} {
		if _, text := tag(t, page, id); text != want {
			t.Errorf("%s is %q, want %q", id, text, want)
		}
	}
	if !c.gains() || !c.canPersonalise() || !strings.Contains(c.gainWords(), "share classified rightly") {
		t.Errorf("gains %v, personalise %v, %q", c.gains(), c.canPersonalise(), c.gainWords())
	}
	p.Task.Data.Classes = 0
	if got := c.gain(p.Local.Before); got != "0.875" || !strings.Contains(c.gainWords(), "typical error") {
		t.Errorf("a regression: %q, %q", got, c.gainWords())
	}
}

// The page says what a task wants.
func TestWantedWords(t *testing.T) {
	for own, want := range map[string]string{
		patients: "This task wants a table, as CSV, with the columns age (0 to 120) and sex (f or m); it learns to predict outcome (healthy or ill).",
		pets:     "This task wants pictures of cat and dog. They are cropped to the middle and become 28 x 28 pixels, grey.",
		`{"table": {"features": [{"name": "a", "type": "number"}, {"name": "b", "type": "number", "min": 1.5}], "label": {"name": "c", "type": "number", "max": 9}}}`: "This task wants a table, as CSV, with the columns a (a number) and b (at least 1.5); it learns to predict c (at most 9).",
	} {
		c := Own{ownTask(t, own)}
		if got := c.wanted(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// A file that is looked at: its columns and questions are shown, and answers are
// those of this file.
func TestLookAtFile(t *testing.T) {
	p := ownTask(t, patients)
	const look = `{"step": "asking", "name": "a.csv", "table": true, "found": ["Alter", "sex", "outcome"],
		"want": [{"name": "age", "column": 0}, {"name": "sex", "column": 2}, {"name": "outcome", "column": 3}],
		"question": "Is 12.345 twelve or twelve thousand?",
		"offers": [{"column": "outcome", "texts": [{"text": "well", "rows": 3, "as": "healthy"}, {"text": "odd", "rows": 1}], "values": ["healthy", "ill"]}]}`
	p.OnData(decode(t, look))
	c := Own{p}
	if c.canRead() || !c.decimalAsked() || !c.asking() {
		t.Errorf("with a column missing: read %v, decimal %v, asking %v", c.canRead(), c.decimalAsked(), c.asking())
	}
	page := strings.ReplaceAll(render(t, p), "\n", " ")
	for _, want := range []string{
		"Not found in the file: age. Choose the columns below, or name them so in the file.",
		"What do these texts in outcome stand for?", `well (3 rows)`, `<option value="1">Alter</option>`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	p.Data.Want[0].Several, p.Data.Want[0].Why = true, "columns 1 and 4 can be age: choose one"
	if got, want := c.mapWords(), "Columns 1 and 4 can be age: choose one."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	p.AnswerColumn("age", 1)
	p.AnswerColumn("age", 2)
	p.AnswerDecimal("comma")
	p.AnswerText("outcome", "well", "ill")
	p.AnswerOffer("outcome", false)
	want := tab.Answers{Decimal: "comma", Columns: []string{"age"}, Numbers: []int{2}, In: []string{"outcome"}, Texts: []string{"well"}, As: []string{"healthy"}}
	if !reflect.DeepEqual(p.Answers, want) {
		t.Errorf("answers %+v, want %+v", p.Answers, want)
	}
	p.OnData(decode(t, strings.Replace(strings.Replace(look, `"column": 0`, `"column": 1`, 1), "Is 12.345 twelve or twelve thousand?", "", 1)))
	if !c.canRead() || !reflect.DeepEqual(p.Answers, want) {
		t.Errorf("after the answer: read %v, answers %+v", c.canRead(), p.Answers)
	}
	p.OnData(decode(t, `{"step": "refused", "name": "a.csv", "table": true, "badRows": 1, "goodRows": 99, "allProblems": 2000,
		"problems": [{"where": "line 7", "what": "age is 999, want a number from 0 to 120"}]}`))
	page = render(t, p)
	for _, want := range []string{"1 row of a.csv cannot be used", "Leave out 1 row with problems, use 99", "2,000 problems, of which these are the first 1:", "age is 999"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	p.OnData(decode(t, strings.Replace(look, "a.csv", "b.csv", 1)))
	if !reflect.DeepEqual(p.Answers, tab.Answers{}) {
		t.Errorf("another file has the answers %+v", p.Answers)
	}
}

// A file with very many columns offers the first of them.
func TestManyColumns(t *testing.T) {
	p := ownTask(t, patients)
	p.Data = tab.Data{Step: tab.DataAsking, Table: true, Found: make([]string, 10_000), Want: []tab.Wanted{{Name: "age", Column: 1}}}
	c := Own{p}
	if n := len(c.choices()); n != 1200 || !strings.HasSuffix(c.mapWords(), "The lists show the first 1,200 of the file's 10,000 columns.") {
		t.Errorf("%d choices, %q", n, c.mapWords())
	}
}

// What failed is said, and a person who forgets everything is asked again.
func TestOwnTroubles(t *testing.T) {
	p := ownTask(t, pets)
	p.OnBringFailed("This device has no camera. Choose files instead.")
	if opening, text := tag(t, render(t, p), "own-error"); text != "This device has no camera. Choose files instead." || strings.Contains(opening, "hidden") {
		t.Errorf("%s%q", opening, text)
	}
	p.OnData(decode(t, `{"step": "ready", "name": "12 pictures", "examples": 12, "id": "x", "kept": [{"id": "x", "name": "12 pictures", "bytes": 9408, "examples": 12, "at": "2026-03-04 05:06"}]}`))
	c := Own{p}
	if got := c.keptWords(p.Data.Kept[0]); got != "12 examples, 9.41 kB, 2026-03-04 05:06; in use" || c.canUse(p.Data.Kept[0]) {
		t.Errorf("kept: %q", got)
	}
	if c.trouble() != "This device has no camera. Choose files instead." || c.storage() != "Kept in this browser, for this page only: a reload goes on with it." {
		t.Errorf("trouble %q, storage %q", c.trouble(), c.storage())
	}
	p.Forgetting = true
	if _, text := tag(t, render(t, p), "own-forget"); text != "Yes, forget everything" {
		t.Errorf("the button says %q", text)
	}
	if p.OnForgotten(""); p.HasData() || p.Forgetting || len(p.Data.Kept) > 0 || c.trouble() != "" {
		t.Errorf("after all is forgotten: %+v, %q", p.Data, c.trouble())
	}
	p.OnForgotten("Not everything could be removed.")
	if p.OnData(decode(t, `{"step": "none"}`)); c.trouble() != "Not everything could be removed." {
		t.Errorf("what is left is not said: %q", c.trouble())
	}
	p.OnDataLost("out of memory")
	if want := "The program that reads data stopped: out of memory. Choose the data again, or reload the page."; c.trouble() != want {
		t.Errorf("%q, want %q", c.trouble(), want)
	}
}

// Bounds are written out, years without a comma.
func TestBound(t *testing.T) {
	for _, c := range []struct {
		v    float64
		want string
	}{{0, "0"}, {1800, "1800"}, {1.3e6, "1,300,000"}, {-25000, "-25,000"}, {12.75, "12.75"}, {1e15, "1e+15"}} {
		if got := new(Page).bound(c.v); strings.ReplaceAll(got, "−", "-") != c.want {
			t.Errorf("bound(%v) is %q, want %q", c.v, got, c.want)
		}
	}
}
