package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"image/jpeg"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"fedtab/learn/data"
)

const papaPage = `<!doctype html><title>PapaParse</title><link rel="icon" href="data:,"><script src="papaparse.min.js"></script><script src="run.js"></script>
<section id="own"><p id="own-state" data-step="none"></p><input id="own-files" type="file"></section>`

const papaScript = `document.addEventListener("change", (event) => {
	const began = performance.now();
	let rows = 0;
	Papa.parse(event.target.files[0], { header: false, dynamicTyping: true, chunk: (r) => { rows += r.data.length }, complete: () => {
		window.rows = rows;
		window.took = performance.now() - began;
	} });
})`

// TestOwnSpeed measures how long a tab takes to read a table of 1,000,000 rows and 20
// columns, beside PapaParse, which converts the numbers and keeps nothing; 60,000 images
// from IDX files; and photos, beside the browser's decoder alone.
func TestOwnSpeed(t *testing.T) {
	if testing.Short() {
		t.Skip("170 MB of numbers: in the long form")
	}
	const rows, columns = 1_000_000, 20
	path := filepath.Join(t.TempDir(), "large.csv")
	table, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriterSize(table, 1<<20)
	fields := ""
	for k := range columns - 1 {
		fmt.Fprintf(w, "x%d,", k)
		fields += fmt.Sprintf("      - {name: x%d, type: number}\n", k)
	}
	fmt.Fprintln(w, "y")
	x := uint64(1)
	var line []byte
	for range rows {
		line = line[:0]
		for k := range columns {
			x = x*6364136223846793005 + 1442695040888963407
			if k > 0 {
				line = append(line, ',')
			}
			line = strconv.AppendFloat(line, float64(x>>40)/1000, 'f', 3, 64)
		}
		w.Write(append(line, '\n'))
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	table.Close()

	papa, err := os.ReadFile("bench/node_modules/papaparse/papaparse.min.js")
	if err != nil {
		t.Fatal("no PapaParse: run make browsers")
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/run.js":
			w.Header().Set("Content-Type", "text/javascript")
			fmt.Fprint(w, papaScript)
		case "/papaparse.min.js":
			w.Header().Set("Content-Type", "text/javascript")
			w.Write(papa)
		default:
			fmt.Fprint(w, papaPage)
		}
	}))
	t.Cleanup(s.CloseClientConnections)
	b := open(t, s.URL+"/")
	b.choose("own-files", path)
	await(t, "PapaParse is done", func() bool { return js[bool](b, "window.took !== undefined") })
	theirs := js[float64](b, "window.took") / 1000
	t.Logf("PapaParse: %.1f s, %v rows", theirs, js[float64](b, "window.rows"))
	b.cancel()

	const since = "performance.now() / 1000"
	c := serve(t, "name: large\nmodel: {kind: linear}\ndata:\n  source: own\n  table:\n    features:\n"+fields+"    label: {name: y, type: number}\n  standardise: none\n  examples: {max: 2000000}\nstrategy: {kind: fedavg, lr: 0.01, min_clients: 1}\nstop: {rounds: 1}\n")
	b = open(t, c.url(), `window.longest = 0; new PerformanceObserver((list) => { for (const e of list.getEntries()) window.longest = Math.max(window.longest, e.duration) }).observe({ type: "longtask" })`)
	b.choose("own-files", path)
	b.step("asking")
	js[bool](b, "window.longest = 0, true")
	began := js[float64](b, since)
	b.press("own-read")
	b.step("ready")
	ours := js[float64](b, since) - began
	t.Logf("a tab: %.1f s for %d rows of %d columns, %.2f times PapaParse; the longest task of the page took %.0f ms", ours, rows, columns, ours/theirs, js[float64](b, "window.longest"))
	b.cancel()

	const n, side = 60_000, 28
	pixels, labels := data.Array{Dims: []int{n, side, side}, Data: make([]uint8, n*side*side)}, data.Array{Dims: []int{n}, Data: make([]uint8, n)}
	for i := range pixels.Data {
		pixels.Data[i] = uint8(i * 7)
	}
	for i := range n {
		labels.Data[i] = uint8(i % 2)
	}
	var images, classes bytes.Buffer
	if err := data.WriteIDX(&images, pixels); err != nil {
		t.Fatal(err)
	}
	if err := data.WriteIDX(&classes, labels); err != nil {
		t.Fatal(err)
	}
	c = serve(t, ownPictures("width: 8, height: 8", "width: 28, height: 28", "max: 1000", "max: 100000"))
	b = open(t, c.url(), `document.addEventListener("change", () => { window.began = performance.now() })`)
	b.choose("own-files", file(t, "many-images-idx3-ubyte", images.String()), file(t, "many-labels-idx1-ubyte", classes.String()))
	b.step("ready")
	t.Logf("a tab: %.2f s for %d images from IDX files", (js[float64](b, "performance.now() - window.began"))/1000, n)
	if !strings.Contains(b.text("own-state"), "60,000") {
		t.Errorf("the page says %q", b.text("own-state"))
	}
	b.cancel()

	// Photos of 2 megapixels; createImageBitmap alone decodes as many at a time.
	const photos = 400
	dir := t.TempDir()
	var paths []string
	for i := range 20 {
		var photo bytes.Buffer
		if err := jpeg.Encode(&photo, picture(1632, 1224, i+1), nil); err != nil {
			t.Fatal(err)
		}
		for k := range photos / 20 {
			paths = append(paths, filepath.Join(dir, fmt.Sprintf("%d-%d.jpg", i, k)))
			if err := os.WriteFile(paths[len(paths)-1], photo.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	c = serve(t, ownPictures("width: 8, height: 8", "width: 28, height: 28"))
	b = open(t, c.url(), `document.addEventListener("change", (event) => { if (event.target.files) { window.files = [...event.target.files]; window.began = performance.now() } }, true)`)
	b.selects("#own-class", "0")
	b.choose("own-files", paths...)
	b.step("ready") // copies are left out once they are decoded
	ours = js[float64](b, "performance.now() - window.began") / 1000
	js[bool](b, `(async () => { const began = performance.now(); let next = 0;
		const some = async () => { while (next < files.length) (await createImageBitmap(files[next++])).close() };
		await Promise.all([some(), some(), some(), some()]);
		window.alone = performance.now() - began; })(), true`)
	await(t, "createImageBitmap is done", func() bool { return js[bool](b, "window.alone !== undefined") })
	theirs = js[float64](b, "window.alone") / 1000
	t.Logf("a tab: %.1f s for %d photos of 2 megapixels, %.2f times createImageBitmap alone (%.1f s)", ours, photos, ours/theirs, theirs)
}
