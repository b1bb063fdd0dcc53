package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/export"
	"fedtab/learn/predict"
	workertab "fedtab/tab"
)

// tryScript starts the worker that predicts, as the page's worker does, and keeps what it
// says.
const tryScript = `(async () => {
	window.heard = [];
	const address = new URL(document.documentElement.dataset.tab, location.href);
	const text = await (await fetch(address)).text();
	const load = (name) => WebAssembly.compileStreaming(fetch(new URL(name.exec(text)[0], address)));
	const [program, kernel] = await Promise.all([load(/extra\/readers\.[0-9a-f]+\.wasm/), load(/kernel\.[0-9a-f]+\.wasm/)]);
	window.trying = new Worker(address, { name: "try" });
	trying.onmessage = ({ data }) => heard.push(data);
	trying.postMessage({ program, kernel });
	window.bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
	return true;
})(), true`

// trying is a page with a worker that predicts.
type trying struct {
	*tab
	heard int // messages so far
}

func openTrying(t *testing.T) *trying {
	c := serve(t, ownPictures())
	b := &trying{tab: open(t, c.url())}
	js[bool](b.tab, tryScript)
	b.next("ready")
	return b
}

// next returns the next message that tells no progress, as JSON. It must be of a type.
func (b *trying) next(kind string) string {
	b.t.Helper()
	for {
		await(b.t, "the worker says "+kind, func() bool { return js[int](b.tab, "window.heard?.length ?? 0") > b.heard })
		text := js[string](b.tab, fmt.Sprintf("JSON.stringify(heard[%d])", b.heard))
		b.heard++
		switch field[string](b.t, text, "type") {
		case kind:
			return text
		case "progress":
		default:
			b.t.Fatalf("the worker says %s, want type %s", text, kind)
		}
	}
}

// field returns a member of a JSON object.
func field[T any](t *testing.T, text, name string) T {
	t.Helper()
	var m map[string]json.RawMessage
	var v T
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if err := json.Unmarshal(m[name], &v); err != nil {
		t.Fatalf("%s: %s: %v", text, name, err)
	}
	return v
}

