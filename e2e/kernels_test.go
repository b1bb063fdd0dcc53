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

	"fedtab/learn/kernel/module"
)

// kernelPage runs a Go test binary in a page.
const kernelPage = `<!doctype html><title>tests</title><link rel="icon" href="data:,">
<script src="wasm_exec.js"></script><script src="kernel.js"></script><script src="crypto.js"></script><script src="run.js"></script>`

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
const compile = (name) => WebAssembly.compileStreaming(fetch(name));
const vectors = new URLSearchParams(location.search).get("kernel");
Promise.all([compile("test.wasm"), vectors ? compile(vectors) : undefined])
	.then(([program, kernel]) => fedtabInstantiate(program, go.importObject, kernel)).then((instance) => go.run(instance));
`

// kernels are the modules that tests in a page can have.
var kernels = map[string]bool{"kernel.wasm": true, "kernel-simd128.wasm": false} // relaxed?

// testPages serves a page that runs the tests of a package. It takes a kernel as ?kernel=,
// none without, and the begin of the tests' names behind Test as its fragment.
func testPages(t *testing.T, pkg string) (url string) {
	t.Helper()
	dir := t.TempDir()
	build := exec.Command("go", "test", "-c", "-o", filepath.Join(dir, "test.wasm"), pkg)
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "GOEXPERIMENT=nosimd")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"index.html": []byte(kernelPage), "run.js": []byte(kernelScript)}
	for name, path := range map[string]string{
		"wasm_exec.js": filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec.js"),
		"kernel.js":    filepath.Join("..", "static", "kernel.js"),
		"crypto.js":    filepath.Join("..", "static", "crypto.js"),
	} {
		if files[name], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	for name, relaxed := range kernels {
		files[name] = module.Bytes(relaxed)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s.URL + "/"
}

// testsInChromium runs tests at an address of testPages, and returns what they print.
func testsInChromium(t *testing.T, url string) string {
	t.Helper()
	b := open(t, url)
	await(t, "the tests have ended", func() bool { return js[bool](b, "window.exitCode !== undefined") })
	output := js[string](b, "window.output")
	if js[int](b, "window.exitCode") != 0 {
		t.Fatal(output)
	}
	return output
}

// testsInFirefox is testsInChromium for Firefox.
func testsInFirefox(t *testing.T, url string) string {
	t.Helper()
	f := startFirefox(t)
	f.to(url)
	f.is("the tests have ended", "window.exitCode !== undefined")
	output := f.js("window.output")
	if f.js("String(exitCode)") != "0" {
		t.Fatal(output)
	}
	return output
}

// The kernels' property tests pass in both browsers, on either module and without one.
func TestKernelsInBrowsers(t *testing.T) {
	url := testPages(t, "../learn/kernel")
	for kernel, version := range map[string]string{"kernel.wasm": "wasm-relaxed", "kernel-simd128.wasm": "wasm-simd128", "": "scalar"} {
		check := func(t *testing.T, output string) {
			if !strings.Contains(output, "--- PASS: TestForward/"+version) {
				t.Error(output)
			}
			t.Logf("%s: %d tests passed", version, strings.Count(output, "--- PASS"))
		}
		t.Run("Chromium, "+version, func(t *testing.T) { check(t, testsInChromium(t, url+"?kernel="+kernel)) })
		t.Run("Firefox, "+version, func(t *testing.T) { check(t, testsInFirefox(t, url+"?kernel="+kernel)) })
	}
}

// The codecs pass their tests in the browser too, those that need no file and
// little time.
func TestCodecsInChromium(t *testing.T) {
	output := testsInChromium(t, testPages(t, "../compress")+"?kernel=kernel.wasm#(Feedback|Float32|Golomb|GridDamage|GridExtremes|GridRefuses|GridVersions|Halves|Noise|Rated|Steady|Stream)")
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
	output := testsInChromium(t, testPages(t, "../compress")+"?kernel=kernel.wasm#Speed$")
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

// What packing and the loss take of a round's time in a tab (docs/performance.md).
func TestShareSpeed(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures: make measure")
	}
	output := testsInChromium(t, testPages(t, "../compress")+"?kernel=kernel.wasm#ShareSpeed$")
	_, shares, found := strings.Cut(output, "a round: ")
	if !found {
		t.Fatal(output)
	}
	shares, _, _ = strings.Cut(shares, "\n")
	t.Log(shares)
}
