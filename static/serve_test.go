package static

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"fedtab/static/manifest"
	"fedtab/words"

	"github.com/andybalholm/brotli"
)

// packedFS is a folder with a page and a program; each coding has its own content.
func packedFS(t *testing.T) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{".keep": {}}
	var m manifest.Manifest
	for _, f := range []manifest.File{
		{Name: "index.html", Source: "index.html", Hash: "aa"},
		{Name: "ui.0a1b2c3d.wasm", Source: "ui.wasm", Hash: "bb"},
		{Name: "boot.11223344.js", Source: "boot.js", Hash: "cc"},
		{Name: "fedtab.55667788.css", Source: "fedtab.css", Hash: "dd"},
		{Name: "favicon.99aabbcc.svg", Source: "favicon.svg", Hash: "ee"},
		{Name: "tab.22334455.js", Source: "tab.js", Hash: "ff"},
		{Name: "sw.js", Source: "sw.js", Hash: "a0"},
	} {
		files[f.Name] = &fstest.MapFile{Data: []byte("plain " + f.Source)}
		files[f.Name+".gz"] = &fstest.MapFile{Data: []byte("gzip " + f.Source)}
		files[f.Name+".br"] = &fstest.MapFile{Data: []byte("br " + f.Source)}
		m.Files = append(m.Files, f)
	}
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	files[manifest.Name] = &fstest.MapFile{Data: b}
	return files
}

func ask(h http.Handler, method, path string, header ...string) *http.Response {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestServe(t *testing.T) {
	h := handler(packedFS(t))
	const forever = "public, max-age=31536000, immutable"
	for _, c := range []struct{ path, contentType, cache, body string }{
		{"/ui.0a1b2c3d.wasm", "application/wasm", forever, "plain ui.wasm"},
		{"/boot.11223344.js", "text/javascript; charset=utf-8", forever, "plain boot.js"},
		{"/fedtab.55667788.css", "text/css; charset=utf-8", forever, "plain fedtab.css"},
		{"/favicon.99aabbcc.svg", "image/svg+xml", forever, "plain favicon.svg"},
	} {
		r := ask(h, "GET", c.path)
		if r.StatusCode != 200 {
			t.Errorf("%s: status %d", c.path, r.StatusCode)
			continue
		}
		if got := body(t, r); got != c.body {
			t.Errorf("%s: got %q, want %q", c.path, got, c.body)
		}
		for name, want := range map[string]string{
			"Content-Type": c.contentType, "Cache-Control": c.cache, "Vary": "Accept-Encoding", "Content-Encoding": "",
		} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", c.path, name, got, want)
			}
		}
	}
}

func TestServeNothingElse(t *testing.T) {
	h := handler(packedFS(t))
	for _, path := range []string{
		"/ui.wasm", "/manifest.json", "/.keep", "/ui.0a1b2c3d.wasm.br", "/ui.0a1b2c3d.wasm.gz",
		"/../embed.go", "/", "/index.html", "/x/index.html", "//", "/favicon.ico",
	} {
		if r := ask(h, "GET", path); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: status %d, want 404", path, r.StatusCode)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS"} {
		r := ask(h, method, "/")
		if r.StatusCode != http.StatusMethodNotAllowed || r.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: status %d, Allow %q", method, r.StatusCode, r.Header.Get("Allow"))
		}
	}
}

// A worker may do what its own answer's policy allows, and a picture in SVG can be opened as
// a page. What else there is needs no policy that allows anything.
func TestPolicyOfFiles(t *testing.T) {
	h := handler(packedFS(t))
	for path, plain := range map[string]bool{
		"/tab.22334455.js": false, "/sw.js": false, "/favicon.99aabbcc.svg": false,
		"/boot.11223344.js": true, "/fedtab.55667788.css": true, "/ui.0a1b2c3d.wasm": true,
	} {
		r := ask(h, "GET", path)
		if got := r.Header.Get("Content-Security-Policy") != ContentSecurityPolicy; r.StatusCode != http.StatusOK || got != plain {
			t.Errorf("%s: status %d, Content-Security-Policy %q", path, r.StatusCode, r.Header.Get("Content-Security-Policy"))
		}
	}
}

func TestSecurityHeadersAreOnEverything(t *testing.T) {
	h := handler(packedFS(t))
	for _, r := range []*http.Response{
		ask(h, "GET", "/"), ask(h, "GET", "/boot.11223344.js"), ask(h, "HEAD", "/"), ask(h, "GET", "/none"), ask(h, "POST", "/"),
		ask(h, "GET", "/", "If-None-Match", "*"), ask(handler(fstest.MapFS{}), "GET", "/"),
	} {
		csp := r.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe-inline") || strings.Contains(csp, "'unsafe-eval'") {
			t.Errorf("status %d: Content-Security-Policy is %q", r.StatusCode, csp)
		}
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
		} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("status %d: %s is %q, want %q", r.StatusCode, name, got, want)
			}
		}
	}
}

