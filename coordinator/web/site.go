package web

import (
	"cmp"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strconv"
	"strings"

	"fedtab/coordinator/quota"
)

// Site is the address at which participants reach the coordinator: which Host headers
// and origins are allowed, and the prefix of its paths. docs/operating.md, "Names", has
// the rules, and ADR 0009 what they keep out.
type Site struct {
	public    *url.URL // nil: there is none
	listener  string   // name in --addr, empty for an IP address
	addresses quota.Addresses
	log       *slog.Logger
	notices   quota.Notices
	nameless  quota.Notice // of a proxy that does not name its clients

	// Certified reports whether there is a certificate for a Host header, whose
	// names are allowed; nil: the coordinator has none.
	Certified func(host string) bool
}

// ownPaths are the first elements of the coordinator's own paths, which no prefix may
// begin with.
var ownPaths = []string{"api", "data", "ws", "metrics", "healthz", "readyz"}

// NewSite returns the site of a public address, SCHEME://HOST[:PORT][/PREFIX], which
// may be empty, on a coordinator that listens on addr.
func NewSite(public, addr string, addresses quota.Addresses, log *slog.Logger) (*Site, error) {
	s := &Site{addresses: addresses, log: log}
	if host, _, err := net.SplitHostPort(addr); err == nil {
		s.listener = quota.HostOf(host)
	}
	if public == "" {
		return s, nil
	}
	u, err := url.Parse(public)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "", u.User != nil, u.RawQuery != "", u.Fragment != "":
		return nil, fmt.Errorf("%q, want http(s)://HOST[:PORT][/PREFIX]", public)
	}
	if port := u.Port(); !validHost(u.Hostname()) || port != "" && !validPort(port) {
		return nil, fmt.Errorf("%q: host %s, want a name or an IP address, and a port from 1 to 65535 if there is one", public, u.Host)
	}
	plain := u.EscapedPath() == u.Path
	u.Path = strings.TrimRight(u.Path, "/")
	if u.Path != "" && path.Clean(u.Path) != u.Path || !plain {
		return nil, fmt.Errorf("%q: path %s, want one without empty elements, dots and escapes", public, u.EscapedPath())
	}
	for _, own := range ownPaths {
		if u.Path == "/"+own || strings.HasPrefix(u.Path, "/"+own+"/") {
			return nil, fmt.Errorf("%q: path %s, want one that does not begin with the coordinator's own /%s", public, u.Path, own)
		}
	}
	s.public = u
	return s, nil
}

// validHost reports whether a name can be in a Host header.
func validHost(name string) bool {
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	return !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '.' && r != '_'
	})
}

func validPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}

// Host returns the name or address in the public address; it is empty if there is none.
func (s *Site) Host() (name string, tls bool) {
	if s.public == nil {
		return "", false
	}
	return quota.HostOf(s.public.Host), s.public.Scheme == "https"
}

// prefix is the path of the public address, such as /study; empty at the root.
func (s *Site) prefix() string {
	if s.public == nil {
		return ""
	}
	return s.public.Path
}

// strip removes the prefix from the paths of requests. A proxy may have removed it
// already: paths without it stay as they are.
func (s *Site) strip(next http.Handler) http.Handler {
	prefix := s.prefix()
	if prefix == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rest, ok := strings.CutPrefix(r.URL.Path, prefix); ok && strings.HasPrefix(rest, "/") {
			inner, u := *r, *r.URL
			u.Path, u.RawPath = rest, strings.TrimPrefix(u.RawPath, prefix)
			inner.URL = &u
			r = &inner
		}
		next.ServeHTTP(w, r)
	})
}

