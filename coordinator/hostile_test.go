package main

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// hostileLine is a line of the suite: verdict, name, costs and bounds.
var hostileLine = regexp.MustCompile(`^(ok  |FAIL|skip) (\S+/\S+) .+$`)

// TestHostile attacks coordinators as a user would: every case of the suite holds its
// bounds.
func TestHostile(t *testing.T) {
	args := []string{"hostile"}
	if !testing.Short() {
		args = append(args, "--long")
	}
	c := coordinator(t, args...)
	var out bytes.Buffer
	c.Stdout = io.MultiWriter(&out, t.Output())
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	var err error
	select {
	case err = <-ended:
	case <-t.Context().Done():
		c.Process.Signal(syscall.SIGTERM) // it ends its coordinators
		err = <-ended
	}
	run, last := 0, ""
	for line := range strings.Lines(out.String()) {
		last = strings.TrimRight(line, "\n")
		switch m := hostileLine.FindStringSubmatch(last); {
		case m == nil:
		case m[1] == "FAIL":
			t.Error(last)
			run++
		case m[1] == "ok  ":
			run++
		}
	}
	if err != nil && !t.Failed() {
		t.Errorf("the suite: %v", err)
	}
	if !strings.HasPrefix(last, "hostile: ") || run < 60 {
		t.Errorf("%d cases run, and the last line is %q, want at least 60 and a count", run, last)
	}
}

// A coordinator that is running is attacked by what it allows, and told apart from
// those of others.
func TestHostileURL(t *testing.T) {
	s := serveTest(t, Config{Tasks: []string{smallTask(t, "rounds: 3", "rounds: 100000", "lr: 0.1", "lr: 0.1, deadline: 1s")}})
	hostile := func(args ...string) (code int, out, errs string) {
		var o, e strings.Builder
		code = Main(t.Context(), append([]string{"hostile"}, args...), &o, &e)
		return code, o.String(), e.String()
	}
	code, out, errs := hostile("--url", s.socket(), "--only", "^breach/(garbage|text)$|^poison/all-zero$|^resource/64-handshakes")
	for _, want := range []string{
		"ok   breach/garbage closed", "ok   breach/text closed", "ok   honest/beside-plain honest rounds",
		"skip poison/all-zero needs a run of its own", "skip resource/64-handshakes-without-hello needs the coordinator's process", "hostile: 5 cases, 0 failed",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("exit code %d, no line %q in:\n%s%s", code, want, out, errs)
		}
	}
	if code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	code, out, errs = hostile("--url", strings.TrimSuffix(s.socket(), "ws")+"nothing")
	if want := "--url: cannot connect: ws://" + s.Addr() + "/nothing: 404 Not Found"; code != 1 || !strings.Contains(errs, want) || out != "" {
		t.Errorf("no WebSocket: exit code %d, %q and output %q, want 1, %q and none", code, errs, out, want)
	}
	for _, test := range []struct{ name, url, want string }{
		{"another machine", "wss://example.com/ws", "want --i-own-this-server"},
		{"no WebSocket", "http://127.0.0.1:1/ws", "want ws://HOST:PORT/ws"},
	} {
		if code, _, errs := hostile("--url", test.url); code != 2 || !strings.Contains(errs, test.want) {
			t.Errorf("%s: exit code %d, %s, want 2 and %q", test.name, code, errs, test.want)
		}
	}
	if code, _, errs := hostile("--only", "("); code != 2 || !strings.Contains(errs, "--only") {
		t.Errorf("a broken expression: exit code %d, %s, want 2", code, errs)
	}
	if code, _, errs := hostile("--only", "^nosuch/case$"); code != 2 || !strings.Contains(errs, "no case has a name that matches") {
		t.Errorf("an expression that no name matches: exit code %d, %s, want 2", code, errs)
	}
	if code, out, _ := hostile("--list"); code != 0 || strings.Count(out, "\n") < 100 {
		t.Errorf("--list: exit code %d, %d lines, want every case", code, strings.Count(out, "\n"))
	}
}
