package task

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"fedtab/learn/data"
)

// Init returns a task file for the table at path, made from what its columns seem to
// hold. target is the predicted column by name or number from 1; empty: the last one.
// Each guess has a comment beside it.
func Init(path string, g *data.Guess, target string) ([]byte, error) {
	if g.Ambiguous != "" {
		return nil, fmt.Errorf("%s, want --decimal point or comma", g.Ambiguous)
	}
	at, err := targetOf(path, g, target)
	if err != nil {
		return nil, err
	}
	y := &g.Columns[at]
	predict, model, what := "class", "{kind: mlp, hidden: []}", "softmax regression; hidden: [20] adds a layer"
	if numeric(y) {
		predict, model, what = "number", "{kind: linear}", "{kind: mlp, hidden: [20]} finds what is not linear"
	}
	name := slug(path)
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Guessed from %s: %s of %s. Each guess has a comment; correct what is wrong.", filepath.Base(path), plural(g.Rows, "row"), plural(len(g.Columns), "column"))
	line("name: %s", quoted(name))
	line("title: %s", quoted(titleOf(path)))
	line("model: %s # %s", model, what)
	line("data:")
	line("  source: csv")
	line("  csv:")
	line("    path: %s", quoted(path))
	line("    target: %s # %s", quoted(y.Name), cmp.Or(map[bool]string{true: "the last column; "}[target == ""], "")+described(y))
	line("    predict: %s", predict)
	rare := ""
	if predict == "class" {
		line("    classes: [%s] # %s", quotedList(y.Values), counted(y))
		rare = rarest(y)
	}
	var ignored, categorical []string
	holes := false
	for i := range g.Columns {
		c := &g.Columns[i]
		if i == at {
			continue
		}
		switch c.Kind {
		case data.Numbers:
			line("    # %s: %s", oneLine(c.Name), described(c))
		case data.Categories:
			categorical = append(categorical, fmt.Sprintf("      - {column: %s, values: [%s]} # %s", quoted(c.Name), quotedList(c.Values), described(c)))
		default:
			ignored = append(ignored, fmt.Sprintf("      - %s # %s", quoted(c.Name), described(c)))
			continue
		}
		holes = holes || c.Missing > 0
	}
	if len(ignored) == len(g.Columns)-1 {
		return nil, fmt.Errorf("%s: no column beside the target %s holds numbers or categories, want at least one", path, quoted(y.Name))
	}
	section := func(key string, items []string) {
		if len(items) > 0 {
			line("    %s:", key)
			for _, s := range items {
				line("%s", s)
			}
		}
	}
	section("categorical", categorical)
	section("ignore", ignored)
	line("    separator: %s", separatorName(g.Separator))
	line("    decimal: %s", map[rune]string{'.': "point", ',': "comma"}[g.Decimal])
	line("    header: %s", map[bool]string{true: "present", false: "absent # columns are called by their numbers"}[g.Header])
	switch {
	case y.Missing > 0:
		line("    missing: drop # the target is missing in %s", plural(y.Missing, "row"))
	case holes:
		line("    missing: mean # of the training rows, or the most frequent category; drop leaves rows out")
	}
	line("  holdout: 0.2 # share of the rows in the test set")
	line("  # public: true # hands the rows out to participants; serve needs it")
	line("  partition: {kind: iid, clients: %d} # simulated clients, and the parts that participants get", min(max(g.Rows/50, 2), 10))
	line("strategy: {kind: fedavg, fraction: 1, epochs: 1, batch: 10, lr: 0.05}")
	line("stop: {rounds: 50}")
	if rare != "" {
		line("# Class %s is rare: accuracy says little of it. Beside kind in model,", oneLine(quoted(rare)))
		line("# class_weights: balanced; and in stop,")
		line("# metrics: [{metric: recall, class: %s, reach: 0.8}]", oneLine(quoted(rare)))
	}
	return []byte(b.String()), nil
}

