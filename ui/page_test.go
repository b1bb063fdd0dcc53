//go:build !js

package ui

import (
	"bytes"
	"fmt"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"fedtab/api"
	"fedtab/words"
)

func render(t *testing.T, p *Page) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b, root(p), false); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// tag returns the opening tag of the element with an id, and its text.
func tag(t *testing.T, page, id string) (opening, text string) {
	t.Helper()
	m := regexp.MustCompile(`(<[a-z]+ [^>]*\bid="` + id + `"[^>]*>)([^<]*)`).FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("there is no element with id %q", id)
	}
	return m[1], m[2]
}

func TestPageShowsTheNumbers(t *testing.T) {
	p := shown(t)
	p.Join()
	p.OnReady("wasm-simd128", "float32", "float32-planes", "deadzone")
	p.OnWorkerState(decode(t, `{"connection": "joined", "activity": "training", "round": 7, "codec": "deadzone", "codecDown": "float32-planes", "shards": 3, "shardsTotal": 3, "examples": 15000,
		"done": 3200, "total": 15000, "loss": 0.25, "accuracy": 0.9, "rate": 14200.5, "contributions": 6, "bytesUp": 4781040, "bytesDown": 4790000}`))
	page := render(t, p)
	for _, c := range []struct{ id, attribute, text string }{
		{"state", `data-activity="training"`, "Training round 7: 3,200 of 15,000 examples"},
		{"progress", `data-value="3200"`, ""},
		{"round", `data-value="7"`, "7"},
		{"participants", `data-value="4"`, "4"},
		{"test-accuracy", `data-value="0.94"`, "94.00%"},
		{"test-loss", `data-value="0.2"`, "0.2000"},
		{"examples", `data-value="15000"`, "15,000"},
		{"rate", `data-value="14200.5"`, "14,201/s"},
		{"train-loss", `data-value="0.25"`, "0.2500"},
		{"contributions", `data-value="6"`, "6"},
		{"bytes-up", `data-value="4781040"`, "4.78 MB"},
		{"bytes-down", `data-value="4790000"`, "4.79 MB"},
		{"kernel", `data-value="wasm-simd128"`, "WebAssembly, SIMD"},
		{"codec", `data-value="deadzone"`, "deadzone, 1 bit up; float32-planes down (this tab lacks grid)"},
		{"codec", `data-down="float32-planes"`, "deadzone, 1 bit up; float32-planes down (this tab lacks grid)"},
		{"traffic", `data-bits-down="0.668" data-bits-up="1"`,
			"4 models up, 99.6 kB, 1.00 bits a parameter; 3 down, 49.9 kB, 0.668 bits a parameter; raw float32 is 37.3 times as much"},
		{"chart-accuracy", `aria-label="Chart of test accuracy by round: 93.00% after round 5, 93.00% after round 5"`, ""},
	} {
		opening, text := tag(t, page, c.id)
		if !strings.Contains(opening, c.attribute) {
			t.Errorf("%s lacks %s: %s", c.id, c.attribute, opening)
		}
		if strings.ReplaceAll(strings.TrimSpace(text), "\n", " ") != c.text {
			t.Errorf("%s says %q, want %q", c.id, text, c.text)
		}
		if !strings.HasPrefix(c.id, "chart") && !strings.Contains(opening, `data-testid="`+c.id+`"`) {
			t.Errorf("%s has no data-testid: %s", c.id, opening)
		}
	}
	for id, hidden := range map[string]bool{"join": true, "pause": false, "leave": false, "reload": true} {
		if opening, _ := tag(t, page, id); strings.Contains(opening, "hidden") != hidden {
			t.Errorf("%s hidden: want %v: %s", id, hidden, opening)
		}
	}
	if row := "<td>24.9 kB</td><td>20 B</td><td>1.00, –</td><td>32.0×</td><td>1.5 s</td>"; !strings.Contains(page, row) {
		t.Errorf("the table lacks %s:\n%s", row, page[strings.Index(page, "<table"):])
	}
	if n := strings.Count(page, `<tr data-round=`); n != 2 {
		t.Errorf("the table has %d rounds, want 2", n)
	}
}

