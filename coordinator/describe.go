package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"fedtab/coordinator/task"
	"fedtab/coordinator/told"
)

// page returns the address of the page, as participants use it, without a slash at its
// end.
func (s *Server) page() string {
	return cmp.Or(strings.TrimRight(s.cfg.Public, "/"), s.listeners.URL())
}

// joinWords says who may join a task.
func joinWords(t *task.Task) string {
	if t.Privacy.Members != "" {
		return fmt.Sprintf("%s, and only members sign: those on the list %s, by coordinator client --members FILE --identity FILE", t.Join, t.Privacy.Members)
	}
	if t.Join == task.Invited {
		return fmt.Sprintf("%s (coordinator invite --task %s makes an invite)", t.Join, t.Name)
	}
	return t.Join + " (any participant may join, without an invite)"
}

// describe writes what is served, where its page is, and what participants need, a few
// lines for each task.
func (s *Server) describe(w io.Writer) {
	for _, st := range s.studies() {
		t, state := st.Task, st.live.Run.State()
		stands := "new"
		switch {
		case state.Finished != "":
			stands = "finished: " + state.Finished
		case state.Paused != "":
			stands = fmt.Sprintf("paused at version %d: %s", state.Version, state.Paused)
		case st.resumed:
			stands = fmt.Sprintf("resumed at version %d", state.Version)
		case st.origin != "":
			stands = "new, from " + st.origin
		}
		parameters := st.Model.Layout().Size
		fmt.Fprintf(w, "task %s: %s\n", t.Name, t.Title)
		fmt.Fprintf(w, "  run: %s (%s)\n", st.Run(), stands)
		fmt.Fprintf(w, "  page: %s/t/%s\n", s.page(), t.Name)
		fmt.Fprintf(w, "  join: %s\n", joinWords(t))
		fmt.Fprintf(w, "  training: %s, %d parameters\n", t.Strategy.Kind, parameters)
		bring, from := "a browser and no data of its own", fmt.Sprintf("handed out in %d shards", len(st.Data.Shards))
		if own := st.Data.Own; own != nil {
			with := "a browser, or coordinator client,"
			if t.Privacy.Members != "" {
				with = "coordinator client"
			}
			bring = fmt.Sprintf("%s and %d to %d examples of its own", with, own.Min, own.Max)
			from = "brought by the participants, with whom it stays"
		}
		fmt.Fprintf(w, "  participants: at least %d at a time, each with %s\n", t.Fewest(parameters), bring)
		fmt.Fprintf(w, "  data: %s; %s\n", st.Data.Summary, from)
		earlier, err := told.Before(s.store, t.Name, st.Run())
		if a := told.Account(t.YAML(), state.Spent, earlier); err == nil && a != nil {
			fmt.Fprintf(w, "  privacy: each participant so far: %s\n", told.Words(a))
		}
		if t.Data.From.CSV != "" {
			fmt.Fprintf(w, "  note: data.from is for simulations, and is not read\n")
		}
		for _, note := range st.Data.Notes {
			fmt.Fprintf(w, "  note: %s\n", note)
		}
	}
}
