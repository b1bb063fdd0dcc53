package organiser

import (
	"fmt"
	"slices"
	"strings"

	"fedtab/api/v1"
)

// New is the page where a run is made: a form, and the task file beside it.
type New struct {
	Schemes  v1.Schemes
	Presets  []v1.Preset
	Preset   string // that was taken last
	YAML     string // the task file as it stands
	Serial   int    // counts changes that the field of the task file must take
	Checking int    // questions that are under way
	Checked  v1.Checked
	Answered bool // Checked is of a task file
	Pressed  bool // the run is to be started once the answer is there
	All      bool // options that are seldom changed are shown too
	File     string
	Target   string
}

// Starts reports whether the run can be started.
func (n *New) Starts() bool {
	return n.Checking == 0 && n.Answered && len(n.Checked.Problems) == 0 && strings.TrimSpace(n.YAML) != ""
}

// OnChecked takes in what a task file comes to. written says that a person has written it:
// then it stays as it is.
func (b *Board) OnChecked(c v1.Checked, written bool, err error) {
	n := &b.New
	n.Checking--
	if b.OnError(err) || n.Checking > 0 {
		return
	}
	n.Checked, n.Answered = c, true
	if !written && c.YAML != n.YAML {
		n.YAML = c.YAML
		n.Serial++
	}
}

// Make is the page where a run is made.
type Make struct {
	Board *Board
}

func (c *Make) n() *New { return &c.Board.New }

// often are the options that most people change, in the order of the form.
var often = []string{
	"name", "title", "description", "join",
	"strategy.kind", "strategy.fraction", "strategy.min_clients", "strategy.epochs", "strategy.batch", "strategy.steps", "strategy.every", "strategy.delta", "strategy.round_timeout",
	"optimiser.lr", "strategy.lr", "lr", "stop.rounds", "stop.accuracy",
}

// groups returns the groups of options that the form shows, in the order of the registry.
func (c *Make) groups() []string {
	var all []string
	for _, o := range c.n().Schemes.Options {
		if c.offered(&o) && !slices.Contains(all, o.Group) {
			all = append(all, o.Group)
		}
	}
	return all
}

// options returns the options of a group that the form shows.
func (c *Make) options(group string) []v1.Option {
	var all []v1.Option
	for _, o := range c.n().Schemes.Options {
		if o.Group == group && c.offered(&o) {
			all = append(all, o)
		}
	}
	return all
}

// offered reports whether the form shows an option: one of the scheme, that is often changed
// or has a value of its own.
func (c *Make) offered(o *v1.Option) bool {
	n := c.n()
	if len(o.Schemes) > 0 && !slices.Contains(o.Schemes, n.Checked.Values["strategy.kind"]) {
		return false
	}
	if v, ok := n.Checked.Values[o.Key]; ok && v != o.Default {
		return true
	}
	return n.All || slices.Contains(often, o.Key) || c.problem(o.Key) != ""
}

func (c *Make) value(o *v1.Option) string {
	if v, ok := c.n().Checked.Values[o.Key]; ok {
		return v
	}
	return o.Default
}

// choices returns what an option can be; nil for one that is written.
func (c *Make) choices(o *v1.Option) []string {
	if o.Type == "flag" && len(o.Choices) == 0 {
		return []string{"true", "false"}
	}
	choices := o.Choices
	if v := c.value(o); len(choices) > 0 && !slices.Contains(choices, v) {
		choices = append([]string{v}, choices...)
	}
	return choices
}

func (c *Make) chosen(o *v1.Option, choice string) any {
	if c.value(o) == choice {
		return "selected"
	}
	return nil
}

// help says what an option is, and what it may be.
func help(o *v1.Option) string {
	words := strings.TrimSuffix(o.Help, ".")
	if o.Range != "" {
		words += "; " + o.Range
	}
	if words == "" {
		return ""
	}
	return words + "."
}

// problem says what is wrong with an option.
func (c *Make) problem(key string) string {
	for _, p := range c.n().Checked.Problems {
		if p.Key == key {
			return p.Text
		}
	}
	return ""
}

func (c *Make) invalid(key string) any {
	if c.problem(key) != "" {
		return "true"
	}
	return nil
}

// others returns what is wrong with the task file and no field shows.
func (c *Make) others() []string {
	var all []string
	for _, p := range c.n().Checked.Problems {
		words := p.Text
		if p.Line > 0 && !strings.Contains(words, "line ") {
			words = fmt.Sprintf("Line %d: %s", p.Line, words)
		}
		all = append(all, words)
	}
	return all
}

// state says whether the run can be started.
func (c *Make) state() string {
	n := c.n()
	switch {
	case strings.TrimSpace(n.YAML) == "":
		return "Begin with a task that ships, or with a table of your own."
	case n.Checking > 0 || !n.Answered:
		return "Checking…"
	case len(n.Checked.Problems) > 0:
		return "It cannot be started yet."
	case n.Checked.Served:
		return "A task of this name is served: this starts its next run, once the run before is over."
	}
	return "It can be started."
}

func (c *Make) estimate() v1.Estimate {
	if e := c.n().Checked.Estimate; e != nil {
		return *e
	}
	return v1.Estimate{}
}

func (c *Make) seconds() string {
	if s := c.estimate().Seconds; s > 0 {
		return "about " + c.Board.Lang.Duration(s)
	}
	return dash
}

func (c *Make) bytes() string {
	e := c.estimate()
	return c.Board.Lang.Size(e.BytesUp) + " up, " + c.Board.Lang.Size(e.BytesDown) + " down"
}

func (c *Make) all() string {
	e := c.estimate()
	if e.Rounds == 0 || e.Bytes == 0 {
		return dash
	}
	return fmt.Sprintf("%s in %s rounds", c.Board.Lang.Size(e.Bytes), c.Board.Lang.Count(e.Rounds))
}

func (c *Make) moreWords() string {
	if c.n().All {
		return "Fewer options"
	}
	return "All options"
}

// presetHelp says what a task that ships is.
func (c *Make) presetHelp() string {
	for _, p := range c.n().Presets {
		if p.Name == c.n().Preset {
			return p.Description
		}
	}
	return ""
}

func (c *Make) columns() []string { return c.n().Checked.Columns }
