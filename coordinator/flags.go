package main

import (
	"errors"
	"fmt"
	"strings"

	"fedtab/coordinator/dataset"
	"fedtab/coordinator/task"
	"fedtab/learn/data"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// usageError is an error in the arguments, with exit code 2.
type usageError string

func (e usageError) Error() string { return string(e) }

// list is a flag that may be given several times.
type list []string

func (l *list) String() string     { return strings.Join(*l, ", ") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }
func (l *list) Type() string       { return "value" }

// examples is the Example of a command.
func examples(lines ...string) string { return "  " + strings.Join(lines, "\n  ") }

// jsonFlag adds the flag of commands that list something.
func jsonFlag(fs *pflag.FlagSet) *bool {
	return fs.Bool("json", false, "print JSON, for programs")
}

// flagTask returns the task that a flag names. The error names the flag, unless it has
// the lines of a task file.
func flagTask(flag, name string, sets []string) (*task.Task, error) {
	if name == "" {
		return nil, fmt.Errorf(`%s: "", want a task that ships (coordinator tasks lists them) or a task file`, flag)
	}
	t, err := task.Find(name, sets)
	if invalid := (*task.Error)(nil); err != nil && !errors.As(err, &invalid) {
		return nil, fmt.Errorf("%s %s: %w", flag, name, err)
	}
	return t, err
}

// dialect are the flags that say how a table is written.
type dialect struct{ separator, decimal, header string }

// dialectFlags adds the flags. of names the flag of the table.
func dialectFlags(fs *pflag.FlagSet, of string) *dialect {
	d := new(dialect)
	fs.StringVar(&d.separator, "separator", "detect", "between the fields of "+of+": detect, comma, semicolon, tab or a single character")
	fs.StringVar(&d.decimal, "decimal", "detect", "decimal sign of "+of+": detect, point or comma")
	fs.StringVar(&d.header, "header", "detect", "whether the first line of "+of+" holds the names of the columns: detect, present or absent")
	return d
}

// read returns what the flags of a command say. The error is a usageError.
func (d *dialect) read(command string) (data.CSV, error) {
	cfg := dataset.Dialect(d.separator, d.decimal, d.header)
	wrong := func(flag, value, want string) error {
		return usageError(fmt.Sprintf("%s: --%s is %q, want %s", command, flag, value, want))
	}
	switch {
	case d.separator != "detect" && cfg.Separator == 0:
		return cfg, wrong("separator", d.separator, "detect, comma, semicolon, tab or a single character")
	case d.decimal != "detect" && cfg.Decimal == 0:
		return cfg, wrong("decimal", d.decimal, "detect, point or comma")
	case d.header != "detect" && cfg.Header == data.DetectHeader:
		return cfg, wrong("header", d.header, "detect, present or absent")
	}
	return cfg, nil
}

// flagError says what is wrong with a flag, and what would be right.
func flagError(c *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var invalid *pflag.InvalidValueError
	var lacking *pflag.ValueRequiredError
	switch {
	case errors.As(err, &unknown):
		var names []string
		c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		hint := ""
		if near := task.Nearest(unknown.GetSpecifiedName(), names); near != "" {
			hint = ", did you mean --" + near + "?"
		}
		return usageError(fmt.Sprintf("%s: unknown flag --%s%s (see %s --help)", c.Name(), unknown.GetSpecifiedName(), hint, c.CommandPath()))
	case errors.As(err, &lacking):
		return usageError(fmt.Sprintf("%s: --%s has no value, want one after it (see %s --help)", c.Name(), lacking.GetFlag().Name, c.CommandPath()))
	case errors.As(err, &invalid):
		return usageError(c.Name() + ": --" + wrongValue(invalid.GetFlag(), invalid.GetValue(), invalid.Unwrap()))
	}
	return usageError(fmt.Sprintf("%s: %v (see %s --help)", c.Name(), err, c.CommandPath()))
}

// wrongValue says what a flag's value should be.
func wrongValue(f *pflag.Flag, value string, err error) string {
	want := map[string]string{
		"int": "a whole number", "uint64": "a whole number from 0", "float64": "a number", "bool": "true or false", "duration": "a duration with its unit, such as 90s or 2h",
	}[f.Value.Type()]
	if want == "" {
		return fmt.Sprintf("%s: %v", f.Name, err)
	}
	return fmt.Sprintf("%s is %q, want %s", f.Name, value, want)
}
