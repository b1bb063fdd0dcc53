package task

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"fedtab/strategy"

	"go.yaml.in/yaml/v3"
)

// A decoder fills a Task from YAML nodes and records where each field was given and
// what is wrong with it.
//
// It walks the nodes itself because yaml's own decoder stops at the first unknown
// field, converts types silently, and drops the lines.
type decoder struct {
	places
	what     string        // kind of the file, for messages: "task"
	into     reflect.Value // struct that is filled
	root     *Task         // the same, of a task file
	schemes  strategy.Registry
	settings map[string]any  // of the strategy section, by key, until its scheme is known
	broken   map[string]bool // paths whose value could not be read
	problems []Problem

	asked map[string][]string // what was wanted of each path; nil: it is not recorded
}

// places records where a task's fields were given.
type places struct {
	file  string
	given map[string]origin // by path
}

// An origin is the place that gave a field.
type origin struct {
	line int
	set  string // the --set argument, if not the file
}

func (d *decoder) fail(at origin, path, format string, args ...any) {
	d.problems = append(d.problems, Problem{
		File: d.file, Line: at.line, Set: at.set, Path: path, Text: fmt.Sprintf(format, args...),
	})
}

// document reads the whole file. It returns false if the file has no fields to
// read.
func (d *decoder) document(text []byte) bool {
	refuse := func(line int, format string, args ...any) bool {
		d.fail(origin{line: line}, "", format, args...)
		return false
	}
	switch {
	case len(text) > MaxFile:
		return refuse(0, "is larger than %d bytes, want a %s file (those of tasks that ship have about 1000)", MaxFile, d.what)
	case bytes.HasPrefix(text, []byte("\xef\xbb\xbf")):
		return refuse(1, "begins with a byte order mark, want plain UTF-8 without one")
	case bytes.HasPrefix(text, []byte("\xff\xfe")), bytes.HasPrefix(text, []byte("\xfe\xff")):
		return refuse(1, "is UTF-16, want plain UTF-8")
	}
	if line := invalidLine(text); line > 0 {
		return refuse(line, "is not text in UTF-8")
	}

	yd := yaml.NewDecoder(bytes.NewReader(text))
	var doc, more yaml.Node
	err := yd.Decode(&doc)
	if err == nil && len(doc.Content) == 1 {
		err = yd.Decode(&more)
		if err == nil {
			return refuse(more.Line, "a second YAML document begins, want one %s per file", d.what)
		}
		if errors.Is(err, io.EOF) {
			err = nil
		}
	}
	switch {
	case errors.Is(err, io.EOF):
		return refuse(0, "is empty, want a %s with the fields %s", d.what, strings.Join(names(d.into.Type()), ", "))
	case err != nil:
		if line := tabLine(text); line > 0 {
			return refuse(line, "is indented with a tab, want spaces (YAML allows no tabs there)")
		}
		line, message := syntax(err)
		return refuse(line, "is not YAML: %s", message)
	}
	top := doc.Content[0]
	d.value(top, d.into, "", origin{line: top.Line})
	return !d.broken[""]
}

// invalidLine returns the first line that is not UTF-8 text, from 1, or 0.
func invalidLine(text []byte) int {
	line := 1
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r == utf8.RuneError && n == 1 || r < ' ' && r != '\n' && r != '\r' && r != '\t' {
			return line
		}
		if r == '\n' {
			line++
		}
		text = text[n:]
	}
	return 0
}

// tabLine returns the first line with a tab in its indentation, from 1, or 0.
func tabLine(text []byte) int {
	line := 0
	for l := range bytes.Lines(text) {
		line++
		indent := l[:len(l)-len(bytes.TrimLeft(l, " \t"))]
		if bytes.IndexByte(indent, '\t') >= 0 {
			return line
		}
	}
	return 0
}

var syntaxError = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// syntax returns the line and the message of an error of the YAML parser.
func syntax(err error) (line int, message string) {
	m := syntaxError.FindStringSubmatch(printable(err.Error()))
	if m == nil {
		return 0, printable(err.Error())
	}
	line, _ = strconv.Atoi(m[1])
	if strings.HasPrefix(m[2], "did not find expected") {
		line++ // yaml counts the lines of these from 0, and omits 0
	}
	return line, m[2]
}