func TestNegotiate(t *testing.T) {
	for _, c := range []struct {
		accept []string
		want   string
	}{
		{nil, ""},
		{[]string{""}, ""},
		{[]string{"gzip, deflate, br, zstd"}, "br"},
		{[]string{"gzip, deflate"}, "gzip"},
		{[]string{"x-gzip"}, "gzip"},
		{[]string{"GZIP"}, "gzip"},
		{[]string{"gzip", "br"}, "br"},
		{[]string{"br;q=0.5, gzip;q=0.8"}, "gzip"},
		{[]string{"br; q=0, gzip"}, "gzip"},
		{[]string{"br;q=0.000"}, ""},
		{[]string{"*"}, "br"},
		{[]string{"*;q=0"}, ""},
		{[]string{"*;q=0.1, br;q=0"}, "gzip"},
		{[]string{"identity"}, ""},
		{[]string{"identity;q=1, br;q=0.5"}, ""},
		{[]string{"identity;q=0.5, br;q=0.5"}, "br"},
		{[]string{"identity;q=0"}, ""},
		{[]string{"zstd, deflate"}, ""},
		{[]string{"br;q=2, gzip"}, "gzip"},
		{[]string{"br;q=NaN, gzip;q=x"}, ""},
		{[]string{"br;level=9;q=0.2, gzip;q=0.1"}, "br"},
		{[]string{",,;q=1,gzip"}, "gzip"},
	} {
		if got := negotiate(c.accept); got.name != c.want {
			t.Errorf("%q: got %q, want %q", c.accept, got.name, c.want)
		}
	}
}

func TestCodings(t *testing.T) {
	h := handler(packedFS(t))
	tags := map[string]bool{}
	for coding, want := range map[string]string{"br": "br ui.wasm", "gzip": "gzip ui.wasm", "": "plain ui.wasm"} {
		r := ask(h, "GET", "/ui.0a1b2c3d.wasm", "Accept-Encoding", coding)
		if got := body(t, r); got != want {
			t.Errorf("%q: got %q, want %q", coding, got, want)
		}
		if got := r.Header.Get("Content-Encoding"); got != coding {
			t.Errorf("%q: Content-Encoding is %q", coding, got)
		}
		if r.Header.Get("Content-Type") != "application/wasm" || r.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%q: headers %v", coding, r.Header)
		}
		tags[r.Header.Get("ETag")] = true
	}
	if len(tags) != 3 {
		t.Errorf("the codings share entity tags: %v", tags)
	}
}

func TestNotModified(t *testing.T) {
	h := handler(packedFS(t))
	tag := ask(h, "GET", "/boot.11223344.js", "Accept-Encoding", "br").Header.Get("ETag")
	for match, want := range map[string]int{
		tag: 304, "W/" + tag: 304, "*": 304, `"x", ` + tag: 304, `"x"`: 200, `"aa"`: 200, "": 200, tag[:len(tag)-1]: 200,
	} {
		r := ask(h, "GET", "/boot.11223344.js", "Accept-Encoding", "br", "If-None-Match", match)
		if r.StatusCode != want {
			t.Errorf("If-None-Match: %s: status %d, want %d", match, r.StatusCode, want)
		}
		if r.StatusCode == 304 && (body(t, r) != "" || r.Header.Get("ETag") != tag || !strings.HasSuffix(r.Header.Get("Cache-Control"), "immutable")) {
			t.Errorf("If-None-Match: %s: body or headers %v", match, r.Header)
		}
	}
}

func TestHead(t *testing.T) {
	h := handler(packedFS(t))
	r := ask(h, "HEAD", "/ui.0a1b2c3d.wasm", "Accept-Encoding", "gzip")
	if got := body(t, r); got != "" {
		t.Errorf("HEAD has a body: %q", got)
	}
	if got := r.Header.Get("Content-Length"); got != "12" { // len("gzip ui.wasm")
		t.Errorf("Content-Length is %q, want 12", got)
	}
}

func TestUnbuilt(t *testing.T) {
	for name, files := range map[string]fstest.MapFS{
		"empty":  {".keep": {}},
		"broken": {manifest.Name: {Data: []byte("{")}},
	} {
		h := handler(files)
		r := ask(h, "GET", "/")
		if got := body(t, r); r.StatusCode != http.StatusServiceUnavailable || !strings.Contains(got, "make build") {
			t.Errorf("%s: status %d, %q", name, r.StatusCode, got)
		}
		if r := ask(h, "GET", "/boot.js"); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: /boot.js has status %d, want 404", name, r.StatusCode)
		}
	}
	// A file of the manifest is missing.
	files := packedFS(t)
	delete(files, "boot.11223344.js.br")
	if r := ask(handler(files), "GET", "/boot.11223344.js", "Accept-Encoding", "br"); r.StatusCode != http.StatusInternalServerError {
		t.Errorf("missing file: status %d, want 500", r.StatusCode)
	}
}

