package data

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// Found is the column of a file that a field is read from.
type Found struct {
	Field   string
	Column  int    // of the file, from 0; -1: none
	By      Match  // how it was found
	Why     string // why there is none
	Several bool   // there is none because columns fit equally well
}

// Match is how a column was found.
type Match string

// The ways to find a column.
const (
	ByName    Match = "name"    // it is called as the field, or by another of its names
	BySimilar Match = "similar" // the same but for case, spaces, underscores, hyphens and points
	ByOrder   Match = "order"   // the file has no names, and as many columns as there are fields
	ByHand    Match = "hand"    // a person has chosen it
)

// fields returns the features and the label.
func (t *TableSchema) fields() []*Field {
	var all []*Field
	for i := range t.Features {
		all = append(all, &t.Features[i])
	}
	return append(all, &t.Label)
}

// find finds the column of each field among the columns of a file, whose names are
// numbers from 1 without a header. hand are columns that a person has chosen, by field.
func (t *TableSchema) find(names []string, header bool, hand map[string]int) []Found {
	fields := t.fields()
	found := make([]Found, len(fields))
	taken := make([]bool, len(names))
	for k, f := range fields {
		found[k] = Found{Field: f.Name, Column: -1}
		if i, ok := hand[f.Name]; ok && i >= 0 && i < len(names) && !taken[i] {
			found[k].Column, found[k].By, taken[i] = i, ByHand, true
		}
	}
	exact := make(map[string][]int, len(names))
	similar := make(map[string][]int, len(names))
	for i, name := range names {
		exact[name] = append(exact[name], i)
		similar[fold(name)] = append(similar[fold(name)], i)
	}
	for _, pass := range []struct {
		by    Match
		at    map[string][]int
		fold  func(string) string
		other bool // by Field.Columns
	}{
		{ByName, exact, oneLine, false}, {ByName, exact, oneLine, true}, {BySimilar, similar, fold, false}, {BySimilar, similar, fold, true},
	} {
		for k, f := range fields {
			if found[k].Column >= 0 || found[k].Why != "" {
				continue
			}
			texts := []string{f.Name}
			if pass.other {
				texts = f.Columns
			}
			var all []int
			for _, s := range texts {
				for _, i := range pass.at[pass.fold(s)] {
					if !taken[i] {
						all = append(all, i)
					}
				}
			}
			switch {
			case len(all) == 1:
				found[k].Column, found[k].By, taken[all[0]] = all[0], pass.by, true
			case len(all) > 1:
				found[k].Several = true
				found[k].Why = fmt.Sprintf("columns %s can be %s: choose one", numbers(all), clipName(f.Name))
			}
		}
	}
	if !header && len(names) == len(fields) && none(found) {
		for k := range found {
			found[k].Column, found[k].By = k, ByOrder
		}
	}
	for k := range found {
		if found[k].Column < 0 && found[k].Why == "" {
			found[k].Why = fmt.Sprintf("no column is called %s: choose one", clipName(found[k].Field))
		}
	}
	return found
}

func none(found []Found) bool {
	for _, f := range found {
		if f.Column >= 0 {
			return false
		}
	}
	return true
}

// numbers lists columns by their numbers from 1.
func numbers(columns []int) string {
	var b strings.Builder
	for k, i := range columns {
		switch {
		case k == len(columns)-1:
			b.WriteString(" and ")
		case k > 0:
			b.WriteString(", ")
		}
		b.WriteString(strconv.Itoa(i + 1))
	}
	return b.String()
}

// oneLine returns the name of a column on one line: spreadsheets break long names.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// fold returns what the names of one column have in common.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || strings.ContainsRune("_-.", r) {
			return -1
		}
		return unicode.ToLower(r)
	}, s)
}
