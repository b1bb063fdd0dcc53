package static

import "testing"

// budgets are the max sizes of the files, in bytes of Brotli: about 5% above the
// sizes when they were set. A commit that raises one says what the bytes are for.
var budgets = map[string]int{
	"fedtab.wasm":        1_230_000,
	"fedtab-scalar.wasm": 1_230_000,
	"uPlot.iife.min.js":  22_000,
	"vugu.js":            5_000,
	"wasm_exec.js":       5_000,
	"fedtab.css":         4_000,
	"index.html":         3_900,
	"host.js":            4_000,
	"charts.js":          2_000,
	"tab.js":             2_000,
	"keep.js":            1_500,
	"own.js":             1_800,
	"pictures.js":        2_800,
	"bring.js":           3_600,
	"uPlot.min.css":      1_000,
	"favicon.svg":        500,
}

func TestSizes(t *testing.T) {
	m, err := Packed()
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Files) == 0 {
		t.Skip("static/dist is empty: run make build")
	}
	for _, f := range m.Files {
		if f.Fast {
			t.Skipf("%s was packed with -fast: run make build", f.Source)
		}
		budget, ok := budgets[f.Source]
		if !ok {
			t.Errorf("%s has no budget", f.Source)
		}
		if f.Brotli > budget {
			t.Errorf("%s takes %d bytes, its budget is %d", f.Source, f.Brotli, budget)
		}
	}
}
