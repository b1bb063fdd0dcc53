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
		s := httptest.NewServer(New(NewStudies(), sockets, NewPages(&static.Frame{}, by), http.NotFoundHandler(), testSite(t, "", quota.Addresses{}), Limits{}, log))
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

// The pages name the organiser, in their language, as soon as the file says so.
func TestPagesNameTheOrganiser(t *testing.T) {
	frame, err := static.OpenFrame()
	if err != nil {
		t.Skip(err)
	}
	path := filepath.Join(t.TempDir(), "site.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("name: A <b>School</b>\ncontact: data@school.example\nprivacy: {en: No addresses., de: Keine Adressen.}\naccent: \"#7a1f5c\"\n")
	log := slog.New(slog.DiscardHandler)
	by, err := organiser.Open(path, log)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(New(NewStudies(), hub.New(nil, hub.DefaultLimits(), log), NewPages(frame, by), static.Handler(), testSite(t, "", quota.Addresses{}), Limits{}, log))
	defer s.Close()
	page := func(language string) string {
		t.Helper()
		w, body := visit(t, s.URL+"/", "Accept-Language", language)
		if w.StatusCode != 200 {
			t.Fatalf("status %d", w.StatusCode)
		}
		return body
	}
	german := page("de")
	for _, want := range []string{"A &lt;b&gt;School&lt;/b&gt;", `<a href="mailto:data@school.example">data@school.example</a>`, "<summary>Datenschutz</summary><p>Keine Adressen.</p>", `href="` + by.Current().Style.Address()} {
		if !strings.Contains(german, want) {
			t.Errorf("the German page lacks %s", want)
		}
	}
	if !strings.Contains(page("en"), "<p>No addresses.</p>") {
		t.Error("the English page lacks its privacy text")
	}
	write("name: B\n")
	if _, err := by.Reload(); err != nil {
		t.Fatal(err)
	}
	if now := page("de"); strings.Contains(now, "School") || strings.Contains(now, "<summary>") || strings.Contains(now, "site.css") || !strings.Contains(now, "Betrieben von B.") {
		t.Error("the page is that of the file before")
	}
}
