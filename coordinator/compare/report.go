package compare

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Report is what came out of a file.
type Report struct {
	Name     string // of its files
	File     *File
	Command  string // that repeats it
	Program  string // version, for people
	Machine  string
	Sections []Section
}

// Section is what came out of a part.
type Section struct {
	Part     *Part
	Rows     []*Row
	Columns  []heading
	Figures  []Named
	Verdicts []Verdict
	Cells    []*Outcome
	Error    error // of a study
}

// Assemble makes the report of outcomes; studies are computed now.
func (f *File) Assemble(ctx context.Context, outcomes []*Outcome) (*Report, error) {
	r := &Report{File: f}
	for _, p := range f.Parts {
		s := Section{Part: p}
		if p.Study != "" {
			found, err := studies[p.Study](ctx, p.Seeds)
			switch {
			case ctx.Err() != nil:
				return nil, ctx.Err()
			case err != nil:
				s.Error = err
			default:
				s.Rows, s.Columns, s.Figures = found.rows, found.columns, found.figures
			}
		} else {
			s.Rows = p.rows(outcomes)
			for _, m := range p.Table {
				s.Columns = append(s.Columns, heading{m, measures[m].words, measures[m].unit})
			}
			s.Figures = p.draw(s.Rows)
			for _, o := range outcomes {
				if o != nil && o.Cell.Part == p {
					s.Cells = append(s.Cells, o)
				}
			}
		}
		s.Verdicts = p.judge(s.Rows)
		r.Sections = append(r.Sections, s)
	}
	return r, nil
}

// Err returns an error for each statement that does not hold, and each study that failed.
func (r *Report) Err() error {
	var all []error
	for i := range r.Sections {
		s := &r.Sections[i]
		if s.Error != nil {
			all = append(all, fmt.Errorf("part %s: %w", s.Part.Name, s.Error))
		}
		for _, v := range s.Verdicts {
			switch {
			case v.Why != "":
				all = append(all, fmt.Errorf("part %s, line %d: %q cannot be told: %s", s.Part.Name, v.Line, v.Text, v.Why))
			case !v.Holds:
				all = append(all, fmt.Errorf("part %s, line %d: %q does not hold: %s and %s", s.Part.Name, v.Line, v.Text, exact(v.A), exact(v.B)))
			}
		}
	}
	return errors.Join(all...)
}

// Lines returns the verdicts for a terminal.
func (r *Report) Lines() (lines []string) {
	for i := range r.Sections {
		for _, v := range r.Sections[i].Verdicts {
			word := "holds      "
			switch {
			case v.Why != "":
				word = "not told   "
			case !v.Holds:
				word = "does NOT   "
			}
			figures := exact(v.A) + ", " + exact(v.B)
			if v.Why != "" {
				figures = v.Why
			}
			lines = append(lines, fmt.Sprintf("%s %s: %s (%s)", word, r.Sections[i].Part.Name, v.Text, figures))
		}
	}
	return lines
}

// exact writes a figure of a statement.
func exact(x float64) string { return strconv.FormatFloat(x, 'g', 6, 64) }

// Write writes the page, the tables and the figures into a folder.
func (r *Report) Write(dir string) error {
	figures := filepath.Join(dir, r.Name)
	if err := os.MkdirAll(figures, 0o755); err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	var drawn error
	for i := range r.Sections {
		for k := range r.Sections[i].Figures {
			n := &r.Sections[i].Figures[k]
			var svg, png bytes.Buffer
			if err := errors.Join(n.SVG(&svg), n.PNG(&png)); err != nil {
				drawn = errors.Join(drawn, fmt.Errorf("part %s: %w", r.Sections[i].Part.Name, err))
				continue
			}
			for _, f := range []struct {
				suffix  string
				content []byte
			}{{".svg", svg.Bytes()}, {".png", png.Bytes()}} {
				if err := Write(filepath.Join(figures, n.Name+f.suffix), f.content); err != nil {
					return err
				}
			}
		}
	}
	table, err := r.csv()
	if err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	whole, err := r.json()
	if err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	for suffix, content := range map[string][]byte{".md": r.markdown(), ".csv": table, ".json": whole} {
		if err := Write(filepath.Join(dir, r.Name+suffix), content); err != nil {
			return err
		}
	}
	return drawn
}

