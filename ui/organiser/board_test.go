package organiser

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"fedtab/api"
	"fedtab/api/v1"
	"fedtab/ui/draw"

	"github.com/vugu/vugu"
	"github.com/vugu/vugu/staticrender"
)

// markup draws the board.
func markup(t *testing.T, b *Board) string {
	t.Helper()
	var out bytes.Buffer
	renderer := staticrender.New(&out)
	env, err := vugu.NewBuildEnv(renderer.EventEnv())
	if err != nil {
		t.Fatal(err)
	}
	if err := renderer.Render(draw.Build(env, &Root{Board: b})); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func shown(page, of string) *Board {
	return &Board{Signed: SignedIn, Server: v1.Server{Role: "organiser", Tasks: []string{"digits"}}, Route: Route{Page: page, Of: of}, Now: time.Unix(1000, 0), Width: 1000}
}

func TestParseRoute(t *testing.T) {
	for hash, want := range map[string]Route{
		"":                      {Page: RunsPage},
		"#/":                    {Page: RunsPage},
		"#/run/digits-1a2b":     {Page: RunPage, Of: "digits-1a2b"},
		"#/compare/a-1,b-2":     {Page: ComparePage, Of: "a-1,b-2"},
		"#/nowhere/x":           {Page: RunsPage, Of: "x"},
		"#/run/%zz":             {Page: RunPage},
		"#/invites?task=digits": {Page: InvitesPage},
	} {
		got := ParseRoute(hash)
		if got.Page != want.Page || got.Of != want.Of {
			t.Errorf("%q is %+v, want %+v", hash, got, want)
		}
	}
	if got := ParseRoute("#/invites?task=digits").Set.Get("task"); got != "digits" {
		t.Errorf("the task is %q, want digits", got)
	}
}

// What fails is told apart: no network, no session, and what the API refuses.
func TestOnError(t *testing.T) {
	b := shown(RunsPage, "")
	if b.OnError(nil) || b.Problem != "" {
		t.Error("nothing is a problem")
	}
	if !b.OnError(&Refusal{0, unreachableInTest}) || !b.Lost || b.Problem != "" || b.Signed != SignedIn {
		t.Errorf("without a network: %+v", b)
	}
	if !b.OnError(&Refusal{409, "run x goes on"}) || b.Lost || b.Problem != "run x goes on" {
		t.Errorf("a refusal: lost %v, problem %q", b.Lost, b.Problem)
	}
	if !b.OnError(&Refusal{401, "a token is missing"}) || b.Signed != SignedOut || !strings.Contains(b.Problem, "sign in again") {
		t.Errorf("without a session: %+v", b)
	}
	b.Problem = ""
	if !b.OnError(errors.New("odd")) || b.Problem != "odd" {
		t.Errorf("an error: %q", b.Problem)
	}
}

const unreachableInTest = "no answer"

// Viewers see no button that gives an order.
func TestViewer(t *testing.T) {
	for _, role := range []string{"organiser", "viewer"} {
		b := shown(RunPage, "digits-1")
		b.Server.Role = role
		b.One.Detail = &v1.Detail{Run: v1.Run{Run: "digits-1", State: "over"}}
		page := markup(t, b)
		for _, id := range []string{"extend", "next-run", "annotate", "delete"} {
			_, rest, ok := strings.Cut(page, `id="`+id+`"`)
			button, _, _ := strings.Cut(rest, ">")
			if hidden := strings.Contains(button, "hidden"); !ok || hidden != (role == "viewer") {
				t.Errorf("%s: %s hidden %v", role, id, hidden)
			}
		}
	}
}

// A run that was deleted while it was shown is said to be gone, and nothing else.
func TestGone(t *testing.T) {
	b := shown(RunPage, "digits-1")
	b.OnDetail(v1.Detail{Run: v1.Run{Run: "digits-1", Title: "Digits"}}, nil)
	b.OnDetail(v1.Detail{}, &Refusal{404, "no run digits-1"})
	if !b.One.Gone || b.Problem != "" || b.One.Detail.Title != "Digits" {
		t.Errorf("%+v with %q", b.One, b.Problem)
	}
}

// Rounds of the stream lengthen the curves, and figures that come later take their place.
func TestOnEvent(t *testing.T) {
	b := shown(RunPage, "digits-1")
	b.OnDetail(v1.Detail{Run: v1.Run{Run: "digits-1"}}, nil)
	loss, accuracy := 2., .5
	b.OnCurves(v1.History{
		Run: "digits-1", Rounds: 1, Round: []uint64{1}, At: []float64{3}, Examples: []float64{10}, Bytes: []int64{100}, Participants: []int{2},
		TrainLoss: []*float64{&loss}, TestLoss: []*float64{nil}, TestAccuracy: []*float64{nil}, TestRMSE: []*float64{nil}, ValidationLoss: []*float64{nil}, ValidationAccuracy: []*float64{nil}, ValidationRMSE: []*float64{nil}, Rate: []*float64{nil}, BytesUp: []int64{60}, BytesDown: []int64{40}, Seconds: []float64{3},
	}, nil)
	event := func(kind string, v any) bool {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b.OnEvent(kind, data)
	}
	before := len(b.Charts())
	event("round", api.Round{Round: 2, Participants: 3, Seconds: 2, Traffic: api.Traffic{BytesUp: 5, BytesDown: 6}})
	event("round", api.Round{Round: 2, Participants: 3, Test: api.Test{TestAccuracy: &accuracy}})
	c := b.One.Curves
	if len(c.Round) != 2 || c.At[1] != 5 || c.Bytes[1] != 111 || *c.TestAccuracy[1] != .5 || c.TestAccuracy[0] != nil || !b.One.Stale {
		t.Errorf("%+v", c)
	}
	if after := len(b.Charts()); after != before+1 {
		t.Errorf("%d charts, want one more than %d: accuracy is known", after, before)
	}
	event("round", api.Round{Round: 2, Participants: 3, Test: api.Test{TestAccuracy: &accuracy, ValidationAccuracy: &loss}})
	if c := b.One.Curves.ValidationAccuracy; len(c) == 0 || *c[len(c)-1] != 2 {
		t.Errorf("validation accuracy %v, want 2 at the end", c)
	}
	event("round", api.Round{Round: 1, Test: api.Test{TestAccuracy: &accuracy}})
	if len(b.One.Curves.Round) != 2 || *b.One.Curves.TestAccuracy[0] != .5 {
		t.Errorf("%+v", b.One.Curves)
	}
	if event("state", api.Task{Run: "digits-1", Version: 2}) || b.One.Detail.Version != 2 {
		t.Errorf("version %d, want 2", b.One.Detail.Version)
	}
	if !event("state", api.Task{Run: "digits-1", Version: 2, Finished: "stop"}) {
		t.Error("an end asks for nothing")
	}
	charts := len(b.Charts())
	event("crew", v1.Crew{Waiting: 3})
	b.Now = b.Now.Add(2 * time.Second)
	event("crew", v1.Crew{Waiting: 1, Training: 2})
	if all := b.Charts(); len(all) != charts+1 || b.One.Crew.Training != 2 {
		t.Errorf("%d charts, want one more than %d: what participants do", len(all), charts)
	}
	for range 2 * maxCrews {
		event("crew", v1.Crew{Waiting: 3})
	}
	if n := len(b.One.Crews); n > maxCrews {
		t.Errorf("%d moments are kept", n)
	}
	if !event("reset", map[string]any{}) {
		t.Error("a reset asks for nothing")
	}
}

// Numbers that are asked for are numbers, and what must be written out is.
func TestReady(t *testing.T) {
	d := &v1.Detail{Run: v1.Run{Run: "digits-1", Note: "as it was"}}
	for order, values := range map[string]map[string]bool{
		"extend": {"10": true, " 7 ": true, "": false, "-1": false, "x": false},
		"delete": {"digits-1": true, "digits": false, "": false},
		"pause":  {"": true, "lunch": true},
	} {
		for value, want := range values {
			a := question(order, "digits-1", d)
			a.Value = value
			if got := a.Ready(); got != want {
				t.Errorf("%s with %q: ready %v", order, value, got)
			}
		}
	}
	if a := question("annotate", "digits-1", d); a.Value != "as it was" || a.Was != a.Value {
		t.Errorf("a note begins as %+v", a)
	}
	if question("dance", "digits-1", d) != nil {
		t.Error("an unknown order is asked about")
	}
}

// The form shows what is wrong beside the field, and the rest in a list; the run cannot be
// started then.
func TestForm(t *testing.T) {
	b := shown(NewPage, "")
	n := &b.New
	n.Schemes.Options = []v1.Option{
		{Key: "strategy.kind", Group: "strategy", Type: "choice", Choices: []string{"fedavg", "radon"}, Default: "fedavg"},
		{Key: "strategy.fraction", Group: "strategy", Help: "share of the participants", Range: "0 < fraction <= 1", Default: "0.1", Schemes: []string{"fedavg"}},
		{Key: "compress.up", Group: "compress", Default: "deadzone"},
	}
	n.begin("name: x")
	n.set("strategy.fraction", "7")
	asked, _ := n.ask()
	b.OnChecked(asked, v1.Checked{YAML: "name: x\n", Values: map[string]string{"strategy.kind": "fedavg", "strategy.fraction": "7"}, Problems: []v1.TaskProblem{{Key: "strategy.fraction", Line: 3, Text: "fraction: 7, want 0 < fraction <= 1"}}}, nil)
	page := markup(t, b)
	if n.Starts() || !strings.Contains(page, "fraction: 7, want 0 &lt; fraction") || strings.Contains(page, `data-key="compress.up"`) {
		t.Errorf("starts %v: %s", n.Starts(), page)
	}
	n.All = true
	if page := markup(t, b); !strings.Contains(page, `data-key="compress.up"`) {
		t.Error("with all options, one is missing")
	}
	serial := n.Serial
	n.YAML, n.Answered = "name: y # as a person has written it", false
	asked, _ = n.ask()
	b.OnChecked(asked, v1.Checked{YAML: "name: y", Values: map[string]string{"strategy.kind": "radon"}}, nil)
	if !n.Starts() || n.Serial != serial || n.YAML != asked.YAML {
		t.Errorf("a person's own text was changed: %+v", n)
	}
	if page := markup(t, b); strings.Contains(page, `data-key="strategy.fraction"`) {
		t.Error("an option of another scheme is shown")
	}
}

// One question is under way at a time. What is changed meanwhile is asked about next, an
// answer to an older task file does not count, and no change is lost when one fails.
func TestQuestions(t *testing.T) {
	b := shown(NewPage, "")
	n := &b.New
	n.begin("name: x")
	n.set("stop.rounds", "3")
	first, ok := n.ask()
	if _, again := n.ask(); !ok || again || len(first.Set) != 1 {
		t.Fatalf("%+v, asked again %v", first, again)
	}
	n.set("title", "Ward #3")
	b.OnChecked(first, v1.Checked{YAML: "name: x\nstop: {rounds: 3}"}, nil)
	second, ok := n.ask()
	if !ok || n.Answered || second.YAML != "name: x\nstop: {rounds: 3}" || len(second.Set) != 1 || second.Set[0] != `title="Ward #3"` {
		t.Fatalf("%+v", second)
	}
	n.Pressed = true
	b.OnChecked(second, v1.Checked{}, &Refusal{0, unreachableInTest})
	if n.Answered || n.Pressed || len(n.Sets) != 1 || n.Starts() {
		t.Errorf("after a failure: %+v", n)
	}
	third, _ := n.ask()
	n.YAML = "name: y"
	b.OnChecked(third, v1.Checked{YAML: "name: x\ntitle: Ward #3"}, nil)
	if n.YAML != "name: y" || len(n.Sets) != 1 || n.Answered {
		t.Errorf("a person's own text was replaced: %+v", n)
	}
	last, _ := n.ask()
	b.OnChecked(last, v1.Checked{YAML: "name: y\ntitle: x"}, nil)
	if _, ok := n.ask(); ok || !n.Answered || len(n.Sets) != 0 || len(n.Made) != 2 {
		t.Errorf("at the end: %+v", n)
	}
}

// An answer for another comparison does not count.
func TestLate(t *testing.T) {
	b := shown(ComparePage, "")
	b.Compare = Compare{Of: "a,b", Asked: 2, X: "round", Y: "accuracy"}
	b.OnCompared("a,c", "c", v1.History{Run: "c"}, nil)
	b.OnCompared("a,b", "b", v1.History{Run: "b"}, nil)
	b.OnCompared("a,b", "a", v1.History{Run: "a"}, nil)
	if got := b.Compare.Curves; len(got) != 2 || got[0].Run != "a" || b.Compare.Asked != 0 {
		t.Errorf("%+v", got)
	}
}

// An invite is asked for with whole numbers, or with a sentence that says what is wrong.
func TestInviteOrder(t *testing.T) {
	v := Invites{Task: "digits", Uses: "30", Hours: "1.5"}
	if o, problem := v.order(); problem != "" || o.Uses != 30 || o.Seconds != 5400 {
		t.Errorf("%+v, %q", o, problem)
	}
	for _, bad := range []Invites{{Uses: "0", Hours: "1"}, {Uses: "many", Hours: "1"}, {Uses: "3", Hours: "0"}, {Uses: "3", Hours: "NaN"}, {Uses: "3", Hours: "1e9"}} {
		if _, problem := bad.order(); problem == "" {
			t.Errorf("%+v is taken", bad)
		}
	}
}

// The list asks for what its filters say, and a run is picked and unpicked.
func TestList(t *testing.T) {
	var l List
	if got, want := l.path(), "runs?limit=50"; got != want {
		t.Errorf("it asks for %s, want %s", got, want)
	}
	l.Limit, l.Task, l.State = 4*firstRuns, "digits", "over"
	if got, want := l.path(), "runs?limit=200&task=digits&state=over"; got != want {
		t.Errorf("it asks for %s, want %s", got, want)
	}
	l.pick("a", true)
	l.pick("b", true)
	l.pick("b", true)
	l.pick("a", false)
	if len(l.Picked) != 1 || l.Picked[0] != "b" {
		t.Errorf("picked are %q, want b", l.Picked)
	}
}

// A field with several lines takes a text once, and again when the program has another.
func TestTexts(t *testing.T) {
	b := shown(NewPage, "")
	b.New.YAML, b.New.Serial = "name: x", 7
	b.Ask, b.Asked = question("extend", "digits-1", nil), 3
	for id, want := range map[string]map[string]any{"yaml": {"serial": 7, "text": "name: x"}, "ask-value": {"serial": 3, "text": "10"}} {
		if got := b.texts()[id].(map[string]any); got["serial"] != want["serial"] || got["text"] != want["text"] {
			t.Errorf("%s has %v, want %v", id, got, want)
		}
	}
}

// The page of another run begins without what the last one had.
func TestOpen(t *testing.T) {
	o := One{Gone: true, Kind: "rejected", Detail: new(v1.Detail)}
	o.open()
	if o.Gone || o.Kind != "" || o.Detail != nil || o.Many != firstPeople || o.Lines != firstLines {
		t.Errorf("%+v", o)
	}
	if got, want := (&Compare{X: "bytes", Y: "accuracy"}).file(), "compare-accuracy-over-bytes"; got != want {
		t.Errorf("a comparison is saved as %s, want %s", got, want)
	}
}

// What is drawn before a run is opened is every chart that one can have, so that opening one
// calls nothing for the first time.
func TestWarm(t *testing.T) {
	charts, err := warm()
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, c := range charts {
		ids = append(ids, c.ID)
	}
	if got := strings.Join(ids, " "); got != "accuracy loss people bytes ratio time rate epsilon norm" {
		t.Errorf("charts: %s", got)
	}
}
