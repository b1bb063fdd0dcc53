package web

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fedtab/coordinator/hub"
	"fedtab/coordinator/organiser"
	"fedtab/coordinator/quota"
	"fedtab/static"
)

// nobody is the organiser of a coordinator without --site.
func nobody(t *testing.T) *organiser.Source {
	t.Helper()
	s, err := organiser.Open("", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The organiser's colours and logo are served, may be kept under the address that names
// their content, and run nothing.
func TestOrganiser(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("logo.svg", `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`)
	write("site.yaml", "name: A\nlogo: logo.svg\naccent: \"#7a1f5c\"\n")
	log := slog.New(slog.DiscardHandler)
	by, err := organiser.Open(filepath.Join(dir, "site.yaml"), log)
	if err != nil {
		t.Fatal(err)
	}
	sockets := hub.New(nil, hub.DefaultLimits(), log)
	serve := func(by *organiser.Source) *httptest.Server {
		s := httptest.NewServer(New(nil, sockets, NewPages(&static.Frame{}, by), http.NotFoundHandler(), testSite(t, "", quota.Addresses{}), Limits{}, log))
		t.Cleanup(s.Close)
		return s
	}
	s, none := serve(by), serve(nobody(t))
	o := by.Current()
	for _, test := range []struct {
		path, kind, caching string
	}{
		{"site.css", "text/css; charset=utf-8", "no-cache"},
		{o.Style.Address(), "text/css; charset=utf-8", "public, max-age=31536000, immutable"},
		{"logo.svg", "image/svg+xml", "no-cache"},
		{o.Logo.Address(), "image/svg+xml", "public, max-age=31536000, immutable"},
		{"site.css?v=0123", "text/css; charset=utf-8", "no-cache"},
	} {
		r, _ := get(t, s.URL+"/"+test.path)
		if r.StatusCode != 200 || r.Header.Get("Content-Type") != test.kind || r.Header.Get("Cache-Control") != test.caching {
			t.Errorf("%s: %s, %v", test.path, r.Status, r.Header)
		}
		if csp := r.Header.Get("Content-Security-Policy"); strings.HasPrefix(test.path, "logo") && (strings.Contains(csp, "script-src") || !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "sandbox")) {
			t.Errorf("%s: the policy is %q", test.path, csp)
		}
		if r, _ := get(t, none.URL+"/"+test.path); r.StatusCode != 404 {
			t.Errorf("%s without --site: %s, want 404", test.path, r.Status)
		}
	}
	if r, _ := get(t, s.URL+"/logo.png"); r.StatusCode != 404 {
		t.Errorf("a logo of another kind: %s, want 404", r.Status)
	}
}
