package e2e

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// kernelPage runs a test binary of Go's as a program of its own.
const kernelPage = `<!doctype html><title>tests</title><link rel="icon" href="data:,">
<script src="wasm_exec.js"></script><script src="run.js"></script>`

const kernelScript = `
window.output = '';
const decoder = new TextDecoder();
globalThis.fs.writeSync = (fd, bytes) => { window.output += decoder.decode(bytes); return bytes.length };
const go = new Go();
go.argv = ['test', '-test.v', '-test.run=^Test']; // examples need a file system
go.exit = code => { window.exitCode = code; go._resume = () => {} }; // a timer may be left over
WebAssembly.instantiateStreaming(fetch('test.wasm'), go.importObject).then(r => go.run(r.instance));
`

// The property tests of the loops that training rests on pass in the browser,
// where they run on WebAssembly SIMD.
func TestKernelsInChromium(t *testing.T) {
	dir := t.TempDir()
	build := exec.Command("go", "test", "-c", "-o", filepath.Join(dir, "test.wasm"), "../learn/kernel")
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"index.html": kernelPage, "run.js": kernelScript} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	glue, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec.js"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "wasm_exec.js"), glue, 0o644); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	b := open(t, s.URL+"/")
	await(t, 2*time.Minute, "the tests have ended", func() bool { return js[bool](b, "window.exitCode !== undefined") })
	output := js[string](b, "window.output")
	if js[int](b, "window.exitCode") != 0 || !strings.Contains(output, "--- PASS: TestForward ") {
		t.Error(output)
	}
	t.Logf("%d tests passed", strings.Count(output, "--- PASS"))
}
