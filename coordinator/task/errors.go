package task

import (
	"errors"
	"fmt"
	"strings"
)

// ErrUnknown is what Find's error wraps when no task of that name ships.
var ErrUnknown = errors.New("no such task")

// An Error holds everything that is wrong with a task.
type Error struct {
	Problems []Problem // at least one: the file's by line, then those of --set
}

// maxShown bounds what Error prints of a file that is not a task at all.
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

// A Problem is one thing wrong with a task.
type Problem struct {
	File string // as it was named
	Line int    // from 1; 0 is the whole file
	Set  string // the --set argument that is wrong, if it is not the file
	Path string // "strategy.fraction"; empty if it is not about one field
	Text string // what is wrong and what would be right, with path and value
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
