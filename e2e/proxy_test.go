package e2e

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fedtab/coordinator/swarm"
	"fedtab/protocol"

	"github.com/chromedp/chromedp"
)

// proxy is a reverse proxy as docs/operating.md sets it up: its configuration is the
// file in docs/operating, edited.
type proxy struct {
	name   string
	config string
	host   [2]string // old and new text: the Host header is not passed on
	plain  [2]string // old and new text of the paths that are served: those of a prefix
	strip  [2]string // the same, and the proxy removes it
	start  func(t *testing.T, dir, config, upstream string, port int) *exec.Cmd
}

var proxies = []proxy{
	{
		name: "nginx", config: "nginx.conf",
		host:  [2]string{"proxy_set_header Host $http_host;", ""},
		plain: [2]string{"location / {", "location /lab/ {"},
		strip: [2]string{"proxy_pass http://fedtab;", "proxy_pass http://fedtab/;"},
		start: startNginx,
	},
	{
		name: "Caddy", config: "Caddyfile",
		host:  [2]string{"header_up -Forwarded", "header_up -Forwarded\n\t\theader_up Host {upstream_hostport}"},
		plain: [2]string{"reverse_proxy 127", "redir /lab /lab/\n\treverse_proxy /lab/* 127"},
		strip: [2]string{"reverse_proxy /lab/* 127", "uri strip_prefix /lab\n\treverse_proxy 127"},
		start: startCaddy,
	},
}

// edit replaces text that must be there.
func edit(t *testing.T, text string, oldNew ...string) string {
	t.Helper()
	for i := 0; i < len(oldNew); i += 2 {
		if !strings.Contains(text, oldNew[i]) {
			t.Fatalf("the configuration has no %q", oldNew[i])
		}
		text = strings.ReplaceAll(text, oldNew[i], oldNew[i+1])
	}
	return text
}

// startNginx starts nginx without TLS, root or daemon. Its plain HTTP is at the same port
// of 127.0.0.2.
func startNginx(t *testing.T, dir, config, upstream string, port int) *exec.Cmd {
	config = edit(t, config, "listen 443 ssl;", fmt.Sprintf("listen 127.0.0.1:%d;", port), "listen [::]:443 ssl;", "",
		"listen 80;", fmt.Sprintf("listen 127.0.0.2:%d;", port), "listen [::]:80;", "", "server 127.0.0.1:8080;", "server "+upstream+";")
	config = regexp.MustCompile(`(?m)^\s*ssl_.*$`).ReplaceAllString(config, "")
	user := ""
	if os.Getuid() == 0 {
		user = "user root;"
	}
	write(t, filepath.Join(dir, "fedtab.conf"), config)
	write(t, filepath.Join(dir, "nginx.conf"), user+`
daemon off;
pid nginx.pid;
worker_processes 1;
events { worker_connections 2048; }
http {
	access_log off;
	client_body_temp_path body;
	proxy_temp_path proxy;
	fastcgi_temp_path fastcgi;
	uwsgi_temp_path uwsgi;
	scgi_temp_path scgi;
	include fedtab.conf;
}
`)
	return exec.Command(program(t, "nginx"), "-p", dir, "-c", filepath.Join(dir, "nginx.conf"), "-e", "stderr")
}

