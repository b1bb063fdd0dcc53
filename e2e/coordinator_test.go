// Package e2e tests the coordinator's binary with browsers: Chromium through the
// DevTools protocol, Firefox through WebDriver BiDi. `make test` runs it; `make e2e`
// runs it alone.
package e2e

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fedtab/static"
)

var screenshots = flag.String("screenshots", "", "write pictures of the page to this `folder`")

// binary is the coordinator, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(func() int {
		if _, err := static.Packed(); err != nil {
			fmt.Fprintf(os.Stderr, "e2e: %v: run make build first\n", err)
			return 1
		}
		dir, err := os.MkdirTemp("", "fedtab-e2e-")
		if err != nil {
			fmt.Fprintln(os.Stderr, "e2e:", err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "coordinator")
		build := exec.Command("go", "build", "-o", binary, "../coordinator")
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "e2e: cannot build the coordinator:", err)
			return 1
		}
		defer closeBrowser()
		return m.Run()
	}())
}

// coordinator is a running coordinator.
type coordinator struct {
	t    *testing.T
	addr string
	args []string
	cmd  *exec.Cmd
	dead chan struct{} // closed when the process has ended
	log  lines
	said lines // on standard output, after its first line
}

// lines records the output of a process, for the message of a failed test.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// serve starts a coordinator with one task, which is a file's text, and more flags.
func serve(t *testing.T, task string, flags ...string) *coordinator {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "task.yaml")
	if err := os.WriteFile(file, []byte(task), 0o644); err != nil {
		t.Fatal(err)
	}
	c := &coordinator{t: t, addr: "127.0.0.1:0", args: append([]string{"--data", filepath.Join(dir, "data"), "--task", file}, flags...)}
	c.start()
	t.Cleanup(func() {
		c.stop(syscall.SIGTERM)
		if t.Failed() {
			t.Log("the coordinator's log:\n" + c.log.String())
		}
	})
	return c
}

func (c *coordinator) start() {
	c.t.Helper()
	c.cmd = exec.Command(binary, append([]string{"serve", "--addr", c.addr}, c.args...)...)
	c.cmd.Stderr = &c.log
	endWithTest(c.cmd)
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	said := bufio.NewReader(out)
	line, err := said.ReadString('\n')
	_, at, _ := strings.Cut(line, "://")
	if _, err := fmt.Sscanf(at, "%s", &c.addr); err != nil {
		c.cmd.Wait()
		c.t.Fatalf("the coordinator said %q: %s", line, c.log.String())
	}
	if err != nil {
		c.t.Fatal(err)
	}
	c.dead = make(chan struct{})
	go func() {
		io.Copy(&c.said, said) // until the process has ended
		c.cmd.Wait()
		close(c.dead)
	}()
}

func (c *coordinator) stop(s os.Signal) {
	c.cmd.Process.Signal(s)
	select {
	case <-c.dead:
	case <-time.After(patience):
		c.cmd.Process.Kill()
		<-c.dead
		c.t.Errorf("the coordinator has not ended %v after %v", patience, s)
	}
}

// dir returns the folder of the coordinator's database.
func (c *coordinator) dir() string { return c.args[1] }

func (c *coordinator) url() string { return "http://" + c.addr + "/" }

// state is the response of GET /api/tasks/{name}.
type state struct {
	Run, Phase, Finished string
	Round, Version       uint64
	Participants         int
	Evaluated            uint64
	TestLoss             *float64 `json:"test_loss"`
	TestAccuracy         *float64 `json:"test_accuracy"`
	Stop                 struct{ Rounds int }
	Packing              struct{ Bits float64 }
	BytesUp              int64    `json:"bytes_up"`
	BytesDown            int64    `json:"bytes_down"`
	BitsUp               *float64 `json:"bits_up"`
	BitsDown             *float64 `json:"bits_down"`
	RawRatio             *float64 `json:"raw_ratio"`
	Rounds               []struct {
		Round        uint64
		Participants int
		Seconds      float64
		TestAccuracy *float64 `json:"test_accuracy"`
	}
}

func (c *coordinator) state(name string) state {
	c.t.Helper()
	r, err := http.Get(c.url() + "api/tasks/" + name + "?limit=1000")
	if err != nil {
		c.t.Fatal(err)
	}
	defer r.Body.Close()
	var s state
	if err := json.NewDecoder(r.Body).Decode(&s); err != nil {
		c.t.Fatal(err)
	}
	return s
}

// patience is how long a condition may take to hold. No test asserts how fast
// something is: the machine may have other work.
const patience = 5 * time.Minute

// await polls until a condition holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
		<-tick.C
	}
}

// digits is the task that ships, edited.
func digits(edit ...string) string {
	return strings.NewReplacer(edit...).Replace(`name: digits
title: Handwritten digits
model: {kind: mlp, hidden: [200, 200]}
data: {source: mnist, partition: {kind: iid, clients: 100}}
strategy: {kind: fedavg, fraction: 0.1, epochs: 1, batch: 10, lr: 0.1, min_clients: 1}
stop: {rounds: 15}
seed: 1
`)
}

// order runs a command on the coordinator's data.
func (c *coordinator) order(args ...string) string {
	c.t.Helper()
	out, err := exec.Command(binary, append(args, "--data", c.dir())...).CombinedOutput()
	if err != nil {
		c.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}
