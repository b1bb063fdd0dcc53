package web

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"fedtab/api"
	"fedtab/coordinator/hub"
	"fedtab/coordinator/quota"
	"fedtab/protocol"
	"fedtab/run"
)

func testSite(t *testing.T, public string, addresses quota.Addresses) *Site {
	t.Helper()
	s, err := NewSite(public, "127.0.0.1:8080", addresses, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestNewSite(t *testing.T) {
	for public, prefix := range map[string]string{
		"": "", "https://study.example": "", "https://study.example/": "", "http://192.0.2.1:8080/a/b/": "/a/b",
		"https://[2001:db8::1]/study": "/study", "https://study.example/apiary": "/apiary",
		"https://study.example.": "", "http://a_b.xn--bcher-kva.example:8080": "", "http://192.0.2.1": "",
	} {
		if got := testSite(t, public, quota.Addresses{}).prefix(); got != prefix {
			t.Errorf("%q: prefix %q, want %q", public, got, prefix)
		}
	}
	for _, public := range []string{
		"study.example", "study.example:8080", "//study.example", "ws://study.example", "https://", "https:///study", "https://user@study.example",
		"https://study.example/?a=b", "https://study.example/#a", "https://study.example/a//b", "https://study.example/a/../b", "https://study.example/a%20b",
		"https://study.example/api", "https://study.example/data/x", "https://study.example/ws",
		"https://study.example:99999", "https://study.example:0", "https://*", "https://study.example/%2f", "https://study example",
		"https://-x/", "https://x-/", "https://study..example", "https://.", "https://192.0.2.400", "https://[fe80::1%25eth0]/",
	} {
		if _, err := NewSite(public, "", quota.Addresses{}, nil); err == nil || !strings.Contains(err.Error(), "want ") {
			t.Errorf("%q: got %v, want an error that says what is right", public, err)
		}
	}
}

func TestHosts(t *testing.T) {
	proxies, err := quota.ParseProxies("10.0.0.0/8,127.0.0.1", nil)
	if err != nil {
		t.Fatal(err)
	}
	addresses := quota.Addresses{Proxies: proxies}
	site := func(public string) *Site {
		s, err := NewSite(public, "coordinator.internal:8080", addresses, nil)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	without, with := site(""), site("https://Study.example/lab")
	const anywhere, proxy = "192.0.2.7:5000", "10.0.0.1:5000"
	for _, test := range []struct {
		host, peer    string
		without, with bool // allowed without, and with, a public address
	}{
		{"127.0.0.1:8080", anywhere, true, true},
		{"192.0.2.1", anywhere, true, true},
		{"[::1]:8080", anywhere, true, true},
		{"[2001:db8::1]", anywhere, true, true},
		{"localhost", anywhere, true, true},
		{"LOCALHOST:8080", anywhere, true, true},
		{"a.localhost", anywhere, true, true},
		{"fedtab-upstream", anywhere, true, true},
		{"coordinator.internal", anywhere, true, true},
		{"", anywhere, true, true}, // HTTP/1.0
		{"study.example", anywhere, false, true},
		{"study.example.", anywhere, false, true},
		{"STUDY.example:443", anywhere, false, true},
		{"evil.example", anywhere, false, false},
		{"evil.example:8080", "127.0.0.1:5000", false, false}, // a browser on this machine
		{"study.example.evil.example", anywhere, false, false},
		{"xstudy.example", anywhere, false, false},
		{"localhost.evil.example", anywhere, false, false},
		{"127.0.0.1.evil.example", anywhere, false, false},
		{"upstream.internal", proxy, false, true},
		{"upstream.internal", anywhere, false, false},
	} {
		r := &http.Request{Host: test.host, RemoteAddr: test.peer}
		r.Header = http.Header{"X-Forwarded-Host": {"study.example"}, "X-Forwarded-For": {"127.0.0.1"}} // a page may set both
		for s, want := range map[*Site]bool{without: test.without, with: test.with} {
			refusal := s.refuseHost(r)
			if got := refusal == nil; got != want {
				t.Errorf("%q from %s, public address %v: allowed %v, want %v", test.host, test.peer, s.public, got, want)
			}
			if refusal != nil && (!strings.Contains(refusal.Text, test.host) || !strings.Contains(refusal.Text, "--public-url")) {
				t.Errorf("%q: the refusal says %q, want the host and the flag", test.host, refusal.Text)
			}
		}
	}
}

func TestOrigins(t *testing.T) {
	for _, test := range []struct {
		public, host, origin string
		want                 bool
	}{
		{"", "127.0.0.1:8080", "", true},
		{"", "127.0.0.1:8080", "http://127.0.0.1:8080", true},
		{"", "127.0.0.1:8443", "https://127.0.0.1:8443", true}, // behind a proxy that does TLS
		{"", "localhost:8080", "http://LOCALHOST:8080", true},
		{"", "127.0.0.1:8080", "http://127.0.0.1:9090", false}, // another server of this machine
		{"", "127.0.0.1:8080", "http://evil.example", false},
		{"", "evil.example", "http://evil.example", false}, // DNS rebinding
		{"", "", "http://evil.example", false},
		{"", "127.0.0.1:8080", "null", false},
		{"", "127.0.0.1:8080", "http://", false},
		{"", "127.0.0.1:8080", "%", false},
		{"https://study.example", "127.0.0.1:8080", "https://study.example", true}, // a proxy that passes on no Host
		{"https://study.example", "", "https://study.example", true},
		{"https://study.example", "study.example", "https://STUDY.example:443", true},
		{"https://study.example/lab", "fedtab-upstream", "https://study.example", true},
		{"https://study.example", "127.0.0.1:8080", "http://127.0.0.1:8080", true}, // on the machine itself
		{"https://study.example", "127.0.0.1:8080", "http://study.example", false},
		{"https://study.example", "127.0.0.1:8080", "https://study.example:444", false},
		{"https://study.example", "study.example", "https://evil.example", false},
		{"https://study.example:444", "x", "https://study.example:444", true},
		{"https://study.example:444", "x", "https://study.example", false},
	} {
		refusal := testSite(t, test.public, quota.Addresses{}).refuseOrigin(test.origin, &http.Request{Host: test.host})
		if got := refusal == nil; got != test.want {
			t.Errorf("public %q, host %q, origin %q: allowed %v, want %v", test.public, test.host, test.origin, got, test.want)
		}
		if refusal != nil && (!strings.Contains(refusal.Text, test.origin) || !strings.Contains(refusal.Text, "--public-url")) {
			t.Errorf("origin %q: the refusal says %q, want the origin and the flag", test.origin, refusal.Text)
		}
	}
}

// logText is a log that is read while it is written.
type logText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// siteServer serves a site of one study over real sockets. Its log goes to the buffer.
func siteServer(t *testing.T, public string, limits hub.Limits) (url string, log *logText) {
	t.Helper()
	study, _ := studyOf(t, "anes96")
	log = &logText{}
	logger := slog.New(slog.NewTextHandler(log, nil))
	site, err := NewSite(public, "127.0.0.1:8080", limits.Addresses, logger)
	if err != nil {
		t.Fatal(err)
	}
	study.Feed = NewFeed(run.State{}, nil)
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "the page at "+r.URL.Path) })
	s := httptest.NewServer(New(NewStudies(study), hub.New(nil, limits, logger), nil, page, site, Limits{Participants: limits.PerAddress}, logger))
	t.Cleanup(s.Close)
	return s.URL, log
}