// startCaddy starts Caddy without TLS and without its own API.
func startCaddy(t *testing.T, dir, config, upstream string, port int) *exec.Cmd {
	config = edit(t, config, "study.example {", fmt.Sprintf("http://127.0.0.1:%d {\n\tbind 127.0.0.1", port), "127.0.0.1:8080 {", upstream+" {")
	file := filepath.Join(dir, "Caddyfile")
	write(t, file, "{\n\tadmin off\n\tgrace_period 1s\n}\n"+config)
	cmd := exec.Command(program(t, "caddy"), "run", "--config", file, "--adapter", "caddyfile")
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_DATA_HOME="+dir)
	return cmd
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// program finds a program that may be where only root looks.
func program(t *testing.T, name string) string {
	t.Helper()
	for _, path := range []string{name, "/usr/sbin/" + name} {
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	t.Fatalf("no %s: run make browsers", name)
	return ""
}

// freePort returns a port that nobody listens on. It is below those that the system
// gives to connections, so that none takes it before the proxy does.
func freePort(t *testing.T) int {
	t.Helper()
	for {
		port := 10_000 + rand.IntN(20_000)
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			l.Close()
			return port
		}
	}
}

// run starts the proxy on a port, before a coordinator.
func (p *proxy) run(t *testing.T, c *coordinator, port int, edits ...string) {
	t.Helper()
	config, err := os.ReadFile(filepath.Join("..", "docs", "operating", p.config))
	if err != nil {
		t.Fatal(err)
	}
	cmd := p.start(t, t.TempDir(), edit(t, string(config), edits...), c.addr, port)
	var log lines
	cmd.Stdout, cmd.Stderr = &log, &log
	endWithTest(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		<-ended
		if t.Failed() {
			t.Logf("the log of %s:\n%s", p.name, log.String())
		}
	})
	await(t, p.name+" listens", func() bool {
		select {
		case <-ended:
			t.Fatalf("%s has ended: %s", p.name, log.String())
		default:
		}
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// crowd is a task that only a hundred participants train, in a moment.
const crowd = `name: crowd
title: A crowd
model: {kind: mlp, hidden: [16]}
data: {source: anes96, holdout: 0.2, partition: {kind: iid, clients: 100}}
strategy: {kind: fedavg, fraction: 1, epochs: 1, batch: 10, lr: 0.05, min_clients: 100}
stop: {rounds: 3}
seed: 1
`

// Behind each proxy, at the root or under a prefix that it removes or not, with the
// Host header passed on or not, a hundred participants of one address train, where the
// organiser allows as many. TestTabTurnedAway has what is said where not.
func TestProxies(t *testing.T) {
	for _, p := range proxies {
		for _, place := range []struct {
			name, prefix string
			edits        []string
		}{
			{"root", "", nil},
			{"prefix", "/lab", p.plain[:]},
			{"prefix removed", "/lab", append(p.plain[:2:2], p.strip[:]...)},
		} {
			for _, host := range []bool{true, false} {
				edits := place.edits
				if !host {
					edits = append(edits[:len(edits):len(edits)], p.host[:]...)
				}
				t.Run(fmt.Sprintf("%s, %s, Host %v", p.name, place.name, host), func(t *testing.T) {
					port := freePort(t)
					public := fmt.Sprintf("http://127.0.0.1:%d%s", port, place.prefix)
					const n = 100
					c := serve(t, crowd, "--public-url", public, "--count-loopback", "--per-address", strconv.Itoa(n))
					p.run(t, c, port, edits...)
					paged(t, public)
					streamed(t, public)
					if _, err := swarm.Run(t.Context(), swarm.Options{URL: public, Task: "crowd", Clients: n}); err != nil {
						t.Fatal(err)
					}
					s := c.state("crowd")
					if s.Version != 3 {
						t.Errorf("version %d, want 3", s.Version)
					}
					for _, r := range s.Rounds {
						if r.Participants != n {
							t.Errorf("round %d: %d participants, want %d", r.Round, r.Participants, n)
						}
					}
					if log := c.log.String(); strings.Contains(log, "refused") || strings.Contains(log, "proxy") {
						t.Errorf("nothing leaves anything to be desired, and the log says:\n%s", log)
					}
				})
			}
		}
	}
}

// paged opens the address with and without a slash at its end, both of which lead to the
// only task's page: the addresses in it are relative.
func paged(t *testing.T, public string) {
	t.Helper()
	for _, address := range []string{public, public + "/"} {
		r, err := http.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r.Body)
		r.Body.Close()
		if at := r.Request.URL.String(); err != nil || !strings.HasPrefix(string(b), "<!doctype html>") || at != public+"/t/crowd" {
			t.Errorf("%s leads to %s: %s, %.40q, want the page", address, at, r.Status, b)
		}
	}
}

// nginx sends plain HTTP to https.
func TestProxyRedirects(t *testing.T) {
	port := freePort(t)
	c := serve(t, crowd)
	proxies[0].run(t, c, port)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := client.Get(fmt.Sprintf("http://127.0.0.2:%d/lab/?a=b", port))
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if got := r.Header.Get("Location"); r.StatusCode != http.StatusMovedPermanently || got != "https://127.0.0.2/lab/?a=b" {
		t.Errorf("%s to %q, want 301 to https://127.0.0.2/lab/?a=b", r.Status, got)
	}
}

// streamed reads the first event of a stream that goes on: nothing buffers it.
func streamed(t *testing.T, public string) {
	t.Helper()
	r, err := http.Get(public + "/api/tasks/crowd/events")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	stop := time.AfterFunc(patience, func() { r.Body.Close() })
	defer stop.Stop()
	if line, err := bufio.NewReader(r.Body).ReadString('\n'); line != "event: state\n" {
		t.Errorf("an event stream begins with %q (%v), status %s, want event: state", line, err, r.Status)
	}
}

// A proxy keeps an idle socket longer than the coordinator's pings take, with room for
// one that is lost.
func TestProxyTimeouts(t *testing.T) {
	config, err := os.ReadFile("../docs/operating/nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`proxy_(?:read|send)_timeout (\d+)s;`).FindAllSubmatch(config, -1)
	if len(found) != 2 {
		t.Fatalf("%d time limits, want those of reading and of sending", len(found))
	}
	for _, m := range found {
		s, err := strconv.Atoi(string(m[1]))
		if limit := time.Duration(s) * time.Second; err != nil || limit < 3*protocol.PingInterval {
			t.Errorf("%s (%v), want at least %v", m[0], err, 3*protocol.PingInterval)
		}
	}
}

// docs/operating.md shows the files of its folder, and with them the configurations that
// the tests run, and what to change in them for a prefix. It links pages and those files that
// Prometheus and Grafana read. The folder cluster has tests of its own.
func TestProxiesDocumented(t *testing.T) {
	b, err := os.ReadFile("../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	files, err := os.ReadDir("../docs/operating")
	if err != nil || len(files) < len(proxies) {
		t.Fatalf("docs/operating: %d files (%v), want those of the page", len(files), err)
	}
	for _, f := range files {
		if f.IsDir() {
			continue
		}
		text, err := os.ReadFile(filepath.Join("..", "docs", "operating", f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		switch filepath.Ext(f.Name()) {
		case ".json", ".yaml", ".md":
			if !strings.Contains(page, "(operating/"+f.Name()+")") {
				t.Errorf("docs/operating.md does not link docs/operating/%s", f.Name())
			}
		default:
			if !strings.Contains(page, string(text)) {
				t.Errorf("docs/operating.md does not show docs/operating/%s as it is", f.Name())
			}
		}
	}
	for _, p := range proxies {
		for _, text := range []string{p.plain[1], p.strip[1]} {
			for line := range strings.SplitSeq(text, "\n") {
				if line = strings.TrimSpace(line); !strings.Contains(page, line) {
					t.Errorf("docs/operating.md does not show %q for %s", line, p.name)
				}
			}
		}
	}
}

// A tab trains through each proxy under a prefix, and its page is as ever.
func TestTabBehindProxy(t *testing.T) {
	for _, p := range proxies {
		t.Run(p.name, func(t *testing.T) {
			port := freePort(t)
			public := fmt.Sprintf("http://127.0.0.1:%d/lab", port)
			c := serve(t, digits("hidden: [200, 200]", "hidden: [16]", "rounds: 15", "rounds: 2"), "--public-url", public)
			p.run(t, c, port, append(p.plain[:2:2], p.strip[:]...)...)
			b := open(t, public+"/")
			b.join()
			await(t, "the tab has trained to the end", func() bool { return b.state("connection") == "finished" })
			await(t, "the page has heard of it", func() bool {
				v, ok := b.value("round")
				return ok && v == 2
			})
		})
	}
}

// A tab that is turned away behind a proxy says why, in place of "Connection lost", and
// what can be done; the log says in one sentence what to change.
func TestTabTurnedAway(t *testing.T) {
	for _, p := range proxies {
		for _, test := range []struct {
			name, words, aside, log string
			public                  bool
			flags                   []string
		}{
			{"an unknown name", "The coordinator does not know the address of this page", "start the coordinator with --public-url", "start the coordinator with --public-url", false, nil},
			{"a proxy that is not trusted", "The coordinator has no room for more behind one proxy", "start the coordinator with --trusted-proxies",
				"the participants behind a proxy count as one address: start the coordinator with --trusted-proxies and the proxy's address", true, []string{"--trusted-proxies", ""}},
			{"many of one address", "Too many connections from your address", "If many people share your network, tell the organiser",
				"too many connections from your address: close some of them, or try again later; if it is the address of many participants, start the coordinator with a larger --per-address", true, []string{"--count-loopback"}},
		} {
			t.Run(p.name+", "+test.name, func(t *testing.T) {
				port := freePort(t)
				public := fmt.Sprintf("http://127.0.0.1:%d", port)
				flags := test.flags
				if test.public {
					flags = append(flags[:len(flags):len(flags)], "--public-url", public)
				}
				c := serve(t, digits("min_clients: 1", "min_clients: 2"), flags...)
				p.run(t, c, port, p.host[:]...)
				if test.public {
					fill(t, public)
				}
				b := blank(t, browser(t), public+"/")
				b.offline = true // the browser tells the console of the handshake, and of what it preloads with an origin
				if err := chromedp.Do(b.ctx, chromedp.Navigate(public+"/")); err != nil {
					t.Fatal(err)
				}
				b.press("join")
				await(t, "the page says why", func() bool { return strings.HasPrefix(b.text("state"), test.words) })
				await(t, "the page says what to do", func() bool {
					return strings.Contains(js[string](b, "document.querySelector('.aside').textContent"), test.aside)
				})
				if log := c.log.String(); !strings.Contains(log, test.log) {
					t.Errorf("the log does not say %q", test.log)
				}
			})
		}
	}
}

// A page whose stream of events is refused says why, and goes on when there is room.
func TestStreamTurnedAway(t *testing.T) {
	const streams = 4
	c := serve(t, digits(), "--count-loopback", "--per-address", strconv.Itoa(streams))
	var held []io.Closer
	for range streams {
		r, err := http.Get(c.url() + "api/tasks/digits/events")
		if err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("a stream of events: %v, %v", r, err)
		}
		defer r.Body.Close()
		held = append(held, r.Body)
	}
	b := open(t, c.url())
	b.offline = true // the browser tells the console of the stream
	await(t, "the page says why", func() bool {
		return b.text("state") == "Too many connections from your address, trying again"
	})
	for _, stream := range held {
		stream.Close()
	}
	await(t, "the page is ready", func() bool { return strings.HasSuffix(b.text("state"), "join to start the training") })
}

// fill has as many participants join as one address may have.
func fill(t *testing.T, public string) {
	t.Helper()
	behind := &coordinator{addr: strings.TrimPrefix(public, "http://")}
	for range protocol.MaxPerAddress {
		(&peer{t: t, c: behind}).connect()
	}
}

// A page that came over a network without encryption says so before the tab joins, and
// lacks nothing that training needs.
func TestTabWithoutTLS(t *testing.T) {
	p, port := &proxies[0], freePort(t)
	public := fmt.Sprintf("http://study.example:%d", port)
	c := serve(t, digits("hidden: [200, 200]", "hidden: [16]", "rounds: 15", "rounds: 2"), "--public-url", public)
	p.run(t, c, port)
	warned := func(b *tab) bool {
		return js[bool](b, "!document.getElementById('plain').hidden && document.getElementById('plain').textContent.includes('not encrypted')")
	}
	local := open(t, c.url())
	await(t, "the page is ready", func() bool { return js[bool](local, "!(document.getElementById('join')?.disabled ?? true)") })
	if warned(local) {
		t.Error("the page warns on localhost, where nothing leaves the machine")
	}
	b := open(t, public+"/")
	await(t, "the page warns", func() bool { return js[bool](b, "!(document.getElementById('join')?.disabled ?? true)") && warned(b) })
	if js[bool](b, "isSecureContext") {
		t.Fatal("the browser takes the page for secure: the test shows nothing")
	}
	b.join()
	await(t, "the tab has trained to the end", func() bool { return b.state("connection") == "finished" })
}
