// Package web serves HTTP: the page, shards of public data, and the JSON and
// event streams that the page shows. The WebSocket is the hub's.
package web

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"fedtab/coordinator/dataset"
	"fedtab/coordinator/task"
	"fedtab/learn"
	"fedtab/run"
)

// Study is one task as the page shows it.
type Study struct {
	Task  *task.Task
	Data  *dataset.Dataset
	Model learn.Model
	Run   string // identity of the run
	Feed  *Feed
	// State asks the run's owner how it stands. The error says that the owner
	// does not answer.
	State func(ctx context.Context) (run.State, error)
	// Version returns the parameters of a committed version; nil when none
	// are kept.
	Version func(version uint64) ([]float32, [32]byte, error)
}

// DataPath returns the path prefix of a task's shards. It names their content, so
// that a browser may keep what it has fetched: other data has another path.
func DataPath(t *task.Task, d *dataset.Dataset) string {
	return fmt.Sprintf("/data/%s/%x", t.Name, d.Hash[:8])
}

// New returns the coordinator's handler. page serves every other path.
func New(studies []*Study, sockets Sockets, page http.Handler, log *slog.Logger) http.Handler {
	s := &server{log: log}
	mux := http.NewServeMux()
	mux.Handle("GET /ws", sockets)
	probes := &health{studies, sockets}
	mux.HandleFunc("GET /healthz", probes.healthz)
	mux.HandleFunc("GET /readyz", probes.readyz)
	mux.Handle("GET /metrics", metrics(studies, sockets))
	mux.HandleFunc("GET /api/tasks", s.tasks)
	for _, study := range studies {
		s.studies = append(s.studies, study)
		name := study.Task.Name
		mux.HandleFunc("GET /api/tasks/"+name, func(w http.ResponseWriter, r *http.Request) { s.task(w, study) })
		mux.HandleFunc("GET /api/tasks/"+name+"/events", func(w http.ResponseWriter, r *http.Request) { s.events(w, r, study) })
		mux.HandleFunc("GET /api/tasks/"+name+"/models/{file}", func(w http.ResponseWriter, r *http.Request) { model(w, r, study) })
		if study.Data.Public {
			mux.Handle("GET "+DataPath(study.Task, study.Data)+"/{shard}", shards(study))
		}
	}
	mux.HandleFunc("GET /api/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusNotFound, "there is no %s here; GET /api/tasks lists the tasks", r.URL.Path)
	})
	mux.HandleFunc("GET /data/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusNotFound, "there is no data at %s", r.URL.Path)
	})
	mux.Handle("/", page)
	return mux
}

type server struct {
	log     *slog.Logger
	studies []*Study
}

func (s *server) tasks(w http.ResponseWriter, _ *http.Request) {
	type row struct {
		Name  string `json:"name"`
		Title string `json:"title"`
		Phase string `json:"phase"`
	}
	rows := []row{}
	for _, st := range s.studies {
		state, _, _ := st.Feed.Since(0)
		rows = append(rows, row{st.Task.Name, st.Task.Title, state.Phase.String()})
	}
	writeJSON(w, rows)
}

func (s *server) task(w http.ResponseWriter, st *Study) {
	state, rounds, _ := st.Feed.Since(0)
	view := st.view(state)
	view.Rounds = make([]roundView, len(rounds))
	for i, r := range rounds {
		view.Rounds[i] = st.viewRound(r)
	}
	writeJSON(w, view)
}

// keepAlive is how often a silent event stream says that it lives, so that
// proxies do not close it.
const keepAlive = 15 * time.Second

// events streams every change as server-sent events: "state", and "round" for
// each round that is new or has been evaluated.
func (s *server) events(w http.ResponseWriter, r *http.Request, st *Study) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	control := http.NewResponseController(w)
	tick := time.NewTicker(keepAlive)
	defer tick.Stop()
	var seen uint64
	first := true
	for {
		changed := st.Feed.Changed()
		state, rounds, now := st.Feed.Since(seen)
		if now != seen || first {
			if err := event(w, "state", st.view(state)); err != nil {
				return
			}
			if !first { // what was there before is in /api/tasks/{name}
				for _, rec := range rounds {
					if err := event(w, "round", st.viewRound(rec)); err != nil {
						return
					}
				}
			}
			seen, first = now, false
			if control.Flush() != nil {
				return
			}
		}
		select {
		case <-changed:
		case <-tick.C:
			if _, err := fmt.Fprint(w, ": alive\n\n"); err != nil || control.Flush() != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

func event(w http.ResponseWriter, name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "event: %s\ndata: %s\n\n", name, b)
	return err
}

func writeJSON(w http.ResponseWriter, v any) { answer(w, http.StatusOK, v) }

func fail(w http.ResponseWriter, code int, format string, args ...any) {
	answer(w, code, map[string]string{"error": fmt.Sprintf(format, args...)})
}

func answer(w http.ResponseWriter, code int, v any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(v) // an error means that the reader has gone
}
