package listen

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fedtab/coordinator/listen/listentest"
)

// A logbook keeps what is logged.
type logbook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *logbook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logbook) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *logbook) log() *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func say(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, text) }
}

// serve serves participants by front, and "admin" at the admin address, until the test
// ends.
func serve(t *testing.T, cfg Config, front http.HandlerFunc) (*Listeners, *logbook) {
	t.Helper()
	var book logbook
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:0"
	}
	if ps := cfg.Problems(); len(ps) > 0 {
		t.Fatal(ps)
	}
	l, err := Open(cfg, book.log())
	if err != nil {
		t.Fatal(err)
	}
	l.Handle(&http.Server{Handler: front, ErrorLog: slog.NewLogLogger(book.log().Handler(), slog.LevelDebug)}, say("admin"))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		l.Shutdown(context.Background())
		if err := <-done; err != http.ErrServerClosed {
			t.Errorf("Serve returned %v, want %v", err, http.ErrServerClosed)
		}
	})
	return l, &book
}

// client trusts the root, connects to address whatever the URL says, and follows no
// redirects.
func client(t *testing.T, roots *x509.CertPool, address string) *http.Client {
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, NextProtos: []string{"h2", "http/1.1"}},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
		ForceAttemptHTTP2: true,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func get(t *testing.T, c *http.Client, url string) (*http.Response, string) {
	t.Helper()
	r, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, string(b)
}

// Participants get TLS of the certificate's names with HSTS, the admin address stays
// plain.
func TestTLS(t *testing.T) {
	r := listentest.NewRoot(t)
	certFile, keyFile := r.Sign(t.TempDir(), 7, 0, "study.example.org", "localhost", "127.0.0.1")
	l, book := serve(t, Config{Cert: certFile, Key: keyFile, AdminAddr: "127.0.0.1:0"}, say("hello"))
	c := client(t, r.Pool(), l.Addr())
	response, body := get(t, c, "https://study.example.org/")
	if body != "hello" || response.Proto != "HTTP/1.1" {
		t.Errorf("got %q over %s, want hello over HTTP/1.1", body, response.Proto)
	}
	if got := response.Header.Get("Strict-Transport-Security"); got != "max-age=31536000" {
		t.Errorf("Strict-Transport-Security: %q, want a year, without subdomains and preload", got)
	}
	if response, _ := get(t, c, "https://localhost/"); response.Header.Get("Strict-Transport-Security") != "" {
		t.Error("localhost is told to be served by https only, on all its ports")
	}
	_, port, _ := net.SplitHostPort(l.Addr())
	if want := "https://study.example.org:" + port; l.URL() != want {
		t.Errorf("URL is %s, want %s", l.URL(), want)
	}
	if response, body := get(t, http.DefaultClient, "http://"+l.AdminAddr()+"/"); body != "admin" || response.Header.Get("Strict-Transport-Security") != "" {
		t.Errorf("the admin address answers %q %v, want admin without HSTS", body, response.Header)
	}
	// What scanners do is logged at debug only.
	for _, cfg := range []*tls.Config{{RootCAs: r.Pool(), ServerName: "study.example.org", MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}, {}} {
		if conn, err := tls.Dial("tcp", l.Addr(), cfg); err == nil {
			conn.Close()
			t.Errorf("a handshake with %+v succeeds, want an error", cfg)
		}
	}
	if response, _ := get(t, http.DefaultClient, "http://"+l.Addr()+"/"); response.StatusCode != http.StatusBadRequest {
		t.Errorf("HTTP at the port of TLS: %s, want 400", response.Status)
	}
	for line := range strings.Lines(book.String()) {
		if !strings.Contains(line, "level=DEBUG") && !strings.Contains(line, "certificate loaded") {
			t.Errorf("log: %s", line)
		}
	}
}

// Requests and answers of the other addresses have deadlines.
func TestDeadlines(t *testing.T) {
	certFile, keyFile := listentest.NewRoot(t).Sign(t.TempDir(), 1, 0, "study.example.org")
	l, _ := serve(t, Config{Cert: certFile, Key: keyFile, AdminAddr: "127.0.0.1:0", HTTPAddr: "127.0.0.1:0"}, say("hello"))
	if len(l.servers) != 3 {
		t.Fatalf("%d servers, want 3", len(l.servers))
	}
	for i, s := range l.servers[1:] {
		if s.ReadTimeout <= 0 || s.WriteTimeout <= 0 || s.IdleTimeout <= 0 || s.MaxHeaderBytes <= 0 {
			t.Errorf("server %d has no bound on reading, writing, idling or headers", i+1)
		}
	}
}