// check refuses requests with a Host or an Origin that is not allowed. The prefix alone
// leads to the page, whose addresses are relative.
func (s *Site) check(sockets Sockets, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refusal := s.refuseHost(r)
		if refusal == nil {
			refusal = s.refuseOrigin(r.Header.Get("Origin"), r)
		}
		if refusal != nil {
			if r.URL.Path == "/ws" {
				sockets.Refused(refusal.Code)
			}
			s.notices.Refused(s.log, r, s.addresses.Of(r), refusal)
			refuse(w, r, refusal)
			return
		}
		if s.unnamed(r) && s.nameless.Due() {
			s.log.Warn("the proxy does not say for whom it asks, so no limit of an address applies: have it set X-Forwarded-For", "proxy", r.RemoteAddr)
		}
		if prefix := s.prefix(); prefix != "" && r.URL.Path == prefix {
			to := url.URL{Path: prefix + "/", RawQuery: r.URL.RawQuery}
			http.Redirect(w, r, to.String(), http.StatusMovedPermanently)
			return
		}
		if p := r.URL.Path; path.Clean(p) != strings.TrimRight(p, "/") && p != "/" {
			// The mux would redirect, and lose the prefix.
			w.Header().Set("Cache-Control", "no-store")
			http.Error(w, "there is no such page: want a path without empty elements and dots", http.StatusNotFound)
			return
		}
		if r.Header.Get("Origin") != "" {
			// The hub compares the origin with the Host, which a proxy may have
			// replaced.
			inner := *r
			inner.Header = r.Header.Clone()
			inner.Header.Del("Origin")
			r = &inner
		}
		next.ServeHTTP(w, r)
	})
}

// unnamed reports whether a request must have come through a proxy that does not name
// its clients. On this machine the public name tells it from other programs' requests.
func (s *Site) unnamed(r *http.Request) bool {
	return s.public != nil && s.addresses.Unnamed(r) && (s.addresses.Proxied(r) || !local(quota.HostOf(r.Host)) && quota.HostOf(r.Host) == quota.HostOf(s.public.Host))
}

// refuse answers a request with a refusal: the API in JSON, everything else in text.
func refuse(w http.ResponseWriter, r *http.Request, refusal *quota.Refusal) {
	refusal.SetRetry(w.Header())
	if strings.HasPrefix(r.URL.Path, "/api/") {
		answer(w, refusal.Status, map[string]string{"error": refusal.Text, "code": refusal.Code})
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, refusal.Text, refusal.Status)
}

// maxQuoted bounds what a refusal quotes of a header, in bytes.
const maxQuoted = 100

func quoted(text string) string { return text[:min(len(text), maxQuoted)] }

// refuseHost returns why the Host of a request is refused, nil if it is not.
func (s *Site) refuseHost(r *http.Request) *quota.Refusal {
	if s.allows(r.Host) || s.public != nil && s.addresses.Proxied(r) {
		return nil
	}
	todo := "start the coordinator with --public-url and the address that participants use"
	want := "localhost or an IP address"
	if s.public != nil {
		want = s.public.Hostname() + ", " + want
		todo = "use the address of --public-url, or have the proxy pass on the Host header"
	}
	return &quota.Refusal{Code: "host", Status: http.StatusForbidden, Text: fmt.Sprintf("host: %q, want %s: %s", quoted(r.Host), want, todo)}
}

// allows reports whether a Host header is allowed.
func (s *Site) allows(host string) bool {
	name := quota.HostOf(host)
	return local(name) || name == s.listener || s.public != nil && name == quota.HostOf(s.public.Host) || s.Certified != nil && s.Certified(host)
}

// local reports whether a name is one that no page of a stranger can have: an address,
// localhost or below it, without a dot, or none at all.
func local(name string) bool {
	_, err := netip.ParseAddr(name)
	return err == nil || !strings.Contains(name, ".") || strings.HasSuffix(name, ".localhost")
}

// refuseOrigin returns why a request of a page of the given origin is refused, nil if
// it is not. Programs that are no browser send none.
func (s *Site) refuseOrigin(origin string, r *http.Request) *quota.Refusal {
	u, err := url.Parse(origin)
	switch {
	case origin == "":
		return nil
	case err == nil && u.User == nil && s.public != nil && u.Scheme == s.public.Scheme && hostPort(u) == hostPort(s.public):
		return nil
	case err == nil && u.User == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host) && s.allows(r.Host):
		return nil
	}
	want := cmp.Or(r.Host, "none")
	if s.public != nil {
		want = s.public.Scheme + "://" + s.public.Host
	}
	origin = quoted(origin)
	return &quota.Refusal{Code: "origin", Status: http.StatusForbidden, Text: fmt.Sprintf("origin: %q, want %[2]s: if participants use that address, start the coordinator with --public-url %[1]q", origin, quoted(want))}
}

// hostPort returns host and port of a URL, with the port of its scheme if it has none.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}
