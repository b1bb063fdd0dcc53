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
	"fedtab/static"
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
	untrusted quota.Notice // of a proxy on this machine
	unnamed   quota.Notice // clients of a proxy

	// Certified reports whether there is a certificate for a Host header, whose
	// names are allowed; nil: the coordinator has none.
	Certified func(host string) bool

	// absent shows a person that there is no page; nil: there are no pages.
	absent func(w http.ResponseWriter, r *http.Request, detail string)
}

// ownPaths are the first elements of the coordinator's own paths, which no prefix may
// begin with.
var ownPaths = []string{"api", "data", "ws", "metrics", "healthz", "readyz", "t", "screen", "bench", "extra"}

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
	u, err := PublicURL(public)
	if err != nil {
		return nil, err
	}
	s.public = u
	return s, nil
}

// PublicURL parses the address that participants use, without the slash at its end.
func PublicURL(public string) (*url.URL, error) {
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
	return u, nil
}

// validHost reports whether a name can be in a browser's Host header: an IP address, or
// labels of letters, digits, hyphens and underscores, the last of them not a number.
func validHost(name string) bool {
	if a, err := netip.ParseAddr(name); err == nil {
		return a.Zone() == ""
	}
	labels := strings.Split(strings.TrimSuffix(name, "."), ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || strings.HasPrefix(l, "-") || strings.HasSuffix(l, "-") || strings.ContainsFunc(l, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
		}) {
			return false
		}
	}
	_, err := strconv.ParseUint(labels[len(labels)-1], 10, 64)
	return err != nil && len(name) <= 253
}

func validPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}

// URL returns the public address, without a slash at its end; nil if there is none. The
// caller must not change it.
func (s *Site) URL() *url.URL { return s.public }

// Host returns the name or address in the public address; it is empty if there is none.
func (s *Site) Host() (name string, tls bool) {
	if s.public == nil {
		return "", false
	}
	return quota.HostOf(s.public.Host), s.public.Scheme == "https"
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
		if name, tls := s.Host(); tls && (quota.HostOf(r.Host) == name || s.addresses.Proxied(r)) {
			static.SetStrict(w.Header(), name) // a proxy does TLS
		}
		s.watchProxy(r)
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

// watchProxy logs what the proxy that a request came through leaves to be desired. The
// probes of a proxy are its own.
func (s *Site) watchProxy(r *http.Request) {
	if r.URL.Path == "/healthz" || r.URL.Path == "/readyz" {
		return
	}
	switch {
	case s.addresses.Local(r) && s.addresses.Untrusted(r):
		if s.untrusted.Due() {
			s.log.Warn("a proxy on this machine is not trusted, so all its participants count as one address: start the coordinator with "+quota.LoopbackProxies+" in --trusted-proxies", "proxy", r.RemoteAddr)
		}
	case s.addresses.Unnamed(r) && (s.addresses.Proxied(r) || s.passedOn(r)):
		so := "all its participants count as one address"
		if s.addresses.Of(r) == "" {
			so = "no limit of an address applies"
		}
		if s.unnamed.Due() {
			s.log.Warn("the proxy does not say for whom it asks, so "+so+": have it set X-Forwarded-For", "proxy", r.RemoteAddr)
		}
	}
}

// passedOnBy are headers that proxies set, beside those that name a client.
var passedOnBy = []string{"Via", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto", "X-Forwarded-Server"}

// passedOn reports whether a request from this machine must have come through a proxy.
// Programs of this machine set no headers of proxies, and their Host is a loopback
// address or a local name. A browser's Host is that of its Origin. With TLS of the
// coordinator's own, the public name may lead to it on this machine too.
func (s *Site) passedOn(r *http.Request) bool {
	for _, name := range passedOnBy {
		if r.Header.Get(name) != "" {
			return true
		}
	}
	host := quota.HostOf(r.Host)
	if ip, err := netip.ParseAddr(host); err == nil && !ip.IsLoopback() && !ip.IsUnspecified() {
		return true
	}
	if s.public == nil {
		return false
	}
	origin, err := url.Parse(r.Header.Get("Origin"))
	if err == nil && s.isPublic(origin) && hostPort(origin) != hostPort(&url.URL{Scheme: origin.Scheme, Host: r.Host}) {
		return true
	}
	return r.TLS == nil && !local(host) && host == quota.HostOf(s.public.Host)
}

// isPublic reports whether an origin is that of the public address.
func (s *Site) isPublic(origin *url.URL) bool {
	return s.public != nil && origin.User == nil && origin.Scheme == s.public.Scheme && hostPort(origin) == hostPort(s.public)
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
	case err == nil && s.isPublic(u):
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
