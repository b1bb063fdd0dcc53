package web

import (
	"net/http"
	"time"

	"fedtab/protocol"
)

// guard bounds what a request may hold. The site is only read: a request of
// another method, or with a body, is answered at once, and its connection closed
// without waiting for the body. A response may take WriteTimeout for each write,
// and the time that MinBodyRate gives its bytes.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		timed := &timedWriter{w, http.NewResponseController(w)}
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
			next.ServeHTTP(w, r) // the hub takes the connection over, with deadlines of its own
		default:
			next.ServeHTTP(timed, r)
		}
	})
}

// timedWriter sets a deadline before every write.
type timedWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (t *timedWriter) extend(bytes int) {
	d := protocol.WriteTimeout + time.Duration(float64(bytes)/protocol.MinBodyRate*float64(time.Second))
	t.control.SetWriteDeadline(time.Now().Add(d)) // an error means that there are no deadlines, as in tests
}

// Write implements http.ResponseWriter.
func (t *timedWriter) Write(p []byte) (int, error) {
	t.extend(len(p))
	return t.ResponseWriter.Write(p)
}

// Unwrap serves http.ResponseController.
func (t *timedWriter) Unwrap() http.ResponseWriter { return t.ResponseWriter }
