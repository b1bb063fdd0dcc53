//go:build !js

package ui

import (
	"fmt"
	"strings"
	"testing"

	"fedtab/words"
)

// card is an entry of /api/tasks, with more members.
func card(t *testing.T, name, more string) any {
	t.Helper()
	return decode(t, `{"name": "`+name+`", "phase": "training", "join": "open"`+more+`}`)
}

func TestHomeShowsCards(t *testing.T) {
	p := &Page{Kind: HomeKind, Root: "../"}
	p.OnTasks([]any{
		card(t, "digits", `, "title": "Digits", "description": "Reads digits.", "participants": 3, "version": 4, "stop": {"rounds": 8}, "progress": 0.5, "seconds_left": 290, "test_accuracy": 0.94, "data": {"public": true, "picture": true}`),
		card(t, "votes", `, "title": "Votes", "phase": "paused", "version": 4, "data": {"own": true, "columns": ["age", "income"]}`),
		card(t, "boots", `, "title": "Boots", "join": "invited", "data": {"own": true, "class_names": ["boot", "sneaker"]}`),
		card(t, "old", `, "title": "Old", "phase": "finished", "test_rmse": 1234.5`),
	})
	page := render(t, p)
	list, finished, _ := strings.Cut(page, `<ul class="over"`)
	cards := strings.Split(list, "data-task=")[1:]
	if len(cards) != 3 {
		t.Fatalf("home has %d cards, want those of the 3 open tasks:\n%s", len(cards), page)
	}
	for i, wants := range [][]string{
		{`src="../api/tasks/digits/picture.png"`, `href="../t/digits"`, "Reads digits.", "Nothing to bring", "public examples", "3 participants now", "94% right", `value="0.5"`, "4 of 8 rounds done", "about 5 minutes left", `<span>Have a look</span><span class="unseen">: Digits</span>`},
		{"You bring a table", "stays in your tab", "<span>age</span>", "Training is paused by its organiser", "Nobody here right now", `data-go="Go on"`, `hidden="">You take part here`},
		{"Joined by invite", "You bring pictures", "<span>sneaker</span>"},
	} {
		for _, want := range wants {
			if !strings.Contains(cards[i], want) {
				t.Errorf("card %d lacks %q:\n%s", i, want, cards[i])
			}
		}
	}
	if !strings.Contains(finished, ">Old<") || !strings.Contains(finished, "typical error 1,235") || strings.Contains(finished, "Digits") {
		t.Errorf("finished are %s", finished)
	}
}

func TestHomeWithoutTasks(t *testing.T) {
	p := &Page{Kind: HomeKind}
	if page := render(t, p); !strings.Contains(page, "There is no task here yet") || !strings.Contains(page, `hidden="">The coordinator cannot be reached, trying again`) {
		t.Errorf("home without tasks is %s", page)
	}
	p.OnTasks([]any{card(t, "old", `, "phase": "finished"`)})
	if page := render(t, p); !strings.Contains(page, "Every task here is finished") {
		t.Errorf("home without open tasks is %s", page)
	}
}

// Home and the browser's title have a task in the page's language too, with its name where
// the title of another task reads the same.
func TestTranslatedTitles(t *testing.T) {
	const german = `, "title": "Digits", "description": "Reads digits.", "translations": {"de": {"title": "Ziffern", "description": "Liest Ziffern."}}`
	p := &Page{Kind: HomeKind, Lang: words.Get("de")}
	p.OnTasks([]any{card(t, "a", german), card(t, "b", `, "title": "Ziffern"`), card(t, "c", `, "title": "Votes"`)})
	page := render(t, p)
	for _, want := range []string{">Ziffern (a)<", ">Ziffern (b)<", ">Votes<", "Liest Ziffern."} {
		if !strings.Contains(page, want) {
			t.Errorf("home lacks %q", want)
		}
	}
	p = &Page{Kind: TaskKind, Lang: words.Get("de")}
	p.OnTasks([]any{card(t, "a", german)})
	p.Select("a")
	for name, got := range map[string][2]string{
		"title":       {p.TaskTitle(), "Ziffern"},
		"description": {p.Description(), "Liest Ziffern."},
		"browser's":   {p.Title(), "Ziffern · fedtab"},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %q, want %q", name, got[0], got[1])
		}
	}
	p.Lang = nil
	if got := p.TaskTitle(); got != "Digits" {
		t.Errorf("in English it is %q", got)
	}
}

