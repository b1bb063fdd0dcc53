package words

import (
	"slices"
	"strings"
	"testing"
)

// in returns a language with the numbers of German and some phrases.
func in(phrases string) *Language {
	if !strings.Contains(phrases, "number.decimal") {
		phrases = "number.decimal = ,\nnumber.group = .\n" + phrases
	}
	return &Language{load: loader(&phrases)}
}

func TestPhrase(t *testing.T) {
	l := in(`
phrase a number = eine Zahl
phrase a number from {0#} to {1#} = eine Zahl von {0} bis {1}
phrase {0!} without a unit = {0} ohne Einheit
phrase line {0#} = Zeile {0}
phrase line {0#}: {1} is {2}, want {3?} = Zeile {0}: erwartet {3}, {1} ist {2}
phrase {0!}: {1?} = {0}: {1}
phrase Averaging: {0,} = Mitteln: {0}
phrase {0#} tabs = {0:ein Tab|# Tabs}
phrase Choose again. = Wähle noch einmal.
phrase twice {0} and {1} = zweimal {1} und {0}
`)
	for english, want := range map[string]string{
		"":                         "",
		"a number":                 "eine Zahl",
		"a number from 0.5 to -2":  "eine Zahl von 0,5 bis -2",
		"a number from x to 2":     "a number from x to 2",
		"a number without a unit":  "eine Zahl ohne Einheit",
		"something without a unit": "something without a unit",
		"line 12":                  "Zeile 12",
		"line dance":               "line dance",
		"line 1,200: a is b, want a number without a unit": "Zeile 1.200: erwartet eine Zahl ohne Einheit, a ist b",
		"line 7: is is is is b, want c":                    "Zeile 7: erwartet c, is ist is is b",
		"line 7: a is b, want c, want d":                   "Zeile 7: erwartet c, want d, a ist b",
		"line 7: unknown":                                  "Zeile 7: unknown",
		"Averaging: 3 tabs, 1 tabs, others":                "Mitteln: 3 Tabs, ein Tab, others",
		"Something else. Choose again. Or not.":            "Something else. Wähle noch einmal. Or not.",
		"Choose again.":                                    "Wähle noch einmal.",
		"twice a and b and c":                              "zweimal b and c und a",
		"twice and":                                        "twice and",
	} {
		if got := l.Phrase(english); got != want {
			t.Errorf("%q: got %q, want %q", english, got, want)
		}
		if got := Get("en").Phrase(english); got != english {
			t.Errorf("in English %q is %q", english, got)
		}
	}
	if s := strings.Repeat("line 7: ", 1000); l.Phrase(s) != s {
		t.Error("a very long text is translated, want it as it is")
	}
	for phrase, want := range map[string]string{
		"phrase {a} = b":             "line 1: {a}, want {0}, {0#}, {0!}, {0?} or {0,}",
		"phrase {0##} = b":           "line 1: {0##}, want {0}, {0#}, {0!}, {0?} or {0,}",
		"phrase a = b\nphrase a = c": "line 2: phrase a is there already, want each key once",
	} {
		if _, err := parse(phrase); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", phrase, err, want)
		}
	}
}

// A phrase says nothing that the English sentence does not have; it may leave out what
// the page says beside it, such as the name of a file.
func TestPhrasesAreWhole(t *testing.T) {
	for _, l := range Languages() {
		for _, p := range l.load().phrases {
			filled, wrong := holes(p.text)
			for number := range filled {
				if !slices.ContainsFunc(p.holes, func(h hole) bool { return h.number == number }) {
					wrong = "it has an argument that the English sentence lacks"
				}
			}
			for _, h := range p.holes {
				if h.number >= len(p.holes) {
					wrong = "its arguments are not numbered from 0"
				}
			}
			if wrong != "" {
				t.Errorf("%s.txt: %q = %q: %s", l.Code, p.parts, p.text, wrong)
			}
		}
	}
}

// Whatever a coordinator or a file says, it is translated, or left as it is, in no time.
func FuzzPhrase(f *testing.F) {
	f.Add("line 7: age is \"x\", want a number from 0 to 120 with a decimal point")
	f.Add(strings.Repeat("late: ", 300))
	f.Add(strings.Repeat("a is b, want ", 100))
	f.Fuzz(func(t *testing.T, english string) {
		Get("de").Phrase(english)
		Match(english)
	})
}

func BenchmarkPhrase(b *testing.B) {
	l := in(germanText)
	for b.Loop() {
		l.load().newest = nil
		l.Phrase("line 7: age is \"x\", want a number from 0 to 120 with a decimal point")
	}
}

func BenchmarkPhraseAtWorst(b *testing.B) {
	l, text := in(germanText), strings.Repeat("late: ", maxPhrase/6)
	for b.Loop() {
		l.load().newest = nil
		l.Phrase(text)
	}
}
