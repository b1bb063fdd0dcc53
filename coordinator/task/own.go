package task

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"fedtab/learn/data"
)

// Table says which columns the tables of participants must have.
type Table struct {
	Features []Field `yaml:"features"` // at least one
	Label    Field   `yaml:"label"`    // the predicted column; its type defaults to category
}

// Field is a column of a Table.
type Field struct {
	Name    string            `yaml:"name"`
	Type    string            `yaml:"type"`              // "number", "category" or "boolean"
	Min     *float64          `yaml:"min,omitempty"`     // of a number: a smaller one is a mistake
	Max     *float64          `yaml:"max,omitempty"`     // of a number: a larger one is a mistake
	Values  []string          `yaml:"values,omitempty"`  // of a category; those of a boolean are no and yes
	Aliases map[string]string `yaml:"aliases,omitempty"` // other ways to write a value, to the value
	Missing string            `yaml:"missing,omitempty"` // of a feature: what stands for a missing value: one of its values, a number in quotes, or "mean"; default: a row needs a value
	Columns []string          `yaml:"columns,omitempty"` // other names that the column may have in a file
}

// Images says what the images of participants become.
type Images struct {
	Width    int      `yaml:"width" help:"pixels"`
	Height   int      `yaml:"height" help:"pixels"`
	Channels int      `yaml:"channels" help:"1: grey, 3: RGB"`
	Classes  []string `yaml:"classes"`
	Drawn    bool     `yaml:"drawn,omitempty" help:"the page offers a canvas to draw them, light on dark"`
}

// Examples bounds the number of a participant's examples, its hold-out included, and says
// how many participants must have them.
type Examples struct {
	Min int `yaml:"min" help:"of a participant, its hold-out included"`
	Max int `yaml:"max" help:"of a participant, its hold-out included"`

	Participants int `yaml:"participants,omitempty" help:"whose totals make the constants by which numbers are standardised; left out: 3"`
}

// From is the data of a simulation of a task with own data: a table that is divided
// among the clients. A live run does not read it.
type From struct {
	CSV       string    `yaml:"csv"`               // path
	Decimal   string    `yaml:"decimal,omitempty"` // "detect" (default), "point" or "comma"
	Partition Partition `yaml:"partition,omitempty"`
}

// Evaluate says what the versions of a task with own data are measured on.
type Evaluate struct {
	On    string `yaml:"on,omitempty" help:"own data: the hold-outs of the participants, a test file of the organiser, both, or none"`
	Every int    `yaml:"every,omitempty" help:"own data: rounds between evaluations"`
	Test  Test   `yaml:"test,omitempty"` // on test and both only
}

// Test is a table of the organiser, with the columns of a Table.
type Test struct {
	CSV     string `yaml:"csv"`               // path
	Decimal string `yaml:"decimal,omitempty"` // "detect" (default), "point" or "comma"
}

// The values of Evaluate.On.
const (
	OnHoldouts = "holdouts"
	OnTest     = "test"
	OnBoth     = "both"
	OnNone     = "none"
)

// Holdouts reports whether versions are evaluated on the hold-outs of participants.
func (t *Task) Holdouts() bool {
	return t.Data.Source == own && t.Evaluate.On != OnTest && t.Evaluate.On != OnNone
}

// EvaluateEvery returns the number of rounds between evaluations.
func (t *Task) EvaluateEvery() int {
	if t.Data.Source == own {
		return t.Evaluate.Every
	}
	return t.EvalEvery
}

// Limits of own data.
const (
	maxSide     = 1024    // pixels
	maxExamples = 1 << 23 // of a participant

	maxParticipants = 10_000
	maxPlain        = 100 // of a label that is not standardised: its squares are below learn.MaxLoss
)

// Defaults of own data.
const (
	minExamples     = 10
	defaultExamples = 100_000
	participants    = 3
	holdout         = 0.2
)

// booleans are the ways to write a boolean that need not be listed.
var booleans = map[string]string{
	"true": "yes", "t": "yes", "y": "yes", "1": "yes", "ja": "yes", "oui": "yes", "wahr": "yes", "vrai": "yes",
	"false": "no", "f": "no", "n": "no", "0": "no", "nein": "no", "non": "no", "falsch": "no", "faux": "no",
}

