package words

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fedtab/protocol"
	"fedtab/strategy"
)

// others are the sources of sentences that people see and that are made in English.
var others = []string{
	"client/compare.go",
	"coordinator/dataset/images.go", "coordinator/dataset/mnist.go", "coordinator/dataset/own.go", "coordinator/dataset/table.go",
	"coordinator/hub/*.go", "coordinator/quota/refusal.go", "coordinator/web/budget.go", "coordinator/web/prefix.go", "coordinator/web/site.go",
	"learn/data/dialect.go", "learn/data/foreign.go", "learn/data/idx.go", "learn/data/keep.go", "learn/data/labels.go", "learn/data/mapping.go",
	"learn/data/offers.go", "learn/data/own.go", "learn/data/owncsv.go", "learn/data/ownidx.go", "learn/data/ownvalue.go", "learn/data/pictures.go",
	"learn/data/readown.go", "learn/data/records.go", "learn/data/rows.go", "learn/data/rowtexts.go", "learn/data/schema.go",
	"protocol/close.go", "protocol/invite/invite.go",
	"run/durable.go", "run/finish.go", "run/goal.go", "run/guard.go", "run/members.go", "run/run.go",
	"static/extra/bench.js", "static/extra/bring.js", "static/extra/charts.js", "static/host.js", "static/extra/pictures.js", "static/tab.js",
	"strategy/balancing.go", "strategy/rounds.go", "strategy/words.go",
	"wasm/*.go",
}

// sample is what a sentence has for what changes.
var (
	verb    = regexp.MustCompile(`%(\[\d+\])?[-+# 0]*[\d.]*[a-zA-Z]`)
	twoWord = regexp.MustCompile(`[a-zA-Z]{2,}[,.:;]? +[a-zA-Z(]`)
)

// said returns the texts that a Go file makes, each with samples of what changes: those
// of its strings, formats and sums of both that are not part of a larger one.
func said(t *testing.T, path string) (texts []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	constants := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && len(v.Names) == 1 && len(v.Values) == 1 {
			if s, ok := literal(v.Values[0]); ok {
				constants[v.Names[0].Name] = s
			}
		}
		return true
	})
	var text func(e ast.Expr) (string, bool)
	format := func(call *ast.CallExpr) (string, bool) {
		at := slices.IndexFunc(call.Args, func(e ast.Expr) bool { s, ok := literal(e); return ok && verb.MatchString(s) })
		if at < 0 {
			return "", false
		}
		s, _ := literal(call.Args[at])
		k := at
		return verb.ReplaceAllStringFunc(s, func(v string) string {
			k++
			if k < len(call.Args) {
				if arg, ok := text(call.Args[k]); ok {
					return arg
				}
			}
			switch v[len(v)-1] {
			case 'd', 'g', 'f':
				return "7"
			case 'q':
				return `"x"`
			}
			return "x"
		}), true
	}
	text = func(e ast.Expr) (string, bool) {
		switch e := e.(type) {
		case *ast.ParenExpr:
			return text(e.X)
		case *ast.Ident:
			s, ok := constants[e.Name]
			return s, ok
		case *ast.BinaryExpr:
			a, isA := text(e.X)
			b, isB := text(e.Y)
			if e.Op != token.ADD || !isA && !isB {
				return "", false
			}
			if !isA {
				a = "x"
			}
			if !isB {
				b = "x"
			}
			return a + b, true
		case *ast.CallExpr:
			name := ""
			switch f := e.Fun.(type) {
			case *ast.Ident:
				name = f.Name
			case *ast.SelectorExpr:
				name = f.Sel.Name
			}
			if name == "plural" {
				thing, ok := literal(e.Args[1])
				return "7 " + thing + "s", ok
			}
			if strings.HasPrefix(name, "Format") || name == "Itoa" {
				return "7", true
			}
			return format(e)
		}
		return literal(e)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec, *ast.Field:
			return false
		case ast.Expr:
			if s, ok := text(n); ok {
				texts = append(texts, s)
				return false
			}
		}
		return true
	})
	return texts
}

// Whatever others say to people has a phrase in every language.
func TestOthersSentencesHavePhrases(t *testing.T) {
	script := regexp.MustCompile("\"((?:[^\"\\\\\n]|\\\\.)+)\"")
	comment := regexp.MustCompile(`(?m)//.*$`)
	for _, pattern := range others {
		paths, err := filepath.Glob("../" + pattern)
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %v, want files", pattern, err)
		}
		for _, path := range paths {
			var texts []string
			switch {
			case strings.HasSuffix(path, "_test.go"):
			case strings.HasSuffix(path, ".go"):
				texts = said(t, path)
			default:
				b, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				for _, m := range script.FindAllSubmatch(comment.ReplaceAll(b, nil), -1) {
					texts = append(texts, string(m[1]))
				}
			}
			for _, s := range texts {
				if !twoWord.MatchString(s) || slices.Contains(fragments, s) || slices.ContainsFunc(unseen, func(begin string) bool { return strings.HasPrefix(s, begin) }) {
					continue
				}
				for _, l := range Languages()[1:] {
					if s = strings.TrimSpace(s); l.Phrase(s) == s {
						t.Errorf("%s: %q has no phrase in %s.txt, and is not among the unseen", strings.TrimPrefix(path, "../"), s, l.Code)
					}
				}
			}
		}
	}
}

