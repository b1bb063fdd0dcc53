package organiser

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"fedtab/api/v1"
)

// New is the page where a run is made: a form, and the task file beside it.
type New struct {
	Schemes  v1.Schemes
	Presets  []v1.Preset
	Preset   string   // that was taken last
	YAML     string   // the task file as it stands
	Serial   int      // counts changes that the field of the task file must take
	Sets     []string // changes by the form that the task file does not have yet
	Made     []string // all changes by the form since the task began, the newest of each setting
	Checking bool     // a question is under way
	Checked  v1.Checked
	Answered bool // Checked is of the task file with all changes
	Pressed  bool // the run is to be started once the answer is there
	Starting bool // the run is being started
	All      bool // options that are seldom changed are shown too
	File     string
	Target   string
}

// Starts reports whether the run can be started.
func (n *New) Starts() bool {
	return !n.Starting && n.Answered && len(n.Checked.Problems) == 0 && strings.TrimSpace(n.YAML) != ""
}

// set changes a setting by the form.
func (n *New) set(key, value string) {
	if slices.Contains(texts, key) && !strings.HasPrefix(value, "{") && value != "" {
		quoted, _ := json.Marshal(value) // a text is one whatever YAML would make of it
		value = string(quoted)
	}
	same := func(set string) bool { return strings.HasPrefix(set, key+"=") }
	n.Sets = append(slices.DeleteFunc(n.Sets, same), key+"="+value)
	n.Made = append(slices.DeleteFunc(n.Made, same), key+"="+value)
	n.Answered = false
}

// begin makes another task file the one that stands.
func (n *New) begin(yaml string) {
	n.YAML, n.Sets, n.Made, n.Answered, n.Pressed = yaml, nil, nil, false, false
	n.Serial++
}

// ask returns the question for what the task file comes to, and false if one is under way or
// there is nothing to ask.
func (n *New) ask() (v1.CheckOrder, bool) {
	if n.Checking || n.Answered || n.YAML == "" && len(n.Sets) == 0 {
		return v1.CheckOrder{}, false
	}
	n.Checking = true
	return v1.CheckOrder{YAML: n.YAML, Set: slices.Clone(n.Sets)}, true
}

// OnChecked takes in the answer to a question. An answer to an older task file does not
// count, and the changes that were asked about stay to be made.
func (b *Board) OnChecked(asked v1.CheckOrder, c v1.Checked, err error) {
	n := &b.New
	n.Checking = false
	if b.OnError(err) {
		n.Pressed = false // the clock asks again
		return
	}
	if asked.YAML != n.YAML {
		return
	}
	n.Sets = slices.DeleteFunc(n.Sets, func(set string) bool { return slices.Contains(asked.Set, set) })
	n.Checked, n.Answered = c, len(n.Sets) == 0
	if len(asked.Set) > 0 && c.YAML != n.YAML {
		n.YAML = c.YAML
		n.Serial++
	}
}

// Make is the page where a run is made.
type Make struct {
	Board *Board
}

func (c *Make) n() *New { return &c.Board.New }

// texts are the options that are texts for people, whatever YAML would read.
var texts = []string{"name", "title", "description"}

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
	v, ok := c.n().Checked.Values[o.Key]
	if !ok {
		v = o.Default
	}
	for _, set := range c.n().Sets { // not answered yet
		if key, to, _ := strings.Cut(set, "="); key == o.Key {
			v = to
		}
	}
	var text string
	if slices.Contains(texts, o.Key) && json.Unmarshal([]byte(v), &text) == nil {
		return text
	}
	return v
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

// help says what an option is, and what it may be; of the scheme, when to choose the one that
// is chosen.
func (c *Make) help(o *v1.Option) string {
	if o.Key == "strategy.kind" {
		for _, s := range c.n().Schemes.Schemes {
			if s.Name == c.value(o) {
				return s.Title + ": " + s.Summary + ". For when " + s.Help + "."
			}
		}
	}
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
	case n.Starting:
		return "Starting…"
	case !n.Answered:
		return "Checking…"
	case len(n.Checked.Problems) > 0:
		return "It cannot be started yet."
	case n.Checked.Served:
		return "A task of this name is served: this starts its next run, once the run before is over. A task that --task names has the settings of its file again after a restart."
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

// columns returns the columns of which one can be predicted.
func (c *Make) columns() []string {
	k := &c.n().Checked
	if k.Target == "" || slices.Contains(k.Columns, k.Target) {
		return k.Columns
	}
	return append(slices.Clone(k.Columns), k.Target)
}

// target is the column that is predicted.
func (c *Make) target() string {
	if t := c.n().Target; t != "" {
		return t
	}
	return c.n().Checked.Target
}
