package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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

// sendTimeout bounds how long a reader of events may take what it is sent.
const sendTimeout = 30 * time.Second

// eventID is the id of an event: of which process and run it is, and what its reader has
// seen then.
type eventID struct {
	process string // a feed counts from 1 in each
	run     string
	web.Mark
}

func (e eventID) String() string {
	return fmt.Sprintf("%s/%s/%d/%d", e.process, e.run, e.Resets, e.Seq)
}

// markOf returns what a reader has seen that sends the id of an event. reset says that the
// id is not of this process and run.
func markOf(text, process, run string) (m web.Mark, reset bool) {
	if text == "" {
		return m, false
	}
	parts := strings.Split(text, "/")
	if len(parts) != 4 || parts[0] != process || parts[1] != run {
		return m, true
	}
	var errs [2]error
	m.Resets, errs[0] = strconv.ParseUint(parts[2], 10, 64)
	m.Seq, errs[1] = strconv.ParseUint(parts[3], 10, 64)
	if errors.Join(errs[:]...) != nil || m == (web.Mark{}) {
		return web.Mark{}, true
	}
	return m, false
}

// registerEvents declares the stream of a run's events. What it sends is encoded once for
// all its readers (web.Feed).
func (h *API) registerEvents(api huma.API) {
	type input struct {
		Named
		LastEventID string `header:"Last-Event-ID" doc:"id of the newest event that was received: the stream goes on after it"`
	}
	op := operation("run-events", http.MethodGet, "/runs/{run}/events", "runs", "Follow a run", `A stream of server-sent events, at most 4 changes a second. "state" has how the run stands, as live of the run does; "round" a round that is new or newly evaluated; "crew" how many participants do what, as get-crew has it. Rounds from before the stream began are not sent, unless Last-Event-ID says that they were missed. "reset" says that the stream cannot go on after Last-Event-ID: read the rounds again.`, http.StatusNotFound, http.StatusConflict)
	op.Responses = map[string]*huma.Response{"200": {Description: "The stream", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}}}}}
	huma.Register(api, op, func(_ context.Context, in *input) (*huma.StreamResponse, error) {
		st, run, err := h.watched(in.Run)
		if err != nil {
			return nil, h.fail(err)
		}
		seen, reset := markOf(in.LastEventID, h.process, run)
		return &huma.StreamResponse{Body: func(ctx huma.Context) {
			request, w := humago.Unwrap(ctx)
			w.Header().Set("Content-Type", "text/event-stream")
			w.Header().Set("Cache-Control", "no-store")
			h.follow(request.Context(), w, st, run, seen, reset)
		}}, nil
	})
}

// follow writes the events of a run until the reader goes, or the study has another run.
func (h *API) follow(ctx context.Context, w http.ResponseWriter, st *web.Study, run string, seen web.Mark, reset bool) {
	control := http.NewResponseController(w)
	send := func(b []byte) bool {
		control.SetWriteDeadline(time.Now().Add(sendTimeout)) // an error means that there are no deadlines, as in tests
		_, err := w.Write(b)
		return err == nil && control.Flush() == nil
	}
	control.SetReadDeadline(time.Time{}) // a stream has no end
	tick, look := time.NewTicker(keepAlive), time.NewTicker(crewEvery)
	defer tick.Stop()
	defer look.Stop()
	var crew []byte // that the reader has
	for {
		changed := st.Feed.Changed()
		state, rounds, now, missed := st.Feed.After(seen)
		if st.Run() != run {
			return // the reader asks again, and finds the other run
		}
		if now != seen || reset {
			var b []byte
			if reset || missed {
				b, reset = append(b, "event: reset\ndata: {}\n\n"...), false
			}
			for _, round := range rounds {
				b = fmt.Appendf(b, "event: round\ndata: %s\n\n", round)
			}
			// The id comes with the last event: a reader that has it has the rounds too.
			b = fmt.Appendf(b, "id: %s\nevent: state\ndata: %s\n\n", eventID{h.process, run, now}, state)
			if !send(b) {
				return
			}
			seen = now
		}
		if c := h.crewJSON(ctx, st, run); !bytes.Equal(c, crew) {
			if !send(fmt.Appendf(nil, "event: crew\ndata: %s\n\n", c)) {
				return
			}
			crew = c
		}
		select {
		case <-changed:
		case <-look.C:
		case <-st.Ended():
			return
		case <-tick.C:
			if !send([]byte(": alive\n\n")) {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}
