package task

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// withoutEffect are the settings that training does not depend on: texts, who may join, what is handed out,
// settings of simulations, stop conditions, evaluations, and how own data is written.
var withoutEffect = []string{
	"title", "description", "join", "download", "devices", "adversaries", "stop", "eval_every", "evaluate", "data.drift",
	"data.from", "data.examples", "data.images.drawn",
	"data.table.features.columns", "data.table.features.aliases", "data.table.label.columns", "data.table.label.aliases", // how a value is written
}

// paths are the settings that name files. Training depends on the content of the files
// alone.
var paths = []string{"data.dir", "data.csv.path", "data.npz.path", "data.partition.path", "data.idx.train_images", "data.idx.train_labels", "data.idx.test_images", "data.idx.test_labels"}

// Changes compares t with the recorded task of an earlier run, in the form of YAML.
// Settings that an older build did not have get their defaults. It returns the
// differences in settings that training depends on, one line each ("strategy.lr is
// 0.1, was 0.05"), or an error if this build refuses the recorded task. Where the
// content of the data is not known to be the same, paths of files count too.
func (t *Task) Changes(earlier []byte, sameContent bool) ([]string, error) {
	was, err := Parse("the recorded task", earlier)
	if err != nil {
		return nil, err
	}
	var changes []string
	a, b := was.tree(), t.tree()
	if sameContent {
		remove(a, paths)
		remove(b, paths)
	}
	compare(&changes, "", a, b)
	if was.Join != t.Join && (was.Persons() || t.Persons()) { // an invite is another person than a key
		changes = append(changes, fmt.Sprintf("join is %s, was %s, by which persons are told", t.Join, was.Join))
	}
	return changes, nil
}

// Redraws reports whether a line of Changes is of a setting on which the examples of
// the clients depend, so that their content changes with it.
func Redraws(change string) bool {
	return strings.HasPrefix(change, "seed ") || strings.HasPrefix(change, "seeds.data ") || strings.HasPrefix(change, "data.")
}

// SameStop reports whether t and the recorded task of an earlier run have the same
// stop conditions.
func (t *Task) SameStop(earlier []byte) bool {
	was, err := Parse("the recorded task", earlier)
	return err == nil && was.Stop.same(t.Stop)
}

// tree returns the settings that training depends on.
func (t *Task) tree() map[string]any {
	tree := t.fields()
	remove(tree, withoutEffect)
	return tree
}

// fields returns all settings.
func (t *Task) fields() map[string]any {
	var tree map[string]any
	if err := yaml.Unmarshal(t.YAML(), &tree); err != nil {
		panic(err) // a bug: YAML wrote it
	}
	return tree
}

// Settings returns every setting on which a simulation depends, defaults included, as a
// text by its path: {"strategy.lr": "0.1", ...}.
func (t *Task) Settings() map[string]string {
	tree := t.fields()
	remove(tree, []string{"title", "description", "join", "download"})
	settings := map[string]string{}
	flatten(settings, "", tree)
	return settings
}

// flatten adds the settings of a tree below path.
func flatten(settings map[string]string, path string, v any) {
	list := sections(v)
	for i, x := range list {
		flatten(settings, fmt.Sprintf("%s[%d]", path, i), x)
	}
	section, isMap := v.(map[string]any)
	for k, x := range section {
		flatten(settings, strings.TrimPrefix(path+"."+k, "."), x)
	}
	if !isMap && len(list) == 0 && v != nil {
		settings[path] = fmt.Sprint(v)
	}
}

// Differences compares Settings with earlier ones: a line each, as those of Changes.
func Differences(was, is map[string]string) []string {
	paths := maps.Clone(was)
	maps.Copy(paths, is)
	text := func(settings map[string]string, path string) string {
		if v, ok := settings[path]; ok {
			return printable(v)
		}
		return shown(nil)
	}
	var lines []string
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		if x, y := text(was, path), text(is, path); was[path] != is[path] || x != y {
			lines = append(lines, fmt.Sprintf("%s is %s, was %s", path, y, x))
		}
	}
	return lines
}

// remove deletes settings from a tree; those of a list from each of its elements.
func remove(tree map[string]any, settings []string) {
	for _, path := range settings {
		removeAt(tree, strings.Split(path, "."))
	}
}

func removeAt(at any, path []string) {
	switch at := at.(type) {
	case []any:
		for _, element := range at {
			removeAt(element, path)
		}
	case map[string]any:
		if len(path) == 1 {
			delete(at, path[0])
			return
		}
		removeAt(at[path[0]], path[1:])
	}
}

// compare appends the differences of two trees below path.
func compare(changes *[]string, path string, was, is any) {
	if x, y := sections(was), sections(is); len(x) == len(y) && len(x) > 0 {
		for i := range x {
			compare(changes, fmt.Sprintf("%s[%d]", path, i), x[i], y[i])
		}
		return
	}
	a, isMap := was.(map[string]any)
	b, alsoMap := is.(map[string]any)
	if !isMap && !alsoMap {
		if x, y := shown(was), shown(is); x != y {
			*changes = append(*changes, fmt.Sprintf("%s is %s, was %s", path, y, x))
		}
		return
	}
	var keys []string
	for k := range a {
		keys = append(keys, k)
	}
	for k := range b {
		if _, ok := a[k]; !ok {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		compare(changes, strings.TrimPrefix(path+"."+k, "."), a[k], b[k])
	}
}

// sections returns v if it is a list of mappings.
func sections(v any) []any {
	list, _ := v.([]any)
	for _, x := range list {
		if _, ok := x.(map[string]any); !ok {
			return nil
		}
	}
	return list
}

// shown returns a setting as a line.
func shown(v any) string {
	if v == nil {
		return "not set"
	}
	if list, ok := v.([]any); ok {
		texts := make([]string, len(list))
		for i, x := range list {
			texts[i] = fmt.Sprint(x)
		}
		return printable("[" + strings.Join(texts, ", ") + "]")
	}
	return printable(fmt.Sprint(v))
}
