package compare

import (
	"bytes"
	"errors"
	"fmt"
	"go/token"
	"io"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"fedtab/coordinator/task"

	"go.yaml.in/yaml/v3"
)

// File is an experiment.
type File struct {
	Title string   `yaml:"title"`
	Text  string   `yaml:"text"`  // Markdown
	Seeds []uint64 `yaml:"seeds"` // of the parts that have none
	Parts []*Part  `yaml:"parts"`
}

// Part is a comparison of variants of one task.
type Part struct {
	Name     string               `yaml:"name"` // of its files
	Title    string               `yaml:"title"`
	Text     string               `yaml:"text"`  // Markdown, above the results
	Close    string               `yaml:"close"` // Markdown, below the results
	Study    string               `yaml:"study"` // a computation that is no simulation, in place of a task
	Task     string               `yaml:"task"`  // that ships, or a file
	Set      settings             `yaml:"set"`   // of all variants
	Seeds    []uint64             `yaml:"seeds"`
	Variants ordered[settings]    `yaml:"variants"` // none: one, "task"
	Grid     ordered[[]yaml.Node] `yaml:"grid"`     // values by path: every combination is a cell of every variant
	Target   map[string]float64   `yaml:"target"`   // a figure of versions and its value, such as test_accuracy: 0.97
	Table    []string             `yaml:"table"`    // measures; none: no table
	Best     *Best                `yaml:"best"`     // values of the grid that are chosen
	Figures  []Drawing            `yaml:"figures"`
	Expect   statements           `yaml:"expect"`
}

// Best reduces the grid by a search: of each variant and each combination of the other
// values, only the value of Over with the best mean of By over the seeds is told of.
type Best struct {
	Over string `yaml:"over"` // a path of the grid
	By   string `yaml:"by"`   // a measure of the validation set
}

// Drawing is a figure.
type Drawing struct {
	Name       string           `yaml:"name"`
	Title      string           `yaml:"title"`
	Kind       string           `yaml:"kind"` // line, bars, scatter or heat
	X          string           `yaml:"x"`    // line: of rounds; bars, scatter, heat: a path of the grid, or a measure
	Y          string           `yaml:"y"`    // heat: a path of the grid, or variant, as X
	Z          string           `yaml:"z"`    // heat: a measure
	XLabel     string           `yaml:"x_label"`
	YLabel     string           `yaml:"y_label"`
	LogX       bool             `yaml:"log_x"`
	LogY       bool             `yaml:"log_y"`
	YMin       *float64         `yaml:"y_min"`
	YMax       *float64         `yaml:"y_max"`
	XMax       *float64         `yaml:"x_max"`
	Variants   []string         `yaml:"variants"` // none: all
	References ordered[float64] `yaml:"references"`
}

// byVariant is the axis of a heat map that has the variants.
const byVariant = "variant"

// Problem is what is wrong with a file, in a line.
type Problem struct {
	File string
	Line int // 0: unknown
	Text string
}

func (p *Problem) Error() string {
	if p.Line > 0 {
		return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
	}
	return p.File + ": " + p.Text
}

// ordered is a map of YAML in the order of the file.
type ordered[V any] struct {
	Keys   []string
	Values []V
	Lines  []int
}

// Get returns the value of a key.
func (o *ordered[V]) Get(key string) (v V, ok bool) {
	if i := slices.Index(o.Keys, key); i >= 0 {
		return o.Values[i], true
	}
	return v, false
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (o *ordered[V]) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: want names with values below them", n.Line)
	}
	for i := 0; i < len(n.Content); i += 2 {
		key := n.Content[i]
		var v V
		if err := n.Content[i+1].Decode(&v); err != nil {
			return err
		}
		if slices.Contains(o.Keys, key.Value) {
			return fmt.Errorf("line %d: %s is there already", key.Line, key.Value)
		}
		o.Keys, o.Values, o.Lines = append(o.Keys, key.Value), append(o.Values, v), append(o.Lines, key.Line)
	}
	return nil
}

// settings are changes of a task, PATH=VALUE each as for --set, in order.
type settings []string

// UnmarshalYAML implements yaml.Unmarshaler. Sections may be nested.
func (s *settings) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode && n.Tag != "!!null" {
		return fmt.Errorf("line %d: want settings, such as strategy.fraction: 0.2", n.Line)
	}
	return s.add("", n)
}

