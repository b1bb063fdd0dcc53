package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"fedtab/coordinator/dataset"
	"fedtab/coordinator/task"
	"fedtab/learn/data"
)

// usageError is an error in the arguments, with exit code 2.
type usageError string

func (e usageError) Error() string { return string(e) }

// errHelp is returned after --help has been answered.
var errHelp = errors.New("help")

// list is a flag that may be given several times.
type list []string

func (l *list) String() string     { return strings.Join(*l, ", ") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

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
func dialectFlags(fs *flag.FlagSet, of string) *dialect {
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

// parse parses the flags of a command that takes no other arguments.
func parse(fs *flag.FlagSet, args []string, stdout io.Writer) error {
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintf(stdout, "coordinator %s:\n", fs.Name())
		fs.SetOutput(stdout)
		fs.PrintDefaults()
		return errHelp
	case err != nil:
		return usageError(fmt.Sprintf("%s: %v (see coordinator %s --help)", fs.Name(), err, fs.Name()))
	}
	if fs.NArg() > 0 {
		return usageError(fmt.Sprintf("%s: argument: %q, want flags only (see coordinator %s --help)", fs.Name(), fs.Arg(0), fs.Name()))
	}
	return nil
}