// of returns a message as what it is.
func of[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// tell sends the worker a message, an expression of JavaScript.
func (b *trying) tell(format string, args ...any) {
	b.t.Helper()
	js[bool](b.tab, fmt.Sprintf("trying.postMessage("+format+"), true", args...))
}

func inJS(b []byte) string { return fmt.Sprintf("bytes(%q)", base64.StdEncoding.EncodeToString(b)) }

// load loads a model and returns how the worker describes it.
func (b *trying) load(slot string, m *export.Model) workertab.Loaded {
	b.t.Helper()
	file, err := m.Safetensors()
	if err != nil {
		b.t.Fatal(err)
	}
	js[bool](b.tab, fmt.Sprintf("window.model = %s, true", inJS(file)))
	b.tell("{ type: 'load', slot: %q, bytes: model }", slot)
	return of[workertab.Loaded](b.t, b.next("loaded"))
}

// digitModel is a model of pictures with parameters of a seed.
func digitModel(t *testing.T, seed uint64) *predict.Model {
	t.Helper()
	m := &export.Model{Task: "digits", Run: "digits-1", Version: seed, Spec: learn.MLP([]int{28, 28}, []int{200, 200}, 10), Classes: classNames(10), Pixels: &data.Scaling{Scale: 1. / 255}}
	return initialised(t, m, seed)
}

func initialised(t *testing.T, m *export.Model, seed uint64) *predict.Model {
	t.Helper()
	lm, err := learn.New(m.Spec)
	if err != nil {
		t.Fatal(err)
	}
	m.Params = make([]float32, lm.Layout().Size)
	lm.Init(m.Params, seed)
	m.Hash = learn.Hash(m.Params)
	p, err := predict.New(m)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// flowers is a model of a table.
func flowers(t *testing.T) *predict.Model {
	t.Helper()
	fill := 1.
	e := &data.Encoding{
		Columns: []data.EncodedColumn{
			{Name: "petal length", Mean: 3.75, Deviation: 1.75},
			{Name: "colour", Categories: []string{"white", "blue"}, Aliases: map[string]string{"weiß": "white"}, Deviation: 1, Fill: &fill},
		},
		Target: data.EncodedTarget{Name: "kind", Classes: []string{"setosa", "versicolor", "virginica"}, Deviation: 1},
	}
	return initialised(t, &export.Model{Task: "flowers", Run: "flowers-1", Version: 7, Spec: learn.MLP([]int{3}, []int{8}, 3), Classes: e.Target.Classes, Encoding: e}, 3)
}

// sameButDigits reports whether two CSV files are equal but for numbers that differ by
// rounding.
func sameButDigits(a, b string) bool {
	fields := func(r rune) bool { return r == ',' || r == '\n' }
	x, y := strings.FieldsFunc(a, fields), strings.FieldsFunc(b, fields)
	return slices.EqualFunc(x, y, func(a, b string) bool {
		v, first := strconv.ParseFloat(a, 64)
		w, second := strconv.ParseFloat(b, 64)
		return a == b || first == nil && second == nil && math.Abs(v-w) < 1e-5
	})
}

// near fails if probabilities differ by more than rounding.
func near(t *testing.T, what string, got, want []float64) {
	t.Helper()
	if !slices.EqualFunc(got, want, func(a, b float64) bool { return math.Abs(a-b) < 1e-5 }) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// Two models answer for a picture beside each other, as they do natively; a drawing is
// centred as that of own data.
func TestTryPictures(t *testing.T) {
	b := openTrying(t)
	b.tell("{ type: 'picture', id: 1, pixels: new Uint8ClampedArray(4), width: 1, height: 1 }")
	if e := of[workertab.TryError](t, b.next("error")); e.Of != "picture" || e.ID != 1 || e.Code != workertab.NoModel || e.Detail != "There is no model of pictures yet." {
		t.Errorf("without a model: %+v", e)
	}
	models := map[string]*predict.Model{"a": digitModel(t, 1), "b": digitModel(t, 2)}
	for _, slot := range []string{"a", "b"} {
		l := b.load(slot, models[slot].Model)
		if l.Slot != slot || l.Task != "digits" || l.Run != "digits-1" || uint64(l.Version) != models[slot].Version || l.What != "picture" || !l.Probabilities || l.Width != 28 || l.Height != 28 || l.Channels != 1 || !slices.Equal(l.Classes, classNames(10)) {
			t.Errorf("loaded: %+v", l)
		}
	}
	const width, height = 61, 47
	pixels := make([]byte, 4*width*height)
	for y := 5; y < 30; y++ {
		for x := 40; x < 46; x++ {
			copy(pixels[4*(y*width+x):], []byte{255, 255, 255, uint8(100 + 5*y)})
		}
	}
	for id, drawn := range map[int]bool{2: false, 3: true} {
		b.tell("{ type: 'picture', id: %d, pixels: new Uint8ClampedArray(%s.buffer), width: %d, height: %d, drawn: %t }", id, inJS(pixels), width, height, drawn)
		for _, slot := range []string{"a", "b"} {
			text := b.next("answer")
			got := of[workertab.Answer](t, text)
			m := models[slot]
			want, err := m.Picture(pixels, width, height, drawn)
			if err != nil {
				t.Fatal(err)
			}
			if got.Slot != slot || got.ID != id || got.Class != want.Class || got.Text != m.Text(want) {
				t.Errorf("picture %d: %+v, want class %d of slot %s", id, got, want.Class, slot)
			}
			near(t, fmt.Sprintf("picture %d, slot %s", id, slot), got.Probabilities, want.Scores)
			seen := field[map[string]int](t, text, "seen")
			for i, p := range m.Image() {
				if seen[fmt.Sprint(4*i)] != int(p) {
					t.Fatalf("picture %d: the model in the tab sees %d as pixel %d, want %d", id, seen[fmt.Sprint(4*i)], i, p)
				}
			}
		}
	}
	b.tell("{ type: 'picture', id: 4, pixels: new Uint8Array(400), width: 10, height: 10, drawn: true }")
	for range 2 {
		if e := of[workertab.TryError](t, b.next("error")); e.Code != workertab.EmptyDrawing || e.Detail != "There is nothing in the picture: draw, light on dark." {
			t.Errorf("an empty drawing: %+v", e)
		}
	}

	// A file, which the browser decodes.
	b.tell("{ type: 'unload', slot: 'b' }")
	b.tell("{ type: 'picture', id: 5, file: new Blob([%s]) }", inJS(pngOf(t, picture(40, 30, 1))))
	if got := of[workertab.Answer](t, b.next("answer")); got.ID != 5 || got.Slot != "a" || len(got.Probabilities) != 10 {
		t.Errorf("a file: %+v", got)
	}
	b.tell("{ type: 'picture', id: 6, file: new Blob(['no picture']) }")
	if e := of[workertab.TryError](t, b.next("error")); e.Code != workertab.BadPicture || !strings.Contains(e.Detail, "it is broken, or no picture") {
		t.Errorf("no picture: %+v", e)
	}
	b.tell("{ type: 'load', slot: 'a', bytes: new Uint8Array(100) }")
	if e := of[workertab.TryError](t, b.next("error")); !strings.HasPrefix(e.Detail, "The model cannot be used: export: ") || e.Of != "load" || e.Code != workertab.BadModel {
		t.Errorf("no model: %+v", e)
	}
	b.tell("{ type: 'picture', id: 7, pixels: new Uint8Array(400), width: 10, height: 10 }")
	b.next("answer") // by the model that is still there
}

// A row and a table are predicted as they are natively, whatever is wrong with them.
func TestTryTable(t *testing.T) {
	b := openTrying(t)
	m := flowers(t)
	l := b.load("a", m.Model)
	if l.What != "table" || l.Target != "kind" || len(l.Columns) != 2 || l.Columns[0].Kind != "number" || l.Columns[0].Mean != 3.75 || l.Columns[0].Optional ||
		l.Columns[1].Kind != "category" || !l.Columns[1].Optional || !slices.Equal(l.Columns[1].Values, []string{"white", "blue"}) {
		t.Errorf("loaded: %+v", l)
	}
	b.tell("{ type: 'row', id: 1, values: ['4,5', 'WEISS'] }")
	if got := of[workertab.Answer](t, b.next("answer")); len(got.Problems) != 1 || got.Problems[0].Where != "colour" || got.Problems[0].What != `colour is "WEISS", want one of white, blue` {
		t.Errorf("a row with a problem: %+v", got)
	}
	b.tell("{ type: 'row', id: 2, values: ['4,5', 'Weiß'] }")
	want, _ := m.Row([]string{"4.5", "white"}, '.')
	got := of[workertab.Answer](t, b.next("answer"))
	if got.Text != m.Text(want) || got.ID != 2 || len(got.Problems) != 0 {
		t.Errorf("a row: %+v", got)
	}
	near(t, "a row", got.Probabilities, want.Scores)

	var table strings.Builder
	table.WriteString("colour;petal length;kind\n")
	for i := range 5000 {
		switch {
		case i%1000 == 7:
			table.WriteString("green;x;setosa\n")
		case i%1000 == 8:
			table.WriteString(";;\n")
		default:
			fmt.Fprintf(&table, "%s;%d,%d;%s\n", []string{"white", "", "Weiß", "BLUE"}[i%4], i%7, i%10, m.Classes[i%3])
		}
	}
	rows, err := m.Rows(strings.NewReader(table.String()), "t.csv", data.CSV{})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	w := predict.NewWriter(&out, m, true)
	s, err := m.Table(rows, w.Write)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	js[bool](b.tab, fmt.Sprintf("window.table = new File([%s], 't.csv'), true", inJS([]byte(table.String()))))
	b.tell("{ type: 'csv', id: 3, file: table }")
	p := of[workertab.Predictions](t, b.next("predictions"))
	figures := s.Metrics.Figures()
	if p.Type != "predictions" || p.ID != 3 || p.Predicted != s.Rows || p.Rejected != s.Rejected || p.AllProblems != s.Problems || s.Rejected != 5 || len(p.Rows) != 50 || p.Known != s.Metrics.Examples ||
		p.Accuracy == nil || math.Abs(*p.Accuracy-figures.Accuracy) > 1e-3 || p.RMSE != nil || len(p.Confusion) != 9 {
		t.Errorf("%+v, want %+v", p, s)
	}
	if len(p.Problems) != 10 || p.Problems[0].Where != "line 9" || p.Problems[0].What != `petal length is "x", want a number, with a decimal comma if any` {
		t.Errorf("problems: %+v", p.Problems)
	}
	if r := p.Rows[7]; r.Line != 9 || r.Text != "" || r.Problem == "" {
		t.Errorf("a row with problems: %+v", r)
	}
	js[bool](b.tab, fmt.Sprintf("heard[%d].blob.text().then((text) => { window.csv = text }), true", b.heard-1))
	await(t, "the file is read", func() bool { return js[bool](b.tab, "window.csv !== undefined") })
	if csv := js[string](b.tab, "csv"); !sameButDigits(csv, out.String()) {
		t.Errorf("the file begins\n%.300s\nwant\n%.300s", csv, out.String())
	}

	// Under the schema of a task numbers have bounds, in rows and tables.
	b.tell("{ type: 'load', slot: 'a', bytes: model, schema: { table: { features: [{ name: 'petal length', type: 'number', min: 0, max: 7 }], label: { name: 'kind' } } } }")
	if l := of[workertab.Loaded](t, b.next("loaded")); l.Columns[0].Min == nil || *l.Columns[0].Min != 0 || l.Columns[0].Max == nil || *l.Columns[0].Max != 7 {
		t.Errorf("bounds: %+v", l.Columns)
	}
	b.tell("{ type: 'row', id: 8, values: ['8', 'blue'] }")
	const outside = `petal length is "8", want a number from 0 to 7`
	if got := of[workertab.Answer](t, b.next("answer")); len(got.Problems) != 1 || got.Problems[0].What != outside {
		t.Errorf("a number out of bounds: %+v", got)
	}
	b.tell("{ type: 'csv', id: 9, file: new File(['petal length,colour\\n8,blue\\n7,blue\\n'], 'short.csv') }")
	if p := of[workertab.Predictions](t, b.next("predictions")); p.Predicted != 1 || p.Rejected != 1 || len(p.Problems) != 1 || p.Problems[0].What != outside {
		t.Errorf("a table with a number out of bounds: %+v", p)
	}

	// A decimal sign that only a person knows.
	for decimal, want := range map[string]string{"": "error", "comma": "predictions"} {
		b.tell("{ type: 'csv', id: 10, file: new File(['colour,petal length\\nblue,3.456\\n'], 'short.csv'), decimal: %q || undefined }", decimal)
		text := b.next(want)
		if decimal == "" {
			if e := of[workertab.TryError](t, text); e.Code != workertab.AskDecimal {
				t.Errorf("an unknown decimal sign: %+v", e)
			}
		} else if p := of[workertab.Predictions](t, text); p.Predicted != 0 || p.Rejected != 1 {
			t.Errorf("3456 is out of bounds: %+v", p)
		}
	}

	// A table that cannot be read, and one that is given up.
	b.tell("{ type: 'csv', id: 4, file: new File(['a,b\\n1,2\\n'], 'other.csv') }")
	if e := of[workertab.TryError](t, b.next("error")); e.Of != "csv" || e.Code != workertab.BadTable || !strings.Contains(e.Detail, `there is no column "petal length" among a, b`) {
		t.Errorf("another table: %+v", e)
	}
	b.tell("{ type: 'csv', id: 5, file: new File(Array(50).fill(table), 'long.csv') }")
	b.tell("{ type: 'cancel' }")
	if text := b.next("cancelled"); field[int](t, text, "id") != 5 {
		t.Errorf("after cancelling: %s", text)
	}
}

// A tab loads a model of 200,000 parameters within 20 ms, on a machine to itself, and
// answers for a drawing at once.
func TestTrySpeed(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures: make measure")
	}
	b := openTrying(t)
	b.load("a", digitModel(t, 1).Model)
	js[bool](b.tab, `window.ask = (message) => new Promise((resolve) => {
		const began = performance.now();
		trying.onmessage = ({ data }) => { if (data.type !== "progress") resolve(performance.now() - began); };
		trying.postMessage(message);
	}), true`)
	median := func(what, message string, times int) float64 {
		js[bool](b.tab, fmt.Sprintf(`window.took = undefined, (async () => { const all = []; for (let i = 0; i < %d; i++) all.push(await ask(%s)); took = all.sort((a, b) => a - b)[%d] })(), true`, times, message, times/2))
		await(t, what, func() bool { return js[bool](b.tab, "took !== undefined") })
		return js[float64](b.tab, "took")
	}
	load := median("models are loaded", "{ type: 'load', slot: 'a', bytes: model }", 21)
	js[bool](b.tab, "window.drawn = new Uint8ClampedArray(4 * 280 * 280).fill(255, 80000, 160000), true")
	answer := median("drawings are answered", "{ type: 'picture', pixels: drawn, width: 280, height: 280, drawn: true }", 51)
	b.tell("{ type: 'unload', slot: 'a' }")
	m := flowers(t)
	file, err := m.Safetensors()
	if err != nil {
		t.Fatal(err)
	}
	median("a model of a table is loaded", "{ type: 'load', slot: 'a', bytes: "+inJS(file)+" }", 1)
	const rows = 200_000
	js[bool](b.tab, fmt.Sprintf("window.long = new File(['petal length,colour,kind\\n', '4.5,blue,setosa\\n'.repeat(%d)], 'long.csv'), true", rows))
	table := median("a table is predicted", "{ type: 'csv', file: long }", 3)
	t.Logf("loading 199,210 parameters takes %.1f ms, the goal is 20; a drawing of 280 x 280 pixels %.1f ms; %.0f rows of a table a second", load, answer, rows/table*1000)
}