// A classification has a row for each class, a regression its error in the unit of the
// target.
func TestPageShowsAnEvaluation(t *testing.T) {
	p := shown(t)
	if opening, _ := tag(t, render(t, p), "classes"); strings.Contains(opening, "<tr") {
		t.Errorf("there are classes before an evaluation: %s", opening)
	}
	p.OnState(decode(t, `{"name": "mnist-2nn", "run": "r1", "data": {"classes": 2}, "evaluated": 6, "test_accuracy": 0.97,
		"evaluation": {"version": 6, "examples": 100, "loss": 0.5, "accuracy": 0.97, "balanced_accuracy": 0.66151, "f1": 0.6923,
			"classes": [{"name": "healthy", "examples": 97, "precision": 0.9795, "recall": 0.9896, "f1": 0.9846}, {"name": "ill", "examples": 3, "precision": null, "recall": 0.3333, "f1": 0.4}],
			"confusion": [[97, 0], [2, 1]]}}`))
	page := strings.ReplaceAll(render(t, p), "\n", " ")
	for _, want := range []string{
		"Balanced accuracy 66.15%, mean F1 69.23%, on 100 test examples.",
		`<tr data-class="ill"><th scope="row">ill</th><td>3</td><td>–</td><td>33.33%</td><td>40.00%</td><td>healthy (2)</td></tr>`,
		`<td>98.46%</td><td>none</td></tr>`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	p.OnState(decode(t, `{"name": "mnist-2nn", "run": "r1", "data": {"classes": 0}, "evaluated": 6, "test_accuracy": null, "test_loss": 0.1,
		"stop": {"goals": [{"metric": "rmse", "words": "test RMSE", "reach": 900, "falls": true}, {"metric": "r2", "words": "test R2", "reach": 0.95}, {"metric": "f1", "words": "test F1", "reach": 0.99995}]},
		"evaluation": {"version": 6, "examples": 100, "loss": 0.1, "accuracy": null, "target": "price", "rmse": 12345.6, "mae": 9000.4, "r2": 0.912}}`))
	p.OnRound(decode(t, `{"round": 6, "test_loss": 0.1, "test_accuracy": null, "test_rmse": 12345.6}`))
	page = render(t, p)
	for id, want := range map[string]string{"test-error": "12,346"} {
		if opening, text := tag(t, page, id); text != want || strings.Contains(opening, "hidden") {
			t.Errorf("%s is %q, want %q: %s", id, text, want, opening)
		}
	}
	for _, want := range []string{
		"Typical error of price", "91.2% of the variance explained, model version 6", "test RMSE 900 or less or test R2 0.95 or 99.995% test F1",
		`aria-label="Chart of test error by round: 12,346 after round 6, 12,346 after round 6"`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}

// A page without encryption says so, and any other has the words at hand, hidden.
func TestPlainPage(t *testing.T) {
	for _, plain := range []bool{false, true} {
		p := shown(t)
		p.Plain = plain
		opening, text := tag(t, render(t, p), "plain")
		if got := !strings.Contains(opening, "hidden"); got != plain || !strings.Contains(text, "not encrypted") {
			t.Errorf("not encrypted %v: shown %v, %q", plain, got, text)
		}
	}
}

// What is written into the page directly is what Vugu would draw, and whatever
// else changes has it draw.
func TestNumbersAreWhatIsDrawn(t *testing.T) {
	p := shown(t)
	p.Join()
	p.OnReady("wasm-simd128")
	say := func(done int, rest string) string {
		p.OnWorkerState(decode(t, fmt.Sprintf(`{"connection": "joined", "activity": "training", "round": 7, "total": 15000, "done": %d, %s}`, done, rest)))
		return render(t, p)
	}
	before := say(10, `"loss": 0.5, "rate": 100.5, "bytesUp": 1, "bytesDown": 2, "accuracy": 0.1`)
	still, first := p.Local.Report, p.numbers()
	after := say(3200, `"loss": 0.25, "rate": 14200.5, "bytesUp": 4781040, "bytesDown": 4790000, "accuracy": 0.9`)
	if !same(p.Local.Report, still) {
		t.Error("numbers that change often count as a change of everything")
	}
	second := p.numbers()
	for i, n := range second {
		if first[i].id != n.id || first[i].attribute != n.attribute {
			t.Fatalf("the order changes: %v, %v", first[i], n)
		}
		opening, text := tag(t, after, n.id)
		if n.attribute == "" && text != n.value {
			t.Errorf("%s: %q is drawn, %q written", n.id, text, n.value)
		}
		if n.attribute != "" && !strings.Contains(opening, " "+n.attribute+`="`+n.value+`"`) {
			t.Errorf("%s: %s is drawn, %s=%q written", n.id, opening, n.attribute, n.value)
		}
		// Undone in both, the two pages must be equal: no number is missing.
		if n.attribute == "" {
			before = strings.Replace(before, ">"+first[i].value+"<", ">"+n.value+"<", 1)
		} else {
			old, _ := tag(t, before, n.id)
			before = strings.Replace(before, old, strings.Replace(old, " "+n.attribute+`="`+first[i].value+`"`, " "+n.attribute+`="`+n.value+`"`, 1), 1)
		}
	}
	if before != after {
		t.Errorf("not all that changed is among the numbers:\n%s\n%s", before, after)
	}
}

// Words from a task file or from the coordinator are text, never markup.
func TestPageEscapes(t *testing.T) {
	p := shown(t)
	const evil = `<img src=x onerror=alert(1)>`
	p.Task.Title, p.Task.Description, p.Task.Model.Summary, p.Task.Finished = evil, evil, evil, evil
	p.Tasks = []api.Card{{Name: `"><script>`, Title: evil}, {Name: "b", Title: "B"}}
	p.Join()
	p.OnExit(evil)
	page := render(t, p)
	if strings.Contains(page, "<img") || strings.Contains(page, "<script") {
		t.Errorf("markup came through:\n%s", page)
	}
}

// The renderer matches elements by position: those with a state of their own
// (focus, a chart) must be at the same place whatever the page shows.
func TestStructureIsStable(t *testing.T) {
	shape := func(p *Page) string {
		page := render(t, p)
		page = page[strings.Index(page, `<section class="about"`):strings.Index(page, `<section class="classes`)]
		page = regexp.MustCompile(`(?s)<tbody.*?</tbody>|<p class="dots".*?</p>`).ReplaceAllString(page, "")
		return strings.Join(regexp.MustCompile(`</?[a-z0-9]+`).FindAllString(page, -1), " ")
	}
	want := shape(&Page{Kind: TaskKind})
	joined := shown(t)
	joined.Join()
	joined.OnReady("wasm-simd128")
	refused := shown(t)
	refused.Join()
	refused.OnReady("wasm-simd128")
	refused.OnWorkerState(map[string]any{"connection": "refused", "detail": "no"})
	crashed := shown(t)
	crashed.OnExit("crash")
	for name, p := range map[string]*Page{"shown": shown(t), "joined": joined, "refused": refused, "crashed": crashed} {
		if got := shape(p); got != want {
			t.Errorf("%s: the elements are\n%s\nwant\n%s", name, got, want)
		}
	}
}

// The generated files are those of the components beside them.
func TestGenerated(t *testing.T) {
	dir := t.TempDir()
	sources, err := filepath.Glob("*.vugu")
	if err != nil || len(sources) == 0 {
		t.Fatalf("no components: %v", err)
	}
	hand, _ := filepath.Glob("*.go")
	for _, name := range append(sources, hand...) {
		if strings.HasSuffix(name, "_gen.go") {
			continue
		}
		b, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), b, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("go", "tool", "vugugen", "-skip-go-mod", "-skip-main", dir).CombinedOutput(); err != nil {
		t.Fatalf("vugugen: %v\n%s", err, out)
	}
	if out, err := exec.Command("go", "run", "./shorten", dir).CombinedOutput(); err != nil {
		t.Fatalf("shorten: %v\n%s", err, out)
	}
	for _, source := range sources {
		name := strings.TrimSuffix(source, ".vugu") + "_gen.go"
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if want, err = format.Source(want); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what %s makes: run go generate ./ui", name, source)
		}
	}
}

// After a restart the page says whom the round waits for, and until when.
func TestAwaitedWords(t *testing.T) {
	until := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for _, test := range []struct {
		awaited int
		until   string
		want    string
	}{
		{0, "", "Waiting for the next round"},
		{1, until.Format(time.RFC3339), "Restarted: round 7 waits for 1 participant to reconnect, until " + until.Local().Format("15:04:05")},
		{2, "soon", "Restarted: round 7 waits for 2 participants to reconnect"},
	} {
		p := shown(t)
		p.Task.Awaited, p.Task.AwaitedUntil = test.awaited, test.until
		if got := p.State(); test.awaited > 0 && got != test.want {
			t.Errorf("watching: %q, want %q", got, test.want)
		}
		p.Join()
		p.OnReady("scalar")
		p.OnWorkerState(decode(t, `{"connection": "joined", "activity": "waiting"}`))
		if got := p.State(); got != test.want {
			t.Errorf("joined: %q, want %q", got, test.want)
		}
	}
}

// While means are collected, the page says whom the training waits for, and an evaluation
// on hold-outs says whose they are.
func TestSurveyWords(t *testing.T) {
	for _, c := range []struct {
		ready int
		want  string
	}{
		{1, "Waiting for 2 more participants: join to take part"},
		{3, "Collecting the means by which everybody's numbers are standardised: join to take part"},
	} {
		p := shown(t)
		p.Task.Phase, p.Task.Participants, p.Task.Strategy.Fewest = api.Waiting, 3, 3
		p.Task.Survey = &api.Survey{Ready: c.ready, Fewest: 3}
		if got := p.State(); got != c.want {
			t.Errorf("%d can tell their totals: %q, want %q", c.ready, got, c.want)
		}
	}
	half := .9
	e := &api.Evaluation{Version: 7, Participants: 12, Accuracy: &half, Spread: &api.Spread{Min: .5, Lower: .8, Median: .9, Upper: .95, Max: 1}}
	p := &Page{Task: Task{api.Task{Evaluated: 7, TestAccuracy: &half, Evaluation: e}}}
	if got, want := p.EvaluatedWords(), "model version 7, on the hold-outs of 12 participants: 50% to 100%, half of them 80% to 95%"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// Tasks of one title are told apart by their names.
func TestSameTitle(t *testing.T) {
	p := &Page{}
	p.OnTasks([]any{
		map[string]any{"name": "a", "title": "Digits"}, map[string]any{"name": "b", "title": "Digits"}, map[string]any{"name": "c", "title": "Votes"}, map[string]any{"name": "d"},
	})
	p.Kind = HomeKind
	home := render(t, p)
	p.Kind = TaskKind
	p.Select("b")
	page := home + render(t, p)
	for _, want := range []string{">Digits (a)<", ">Digits (b)<", ">Votes<", ">d<", ">Digits (b)</h1>"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q", want)
		}
	}
}

// A task's title and description are in the page's language, if the task has them so,
// also after an event, which comes without them.
func TestTranslatedTask(t *testing.T) {
	const translations = `"translations": {"de": {"title": "Ziffern", "description": "Liest Ziffern."}, "fr": {"title": "Chiffres"}}`
	for code, want := range map[string][2]string{"": {"Digits", "Reads digits."}, "en": {"Digits", "Reads digits."}, "de": {"Ziffern", "Liest Ziffern."}} {
		p := &Page{Kind: TaskKind, Lang: words.Get(code)}
		p.OnTasks([]any{decode(t, `{"name": "a", "title": "Digits", `+translations+`}`), decode(t, `{"name": "b", "title": "Digits", "translations": {"de": {"title": "Zahlen"}}}`)})
		p.Select("a")
		description := `{"name": "a", "run": "r", "title": "Digits", "description": "Reads digits."`
		p.OnTask(decode(t, description+", "+translations+"}"))
		p.OnState(decode(t, description+"}"))
		heading := want[0]
		if code != "de" {
			heading += " (a)" // both are called so in English
		}
		page := render(t, p)
		for _, want := range []string{">" + heading + "</h1>", ">" + want[1] + "</p>"} {
			if !strings.Contains(page, want) {
				t.Errorf("in %q the page lacks %s", code, want)
			}
		}
	}
}
