package words

import (
	"cmp"
	"errors"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestSay(t *testing.T) {
	l := &Language{load: func() *file {
		return &file{texts: map[string]string{
			"plain": "No number", "two": "{1} of {0}", "choice": "waiting for {0:one more tab|# more tabs}, {0}",
			"number.group": ".", "number.decimal": ",",
		}}
	}}
	for _, c := range []struct {
		got, want string
	}{
		{l.Say("plain"), "No number"},
		{l.Say("plain", 1), "No number"},
		{l.Say("two", 1200, "{0}"), "{0} of 1.200"},
		{l.Say("two", 1), " of 1"},
		{l.Say("choice", 1), "waiting for one more tab, 1"},
		{l.Say("choice", 0), "waiting for 0 more tabs, 0"},
		{l.Say("choice", int64(1200)), "waiting for 1.200 more tabs, 1.200"},
		{l.Say("choice", 1.0), "waiting for one more tab, 1"},
		{l.Say("choice", 1.5), "waiting for 1,5 more tabs, 1,5"},
		{l.Say("choice", "1"), "waiting for one more tab, 1"},
		{l.Say("choice", "one"), "waiting for one more tabs, one"},
		{l.Say("list.and"), "and"}, // English, where a text is missing
		{l.Say("no.such.key", 1), "no.such.key"},
		{(*Language)(nil).Say("list.and"), "and"},
		{Get("de").Say("list.and"), "und"},
		{Get("de").Name, "Deutsch"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
	if l := Get("tlh"); l != nil {
		t.Errorf("Get of an unknown code: %q, want nil", l.Code)
	}
}

func TestMatch(t *testing.T) {
	for header, want := range map[string]string{
		"":                                     "en",
		"de":                                   "de",
		"de-AT, en;q=0.5":                      "de",
		"DE-ch":                                "de",
		"en;q=0.4, de;q=0.8":                   "de",
		"en,de":                                "en",
		"fr, it;q=0.9":                         "en",
		"fr, de;q=0.1":                         "de",
		"de;q=0, en;q=0.1":                     "en",
		"de;q=0":                               "en",
		"*, de;q=0.5":                          "en",
		"de;Q=0.7 , en ; q=0.6":                "de",
		"de;q=2, en;q=0.1":                     "en",
		"de;q=NaN, de;level=1, en;q=0.1":       "en",
		"deutsch, english":                     "en",
		strings.Repeat(",;=,-*;q", 100):        "en",
		strings.Repeat("a-", 1000) + ", de;q=": "en",
	} {
		if got := Match(header).Code; got != want {
			t.Errorf("%q: got %s, want %s", header, got, want)
		}
	}
}

func TestNumbers(t *testing.T) {
	en, de := Get("en"), Get("de")
	day := time.Date(2026, 3, 4, 15, 6, 7, 0, time.Local)
	for _, c := range []struct{ english, german, wantEnglish, wantGerman string }{
		{en.Count(0), de.Count(0), "0", "0"},
		{en.Count(999), de.Count(999), "999", "999"},
		{en.Count(1000), de.Count(1000), "1,000", "1.000"},
		{en.Count(1234567), de.Count(1234567), "1,234,567", "1.234.567"},
		{en.Count(-1234), de.Count(-1234), "−1,234", "−1.234"},
		{en.Percent(.981, 1), de.Percent(.981, 1), "98.1%", "98,1\u00a0%"},
		{en.Percent(.29, 0), de.Percent(.29, 0), "29%", "29\u00a0%"},
		{en.Percent(.9999, 1), de.Percent(.9999, 1), "99.9%", "99,9\u00a0%"},
		{en.Percent(math.NaN(), 1), de.Percent(math.NaN(), 1), Dash, Dash},
		{en.Loss(.123456), de.Loss(.123456), "0.1235", "0,1235"},
		{en.Loss(math.Inf(1)), de.Loss(math.NaN()), Dash, Dash},
		{en.Short(1234.5), de.Short(1234.5), "1234", "1234"},
		{en.Short(1.5), de.Short(1.5), "1.5", "1,5"},
		{en.Exact(99.995), de.Exact(99.995), "99.995", "99,995"},
		{en.Amount(12345.6), de.Amount(12345.6), "12,346", "12.346"},
		{en.Amount(-1.25), de.Amount(-1.25), "-1.25", "-1,25"},
		{en.Amount(1e16), de.Amount(1e16), "1e+16", "1e+16"},
		{en.Three(.0012), de.Three(.0012), "0.001", "0,001"},
		{en.Three(.9996), de.Three(.9996), "1.00", "1,00"},
		{en.Three(31.96), de.Three(31.96), "32.0", "32,0"},
		{en.Three(1234.5), de.Three(1234.5), "1,235", "1.235"},
		{en.Size(0), de.Size(0), "0 B", "0 B"},
		{en.Size(999_600), de.Size(999_600), "1.00 MB", "1,00 MB"},
		{en.Size(812_345), de.Size(812_345), "812 kB", "812 kB"},
		{en.Size(3.2e15), de.Size(3.2e15), "3200 TB", "3200 TB"},
		{en.PerSecond(0), de.PerSecond(math.Inf(-1)), Dash, Dash},
		{en.PerSecond(14200.4), de.PerSecond(14200.4), "14,200/s", "14.200/s"},
		{en.Duration(1.24), de.Duration(1.24), "1.2 s", "1,2 s"},
		{en.Duration(61), de.Duration(61), "61 s", "61 s"},
		{en.Duration(72000), de.Duration(72000), "1,200 min", "1.200 min"},
		{en.Clock(day), de.Clock(day), "15:06:07", "15:06:07"},
		{en.Date(day), de.Date(day), "4 March 2026", "4. März 2026"},
		{en.And(nil), de.And([]string{"a"}), "", "a"},
		{en.And([]string{"a", "b"}), de.And([]string{"a", "b"}), "a and b", "a und b"},
		{en.Or([]string{"a", "b", "c"}), de.Or([]string{"a", "b", "c"}), "a, b or c", "a, b oder c"},
	} {
		if c.english != c.wantEnglish || c.german != c.wantGerman {
			t.Errorf("got %q and %q, want %q and %q", c.english, c.german, c.wantEnglish, c.wantGerman)
		}
	}
}

func TestParse(t *testing.T) {
	for file, want := range map[string]string{
		"# nothing\n\n  # said\n": "",
		"a = b\nc = d = e\n":      "",
		"a = b\nnothing\n":        `line 2: "nothing", want key = text`,
		"a = b\n\na = c\n":        "line 3: a is there already, want each key once",
	} {
		_, err := parse(file)
		if got := cmp.Or(err, errors.New("")).Error(); got != want {
			t.Errorf("%q: got %q, want %q", file, got, want)
		}
	}
}

// place is one in a text where an argument goes.
type place struct{ text, one, other string }

// holes returns the places of a text by their arguments, or what is wrong with it.
func holes(text string) (map[int]place, string) {
	found := map[int]place{}
	for rest := text; strings.ContainsAny(rest, "{}"); {
		before, after, _ := strings.Cut(rest, "{")
		inside, next, closed := strings.Cut(after, "}")
		if !closed || strings.Contains(before, "}") || strings.Contains(inside, "{") {
			return nil, "braces do not match"
		}
		number, branches, choice := strings.Cut(inside, ":")
		one, other, two := strings.Cut(branches, "|")
		i, err := strconv.Atoi(number)
		if err != nil || choice != two || strings.Contains(other, "|") {
			return nil, "{" + inside + "}, want {0} or {0:one|other}"
		}
		found[i] = place{inside, one, other}
		rest = next
	}
	return found, ""
}

// Every file has the same keys, with the same arguments. Choices by a number may differ:
// a language need not have two forms where English has.
func TestFilesHaveTheSameTexts(t *testing.T) {
	want := english.load().texts
	for key, text := range want {
		found, wrong := holes(text)
		for i := range len(found) {
			if _, ok := found[i]; !ok {
				wrong = "{" + strconv.Itoa(i) + "} is missing"
			}
		}
		if wrong != "" {
			t.Errorf("en.txt: %s: %s", key, wrong)
		}
	}
	for _, l := range Languages()[1:] {
		got := l.load().texts
		for _, key := range slices.Sorted(maps.Keys(want)) {
			text, ok := got[key]
			if !ok {
				t.Errorf("%s.txt has no %s (%s)", l.Code, key, want[key])
				continue
			}
			theirs, wrong := holes(text)
			if wrong != "" {
				t.Errorf("%s.txt: %s: %s", l.Code, key, wrong)
			}
			ours, _ := holes(want[key])
			if !maps.EqualFunc(theirs, ours, func(place, place) bool { return true }) {
				t.Errorf("%s.txt: %s has other arguments than in English: %s, want those of %s", l.Code, key, text, want[key])
			}
		}
		for _, key := range slices.Sorted(maps.Keys(got)) {
			if _, ok := want[key]; !ok {
				t.Errorf("%s.txt: %s is not in en.txt", l.Code, key)
			}
		}
	}
}
