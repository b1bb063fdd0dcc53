// Package web serves HTTP: the page, shards of public data, and the JSON and
// event streams that the page shows. The WebSocket is the hub's.
package web

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"fedtab/api"
	"fedtab/coordinator/dataset"
	"fedtab/coordinator/task"
	"fedtab/learn"
	"fedtab/run"
	"fedtab/static"
	"fedtab/ui"
)

// Study is one task as the page shows it.
type Study struct {
	Task  *task.Task
	Data  *dataset.Dataset
	Model learn.Model
	Feed  *Feed
	// State asks the run's owner how it stands. The error says that the owner
	// does not answer.
	State func(ctx context.Context) (run.State, error)
	// Present asks it who is present. The error is as of State.
	Present func(ctx context.Context) ([]run.Present, error)
	// Role says what this node of a cluster is for the run: owner, edge, or vacant if nobody
	// drives it; nil: there is no cluster.
	Role func() string
	// Version returns the parameters of a committed version of a run.
	Version func(run string, version uint64) ([]float32, [32]byte, error)
	// Kept returns the versions of a run whose parameters are kept, ascending.
	Kept func(run string) ([]uint64, error)

	run  atomic.Pointer[string]   // identity of the run
	stop atomic.Pointer[run.Stop] // in place of the task's; nil: the task's

	earlier atomic.Pointer[api.Together] // what earlier runs have told; nil: nothing

	// Set by Studies.Prepare.
	fixed     api.Fixed
	fixedData api.FixedData
	picture   func() (picture, error)
	fileSize  func() int64 // about that of the largest model file, bytes
	ended     chan struct{}
	end       func()
}

// Ended is closed once the study is no longer served: its streams end.
func (st *Study) Ended() <-chan struct{} { return st.ended }

// End has the study's streams end.
func (st *Study) End() { st.end() }

// Run returns the identity of the run that the study has now, empty before SetRun.
func (st *Study) Run() string {
	if id := st.run.Load(); id != nil {
		return *id
	}
	return ""
}

// SetRun gives the study a run, whose stop conditions are the task's until SetStop.
func (st *Study) SetRun(id string) {
	st.run.Store(&id)
	st.stop.Store(nil)
}

// SetEarlier sets what earlier runs of the task have told of its participants; nil: nothing.
func (st *Study) SetEarlier(told *api.Together) { st.earlier.Store(told) }

// SetStop sets the run's stop conditions in place of the task's.
func (st *Study) SetStop(s run.Stop) { st.stop.Store(&s) }

// Stop returns the run's stop conditions.
func (st *Study) Stop() run.Stop {
	if s := st.stop.Load(); s != nil {
		return *s
	}
	return st.Task.RunStop(st.Data.ClassNames())
}

// DataPath returns the path prefix of a task's shards. It names their content, so
// that a browser may keep what it has fetched: other data has another path.
func DataPath(t *task.Task, d *dataset.Dataset) string {
	return fmt.Sprintf("/data/%s/%x", t.Name, d.Hash[:8])
}

// New returns the handler of the participants' address, that of a site. files serves
// every path that nothing else does. Without pages, as in a build that has none, there
// are no pages for people.
func New(studies *Studies, sockets Sockets, pages *Pages, files http.Handler, site *Site, limits Limits, log *slog.Logger) http.Handler {
	s := &server{site: site, sockets: sockets, pages: pages, studies: studies, budgets: newBudgets(site.addresses, limits, log), files: newFiles()}
	if pages != nil {
		studies.built(pages.frame.Build)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /ws", sockets)
	probes := &health{studies, sockets}
	mux.HandleFunc("GET /healthz", probes.healthz)
	mux.HandleFunc("GET /readyz", probes.readyz)
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "there are no metrics here, want the address of coordinator serve --admin-addr", http.StatusNotFound)
	})
	mux.HandleFunc("GET /api/door", s.door)
	mux.HandleFunc("GET /api/tasks", s.tasks)
	mux.HandleFunc("GET /api/tasks/{task}", s.of(s.task))
	mux.HandleFunc("GET /api/tasks/{task}/events", s.of(s.events))
	mux.HandleFunc("GET /api/tasks/{task}/versions", s.of(s.versions))
	mux.HandleFunc("GET /api/tasks/{task}/models/{file}", s.of(s.model))
	mux.HandleFunc("GET /api/tasks/{task}/samples/{file}", s.of(sample))
	mux.HandleFunc("GET /api/tasks/{task}/picture.png", s.of(s.picture))
	mux.HandleFunc("GET /data/{task}/{content}/{shard}", s.of(shard))
	mux.HandleFunc("GET /api/", noPath)
	mux.HandleFunc("GET /data/", noPath)
	mux.HandleFunc("GET /qr.svg", s.qr)
	if pages != nil {
		mux.HandleFunc("GET /site.css", s.siteStyle)
		mux.HandleFunc("GET /app.webmanifest", s.app)
		mux.HandleFunc("GET /logo.svg", s.siteLogo)
		mux.HandleFunc("GET /logo.png", s.siteLogo)
		mux.HandleFunc("GET /{$}", s.home)
		mux.HandleFunc("GET /t/{name}", s.taskPage)
		mux.HandleFunc("GET /screen", s.screen)
		mux.HandleFunc("GET /bench", s.bench)
		mux.HandleFunc("GET /lab", s.lab)
		mux.HandleFunc("GET /lab/{name}", s.lab)
		site.absent = s.absent
		pages.bench = func() ui.Bench { return benchOf(studies.All()) }
	}
	mux.Handle("/", site.elsewhere(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.lost(w, r) {
			files.ServeHTTP(w, r)
		}
	})))
	return static.Secured(site.strip(s.guard(site.check(sockets, mux))))
}

