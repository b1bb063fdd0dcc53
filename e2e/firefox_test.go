package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// firefox is a headless Firefox ESR, driven through WebDriver BiDi
// (https://w3c.github.io/webdriver-bidi/).
type firefox struct {
	t    *testing.T
	conn *websocket.Conn
	id   int
	page string // its browsing context

	group int // of its processes
}

func startFirefox(t *testing.T) *firefox {
	t.Helper()
	path, err := exec.LookPath("firefox-esr")
	if err != nil {
		t.Fatal("no firefox-esr: run make browsers")
	}
	home := t.TempDir()
	cmd := exec.Command(path, "--headless", "--no-remote", "--profile", home, "--remote-debugging-port", "0")
	cmd.Env = append(os.Environ(), "HOME="+home, "MOZ_CRASHREPORTER_DISABLE=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // its content processes end with it
	endWithTest(cmd)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); cmd.Wait() })
	address := make(chan string, 1)
	go func() {
		for s := bufio.NewScanner(stderr); s.Scan(); { // to the end, so that the pipe never fills
			if _, ws, ok := strings.Cut(s.Text(), "WebDriver BiDi listening on "); ok {
				address <- ws
			}
		}
	}()
	f := &firefox{t: t, group: cmd.Process.Pid}
	select {
	case ws := <-address:
		if f.conn, _, err = websocket.DefaultDialer.Dial(ws+"/session", nil); err != nil {
			t.Fatal(err)
		}
	case <-time.After(patience):
		t.Fatal("Firefox does not listen")
	}
	t.Cleanup(func() { f.conn.Close() })
	f.call("session.new", `{"capabilities": {}}`, nil)
	var tree struct{ Contexts []struct{ Context string } }
	f.call("browsingContext.getTree", `{}`, &tree)
	f.page = tree.Contexts[0].Context
	return f
}

// call sends a command and waits for its result.
func (f *firefox) call(method, params string, result any) {
	f.t.Helper()
	f.id++
	command := fmt.Sprintf(`{"id": %d, "method": %q, "params": %s}`, f.id, method, params)
	if err := f.conn.WriteMessage(websocket.TextMessage, []byte(command)); err != nil {
		f.t.Fatal(err)
	}
	f.conn.SetReadDeadline(time.Now().Add(patience))
	for {
		var answer struct {
			ID             int
			Error, Message string
			Result         json.RawMessage
		}
		if err := f.conn.ReadJSON(&answer); err != nil {
			f.t.Fatalf("%s: %v", method, err)
		}
		if answer.ID != f.id {
			continue // an event
		}
		if answer.Error != "" {
			f.t.Fatalf("%s: %s: %s", method, answer.Error, answer.Message)
		}
		if result != nil {
			if err := json.Unmarshal(answer.Result, result); err != nil {
				f.t.Fatal(err)
			}
		}
		return
	}
}

// js evaluates an expression that gives a string.
func (f *firefox) js(expression string) string {
	f.t.Helper()
	var r struct {
		Type   string
		Result struct{ Value string }
	}
	f.call("script.evaluate", fmt.Sprintf(`{"expression": %q, "target": {"context": %q}, "awaitPromise": false}`, expression, f.page), &r)
	if r.Type != "success" {
		f.t.Fatalf("%s: %s", expression, r.Type)
	}
	return r.Result.Value
}

// promise waits for the string that an expression promises.
func (f *firefox) promise(expression string) string {
	f.t.Helper()
	params, err := json.Marshal(map[string]any{"expression": expression, "target": map[string]any{"context": f.page}, "awaitPromise": true})
	if err != nil {
		f.t.Fatal(err)
	}
	var r struct {
		Type             string
		Result           struct{ Value string }
		ExceptionDetails struct{ Text string }
	}
	f.call("script.evaluate", string(params), &r)
	if r.Type != "success" {
		f.t.Fatalf("%s: %s %s", expression, r.Type, r.ExceptionDetails.Text)
	}
	return r.Result.Value
}

// to shows a page, once all of it is loaded.
func (f *firefox) to(address string) {
	f.t.Helper()
	f.call("browsingContext.navigate", fmt.Sprintf(`{"context": %q, "url": %q, "wait": "complete"}`, f.page, address), nil)
}

// is waits until an expression is true.
func (f *firefox) is(what, expression string) {
	f.t.Helper()
	await(f.t, what, func() bool { return f.js("String(Boolean("+expression+"))") == "true" })
}

func (f *firefox) shows(words string) {
	f.t.Helper()
	f.is("the page shows "+words, fmt.Sprintf("document.body?.innerText.includes(%q)", words))
}

// press presses a button once that is possible.
func (f *firefox) press(id string) {
	f.t.Helper()
	f.is("the button "+id+" can be pressed", fmt.Sprintf("(() => { const e = document.getElementById(%q); if (!e || e.disabled || e.offsetParent === null) return false; e.click(); return true })()", id))
}

// stands waits until the tab says of itself that it stands so: its connection or its
// activity.
func (f *firefox) stands(what, state string) {
	f.t.Helper()
	f.is("the "+what+" is "+state, fmt.Sprintf("document.getElementById('state')?.dataset.%s === %q", what, state))
}

// Firefox trains too, at a speed that only SIMD gives.
func TestFirefox(t *testing.T) {
	c := serve(t, digits("rounds: 15", "rounds: 2"))
	f := startFirefox(t)
	f.call("script.addPreloadScript", `{"functionDeclaration": "() => { window.violations = []; document.addEventListener('securitypolicyviolation', e => window.violations.push(e.violatedDirective + ' ' + e.blockedURI)) }"}`, nil)
	f.call("browsingContext.navigate", fmt.Sprintf(`{"context": %q, "url": %q, "wait": "complete"}`, f.page, c.url()), nil)
	await(t, "the button can be pressed", func() bool {
		return f.js(`(() => { const e = document.getElementById('join'); if (!e || e.disabled || e.hidden) return ''; e.click(); return 'yes' })()`) == "yes"
	})
	await(t, "the run is finished", func() bool { return c.state("digits").Phase == "finished" })
	s := c.state("digits")
	await(t, "the page says so", func() bool {
		return f.js("document.getElementById('state').dataset.connection ?? ''") == "finished"
	})
	var got string
	await(t, "the page shows the coordinator's accuracy", func() bool {
		got = f.js("document.getElementById('test-accuracy').dataset.value")
		return got == fmt.Sprint(*s.TestAccuracy)
	})
	if *s.TestAccuracy < .9 {
		t.Errorf("test accuracy %s, want at least .9", got)
	}
	if got := f.js("JSON.stringify(window.violations)"); got != "[]" {
		t.Errorf("the page breaks its Content-Security-Policy: %s", got)
	}
	t.Logf("%s examples/s, %s, test accuracy %s", f.js("document.getElementById('rate').dataset.value"),
		f.js("document.getElementById('kernel').dataset.value"), got)
}