// ask sends a request with headers, of which Host is one.
func ask(t *testing.T, method, url string, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	r.Host = r.Header.Get("Host")
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	if response.StatusCode == http.StatusSwitchingProtocols {
		return response, "" // and the socket stays open
	}
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(b)
}

var handshake = []string{
	"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==",
}

// Under a prefix everything works with the prefix and without it, as proxies may
// remove it.
func TestPrefix(t *testing.T) {
	url, _ := siteServer(t, "https://study.example/a/lab", hub.DefaultLimits())
	for _, test := range []struct {
		path string
		want int
		body string
	}{
		{"/a/lab/", 200, "the page at /"},
		{"/", 200, "the page at /"},
		{"/a/lab/ui.wasm", 200, "the page at /ui.wasm"},
		{"/a/lab", 301, ""},
		{"/a/lab/api/tasks", 200, `"anes96"`},
		{"/api/tasks", 200, `"anes96"`},
		{"/a/lab/healthz", 200, "ok"},
		{"/laboratory.txt", 200, "the page at /laboratory.txt"},
		{"/a/lab/laboratory.txt", 200, "the page at /laboratory.txt"},
	} {
		r, body := ask(t, "GET", url+test.path)
		if r.StatusCode != test.want || !strings.Contains(body, test.body) {
			t.Errorf("%s: %s, %q, want %d and %q", test.path, r.Status, body, test.want, test.body)
		}
		if r.StatusCode == 301 && r.Header.Get("Location") != "/a/lab/" {
			t.Errorf("%s leads to %q, want /a/lab/", test.path, r.Header.Get("Location"))
		}
	}
	for _, path := range []string{"/ws", "/a/lab/ws"} {
		for origin, want := range map[string]int{"https://study.example": 101, "https://evil.example": 403} {
			if r, body := ask(t, "GET", url+path, append(handshake[:8:8], "Origin", origin)...); r.StatusCode != want {
				t.Errorf("%s with origin %s: %s, %s, want %d", path, origin, r.Status, body, want)
			}
		}
	}
}