// The packed files are consistent: every file is served, and every reference
// resolves.
func TestPackedPageIsWhole(t *testing.T) {
	m, err := Packed()
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Files) == 0 {
		t.Skip("static/dist is empty: run make build")
	}
	h := Handler()
	frame, err := OpenFrame()
	if err != nil {
		t.Fatal(err)
	}
	html, err := frame.HTML(Framed{Kind: "task", Root: "../", Title: "Digits", Own: true, Page: "<h1>Digits</h1>", View: json.RawMessage(`{"kind": "</script>"}`), Words: words.Get("de")})
	if err != nil {
		t.Fatal(err)
	}
	page := string(html)
	for _, bad := range []string{"asset:", "{{", "<style", " style=", "onclick", "http://", "https://"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page contains %q", bad)
		}
	}
	stand, err := frame.HTML(Framed{Kind: "stand", Root: "../", Words: words.Get("en")})
	if err != nil {
		t.Fatal(err)
	}
	app, err := frame.App("A school")
	if err != nil || !strings.Contains(string(app), `"short_name":"A school"`) {
		t.Errorf("the manifest of the app is %s, %v", app, err)
	}
	organisers := ask(OrganisersHandler(), "GET", "/")
	named := map[string]string{"index.html": page, "a page of the lab": string(stand), appName: string(app), organisersName: body(t, organisers)}
	if organisers.StatusCode != 200 || organisers.Header.Get("Cache-Control") != "no-cache" || !strings.Contains(named[organisersName], `data-kind="organiser"`) {
		t.Errorf("the organisers' page: status %d, %v", organisers.StatusCode, organisers.Header)
	}
	if r := ask(h, "GET", "/"+organisersName); r.StatusCode != 404 {
		t.Errorf("participants are handed the organisers' page: status %d", r.StatusCode)
	}
	for _, f := range m.Files {
		if f.Name == indexName || f.Name == appName || f.Name == organisersName {
			continue
		}
		if !frame.Has("/" + f.Name) {
			t.Errorf("the frame does not know %s", f.Name)
		}
		r := ask(h, "GET", "/"+f.Name)
		b := body(t, r)
		if r.StatusCode != 200 || len(b) != f.Size {
			t.Errorf("%s: status %d, %d bytes, want %d", f.Name, r.StatusCode, len(b), f.Size)
		}
		if f.Name == "sw.js" {
			for _, want := range []string{"host.", "tab.", "fedtab.", "vugu.", "wasm_exec.", "keep."} {
				if !strings.Contains(b, `"`+want) {
					t.Errorf("the service worker keeps no %s...", want)
				}
			}
		} else if !strings.HasSuffix(f.Name, ".wasm") {
			named[f.Source] = b
		} else if !bytes.HasPrefix([]byte(b), []byte("\x00asm")) {
			t.Errorf("%s: not a WebAssembly module", f.Name)
		}
	}
	for _, f := range m.Files {
		if f.Name == indexName || f.Name == organisersName {
			continue
		}
		used := false
		for _, b := range named {
			used = used || strings.Contains(b, f.Name)
		}
		if !used {
			t.Errorf("nothing refers to %s", f.Name)
		}
	}
	for _, want := range []string{`<html lang="de"`, `data-kind="task"`, `data-build="` + frame.Build + `"`, `src="../host.`, `<title>Digits</title>`, `<h1>Digits</h1>`, `href="?lang=en"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if strings.Count(page, "</script>") != strings.Count(page, "<script") {
		t.Error("the view ends its element")
	}
}

// A page is sent in the smallest coding that a browser takes, and not again.
func TestDocument(t *testing.T) {
	page := strings.Repeat("<p>page</p>", 100)
	d := NewDocument([]byte(page))
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { d.Serve(w, r, http.StatusOK) })
	for coding, want := range map[string]string{"": "", "gzip": "gzip", "gzip, br": "br", "br;q=0, gzip": "gzip"} {
		r := ask(h, "GET", "/", "Accept-Encoding", coding)
		var read io.Reader = r.Body
		switch got := r.Header.Get("Content-Encoding"); {
		case got != want:
			t.Errorf("%q: coded as %q, want %q", coding, got, want)
		case got == "br":
			read = brotli.NewReader(r.Body)
		case got == "gzip":
			z, err := gzip.NewReader(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			read = z
		}
		if b, err := io.ReadAll(read); string(b) != page || err != nil {
			t.Errorf("%q: %d bytes, %v, want the page", coding, len(b), err)
		}
		tag := r.Header.Get("ETag")
		if again := ask(h, "GET", "/", "Accept-Encoding", coding, "If-None-Match", tag); again.StatusCode != http.StatusNotModified || tag == "" {
			t.Errorf("%q: the page is sent again: status %d, tag %q", coding, again.StatusCode, tag)
		}
	}
}
