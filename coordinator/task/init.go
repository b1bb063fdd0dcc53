package task

import (
	"cmp"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"fedtab/learn/data"
)

// Guessed says how Init makes a task.
type Guessed struct {
	Target       string // the predicted column by name or number from 1; empty: the last one
	Participants int    // with whom training starts, at least 2
	Simulated    bool   // coordinator simulate divides the table
}

// DefaultParticipants is the number of participants with whom a task of Init starts
// training, unless it is told another.
const DefaultParticipants = participants

// Init returns a task file for participants who bring tables like the one at path, made
// from what its columns seem to hold. Each guess has a comment beside it.
func Init(path string, g *data.Guess, o Guessed) ([]byte, error) {
	target := o.Target
	if g.Ambiguous != "" {
		return nil, fmt.Errorf("%s, want --decimal point or comma", g.Ambiguous)
	}
	at, err := targetOf(path, g, target)
	if err != nil {
		return nil, err
	}
	clients := min(max(g.Rows/50, o.Participants), 10)
	least := min(g.Rows/clients, minExamples)
	y := &g.Columns[at]
	model, what := "{kind: mlp, hidden: []}", "softmax regression; hidden: [20] adds a layer"
	if numeric(y) {
		model, what = "{kind: linear}", "{kind: mlp, hidden: [20]} finds what is not linear"
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Guessed from %s: %s of %s. Each guess has a comment; correct what is wrong.", oneLine(filepath.Base(path)), plural(g.Rows, "row"), plural(len(g.Columns), "column"))
	line("# Participants bring a table of these columns each; its rows stay with them.")
	line("name: %s", quoted(slug(path)))
	line("title: %s", quoted(titleOf(path)))
	line("model: %s # %s", model, what)
	line("data:")
	line("  source: own")
	line("  table:")
	line("    features:")
	features, numbers := 0, numeric(y) // features of the model
	for i := range g.Columns {
		c := &g.Columns[i]
		switch {
		case i == at:
		case !data.ValidText(c.Name) || c.Kind != data.Numbers && c.Kind != data.Categories:
			line("      # left out: %s: %s", oneLine(quoted(c.Name)), described(c))
		default:
			line("      - {%s} # %s", fieldOf(c), strings.Join(append([]string{described(c)}, fillOf(c)...), "; "))
			if c.Kind == data.Numbers {
				features, numbers = features+1, true
			} else {
				features += len(c.Values)
			}
		}
	}
	if features == 0 {
		return nil, fmt.Errorf("%s: no column beside the target %s holds numbers or categories, want at least one", path, quoted(y.Name))
	}
	if least < 2 {
		return nil, fmt.Errorf("%s: %s, want at least %d: training starts with %d participants, of at least 2 rows each", path, plural(g.Rows, "row"), 2*o.Participants, o.Participants)
	}
	label := described(y)
	if target == "" {
		label = "the last column; " + label
	}
	if y.Missing > 0 {
		label += ", which are left out"
	}
	if numeric(y) {
		line("    label: {name: %s, type: number, %s} # %s", quoted(y.Name), rangeOf(y), label)
	} else {
		line("    label: {name: %s, values: [%s]} # %s; %s", quoted(y.Name), quotedList(y.Values), label, counted(y))
	}
	if numbers {
		line("  standardise: federated # by the means and deviations of all participants' rows")
	}
	line("  holdout: %v # share of a participant's rows that versions are evaluated on", holdout)
	if o.Participants == participants {
		line("  examples: {min: %d, max: %d} # rows of a participant", least, defaultExamples)
	} else {
		line("  examples: {min: %d, max: %d, participants: %d} # rows of a participant, and participants whose rows make the means", least, defaultExamples, o.Participants)
	}
	if o.Simulated {
		line("  # What coordinator simulate divides among its clients; serve does not read it.")
		line("  from: {csv: %s, decimal: %s, partition: {kind: iid, clients: %d}}", quoted(path), map[rune]string{'.': "point", ',': "comma"}[g.Decimal], clients)
	}
	line("strategy: {kind: fedavg, fraction: 1, min_clients: %d, epochs: 1, batch: 10, lr: %s} # all participants in each round, once there are %d", o.Participants, short(rateOf(features, numeric(y))), o.Participants)
	line("evaluate: {on: holdouts, every: 1}")
	line("stop: {rounds: 50}")
	if numeric(y) {
		return []byte(b.String()), nil
	}
	if rare := rarest(y); rare != "" {
		line("# Class %s is rare: accuracy says little of it. In stop,", oneLine(quoted(rare)))
		line("# metrics: [{metric: recall, class: %s, reach: 0.8}]", oneLine(quoted(rare)))
	}
	return []byte(b.String()), nil
}

// rateOf returns a learning rate at which gradient descent does not diverge: the largest
// curvature of the loss grows with the number of features, where these go together.
func rateOf(features int, numeric bool) float64 {
	curvature := float64(features)
	if !numeric {
		curvature /= 4
	}
	rate := .05
	for rate*curvature > 1 {
		rate /= 2
	}
	return rate
}

// fieldOf returns a column as a feature of a task, without braces.
func fieldOf(c *data.GuessedColumn) string {
	s := fmt.Sprintf("name: %s, type: ", quoted(c.Name))
	switch {
	case c.Kind == data.Numbers:
		s += "number, " + rangeOf(c)
	case boolean(c):
		s += "boolean"
	default:
		s += fmt.Sprintf("category, values: [%s]", quotedList(c.Values))
	}
	if c.Missing > 0 {
		s += ", missing: " + quoted(filling(c))
	}
	return s
}

// fillOf says what stands for missing values, if there are any.
func fillOf(c *data.GuessedColumn) []string {
	switch {
	case c.Missing == 0:
		return nil
	case c.Kind == data.Numbers:
		return []string{"the mean of all participants stands for those"}
	}
	return []string{"the most frequent value stands for those"}
}

// filling returns what stands for a missing value.
func filling(c *data.GuessedColumn) string {
	if c.Kind == data.Numbers {
		return data.MeanFill
	}
	most := c.Values[slices.Index(c.Counts, slices.Max(c.Counts))]
	if boolean(c) {
		return cmp.Or(booleans[strings.ToLower(most)], strings.ToLower(most))
	}
	return most
}

// boolean reports whether a column has no other values than yes and no, however they are
// written.
func boolean(c *data.GuessedColumn) bool {
	said := map[string]bool{}
	for _, v := range c.Values {
		v = strings.ToLower(v)
		v = cmp.Or(booleans[v], v)
		if v != "yes" && v != "no" {
			return false
		}
		said[v] = true
	}
	return len(said) == len(c.Values)
}

// rangeOf returns the bounds of a column of numbers: a quarter of the range more on both
// sides and rounded, so that the rows of others fit, but not beyond 0.
func rangeOf(c *data.GuessedColumn) string {
	low, high := c.Min, c.Max
	if exponent := math.Floor(math.Log10(high - low)); exponent > -300 && exponent < 300 {
		step, inverse := math.Pow(10, exponent), math.Pow(10, -exponent)
		// Of a power of ten below 1 only the inverse is exact.
		units := func(v float64, round func(float64) float64) float64 {
			if exponent < 0 {
				return round(v*inverse) / inverse
			}
			return round(v/step) * step
		}
		margin := (high - low) / 4
		low, high = units(low-margin, math.Floor), units(high+margin, math.Ceil)
	}
	if c.Min >= 0 {
		low = max(low, 0)
	}
	if c.Max <= 0 {
		high = min(high, 0)
	}
	low, high = max(min(low, c.Min), -math.MaxFloat32), min(max(high, c.Max), math.MaxFloat32)
	number := func(v float64) string {
		format := byte('f')
		if a := math.Abs(v); a >= 1e15 || a < 1e-6 {
			format = 'g'
		}
		return strconv.FormatFloat(v+0, format, -1, 64) // -0 is 0
	}
	return fmt.Sprintf("min: %s, max: %s", number(low), number(high))
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
