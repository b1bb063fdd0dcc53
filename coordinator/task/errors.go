package task

import (
	"errors"
	"fmt"
	"strings"
)

// ErrUnknown is wrapped by the error of Find if no shipped task has the name.
var ErrUnknown = errors.New("no such task")

// An Error holds all problems of a task.
type Error struct {
	Problems []Problem // at least one: those of the file by line, then those of --set
}

// maxShown is the max number of problems that Error prints.
const maxShown = 50

// Error returns the problems, one per line.
func (e *Error) Error() string {
	var b strings.Builder
	for i, p := range e.Problems {
		if i == maxShown {
			fmt.Fprintf(&b, "\nand %d more problems", len(e.Problems)-i)
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(p.String())
	}
	return b.String()
}

// A Problem is one problem of a task.
type Problem struct {
	File string // as given to Parse or Load
	Line int    // from 1; 0: the whole file
	Set  string // the wrong --set argument; empty if the problem is in the file
	Path string // such as "strategy.fraction"; empty if the problem is not of one field
	Text string // path, value, and what is wanted
}

// String returns "FILE:LINE: TEXT" or "--set PATH=VALUE: TEXT".
func (p Problem) String() string {
	switch {
	case p.Set != "":
		return "--set " + printable(p.Set) + ": " + p.Text
	case p.Line > 0:
		return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
	}
	return p.File + ": " + p.Text
}
