package listen

import (
	"net/http"
	"strings"

	"fedtab/coordinator/quota"
	"fedtab/static"
)

// strict has browsers come back by https only.
func strict(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		static.SetStrict(w.Header(), quota.HostOf(r.Host))
		next.ServeHTTP(w, r)
	})
}

// redirect sends a request on to https, if its Host is a name in the certificates or
// that of the public address. Any other Host is the requester's choice, and leads nowhere.
func (l *Listeners) redirect(w http.ResponseWriter, r *http.Request) {
	name, ok := l.Name(r.Host)
	if !ok && (l.public == nil || name != quota.HostOf(l.public.Host)) {
		http.Error(w, "host: not a name of this coordinator, want "+strings.Join(l.certs.names(), " or "), http.StatusMisdirectedRequest)
		return
	}
	path := r.URL.RequestURI()
	if !strings.HasPrefix(path, "/") { // would go on with the host
		path = "/"
	}
	code := http.StatusPermanentRedirect // keeps method and body
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		code = http.StatusMovedPermanently
	}
	http.Redirect(w, r, l.target(name, path), code)
}

// target returns where a path of plain HTTP is under https: at the public address, whose
// port and prefix may be others than those of the listener, or else at the listener.
func (l *Listeners) target(name, path string) string {
	if l.public == nil {
		return l.https(name) + path
	}
	prefix := strings.TrimRight(l.public.Path, "/")
	if rest, ok := strings.CutPrefix(path, prefix); ok && (rest == "" || rest[0] == '/' || rest[0] == '?') {
		path = rest
	}
	return "https://" + l.public.Host + prefix + path
}

// bracketed writes an IPv6 address as URLs have it.
func bracketed(name string) string {
	if strings.Contains(name, ":") {
		return "[" + name + "]"
	}
	return name
}
