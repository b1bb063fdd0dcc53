package task

import (
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// subject returns the name of the field at path in a message.
func subject(path string) string {
	if path == "" {
		return "the file"
	}
	return path
}

// describe returns what a node holds, for messages.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "*" + printable(n.Value)
	}
	switch n.ShortTag() {
	case "!!null":
		return "empty"
	case "!!str":
		return quoted(n.Value)
	}
	return printable(n.Value)
}

// wanted returns what a field of type typ takes, for messages.
func wanted(typ reflect.Type) string {
	if typ == reflect.TypeFor[time.Duration]() {
		return "a duration with its unit, such as 90s or 2h"
	}
	if typ == textType {
		return "a text (in quotes if it looks like something else), or one by language, such as {en: Digits, de: Ziffern}"
	}
	switch typ.Kind() {
	case reflect.Struct:
		return "the fields " + strings.Join(names(typ), ", ")
	case reflect.Slice:
		switch elem := typ.Elem(); elem.Kind() {
		case reflect.String:
			return "a list of texts, such as [one, another]"
		case reflect.Struct:
			return "a list of {" + strings.Join(names(elem), ", ") + "}"
		}
		return "a list, such as [200, 200]"
	case reflect.Map:
		return "texts by text, such as {female: f, male: m}"
	case reflect.Pointer:
		return wanted(typ.Elem())
	case reflect.String:
		return "a text (in quotes if it looks like something else)"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Uint64:
		return "a whole number from 0 to 18446744073709551615"
	case reflect.Float64:
		return "a number"
	}
	return typ.String()
}

// printable returns s for a message: unchanged if it is short and printable, else
// shortened and quoted.
func printable(s string) string {
	plain := s != "" && len(s) <= maxPrinted
	for _, r := range s {
		plain = plain && unicode.IsPrint(r)
	}
	if plain {
		return s
	}
	return quoted(s)
}

// maxPrinted is the max length of a value in a message, in bytes.
const maxPrinted = 200

// quoted returns s in quotes, shortened if it is long.
func quoted(s string) string {
	if len(s) > maxPrinted {
		return strconv.Quote(strings.ToValidUTF8(s[:maxPrinted], "")) + "..."
	}
	return strconv.Quote(s)
}

// Nearest returns the candidate that name is most likely a misspelling of, or "".
func Nearest(name string, candidates []string) string {
	const longest = 64
	if len(name) > longest {
		return ""
	}
	best, near := 1+max(1, min(len(name)/3, 3)), ""
	for _, c := range candidates {
		if d := distance(strings.ToLower(name), c); d < best {
			best, near = d, c
		}
	}
	return near
}

// distance returns the optimal string alignment distance of a and b: the number of
// bytes to insert, delete, replace or swap with a neighbour.
func distance(a, b string) int {
	var before, last, row []int
	for j := range len(b) + 1 {
		last = append(last, j)
	}
	for i := range len(a) {
		row = append(make([]int, 0, len(b)+1), i+1)
		for j := range len(b) {
			d := last[j]
			if a[i] != b[j] {
				d = 1 + min(d, last[j+1], row[j])
				if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
					d = min(d, 1+before[j-1])
				}
			}
			row = append(row, d)
		}
		before, last = last, row
	}
	return last[len(b)]
}