// unseen are the beginnings of what the sources have beside sentences for people: errors
// of commands and of programs, lines of the log, and what is no text.
var unseen = []string{
	"client/", "comparison: ", "data: ", "hub: ", "protocol: ", "strategy: ", "wasm: ", "wasm is ", "run x", "run: ", "run halted: ", "run finished", "secure: ", "use strict", "fedtab ", "fedtab-",
	// coordinator/dataset: what commands and the task's own tests say
	"install Debian's", "want the folder of Fashion", "fashion-mnist: ", "mnist: ", "mnist is not", "x has images of shape", "x: all 7 test examples", "7 of the 7 test ",
	"x has shape x", "x and x: x", "x has 7 labels", "evaluate.test", "task x: ", "x: x; want x.decimal", "x: 7 rows have problems", "x: all rows have the same x",
	"x: data.holdout", "no training row is of class", "no test row is of class", "7 rows dropped", "7 missing values filled", "constant columns dropped", "categories of x", "x: column x: x", "7 values of x have all",
	// coordinator: the log, and what no tab does
	"handshake refused", "hello refused", "session ended", "session closed", "cannot ", "got a text message", "a second hello", "frame: 7 bytes", "fragments: ",
	"x; if it is the address of many participants", `"x", want http`, `"x": `, "there is no such page: want a path", "a proxy on this machine", "all its participants count",
	"no limit of an address", "the proxy does not say",
	// learn/data: commands, and what people get in other words
	"lines end in CR alone", "has a zero byte", "x:7: x is x: no other number", "7 fields, want", "row too long", "SQLite format", "<!doctype", "own data",
	// protocol and run
	"id: ", "task: 7 bytes", "expires: ", "no later try", "the journal works", "contributions could not", "contribution of participant", "contribution taken out", "taken out", "not to be had: ",
	"participant numbers", "another process drives", "this process drives", "it lacks x, and", "x: not a message", "requests for version", "cut off or too long",
	// wasm and scripts
	"12px system-ui", "(prefers-color", "web workers", "server-sent events", ".buttons", "button, ", ", invite: ",
	"given up", "the person left", "no JSON", "Unknown message", "The message has no", "There are too many models", "the kernel module could", "x: 7 in 7 shards, want at least",
}

// fragments are parts of sentences that the sources put together in a way that the test
// does not follow; wholes has the sentences.
var fragments = []string{
	", classes x", " and x", "x images of 7 x 7 pixels", "7 rows of 7 features, 7 more for testing; x is x",
	"requests from your address: more than 7 a second", "downloads of your address: more than 7 MB a second", "x: wait for a minute",
	"the address of the page, which ends in ", "if participants use that path, start the coordinator with --public-url and xx", `path: "x", want it below x/: x, or have the proxy remove it`,
	"too many new connections from one address", "unsigned bytes", "x is x", "row too long",
	" has labels of images, and the task wants a table.", " is not a table with a column of file names and one of classes.", " does not have a column with x.", " has no rows of names and classes.",
	"columns x can be x: choose one", "x is x, not a table in text.x", "are called by their numbers", "are taken in the order of the task", "The file has no line of names: its columns x.",
	"x, with a decimal comma if any", "x, with a decimal point if any", "x, want x", "There is no model of x yet.", "7 as in line 7", "7 as in the first line", " with a decimal x", " (it is a date: write a year or a number of days)", " without a unit", "a quote at byte 7 is not closed, or inside a value",
	"it doubled and the value in quotes", "x has x7 rows of 7 values, and at most 7 rows fit in memory. Choose a part of it.", "more than ",
	"x has x7 rows, and the task takes at most 7. Choose a part of it.", " (row begins", " (the row begins in line 7)", " of at least 7", " of at most 7",
	"x 7 reached at version 7", "balanced accuracy", "x x of x", "x x", "it unpacks to more than ", "the coordinator answered ", "it ended with code ",
	"learning rate x", "proximal term x", "x% of participants per round", "any distance",
	"x is no class: write x", "it has no class: choose one above, or put it into a folder named x", "its folder x is no class: choose one above, or name the folder x",
	"x and so on", "x or x", " is left out: ",
}

