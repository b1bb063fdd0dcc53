package task

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"fedtab/tasks"
)

// Find returns the task that ships under nameOrFile, or reads the file at
// that path: what contains a separator or ends in .yaml or .yml is a path.
// sets are as for Parse.
//
// The error is an *Error when the task is wrong, and wraps ErrUnknown when
// there is none of that name.
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
	if near := nearest(nameOrFile, shipped); near != "" {
		hint = ", did you mean " + near + "?"
	}
	return nil, fmt.Errorf("%w: %s%s (shipped: %s; a file of yours: ./NAME.yaml)",
		ErrUnknown, quoted(nameOrFile), hint, strings.Join(shipped, ", "))
}

// Shipped returns the names of the tasks that ship, sorted.
func Shipped() []string {
	files, err := fs.Glob(tasks.Files, "*.yaml")
	if err != nil {
		panic(err) // the pattern is well formed
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(f, ".yaml")
	}
	slices.Sort(files) // a before a-b, which the file names are not
	return files
}
