package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fedtab/coordinator/hub/hubtest"
	"fedtab/coordinator/listen"
	"fedtab/coordinator/listen/listentest"
	"fedtab/protocol"

	"github.com/gorilla/websocket"
)

// dialTo returns a dialer that trusts roots, and connects to address whatever the URL
// says. It offers HTTP/2 as browsers do.
func dialTo(roots *x509.CertPool, address string) *websocket.Dialer {
	return &websocket.Dialer{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		NetDialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}
}

// Native participants train over wss. A new certificate is taken over while a session
// is open, which goes on.
func TestServeTLS(t *testing.T) {
	root, dir := listentest.NewRoot(t), t.TempDir()
	certFile, keyFile := root.Sign(dir, 1, 0, "127.0.0.1", "study.example.org")
	s := serveTest(t, Config{Listen: listen.Config{Cert: certFile, Key: keyFile}, Tasks: []string{smallTask(t)}})
	dialer := dialTo(root.Pool(), s.Addr())
	url := "wss://study.example.org/ws"
	p := hubtest.Connect(t, dialer, url).Join(hubtest.Hello("small"))
	serial := func(p *hubtest.Peer) int64 {
		return p.Conn.NetConn().(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	root.Sign(dir, 2, 0, "127.0.0.1", "study.example.org")
	s.Reload()
	if got := serial(hubtest.Connect(t, dialer, url)); got != 2 {
		t.Errorf("serial %d after Reload, want 2", got)
	}
	p.Send(&protocol.Want{Full: true})
	hubtest.Await[*protocol.Model](p)
	p.Send(&protocol.Bye{Code: protocol.CloseNormal})
	p.Closed()

	swarm := coordinator(t, "swarm", "--url", "wss://"+s.Addr()+"/ws", "--task", "small", "--clients", "3")
	swarm.Env = append(swarm.Env, "SSL_CERT_FILE="+root.File())
	if err := swarm.Run(); err != nil {
		t.Errorf("a swarm over wss: %v", err)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if v := s.studies()[0].live.Run.State().Version; v != 3 {
		t.Errorf("the run is at version %d, want 3", v)
	}
}

// What is wrong with the flags of addresses and certificates is one line at start.
func TestServeRefusesListeners(t *testing.T) {
	root := listentest.NewRoot(t)
	certFile, _ := root.Sign(t.TempDir(), 1, 0, "study.example.org")
	_, keyFile := root.Sign(t.TempDir(), 1, 0, "study.example.org")
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--tls-cert", certFile}, 2, "serve: --tls-key: empty, want"},
		{[]string{"--tls-cert", certFile, "--tls-key", keyFile}, 1, "the key that belongs to it"},
		{[]string{"--tls-cert", certFile, "--tls-key", keyFile, "--acme", "study.example.org"}, 2, "serve: --acme: given with --tls-cert"},
		{[]string{"--acme", "study.example.org,192.0.2.1"}, 2, `serve: --acme: "192.0.2.1", want public DNS names`},
		{[]string{"--http-addr", "127.0.0.1:0"}, 2, "serve: --http-addr: 127.0.0.1:0 without TLS"},
		{[]string{"--acme-email", "a@example.org"}, 2, "serve: --acme-email: \"a@example.org\", want --acme with it"},
		{[]string{"--admin-addr", "127.0.0.1"}, 1, "--admin-addr 127.0.0.1: "},
		{[]string{"--site", "none.yaml"}, 1, "--site: open none.yaml: no such file or directory, want a file that can be read"},
	} {
		t.Run(strings.Join(test.args, " "), func(t *testing.T) {
			var out, errs strings.Builder
			code := Main(t.Context(), append([]string{"serve", "--addr", "127.0.0.1:0", "--data", t.TempDir()}, test.args...), &out, &errs)
			if code != test.code || strings.Count(errs.String(), "coordinator: ") != 1 || !strings.Contains(errs.String(), test.want) {
				t.Errorf("exit code %d, want %d and one line with %q:\n%s", code, test.code, test.want, errs.String())
			}
		})
	}
}

// A hangup ends nothing: with certificate files they are read again. Nor does the end
// of the program that reads the log. The file of the site is read again too.
func TestServeHangup(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := listentest.NewRoot(t).Sign(dir, 1, 0, "study.example.org")
	siteFile := filepath.Join(dir, "site.yaml")
	if err := os.WriteFile(siteFile, []byte("name: School of Data\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		args []string
		want string
	}{
		{"plain", nil, "tokens read again"},
		{"certificate files", []string{"--tls-cert", certFile, "--tls-key", keyFile}, "certificate loaded"},
		{"site", []string{"--site", siteFile}, "site loaded"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := coordinator(t, append([]string{"serve", "--addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0", "--data", t.TempDir(), "--task", smallTask(t)}, test.args...)...)
			c.Stdout, c.Stderr = nil, nil
			out, err := c.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			log, err := c.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			defer c.Process.Kill()
			said := bufio.NewReader(out)
			if line, err := said.ReadString('\n'); err != nil || !strings.HasPrefix(line, "fedtab is at http") {
				t.Fatalf("it says %q (%v)", line, err)
			}
			if line, err := said.ReadString('\n'); err != nil || !strings.HasPrefix(line, "organisers open http://127.0.0.1:") || !strings.Contains(line, "/#token=fto_") {
				t.Fatalf("it says %q (%v), want the organisers' link", line, err)
			}
			line, err := said.ReadString('\n')
			admin, _, ok := strings.Cut(strings.TrimPrefix(line, "metrics are at "), "/metrics")
			if err != nil || !ok {
				t.Fatalf("it says %q (%v), want where metrics are", line, err)
			}
			logged := bufio.NewScanner(log)
			find := func(want string) {
				t.Helper()
				for logged.Scan() {
					if strings.Contains(logged.Text(), want) {
						return
					}
				}
				t.Fatalf("the log ends without %q", want)
			}
			if test.args != nil {
				find(test.want) // at start
			}
			if err := c.Process.Signal(syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
			find(test.want)
			out.Close()
			log.Close()
			if err := c.Process.Signal(syscall.SIGHUP); err != nil { // logs into the closed pipe
				t.Fatal(err)
			}
			waitFor(t, "metrics after the hangup", func() bool {
				r, err := http.Get(admin + "/metrics")
				if err != nil {
					t.Fatal(err)
				}
				r.Body.Close()
				return r.StatusCode == http.StatusOK
			})
			if err := c.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := c.Wait(); err != nil {
				t.Errorf("after SIGTERM: %v, want exit code 0", err)
			}
		})
	}
}

// Certificates come from an ACME directory, Let's Encrypt's test server pebble, by each
// of the challenges: the name's port for the other one is closed. After a restart the
// certificate is still there, without the directory.
func TestServeACME(t *testing.T) {
	build := t.TempDir()
	c := exec.Command("go", "build", "-o", build, "tool")
	c.Dir = filepath.Join("testdata", "pebble")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("cannot build pebble: %v\n%s", err, out)
	}
	for _, challenge := range []string{"tls-alpn-01", "http-01"} {
		t.Run(challenge, func(t *testing.T) {
			t.Parallel()
			testACME(t, build, challenge)
		})
	}
}

func testACME(t *testing.T, build, challenge string) {
	const host = "study.fedtab.example"
	root := listentest.NewRoot(t)
	directory, management := freeAddress(t), freeAddress(t)
	cfg := Config{Data: t.TempDir(), Tasks: []string{smallTask(t)}, Listen: listen.Config{
		Addr: "127.0.0.1:0", HTTPAddr: "127.0.0.1:0",
		ACME: listen.ACME{Hosts: []string{host}, Directory: "https://" + directory + "/dir", CA: root.File(), Email: "study@fedtab.example"},
	}}
	cfg.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	s, err := NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	stopDirectory := startPebble(t, build, root, directory, management, challenge, s)
	serveUntil := func(s *Server) (stop func()) {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		return sync.OnceFunc(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
	stop := serveUntil(s)
	defer stop()
	cache := filepath.Join(cfg.Data, acmeCache, strings.ReplaceAll(directory, ":", "_"))
	waitFor(t, "the certificate", func() bool {
		_, err := os.Stat(filepath.Join(cache, host))
		return err == nil
	})

	// The root of certificates is new whenever pebble starts.
	trusting := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: root.Pool()}}}
	defer trusting.CloseIdleConnections()
	r, err := trusting.Get("https://" + management + "/roots/0")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	pem, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatalf("pebble's root: %q", pem)
	}
	certificate := func(s *Server) *x509.Certificate {
		t.Helper()
		p := hubtest.Connect(t, dialTo(roots, s.Addr()), "wss://"+host+"/ws").Join(hubtest.Hello("small"))
		defer p.Conn.Close()
		return p.Conn.NetConn().(*tls.Conn).ConnectionState().PeerCertificates[0]
	}
	first := certificate(s)

	// Plain HTTP redirects, and https says that it is to be used for a year.
	site := func(s *Server) *http.Client {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			to := s.Addr()
			if strings.HasSuffix(address, ":80") {
				to = s.listeners.HTTPAddr()
			}
			return new(net.Dialer).DialContext(ctx, network, to)
		}}
		t.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport}
	}
	r, err = site(s).Get("http://" + host + "/api/tasks")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	_, port, _ := net.SplitHostPort(s.Addr())
	if want := "https://" + net.JoinHostPort(host, port) + "/api/tasks"; r.Request.URL.String() != want || r.StatusCode != 200 || r.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("plain HTTP leads to %s: %s %v, want %s with HSTS", r.Request.URL, r.Status, r.Header, want)
	}

	stop()
	stopDirectory()
	if s, err = NewServer(cfg); err != nil {
		t.Fatal(err)
	}
	defer serveUntil(s)()
	if again := certificate(s); !again.Equal(first) {
		t.Errorf("after a restart the certificate is %v, want %v from %s", again.SerialNumber, first.SerialNumber, cache)
	}
	files, err := os.ReadDir(cache)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v (%v), want it to be private", f.Name(), info.Mode(), err)
		}
	}
}