func TestScreen(t *testing.T) {
	p := &Page{Kind: ScreenKind, Address: "https://a.example/t/mnist-2nn"}
	p.OnTasks([]any{card(t, "mnist-2nn", `, "title": "Digits", "participants": 2`), card(t, "b", `, "participants": 3`)})
	if opening, text := tag(t, render(t, p), "screen-people"); !strings.Contains(opening, `data-value="5"`) || text != "5 participants now" {
		t.Errorf("all tasks: %q, %s", text, opening)
	}
	p.Select("mnist-2nn")
	p.OnTask(decode(t, `{"name": "mnist-2nn", "title": "Digits", "phase": "training", "participants": 200, "version": 3, "stop": {"rounds": 6}, "progress": 0.5, "seconds_left": 7300, "test_accuracy": 0.915}`))
	page := render(t, p)
	for id, want := range map[string]string{"address": p.Address, "screen-people": "200 participants now", "screen-result": "91% right"} {
		if _, text := tag(t, page, id); text != want {
			t.Errorf("%s is %q, want %q", id, text, want)
		}
	}
	p.OnState(decode(t, `{"name": "mnist-2nn", "phase": "paused", "paused": "lunch", "version": 3}`))
	if paused := render(t, p); !strings.Contains(paused, "Training is paused by its organiser: lunch") {
		t.Errorf("in a pause the screen is\n%s", paused)
	}
	if n := strings.Count(page, "<i>"); n != maxDots {
		t.Errorf("there are %d dots, want %d", n, maxDots)
	}
	for _, want := range []string{">Digits</h1>", `src="qr.svg?path=t/mnist-2nn"`, "3 of 6 rounds done. About 2 hours left"} {
		if !strings.Contains(page, want) {
			t.Errorf("the screen lacks %q:\n%s", want, page)
		}
	}
}

// Before joining a person reads what leaves the device, what it costs and what could be
// inferred; while the tab takes part that is put away, and can be asked for.
func TestUnderstand(t *testing.T) {
	read := func(p *Page) string { return render(t, p) }
	p := shown(t)
	p.OnTask(decode(t, `{"name": "mnist-2nn", "run": "r1", "model": {"parameters": 199210}, "seconds_left": 310, "cost": {"data_bytes": 10400000, "bytes_up": 30123, "bytes_down": 25000},
		"data": {"public": true, "classes": 10, "summary": "MNIST: 60,000 handwritten digits", "class_names": ["0", "1", "2"]}}`))
	page := read(p)
	for _, want := range []string{
		"0, 1 or 2", "199,210 parameters of it, packed into about 30 kB a round", "Downloads about 10 MB of examples at first. Sends about 30 kB and receives about 25 kB a round. The training goes on for about 5 minutes",
		"Nothing about you", "Everything that is on it",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "metered") {
		t.Error("a network that costs nothing is warned of")
	}
	p.Metered = true
	if !strings.Contains(read(p), "You seem to be on a metered or mobile network") {
		t.Error("a metered network is not warned of")
	}
	hidden := func(p *Page) bool {
		opening, _ := tag(t, read(p), "understand-points")
		return strings.Contains(opening, "hidden")
	}
	if hidden(p) {
		t.Error("the answers are put away before joining")
	}
	p.Join()
	if !hidden(p) {
		t.Error("the answers stay while the tab takes part")
	}
	p.Fold("understand")
	if hidden(p) {
		t.Error("the answers do not come back")
	}

	own := shown(t)
	own.OnTask(decode(t, `{"name": "mnist-2nn", "run": "r1", "data": {"classes": 0, "summary": "own data", "own": {"table": {"label": {"name": "price"}}}}}`))
	page = read(own)
	for _, want := range []string{"To estimate price.", "sees what your tab sends", "every row, every picture, every file", "sums over all rows"} {
		if !strings.Contains(page, want) {
			t.Errorf("own data: the page lacks %q", want)
		}
	}
}

