package web

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"fedtab/coordinator/access"
	"fedtab/coordinator/hub"
)

// The admin address serves metrics and profiles, and nothing to pages of strangers.
func TestAdmin(t *testing.T) {
	sockets := hub.New(nil, hub.DefaultLimits(), slog.New(slog.DiscardHandler))
	a := testAdmin(t)
	admin := NewAdmin(NewStudies(), sockets, nil, "metrics.example.org:9090", a)
	for _, test := range []struct {
		name, method, path, host string
		token                    access.Role
		status                   int
		want                     string
	}{
		{"metrics", "GET", "/metrics", "127.0.0.1:9090", "", 200, "fedtab_sessions 0"},
		{"a list of profiles", "GET", "/debug/pprof/", "localhost:9090", access.Organiser, 200, "goroutine"},
		{"a profile", "GET", "/debug/pprof/goroutine?debug=1", "[::1]:9090", access.Organiser, 200, "goroutine profile"},
		{"the command line", "GET", "/debug/pprof/cmdline", "127.0.0.1", access.Organiser, 200, "web.test"},
		{"a symbol", "GET", "/debug/pprof/symbol", "127.0.0.1", access.Organiser, 200, "num_symbols"},
		{"a name of one label", "GET", "/metrics", "coordinator:9090", "", 200, "fedtab_sessions"},
		{"the name in --admin-addr", "GET", "/metrics", "Metrics.example.org.:9090", "", 200, "fedtab_sessions"},
		{"DNS rebinding", "GET", "/metrics", "evil.example:9090", "", 403, "--admin-addr"},
		{"DNS rebinding, profiles", "GET", "/debug/pprof/heap", "evil.example", access.Organiser, 403, "--admin-addr"},
		{"a profile without a token", "GET", "/debug/pprof/heap", "127.0.0.1", "", 401, "token"},
		{"a profile for a viewer", "GET", "/debug/pprof/heap", "127.0.0.1", access.Viewer, 403, "organiser"},
		{"the page", "GET", "/", "127.0.0.1", "", 200, "the page"},
		{"another method", "POST", "/debug/pprof/heap", "127.0.0.1", access.Organiser, 405, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(test.method, test.path, nil)
			r.Host = test.host
			if test.token != "" {
				r.Header.Set("Authorization", "Bearer "+a.Gate.Token(test.token))
			}
			w := httptest.NewRecorder()
			admin.ServeHTTP(w, r)
			if body := w.Body.String(); w.Code != test.status || !strings.Contains(body, test.want) {
				t.Errorf("%d %.200s, want %d and %q", w.Code, body, test.status, test.want)
			}
		})
	}
	if _, pattern := http.DefaultServeMux.Handler(httptest.NewRequest("GET", "/metrics", nil)); pattern != "" {
		t.Errorf("http.DefaultServeMux has %s", pattern)
	}
}

func testAdmin(t *testing.T) Admin {
	t.Helper()
	gate, err := access.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "the page") })
	return Admin{Gate: gate, API: http.NotFoundHandler(), Page: page}
}
