package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// kernelPage runs a Go test binary in a page.
const kernelPage = `<!doctype html><title>tests</title><link rel="icon" href="data:,">
<script src="wasm_exec.js"></script><script src="run.js"></script>`

const kernelScript = `
window.output = '';
const decoder = new TextDecoder();
globalThis.fs.writeSync = (fd, bytes) => { window.output += decoder.decode(bytes); return bytes.length };
const go = new Go();
go.argv = ['test', '-test.v', '-test.run=^Test' + location.hash.slice(1)]; // examples need a file system
go.exit = code => { // timers that Go has left behind would wake what is no more
	for (const id of go._scheduledTimeouts.values()) clearTimeout(id);
	window.exitCode = code;
};
WebAssembly.instantiateStreaming(fetch('test.wasm'), go.importObject).then(r => go.run(r.instance));
`

// testsInChromium runs the tests of a package whose names begin with Test and a
// text, in a page, and returns what they print.
func testsInChromium(t *testing.T, pkg, begin string) string {
	t.Helper()
	dir := t.TempDir()
	build := exec.Command("go", "test", "-c", "-o", filepath.Join(dir, "test.wasm"), pkg)
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
	b := open(t, s.URL+"/#"+begin)
	await(t, "the tests have ended", func() bool { return js[bool](b, "window.exitCode !== undefined") })
	output := js[string](b, "window.output")
	if js[int](b, "window.exitCode") != 0 {
		t.Fatal(output)
	}
	return output
}

// The kernels' property tests pass in the browser, on WebAssembly SIMD.
func TestKernelsInChromium(t *testing.T) {
	output := testsInChromium(t, "../learn/kernel", "")
	if !strings.Contains(output, "--- PASS: TestForward ") {
		t.Error(output)
	}
	t.Logf("%d tests passed", strings.Count(output, "--- PASS"))
}

// The codecs pass their tests in the browser too, those that need no file and
// little time.
func TestCodecsInChromium(t *testing.T) {
	output := testsInChromium(t, "../compress", "(Feedback|Float32|Golomb|GridDamage|GridExtremes|GridRefuses|GridVersions|Halves|Noise|Rated|Steady|Stream)")
	if !strings.Contains(output, "--- PASS: TestRatedProperties ") {
		t.Error(output)
	}
	t.Logf("%d tests passed", strings.Count(output, "--- PASS"))
}

// A tab packs and unpacks at 1 bit in milliseconds: 40 million parameters a second
// and more, on a machine to itself.
func TestCodecSpeed(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures: make measure")
	}
	const goal = 40 // million parameters a second
	output := testsInChromium(t, "../compress", "Speed$")
	for _, codec := range []string{"deadzone", "dither"} {
		_, figures, found := strings.Cut(output, codec+": ")
		figures, _, _ = strings.Cut(figures, "\n")
		var encode, decode, add float64
		if _, err := fmt.Sscanf(figures, "encode %f, decode %f, add %f Mparam/s", &encode, &decode, &add); !found || err != nil {
			t.Fatalf("%v: %s", err, output)
		}
		t.Logf("%s: %s", codec, figures)
		if codec == "deadzone" {
			t.Logf("the slower of the two does %.0f million parameters a second; the goal, on a quiet machine, is %d", min(encode, decode), goal)
		}
	}
}