// A path below a prefix that the coordinator does not know says how to make it known,
// and the log once.
func TestUnknownPrefix(t *testing.T) {
	for _, test := range []struct{ public, path, want string }{
		{"", "/lab/", `path: "/lab/", want it below /: if participants use that path, start the coordinator with --public-url and the address of the page, which ends in /lab`},
		{"", "/lab", "which ends in /lab"},
		{"", "/a/lab/ws", "which ends in /a/lab"},
		{"", "/lab/index.html", "which ends in /lab"},
		{"https://study.example", "/lab/api/tasks", "--public-url and https://study.example/lab"},
		{"https://study.example", "/lab/api/tasks/x/events", "https://study.example/lab,"},
		{"https://study.example", "/lab/healthz", "https://study.example/lab,"},
		{"https://study.example", "/lab/data/x/1.bin", "https://study.example/lab,"},
		{"https://study.example/other", "/lab/", `path: "/lab/", want it below /other/`},
	} {
		url, log := siteServer(t, test.public, hub.DefaultLimits())
		for range 2 {
			if r, body := ask(t, "GET", url+test.path); r.StatusCode != http.StatusNotFound || !strings.Contains(body, test.want) {
				t.Errorf("%q, %s: %s, %q, want 404 and %q", test.public, test.path, r.Status, body, test.want)
			}
		}
		if got := strings.Count(log.String(), "--public-url"); got != 1 {
			t.Errorf("%q, %s: the log names the flag %d times, want once:\n%s", test.public, test.path, got, log)
		}
	}
	url, log := siteServer(t, "", hub.DefaultLimits())
	for _, path := range []string{"/", "/favicon.ico", "/ui.wasm", "/some/picture.png"} {
		if r, body := ask(t, "GET", url+path); body != "the page at "+path {
			t.Errorf("%s: %s, %q, want what the page has", path, r.Status, body)
		}
	}
	for _, path := range []string{"/api/none/", "/data/", "/metrics"} {
		if _, body := ask(t, "GET", url+path); strings.Contains(body, "--public-url") {
			t.Errorf("%s: %q, want nothing of a prefix", path, body)
		}
	}
	if log.String() != "" {
		t.Errorf("nothing is below a prefix, and the log says:\n%s", log)
	}
}

