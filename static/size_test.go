package static

import (
	"strings"
	"testing"
)

// maxFirstLoad bounds all that a browser loads before a tab trains on public data, in
// bytes of Brotli: the frame, the scripts, the style sheets and the program. What is in
// extra/ is loaded on demand.
const maxFirstLoad = 1_090_000

// maxExtra bounds what is loaded on demand, by source.
var maxExtra = map[string]int{
	"extra/bench.js":          2_500,
	"extra/bring.js":          4_000,
	"extra/charts.js":         2_000,
	"extra/de.lab.txt":        11_000,
	"extra/de.txt":            25_000,
	"extra/lab.css":           2_000,
	"extra/lab.js":            2_500,
	"extra/lab.wasm":          1_235_000,
	"extra/organiser.css":     3_000,
	"extra/organiser.js":      2_500,
	"extra/organiser.wasm":    915_000,
	"extra/pictures.js":       3_000,
	"extra/icon-192.png":      4_000,
	"extra/icon-512.png":      10_000,
	"extra/uPlot.iife.min.js": 22_000,
	"extra/uPlot.min.css":     1_000,
	"extra/readers.wasm":      980_000,
	"extra/share.js":          2_000,
	"extra/try.js":            8_000,
	"extra/wall.js":           1_000,
}

func TestSizes(t *testing.T) {
	m, err := Packed()
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Files) == 0 {
		t.Skip("static/dist is empty: run make build")
	}
	first := 0
	for _, f := range m.Files {
		if f.Fast {
			t.Skipf("%s was packed with -fast: run make build", f.Source)
		}
		switch {
		case strings.HasPrefix(f.Source, "extra/"):
			if limit, ok := maxExtra[f.Source]; !ok || f.Brotli > limit {
				t.Errorf("%s takes %d bytes, its bound is %d", f.Source, f.Brotli, limit)
			}
		case f.Source != "kernel-simd128.wasm" && f.Source != organisersName: // in place of kernel.wasm, and smaller; of another page
			first += f.Brotli
		}
	}
	t.Logf("the first load takes %d bytes", first)
	if first > maxFirstLoad {
		t.Errorf("the first load takes %d bytes, its bound is %d", first, maxFirstLoad)
	}
}
