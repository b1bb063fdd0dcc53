package organiser

import (
	"slices"
	"strconv"
	"strings"

	"fedtab/api/v1"
)

// List is the page of all runs.
type List struct {
	Loaded bool
	Items  []v1.Run
	More   bool // there are older ones
	Limit  int  // of the runs that are shown
	Task   string
	State  string
	Picked []string // to compare
}

// pick marks a run to be compared, or no longer.
func (l *List) pick(run string, on bool) {
	l.Picked = slices.DeleteFunc(l.Picked, func(picked string) bool { return picked == run })
	if on {
		l.Picked = append(l.Picked, run)
	}
}

// path is the question for the runs.
func (l *List) path() string {
	path := "runs?limit=" + strconv.Itoa(max(l.Limit, firstRuns))
	if l.Task != "" {
		path += "&task=" + l.Task
	}
	if l.State != "" {
		path += "&state=" + l.State
	}
	return path
}

// firstRuns is how many runs are shown at first.
const firstRuns = 50

// OnRuns takes in the runs.
func (b *Board) OnRuns(p v1.Page[v1.Run], err error) {
	if b.OnError(err) {
		return
	}
	b.List.Items, b.List.More, b.List.Loaded = p.Items, p.Next != "", true
}

// Runs is the page of all runs.
type Runs struct {
	Board *Board
}

// tasks returns the names by which the list can be filtered.
func (c *Runs) tasks() []string {
	all := slices.Clone(c.Board.Server.Tasks)
	for _, r := range c.Board.List.Items {
		all = append(all, r.Task)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (c *Runs) picked(run string) string {
	return strconv.FormatBool(slices.Contains(c.Board.List.Picked, run))
}

// comparable reports whether there are runs to compare.
func (c *Runs) comparable() bool { return len(c.Board.List.Picked) > 1 }

func (c *Runs) compareWords() string {
	switch n := len(c.Board.List.Picked); n {
	case 0, 1:
		return "Compare: pick two or more"
	default:
		return "Compare " + plural(n, "run")
	}
}

func (c *Runs) compareLink() string {
	return "#/" + ComparePage + "/" + strings.Join(c.Board.List.Picked, ",")
}

// empty says why the list is empty.
func (c *Runs) empty() string {
	l := &c.Board.List
	switch {
	case !l.Loaded || len(l.Items) > 0:
		return ""
	case l.Task != "" || l.State != "":
		return "No run is like that."
	}
	return "There is no run yet: start one by New run."
}

// stateWord is the state of a run in a word.
func stateWord(r *v1.Run) string {
	switch {
	case r.State == "going" && !r.Served:
		return "not served"
	case r.State == "over" && strings.Contains(r.Finished, "stopped by"):
		return "stopped"
	case r.State == "over":
		return "finished"
	}
	return r.State
}

// stateWhy says why a run is in its state.
func stateWhy(r *v1.Run) string {
	switch {
	case r.Finished != "":
		return r.Finished
	case r.Paused != "":
		return r.Paused
	case !r.Served:
		return "It goes on once its task is served."
	}
	return ""
}

// pill is the class of a state's mark.
func pill(r *v1.Run) string { return "pill " + strings.ReplaceAll(stateWord(r), " ", "-") }

func link(run string) string { return "#/" + RunPage + "/" + run }

// rounds writes how many rounds a run has had, of how many.
func rounds(c *Board, version uint64, of int) string {
	if of > 0 {
		return c.Lang.Count(int(version)) + " of " + c.Lang.Count(of)
	}
	return c.Lang.Count(int(version))
}

// moved writes the bytes that went both ways.
func (c *Runs) moved(r *v1.Run) string { return c.Board.Lang.Size(r.BytesUp + r.BytesDown) }