func (s *settings) add(path string, n *yaml.Node) error {
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i].Value, n.Content[i+1]
		if path != "" {
			key = path + "." + key
		}
		if value.Kind == yaml.MappingNode && len(value.Content) > 0 && value.Style&yaml.FlowStyle == 0 {
			if err := s.add(key, value); err != nil {
				return err
			}
			continue
		}
		if aliased(value) {
			return fmt.Errorf("line %d: %s refers to an anchor, want the value itself", value.Line, key)
		}
		text, err := flow(value)
		if err != nil {
			return fmt.Errorf("line %d: %s: %w", value.Line, key, err)
		}
		*s = append(*s, key+"="+text)
	}
	return nil
}

// flow writes a value in one line of YAML; nothing, for null.
func flow(n *yaml.Node) (string, error) {
	switch {
	case n.Tag == "!!null":
		return "", nil
	case n.Kind == yaml.ScalarNode && n.Tag != "!!str":
		return n.Value, nil
	}
	c := *n
	c.Style |= yaml.FlowStyle
	b, err := yaml.Marshal(&c)
	return strings.Join(strings.Fields(string(b)), " "), err
}

// name is what variants and parts may be called: their names are in expressions and files.
var name = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

// maxCells is the max number of simulations of a part.
const maxCells = 10000

// maxFile is the size of a file in bytes; those that ship have some thousand.
const maxFile = 1 << 20

// Load reads the file at path.
func Load(path string) (*File, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("compare: %w", err)
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("compare: %w", err)
	}
	return Parse(path, text)
}

// Parse reads a file whose name is for errors, all of which it returns, joined.
func Parse(path string, text []byte) (*File, error) {
	if len(text) > maxFile {
		return nil, &Problem{path, 0, fmt.Sprintf("is larger than %d bytes, want an experiment", maxFile)}
	}
	f := new(File)
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	switch err := d.Decode(f); {
	case errors.Is(err, io.EOF):
		return nil, &Problem{path, 0, "is empty, want parts: with at least one part"}
	case err != nil:
		return nil, refused(path, err)
	case d.Decode(new(yaml.Node)) != io.EOF:
		return nil, &Problem{path, 0, "has a second YAML document, want one"}
	}
	return f, f.check(path)
}

