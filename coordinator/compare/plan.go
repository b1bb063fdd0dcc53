package compare

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"fedtab/coordinator/task"

	"go.yaml.in/yaml/v3"
)

// Cell is one simulation: a variant at a point of the grid, with a seed.
type Cell struct {
	Part    *Part
	Variant string
	Grid    []string // values by path of the grid
	Seed    uint64
	Task    *task.Task
	Sets    []string // changes of the task, PATH=VALUE each
}

// Command returns the command that repeats the cell alone.
func (c *Cell) Command() string {
	words := []string{"coordinator", "simulate", "--task", c.Part.Task}
	for _, set := range c.Sets {
		words = append(words, "--set", Quoted(set))
	}
	return strings.Join(words, " ")
}

// Quoted writes a word for a shell.
func Quoted(word string) string {
	if strings.ContainsAny(word, " {}[]()'\"$*?;&|<>!#~`\\") || word == "" {
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return word
}

// String names a cell to people.
func (c *Cell) String() string {
	words := c.Part.Name + " " + c.Variant
	if len(c.Grid) > 0 {
		words += "[" + strings.Join(c.Grid, ", ") + "]"
	}
	return fmt.Sprintf("%s, seed %d", words, c.Seed)
}

// Plan returns the cells of a file, in its order. The error has all that is wrong with
// settings, each with the cell that has it first.
func (f *File) Plan(path string) (cells []*Cell, err error) {
	var all []error
	told := map[string]bool{}
	for _, p := range f.Parts {
		if p.Study != "" {
			continue
		}
		checked := p.Best == nil
		for i, variant := range p.Variants.Keys {
			for _, values := range p.product() {
				for _, seed := range p.Seeds {
					c := &Cell{Part: p, Variant: variant, Grid: values, Seed: seed}
					c.Sets = append(append([]string{}, p.Set...), p.Variants.Values[i]...)
					for k, v := range values {
						c.Sets = append(c.Sets, p.Grid.Keys[k]+"="+v)
					}
					c.Sets = append(newest(c.Sets), fmt.Sprintf("seed=%d", seed))
					if c.Task, err = task.Find(p.Task, c.Sets); err != nil {
						for text := range strings.Lines(err.Error()) {
							if text = strings.TrimSuffix(text, "\n"); !told[p.Name+text] {
								told[p.Name+text] = true
								all = append(all, &Problem{path, p.Variants.Lines[i], fmt.Sprintf("%s: %s", c, text)})
							}
						}
					}
					if c.Task != nil && c.Task.Data.Validation == 0 && !checked {
						checked = true
						all = append(all, &Problem{path, 0, fmt.Sprintf("part %s: best: by is %s, and %s has no validation set: want data.validation in set, such as data.validation: 0.1", p.Name, p.Best.By, variant)})
					}
					cells = append(cells, c)
				}
			}
		}
		if err := p.checkStatements(); err != nil {
			all = append(all, fmt.Errorf("%s: part %s: %w", path, p.Name, err))
		}
	}
	return cells, errors.Join(all...)
}

// Only leaves the parts with some names.
func (f *File) Only(names []string) error {
	var kept []*Part
	for _, n := range names {
		i := slices.IndexFunc(f.Parts, func(p *Part) bool { return p.Name == n })
		if i < 0 {
			var all []string
			for _, p := range f.Parts {
				all = append(all, p.Name)
			}
			return fmt.Errorf("there is no part %s, want one of %s", n, strings.Join(all, ", "))
		}
		if !slices.Contains(kept, f.Parts[i]) {
			kept = append(kept, f.Parts[i])
		}
	}
	f.Parts = kept
	return nil
}

// newest returns changes without those of paths that are changed again: the task's decoder
// refuses a path that is set twice.
func newest(sets []string) (kept []string) {
	last := map[string]int{}
	for i, set := range sets {
		path, _, _ := strings.Cut(set, "=")
		last[path] = i
	}
	for i, set := range sets {
		if path, _, _ := strings.Cut(set, "="); last[path] == i {
			kept = append(kept, set)
		}
	}
	return kept
}

// product returns all combinations of the grid's values.
func (p *Part) product() [][]string {
	all := [][]string{nil}
	for _, values := range p.Grid.Values {
		var next [][]string
		for _, some := range all {
			for i := range values {
				next = append(next, append(some[:len(some):len(some)], value(&values[i])))
			}
		}
		all = next
	}
	return all
}

// value writes a value of the grid as --set takes it.
func value(n *yaml.Node) string {
	text, err := flow(n)
	if err != nil {
		panic(err) // it was decoded
	}
	return text
}