func TestAbsentListsTasks(t *testing.T) {
	p := &Page{Kind: AbsentKind, Root: "../"}
	p.OnTasks([]any{card(t, "digits", `, "title": "Digits"`)})
	if page := render(t, p); !strings.Contains(page, `<a href="../t/digits">Digits</a>`) || p.Title() != "There is no such page · fedtab" {
		t.Errorf("%s: %s", p.Title(), page)
	}
}

// With noise a person reads how well their part is hidden, and what that rests on.
func TestHidden(t *testing.T) {
	p := shown(t)
	task := `{"name": "mnist-2nn", "run": "r1", "model": {"parameters": 7850}, "data": {"classes": 2}, "claim": {"epsilon": %s, "delta": 0.00001, "releases": 54, "budget": 8, "noise": 1, "clip": 0.5, "rate": 0.1, "population": 1000}}`
	p.OnTask(decode(t, fmt.Sprintf(task, "5.322")))
	page := render(t, p)
	for _, want := range []string{
		"How well is my part hidden?", "So far: epsilon 5.322, but for a chance of 1 in 100,000 (delta), after 54 rounds.", "The run ends before epsilon exceeds 8.",
		"one tab for each person", "every one of 1,000 members takes part with a probability of 10.00%",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	p.OnTask(decode(t, `{"name": "mnist-2nn", "run": "r1", "model": {"parameters": 7850}, "data": {"classes": 2}, "claim": {"epsilon": 1, "delta": 0.00001, "releases": 54, "noise": 1, "clip": 0.5, "rate": 1, "population": 1000, "participations": 4}}`))
	if page := render(t, p); !strings.Contains(page, "You take part in at most 4 rounds") || strings.Contains(page, "rests on chance") {
		t.Error("of noise of a tree it is not said in how many rounds one takes part")
	}
	p.OnTask(decode(t, `{"name": "mnist-2nn", "run": "r1", "model": {"parameters": 7850}, "data": {"classes": 2}, "privacy": {"aggregation": "secure", "min": 160}, "claim": {"epsilon": 1, "delta": 0.00001, "releases": 54, "noise": 2.14, "clip": 0.5, "rate": 1, "population": 1000, "participations": 11, "distributed": true}}`))
	if page := render(t, p); !strings.Contains(page, "A sum of 160 or more has a noise that is 2.14 times as large") || !strings.Contains(page, "You take part in at most 11 rounds") {
		t.Error("of noise in secure sums it is not said how much there is")
	}
	for claim, want := range map[string]string{
		`"together": {"runs": 2, "epsilon": 3.5, "delta": 0.0001}`:                       "With 2 earlier runs of this task: epsilon 3.5, but for a chance of 1 in 10,000, if you took part in all.",
		`"together": {"runs": 1, "epsilon": null, "delta": 0.0001}`:                      "1 earlier run of this task added to that, and nothing is promised of all together.",
		`"together": {"runs": 2, "epsilon": 3.5, "delta": 0.0001, "adjacency": "mixed"}`: "Some of these runs hide that you take part, others only what you contribute.",
		`"distributed": true, "colluding": 20`:                                           "It holds even if 20 participants of a round show the organiser their noise.",
	} {
		p.OnTask(decode(t, fmt.Sprintf(strings.Replace(task, `"population"`, claim+`, "population"`, 1), "1")))
		if page := render(t, p); !strings.Contains(page, want) {
			t.Errorf("of %s the page lacks %q", claim, want)
		}
	}
	p.OnTask(decode(t, fmt.Sprintf(task, "null")))
	if !strings.Contains(render(t, p), "So far nothing is promised") {
		t.Error("a run without a bound promises one")
	}
	p.OnTask(decode(t, `{"name": "mnist-2nn", "run": "r1", "model": {"parameters": 7850}, "data": {"classes": 2}}`))
	if strings.Contains(render(t, p), "How well is my part hidden?") {
		t.Error("a run without noise speaks of it")
	}
}