var line = regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)$`)
var unknown = regexp.MustCompile(`^field (.+) not found in type compare\.(\S+)$`)

// fields are those of the types of a file, for errors.
var fields = map[string][]string{
	"File":    {"title", "text", "seeds", "parts"},
	"Part":    {"name", "title", "text", "close", "study", "task", "set", "seeds", "variants", "grid", "target", "table", "best", "figures", "expect"},
	"Drawing": {"name", "title", "kind", "x", "y", "z", "x_label", "y_label", "log_x", "log_y", "y_min", "y_max", "x_max", "variants", "references"},
	"Best":    {"over", "by"},
}

// mistyped is what YAML's decoder says of a value of another type.
var mistyped = regexp.MustCompile("^cannot unmarshal \\S+(?: `(.*)`)? into (.+)$")

// typeWords says what a type of the file takes, to people.
func typeWords(name, got string) string {
	switch {
	case strings.HasPrefix(name, "[]"):
		return fmt.Sprintf("a list, such as [%s]", got)
	case name == "string":
		return "a text"
	case name == "bool":
		return "true or false"
	case strings.HasPrefix(name, "*float"), strings.HasPrefix(name, "float"), strings.HasPrefix(name, "uint"), strings.HasPrefix(name, "int"):
		return "a number"
	}
	return "fields with values below it"
}

// refused makes problems of an error of YAML's decoder.
func refused(path string, err error) error {
	texts := []string{err.Error()}
	if typed := (*yaml.TypeError)(nil); errors.As(err, &typed) {
		texts = typed.Errors
	}
	var all []error
	for _, text := range texts {
		p := &Problem{File: path, Text: strings.TrimPrefix(text, "yaml: ")}
		if m := line.FindStringSubmatch(text); m != nil {
			p.Line, _ = strconv.Atoi(m[1])
			p.Text = m[2]
		}
		if m := unknown.FindStringSubmatch(p.Text); m != nil {
			known := fields[m[2]]
			p.Text = fmt.Sprintf("unknown field %q, want one of %s", m[1], strings.Join(known, ", "))
			if near := task.Nearest(m[1], known); near != "" {
				p.Text = fmt.Sprintf("unknown field %q, did you mean %s?", m[1], near)
			}
		}
		if m := mistyped.FindStringSubmatch(p.Text); m != nil {
			p.Text = fmt.Sprintf("%s is there, want %s", m[1], typeWords(m[2], m[1]))
		}
		all = append(all, p)
	}
	return errors.Join(all...)
}

// check returns all that is wrong with a file but for settings of tasks.
func (f *File) check(path string) error {
	var all []error
	fail := func(part, format string, args ...any) {
		if part != "" {
			part = "part " + part + ": "
		}
		all = append(all, &Problem{path, 0, part + fmt.Sprintf(format, args...)})
	}
	if len(f.Parts) == 0 {
		fail("", "has no parts, want parts: with at least one part")
	}
	seen := map[string]bool{}
	for i, p := range f.Parts {
		if p == nil || !name.MatchString(p.Name) {
			fail(strconv.Itoa(i+1), "name is missing or not of a-z, 0-9 and _, want a name that begins with a letter")
			continue
		}
		if seen[p.Name] {
			fail(p.Name, "there are two parts of that name")
		}
		seen[p.Name] = true
		if p.Title == "" {
			p.Title = p.Name
		}
		if len(p.Seeds) == 0 {
			p.Seeds = f.Seeds
		}
		if len(p.Seeds) == 0 {
			p.Seeds = []uint64{1}
		}
		if s := slices.Sorted(slices.Values(p.Seeds)); len(slices.Compact(s)) != len(p.Seeds) {
			fail(p.Name, "seeds has one twice")
		}
		p.check(func(format string, args ...any) { fail(p.Name, format, args...) })
	}
	return errors.Join(all...)
}

func (p *Part) check(fail func(format string, args ...any)) {
	switch {
	case p.Study != "" && p.Task != "":
		fail("has a study and a task, want one of them")
	case p.Study != "":
		if studies[p.Study] == nil {
			fail("study is %q, want one of %s", p.Study, strings.Join(studyNames(), ", "))
		}
		return
	case p.Task == "":
		fail("task is missing, want a task that ships or a task file, or study")
	}
	if len(p.Variants.Keys) == 0 {
		p.Variants = ordered[settings]{Keys: []string{"task"}, Values: []settings{nil}, Lines: []int{0}}
	}
	for _, v := range p.Variants.Keys {
		switch {
		case !name.MatchString(v):
			fail("variant %q, want a name of a-z, 0-9 and _ that begins with a letter", v)
		case token.IsKeyword(v):
			fail("variant %q, want another name: statements are expressions of Go, where that is a keyword", v)
		}
	}
	for i, path := range p.Grid.Keys {
		p.gridPath(path, p.Grid.Values[i], fail)
	}
	p.ownSeed(fail)
	cells := len(p.Variants.Keys) * len(p.Seeds)
	for _, values := range p.Grid.Values {
		if cells *= max(len(values), 1); cells > maxCells {
			fail("has more than %d simulations: variants x values of the grid x seeds", maxCells)
			p.Grid = ordered[[]yaml.Node]{} // it is not expanded
			break
		}
	}
	if len(p.Target) > 1 {
		fail("target has %d figures, want one", len(p.Target))
	}
	for figure := range p.Target {
		if column(figure) == nil {
			fail("target: %s is no figure of rounds, want one of %s", figure, strings.Join(columnNames(), ", "))
		}
		if v := p.Target[figure]; math.IsNaN(v) || math.IsInf(v, 0) {
			fail("target: %s is %v, want a finite number", figure, v)
		}
	}
	for _, m := range p.Table {
		p.measured(m, fail)
	}
	if b := p.Best; b != nil {
		if !slices.Contains(p.Grid.Keys, b.Over) {
			fail("best: over is %q, want a path of the grid", b.Over)
		}
		p.measured(b.By, fail)
		if _, ok := measures[b.By]; ok && !p.validates(b.By) {
			fail("best: by is %s, want a measure of the validation set, such as by: %s with data.validation: 0.1 in set: what a search goes by cannot judge what it finds", b.By, onValidation(b.By))
		}
	}
	names := map[string]bool{}
	for i := range p.Figures {
		d := &p.Figures[i]
		if d.Name == "" {
			d.Name = p.Name
			if i > 0 {
				d.Name += strconv.Itoa(i + 1)
			}
		}
		if names[d.Name] || !name.MatchString(d.Name) {
			fail("figure %q, want a name of its own, of a-z, 0-9 and _", d.Name)
		}
		names[d.Name] = true
		d.check(p, fail)
	}
}

// gridPath fails for values that are there twice, and for a path that is set elsewhere too:
// the grid's values would replace that without a word.
func (p *Part) gridPath(path string, values []yaml.Node, fail func(format string, args ...any)) {
	if len(values) == 0 {
		fail("grid: %s has no values", path)
	}
	seen := map[string]bool{}
	for i := range values {
		if aliased(&values[i]) {
			fail("grid: a value of %s refers to an anchor, want the value itself", path)
			return
		}
		text := value(&values[i])
		if n, err := strconv.ParseFloat(text, 64); err == nil {
			text = strconv.FormatFloat(n, 'g', -1, 64)
		}
		if seen[text] {
			fail("grid: %s has %s twice", path, text)
		}
		seen[text] = true
	}
	sets := func(where string, all settings) {
		for _, set := range all {
			if at, _, _ := strings.Cut(set, "="); at == path {
				fail("%s is in the grid and in %s, want it in one of them", path, where)
			}
		}
	}
	sets("set", p.Set)
	for i, v := range p.Variants.Keys {
		sets("variant "+v, p.Variants.Values[i])
	}
}

// aliased reports whether a value has references to anchors, which settings cannot have.
func aliased(n *yaml.Node) bool {
	return n.Kind == yaml.AliasNode || slices.ContainsFunc(n.Content, aliased)
}

// limits fails for limits of axes between which nothing can be drawn.
func (d *Drawing) limits(fail func(format string, args ...any)) {
	for field, limit := range map[string]*float64{"y_min": d.YMin, "y_max": d.YMax, "x_max": d.XMax} {
		log := d.LogY && field != "x_max" || d.LogX && field == "x_max"
		if limit != nil && (math.IsNaN(*limit) || math.IsInf(*limit, 0) || log && *limit <= 0) {
			fail("figure %s: %s is %v, want a finite number, above 0 on a logarithmic axis", d.Name, field, *limit)
		}
	}
	if d.YMin != nil && d.YMax != nil && *d.YMin >= *d.YMax {
		fail("figure %s: y_min is %v and y_max %v, want y_min < y_max", d.Name, *d.YMin, *d.YMax)
	}
}

// ownSeed fails for settings of the seed, which every cell has its own of.
func (p *Part) ownSeed(fail func(format string, args ...any)) {
	all := slices.Clone(p.Set)
	for _, v := range p.Variants.Values {
		all = append(all, v...)
	}
	has := slices.ContainsFunc(all, func(set string) bool { return strings.HasPrefix(set, "seed=") })
	if has || slices.Contains(p.Grid.Keys, "seed") {
		fail("seed is set, want seeds: [...], or seeds.data, seeds.start or seeds.sampling to hold one of them")
	}
}

// check returns what is wrong with a figure.
func (d *Drawing) check(p *Part, fail func(format string, args ...any)) {
	searched := func(field, value string) bool {
		if p.Best == nil || p.Best.Over != value {
			return false
		}
		fail("figure %s: %s is %q, want another: of a path that is searched (best) one value is left", d.Name, field, value)
		return true
	}
	axis := func(field, value string) {
		if searched(field, value) || slices.Contains(p.Grid.Keys, value) {
			return
		}
		if _, ok := measures[value]; !ok {
			fail("figure %s: %s is %q, want a path of the grid or a measure (%s)", d.Name, field, value, strings.Join(measureNames(), ", "))
		}
	}
	switch d.Kind {
	case "line":
		for field, value := range map[string]string{"x": d.X, "y": d.Y} {
			if column(value) == nil {
				fail("figure %s: %s is %q, want one of %s", d.Name, field, value, strings.Join(columnNames(), ", "))
			}
		}
	case "bars", "scatter":
		if d.X != "" || d.Kind == "scatter" {
			axis("x", d.X)
		}
		axis("y", d.Y)
	case "heat":
		for field, value := range map[string]string{"x": d.X, "y": d.Y} {
			if !searched(field, value) && !slices.Contains(p.Grid.Keys, value) && value != byVariant {
				fail("figure %s: %s is %q, want a path of the grid, or %s", d.Name, field, value, byVariant)
			}
		}
		axis("z", d.Z)
	default:
		fail("figure %s: kind is %q, want line, bars, scatter or heat", d.Name, d.Kind)
	}
	d.limits(fail)
	for _, v := range d.Variants {
		if !slices.Contains(p.Variants.Keys, v) {
			fail("figure %s: there is no variant %s", d.Name, v)
		}
	}
}

// measured fails for what is no measure, or one that lacks its target.
func (p *Part) measured(m string, fail func(format string, args ...any)) {
	if _, ok := measures[m]; !ok {
		fail("%q is no measure, want one of %s", m, strings.Join(measureNames(), ", "))
	} else if strings.HasSuffix(m, "_target") && len(p.Target) == 0 {
		fail("%s needs a target, such as target: {test_accuracy: 0.97}", m)
	}
}
