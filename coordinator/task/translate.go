package task

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Languages are those that a Text may have, the main one first.
var Languages = []string{"en", "de"}

// Text is a text of a file, by language. One that was given as a plain string is below
// "", and stands for every language.
type Text map[string]string

// Plain returns a text that stands for every language.
func Plain(text string) Text { return Text{"": text} }

// String returns the text in English, or in the only language that it has.
func (t Text) String() string {
	for _, language := range append([]string{""}, Languages...) {
		if text := t[language]; text != "" {
			return text
		}
	}
	return ""
}

// In returns the text in a language, or what String returns if it has none in that.
func (t Text) In(language string) string {
	if text := t[language]; text != "" {
		return text
	}
	return t.String()
}

// Other returns the languages of t beside that of String, in the order of Languages.
func (t Text) Other() (all []string) {
	for _, language := range Languages {
		if t.In(language) != t.String() {
			all = append(all, language)
		}
	}
	return all
}

// yaml returns t as YAML in one line.
func (t Text) yaml() string {
	if text, ok := t[""]; ok {
		return strconv.QuoteToGraphic(text)
	}
	var all []string
	for _, language := range Languages {
		if text, ok := t[language]; ok {
			all = append(all, language+": "+strconv.QuoteToGraphic(text))
		}
	}
	return "{" + strings.Join(all, ", ") + "}"
}

var textType = reflect.TypeFor[Text]()

// translations are the section of a Text that was given by language.
type translations struct {
	d  *decoder
	to Text
}

func (s translations) names() []string { return Languages }

func (s translations) read(n *yaml.Node, name, path string, at origin) {
	v := reflect.New(reflect.TypeFor[string]()).Elem()
	if s.d.value(n, v, path, at); !s.d.broken[path] {
		s.to[name] = v.String()
	}
}

// text reads a Text. It returns false if n is neither a string nor a mapping.
func (d *decoder) text(n *yaml.Node, v reflect.Value, path string, at origin) bool {
	t := Text{}
	switch {
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str":
		t[""] = n.Value
	case n.Kind == yaml.MappingNode:
		for _, language := range Languages { // those of the file, which --set replaces
			delete(d.given, join(path, language))
			delete(d.broken, join(path, language))
		}
		d.mapping(n, translations{d, t}, path, at)
	default:
		return false
	}
	v.Set(reflect.ValueOf(t))
	return true
}

// translated checks each language of a text that was given.
func (d *decoder) translated(t Text, path string, ok func(text string) bool, want string) {
	if !d.has(path) || d.brokenAt(path) {
		return
	}
	if len(t) == 0 && !d.brokenIn(path) {
		d.want(false, path, "without a language", "a text, or one in each of "+strings.Join(Languages, ", "))
	}
	for _, language := range slices.Concat([]string{""}, Languages) {
		if text, given := t[language]; given {
			at := path
			if language != "" {
				at = join(path, language)
			}
			d.want(ok(text), at, quoted(text), want)
		}
	}
}