// New certificate files are taken over within lookInterval, or at once by Reload. Open
// connections go on. Files that do not belong together leave the old certificate in
// use.
func TestReload(t *testing.T) {
	r, dir := listentest.NewRoot(t), t.TempDir()
	certFile, keyFile := r.Sign(dir, 1, 0, "study.example.org")
	l, _ := serve(t, Config{Cert: certFile, Key: keyFile}, say("hello"))
	open := client(t, r.Pool(), l.Addr())
	serial := func(c *http.Client) int64 {
		t.Helper()
		response, _ := get(t, c, "https://study.example.org/")
		return response.TLS.PeerCertificates[0].SerialNumber.Int64()
	}
	fresh := func() int64 { t.Helper(); return serial(client(t, r.Pool(), l.Addr())) }
	if got := serial(open); got != 1 {
		t.Fatalf("serial %d, want 1", got)
	}
	r.Sign(dir, 2, 0, "study.example.org")
	if any, err := l.Reload(); !any || err != nil {
		t.Fatalf("Reload: %v %v, want files and no error", any, err)
	}
	if got := fresh(); got != 2 {
		t.Errorf("serial %d after Reload, want 2", got)
	}
	if got := serial(open); got != 1 {
		t.Errorf("an open connection has serial %d, want 1", got)
	}
	other, _ := r.Sign(t.TempDir(), 3, 0, "study.example.org")
	b, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(certFile, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Reload(); err == nil || !strings.Contains(err.Error(), "the key that belongs to it") {
		t.Errorf("Reload of files that do not match: %v, want an error that says so", err)
	}
	if got := fresh(); got != 2 {
		t.Errorf("serial %d after files that do not match, want 2", got)
	}
}

// Handshakes notice changed files, and complain once about those that cannot be used.
func TestChangedFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, dir := listentest.NewRoot(t), t.TempDir()
		var book logbook
		certFile, keyFile := r.Sign(dir, 1, 0, "study.example.org")
		f, err := openFiles(certFile, keyFile, book.log())
		if err != nil {
			t.Fatal(err)
		}
		serial := func() int64 {
			t.Helper()
			c, err := f.get(nil)
			if err != nil {
				t.Fatal(err)
			}
			return c.Leaf.SerialNumber.Int64()
		}
		r.Sign(dir, 1234567, 0, "study.example.org", "www.example.org") // another length
		if got := serial(); got != 1 {
			t.Errorf("serial %d within %v of the last look, want 1", got, lookInterval)
		}
		time.Sleep(lookInterval)
		if got := serial(); got != 1234567 {
			t.Errorf("serial %d after %v, want 1234567", got, lookInterval)
		}
		if !f.covers("www.example.org") {
			t.Error("the new certificate does not cover its second name")
		}
		if err := os.Remove(keyFile); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			time.Sleep(lookInterval)
			if got := serial(); got != 1234567 {
				t.Errorf("serial %d without the key's file, want 1234567", got)
			}
		}
		if n := strings.Count(book.String(), "not reloaded"); n != 1 {
			t.Errorf("%d complaints about a missing file, want 1:\n%s", n, book.String())
		}
	})
}

// A certificate that is not renewed is in the log, once a day.
func TestExpiry(t *testing.T) {
	for _, test := range []struct {
		name string
		age  time.Duration // of 90 days
		want int
	}{
		{"new", 0, 0}, {"to be renewed", 70 * 24 * time.Hour, 0}, {"not renewed", 80 * 24 * time.Hour, 3}, {"expired", 91 * 24 * time.Hour, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var book logbook
				certFile, keyFile := listentest.NewRoot(t).Sign(t.TempDir(), 1, test.age, "study.example.org")
				f, err := openFiles(certFile, keyFile, book.log())
				if err != nil {
					t.Fatal(err)
				}
				f.prepare(t.Context())
				for range 48 {
					time.Sleep(time.Hour)
					f.get(nil)
				}
				if n := strings.Count(book.String(), "has not been renewed"); n != test.want {
					t.Errorf("%d warnings in two days, want %d", n, test.want)
				}
			})
		})
	}
}

