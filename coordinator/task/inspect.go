package task

import (
	"errors"
	"reflect"
	"slices"

	"fedtab/strategy"

	"go.yaml.in/yaml/v3"
)

// Inspect is Parse for a form: it returns the task as far as it could be read, which must
// not be run while there are problems.
func Inspect(name string, text []byte, sets ...string) (*Task, []Problem) {
	t, d := read(strategy.Schemes(), name, text, sets)
	t.fill(d.schemes)
	t.where = d.places
	return t, d.sorted()
}

// Problems returns the problems of an error of this package, nil of another one.
func Problems(err error) []Problem {
	var e *Error
	if errors.As(err, &e) {
		return e.Problems
	}
	return nil
}

// Line returns the line that gave the field at path, or the section around it, in the file
// that t was read from; 0 if that is not the file.
func (t *Task) Line(path string) int {
	d := &decoder{places: t.where}
	return d.place(path).line
}

// sorted returns all problems in the order of their places.
func (d *decoder) sorted() []Problem {
	slices.SortStableFunc(d.problems, byPlace)
	return d.problems
}

// Values returns every field of t as YAML on one line, by its path: {"strategy.lr": "0.1",
// "model.hidden": "[200, 200]", ...}.
func (t *Task) Values() map[string]string {
	values := map[string]string{}
	if top, ok := mapping(t.YAML()); ok {
		scalars(values, "", top)
	}
	return values
}

// Given returns the fields of the text of a task file as Values does, whether a task may
// have them or not. A text in several languages is one field.
func Given(text []byte) map[string]string {
	values := map[string]string{}
	if top, ok := mapping(text); ok {
		given(values, "", top, reflect.TypeFor[Task]())
	}
	return values
}

// scalars adds the fields below a path that Task.YAML has written: sections are blocks.
func scalars(values map[string]string, path string, n *yaml.Node) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		p, v := join(path, n.Content[i].Value), n.Content[i+1]
		switch {
		case v.Kind == yaml.MappingNode && v.Style&yaml.FlowStyle == 0:
			scalars(values, p, v)
		case v.Kind != yaml.MappingNode || len(v.Content) > 0:
			values[p] = flowText(v)
		}
	}
}

// given adds the fields below a path that hold no section. in is the section's type, nil if
// that is unknown or of the strategy.
func given(values map[string]string, path string, n *yaml.Node, in reflect.Type) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, v := n.Content[i].Value, n.Content[i+1]
		var typ reflect.Type
		if in != nil && in.Kind() == reflect.Struct {
			if at := field(in, name); at >= 0 {
				typ = in.Field(at).Type
			}
		}
		if v.Kind == yaml.MappingNode && typ != textType {
			given(values, join(path, name), v, typ)
		} else {
			values[join(path, name)] = flowText(v)
		}
	}
}

// Files returns the paths of the files of examples that a coordinator reads to serve the
// task, by the settings that name them.
func (t *Task) Files() map[string]string {
	files := map[string]string{}
	for key, path := range map[string]string{
		"data.dir": t.Data.Dir, "data.csv.path": t.Data.CSV.Path, "data.npz.path": t.Data.NPZ.Path, "data.partition.path": t.Data.Partition.Path, "evaluate.test.csv": t.Evaluate.Test.CSV,
		"data.idx.train_images": t.Data.IDX.TrainImages, "data.idx.train_labels": t.Data.IDX.TrainLabels,
		"data.idx.test_images": t.Data.IDX.TestImages, "data.idx.test_labels": t.Data.IDX.TestLabels,
	} {
		if path != "" {
			files[key] = path
		}
	}
	return files
}

// Known returns the number of training examples of the task's data, 0 if it is unknown or
// depends on the participants, and their shape and number of classes (0 for numbers), nil
// if a file says it.
func (t *Task) Known() (examples int, shape []int, classes int) {
	if t.Data.Source == own {
		s := t.Data.Schema()
		return 0, s.Shape(), len(s.Classes())
	}
	s := t.Data.facts()
	return s.examples, s.shape, s.classes
}

// Brought reports whether the participants bring the data.
func (t *Task) Brought() bool { return t.Data.Source == own }