// What is refused says why, in the answer, in the log, once a minute for each address
// and reason, whatever the names are, and to a page that asks at the door.
func TestRefusals(t *testing.T) {
	limits := hub.DefaultLimits()
	limits.PerAddress = 1
	limits.Addresses.CountLoopback = true
	var err error
	if limits.Addresses.Proxies, err = quota.ParseProxies("", nil); err != nil {
		t.Fatal(err)
	}
	url, log := siteServer(t, "", limits)
	for _, test := range []struct {
		path    string
		headers []string
		want    string
	}{
		{"/", []string{"Host", "evil.example"}, `host: "evil.example", want localhost or an IP address: start the coordinator with --public-url`},
		{"/api/tasks", []string{"Host", "evil.example:8080"}, `host: \"evil.example:8080\"`},
		{"/api/tasks", []string{"Origin", "http://evil.example"}, `origin: \"http://evil.example\"`},
		{"/ws", append(handshake[:8:8], "Origin", "http://evil.example"), `origin: "http://evil.example"`},
	} {
		for range 2 {
			r, body := ask(t, "GET", url+test.path, test.headers...)
			if r.StatusCode != http.StatusForbidden || !strings.Contains(body, test.want) {
				t.Errorf("%s with %v: %s, %q, want 403 and %q", test.path, test.headers, r.Status, body, test.want)
			}
		}
	}
	for _, text := range []string{"level=INFO msg=\"request refused\" address=127.0.0.1 ", "code=host", "code=origin"} {
		want := map[bool]int{true: 2, false: 1}[strings.HasPrefix(text, "level")]
		if got := strings.Count(log.String(), text); got != want {
			t.Errorf("the log has %s %d times, want %d:\n%s", text, got, want, log)
		}
	}

	served := map[string]bool{"open": true}
	door := func(query string, headers ...string) (d api.Door) {
		t.Helper()
		r, body := ask(t, "GET", url+"/api/door"+query, headers...)
		if err := json.Unmarshal([]byte(body), &d); err != nil {
			t.Fatalf("%s: %s, %v", r.Status, body, err)
		}
		if r.StatusCode == http.StatusOK {
			fields(t, served, []byte(body))
		}
		return d
	}
	if d := door(""); !d.Open || d.Code != "" || d.Error != "" {
		t.Errorf("the door says %+v, want open", d)
	}
	if d := door("?origin=http://study.example"); d.Open || d.Code != "origin" || !strings.Contains(d.Error, "--public-url") {
		t.Errorf("the door says %+v, want origin", d)
	}
	if d := door("", "Host", "evil.example"); d.Open || d.Code != "host" {
		t.Errorf("the door says %+v, want host", d)
	}
	for _, test := range []struct {
		header, code, want, flag string
	}{
		{"X-Unknown", "address", "close some of them", "--per-address"},
		{"X-Forwarded-For", "proxy", "--trusted-proxies", "--trusted-proxies"},
	} {
		url, log = siteServer(t, "", limits)
		for range 2 { // one that may take part, and one that must resume
			if r, body := ask(t, "GET", url+"/ws", handshake...); r.StatusCode != 101 {
				t.Fatalf("a handshake: %s, %s", r.Status, body)
			}
		}
		r, body := ask(t, "GET", url+"/ws", append(handshake[:8:8], test.header, "203.0.113.7")...)
		if r.StatusCode != http.StatusTooManyRequests || !strings.Contains(body, test.want) || r.Header.Get("Retry-After") != "30" {
			t.Errorf("the third of an address, with %s: %s, %q, want 429 and %s", test.header, r.Status, body, test.want)
		}
		if d := door("", test.header, "203.0.113.7"); d.Open || d.Code != test.code || d.Error != strings.TrimSpace(body) || d.RetrySeconds != 30 {
			t.Errorf("the door says %+v, want %s and %q", d, test.code, body)
		}
		if !strings.Contains(log.String(), test.flag) || strings.Contains(body, "--per-address") {
			t.Errorf("the log does not name %s, or the participant is told of a flag: %s\n%s", test.flag, body, log)
		}
	}
	documented := firstCells(section(t, "The door"))
	compare(t, "door: field", served, documented)
}

