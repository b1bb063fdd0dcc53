package words

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Language is a language of the page. A nil Language is English.
type Language struct {
	Code string // as in the lang attribute of HTML: "de"
	Name string // in the language itself: "Deutsch"

	load func() *file
}

// file is a file of texts.
type file struct {
	texts   map[string]string
	phrases []phrase // those with the most letters first

	mu     sync.Mutex
	newest map[string]string // what was translated last, by the English text
}

var (
	english = &Language{Code: "en", Name: "English", load: loader(&englishText)}
	german  = &Language{Code: "de", Name: "Deutsch", load: loader(&germanText)}
)

// loader returns a function that parses a file the first time that it is called: the
// page uses one language, and English where that lacks a key.
func loader(text *string) func() *file {
	return sync.OnceValue(func() *file {
		f, err := parse(*text)
		if err != nil {
			panic("words: " + err.Error())
		}
		return f
	})
}

// Languages returns all languages, English first.
func Languages() []*Language { return []*Language{english, german} }

// Get returns the language with a code, as Languages has it; nil if there is none.
func Get(code string) *Language {
	for _, l := range Languages() {
		if l.Code == code {
			return l
		}
	}
	return nil
}

// Say returns the text with a key, with the arguments in it: texts, and numbers, which
// are written by the language: whole ones as Count does, others as Short.
//
// A key that no file has is returned as it is: a page with one odd word is better than
// none. The tests find such keys in the sources.
func (l *Language) Say(key string, args ...any) string {
	text, ok := l.text(key)
	if !ok {
		return key
	}
	return l.fill(text, args)
}

// or returns English for nil.
func (l *Language) or() *Language {
	if l == nil {
		return english
	}
	return l
}

// text returns the text with a key; in English, if the language lacks it.
func (l *Language) text(key string) (text string, ok bool) {
	if text, ok = l.or().load().texts[key]; !ok {
		text, ok = english.load().texts[key]
	}
	return text, ok
}

// fill puts arguments into a text. One that is not there is left out.
func (l *Language) fill(text string, args []any) string {
	if !strings.Contains(text, "{") {
		return text
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "{")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		var inside string
		inside, text, _ = strings.Cut(rest, "}")
		number, branches, choice := strings.Cut(inside, ":")
		i, err := strconv.Atoi(number)
		if err != nil || i < 0 || i >= len(args) {
			continue
		}
		if !choice {
			b.WriteString(l.write(args[i]))
			continue
		}
		one, other, _ := strings.Cut(branches, "|")
		if !isOne(args[i]) {
			one = other
		}
		b.WriteString(strings.ReplaceAll(one, "#", l.write(args[i])))
	}
}

// write writes an argument.
func (l *Language) write(arg any) string {
	switch v := arg.(type) {
	case string:
		return v
	case int:
		return l.Count(v)
	case int32:
		return l.Count(int(v))
	case int64:
		return l.Count(int(v))
	case uint32:
		return l.Count(int(v))
	case float64:
		return l.Short(v)
	}
	return fmt.Sprint(arg)
}

// isOne reports whether a number is exactly one, which English and German say in the
// singular.
func isOne(arg any) bool {
	switch v := arg.(type) {
	case string:
		return v == "1"
	case int:
		return v == 1
	case int32:
		return v == 1
	case int64:
		return v == 1
	case uint32:
		return v == 1
	case float64:
		return v == 1
	}
	return false
}

// parse reads a file of texts. It returns an error for a line that is no comment and no
// "key = text", for a phrase that is none, and for a key that is there twice.
func parse(text string) (*file, error) {
	f := &file{texts: map[string]string{}}
	seen := map[string]bool{}
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, text, found := strings.Cut(line, " = ")
		if !found {
			return nil, fmt.Errorf("line %d: %q, want key = text", n, line)
		}
		key, text = strings.TrimSpace(key), strings.ReplaceAll(strings.TrimSpace(text), `\n`, "\n")
		if seen[key] {
			return nil, fmt.Errorf("line %d: %s is there already, want each key once", n, key)
		}
		seen[key] = true
		english, isPhrase := strings.CutPrefix(key, "phrase ")
		if !isPhrase {
			f.texts[key] = text
			continue
		}
		p, err := newPhrase(english, text)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		f.phrases = append(f.phrases, p)
	}
	slices.SortStableFunc(f.phrases, func(a, b phrase) int { return b.letters - a.letters })
	return f, nil
}
