package web

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"fedtab/coordinator/hub"
)

// The admin address serves metrics and profiles, and nothing to pages of strangers.
func TestAdmin(t *testing.T) {
	sockets := hub.New(nil, hub.DefaultLimits(), slog.New(slog.DiscardHandler))
	admin := NewAdmin(nil, sockets, nil, "metrics.example.org:9090")
	for _, test := range []struct {
		name, method, path, host string
		status                   int
		want                     string
	}{
		{"metrics", "GET", "/metrics", "127.0.0.1:9090", 200, "fedtab_sessions 0"},
		{"a list of profiles", "GET", "/debug/pprof/", "localhost:9090", 200, "goroutine"},
		{"a profile", "GET", "/debug/pprof/goroutine?debug=1", "[::1]:9090", 200, "goroutine profile"},
		{"the command line", "GET", "/debug/pprof/cmdline", "127.0.0.1", 200, "web.test"},
		{"a symbol", "GET", "/debug/pprof/symbol", "127.0.0.1", 200, "num_symbols"},
		{"a name of one label", "GET", "/metrics", "coordinator:9090", 200, "fedtab_sessions"},
		{"the name in --admin-addr", "GET", "/metrics", "Metrics.example.org.:9090", 200, "fedtab_sessions"},
		{"DNS rebinding", "GET", "/metrics", "evil.example:9090", 403, "--admin-addr"},
		{"DNS rebinding, profiles", "GET", "/debug/pprof/heap", "evil.example", 403, "--admin-addr"},
		{"the page", "GET", "/", "127.0.0.1", 404, ""},
		{"another method", "POST", "/metrics", "127.0.0.1", 405, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(test.method, test.path, nil)
			r.Host = test.host
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