// The log says what a proxy leaves to be desired, in each case in which there must be one.
func TestProxiesWatched(t *testing.T) {
	const (
		here, elsewhere, stranger = "127.0.0.1:4000", "10.0.0.1:4000", "198.51.100.9:4000"

		unlimited = "so no limit of an address applies: have it set X-Forwarded-For"
		asOne     = "so all its participants count as one address: have it set X-Forwarded-For"
		untrusted = "is not trusted, so all its participants count as one address: start the coordinator with 127.0.0.0/8,::1 in --trusted-proxies"
	)
	both := quota.LoopbackProxies + ",10.0.0.1"
	for _, test := range []struct {
		name, public, proxies, peer string
		headers                     []string
		tls, counted                bool
		want                        string
	}{
		{"a program of this machine", "https://study.example", both, here, []string{"Host", "localhost:8080"}, false, false, ""},
		{"its own page", "https://study.example", both, here, []string{"Host", "localhost:8080", "Origin", "http://localhost:8080"}, false, false, ""},
		{"a name of the machine", "http://lab", both, here, []string{"Host", "lab"}, false, false, ""},
		{"a client is named", "https://study.example", both, here, []string{"Host", "study.example", "X-Forwarded-For", "203.0.113.7"}, false, false, ""},
		{"the public name", "https://study.example", both, here, []string{"Host", "study.example"}, false, false, unlimited},
		{"an empty header", "https://study.example", both, here, []string{"Host", "study.example", "X-Forwarded-For", " "}, false, false, unlimited},
		{"loopback counts", "https://study.example", both, here, []string{"Host", "study.example"}, false, true, asOne},
		{"TLS here", "https://study.example", both, here, []string{"Host", "study.example"}, true, false, ""},
		{"a page by another Host", "https://study.example", both, here, []string{"Host", "fedtab", "Origin", "https://study.example"}, false, false, unlimited},
		{"the same and a port", "https://study.example", both, here, []string{"Host", "study.example:443", "Origin", "https://study.example"}, true, false, ""},
		{"an address of the machine", "", both, here, []string{"Host", "192.0.2.1:80"}, false, false, unlimited},
		{"a header of a proxy", "", both, here, []string{"Host", "localhost", "X-Forwarded-Proto", "https"}, false, false, unlimited},
		{"Via", "", both, here, []string{"Host", "localhost", "Via", "1.1 Caddy"}, true, false, unlimited},
		{"neither trusted nor named", "https://study.example", "", here, []string{"Host", "study.example"}, false, false, unlimited},
		{"not trusted on this machine", "", "10.0.0.1", here, []string{"Host", "localhost", "X-Forwarded-For", "203.0.113.7"}, false, false, untrusted},
		{"not trusted elsewhere", "", both, stranger, []string{"Host", "192.0.2.1", "X-Forwarded-For", "203.0.113.7"}, false, false, ""},
		{"a visitor", "", both, stranger, []string{"Host", "192.0.2.1", "Via", "1.1 x"}, false, false, ""},
		{"another machine", "https://study.example", both, elsewhere, []string{"Host", "study.example"}, false, false, asOne},
		{"another machine, a client is named", "https://study.example", both, elsewhere, []string{"Host", "study.example", "Forwarded", "for=203.0.113.7"}, false, false, ""},
	} {
		log := &logText{}
		logger := slog.New(slog.NewTextHandler(log, nil))
		proxies, err := quota.ParseProxies(test.proxies, logger)
		if err != nil {
			t.Fatal(err)
		}
		site, err := NewSite(test.public, "", quota.Addresses{Proxies: proxies, CountLoopback: test.counted}, logger)
		if err != nil {
			t.Fatal(err)
		}
		handler := site.check(nil, http.NotFoundHandler())
		request := func(path string) {
			r := httptest.NewRequest("GET", path, nil)
			r.RemoteAddr = test.peer
			for i := 0; i < len(test.headers); i += 2 {
				r.Header.Set(test.headers[i], test.headers[i+1])
			}
			r.Host = r.Header.Get("Host")
			if test.tls {
				r.TLS = &tls.ConnectionState{}
			}
			handler.ServeHTTP(httptest.NewRecorder(), r)
		}
		request("/healthz")
		if log.String() != "" {
			t.Errorf("%s: a probe makes the log say: %s", test.name, log)
		}
		request("/api/tasks")
		request("/")
		if got := log.String(); !strings.Contains(got, test.want) || test.want == "" && got != "" || strings.Count(got, "\n") > 1 {
			t.Errorf("%s: the log says %q, want once: %q", test.name, got, test.want)
		}
	}
}