type server struct {
	site    *Site
	sockets Sockets
	pages   *Pages // nil: there are none
	studies *Studies
	budgets *budgets
	files   *files
}

// of answers a request about the task in its path.
func (s *server) of(answer func(http.ResponseWriter, *http.Request, *Study)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		st := s.studies.Find(r.PathValue("task"))
		if st == nil {
			noPath(w, r)
			return
		}
		answer(w, r, st)
	}
}

// noPath answers a path of the API or of data that there is not.
func noPath(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/data/") {
		fail(w, http.StatusNotFound, "there is no data at %s", r.URL.Path)
		return
	}
	fail(w, http.StatusNotFound, "there is no %s here; GET /api/tasks lists the tasks", r.URL.Path)
}

// door says whether a WebSocket handshake of a page, or with ?for=events its stream of
// events, would be refused now, and why: a browser does not tell the page. The origin is
// that of the page. Budgets of requests and downloads refuse this request too.
func (s *server) door(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	refusal := s.site.refuseOrigin(query.Get("origin"), r)
	if refusal == nil {
		refusal = s.budgets.addresses.Refuse(s.budgets.conns.Check(r), r)
	}
	if refusal == nil {
		if query.Get("for") == "events" {
			refusal = s.budgets.addresses.Refuse(s.budgets.streams.Check(s.budgets.addresses.Of(r)), r)
		} else {
			refusal = s.sockets.Door(r)
		}
	}
	if refusal == nil {
		writeJSON(w, api.Door{Open: true})
		return
	}
	writeJSON(w, api.Door{Code: refusal.Code, Error: refusal.Text, RetrySeconds: refusal.Retry.Seconds()})
}

func (s *server) tasks(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, s.cards())
}

// task answers with how a study stands, and a page of its rounds: the newest
// ?limit of those above ?since and below ?before, ascending. With ?points it adds
// the learning curve at no more than that many rounds.
func (s *server) task(w http.ResponseWriter, r *http.Request, st *Study) {
	var problem string
	query := r.URL.Query()
	number := func(name string, otherwise, limit uint64) uint64 {
		text := query.Get(name)
		if text == "" {
			return otherwise
		}
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil || n > limit {
			problem = fmt.Sprintf("%s: %q, want a number from 0 to %d", name, text, limit)
		}
		return n
	}
	since, before := number("since", 0, math.MaxInt64), number("before", 0, math.MaxInt64)
	limit, points := number("limit", api.DefaultRounds, api.MaxRounds), number("points", 0, api.MaxPoints)
	if problem != "" {
		fail(w, http.StatusBadRequest, "%s", problem)
		return
	}
	release := s.budgets.hold(w, r, s.budgets.answers)
	if release == nil {
		return
	}
	defer release()
	send(w, http.StatusOK, append(st.page(since, before, int(limit), int(points)), '\n'))
}

// page is the JSON of a study with a page of its rounds.
func (st *Study) page(since, before uint64, limit, points int) []byte {
	state, rounds := st.Feed.Page(since, before, limit)
	state = st.whole(state)
	b := append(bytes.Clone(state[:len(state)-1]), `,"rounds":[`...)
	b = append(append(b, bytes.Join(rounds, []byte(","))...), ']')
	if points > 0 {
		b = append(append(b, `,"curve":`...), st.Feed.Curve(points)...)
	}
	return append(b, '}')
}

// keepAlive is how often a silent event stream sends a comment, so that proxies do
// not close it.
const keepAlive = 15 * time.Second

// events streams every change as server-sent events: "state", and "round" for
// each round that is new or has been evaluated. Changes within 250 ms become one.
// What was there before is in /api/tasks/NAME.
func (s *server) events(w http.ResponseWriter, r *http.Request, st *Study) {
	release := s.budgets.hold(w, r, s.budgets.streams)
	if release == nil {
		return
	}
	defer release()
	h := w.Header()
	h.Set("Content-Type", eventStream)
	h.Set("Cache-Control", "no-store")
	control := http.NewResponseController(w)
	tick := time.NewTicker(keepAlive)
	defer tick.Stop()
	var seen uint64
	for {
		changed := st.Feed.Changed()
		state, rounds, now := st.Feed.Since(seen)
		if now != seen {
			var b []byte
			b = event(b, "state", state)
			for _, round := range rounds {
				b = event(b, "round", round)
			}
			if _, err := w.Write(b); err != nil || control.Flush() != nil {
				return
			}
			seen = now
		}
		select {
		case <-changed:
		case <-st.Ended():
			return // the reader asks again, and finds what is served then
		case <-tick.C:
			if _, err := io.WriteString(w, ": alive\n\n"); err != nil || control.Flush() != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

// eventStream is the type of an event stream, whose bytes are in no budget.
const eventStream = "text/event-stream"

func event(b []byte, name string, data []byte) []byte {
	return fmt.Appendf(b, "event: %s\ndata: %s\n\n", name, data)
}

func writeJSON(w http.ResponseWriter, v any) { answer(w, http.StatusOK, v) }

func fail(w http.ResponseWriter, code int, format string, args ...any) {
	answer(w, code, map[string]string{"error": fmt.Sprintf(format, args...)})
}

func answer(w http.ResponseWriter, code int, v any) { send(w, code, append(encode(v), '\n')) }

func send(w http.ResponseWriter, code int, json []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	w.Write(json) // an error means that the reader has gone
}
