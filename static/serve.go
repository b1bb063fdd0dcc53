package static

import (
	"io"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"fedtab/static/manifest"
)

// ContentSecurityPolicy allows the page its own scripts and WebAssembly, and
// connections to its own coordinator, and nothing else.
const ContentSecurityPolicy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; " +
	"img-src 'self' data:; connect-src 'self'; worker-src 'self'; manifest-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// SetPlainPolicy gives an answer that is neither a page nor a worker, such as a redirect
// or a style sheet, a policy that allows nothing. A first visit gets a dozen of them, and
// what it saves is a third of a kilobyte each.
func SetPlainPolicy(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Del("Permissions-Policy")
}

// plain says whether a file is neither a page nor a worker. A picture in SVG is a page where
// it is opened alone.
func plain(f manifest.File) bool {
	switch path.Ext(f.Name) {
	case ".css", ".png", ".txt", ".wasm":
		return true
	case ".js":
		return f.Source != "tab.js" && f.Source != "sw.js"
	}
	return false
}

// setSecurityHeaders sets the headers of every response of a coordinator, errors
// included.
func setSecurityHeaders(h http.Header) {
	h.Set("Content-Security-Policy", ContentSecurityPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY") // for browsers without frame-ancestors
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(self), geolocation=(), microphone=(), payment=(), usb=(), screen-wake-lock=(self)")
}

// Secured sets the security headers of every answer.
func Secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setSecurityHeaders(w.Header())
		next.ServeHTTP(w, r)
	})
}

// SetStrict tells browsers to come back to a host by https only, for a year (RFC 6797).
// Subdomains are not the coordinator's to decide on, nor are the other ports of
// localhost, which browsers take to be the same host. host has no port, and is in lower
// case.
func SetStrict(h http.Header, host string) {
	if host != "localhost" && !strings.HasSuffix(host, ".localhost") {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// types are the content types of the packed files. Those of package mime depend on
// files of the machine.
var types = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
	".txt":  "text/plain; charset=utf-8",
	".wasm": "application/wasm",
	".png":  "image/png",
}

// Handler serves the files of the page. Other paths get 404.
func Handler() http.Handler {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // "dist" is a valid path
	}
	return handler(files)
}

// OrganisersHandler serves the organisers' dashboard at /, and the files of the page. It says
// nothing of its own: it asks the API, which wants a token.
func OrganisersHandler() http.Handler {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // "dist" is a valid path
	}
	s := handler(files)
	m, _ := readManifest(files) // handler has told of an error
	for _, f := range m.Files {
		if f.Name == organisersName {
			s.byPath["/"] = f
		}
	}
	return s
}

// handler serves the files that the manifest in files lists, but for pages.
func handler(files fs.FS) *site {
	m, err := readManifest(files)
	s := &site{files: files, byPath: map[string]manifest.File{}, broken: err}
	for _, f := range m.Files {
		if !slices.Contains([]string{indexName, appName, organisersName}, f.Name) {
			s.byPath["/"+f.Name] = f
		}
	}
	return s
}

type site struct {
	files  fs.FS
	byPath map[string]manifest.File
	broken error
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	setSecurityHeaders(h)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed, want GET or HEAD", http.StatusMethodNotAllowed)
		return
	}
	f, ok := s.byPath[r.URL.Path]
	if !ok {
		s.absent(w, r)
		return
	}

	coding := negotiate(r.Header.Values("Accept-Encoding"))
	tag := `"` + f.Hash + `"`
	if coding.name != "" {
		tag = `"` + f.Hash + "-" + coding.name + `"`
	}
	h.Set("Vary", "Accept-Encoding")
	h.Set("ETag", tag)
	h.Set("Cache-Control", "no-cache")
	if f.Name != f.Source {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if matches(r.Header.Values("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body, err := s.files.Open(f.Name + coding.suffix)
	if err != nil {
		h.Del("ETag")
		h.Set("Cache-Control", "no-store")
		http.Error(w, "a part of this page is missing from this build", http.StatusInternalServerError)
		return
	}
	defer body.Close()
	if info, err := body.Stat(); err == nil {
		h.Set("Content-Length", strconv.FormatInt(info.Size(), 10))
	}
	h.Set("Content-Type", types[path.Ext(f.Name)])
	if plain(f) {
		SetPlainPolicy(h)
	}
	if coding.name != "" {
		h.Set("Content-Encoding", coding.name)
	}
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodGet {
		// An error here means that the browser has disconnected.
		_, _ = io.Copy(w, body)
	}
}

// unbuilt is the page of a coordinator that was built without static/dist.
const unbuilt = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>fedtab: the page is not built</title>
<h1>The page is not built</h1>
<p>This coordinator runs, but was built without its page. Run <code>make build</code> in its checkout and start it again.</p>
`

// absent answers a request for a path that does not exist.
func (s *site) absent(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if len(s.byPath) > 0 || r.URL.Path != "/" {
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	h.Set("Content-Type", types[".html"])
	w.WriteHeader(http.StatusServiceUnavailable)
	if r.Method == http.MethodGet {
		words := unbuilt
		if s.broken != nil {
			words += "<p>The list of its files cannot be read.</p>\n"
		}
		_, _ = io.WriteString(w, words)
	}
}

// coding is a way to store a file.
type coding struct {
	name   string // in Content-Encoding; empty for identity
	suffix string
}

// codings are all codings, the smallest first.
var codings = []coding{{"br", ".br"}, {"gzip", ".gz"}, {"", ""}}

// negotiate returns the coding with the highest weight in an Accept-Encoding header,
// the smaller one of equals (RFC 9110, section 12.5.3). A client that accepts none of
// them gets identity.
func negotiate(accept []string) coding {
	plain := codings[len(codings)-1]
	if len(accept) == 0 {
		return plain
	}
	const unsaid = -1.0
	weights := map[string]float64{}
	others := unsaid // the weight of *
	for _, part := range strings.Split(strings.Join(accept, ","), ",") {
		name, parameters, _ := strings.Cut(part, ";")
		name = strings.ToLower(strings.TrimSpace(name))
		q, ok := weight(parameters)
		switch {
		case name == "" || !ok:
		case name == "*":
			others = q
		case name == "x-gzip":
			weights["gzip"] = q
		case name == "identity":
			weights[""] = q
		default:
			weights[name] = q
		}
	}
	best, bestWeight := plain, 0.0
	for _, c := range codings {
		q, said := weights[c.name]
		if !said {
			q = others
			if c.name == "" && others == unsaid {
				// Acceptable, with a lower weight than every coding in the
				// header.
				q = 0
			}
		}
		if q > bestWeight {
			best, bestWeight = c, q
		}
	}
	return best
}

// weight returns the q of a list element's parameters; 1 if there is none.
func weight(parameters string) (q float64, ok bool) {
	for _, p := range strings.Split(parameters, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if !strings.EqualFold(strings.TrimSpace(key), "q") {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		return q, err == nil && q >= 0 && q <= 1
	}
	return 1, true
}

// matches reports whether an If-None-Match header names tag, by weak comparison
// (RFC 9110, section 13.1.2).
func matches(header []string, tag string) bool {
	for _, part := range strings.Split(strings.Join(header, ","), ",") {
		part = strings.TrimSpace(part)
		if part == "*" || strings.TrimPrefix(part, "W/") == tag {
			return true
		}
	}
	return false
}