// The plain address sends names of the certificate to https, and no other.
func TestRedirect(t *testing.T) {
	r := listentest.NewRoot(t)
	certFile, keyFile := r.Sign(t.TempDir(), 7, 0, "study.example.org", "*.pages.example.org", "::1")
	l, _ := serve(t, Config{Cert: certFile, Key: keyFile, HTTPAddr: "127.0.0.1:0"}, say("hello"))
	_, port, _ := net.SplitHostPort(l.Addr())
	for _, test := range []struct {
		name, request, host string
		status              int
		location            string
	}{
		{"GET", "GET /a/b%20c?d=e", "study.example.org", 301, "https://study.example.org:PORT/a/b%20c?d=e"},
		{"HEAD", "HEAD /", "study.example.org:80", 301, "https://study.example.org:PORT/"},
		{"POST", "POST /a", "study.example.org", 308, "https://study.example.org:PORT/a"},
		{"capitals and a dot", "GET /", "Study.EXAMPLE.org.", 301, "https://study.example.org:PORT/"},
		{"a wildcard", "GET /", "one.pages.example.org", 301, "https://one.pages.example.org:PORT/"},
		{"IPv6", "GET /", "[::1]:80", 301, "https://[::1]:PORT/"},
		{"a path like a host", "GET //evil.example/", "study.example.org", 301, "https://study.example.org:PORT//evil.example/"},
		{"an opaque path", "GET x:evil.example", "study.example.org", 301, "https://study.example.org:PORT/"},
		{"CONNECT", "CONNECT study.example.org:80", "study.example.org:80", 308, "https://study.example.org:PORT/"},
		{"CONNECT to another name", "CONNECT evil.example:443", "evil.example", 421, ""},
		{"another name", "GET /", "evil.example", 421, ""},
		{"another name behind @", "GET /", "study.example.org@evil.example", 400, ""},
		{"another name in the request line", "GET http://evil.example/", "study.example.org", 421, ""},
		{"an address", "GET /", "127.0.0.1", 421, ""},
		{"no name", "GET /", "", 421, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, header := ask(t, l.HTTPAddr(), test.request+" HTTP/1.1\r\nHost: "+test.host+"\r\n\r\n")
			want := strings.ReplaceAll(test.location, "PORT", port)
			if test.status != http.StatusBadRequest && header.Get("Content-Security-Policy") == "" {
				t.Error("no security headers")
			}
			if got := header.Get("Location"); status != test.status || got != want {
				t.Errorf("%d to %q, want %d to %q", status, got, test.status, want)
			}
		})
	}
}

// With a public address, plain HTTP leads there: its port may be forwarded to another,
// and it may have a prefix.
func TestRedirectPublic(t *testing.T) {
	r := listentest.NewRoot(t)
	certFile, keyFile := r.Sign(t.TempDir(), 7, 0, "study.example.org")
	for _, test := range []struct{ public, host, path, location string }{
		{"https://study.example.org", "study.example.org", "/a?b=c", "https://study.example.org/a?b=c"},
		{"https://study.example.org:8443/", "study.example.org", "/", "https://study.example.org:8443/"},
		{"https://study.example.org/lab", "study.example.org:80", "/", "https://study.example.org/lab/"},
		{"https://study.example.org/lab", "study.example.org", "/lab", "https://study.example.org/lab"},
		{"https://study.example.org/lab", "study.example.org", "/lab/?a=b", "https://study.example.org/lab/?a=b"},
		{"https://study.example.org/lab", "study.example.org", "/laboratory", "https://study.example.org/lab/laboratory"},
		{"https://www.example.org", "www.example.org", "/", "https://www.example.org/"},
		{"https://www.example.org", "study.example.org", "//evil.example/", "https://www.example.org//evil.example/"},
		{"https://www.example.org", "evil.example", "/", ""},
		{"http://study.example.org", "study.example.org", "/", "https://study.example.org:PORT/"},
	} {
		public, err := url.Parse(test.public)
		if err != nil {
			t.Fatal(err)
		}
		l, _ := serve(t, Config{Cert: certFile, Key: keyFile, HTTPAddr: "127.0.0.1:0", Public: public}, say("hello"))
		_, port, _ := net.SplitHostPort(l.Addr())
		_, header := ask(t, l.HTTPAddr(), "GET "+test.path+" HTTP/1.1\r\nHost: "+test.host+"\r\n\r\n")
		if got, want := header.Get("Location"), strings.ReplaceAll(test.location, "PORT", port); got != want {
			t.Errorf("%s, %s%s: to %q, want %q", test.public, test.host, test.path, got, want)
		}
	}
}