// Schema returns what the task wants of the data that participants bring; nil if they
// bring none. The task must be valid.
func (d *Data) Schema() *data.Schema {
	if d.Source != own {
		return nil
	}
	s := &data.Schema{Scale: data.Scale(d.Standardise), Holdout: d.Holdout, Min: d.Examples.Min, Max: d.Examples.Max}
	if im := d.Images; im.Classes != nil {
		s.Images = &data.ImageSchema{Width: im.Width, Height: im.Height, Channels: im.Channels, Classes: im.Classes, Drawn: im.Drawn}
		return s
	}
	s.Table = &data.TableSchema{Label: d.Table.Label.schema()}
	for _, f := range d.Table.Features {
		s.Table.Features = append(s.Table.Features, f.schema())
	}
	return s
}

func (f *Field) schema() data.Field {
	s := data.Field{
		Name: f.Name, Columns: f.Columns, Type: data.FieldType(f.kind()), Min: f.Min, Max: f.Max,
		Values: f.Values, Aliases: f.Aliases, Missing: f.Missing,
	}
	if s.Type == data.BooleanField {
		s.Values, s.Aliases = []string{"no", "yes"}, maps.Clone(booleans)
		maps.Copy(s.Aliases, f.Aliases)
	}
	return s
}

// kind returns the type of a field; only that of a label has a default.
func (f *Field) kind() string {
	if f.Type == "" {
		return string(data.CategoryField)
	}
	return f.Type
}

// numbers reports whether a table has numbers, which can be standardised.
func (t *Table) numbers() bool {
	number := func(f Field) bool { return f.Type == string(data.NumberField) }
	return number(t.Label) || slices.ContainsFunc(t.Features, number)
}

// fillOwn replaces zeros by defaults, and clears what belongs to other sources.
func (t *Task) fillOwn() {
	d, e := &t.Data, &t.Evaluate
	if d.Source != own {
		d.From = From{}
		return
	}
	t.EvalEvery = 0
	d.Partition = Partition{}
	if d.From.CSV == "" {
		d.From = From{}
	}
	d.From.Partition.fill()
	d.Holdout = cmp.Or(d.Holdout, holdout)
	d.Examples.Min, d.Examples.Max = d.Examples.bounds()
	d.Examples.Participants = cmp.Or(d.Examples.Participants, participants)
	if d.Standardise == "" {
		d.Standardise = d.scale()
	}
	e.On, e.Every = cmp.Or(e.On, OnHoldouts), cmp.Or(e.Every, 1)
	d.Images.Classes = orNil(d.Images.Classes)
	if d.Table.Features = orNil(d.Table.Features); d.Table.Features == nil {
		return
	}
	d.Table.Label.Type = d.Table.Label.kind()
	d.Table.Label.fill()
	for i := range d.Table.Features {
		d.Table.Features[i].fill()
	}
}

// fill makes empty lists nil, so that equal tasks have equal hashes.
func (f *Field) fill() {
	f.Values, f.Columns = orNil(f.Values), orNil(f.Columns)
	if len(f.Aliases) == 0 {
		f.Aliases = nil
	}
}

// bounds returns the limits with their defaults.
func (e Examples) bounds() (least, most int) {
	return cmp.Or(e.Min, minExamples), cmp.Or(e.Max, max(defaultExamples, e.Min))
}

// scale returns how numbers are standardised unless the task says it.
func (d *Data) scale() string {
	if d.Table.numbers() {
		return string(data.FederatedScale)
	}
	return string(data.NoScale)
}

