package task

import (
	"math"
	"reflect"
	"strings"

	"fedtab/strategy"

	"go.yaml.in/yaml/v3"
)

// A section is a mapping of a task file.
type section interface {
	names() []string // of its fields
	read(n *yaml.Node, name, path string, at origin)
}

// section returns the section that fills the struct v.
func (d *decoder) section(v reflect.Value) section {
	if v.Type() == strategyConfig {
		return settingsOf{d}
	}
	return fieldsOf{d, v}
}

// fieldsOf is a section whose fields are those of a struct.
type fieldsOf struct {
	d *decoder
	v reflect.Value
}

func (s fieldsOf) names() []string { return names(s.v.Type()) }

func (s fieldsOf) read(n *yaml.Node, name, path string, at origin) {
	s.d.value(n, s.v.Field(field(s.v.Type(), name)), path, at)
}

// settingsOf is the strategy section: its fields are the settings of all schemes. The
// task's scheme, and so the settings that it has, is known after decoding.
type settingsOf struct{ d *decoder }

var strategyConfig = reflect.TypeFor[strategy.Config]()

func (s settingsOf) names() []string {
	keys := []string{"kind"}
	for _, t := range s.d.schemes.Settings() {
		keys = append(keys, t.Key)
	}
	return keys
}

func (s settingsOf) read(n *yaml.Node, name, path string, at origin) { s.d.setting(n, name, path, at) }

// setting reads a setting of the strategy.
func (d *decoder) setting(n *yaml.Node, key, path string, at origin) {
	v := reflect.New(d.settingType(key)).Elem()
	if d.value(n, v, path, at); !d.broken[path] {
		d.settings[key] = v.Interface()
	}
}

// settingType returns the Go type of a setting that some scheme has.
func (d *decoder) settingType(key string) reflect.Type {
	for _, s := range d.schemes.Settings() {
		if s.Key == key {
			return s.Type.Go()
		}
	}
	return reflect.TypeFor[string]() // kind
}

// unbounded reports whether the field at path may be .inf.
func (d *decoder) unbounded(path string) bool {
	for _, s := range d.schemes.Settings() {
		if path == "strategy."+s.Key {
			return math.IsInf(s.Max, 1)
		}
	}
	return false
}

// wanted returns what the field v takes, for messages.
func (d *decoder) wanted(v reflect.Value) string {
	if v.Kind() == reflect.Struct {
		return "the fields " + strings.Join(d.section(v).names(), ", ")
	}
	return wanted(v.Type())
}

// strategy fills the strategy of t with the settings that were given, and reports
// those that its scheme does not have.
func (d *decoder) strategy(t *Task) {
	c := strategy.Config{}
	c.Kind, _ = d.settings["kind"].(string)
	scheme, known := d.schemes.Find(c.Kind)
	c.Own = scheme.Own
	for _, s := range d.schemes.Settings() {
		v, given := d.settings[s.Key]
		if given && !c.Set(s.Key, v) && known && !reflect.ValueOf(v).IsZero() {
			p := d.schemes.Misplaced(c.Kind, s.Key, v)
			d.want(false, "strategy."+p.Field, p.Value, p.Want)
		}
	}
	t.Strategy = c
}
