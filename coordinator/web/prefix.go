package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"fedtab/coordinator/quota"
)

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

// elsewhere answers paths below a prefix that is not the site's: a proxy passes one on,
// and the coordinator has not been told of it. Other paths are those of files.
func (s *Site) elsewhere(files http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		prefix, ok := below(r.URL.Path)
		if !ok {
			files.ServeHTTP(w, r)
			return
		}
		base := "the address of the page, which ends in "
		if s.public != nil {
			base = s.public.Scheme + "://" + s.public.Host
		}
		todo := fmt.Sprintf("if participants use that path, start the coordinator with --public-url and %s%s", base, quoted(prefix))
		refusal := &quota.Refusal{Code: "path", Status: http.StatusNotFound, Text: fmt.Sprintf("path: %q, want it below %s/: %s, or have the proxy remove it", quoted(r.URL.Path), s.prefix(), todo)}
		s.notices.Refused(s.log, r, s.addresses.Of(r), refusal)
		if s.absent != nil && wantsPage(r) {
			s.absent(w, r, refusal.Text)
			return
		}
		refuse(w, r, refusal)
	})
}

// below returns the prefix of a path that goes on with one of the coordinator's own, or
// with that of the page. It is meant for paths that are not found at the root.
func below(path string) (prefix string, ok bool) {
	elements := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if slices.Contains(ownPaths, elements[0]) {
		return "", false
	}
	for i, e := range elements[1:] {
		if last := i+2 == len(elements); slices.Contains(ownPaths, e) || last && (e == "" || e == "index.html") {
			return "/" + strings.Join(elements[:i+1], "/"), true
		}
	}
	return "/" + elements[0], len(elements) == 1 && elements[0] != "" && !strings.Contains(elements[0], ".")
}
