package task

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"fedtab/strategy"
)

// An Option describes one setting of task files, for a form.
type Option struct {
	Key     string // its path
	Group   string // its section; "task" for the fields of none
	Help    string
	Type    string   // one of the types below
	Choices []string // of type Choice
	Default string   // YAML on one line; empty: none, or it depends on other settings
	Range   string   // in the decoder's words; empty: any value of the type
	Schemes []string // that have it; nil: all
}

// The types of options.
const (
	NumberOption  = "number"
	IntegerOption = "integer"
	TextOption    = "text" // or a list, or a duration
	ChoiceOption  = "choice"
	FlagOption    = "flag"
)

// Options returns the settings of tasks that are served, without the lists of columns and
// layers: those of the strategy as their schemes declare them, of the others what the
// decoder asks of them. The caller must not change them.
func Options() []Option { return options() }

var options = sync.OnceValue(func() []Option {
	var all []Option
	typ := reflect.TypeFor[Task]()
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, _ := tag(f)
		switch {
		case f.Type == strategyConfig:
			all = append(all, schemeOptions(Served())...)
		case name != "" && !slices.Contains(unserved, name):
			all = append(all, fieldOptions(f, name)...)
		}
	}
	return all
})

// Served returns the schemes of tasks that are served.
func Served() strategy.Registry {
	return slices.DeleteFunc(slices.Clone(strategy.Schemes()), func(s strategy.Scheme) bool { return s.Central })
}

// unserved are the settings of simulations.
var unserved = []string{"devices", "adversaries", "data.from", "data.drift"}

// schemeOptions returns the settings of the strategy section.
func schemeOptions(schemes strategy.Registry) []Option {
	all := []Option{{
		Key: "strategy.kind", Group: "strategy", Help: "the scheme that combines what participants send", Type: ChoiceOption,
		Choices: schemes.Names(), Range: oneOf(schemes.Names()),
	}}
	types := map[strategy.Type]string{strategy.Whole: IntegerOption, strategy.Number: NumberOption, strategy.Choice: ChoiceOption, strategy.Duration: TextOption}
	for _, s := range schemes.Settings() {
		o := Option{
			Key: "strategy." + s.Key, Group: "strategy", Type: types[s.Type], Choices: s.Choices, Range: s.Range(),
			Help: strings.ReplaceAll(s.Help, `\|`, "|"), // it stands in tables, too
		}
		switch {
		case s.Required:
		case s.Type == strategy.Choice:
			o.Default = s.Choices[0]
		case s.Default != nil:
			o.Default = formatted(reflect.ValueOf(s.Default))
		}
		for _, scheme := range schemes {
			if _, ok := scheme.Setting(s.Key); ok {
				o.Schemes = append(o.Schemes, scheme.Name)
			}
		}
		all = append(all, o)
	}
	return all
}

// fieldOptions returns the options in the field of a struct: itself, or those below it.
func fieldOptions(f reflect.StructField, path string) (all []Option) {
	if f.Type.Kind() == reflect.Struct && f.Type != textType {
		for i := range f.Type.NumField() {
			if name, _ := tag(f.Type.Field(i)); name != "" && !slices.Contains(unserved, path+"."+name) {
				all = append(all, fieldOptions(f.Type.Field(i), path+"."+name)...)
			}
		}
		return all
	}
	help, ok := f.Tag.Lookup("help")
	if !ok { // a list of sections, which a form has other means for
		return nil
	}
	group, _, below := strings.Cut(path, ".")
	if !below {
		group = "task"
	}
	o := Option{Key: path, Group: group, Help: help, Type: optionType(f.Type)}
	o.probe()
	return []Option{o}
}

// optionType returns the type of an option that a Go type holds; texts may yet be choices.
func optionType(typ reflect.Type) string {
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	switch {
	case typ == reflect.TypeFor[time.Duration]():
		return TextOption
	case typ.Kind() == reflect.Bool:
		return FlagOption
	case typ.Kind() == reflect.Float64:
		return NumberOption
	case typ.Kind() == reflect.Int, typ.Kind() == reflect.Uint64:
		return IntegerOption
	}
	return TextOption
}

// An example is a task in which the decoder is asked about the options whose keys begin
// with of: one that differs in its data tells nothing of others.
type example struct {
	text []byte
	of   string
}

