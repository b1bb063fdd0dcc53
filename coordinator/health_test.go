package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// The command says how a coordinator is, and what else it finds.
func TestHealth(t *testing.T) {
	s := serveTest(t, Config{Data: t.TempDir(), Tasks: []string{smallTask(t)}})
	answers := func(status int, body string) string {
		o := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}))
		t.Cleanup(o.Close)
		return o.URL
	}
	for _, c := range []struct {
		url  string
		code int
		want string
	}{
		{"http://" + s.Addr(), 0, "ok\n"},
		{answers(200, `{"status":"degraded","problems":["disk is full"]}`), 0, "degraded: disk is full\n"},
		{answers(503, `{"status":"failing","problems":["run x: its owner does not answer"]}`), 1, "is failing: run x: its owner does not answer\n"},
		{answers(404, "nothing here"), 1, "/healthz answers 404 Not Found, want that of a coordinator\n"},
		{"http://" + freeAddress(t), 1, "connection refused\n"},
		{"study.example", 2, "coordinator: health: --url is \"study.example\", want the address of the page, such as http://127.0.0.1:8080/\n"},
	} {
		var out, errs bytes.Buffer
		if code := Main(t.Context(), []string{"health", "--url", c.url}, &out, &errs); code != c.code || !strings.HasSuffix(out.String()+errs.String(), c.want) {
			t.Errorf("%s: exit code %d, %q; want %d and %q", c.url, code, out.String()+errs.String(), c.code, c.want)
		}
	}
}
