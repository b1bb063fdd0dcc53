package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fedtab/static/manifest"
)

func names(files map[string]string) *namer {
	n := &namer{content: map[string][]byte{}, names: map[string]string{}}
	for name, content := range files {
		n.content[name] = []byte(content)
	}
	return n
}

func TestReferencesAreReplaced(t *testing.T) {
	files := map[string]string{
		"index.html": `<script src="asset:boot.js"></script>`,
		"boot.js":    `fetch("asset:ui.wasm"); new Worker("asset:worker.js")`,
		"worker.js":  `fetch("asset:ui.wasm")`,
		"ui.wasm":    "\x00asm asset:nothing",
	}
	n := names(files)
	name, err := n.resolve("index.html")
	if err != nil || name != "index.html" {
		t.Fatalf("got %q, %v; index.html keeps its name", name, err)
	}
	ui, boot, worker := n.names["ui.wasm"], n.names["boot.js"], n.names["worker.js"]
	if !strings.HasPrefix(ui, "ui.") || !strings.HasSuffix(ui, ".wasm") || len(ui) != len("ui.12345678.wasm") {
		t.Errorf("ui.wasm is called %q", ui)
	}
	if got, want := string(n.content["index.html"]), `<script src="`+boot+`"></script>`; got != want {
		t.Errorf("index.html is %s, want %s", got, want)
	}
	if got, want := string(n.content["boot.js"]), `fetch("`+ui+`"); new Worker("`+worker+`")`; got != want {
		t.Errorf("boot.js is %s, want %s", got, want)
	}
	if got := string(n.content["ui.wasm"]); got != files["ui.wasm"] {
		t.Errorf("WebAssembly was changed to %q", got)
	}

	// A change deep below changes every name above it.
	files["ui.wasm"] += "!"
	m := names(files)
	if _, err := m.resolve("index.html"); err != nil {
		t.Fatal(err)
	}
	for source := range files {
		if source != "index.html" && m.names[source] == n.names[source] {
			t.Errorf("%s is still called %s", source, m.names[source])
		}
	}
}

// The service worker has the list of what is loaded first, without kernels and what is
// loaded on demand, and keeps its name.
func TestFirstLoad(t *testing.T) {
	n := names(map[string]string{
		"index.html": `asset:host.js`, "app.webmanifest": "{}", "host.js": "1", "keep.js": "2",
		"extra/charts.js": "3", "fedtab.wasm": "4", "extra/readers.wasm": "5", "kernel.wasm": "6", "sw.js": `'asset:first-load'`,
	})
	name, err := n.resolve("sw.js")
	if err != nil || name != "sw.js" {
		t.Fatalf("got %q, %v; sw.js keeps its name", name, err)
	}
	want := `'["` + n.names["fedtab.wasm"] + `","` + n.names["host.js"] + `","` + n.names["keep.js"] + `"]'`
	if got := string(n.content["sw.js"]); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestBadReferences(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"missing": {"index.html": `asset:none.js`},
		"circle":  {"index.html": `asset:a.js`, "a.js": `asset:b.js`, "b.js": `asset:a.js`},
		"itself":  {"index.html": `asset:a.js`, "a.js": `asset:a.js`},
	} {
		if _, err := names(files).resolve("index.html"); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestSecondRunReusesAndClears(t *testing.T) {
	c := config{out: t.TempDir(), fast: true}
	write := func(content string) []manifest.File {
		t.Helper()
		old, err := c.begin()
		if err != nil {
			t.Fatal(err)
		}
		w := &writer{config: c, slots: make(chan struct{}, 1), old: old, files: map[string]manifest.File{}}
		w.add("a.js", hashed("a.js", []byte(content)), []byte(content))
		files, err := w.wait()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.clear(files); err != nil {
			t.Fatal(err)
		}
		if err := c.writeManifest(manifest.Manifest{Inputs: content, Files: files}); err != nil {
			t.Fatal(err)
		}
		return files
	}
	one := write("one")
	if !c.packed("one") || c.packed("two") {
		t.Errorf("packed(one) = %v, packed(two) = %v, want true and false", c.packed("one"), c.packed("two"))
	}

	// What is there is not made again: a mark in it survives.
	path := filepath.Join(c.out, one[0].Name)
	if err := os.WriteFile(path, []byte("eno"), 0o644); err != nil {
		t.Fatal(err)
	}
	write("one")
	if b, _ := os.ReadFile(path); string(b) != "eno" {
		t.Errorf("the file was written again: %q", b)
	}
	// What is damaged is.
	if err := os.WriteFile(path, []byte("short by a few"), 0o644); err != nil {
		t.Fatal(err)
	}
	if c.packed("one") {
		t.Error("a folder with a damaged file counts as packed")
	}
	write("one")
	if b, _ := os.ReadFile(path); string(b) != "one" {
		t.Errorf("the damaged file was left: %q", b)
	}

	// What is compressed fast does for a fast run alone; what is compressed well for
	// both.
	c.fast = false
	if c.packed("one") {
		t.Error("files that were packed with -fast count as packed without it")
	}
	write("one")
	for _, c.fast = range []bool{false, true} {
		if !c.packed("one") {
			t.Errorf("fast %v: what was packed without -fast counts as missing", c.fast)
		}
	}

	write("two")
	if _, err := os.Stat(path); err == nil {
		t.Error("the old file is still there")
	}
	entries, err := os.ReadDir(c.out)
	if err != nil || len(entries) != 5 { // a.js, .gz, .br, the manifest and the folder of what is loaded on demand
		t.Errorf("the folder holds %v, %v, want 4 files and a folder", entries, err)
	}
}

func TestRendererScript(t *testing.T) {
	got, err := rendererScript("x.go", []byte("package x\n\nconst jsHelperScript = \"(function(){\\\"use\\\"})()\"\n"))
	if err != nil || string(got) != `(function(){"use"})()` {
		t.Errorf("got %q, %v", got, err)
	}
	for _, source := range []string{"package x\n", "package x\nconst jsHelperScript = 1\n", "no Go"} {
		if _, err := rendererScript("x.go", []byte(source)); err == nil {
			t.Errorf("%q: no error", source)
		}
	}
}

// A version of Vugu whose script has other places to change is refused.
func TestOtherRendererScript(t *testing.T) {
	if _, err := leaveSame("x.go", []byte(`x.el.innerHTML=e,`)); err == nil {
		t.Error("no error")
	}
}