// markdown writes the page.
func (r *Report) markdown() []byte {
	var b bytes.Buffer
	para := func(text string) {
		if text = strings.TrimSpace(text); text != "" {
			b.WriteString(text + "\n\n")
		}
	}
	para("# " + or(r.File.Title, r.Name))
	para(r.File.Text)
	for i := range r.Sections {
		s := &r.Sections[i]
		p := s.Part
		if len(r.Sections) > 1 {
			para("## " + p.Title)
		}
		para(p.Text)
		if s.Error != nil {
			para("**Failed:** " + s.Error.Error())
		}
		for k := range s.Figures {
			n := &s.Figures[k]
			para(fmt.Sprintf("![%s](%s/%s.svg)", or(n.Title, p.Title), r.Name, n.Name))
		}
		s.table(&b)
		if len(p.Target) > 0 {
			for figure, value := range p.Target {
				sign := "at most"
				if growing[figure] {
					sign = "at least"
				}
				para(fmt.Sprintf("The target is a %s of %s %g.", strings.ReplaceAll(figure, "_", " "), sign, value))
			}
		}
		para(p.searched())
		s.failures(&b)
		s.verdicts(&b)
		para(p.Close)
	}
	para("## How it was made")
	para("```\n" + r.Command + "\n```")
	for i := range r.Sections {
		r.Sections[i].Part.made(&b)
	}
	para(fmt.Sprintf("%s Figures are means over the seeds, with their deviation (±) in tables and the least and the most as bands. [%s.json](%s.json) has every simulation with its settings and the command that repeats it; times in it are virtual. [%s.csv](%s.csv) has the tables. %s on %s.", seedWords(r.File), r.Name, r.Name, r.Name, r.Name, r.Program, r.Machine))
	return append(bytes.TrimRight(b.Bytes(), "\n"), '\n')
}

// searched says what was searched, and by what; nothing where nothing was.
func (p *Part) searched() string {
	if p.Best == nil {
		return ""
	}
	var all []string
	values, _ := p.Grid.Get(p.Best.Over)
	for i := range values {
		all = append(all, value(&values[i]))
	}
	return fmt.Sprintf("Of `%s` %s the best by the mean %s is told.", p.Best.Over, strings.Join(all, ", "), measures[p.Best.By].words)
}

// made writes which task a part simulates, with which settings.
func (p *Part) made(b *bytes.Buffer) {
	if p.Study != "" {
		return
	}
	code := func(sets settings) string {
		var all []string
		for _, set := range sets {
			path, text, _ := strings.Cut(set, "=")
			if text == "" {
				text = "null"
			}
			all = append(all, "`"+path+": "+text+"`")
		}
		return strings.Join(all, ", ")
	}
	fmt.Fprintf(b, "- %s: task `%s`", p.Name, p.Task)
	if len(p.Set) > 0 {
		fmt.Fprintf(b, " with %s", code(p.Set))
	}
	b.WriteString("\n")
	for i, v := range p.Variants.Keys {
		if sets := p.Variants.Values[i]; len(sets) > 0 {
			fmt.Fprintf(b, "  - %s: %s\n", strings.ReplaceAll(v, "_", " "), code(sets))
		}
	}
	b.WriteString("\n")
}

