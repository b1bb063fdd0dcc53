package task

import (
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"

	"fedtab/tasks"
)

// Find returns the shipped task called nameOrFile, or reads the file at that path: a
// path contains a separator or ends in .yaml or .yml. sets are as for Parse.
//
// The error is an *Error if the task is invalid, and wraps ErrUnknown if no shipped
// task has the name.
func Find(nameOrFile string, sets []string) (*Task, error) {
	if strings.ContainsAny(nameOrFile, `/`+string(os.PathSeparator)) ||
		strings.HasSuffix(nameOrFile, ".yaml") || strings.HasSuffix(nameOrFile, ".yml") {
		return load(nameOrFile, sets)
	}
	shipped := Shipped()
	for _, name := range shipped {
		if name == nameOrFile {
			text, err := tasks.Files.ReadFile(name + ".yaml")
			if err != nil {
				return nil, fmt.Errorf("shipped task: %w", err)
			}
			return Parse("tasks/"+name+".yaml", text, sets...)
		}
	}
	hint := ""
	if near := Nearest(nameOrFile, shipped); near != "" {
		hint = ", did you mean " + near + "?"
	}
	return nil, fmt.Errorf("%w: %s%s (shipped: %s; or a file: ./NAME.yaml)",
		ErrUnknown, quoted(nameOrFile), hint, strings.Join(shipped, ", "))
}

// Shipped returns the sorted names of the shipped tasks.
func Shipped() []string {
	files, err := fs.Glob(tasks.Files, "*.yaml")
	if err != nil {
		panic(err) // the pattern is valid
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(f, ".yaml")
	}
	slices.Sort(files) // a before a-b; file names sort the other way
	return files
}

// Samples returns the names of the files that ship for participants to try the task with:
// of a shipped task with own data, unless its schema was changed. They are in
// tasks.Files, below samples/NAME.
func (t *Task) Samples() []string {
	shipped, err := Find(t.Name, nil)
	if err != nil || t.Data.Source != own || !reflect.DeepEqual(shipped.Data.Schema(), t.Data.Schema()) {
		return nil
	}
	entries, err := tasks.Files.ReadDir("samples/" + t.Name)
	if err != nil {
		return nil // it has none
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
