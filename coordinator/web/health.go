package web

import (
	"context"
	"maps"
	"net/http"
	"slices"
)

// health answers probes. /healthz says whether the process works, and what
// troubles it: it fails only when a run's owner no longer answers, which a
// restart would cure. /readyz says whether participants can be taken in and
// rounds be committed: it fails also while the database cannot be written to
// and while the coordinator stops.
type health struct {
	studies *Studies
	sockets Sockets
}

type healthView struct {
	Status   string            `json:"status"` // "ok", "degraded" or "failing"
	Problems []string          `json:"problems,omitempty"`
	Roles    map[string]string `json:"roles,omitempty"` // of a node of a cluster, by task
}

// vacant is the role of a node for a run that nobody drives.
const vacant = "vacant"

// roles returns the roles of the node, nil without a cluster.
func (h *health) roles() (all map[string]string) {
	for _, st := range h.studies.All() {
		if st.Role != nil {
			if all == nil {
				all = map[string]string{}
			}
			all[st.Task.Name] = st.Role()
		}
	}
	return all
}

func (h *health) look(ctx context.Context) (stuck, troubled []string) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	for _, st := range h.studies.All() {
		switch s, err := st.State(ctx); {
		case err != nil:
			stuck = append(stuck, "run "+st.Run()+": "+err.Error())
		case s.Halted:
			troubled = append(troubled, "run "+st.Run()+": halted, the database cannot be written; repair it and restart: "+s.StoreError)
		case s.StoreError != "":
			troubled = append(troubled, "run "+st.Run()+": cannot write to the database, trying again: "+s.StoreError)
		}
	}
	if h.sockets.Counts().Closing {
		troubled = append(troubled, "the coordinator is stopping")
	}
	return stuck, troubled
}

func (h *health) healthz(w http.ResponseWriter, r *http.Request) {
	stuck, troubled := h.look(r.Context())
	switch {
	case len(stuck) > 0:
		answer(w, http.StatusServiceUnavailable, healthView{Status: "failing", Problems: append(stuck, troubled...)})
	case len(troubled) > 0:
		answer(w, http.StatusOK, healthView{Status: "degraded", Problems: troubled})
	default:
		answer(w, http.StatusOK, healthView{Status: "ok"})
	}
}

func (h *health) readyz(w http.ResponseWriter, r *http.Request) {
	stuck, troubled := h.look(r.Context())
	roles := h.roles()
	for _, task := range slices.Sorted(maps.Keys(roles)) {
		if roles[task] == vacant {
			troubled = append(troubled, "task "+task+": no node of the cluster drives it, or none that can be reached")
		}
	}
	if problems := append(stuck, troubled...); len(problems) > 0 {
		answer(w, http.StatusServiceUnavailable, healthView{"failing", problems, roles})
		return
	}
	answer(w, http.StatusOK, healthView{Status: "ok", Roles: roles})
}
