package web

import (
	"net/http"

	"fedtab/lab"
	"fedtab/ui"
)

// lab shows a page of the lab, or their list.
func (s *server) lab(w http.ResponseWriter, r *http.Request) {
	v := ui.View{Kind: ui.LabKind, Selected: r.PathValue("name")}
	if v.Selected != "" {
		v.Kind = ui.StandKind
		if lab.Find(v.Selected) == nil {
			s.absent(w, r, "")
			return
		}
	}
	s.show(w, r, http.StatusOK, v, nil)
}
