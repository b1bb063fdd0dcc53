package web

import (
	"net/http"

	"fedtab/api"
	"fedtab/coordinator/account"
	"fedtab/coordinator/models"
	"fedtab/coordinator/quota"
	"fedtab/learn/export"
)

// versions answers with the versions whose model files can be had, newest first. Of more
// than api.MaxVersions there are the newest, the oldest, and others evenly between them.
func (s *server) versions(w http.ResponseWriter, r *http.Request, st *Study) {
	if s.withheld(w, r, st) {
		return
	}
	release := s.budgets.hold(w, r, s.budgets.answers)
	if release == nil {
		return
	}
	defer release()
	id := st.Run()
	kept, err := st.Kept(id)
	if err != nil {
		fail(w, http.StatusInternalServerError, "%v", err)
		return
	}
	v := api.Versions{Run: id, Versions: []api.Version{}, Snippets: []api.Snippet{}}
	for _, round := range st.Feed.find(kept, api.MaxVersions) {
		v.Versions = append(v.Versions, api.Version{Version: int(round.Round), Participants: round.Participants, Test: account.Test(round.Test, round.Validation)})
	}
	if len(v.Versions) > 0 {
		newest := v.Versions[0].Version
		m := models.Of(st.Task, st.Data, st.Model.Spec(), id, uint64(newest), nil, [32]byte{})
		for _, s := range export.Snippets(m.Use(models.Name(id, uint64(newest)))) {
			v.Snippets = append(v.Snippets, api.Snippet(s))
		}
	}
	writeJSON(w, v)
}

// withheld reports whether the study's model is not handed out, and answers so.
func (s *server) withheld(w http.ResponseWriter, r *http.Request, st *Study) bool {
	if st.Task.Downloads() {
		return false
	}
	refuse(w, r, &quota.Refusal{
		Code: "download", Status: http.StatusForbidden,
		Text: "the organiser of task " + st.Task.Name + " does not hand out its model (download: false)",
	})
	return true
}