// set applies PATH=VALUE.
func (d *decoder) set(arg string) {
	at := origin{set: arg}
	if arg == "" {
		at.set = `""`
	}
	path, text, ok := strings.Cut(arg, "=")
	if !ok || path == "" {
		d.fail(at, "", "want PATH=VALUE, such as strategy.fraction=0.2")
		return
	}
	if len(arg) > MaxFile || !utf8.ValidString(arg) {
		d.fail(at, "", "has %d bytes or is not UTF-8, want at most %d bytes of UTF-8", len(arg), MaxFile)
		return
	}
	base := defaults()
	v, def := d.into, reflect.ValueOf(&base).Elem()
	parent, key := "", "" // key is that of a strategy's setting
	for name := range strings.SplitSeq(path, ".") {
		if v.Kind() != reflect.Struct || key != "" {
			d.fail(at, path, "unknown field %s (%s has no fields)", printable(path), parent)
			return
		}
		fields := d.section(v)
		if !slices.Contains(fields.names(), name) {
			d.unknown(at, parent, name, fields)
			return
		}
		if v.Type() == strategyConfig {
			key = name
		} else {
			i := field(v.Type(), name)
			v, def = v.Field(i), def.Field(i)
		}
		parent = join(parent, name)
	}
	if strings.TrimSpace(text) == "" {
		switch {
		case key != "":
			delete(d.settings, key)
		case v.Type() == strategyConfig:
			clear(d.settings)
		default:
			v.Set(def)
		}
		for p := range d.given {
			if under(p, path) {
				delete(d.given, p)
			}
		}
		return
	}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		_, message := syntax(err)
		d.fail(at, path, "the value is not YAML: %s", message)
		return
	}
	want := d.wanted(v)
	if key != "" {
		want = wanted(d.settingType(key))
	}
	if len(doc.Content) != 1 {
		d.fail(at, path, "%s is empty, want %s", path, want)
		return
	}
	d.given[path] = at
	if key != "" {
		d.setting(doc.Content[0], key, path, at)
	} else {
		d.value(doc.Content[0], v, path, at)
	}
}

// value reads n into v, the field at path.
func (d *decoder) value(n *yaml.Node, v reflect.Value, path string, at origin) {
	bad := func(format string, args ...any) {
		d.broken[path] = true
		d.fail(at, path, "%s %s", subject(path), fmt.Sprintf(format, args...))
	}
	switch {
	case n.Kind == yaml.AliasNode:
		bad("is an alias (*%s), want the value itself", printable(n.Value))
		return
	case n.Anchor != "":
		bad("has an anchor (&%s), want the value alone", printable(n.Anchor))
		return
	}
	delete(d.broken, path)
	mismatch := func() { bad("is %s, want %s", describe(n), d.wanted(v)) }
	scalar := func(tags ...string) bool {
		return n.Kind == yaml.ScalarNode && slices.Contains(tags, n.ShortTag())
	}

	if v.Type() == reflect.TypeFor[time.Duration]() {
		x, err := time.ParseDuration(n.Value)
		if !scalar("!!str") || err != nil {
			mismatch()
			return
		}
		v.SetInt(int64(x))
		return
	}
	if v.Type() == textType {
		if !d.text(n, v, path, at) {
			mismatch()
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		if n.Kind != yaml.MappingNode {
			mismatch()
			return
		}
		d.mapping(n, d.section(v), path, at)
	case reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			mismatch()
			return
		}
		// The list replaces one from the file.
		elements := func(p string) bool { return strings.HasPrefix(p, path+"[") }
		maps.DeleteFunc(d.given, func(p string, _ origin) bool { return elements(p) })
		maps.DeleteFunc(d.broken, func(p string, _ bool) bool { return elements(p) })
		s := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
		for i, e := range n.Content {
			place := at
			if place.set == "" {
				place.line = e.Line
			}
			p := fmt.Sprintf("%s[%d]", path, i)
			d.given[p] = place
			d.value(e, s.Index(i), p, place)
		}
		v.Set(s)
	case reflect.Map:
		if n.Kind != yaml.MappingNode {
			mismatch()
			return
		}
		d.entries(n, v, path, at)
	case reflect.Pointer: // to a value that need not be given
		p := reflect.New(v.Type().Elem())
		d.value(n, p.Elem(), path, at)
		if !d.broken[path] {
			v.Set(p)
		}
	case reflect.String:
		if !scalar("!!str") {
			mismatch()
			return
		}
		v.SetString(n.Value)
	case reflect.Bool:
		x, err := strconv.ParseBool(n.Value)
		if !scalar("!!bool") || err != nil {
			mismatch()
			return
		}
		v.SetBool(x)
	case reflect.Int, reflect.Int64:
		x, err := strconv.ParseInt(n.Value, 10, 64)
		if !scalar("!!int") || !decimalInt.MatchString(n.Value) || err != nil {
			mismatch()
			return
		}
		v.SetInt(x)
	case reflect.Uint64:
		x, err := strconv.ParseUint(n.Value, 10, 64)
		// Some parsers read an integer above the largest int64 as a float.
		if !scalar("!!int", "!!float") || !decimalInt.MatchString(n.Value) || err != nil {
			mismatch()
			return
		}
		v.SetUint(x)
	case reflect.Float64:
		x, err := strconv.ParseFloat(n.Value, 64)
		if n.Value == ".inf" && d.unbounded(path) {
			x, err = math.Inf(1), nil
		} else if !scalar("!!int", "!!float") || !decimalFloat.MatchString(n.Value) || err != nil || math.IsInf(x, 0) {
			mismatch()
			return
		}
		if x == 0 {
			x = 0 // -0 is written as 0
		}
		v.SetFloat(x)
	default:
		panic(fmt.Sprintf("task: field %s has type %v, which no task file can hold", path, v.Type()))
	}
}