// seedWords says which seeds there are.
func seedWords(f *File) string {
	var all []uint64
	for _, p := range f.Parts {
		all = append(all, p.Seeds...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	switch n := len(all); {
	case n == 1:
		return fmt.Sprintf("Seed %d.", all[0])
	case n > 2 && all[n-1]-all[0] == uint64(n-1):
		return fmt.Sprintf("Seeds %d to %d.", all[0], all[n-1])
	}
	var words []string
	for _, s := range all {
		words = append(words, strconv.FormatUint(s, 10))
	}
	return "Seeds " + strings.Join(words, ", ") + "."
}

// table writes the rows of a section.
func (s *Section) table(b *bytes.Buffer) {
	if len(s.Columns) == 0 || len(s.Rows) == 0 {
		return
	}
	p := s.Part
	head, rule := []string{"variant"}, []string{"---"}
	add := func(text, align string) { head, rule = append(head, text), append(rule, align) }
	paths := p.told()
	for _, path := range paths {
		add("`"+path+"`", "---:")
	}
	if p.Best != nil {
		add("best `"+p.Best.Over+"`", "---:")
	}
	for _, c := range s.Columns {
		add(c.words, "---:")
	}
	line := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(head)
	line(rule)
	for _, r := range s.Rows {
		cells := append([]string{or(r.label, r.variant())}, r.Grid...)
		if p.Best != nil {
			cells = append(cells, r.Chosen)
		}
		for _, c := range s.Columns {
			cells = append(cells, r.Spread(c.name).cell(c.unit))
		}
		line(cells)
	}
	b.WriteString("\n")
}

// failures says which simulations ended early, and why.
func (s *Section) failures(b *bytes.Buffer) {
	any := false
	for _, o := range s.Cells {
		if o.Failed != "" {
			any = true
			fmt.Fprintf(b, "- %s ended early: %s\n", o.Cell, strings.ReplaceAll(o.Failed, "\n", "; "))
		}
	}
	if any {
		b.WriteString("\n")
	}
}

// verdicts writes the statements with their figures.
func (s *Section) verdicts(b *bytes.Buffer) {
	for _, v := range s.Verdicts {
		switch {
		case v.Why != "":
			fmt.Fprintf(b, "- **cannot be told**: `%s` (%s)\n", v.Text, v.Why)
		case v.Holds:
			fmt.Fprintf(b, "- holds: `%s` (%s, %s)\n", v.Text, exact(v.A), exact(v.B))
		default:
			fmt.Fprintf(b, "- **does not hold**: `%s` (%s, %s)\n", v.Text, exact(v.A), exact(v.B))
		}
	}
	if len(s.Verdicts) > 0 {
		b.WriteString("\n")
	}
}

// csv writes a line for each row, seed and measure: tables of different columns fit in one
// file.
func (r *Report) csv() ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.Write([]string{"part", "variant", "grid", "seed", "measure", "value"})
	for i := range r.Sections {
		s := &r.Sections[i]
		for _, row := range s.Rows {
			grid := strings.Join(row.Grid, " ")
			if row.Chosen != "" {
				grid = strings.TrimSpace(grid + " " + row.Chosen)
			}
			for _, c := range s.Columns {
				for k, x := range row.Values(c.name) {
					seed := ""
					if k < len(s.Part.Seeds) {
						seed = strconv.FormatUint(s.Part.Seeds[k], 10)
					}
					text := "" // unknown
					if !math.IsNaN(x) {
						text = strconv.FormatFloat(x, 'g', -1, 64)
					}
					w.Write([]string{s.Part.Name, row.Variant, grid, seed, c.name, text})
				}
			}
		}
	}
	w.Flush()
	return b.Bytes(), w.Error()
}

// Times writes how long the cells took: of the wall clock, and so not part of the report.
func Times(outcomes []*Outcome) ([]byte, error) {
	type cell struct {
		Cell    string  `json:"cell"`
		Seconds float64 `json:"seconds"`
	}
	all := []cell{}
	for _, o := range outcomes {
		if o != nil {
			all = append(all, cell{o.Cell.String(), o.Seconds})
		}
	}
	return json.MarshalIndent(all, "", " ")
}
