package words

import (
	"fmt"
	"strconv"
	"strings"
)

// phrase is an English sentence with places for what changes, and what it is in another
// language.
type phrase struct {
	parts   []string // the text around the holes: one more than these
	holes   []hole
	text    string // in the other language, as Say has it
	letters int    // of parts
}

// hole is a place in a phrase.
type hole struct {
	number int  // of the argument
	kind   byte // '#' for a number, '!' for a phrase, '?' for what may be one, ',' for a list of such, else any text
}

// newPhrase reads a phrase.
func newPhrase(english, text string) (phrase, error) {
	p := phrase{text: text}
	for rest := english; ; {
		part, after, found := strings.Cut(rest, "{")
		p.parts = append(p.parts, part)
		p.letters += len(part)
		if !found {
			break
		}
		inside, next, _ := strings.Cut(after, "}")
		h := hole{kind: ' '}
		digits := strings.TrimRight(inside, "#!?,")
		if len(digits) < len(inside) {
			h.kind = inside[len(digits)]
		}
		var err error
		if h.number, err = strconv.Atoi(digits); err != nil || len(inside) > len(digits)+1 {
			return p, fmt.Errorf("{%s}, want {0}, {0#}, {0!}, {0?} or {0,}", inside)
		}
		p.holes = append(p.holes, h)
		rest = next
	}
	return p, nil
}

// maxPhrase is the max length of what is translated, in bytes: the time that a phrase
// takes grows with a power of it.
const maxPhrase = 1000

// Phrase returns a sentence that was made elsewhere, in English, in this language, or
// several, with semicolons between them too. What it has no phrase for stays as it is.
func (l *Language) Phrase(english string) string {
	f := l.or().load()
	if len(f.phrases) == 0 || len(english) > maxPhrase {
		return english
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.newest[english]
	if !ok {
		t := translation{l, f.phrases, map[string]*string{}}
		s = t.text(english)
		if len(f.newest) >= maxNewest || f.newest == nil {
			f.newest = map[string]string{}
		}
		f.newest[english] = s
	}
	return s
}

// maxNewest is how many translations are remembered: more than a page shows, which asks
// for the same ones ten times a second.
const maxNewest = 1000

// translation translates one text. It looks at parts of it, at some again and again, and
// remembers what they are.
type translation struct {
	*Language
	phrases []phrase
	known   map[string]*string // nil: no phrase
}

// text translates a text: as one phrase, or sentence by sentence.
func (t *translation) text(english string) string {
	if s := t.sentence(english); s != nil {
		return *s
	}
	var b strings.Builder
	for rest := english; rest != ""; {
		sentence := rest
		if i := strings.Index(rest, ". "); i >= 0 {
			sentence = rest[:i+1]
		}
		rest = rest[len(sentence):]
		if s := t.sentence(sentence); s != nil {
			sentence = *s
		}
		b.WriteString(sentence)
		if rest != "" {
			b.WriteByte(' ')
			rest = rest[1:]
		}
	}
	return b.String()
}

// sentence translates what is a phrase; nil if it is none.
func (t *translation) sentence(english string) *string {
	if s, ok := t.known[english]; ok {
		return s
	}
	t.known[english] = nil
	if list := t.list(english); list != nil {
		t.known[english] = list
		return list
	}
	var found []string
	for i := range t.phrases {
		p := &t.phrases[i]
		found = found[:0]
		if !t.fits(p, english, &found) {
			continue
		}
		args := make([]any, len(p.holes))
		for k, h := range p.holes {
			args[h.number] = t.argument(h.kind, found[k])
		}
		s := t.fill(p.text, args)
		t.known[english] = &s
		return &s
	}
	return nil
}

// list translates phrases with semicolons between them; nil if it is none.
func (t *translation) list(english string) *string {
	all := strings.Split(english, "; ")
	if len(all) == 1 {
		return nil
	}
	for i := range all {
		s := t.sentence(all[i])
		if s == nil {
			return nil
		}
		all[i] = *s
	}
	joined := strings.Join(all, "; ")
	return &joined
}

// argument returns what stands in a hole in this language.
func (t *translation) argument(kind byte, s string) string {
	switch kind {
	case '#':
		return t.number(s)
	case '!', '?':
		return t.text(s)
	case ',':
		all := strings.Split(s, ", ")
		for i := range all {
			all[i] = t.text(all[i])
		}
		return strings.Join(all, ", ")
	}
	return s
}

// number writes a number that is written in English with the signs of this language. It
// has no more signs than before: it may be a year.
func (l *Language) number(s string) string {
	from := []string{english.sign("number.decimal"), english.sign("number.group")}
	to := []string{l.sign("number.decimal"), l.sign("number.group")}
	return strings.NewReplacer(from[0], to[0], from[1], to[1]).Replace(s)
}

// fits reports whether a sentence is a phrase, and appends what is in its holes.
func (t *translation) fits(p *phrase, s string, found *[]string) bool {
	rest, ok := strings.CutPrefix(s, p.parts[0])
	last := p.parts[len(p.holes)] // looked at first: it rules most phrases out
	return ok && (len(p.holes) == 0 || strings.HasSuffix(rest, last)) && t.match(p, rest, 0, found)
}

// match matches s with a phrase from a hole on.
func (t *translation) match(p *phrase, s string, k int, found *[]string) bool {
	if k == len(p.holes) {
		return s == ""
	}
	next := p.parts[k+1]
	if k == len(p.holes)-1 { // it ends the sentence
		inside, ok := strings.CutSuffix(s, next)
		if ok = ok && t.takes(p.holes[k], inside); ok {
			*found = append(*found, inside)
		}
		return ok
	}
	before := len(*found)
	for from := 1; from <= len(s); {
		i := strings.Index(s[from:], next)
		if i < 0 {
			return false
		}
		at := from + i
		if t.takes(p.holes[k], s[:at]) {
			*found = append((*found)[:before], s[:at])
			if t.match(p, s[at+len(next):], k+1, found) {
				return true
			}
		}
		from = at + 1
	}
	return false
}

// takes reports whether a text can be in a hole.
func (t *translation) takes(h hole, s string) bool {
	switch h.kind {
	case '#':
		return isNumber(s)
	case '!':
		return t.sentence(s) != nil
	}
	return s != ""
}

// isNumber reports whether a text is a number as English writes it.
func isNumber(s string) bool {
	s = strings.TrimPrefix(s, "-")
	return s != "" && s[0] >= '0' && s[0] <= '9' && strings.Trim(s, "0123456789.,") == ""
}