// The address is the one that was asked for, not that of another family.
func TestAddress(t *testing.T) {
	for _, host := range []string{"0.0.0.0", "127.0.0.1", "[::1]"} {
		l, err := Open(Config{Addr: host + ":0"}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if !strings.HasPrefix(l.URL(), "http://"+host+":") {
			t.Errorf("%s:0 is served at %s", host, l.URL())
		}
	}
}

// ask sends a request as it is, and wants the connection to be closed after the answer.
func ask(t *testing.T, address, request string) (int, http.Header) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%v: %q", err, b)
	}
	return r.StatusCode, r.Header
}

// What is wrong with flags and files is said in one line each.
func TestProblems(t *testing.T) {
	study := ACME{Hosts: []string{"study.example.org"}}
	with := func(edit func(*ACME)) ACME { a := study; edit(&a); return a }
	for _, test := range []struct {
		name string
		cfg  Config
		want []string
	}{
		{"nothing", Config{Addr: "127.0.0.1:0"}, nil},
		{"files", Config{Cert: "c", Key: "k", HTTPAddr: ":80"}, nil},
		{"ACME", Config{ACME: with(func(a *ACME) {
			a.Hosts = append(a.Hosts, "xn--bcher-kva.example")
			a.Directory, a.CA, a.Email = "https://acme.example/dir", "ca.pem", "a@example.org"
		}), HTTPAddr: ":80"}, nil},
		{"no key", Config{Cert: "c.pem"}, []string{"--tls-key: empty"}},
		{"no certificate", Config{Key: "k.pem"}, []string{"--tls-cert: empty"}},
		{"files and ACME", Config{Cert: "c", Key: "k", ACME: study}, []string{"--acme: given with --tls-cert"}},
		{"HTTP without TLS", Config{HTTPAddr: ":80"}, []string{"--http-addr: :80 without TLS"}},
		{"no ACME", Config{ACME: ACME{Directory: "https://a.example", CA: "c", Email: "e"}}, []string{"--acme-ca", "--acme-directory", "--acme-email"}},
		{"names", Config{ACME: ACME{Hosts: []string{"localhost", "127.0.0.1", "*.example.org", "a.example.org:443", "A.example.org", "", "-a.example.org", "bücher.example"}}}, slices.Repeat([]string{"--acme: "}, 8)},
		{"directory and contact", Config{ACME: with(func(a *ACME) { a.Directory, a.Email = "http://acme.example", "Ann <a@example.org>" })}, []string{"--acme-directory: ", "--acme-email: "}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := test.cfg.Problems()
			ok := len(got) == len(test.want)
			for i := range min(len(got), len(test.want)) {
				ok = ok && strings.HasPrefix(got[i], test.want[i]) && strings.Contains(got[i], "want ")
			}
			if !ok {
				t.Errorf("%d problems, want %d with %q:\n%s", len(got), len(test.want), test.want, strings.Join(got, "\n"))
			}
		})
	}
}

