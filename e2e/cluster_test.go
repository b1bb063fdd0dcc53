package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// The load balancer of docs/operating/cluster spreads requests over the nodes, says for whom it
// asks, passes on WebSockets, and does without a node that is gone.
func TestClusterBalancer(t *testing.T) {
	var nodes []*httptest.Server
	var addresses []string
	for _, name := range []string{"one", "two"} {
		node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/ws" {
				fmt.Fprint(w, name, " ", r.Host, " ", r.Header["X-Forwarded-For"], r.Header["X-Real-Ip"], r.Header["Forwarded"])
				return
			}
			conn, err := new(websocket.Upgrader).Upgrade(w, r, nil)
			if err != nil {
				return
			}
			defer conn.Close()
			conn.WriteMessage(websocket.BinaryMessage, []byte(name))
			conn.ReadMessage()
		}))
		t.Cleanup(node.Close)
		nodes = append(nodes, node)
		addresses = append(addresses, node.Listener.Addr().String())
	}
	address := startBalancer(t, addresses)

	ask := func() string {
		r, err := http.NewRequest("GET", "http://"+address+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Real-IP", "192.0.2.1")
		r.Header.Set("X-Forwarded-For", "192.0.2.1")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		b, _ := io.ReadAll(answer.Body)
		name, rest, _ := strings.Cut(string(b), " ")
		if want := address + " [127.0.0.1] [] []"; rest != want {
			t.Fatalf("a node gets %q, want %q", rest, want)
		}
		return name
	}
	seen := map[string]int{}
	for range 20 {
		seen[ask()]++
	}
	if len(seen) != 2 {
		t.Errorf("20 requests went to %v, want both nodes", seen)
	}
	sockets := map[string]int{}
	for range 4 {
		conn, _, err := websocket.DefaultDialer.Dial("ws://"+address+"/ws", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, name, err := conn.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		sockets[string(name)]++
	}
	if sockets["one"] != 2 || sockets["two"] != 2 {
		t.Errorf("4 sockets went to %v, want 2 to each node", sockets)
	}
	nodes[0].Listener.Close()
	nodes[0].CloseClientConnections()
	for range 10 {
		if name := ask(); name != "two" {
			t.Fatalf("%q answers, want the node that is left", name)
		}
	}
}

// startBalancer starts nginx with the cluster's configuration, and returns its address.
func startBalancer(t *testing.T, nodes []string) string {
	t.Helper()
	text, err := os.ReadFile("../docs/operating/cluster/nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	dir := t.TempDir()
	paths := "access_log off;"
	for _, p := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		paths += fmt.Sprintf("\n\t%s_temp_path %s;", p, p)
	}
	config := edit(t, string(text), "listen 80;", "listen "+address+";", "access_log off;", paths,
		"server coordinator-1:8080 ", "server "+nodes[0]+" ", "server coordinator-2:8080 ", "server "+nodes[1]+" ", "16384;", "1024;")
	user := ""
	if os.Getuid() == 0 {
		user = "user root;\n"
	}
	file := filepath.Join(dir, "nginx.conf")
	write(t, file, user+"daemon off;\npid nginx.pid;\nworker_processes 1;\n"+config)
	c := exec.Command(program(t, "nginx"), "-p", dir, "-c", file, "-e", "stderr")
	var log lines
	c.Stderr = &log
	endWithTest(c)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Signal(syscall.SIGTERM); c.Wait() }) // a worker outlives a kill
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return address
		}
		if time.Now().After(deadline) {
			t.Fatalf("nginx does not listen: %s", log.String())
		}
	}
}