// targetOf returns the index of the predicted column.
func targetOf(path string, g *data.Guess, target string) (int, error) {
	at := len(g.Columns) - 1
	if target != "" {
		at = slices.IndexFunc(g.Columns, func(c data.GuessedColumn) bool { return c.Name == target })
		if n, err := strconv.Atoi(target); at < 0 && err == nil && n >= 1 && n <= len(g.Columns) {
			at = n - 1
		}
	}
	var all []string
	for _, c := range g.Columns {
		all = append(all, c.Name)
	}
	if at < 0 {
		return 0, fmt.Errorf("%s: there is no column %s, want one of %s, or a number from 1 to %d", path, quoted(target), someOf(all), len(all))
	}
	if c := &g.Columns[at]; c.Kind != data.Numbers && c.Kind != data.Categories {
		return 0, fmt.Errorf("%s: the target %s cannot be predicted: %s; want another column as --target: %s", path, quoted(c.Name), described(c), someOf(slices.Delete(all, at, at+1)))
	}
	return at, nil
}

// maxLabels is the max number of whole numbers that are taken for classes.
const maxLabels = 10

// numeric reports whether a column that is predicted holds numbers and not classes.
func numeric(c *data.GuessedColumn) bool {
	return c.Kind == data.Numbers && !(c.Integers && c.Distinct <= maxLabels)
}

// described says what a column holds, and why.
func described(c *data.GuessedColumn) string {
	var s string
	switch c.Kind {
	case data.Numbers:
		s = "numbers"
		if c.Integers {
			s = "whole numbers"
		}
		s += fmt.Sprintf(", %s to %s", short(c.Min), short(c.Max))
		if c.Distinct <= maxLabels {
			s += fmt.Sprintf(", %d different ones", c.Distinct)
		}
	case data.Categories:
		s = fmt.Sprintf("%d different texts", c.Distinct)
	case data.Dates:
		s = "dates"
	case data.RowNumbers:
		s = "numbers of the rows"
	case data.Constant:
		s = "the same value in all rows"
		if c.Distinct == 0 {
			s = "no value"
		}
	default:
		s = "texts that hardly repeat"
	}
	if c.Odd != "" {
		s += fmt.Sprintf("; %s in line %d is no number", oneLine(strconv.Quote(c.Odd)), c.OddLine)
	}
	if c.Missing > 0 && c.Distinct > 0 {
		s += "; missing in " + plural(c.Missing, "row")
	}
	return s
}

// counted says how many rows the first classes have.
func counted(c *data.GuessedColumn) string {
	const shown = 10
	var all []string
	for i, n := range c.Counts[:min(len(c.Counts), shown)] {
		all = append(all, fmt.Sprintf("%s: %d", oneLine(c.Values[i]), n))
	}
	s := strings.Join(all, ", ") + " rows"
	if len(c.Counts) > shown {
		s += " of the first classes"
	}
	return s
}

// rarest returns the class with the fewest rows, if these are less than a third of its
// share among equal classes.
func rarest(c *data.GuessedColumn) string {
	all, at := 0, 0
	for i, n := range c.Counts {
		all += n
		if n < c.Counts[at] {
			at = i
		}
	}
	if 3*len(c.Counts)*c.Counts[at] < all {
		return c.Values[at]
	}
	return ""
}

func short(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// oneLine returns a text that can stand in a comment: names come from files.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if hasControl(string(r), "") {
			return ' '
		}
		return r
	}, s)
	if r := []rune(s); len(r) > 60 {
		s = string(r[:60]) + "..."
	}
	return s
}

func quotedList(texts []string) string {
	all := make([]string, len(texts))
	for i, s := range texts {
		all[i] = quoted(s)
	}
	return strings.Join(all, ", ")
}

func separatorName(r rune) string {
	if name := map[rune]string{',': "comma", ';': "semicolon", '\t': "tab"}[r]; name != "" {
		return name
	}
	return quoted(string(r))
}

// titleOf makes a heading of a file's name.
func titleOf(path string) string {
	s := strings.TrimSpace(strings.NewReplacer("_", " ", "-", " ").Replace(stem(path)))
	if s = oneLine(s); s == "" {
		return "A table"
	}
	r := []rune(s)
	return string(unicode.ToUpper(r[0])) + string(r[1:])
}

// stem returns the name of a file without folder and endings.
func stem(path string) string {
	s := filepath.Base(path)
	for _, end := range []string{".gz", ".csv", ".tsv", ".txt"} {
		s = strings.TrimSuffix(s, end)
	}
	return s
}

// slug makes the name of a task of a file's name.
func slug(path string) string {
	s := strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(stem(path))), "-")
	if s = s[:min(len(s), MaxName)]; !validName.MatchString(s) {
		return "table"
	}
	return s
}