// startPebble starts pebble, and a DNS server by which every name is 127.0.0.1. It finds
// s at the port of one challenge only.
func startPebble(t *testing.T, build string, root *listentest.Root, directory, management, challenge string, s *Server) (stop func()) {
	t.Helper()
	portOf := func(address string) int {
		_, port, _ := net.SplitHostPort(address)
		n, _ := strconv.Atoi(port)
		return n
	}
	dir, dns := t.TempDir(), freeAddress(t)
	certFile, keyFile := root.Sign(dir, 1, 0, "127.0.0.1")
	ports := map[string]int{"http-01": portOf(freeAddress(t)), "tls-alpn-01": portOf(freeAddress(t))}
	ports[challenge] = portOf(map[string]string{"http-01": s.listeners.HTTPAddr(), "tls-alpn-01": s.Addr()}[challenge])
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": directory, "managementListenAddress": management,
		"certificate": certFile, "privateKey": keyFile,
		"httpPort": ports["http-01"], "tlsPort": ports["tls-alpn-01"],
		"retryAfter": map[string]int{"authz": 1, "order": 1}, "keyAlgorithm": "ecdsa",
		"profiles": map[string]any{"default": map[string]any{"validityPeriod": 90 * 24 * 60 * 60}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "pebble.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) (stop func()) {
		c := exec.Command(filepath.Join(build, name), args...)
		c.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1") // it waits up to 15 s before it looks
		c.Stdout, c.Stderr = t.Output(), t.Output()
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		stop = sync.OnceFunc(func() { c.Process.Kill(); c.Wait() })
		t.Cleanup(stop)
		return stop
	}
	run("pebble-challtestsrv", "-dnsserver", dns, "-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "", "-management", freeAddress(t))
	stop = run("pebble", "-config", file, "-dnsserver", dns)
	for _, address := range []string{dns, directory, management} {
		waitFor(t, "a listener at "+address, func() bool {
			conn, err := net.DialTimeout("tcp", address, time.Second)
			if err != nil {
				return false
			}
			return conn.Close() == nil
		})
	}
	return stop
}
