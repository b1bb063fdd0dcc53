package e2e

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// A tab whose data cannot be fetched says why, tries again, asks its person to act, and
// trains once the data has come.
func TestDataMissing(t *testing.T) {
	c := serve(t, digits())
	target, err := url.Parse(c.url())
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // the page's origin
	}}
	var missing atomic.Bool
	missing.Store(true)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if missing.Load() && strings.HasPrefix(r.URL.Path, "/data/") {
			http.NotFound(w, r)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	defer front.CloseClientConnections() // event streams last
	b := open(t, front.URL+"/")
	b.join()
	await(t, "the page says what failed", func() bool {
		return b.text("state") == "Cannot fetch data: the coordinator answers 404, trying again"
	})
	await(t, "the page says what to do", func() bool {
		return strings.Contains(js[string](b, "document.querySelector('#state + .aside').textContent"), "Reload the page; if that does not help, tell the organiser.")
	})
	missing.Store(false)
	await(t, "the tab trains", func() bool { return b.state("activity") == "training" })
	await(t, "the trouble is forgotten", func() bool {
		return !strings.Contains(js[string](b, "document.querySelector('#state + .aside').textContent"), "fetch")
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	b.problems = slices.DeleteFunc(b.problems, func(p string) bool { return strings.Contains(p, "status of 404") })
}