// What is put together from several places is whole in German.
func TestWholeSentences(t *testing.T) {
	de := Get("de")
	for english, want := range map[string]string{
		"own data: grey images of 28 x 28 pixels, classes cat and dog":                                                "eigene Daten: graue Bilder mit 28 x 28 Pixeln, Klassen cat und dog",
		"own data: coloured images of 32 x 32 pixels, 10 classes":                                                     "eigene Daten: farbige Bilder mit 32 x 32 Pixeln, 10 Klassen",
		"CIFAR-100: 50000 coloured images of 32 x 32 pixels in 100 classes, 10000 more for testing":                   "CIFAR-100: 50000 farbige Bilder mit 32 x 32 Pixeln in 100 Klassen, 10000 weitere zum Testen",
		"EMNIST letters: 124800 grey images of 28 x 28 pixels in 26 classes, 20800 more for testing":                  "EMNIST letters: 124800 graue Bilder mit 28 x 28 Pixeln in 26 Klassen, 20800 weitere zum Testen",
		"x.npz: 60000 examples of shape [28 28] in 10 classes, 10000 more for testing":                                "x.npz: 60000 Beispiele der Form [28 28] in 10 Klassen, 10000 weitere zum Testen",
		"x.npz: 400 examples of shape [9] of numbers, 100 more for testing":                                           "x.npz: 400 Beispiele der Form [9] mit Zahlen, 100 weitere zum Testen",
		"synthetic data, two moons: 1600 examples of 2 features, 400 more for testing":                                "künstliche Daten, zwei Monde: 1600 Beispiele mit 2 Merkmalen, 400 weitere zum Testen",
		"synthetic data, Synthetic(0.5, 1): 1600 examples of 60 features, 400 more for testing":                       "künstliche Daten, Synthetic(0.5, 1): 1600 Beispiele mit 60 Merkmalen, 400 weitere zum Testen",
		"own data: 1 feature, to predict price":                                                                       "eigene Daten: 1 Merkmal, um price vorherzusagen",
		"own data: 12 features, classes a, b, c and d":                                                                "eigene Daten: 12 Merkmale, Klassen a, b, c und d",
		"digits.csv: 800 rows of 6 features, 200 more for testing; vote is one of 2 classes":                          "digits.csv: 800 Zeilen mit 6 Merkmalen, 200 weitere zum Testen; vote ist eine von 2 Klassen",
		"How Americans meant to vote in 1996: 800 rows of 6 features, 144 more for testing; vote is one of 2 classes": "Wie Menschen in den USA 1996 wählen wollten: 800 Zeilen mit 6 Merkmalen, 144 weitere zum Testen; vote ist eine von 2 Klassen",
		"requests from your address: more than 12.5 a second: wait for a minute":                                      "Anfragen von deiner Adresse: mehr als 12,5 je Sekunde. Warte eine Minute",
		`path: "/lab/x", want it below /: if participants use that path, start the coordinator with --public-url and the address of the page, which ends in /lab, or have the proxy remove it`: `Pfad: "/lab/x", erwartet: unter /. Wenn Teilnehmende diesen Pfad benutzen, starte den Koordinator mit --public-url und der Adresse der Seite, die auf /lab endet, oder lass den Proxy ihn entfernen`,
		`host: "evil.example", want localhost or an IP address: start the coordinator with --public-url and the address that participants use`:                                                 `Host: "evil.example", erwartet: localhost oder eine IP-Adresse: starte den Koordinator mit --public-url und der Adresse, die Teilnehmende benutzen`,
		"a.csv has no labels: choose the file of the labels too.": "a.csv hat keine Klassen: Wähle auch die Datei mit den Klassen.",
		"labels.csv does not have a column with cat, dog.":        "labels.csv hat keine Spalte mit cat, dog.",
		"a.csv does not have all columns of the task: no column is called age: choose one; columns 1, 2 and 4 can be sex: choose one (and 2 more). Its columns are a, b and 3 more.": "a.csv hat nicht alle Spalten der Aufgabe: keine Spalte heißt age: Wähle eine; die Spalten 1, 2 und 4 können sex sein: Wähle eine (und 2 weitere). Ihre Spalten sind a, b und 3 weitere.",
		"a.xlsx is an Excel workbook, not a table in text. Open it in its program, save the sheet as CSV (File, Save as, CSV UTF-8) and choose that file.":                           "a.xlsx ist eine Excel-Mappe, keine Tabelle als Text. Öffne sie in ihrem Programm, speichere das Blatt als CSV (Datei, Speichern unter, CSV UTF-8), und wähle diese Datei.",
		"age is \"12,5\", want a number from 0 to 120 with a decimal point":                                                                                                          "age ist \"12,5\", erwartet: eine Zahl von 0 bis 120 mit Dezimalpunkt",
		"age is 1.1.2001, want a number (it is a date: write a year or a number of days)":                                                                                            "age ist 1.1.2001, erwartet: eine Zahl (das ist ein Datum: Schreib ein Jahr oder eine Zahl von Tagen)",
		"price is 5 EUR, want a number of at least 0.5 without a unit":                                                                                                               "price ist 5 EUR, erwartet: eine Zahl ab 0,5 ohne Einheit",
		"sex is x, want one of f, m":            "sex ist x, erwartet: eines von f, m",
		"5 values, want 7 as in the first line": "5 Werte, erwartet: 7 wie in der ersten Zeile",
		"a.csv has no row without problems. The first: line 7: sex is x, want one of f, m.":  "a.csv hat keine Zeile ohne Probleme. Das erste: Zeile 7: sex ist x, erwartet: eines von f, m.",
		"a.csv, line 7: byte 3: a quote that is not closed, or not followed by a separator.": "a.csv, Zeile 7: Byte 3: ein Anführungszeichen, das nicht geschlossen ist oder auf das kein Trennzeichen folgt.",
		"price is 5, want a number from 0 to 1.5, with a decimal point if any":               "price ist 5, erwartet: eine Zahl von 0 bis 1,5, mit Dezimalpunkt, wenn nötig",
		"a.csv cannot be read: data: a.csv is empty, want rows of values: malformed data.":   "a.csv kann nicht gelesen werden: a.csv ist leer.",
		"dog1.png is no class: write cat or dog":                                             "dog1.png ist keine Klasse: Schreib cat oder dog",
		"it has no class: choose one above, or put it into a folder named a, b, c and so on": "es hat keine Klasse: Wähle oben eine, oder leg es in einen Ordner namens a, b, c und so weiter",
		"a.zip cannot be read: it unpacks to more than 64 MB.":                               "a.zip kann nicht gelesen werden: entpackt sind es mehr als 64 MB.",
		"its program could not be loaded: the coordinator answered 503":                      "sein Programm konnte nicht geladen werden: der Koordinator antwortete mit 503",
		"test accuracy 0.9812 reached at version 12":                                         "Genauigkeit im Test 0,9812 erreicht mit Version 12",
		"validation accuracy 0.9812 reached at version 12":                                   "Genauigkeit in der Validierung 0,9812 erreicht mit Version 12",
		"test recall of ill 0.91 reached at version 12":                                      "Trefferquote für ill im Test 0,91 erreicht mit Version 12",
		"late: order 7 was closed":                                                           "zu spät: order 7 was closed",
		"not finite":                                                                         "keine endlichen Zahlen",
		"2 of 5 contributions, 3 needed":                                                     "2 von 5 Beiträgen, 3 gebraucht",
		"This browser has no room left to keep your data. Your data stays usable until you reload or close this tab; then bring it again.": "Dieser Browser hat keinen Platz mehr für deine Daten. Deine Daten bleiben nutzbar, bis du diesen Tab neu lädst oder schließt; bring sie dann noch einmal.",
		"TypeError: Failed to fetch": "TypeError: Failed to fetch",
	} {
		if got := de.Phrase(english); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", english, got, want)
		}
	}
}

