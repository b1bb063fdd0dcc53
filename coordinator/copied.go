package main

import (
	"log/slog"
	"net/http"
	"slices"

	"fedtab/coordinator/admin"
	"fedtab/coordinator/store"
	"fedtab/coordinator/task"
	"fedtab/run"
)

// copied refuses to go on with a private run in a copy of its database: the original may have released
// versions that the account here does not know of.
func copied(t *task.Task, r store.Run) error {
	if !r.Copied || !t.Privacy.Differential() {
		return nil
	}
	return admin.Refuse(http.StatusConflict, "task %s: run %s has noise, and this database is a copy: it was copied, restored from a backup, or moved to another disk, and what the original has released since is not in its account. Want a new run (serve --fresh); or serve --moved once, if the original is not served any more and no version was released after the copy was made", t.Name, r.ID)
}

// goOn is copied for a run that is to be served. Where the organiser vouches that the original is not, it
// goes on, also with the next start.
func (s *Server) goOn(t *task.Task, r store.Run, log *slog.Logger) error {
	refused := copied(t, r)
	switch {
	case refused != nil && s.cfg.Moved:
		log.Warn("--moved: the run goes on in a copy of its database; leave --moved out from now on", "run", r.ID)
		s.vouched = true
		return s.store.Vouch(r.ID)
	case r.Finished != "":
		return nil // it is shown, and does not go on
	}
	return refused
}

// cuts returns the releases of a run after which a tree of noise was begun out of turn. Where the
// seeds of the last one are not there, as in a copy and after the end of a run, one begins now: nothing of
// its noise can be taken back.
func (s *Server) cuts(t *task.Task, id string, saved *run.Saved) ([]int, error) {
	if !t.Privacy.Tree() || saved == nil || saved.Last == nil {
		return nil, nil
	}
	cuts, err := s.store.Cuts(id)
	if err != nil {
		return nil, err
	}
	spent, err := s.store.Spent(id)
	if err != nil || spent == nil || len(saved.Last.Seeds) > 0 || slices.Contains(cuts, int(spent.Releases)) {
		return cuts, err
	}
	cuts = append(cuts, int(spent.Releases))
	if saved.Finished != "" {
		return cuts, nil // it does not go on
	}
	return cuts, s.store.SetCuts(id, cuts)
}
