package admin

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"fedtab/coordinator/web"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// keepAlive is how often a silent stream sends a comment, so that proxies do not close it.
const keepAlive = 15 * time.Second

// streams tells apart the ids of events of different processes: a feed counts from 1 in each.
type streams struct{ epoch string }

// registerEvents declares the stream of a run's events. What it sends is encoded once for
// all its readers (web.Feed).
func (h *API) registerEvents(api huma.API) {
	h.streams.epoch = strconv.FormatInt(time.Now().UnixMilli(), 36)
	type input struct {
		Named
		LastEventID string `header:"Last-Event-ID" doc:"id of the newest event that was received: the stream goes on after it"`
	}
	op := operation("run-events", http.MethodGet, "/runs/{run}/events", "runs", "Follow a run", `A stream of server-sent events, at most 4 changes a second. "state" has how the run stands, as live of the run does; "round" a round that is new or newly evaluated. Rounds from before the stream began are not sent, unless Last-Event-ID says that they were missed. "reset" says that the stream cannot go on after Last-Event-ID: read the rounds again.`, http.StatusNotFound, http.StatusConflict)
	op.Responses = map[string]*huma.Response{"200": {Description: "The stream", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}}}}}
	huma.Register(api, op, func(_ context.Context, in *input) (*huma.StreamResponse, error) {
		r, err := h.Desk.Find(in.Run)
		if err != nil {
			return nil, h.fail(err)
		}
		st := h.served(r.ID)
		if st == nil {
			return nil, h.fail(Refuse(http.StatusConflict, "run %s is not served, so that nothing happens to it", r.ID))
		}
		seen, reset := h.streams.since(r.ID, in.LastEventID)
		return &huma.StreamResponse{Body: func(ctx huma.Context) {
			request, w := humago.Unwrap(ctx)
			w.Header().Set("Content-Type", "text/event-stream")
			w.Header().Set("Cache-Control", "no-store")
			h.follow(request.Context(), w, st, r.ID, seen, reset)
		}}, nil
	})
}

// since returns the number of a feed that the id of an event stands for. reset says that it
// stands for nothing that this process knows.
func (s *streams) since(run, id string) (seen uint64, reset bool) {
	if id == "" {
		return 0, false
	}
	of, text, _ := strings.Cut(id, "-")
	n, err := strconv.ParseUint(text, 10, 64)
	return n, of != s.epoch || err != nil
}

// follow writes the events of a run until the reader goes, or the study has another run.
func (h *API) follow(ctx context.Context, w http.ResponseWriter, st *web.Study, run string, seen uint64, reset bool) {
	control := http.NewResponseController(w)
	control.SetWriteDeadline(time.Time{}) // a stream outlasts that of other answers
	tick := time.NewTicker(keepAlive)
	defer tick.Stop()
	if reset {
		seen = 0
		io.WriteString(w, "event: reset\ndata: {}\n\n")
	}
	for {
		changed := st.Feed.Changed()
		state, rounds, now := st.Feed.Since(seen)
		if st.Run() != run {
			return // the page asks again, and finds the other run
		}
		if now != seen {
			var b []byte
			for _, round := range rounds {
				b = fmt.Appendf(b, "event: round\ndata: %s\n\n", round)
			}
			// The id comes with the last event: a reader that has it has the rounds too.
			b = fmt.Appendf(b, "id: %s-%d\nevent: state\ndata: %s\n\n", h.streams.epoch, now, state)
			if _, err := w.Write(b); err != nil || control.Flush() != nil {
				return
			}
			seen = now
		}
		select {
		case <-changed:
		case <-tick.C:
			if _, err := io.WriteString(w, ": alive\n\n"); err != nil || control.Flush() != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}
