package task

import (
	"strings"
	"testing"

	"fedtab/tasks"
)

// shipped returns the text of a task that ships.
func shipped(t *testing.T, name string) []byte {
	t.Helper()
	text, err := tasks.Files.ReadFile(name + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

const edited = `# A study.
name: study # in addresses

title: {en: A study, de: Eine Studie}
description: >-
  Two lines
  of text.
strategy:
  kind: fedavg # as in the paper

  lr: 0.1
  # of all
  fraction: 1
model: {kind: mlp, hidden: [20, 10]}
stop: {rounds: 5}
`

// Edit changes what it is told to, and leaves every other byte.
func TestEdit(t *testing.T) {
	for _, test := range []struct{ set, from, to string }{
		{"name=other", "name: study #", "name: other #"},
		{"strategy.lr=0.25", "lr: 0.1", "lr: 0.25"},
		{"strategy.epochs=3", "  fraction: 1\n", "  fraction: 1\n  epochs: 3\n"},
		{"strategy.fraction=", "  fraction: 1\n", ""},
		{"strategy.kind=periodic", "kind: fedavg #", "kind: periodic #"},
		{"model.hidden=[5]", "[20, 10]", "[5]"},
		{"model.dropout=0.5", "10]}", "10], dropout: 0.5}"},
		{"model.hidden=", ", hidden: [20, 10]", ""},
		{"model.kind=", "kind: mlp, ", ""},
		{"stop.accuracy=0.9", "rounds: 5}", "rounds: 5, accuracy: 0.9}"},
		{"stop.rounds=", "stop: {rounds: 5}\n", ""},
		{"optimiser.kind=adam", "stop: {rounds: 5}\n", "stop: {rounds: 5}\noptimiser: {kind: adam}\n"},
		{"compress.up.bits=2", "stop: {rounds: 5}\n", "stop: {rounds: 5}\ncompress: {up: {bits: 2}}\n"},
		{"seed=7", "stop: {rounds: 5}\n", "stop: {rounds: 5}\nseed: 7\n"},
		{"title=One, two", "{en: A study, de: Eine Studie}", `"One, two"`},
		{"title.de=Noch eine: Studie", "Eine Studie}", `"Noch eine: Studie"}`},
		{"description=short", "description: >-\n  Two lines\n  of text.\n", "description: short\n"},
		{"stop={time: 2h}", "{rounds: 5}", "{time: 2h}"},
		{"unknown.field=1", "stop: {rounds: 5}\n", "stop: {rounds: 5}\nunknown: {field: 1}\n"},
	} {
		t.Run(test.set, func(t *testing.T) {
			if strings.Count(edited, test.from) == 0 {
				t.Fatalf("%q is not in the text", test.from)
			}
			set := test.set
			if set == "title=One, two" {
				set = `title="One, two"`
			}
			if set == "title.de=Noch eine: Studie" {
				set = `title.de="Noch eine: Studie"`
			}
			got, left := Edit([]byte(edited), []string{set})
			if want := strings.Replace(edited, test.from, test.to, 1); string(got) != want || len(left) > 0 {
				t.Errorf("%s, left %v\nwant\n%s", got, left, want)
			}
		})
	}
}

// What Edit cannot apply is left to Parse, which says why.
func TestEditLeft(t *testing.T) {
	for _, set := range []string{"", "strategy", "=3", "name.x=1", "strategy.lr=[", "strategy.lr=&a 1", "model.layers[0].dense=3"} {
		got, left := Edit([]byte(edited), []string{set, "seed=2"})
		if len(left) != 1 || left[0] != set || string(got) != edited+"seed: 2\n" {
			t.Errorf("%q: left %q, text\n%s", set, left, got)
		}
		if _, problems := Inspect("x", got, left...); len(problems) == 0 {
			t.Errorf("%q: no problem", set)
		}
	}
	if got, left := Edit([]byte(edited), []string{"seed="}); string(got) != edited || len(left) != 1 {
		t.Errorf("what is not there is taken out: left %v, text\n%s", left, got)
	}
	if got, left := Edit([]byte("a: ["), []string{"seed=2"}); string(got) != "a: [" || len(left) != 1 {
		t.Errorf("of no YAML: %q, left %v", got, left)
	}
}

// A text that Edit has changed is decoded as Parse decodes the text before with the change.
func TestEditAsParse(t *testing.T) {
	sets := []string{"strategy.lr=0.125", "strategy.epochs=2", "stop.rounds=9", "seed=5", "title=Mine", "join=invited", "download=false", "compress.up.codec=float32"}
	for _, name := range Shipped() {
		text := shipped(t, name)
		want, err := Parse(name, text, sets...)
		if err != nil {
			continue // a scheme without epochs
		}
		changed, left := Edit(text, sets)
		got, err := Parse(name, changed)
		if err != nil || len(left) > 0 || string(got.YAML()) != string(want.YAML()) {
			t.Errorf("%s: %v, left %v\n%s", name, err, left, changed)
		}
		if strings.Count(string(changed), "#") < strings.Count(string(text), "#") {
			t.Errorf("%s has lost a comment:\n%s", name, changed)
		}
	}
}

// Inspect reads what it can beside every problem.
func TestInspect(t *testing.T) {
	task, problems := Inspect("study.yaml", []byte("name: study\nmodel: {kind: mlp, hidden: [20]}\ndata: {source: mnist}\nstrategy:\n  kind: fedavg\n  lr: fast\n  fraction: 1.5\nstop: {rounds: 5}\n"))
	if len(problems) != 2 || problems[0].Path != "strategy.lr" || problems[0].Line != 6 || problems[1].Path != "strategy.fraction" || problems[1].Line != 7 ||
		problems[1].Text != "strategy.fraction is 1.5, want 0 <= fraction <= 1" {
		t.Errorf("problems: %+v", problems)
	}
	values := task.Values()
	for key, want := range map[string]string{"name": "study", "title": "study", "model.hidden": "[20]", "strategy.fraction": "1.5", "optimiser.kind": "sgd", "strategy.deadline": "2m0s", "stop.rounds": "5"} {
		if values[key] != want {
			t.Errorf("%s is %q, want %q", key, values[key], want)
		}
	}
	if line := task.Line("strategy.min_clients"); line != 4 {
		t.Errorf("strategy.min_clients would stand at line %d, want 4", line)
	}
}

// Texts become values that YAML reads as the same texts.
func TestPlainText(t *testing.T) {
	for text, want := range map[string]string{"fedavg": "fedavg", "A study": "A study", "yes": "yes", "true": `"true"`, "5": `"5"`, "": `""`, "a: b": `"a: b"`, "a\nb": `"a\nb"`, "[x": `"[x"`, " x": `" x"`} {
		if got := plainText(text); got != want {
			t.Errorf("%q becomes %s, want %s", text, got, want)
		}
	}
}

// Whatever is written in a form is an answer with problems, and an edit of a valid task is
// read as Parse would.
func FuzzInspect(f *testing.F) {
	for _, name := range []string{"own-vote", "own-digits", "mnist-2nn", "csv", "anes96-daisy"} {
		text, err := tasks.Files.ReadFile(name + ".yaml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, "strategy.lr=0.2")
	}
	f.Add([]byte(edited), "strategy.kind=nothing")
	f.Add([]byte("a: {b: [c, {d: 'e'}]} # f"), "a.b=\"x\"")
	f.Add([]byte("strategy:\n    - kind: x\n"), "strategy=")
	f.Add([]byte("{name: a}"), "name=")
	f.Fuzz(func(t *testing.T, text []byte, set string) {
		changed, left := Edit(text, []string{set})
		task, problems := Inspect("x", changed, left...)
		task.Values()
		Given(changed)
		want, err := Parse("x", text, set)
		if err != nil || len(left) > 0 {
			return
		}
		if len(problems) > 0 || string(task.YAML()) != string(want.YAML()) {
			t.Errorf("%q with %q becomes\n%s\n%v", text, set, changed, problems)
		}
	})
}
