package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"fedtab/coordinator/task"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// configFlag is the flag of the file of settings.
const configFlag = "config"

// A flag's value comes from the command line, or else from FEDTAB_COMMAND_FLAG in the
// environment, or else from the file of settings.

// settle gives the flags of a command that were not given the values that the environment
// and the file of settings have for them.
func settle(c *cobra.Command) error {
	named := map[string]string{} // by variable
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" && f.Name != configFlag {
			named[variable(c.Name(), f.Name)] = f.Name
		}
	})
	given := map[string]bool{}
	c.Flags().Visit(func(f *pflag.Flag) { given[f.Name] = true })
	prefix := variable(c.Name(), "")
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		flag, ok := named[name]
		if !ok {
			hint := ""
			if near := nearestOf(strings.TrimPrefix(name, prefix), named, prefix); near != "" {
				hint = ", did you mean " + near + "?"
			}
			return usageError(fmt.Sprintf("environment: %s is no setting of coordinator %s%s", name, c.Name(), hint))
		}
		if given[flag] {
			continue
		}
		given[flag] = true
		if err := assign(c, flag, strings.Split(value, "\n")); err != nil {
			return usageError(fmt.Sprintf("environment: %s: %v", name, err))
		}
	}
	path, _ := c.Flags().GetString(configFlag)
	if path == "" {
		path = os.Getenv("FEDTAB_CONFIG")
	}
	if path == "" {
		return nil
	}
	return settleFrom(c, path, given)
}

// variable is the environment variable of a command's flag.
func variable(command, flag string) string {
	return strings.ToUpper("FEDTAB_" + command + "_" + strings.ReplaceAll(flag, "-", "_"))
}

// nearestOf returns the variable that the rest of a name behind a prefix is most likely a
// misspelling of.
func nearestOf(rest string, named map[string]string, prefix string) string {
	var ends []string
	for name := range named {
		ends = append(ends, strings.ToLower(strings.TrimPrefix(name, prefix)))
	}
	slices.Sort(ends)
	if near := task.Nearest(rest, ends); near != "" {
		return prefix + strings.ToUpper(near)
	}
	return ""
}

// assign gives a flag values: several if it may be repeated.
func assign(c *cobra.Command, flag string, values []string) error {
	f := c.Flags().Lookup(flag)
	if _, repeated := f.Value.(*list); !repeated && len(values) != 1 {
		return fmt.Errorf("has %d values, want one", len(values))
	}
	for _, v := range values {
		if err := c.Flags().Set(flag, v); err != nil {
			var invalid *pflag.InvalidValueError
			if errors.As(err, &invalid) {
				return errors.New(wrongValue(f, v, invalid.Unwrap()))
			}
			return errors.New(wrongValue(f, v, err))
		}
	}
	return nil
}

// settleFrom gives flags the values that a file of settings has for a command. The whole
// file is checked, so that a misspelled section is found whichever command reads it.
func settleFrom(c *cobra.Command, path string, given map[string]bool) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return usageError(fmt.Sprintf("--config: %v", err))
	}
	wrong := func(at *yaml.Node, format string, args ...any) error {
		return usageError(fmt.Sprintf("%s:%d: %s", path, at.Line, fmt.Sprintf(format, args...)))
	}
	var file yaml.Node
	if err := yaml.Unmarshal(text, &file); err != nil {
		return usageError(fmt.Sprintf("--config %s: %v", path, err))
	}
	if len(file.Content) == 0 {
		return nil // empty
	}
	root := file.Content[0]
	if root.Kind != yaml.MappingNode {
		return wrong(root, "want a section for each command, such as serve: {addr: 0.0.0.0:8080}")
	}
	siblings := map[string]*cobra.Command{}
	var commands []string
	for _, s := range c.Parent().Commands() {
		siblings[s.Name()] = s
		commands = append(commands, s.Name())
	}
	for i := 0; i < len(root.Content); i += 2 {
		key, section := root.Content[i], root.Content[i+1]
		of := siblings[key.Value]
		switch {
		case of == nil:
			return wrong(key, "%q is no command%s", key.Value, meant(key.Value, commands))
		case section.Kind != yaml.MappingNode:
			return wrong(section, "%s: want its flags, such as %s: {%s: ...}", key.Value, key.Value, "task")
		}
		var flags []string
		of.Flags().VisitAll(func(f *pflag.Flag) { flags = append(flags, f.Name) })
		for j := 0; j < len(section.Content); j += 2 {
			name, value := section.Content[j], section.Content[j+1]
			if name.Value == configFlag || name.Value == "help" || of.Flags().Lookup(name.Value) == nil {
				return wrong(name, "%s has no flag %q%s", key.Value, name.Value, meant(name.Value, flags))
			}
			var values []string
			switch value.Kind {
			case yaml.ScalarNode:
				values = []string{value.Value}
			case yaml.SequenceNode:
				for _, v := range value.Content {
					if v.Kind != yaml.ScalarNode {
						return wrong(v, "%s.%s: want single values in the list", key.Value, name.Value)
					}
					values = append(values, v.Value)
				}
			default:
				return wrong(value, "%s.%s: want a value or a list of values", key.Value, name.Value)
			}
			if of != c || given[name.Value] {
				continue
			}
			if err := assign(c, name.Value, values); err != nil {
				return wrong(value, "%s.%s: %v", key.Value, name.Value, err)
			}
		}
	}
	return nil
}

// meant proposes the nearest of some names.
func meant(name string, names []string) string {
	if near := task.Nearest(name, names); near != "" {
		return ", did you mean " + near + "?"
	}
	return ""
}

// printJSON is how --json writes.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
