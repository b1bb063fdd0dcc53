package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"fedtab/coordinator/qrcode"
)

// root returns the address of the home page as the sender of a request reaches it, with
// a slash at its end: the public one, if there is any.
func (s *Site) root(r *http.Request) string {
	if s.public != nil {
		return s.public.String() + "/"
	}
	scheme := "http"
	if r.TLS != nil || s.addresses.Proxied(r) && r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	return (&url.URL{Scheme: scheme, Host: r.Host, Path: "/"}).String()
}

// qr draws the address of one of the coordinator's own pages as a QR code. It draws no
// others: it would vouch for what strangers choose.
func (s *server) qr(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Query().Get("path")
	if !s.isPage(path) {
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, fmt.Sprintf("path: %q, want t/NAME with the name of a task, or none for the home page", quoted(path)), http.StatusBadRequest)
		return
	}
	svg, err := qrcode.SVG(s.site.root(r) + path)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "image/svg+xml")
	h.Set("Cache-Control", "no-cache")
	w.Write(svg) // an error means that the reader has gone
}

// isPage reports whether a path is empty, for the home page, or that of a task.
func (s *server) isPage(path string) bool {
	name, task := strings.CutPrefix(path, "t/")
	return path == "" || task && s.studies.Find(name) != nil
}