// examples are tasks in which the decoder is asked about settings: between them they have
// every section, and each kind that has settings of its own.
var examples = sync.OnceValue(func() (all []example) {
	for _, e := range []struct {
		name string
		sets []string
	}{
		{"own-vote", nil}, {"own-digits", nil}, {"mnist-2nn", nil}, {"csv", nil}, {"anes96-daisy", nil},
		{"mnist-2nn", []string{"data.partition={kind: shards}", "optimiser={kind: adam, schedule: step, every: 1, factor: 0.5}"}},
		{"mnist-2nn", []string{"data.partition={kind: classes}", "optimiser={kind: momentum}"}},
		{"mnist-2nn", []string{"data.partition={kind: dirichlet, alpha: 1}", "data.pixels={mean: 0, deviation: 1}"}},
		{"mnist-2nn", []string{"data.partition={kind: power-law, exponent: 1}", "model.loss="}},
		{"csv", []string{"data.partition=", "data.partition={kind: column, column: x}"}},
		{"mnist-2nn", []string{"data.partition=", "data.partition={kind: file, path: x}"}},
		{"mnist-2nn", []string{"data={source: cifar, dir: x}"}},
		{"mnist-2nn", []string{"data={source: emnist, dir: x, split: digits}"}},
		{"mnist-2nn", []string{"data={source: folder, dir: x, size: 32}"}},
		{"mnist-2nn", []string{"data={source: npz, npz: {path: x}}"}},
		{"mnist-2nn", []string{"data={source: synthetic, generator: {kind: moons}}"}},
		{"mnist-2nn", []string{"data={source: synthetic, generator: {kind: blobs}}"}},
		{"mnist-2nn", []string{"data.partition.kind=", "data={source: synthetic, generator: {kind: fedprox}}"}},
		{"csv", []string{"data.csv.predict=number", "data.csv.target=age", "model.hidden=", "model.kind=svr"}},
	} {
		t, err := Find(e.name, e.sets)
		if err != nil {
			panic(err) // a test reads all of them
		}
		of := ""
		if len(e.sets) > 0 && strings.HasPrefix(e.sets[len(e.sets)-1], "data") {
			of = "data."
		}
		all = append(all, example{t.YAML(), of})
	}
	return all
})

// probe asks the decoder what it wants of an option, and what it takes in its place.
func (o *Option) probe() {
	for _, e := range examples() {
		if !strings.HasPrefix(o.Key, e.of) {
			continue
		}
		if o.Range == "" {
			_, d := ask(e.text, o.Key+"="+o.sample())
			o.Range, _, _ = strings.Cut(unconditional(d.asked[o.Key]), alsoSimulated)
		}
		if o.Default == "" && o.Key != "name" && o.Key != "title" { // they are of each task
			if t, d := ask(e.text, o.Key+"="); len(d.problems) == 0 {
				t.fill(d.schemes)
				o.Default = t.Values()[o.Key]
			}
		}
	}
	if all := choicesIn(o.Range); o.Type == TextOption && len(all) > 0 {
		o.Type, o.Choices = ChoiceOption, all
	}
}

// unconditional returns the first that the decoder wants of a field whatever the others are.
func unconditional(wants []string) string {
	for _, want := range wants {
		if !strings.HasPrefix(want, "none") && !strings.Contains(want, " because ") && !strings.Contains(want, " beside it") {
			return want
		}
	}
	return ""
}

// ask decodes a task with a change, and records what the decoder wants of each field.
func ask(text []byte, set string) (*Task, *decoder) {
	t := defaults()
	d := newDecoder("task", "task", &t)
	d.asked = map[string][]string{}
	d.task(strategy.Schemes(), text, []string{set})
	return &t, d
}

// sample returns a value of the option's type, with which the decoder checks it.
func (o *Option) sample() string {
	return map[string]string{FlagOption: "true", NumberOption: "0.5", IntegerOption: "1", TextOption: "x"}[o.Type]
}

var quotedWord = regexp.MustCompile(`^"([a-z0-9-]+)"$`)

// choicesIn returns the words of which the decoder wants one: "a", "b" or "c", or one of
// a, b, c.
func choicesIn(want string) (all []string) {
	if list, ok := strings.CutPrefix(want, "one of "); ok {
		return strings.Split(list, ", ")
	}
	for word := range strings.SplitSeq(strings.ReplaceAll(strings.TrimSuffix(want, ", or left out"), " or ", ", "), ", ") {
		m := quotedWord.FindStringSubmatch(word)
		if m == nil {
			return nil
		}
		all = append(all, m[1])
	}
	return all
}
