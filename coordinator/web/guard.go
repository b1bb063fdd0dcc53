package web

import (
	"net/http"
	"time"

	"fedtab/coordinator/quota"
	"fedtab/protocol"
)

// guard bounds what a request may hold. The site is only read: a request of
// another method, or with a body, is answered at once, and its connection closed
// without waiting for the body. A response may take WriteTimeout for each write,
// and the time that MinBodyRate gives its bytes. Requests and answers are counted for
// the address that they come from. Probes have a budget of their own, so that others of their
// address cannot use it up.
func (s *server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		timed := &timedWriter{ResponseWriter: w, control: http.NewResponseController(w), downloads: s.budgets.downloads}
		timed.extend(0)
		if r.ContentLength != 0 {
			// net/http would wait for the body before it closes.
			timed.control.SetReadDeadline(time.Now())
			w.Header().Set("Connection", "close")
		}
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			fail(timed, http.StatusMethodNotAllowed, "method: %s, want GET or HEAD", r.Method)
		case r.ContentLength != 0:
			fail(timed, http.StatusBadRequest, "request body: want none")
		case r.URL.Path == "/ws":
			// The hub takes the connection over, with limits of its own; one that is
			// refused ends.
			w.Header().Set("Connection", "close")
			if refusal := s.budgets.request(w, r, s.budgets.requests, s.budgets.addresses.Of(r)); refusal != nil {
				s.sockets.Refused(refusal.Code)
				return
			}
			next.ServeHTTP(w, r)
		case r.URL.Path == "/healthz", r.URL.Path == "/readyz":
			if s.budgets.request(timed, r, s.budgets.probes, s.budgets.addresses.Of(r)) == nil {
				next.ServeHTTP(timed, r)
			}
		default:
			timed.from = s.budgets.addresses.Of(r)
			if s.budgets.request(timed, r, s.budgets.requests, timed.from) != nil || !s.budgets.download(timed, r, timed.from) {
				return
			}
			if release := s.budgets.hold(timed, r, s.budgets.flight); release != nil {
				defer release()
				next.ServeHTTP(timed, r)
			}
		}
	})
}

// timedWriter sets a deadline before every write, and charges an address for it.
type timedWriter struct {
	http.ResponseWriter
	control   *http.ResponseController
	downloads *quota.Pace
	from      string // empty: nobody is charged
}

func (t *timedWriter) extend(bytes int) {
	d := protocol.WriteTimeout + time.Duration(float64(bytes)/protocol.MinBodyRate*float64(time.Second))
	t.control.SetWriteDeadline(time.Now().Add(d)) // an error means that there are no deadlines, as in tests
}

// Write implements http.ResponseWriter.
func (t *timedWriter) Write(p []byte) (int, error) {
	t.extend(len(p))
	if t.Header().Get("Content-Type") != eventStream {
		t.downloads.Charge(t.from, len(p))
	}
	return t.ResponseWriter.Write(p)
}

// Unwrap serves http.ResponseController.
func (t *timedWriter) Unwrap() http.ResponseWriter { return t.ResponseWriter }
