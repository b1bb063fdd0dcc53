package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"fedtab/coordinator/task"
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
