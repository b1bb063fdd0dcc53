package module

import (
	"bytes"
	"os"
	"regexp"
	"testing"
)

// maxSize bounds a module, in bytes.
const maxSize = 32 << 10

// Both modules are small, the same at every build, and have what package kernel imports.
// That browsers can run them, and what their functions give, is tested there (package e2e,
// TestKernelsInBrowsers).
func TestBytes(t *testing.T) {
	source, err := os.ReadFile("../module_wasm.go")
	if err != nil {
		t.Fatal(err)
	}
	imports := regexp.MustCompile(`//go:wasmimport kernel (\w+)`).FindAllSubmatch(source, -1)
	if len(imports) < 10 {
		t.Fatalf("%d imports, want those of package kernel", len(imports))
	}
	for _, relaxed := range []bool{false, true} {
		b := Bytes(relaxed)
		if len(b) > maxSize {
			t.Errorf("relaxed %v: %d bytes, want at most %d", relaxed, len(b), maxSize)
		}
		if !bytes.Equal(b, Bytes(relaxed)) {
			t.Errorf("relaxed %v: other bytes the second time", relaxed)
		}
		for _, name := range imports {
			exported := append([]byte{byte(len(name[1]))}, name[1]...)
			if !bytes.Contains(b, append(exported, 0)) { // kind 0: a function
				t.Errorf("relaxed %v: no function %s", relaxed, name[1])
			}
		}
	}
	if bytes.Equal(Bytes(false), Bytes(true)) {
		t.Error("both modules are the same")
	}
}