// Peers cannot use up what the organiser is told: neither by many addresses nor by
// made-up names.
func TestProxyWarningInFlood(t *testing.T) {
	url, log := siteServer(t, "https://study.example", hub.DefaultLimits())
	for i := range 2 * protocol.MaxLoggedAddresses {
		ask(t, "GET", url+"/api/tasks", "Host", fmt.Sprintf("evil%d.example", i), "X-Forwarded-For", fmt.Sprintf("203.0.113.%d", i))
	}
	if got := strings.Count(log.String(), "request refused"); got != protocol.MaxLoggedAddresses {
		t.Errorf("the log has %d refusals, want %d", got, protocol.MaxLoggedAddresses)
	}
	for range 2 {
		ask(t, "GET", url+"/api/tasks", "Host", "study.example")
	}
	if got := strings.Count(log.String(), "have it set X-Forwarded-For"); got != 1 {
		t.Errorf("the log says %d times that the proxy names no client, want once:\n%s", got, log)
	}
}

// Every answer has the security headers, errors and redirects too.
func TestSecurityHeaders(t *testing.T) {
	url, _ := siteServer(t, "https://study.example/lab", hub.DefaultLimits())
	for _, test := range []struct {
		method, path, host string
		want               int
	}{
		{"GET", "/", "", 200}, {"HEAD", "/api/tasks", "", 200}, {"GET", "/api/none", "", 404}, {"GET", "/data/none", "", 404}, {"POST", "/", "", 405},
		{"GET", "/", "evil.example", 403}, {"GET", "/lab", "", 301}, {"GET", "/ws", "", 400}, {"GET", "/healthz", "", 200}, {"GET", "/metrics", "", 404},
	} {
		r, _ := ask(t, test.method, url+test.path, "Host", test.host)
		if r.StatusCode != test.want {
			t.Errorf("%s %s: %s, want %d", test.method, test.path, r.Status, test.want)
		}
		for name, want := range map[string]string{
			"Content-Security-Policy": "frame-ancestors 'none'", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Permissions-Policy": "camera=(self)",
		} {
			if got := r.Header.Get(name); !strings.Contains(got, want) {
				t.Errorf("%s %s: %s is %q, want %q", test.method, test.path, name, got, want)
			}
		}
	}
}

// Behind a proxy that does TLS, browsers are told to come back by https, as by a
// coordinator with certificates of its own.
func TestStrictTransport(t *testing.T) {
	for _, test := range []struct {
		public, host, want string
	}{
		{"https://study.example", "study.example", "max-age=31536000"},
		{"https://study.example:8443/lab", "study.example:8443", "max-age=31536000"},
		{"https://study.example", "127.0.0.1", ""}, // a probe
		{"http://study.example", "study.example", ""},
		{"https://localhost", "localhost", ""},
		{"", "127.0.0.1", ""},
	} {
		url, _ := siteServer(t, test.public, hub.DefaultLimits())
		r, _ := ask(t, "GET", url+"/api/tasks", "Host", test.host)
		if got := r.Header.Get("Strict-Transport-Security"); got != test.want {
			t.Errorf("%q, Host %s: %q, want %q (%s)", test.public, test.host, got, test.want, r.Status)
		}
	}
}