// A socket or a file that cannot be opened is named with its flag, and nothing stays
// open.
func TestOpenFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	r := listentest.NewRoot(t)
	certFile, keyFile := r.Sign(t.TempDir(), 1, 0, "study.example.org")
	_, otherKey := r.Sign(t.TempDir(), 2, 0, "study.example.org")
	none := filepath.Join(t.TempDir(), "none.pem")
	for _, test := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"address in use", Config{Addr: taken.Addr().String()}, "--addr: " + taken.Addr().String() + " is in use"},
		{"admin address in use", Config{AdminAddr: taken.Addr().String()}, "--admin-addr: " + taken.Addr().String() + " is in use"},
		{"HTTP address in use", Config{Cert: certFile, Key: keyFile, HTTPAddr: taken.Addr().String()}, "--http-addr: " + taken.Addr().String() + " is in use"},
		{"no port", Config{AdminAddr: "127.0.0.1"}, "--admin-addr 127.0.0.1: "},
		{"no certificate", Config{Cert: none, Key: keyFile}, "--tls-cert: open " + none},
		{"no key", Config{Cert: certFile, Key: none}, "--tls-key: open " + none},
		{"key of another", Config{Cert: certFile, Key: otherKey}, "want PEM files of a certificate"},
		{"files exchanged", Config{Cert: keyFile, Key: certFile}, "want PEM files of a certificate"},
		{"no root", Config{ACME: ACME{Hosts: []string{"a.example"}, CA: none}}, "--acme-ca: open " + none},
		{"no certificate in the root's file", Config{ACME: ACME{Hosts: []string{"a.example"}, CA: keyFile}}, "--acme-ca: " + keyFile + ": no certificate in it"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.cfg.Addr == "" {
				test.cfg.Addr = "127.0.0.1:0"
			}
			if l, err := Open(test.cfg, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), test.want) {
				if err == nil {
					l.Close()
				}
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
}

// An admin address that others may reach is a warning.
func TestAdminWarning(t *testing.T) {
	for addr, want := range map[string]bool{"127.0.0.1:0": false, "[::1]:0": false, "0.0.0.0:0": true, ":0": true} {
		var book logbook
		l, err := Open(Config{Addr: "127.0.0.1:0", AdminAddr: addr}, book.log())
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		if got := strings.Contains(book.String(), "level=WARN") && strings.Contains(book.String(), "plain HTTP"); got != want {
			t.Errorf("%s: warned %v, want %v: %s", addr, got, want, book.String())
		}
	}
}

// Names that are not configured cost the ACME directory nothing, and are no warning.
func TestACMENames(t *testing.T) {
	r := listentest.NewRoot(t)
	certFile, keyFile := r.Sign(t.TempDir(), 1, 0, "127.0.0.1")
	asked := make(chan string, 100)
	directory, _ := serve(t, Config{Cert: certFile, Key: keyFile}, func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		http.NotFound(w, r)
	})
	l, book := serve(t, Config{ACME: ACME{Hosts: []string{"study.example.org"}, Directory: "https://" + directory.Addr() + "/dir", CA: r.File(), Cache: t.TempDir()}, HTTPAddr: "127.0.0.1:0"}, say("hello"))
	if path := <-asked; path != "/dir" {
		t.Errorf("the directory was asked for %s, want /dir", path)
	}
	// A visitor of the name waits for the attempt that is under way, and fails with it.
	if conn, err := tls.Dial("tcp", l.Addr(), &tls.Config{ServerName: "study.example.org", InsecureSkipVerify: true}); err == nil {
		conn.Close()
		t.Error("a handshake without a certificate succeeds, want an error")
	}
	for _, name := range []string{"evil.example", "127.0.0.1", "www.study.example.org"} {
		if conn, err := tls.Dial("tcp", l.Addr(), &tls.Config{ServerName: name, InsecureSkipVerify: true}); err == nil {
			conn.Close()
			t.Errorf("a handshake for %s succeeds, want an error", name)
		}
	}
	if n := len(asked); n > 0 {
		t.Errorf("the directory was asked %d times more, want once", n)
	}
	if n := strings.Count(book.String(), "level=WARN"); n != 1 {
		t.Errorf("%d warnings, want the one about study.example.org:\n%s", n, book.String())
	}
	status, header := ask(t, l.HTTPAddr(), "GET /.well-known/acme-challenge/none HTTP/1.1\r\nHost: study.example.org\r\n\r\n")
	if status != http.StatusNotFound || header.Get("Location") != "" {
		t.Errorf("an unknown challenge: %d, want 404", status)
	}
	_, port, _ := net.SplitHostPort(l.Addr())
	if _, header := ask(t, l.HTTPAddr(), "GET /x HTTP/1.1\r\nHost: study.example.org\r\n\r\n"); header.Get("Location") != fmt.Sprintf("https://study.example.org:%s/x", port) {
		t.Errorf("redirected to %q", header.Get("Location"))
	}
}