// ownData checks the settings of source own.
func (d *decoder) ownData(v *Data) {
	table, images := d.hasIn("data.table"), d.hasIn("data.images")
	switch {
	case table && images:
		d.wrong("data.images", "data.images is given beside data.table, want one of them")
		return
	case !table && !images:
		d.wrong("data", `data has neither table nor images, want one of them, because source is "own": it says what participants bring`)
		return
	case images:
		d.ownImages(v.Images)
	default:
		d.ownTable(&v.Table)
	}
	scales := []string{string(data.FederatedScale), string(data.LocalScale), string(data.NoScale)}
	scale := v.Standardise
	switch {
	case !d.has("data.standardise"):
		scale = v.scale()
	case !d.want(slices.Contains(scales, scale), "data.standardise", quoted(scale), oneOf(scales)):
		scale = ""
	case scale != string(data.NoScale) && !v.Table.numbers() && !d.brokenAt("data.table"):
		what := "no column holds numbers"
		if images {
			what = "images are not standardised: pixel p becomes p/255"
		}
		d.wrong("data.standardise", fmt.Sprintf("data.standardise is %q, want none, because %s", scale, what))
	}
	if table {
		d.scaled(&v.Table, data.Scale(scale))
	}
	if d.has("data.holdout") {
		d.want(v.Holdout > 0 && v.Holdout < 1, "data.holdout", v.Holdout, "0 < holdout < 1, the share of a participant's examples that is not trained on")
	}
	lowest, highest := v.Examples.bounds()
	d.want(!d.has("data.examples.min") || v.Examples.Min >= 2 && v.Examples.Min <= maxExamples, "data.examples.min", v.Examples.Min, fmt.Sprintf("2 <= min <= %d: one to train on, and one in the hold-out", maxExamples))
	d.want(!d.has("data.examples.max") || v.Examples.Max >= lowest && highest <= maxExamples, "data.examples.max", v.Examples.Max, fmt.Sprintf("%d <= max <= %d", lowest, maxExamples))
	if d.has("data.examples.participants") {
		n := v.Examples.Participants
		d.want(n >= 2 && n <= maxParticipants, "data.examples.participants", n, fmt.Sprintf("2 <= participants <= %d: the constants must not be those of one", maxParticipants))
	}
	if d.has("data.drift") {
		d.wrong("data.drift", `data.drift is given, want none, because source is "own": the data stays as participants have brought it`)
	}
	d.evaluate(scale, images)
	d.from(v, images, scale)
	if d.has("model.class_weights") {
		d.wrong("model.class_weights", `model.class_weights is given, want it left out, because source is "own": the classes of all participants are not counted when the model is made`)
	}
}

// from checks the data of a simulation.
func (d *decoder) from(v *Data, images bool, scale string) {
	if !d.hasIn("data.from") {
		return
	}
	if images {
		d.wrong("data.from", "data.from is given, want none beside data.images: it divides a table")
		return
	}
	d.path("data.from.csv", v.From.CSV)
	d.decimal("data.from.decimal", v.From.Decimal)
	d.partition("data.from.partition.", v.From.Partition, 0, partitionKinds)
	d.byClass("data.from.partition.kind", v.From.Partition.Kind, v.Table.Label.Type == string(data.NumberField), "data.table.label is a number")
	asked := scale == string(data.FederatedScale) || d.root.Evaluate.On != OnTest && d.root.Evaluate.On != OnNone
	if p := v.From.Partition; p.Clients >= 1 && p.Clients < participants && asked && !d.root.Strategy.Scheme().Central {
		d.wrong("data.from.partition.clients", fmt.Sprintf("data.from.partition.clients is %d, want at least %d: nothing is made of what fewer participants tell of their data", p.Clients, participants))
	}
}

// decimal checks the decimal sign of a file.
func (d *decoder) decimal(path, value string) {
	if d.has(path) {
		all := []string{"detect", "point", "comma"}
		d.want(slices.Contains(all, value), path, quoted(value), oneOf(all))
	}
}

// evaluate checks an Evaluate section.
func (d *decoder) evaluate(scale string, images bool) {
	e := d.root.Evaluate
	if d.has("eval_every") {
		d.wrong("eval_every", `eval_every is given, want evaluate: {every: N}, because source is "own"`)
	}
	if d.has("evaluate.every") {
		d.want(e.Every >= 1 && e.Every <= MaxRounds, "evaluate.every", e.Every, fmt.Sprintf("1 <= every <= %d", MaxRounds))
	}
	all := []string{OnHoldouts, OnTest, OnBoth, OnNone}
	if d.has("evaluate.on") && !d.want(slices.Contains(all, e.On), "evaluate.on", quoted(e.On), oneOf(all)) {
		return
	}
	if s := d.root.Stop; e.On == OnNone {
		d.want(s.Accuracy == 0, "stop.accuracy", s.Accuracy, "none, because evaluate.on is none: no version is measured")
		d.want(s.Metrics == nil, "stop.metrics", fmt.Sprintf("a list of %d", len(s.Metrics)), "none, because evaluate.on is none: no version is measured")
	}
	test := e.On == OnTest || e.On == OnBoth
	switch {
	case !test && d.hasIn("evaluate.test"):
		d.wrong("evaluate.test", fmt.Sprintf("evaluate.test is given, want on: test or both beside it, because on is %q", cmp.Or(e.On, OnHoldouts)))
	case test && images:
		d.wrong("evaluate.on", fmt.Sprintf("evaluate.on is %q, want holdouts beside data.images: a test file is a table", e.On))
	case test && scale == string(data.LocalScale):
		d.wrong("evaluate.on", fmt.Sprintf(`evaluate.on is %q, want holdouts, because data.standardise is "local": there are no constants for a test file`, e.On))
	case test:
		d.want(d.hasIn("evaluate.test"), "evaluate.test", "", "{csv: FILE}, a table with the columns of data.table")
		if d.hasIn("evaluate.test") {
			d.path("evaluate.test.csv", e.Test.CSV)
			d.decimal("evaluate.test.decimal", e.Test.Decimal)
		}
	}
}