// Every scheme is described, and every reason and close code said, in every language.
func TestSchemesAndReasonsHavePhrases(t *testing.T) {
	var all []string
	for _, s := range strategy.Schemes() {
		c := strategy.Config{Kind: s.Name, LR: .1, Batch: 10, Epochs: 2, Fraction: .1, Batches: 8, Prox: .5, Server: "adam", Correction: "scaffold", Combine: "trimmed-mean", LRScale: "sqrt"}
		summary := c.WithDefaults().Summary()
		title, settings, _ := strings.Cut(summary, ": ")
		if de := Get("de").Phrase(summary); strings.Contains(de, title) {
			t.Errorf("%q is %q in German", summary, de)
		}
		for _, s := range strings.Split(settings, ", ") {
			if s != "SCAFFOLD" {
				all = append(all, s)
			}
		}
	}
	for r := protocol.ReasonLate; r <= protocol.ReasonAbandoned; r++ {
		all = append(all, r.String())
	}
	for _, c := range protocol.CloseCodes() {
		if c != protocol.CloseNormal && c != protocol.CloseFinished && c != protocol.CloseInvite { // these are told apart by a tab
			all = append(all, c.String())
		}
	}
	for _, s := range all {
		for _, l := range Languages()[1:] {
			if l.Phrase(s) == s {
				t.Errorf("%q has no phrase in %s.txt", s, l.Code)
			}
		}
	}
}
