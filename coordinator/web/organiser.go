package web

import (
	"bytes"
	"net/http"
	"strings"
	"time"

	"fedtab/coordinator/organiser"
	"fedtab/static"
)

// siteStyle serves the organiser's colours.
func (s *server) siteStyle(w http.ResponseWriter, r *http.Request) {
	serveSite(w, r, "text/css; charset=utf-8", s.pages.organiser.Current().Style)
}

// app serves what a browser needs to install the page, by the organiser's name.
func (s *server) app(w http.ResponseWriter, r *http.Request) {
	content, err := s.pages.frame.App(s.pages.organiser.Current().Name)
	if err != nil {
		fail(w, http.StatusInternalServerError, "%v", err)
		return
	}
	serveSite(w, r, static.AppType, content)
}

// siteLogo serves the organiser's logo. Opened by itself it runs nothing, whatever is
// in it.
func (s *server) siteLogo(w http.ResponseWriter, r *http.Request) {
	logo := s.pages.organiser.Current().Logo
	if logo == nil || !strings.HasPrefix(logo.Address(), strings.TrimPrefix(r.URL.Path, "/")+"?") {
		serveSite(w, r, "", nil)
		return
	}
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
	serveSite(w, r, logo.Type, logo.Content)
}

// serveSite serves what comes from the organiser's file. Under an address that names the
// content, browsers may keep it.
func serveSite(w http.ResponseWriter, r *http.Request, kind string, content []byte) {
	h := w.Header()
	if len(content) == 0 {
		h.Set("Cache-Control", "no-store")
		http.Error(w, "there is no "+r.URL.Path+" here: serve --site says what there is", http.StatusNotFound)
		return
	}
	tag := organiser.Tag(content)
	h.Set("Content-Type", kind)
	h.Set("ETag", `"`+tag+`"`)
	h.Set("Cache-Control", "no-cache")
	if r.URL.Query().Get("v") == tag {
		h.Set("Cache-Control", immutable)
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}
