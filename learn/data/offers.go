package data

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Offer is a field whose texts in a file are not all values of the schema, so that a
// person is asked what they stand for. OwnCSV.Aliases is the answer.
type Offer struct {
	Field  string
	Texts  []Text   // that stand for no value, in the order of the file, at most MaxOffered
	More   int      // different texts beyond them
	Values []string // that they can stand for

	Suggested map[string]string // a likely answer, by text; nil: none
	// Shifted is why Suggested concerns texts that are values too: the file counts from
	// another number. Rows are not used before it is answered. Empty otherwise.
	Shifted string
}

// Text is a text of a file.
type Text struct {
	Text string
	Rows int
}

// MaxOffered is the max number of texts in an Offer.
const MaxOffered = 256

// offers returns what a person can be asked about categories and classes.
func (o *ownReader) offers() []Offer {
	var all []Offer
	for k := range o.fields {
		f := &o.fields[k]
		if f.texts == nil {
			continue
		}
		if offer := f.offer(); len(offer.Texts) > 0 || offer.Shifted != "" {
			all = append(all, offer)
		}
	}
	return all
}

func (f *ownField) offer() Offer {
	o := Offer{Field: f.Name, Values: f.Values}
	var known []string
	for _, t := range f.order {
		switch {
		case missing(t.text), t.want == "" && math.IsNaN(t.value):
		case t.want == "":
			known = append(known, t.text)
		case len(o.Texts) == MaxOffered:
			o.More++
		default:
			o.Texts = append(o.Texts, Text{t.text, t.n})
		}
	}
	if len(o.Texts) == 0 || o.More > 0 || f.answered {
		return o
	}
	var unknown []string
	for _, t := range o.Texts {
		unknown = append(unknown, t.Text)
	}
	all := append(slices.Clone(known), unknown...)
	if to, from, ok := shift(all, f.Values); ok {
		o.Suggested = to
		if len(known) > 0 {
			o.Shifted = fmt.Sprintf("%s goes from %s in the file and from %s in the task", clipName(f.Name), from, f.Values[0])
		}
		return o
	}
	for _, text := range unknown {
		_, number := parseNumber(text, '.')
		similar := func(v string) bool {
			if _, ok := parseNumber(v, '.'); ok && number {
				return false // 11 is not like 1
			}
			return begins(v, text) || begins(text, v)
		}
		if k := only(f.Values, similar); k >= 0 {
			if o.Suggested == nil {
				o.Suggested = map[string]string{}
			}
			o.Suggested[text] = f.Values[k]
		}
	}
	return o
}

// begins reports whether text begins with start, in any case.
func begins(text, start string) bool {
	return len(start) > 0 && len(text) >= len(start) && strings.EqualFold(text[:len(start)], start)
}

// shift maps texts to values if both are whole numbers, and the values count up by one:
// 1 to 10 to 0 to 9, or 200 to 202 to 0 to 2. from is the smallest text.
func shift(texts, values []string) (to map[string]string, from string, ok bool) {
	first, err := strconv.Atoi(values[0])
	if err != nil {
		return nil, "", false
	}
	for k, v := range values {
		if n, err := strconv.Atoi(v); err != nil || n != first+k {
			return nil, "", false
		}
	}
	var numbers []int
	for _, s := range texts {
		n, ok := parseNumber(s, '.')
		if !ok || n != math.Trunc(n) || math.Abs(n) > 1e9 {
			return nil, "", false
		}
		numbers = append(numbers, int(n))
	}
	low, high := slices.Min(numbers), slices.Max(numbers)
	if high-low >= len(values) {
		return nil, "", false
	}
	by := low - first
	if least := high - first - len(values) + 1; least <= 1 && 1 <= by {
		by = 1 // counting from 1 is the most frequent; some numbers may be absent
	}
	to = map[string]string{}
	for i, s := range texts {
		k := numbers[i] - by - first
		if k < 0 || k >= len(values) {
			return nil, "", false
		}
		to[s] = values[k]
	}
	return to, strconv.Itoa(low), true
}