func (d *decoder) ownImages(v Images) {
	const path = "data.images."
	d.want(v.Width >= 1 && v.Width <= maxSide, path+"width", v.Width, fmt.Sprintf("1 <= width <= %d pixels", maxSide))
	d.want(v.Height >= 1 && v.Height <= maxSide, path+"height", v.Height, fmt.Sprintf("1 <= height <= %d pixels", maxSide))
	d.want(v.Channels == 1 || v.Channels == 3, path+"channels", v.Channels, "1 for grey, 3 for RGB")
	d.want(!v.Drawn || v.Channels != 3, path+"drawn", v.Drawn, "channels: 1 beside it, because drawings are grey")
	d.classes(path+"classes", v.Classes)
}

// classes checks the classes of own data.
func (d *decoder) classes(path string, all []string) {
	if d.want(len(all) >= 2, path, fmt.Sprintf("a list of %d", len(all)), "at least 2 classes") {
		d.texts(path, all, maxCategory)
	}
}

func (d *decoder) ownTable(v *Table) {
	const path = "data.table."
	d.want(len(v.Features) >= 1 && len(v.Features) <= maxColumns, path+"features", fmt.Sprintf("a list of %d", len(v.Features)), fmt.Sprintf("1 to %d columns", maxColumns))
	names := map[string]string{} // to the path of the field that has it
	for i := range v.Features {
		at := fmt.Sprintf("%sfeatures[%d]", path, i)
		d.want(d.has(at+".type"), at+".type", "", `"number", "category" or "boolean"`)
		d.field(at, &v.Features[i], names)
		if len(v.Features[i].Values) == 1 {
			d.wrong(at+".values", at+".values is a list of 1, want at least 2: a column with one value says nothing")
		}
	}
	if !d.want(d.has(path+"label"), path+"label", "", "the predicted column, such as {name: outcome, values: [healthy, ill]}") {
		return
	}
	d.field(path+"label", &v.Label, names)
	if d.has(path + "label.missing") {
		d.wrong(path+"label.missing", path+"label.missing is given, want none: a row without a label cannot be learned from")
	}
	if v.Label.kind() == string(data.CategoryField) {
		d.classes(path+"label.values", v.Label.Values)
	}
}

// field checks a Field. names are those of the fields before it.
func (d *decoder) field(path string, f *Field, names map[string]string) {
	unique := func(at, name string) {
		if first, twice := names[name]; twice {
			d.wrong(at, fmt.Sprintf("%s is %s, as %s is already, want each name once", at, quoted(name), first))
			return
		}
		names[name] = at
	}
	if d.want(data.ValidText(f.Name), path+".name", quoted(f.Name), "the name of a column") {
		unique(path+".name", f.Name)
	}
	d.texts(path+".columns", f.Columns, maxColumns)
	for i, name := range f.Columns {
		if name != f.Name && slices.Index(f.Columns, name) == i {
			unique(fmt.Sprintf("%s.columns[%d]", path, i), name)
		}
	}
	types := map[string][]string{"number": {"min", "max"}, "category": {"values", "aliases"}, "boolean": {"aliases"}}
	takes, known := types[f.kind()]
	if !known {
		d.want(false, path+".type", quoted(f.Type), `"number", "category" or "boolean"`)
		return
	}
	for _, setting := range []string{"min", "max", "values", "aliases"} {
		if at := path + "." + setting; d.has(at) && !slices.Contains(takes, setting) {
			why := ""
			if setting == "values" && f.Type == "boolean" {
				why = " (its values are no and yes; other words for them are aliases)"
			}
			d.wrong(at, fmt.Sprintf("%s is given, want none, because type is %q%s", at, f.kind(), why))
		}
	}
	if f.kind() == "number" {
		d.bounds(path, f)
	}
	if f.kind() == "category" && !strings.HasSuffix(path, "label") { // of a label, classes checks them
		if d.want(len(f.Values) > 0, path+".values", "a list of 0", `the values of the category, such as [low, high]`) {
			d.texts(path+".values", f.Values, maxCategory)
		}
	}
	d.aliases(path+".aliases", f)
	d.missing(path+".missing", f)
}