// YAML also has 0x1f, 0o17, 017 and 1_000. A task file needs none of them, and parsers
// disagree on 017: 15 or 17.
var (
	decimalInt   = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)
	decimalFloat = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)
)

// mapping reads the fields of n into a section.
func (d *decoder) mapping(n *yaml.Node, fields section, path string, at origin) {
	first := map[string]int{} // line
	known := fields.names()
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := n.Content[i], n.Content[i+1]
		place := at
		if place.set == "" {
			place.line = key.Line
		}
		name := key.Value
		switch key.Kind {
		case yaml.MappingNode:
			name = "{...}"
		case yaml.SequenceNode:
			name = "[...]"
		}
		if !slices.Contains(known, name) || key.Kind != yaml.ScalarNode {
			d.unknown(place, path, name, fields)
			continue
		}
		p := join(path, name)
		if line, twice := first[name]; twice {
			if place.set != "" {
				d.fail(place, p, "%s is given twice", p)
			} else {
				d.fail(place, p, "%s is given again (first on line %d), want it once", p, line)
			}
			continue
		}
		first[name] = key.Line
		d.given[p] = place
		fields.read(val, name, p, place)
	}
}

// entries reads n into v, a map from texts to texts. It replaces one from the file.
func (d *decoder) entries(n *yaml.Node, v reflect.Value, path string, at origin) {
	inside := func(p string) bool { return strings.HasPrefix(p, path+".") }
	maps.DeleteFunc(d.given, func(p string, _ origin) bool { return inside(p) })
	maps.DeleteFunc(d.broken, func(p string, _ bool) bool { return inside(p) })
	m := reflect.MakeMap(v.Type())
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := n.Content[i], n.Content[i+1]
		place := at
		if place.set == "" {
			place.line = key.Line
		}
		p := join(path, printable(key.Value))
		name := reflect.ValueOf(key.Value)
		switch {
		case key.Kind != yaml.ScalarNode || key.Anchor != "":
			d.fail(place, path, "%s has a key that is %s, want a text", path, describe(key))
			continue
		case m.MapIndex(name).IsValid():
			d.fail(place, p, "%s is given twice", p)
			continue
		}
		d.given[p] = place
		to := reflect.New(v.Type().Elem()).Elem()
		d.value(val, to, p, place)
		m.SetMapIndex(name, to)
	}
	v.Set(m)
}

// unknown reports a field that a section does not have.
func (d *decoder) unknown(at origin, parent, name string, fields section) {
	all := slices.Clone(fields.names())
	hint := ""
	if near := Nearest(name, all); near != "" {
		hint = ", did you mean " + near + "?"
	}
	path := join(parent, printable(name))
	slices.Sort(all)
	d.fail(at, path, "unknown field %s%s (allowed: %s)", path, hint, strings.Join(all, ", "))
}

// names returns the names of typ's fields in a task file.
func names(typ reflect.Type) []string {
	var all []string
	for i := range typ.NumField() {
		if name, _ := tag(typ.Field(i)); name != "" {
			all = append(all, name)
		}
	}
	return all
}

// field returns the index of typ's field with the given name in a task file, or -1.
func field(typ reflect.Type, name string) int {
	for i := range typ.NumField() {
		if n, _ := tag(typ.Field(i)); n == name && n != "" {
			return i
		}
	}
	return -1
}

// tag returns a field's name in a task file, empty if it has none, and whether YAML
// omits its zero.
func tag(f reflect.StructField) (name string, omitEmpty bool) {
	name, option, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	if name == "-" {
		name = ""
	}
	return name, option == "omitempty"
}

func join(parent, name string) string {
	if parent == "" {
		return name
	}
	return parent + "." + name
}

// under reports whether path is parent or inside it.
func under(path, parent string) bool {
	rest, ok := strings.CutPrefix(path, parent)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}