// bounds checks the bounds of a number.
func (d *decoder) bounds(path string, f *Field) {
	for _, b := range []struct {
		name  string
		value *float64
	}{{"min", f.Min}, {"max", f.Max}} {
		if b.value != nil {
			d.want(math.Abs(*b.value) <= math.MaxFloat32, path+"."+b.name, *b.value, "a number of single precision, at most 3.4e38")
		}
	}
	if f.Min != nil && f.Max != nil {
		d.want(*f.Min < *f.Max, path+".max", *f.Max, fmt.Sprintf("more than min, %v", *f.Min))
	}
}

// aliases checks that aliases stand for values.
func (d *decoder) aliases(path string, f *Field) {
	if !d.want(len(f.Aliases) <= maxColumns, path, fmt.Sprintf("a mapping of %d", len(f.Aliases)), fmt.Sprintf("at most %d", maxColumns)) {
		return
	}
	values := f.schema().Values
	folded := map[string]string{} // an alias in lower case, to how it was written first
	for _, alias := range slices.Sorted(maps.Keys(f.Aliases)) {
		at, to := join(path, printable(alias)), f.Aliases[alias]
		is := slices.IndexFunc(values, func(v string) bool { return strings.EqualFold(v, alias) })
		first, twice := folded[strings.ToLower(alias)]
		switch {
		case !data.ValidText(alias):
			d.wrong(at, fmt.Sprintf("%s has the alias %s, want a short text on one line, without spaces around it", path, quoted(alias)))
		case !slices.Contains(values, to):
			d.wrong(at, fmt.Sprintf("%s is %s, want %s", at, quoted(to), someOf(values)))
		case is >= 0 && values[is] != to:
			d.wrong(at, fmt.Sprintf("%s is %s, want another alias, because %s is a value itself", at, quoted(to), quoted(values[is])))
		case twice && f.Aliases[first] != to:
			d.wrong(at, fmt.Sprintf("%s is %s, want %s as for %s, because case does not matter", at, quoted(to), quoted(f.Aliases[first]), printable(first)))
		}
		if !twice {
			folded[strings.ToLower(alias)] = alias
		}
	}
}

// missing checks what stands for a missing value.
func (d *decoder) missing(path string, f *Field) {
	if !d.has(path) {
		return
	}
	s := f.schema()
	if s.Type == data.NumberField {
		if f.Missing == data.MeanFill {
			return
		}
		v, err := strconv.ParseFloat(f.Missing, 64)
		want := `"mean", or a number in quotes`
		if f.Min != nil || f.Max != nil {
			want += " within min and max"
		}
		_, ok := s.Value(f.Missing, '.')
		d.want(err == nil && !math.IsInf(v, 0) && ok, path, quoted(f.Missing), want)
		return
	}
	d.want(slices.Contains(s.Values, f.Missing), path, quoted(f.Missing), someOf(s.Values))
}

// scaled checks that the fields have what the scale needs.
func (d *decoder) scaled(v *Table, scale data.Scale) {
	number := func(f *Field) bool { return f.Type == string(data.NumberField) }
	for i := range len(v.Features) + 1 {
		path, f := "data.table.label", &v.Label
		if i < len(v.Features) {
			path, f = fmt.Sprintf("data.table.features[%d]", i), &v.Features[i]
		}
		switch {
		case !number(f):
		case scale == data.FederatedScale && (f.Min == nil || f.Max == nil):
			for _, b := range []string{"min", "max"} {
				if at := path + "." + b; !d.has(at) {
					d.wrong(at, fmt.Sprintf(`%s is missing, want the bounds of %s, because data.standardise is "federated": sums are checked against them`, at, quoted(f.Name)))
				}
			}
		case scale == data.NoScale && f.Missing == data.MeanFill:
			d.wrong(path+".missing", fmt.Sprintf(`%s.missing is "mean", want a number in quotes, because data.standardise is "none": no mean is computed`, path))
		}
	}
	if l := &v.Label; scale == data.NoScale && number(l) && !(l.Min != nil && l.Max != nil && *l.Min >= -maxPlain && *l.Max <= maxPlain) {
		d.wrong("data.standardise", fmt.Sprintf(`data.standardise is "none", want federated, or a label with bounds from -%v to %v: errors are summed and checked in the unit that is learned`, maxPlain, maxPlain))
	}
	if scale == data.LocalScale && number(&v.Label) {
		d.wrong("data.standardise", `data.standardise is "local", want federated or none, because the label is a number: in units of their own, the predictions of participants cannot be combined`)
	}
}
