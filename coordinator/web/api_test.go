package web

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"fedtab/api"
	"fedtab/coordinator/task"
	"fedtab/learn"
	"fedtab/protocol"
	"fedtab/run"
	"fedtab/strategy"
)

// page reads docs/api.md.
func page(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// section returns the part of the page below a heading of the second level.
func section(t *testing.T, heading string) string {
	t.Helper()
	_, rest, ok := strings.Cut(page(t), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("docs/api.md has no section %q", heading)
	}
	text, _, _ := strings.Cut(rest, "\n## ")
	return text
}

// firstCells returns the code in the first column of the tables of a text.
func firstCells(text string) map[string]bool {
	found := map[string]bool{}
	for line := range strings.Lines(text) {
		if cell, _, ok := strings.Cut(strings.TrimPrefix(line, "| "), " |"); ok && strings.HasPrefix(line, "| `") {
			for _, code := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
				found[code[1]] = true
			}
		}
	}
	return found
}

// compare reports what is served and not on the page, and the other way round.
func compare(t *testing.T, what string, served, documented map[string]bool) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(served)) {
		if !documented[name] {
			t.Errorf("%s %s is served and not in docs/api.md", what, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(documented)) {
		if !served[name] {
			t.Errorf("%s %s is in docs/api.md and not served", what, name)
		}
	}
}

// fields adds the paths of all values in a JSON text, such as
// rounds[].kinds.KIND.up.
func fields(t *testing.T, into map[string]bool, text []byte) {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, value := range v {
				switch {
				case path == "kinds", strings.HasSuffix(path, ".kinds"):
					key = "KIND"
				case strings.HasSuffix(path, ".aliases"):
					key = "ALIAS"
				case strings.HasSuffix(path, "translations"):
					key = "LANGUAGE"
				}
				walk(strings.TrimPrefix(path+"."+key, "."), value)
			}
		case []any:
			flat := true
			for _, value := range v {
				if _, ok := value.(map[string]any); ok {
					flat = false
				}
				walk(path+"[]", value)
			}
			if path != "" && !flat {
				into[path+"[]"] = true
			}
		default:
			into[strings.TrimSuffix(path, "[]")] = true
		}
	}
	walk("", v)
}

// busy is a run in which every figure has a value.
func busy() (run.State, run.RoundRecord) {
	classes := learn.Metrics{Sums: learn.Sums{Examples: 4, Loss: 2, Correct: 3}, Confusion: []int64{2, 0, 1, 1}}
	test := classes.Figures()
	test.RMSE, test.MAE, test.R2 = 3, 2, .5 // of a regression
	sent := run.Traffic{Up: 100, Down: 200, ModelsUp: 1, ModelsDown: 2}
	sent.Kinds[protocol.KindHello] = run.KindTraffic{Up: 100}
	spent := &run.Spent{Releases: 1, Epsilon: 2, Delta: 1e-5}
	state := run.State{
		Phase: protocol.PhaseTraining, Round: 2, Version: 1, Participants: 3, Awaited: 2, AwaitedUntil: time.Unix(1e9, 0),
		Abandoned: &run.Abandoned{Round: 2, Times: 1, After: time.Minute, Reason: "1 of 3 contributions, 2 needed", Few: strategy.Few{Answers: 1, Asked: 3, Needed: 2, TimeUp: true}},
		Survey:    &run.Survey{Ready: 2, Fewest: 3},
		Evaluated: &run.Evaluation{Version: 1, Figures: test, Confusion: classes.Confusion, Participants: 12, Spread: &run.Spread{Max: 1}, File: &test, Validation: &test}, Spent: spent, Ledger: run.Ledger{Traffic: sent, RolledBack: 1},
	}
	return state, run.RoundRecord{Round: 1, Participants: 3, TrainLoss: 1, Test: &test, Validation: &test, Rate: .1, Traffic: sent, Spent: spent}
}

// noised are the settings of a task with noise.
var noised = task.Privacy{Noise: 1, Clip: .5, Adapt: true, Population: 1000, Delta: 1e-5, Epsilon: 8}

// Every field that the API serves is described, and every one that is described
// is served.
func TestFieldsDocumented(t *testing.T) {
	st, s := studyOf(t, "anes96")
	state, round := busy()
	st.Task.Privacy = noised
	st.SetEarlier(&api.Together{Runs: 1, Epsilon: new(float64), Delta: 1e-5, Adjacency: "add-remove"})
	st.Feed.Publish(run.Update{State: state, Round: &round})

	st.fix("0a1b2c") // as with pages

	served := map[string]bool{}
	_, b := get(t, s.URL+"/api/tasks")
	fields(t, served, b)
	shown, drawn := studyOf(t, "own-digits")
	_, b = get(t, drawn.URL+"/api/tasks")
	fields(t, served, b)
	compare(t, "GET /api/tasks: field", served, firstCells(section(t, "Tasks")))

	served = map[string]bool{}
	_, b = get(t, s.URL+"/api/tasks/anes96?points=10")
	fields(t, served, b)
	for _, data := range []string{
		`{source: own, table: {features: [{name: age, type: number, min: 0, max: 120, missing: mean, columns: [years]}, {name: smoker, type: boolean}], label: {name: outcome, values: [healthy, ill]}}}`,
		`{source: own, images: {width: 8, height: 8, channels: 1, classes: [cat, dog], drawn: true}}`,
	} {
		s := ownStudy(t, data)
		_, b = get(t, s.URL+"/api/tasks/own")
		fields(t, served, b)
	}
	secure, err := task.Find("mnist-2nn", []string{"privacy={aggregation: secure, groups: 10}", "strategy.combine=median"})
	if err != nil {
		t.Fatal(err)
	}
	secure.Privacy.Members = "members.txt"
	_, sums := serveStudy(t, secure)
	_, b = get(t, sums.URL+"/api/tasks/mnist-2nn")
	fields(t, served, b)
	_, shipped := studyOf(t, "own-vote")
	_, b = get(t, shipped.URL+"/api/tasks/own-vote")
	fields(t, served, b)
	shown.fixed.Build = "0123456789ab" // of a build with its page
	_, b = get(t, drawn.URL+"/api/tasks/own-digits")
	fields(t, served, b)
	compare(t, "GET /api/tasks/{task}: field", served, firstCells(section(t, "A task")))

	st.Kept = func(string) ([]uint64, error) { return []uint64{1}, nil }
	served = map[string]bool{}
	_, b = get(t, s.URL+"/api/tasks/anes96/versions")
	fields(t, served, b)
	compare(t, "GET /api/tasks/{task}/versions: field", served, firstCells(section(t, "Versions")))

	// The probes, with problems.
	defer func() { testState = run.State{} }()
	testState = run.State{StoreError: "disk is full"}
	served = map[string]bool{}
	for _, path := range []string{"/healthz", "/readyz"} {
		_, b := get(t, s.URL+path)
		fields(t, served, b)
	}
	documented := firstCells(section(t, "Health"))
	for _, path := range []string{"/healthz", "/readyz"} {
		if !documented[path] {
			t.Errorf("%s is not in docs/api.md, Health", path)
		}
		delete(documented, path)
	}
	compare(t, "health: field", served, documented)
}

// fixed are the fields of a task that events leave out.
var fixed = regexp.MustCompile(`^(translations\.|download$|build$|privacy\.|data\.(own|samples|columns|class_names|picture|encoding)\b)`)

// The events of the stream are described, and carry the fields that the page says.
func TestEventsDocumented(t *testing.T) {
	st, s := studyOf(t, "anes96")
	r, err := http.Get(s.URL + "/api/tasks/anes96/events")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	buf := make([]byte, 1<<16)
	n, err := r.Body.Read(buf) // the stream has begun, so the round is an event
	if err != nil {
		t.Fatal(err)
	}
	text := string(buf[:n])
	state, round := busy()
	st.Task.Privacy = noised
	st.SetEarlier(&api.Together{Runs: 1, Epsilon: new(float64), Delta: 1e-5, Adjacency: "add-remove"})
	st.Feed.Publish(run.Update{State: state, Round: &round})
	names := map[string]bool{}
	last := map[string]string{}
	for !strings.Contains(text, "event: round") || !strings.HasSuffix(text, "\n\n") {
		n, err := r.Body.Read(buf)
		if err != nil && err != io.EOF {
			t.Fatal(err)
		}
		text += string(buf[:n])
	}
	for _, e := range strings.Split(strings.TrimSpace(text), "\n\n") {
		name, data, _ := strings.Cut(strings.TrimPrefix(e, "event: "), "\ndata: ")
		names[name], last[name] = true, data
	}
	compare(t, "event", names, firstCells(section(t, "Events")))

	task := firstCells(section(t, "A task"))
	ofTask, ofRound := map[string]bool{}, map[string]bool{}
	for name := range task {
		if after, ok := strings.CutPrefix(name, "rounds[]."); ok {
			ofRound[after] = true
		} else if name != "rounds[]" && !strings.HasPrefix(name, "curve.") && !fixed.MatchString(name) {
			ofTask[name] = true
		}
	}
	served := map[string]bool{}
	fields(t, served, []byte(last["state"]))
	compare(t, "event state: field", served, ofTask)
	served = map[string]bool{}
	fields(t, served, []byte(last["round"]))
	compare(t, "event round: field", served, ofRound)
}

// Every metric is described with its type and labels.
func TestMetricsDocumented(t *testing.T) {
	source, err := os.ReadFile("metrics.go")
	if err != nil {
		t.Fatal(err)
	}
	served := map[string]bool{}
	for _, m := range regexp.MustCompile(`desc\("(\w+)", "[^"]*"((?:, "\w+")*)\)`).FindAllStringSubmatch(string(source), -1) {
		name := "fedtab_" + m[1]
		served[name] = true
		kind := "gauge"
		if strings.HasSuffix(name, "_total") {
			kind = "counter"
		}
		var labels []string
		for _, l := range regexp.MustCompile(`\w+`).FindAllString(m[2], -1) {
			if l != "task" && l != "run" { // which the page says once
				labels = append(labels, "`"+l+"`")
			}
		}
		row := fmt.Sprintf("| `%s` | %s | %s |", name, kind, strings.Join(labels, ", "))
		if len(labels) == 0 {
			row = fmt.Sprintf("| `%s` | %s | |", name, kind)
		}
		if !strings.Contains(section(t, "Metrics"), row) {
			t.Errorf("docs/api.md, Metrics: no row that begins with %s", row)
		}
	}
	if len(served) < 20 {
		t.Fatalf("metrics found in metrics.go: %d, want all", len(served))
	}
	compare(t, "metric", served, firstCells(section(t, "Metrics")))
}

// Every route is listed, and every one that is listed is there. The routes are
// read from the source, because a ServeMux does not tell its patterns.
func TestRoutesDocumented(t *testing.T) {
	// pattern writes what a route is registered with as the page does.
	pattern := func(e ast.Expr) string {
		literal, ok := e.(*ast.BasicLit)
		if !ok {
			t.Fatalf("a route is registered with a %T, which this test does not read", e)
		}
		text, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	served := map[string]bool{}
	register := func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		f, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || len(call.Args) != 2 || f.Sel.Name != "Handle" && f.Sel.Name != "HandleFunc" {
			return true
		}
		p := pattern(call.Args[0])
		if p == "/" {
			p = "GET /" // the page answers other methods with 405
		}
		served[p] = true
		return true
	}
	for _, name := range []string{"web.go", "admin.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, register)
	}
	head, _, _ := strings.Cut(page(t), "\n## ")
	compare(t, "route", served, firstCells(head))
}

// Statuses and headers are those that the page says.
func TestStatusesDocumented(t *testing.T) {
	st, s := studyOf(t, "anes96")
	state, round := busy()
	st.Task.Privacy = noised
	st.SetEarlier(&api.Together{Runs: 1, Epsilon: new(float64), Delta: 1e-5, Adjacency: "add-remove"})
	st.Feed.Publish(run.Update{State: state, Round: &round})
	params := make([]float32, st.Model.Layout().Size)
	st.Version = func(string, uint64) ([]float32, [32]byte, error) { return params, [32]byte{0xab}, nil }
	shard := DataPath(st.Task, st.Data) + "/0"
	for _, test := range []struct {
		method, path string
		code         int
		headers      map[string]string
	}{
		{"GET", "/api/tasks", 200, map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store"}},
		{"HEAD", "/api/tasks", 200, map[string]string{"Content-Type": "application/json"}},
		{"GET", "/api/tasks?x=1", 200, nil},
		{"GET", "/api/tasks/none", 404, map[string]string{"Content-Type": "application/json"}},
		{"GET", "/api/tasks/anes96/models/newest.safetensors", 200, map[string]string{
			"Content-Type": "application/octet-stream", "Content-Disposition": `attachment; filename="anes96-1-1.safetensors"`,
			"Cache-Control": "no-cache",
		}},
		{"GET", "/api/tasks/anes96/models/1.safetensors", 200, map[string]string{"Cache-Control": "no-cache"}},
		{"GET", "/api/tasks/anes96/models/1.safetensors?run=anes96-1", 200, map[string]string{"Cache-Control": "public, max-age=31536000, immutable"}},
		{"GET", "/api/tasks/anes96/models/newest.safetensors?run=anes96-1", 200, map[string]string{"Cache-Control": "no-cache"}},
		{"GET", "/api/tasks/anes96/models/1.safetensors?run=anes96-2", 404, nil},
		{"GET", "/api/tasks/anes96/models/best.onnx", 200, map[string]string{
			"Content-Type": "application/octet-stream", "Content-Disposition": `attachment; filename="anes96-1-1.onnx"`,
		}},
		{"GET", "/api/tasks/anes96/models/newest.json", 200, map[string]string{
			"Content-Type": "application/json", "Content-Disposition": `attachment; filename="anes96-1-1.json"`,
		}},
		{"GET", "/api/tasks/anes96/models/newest.pt", 404, nil},
		{"GET", "/api/tasks/anes96/models/0.safetensors", 404, nil},
		{"GET", "/api/tasks/anes96/models/newest", 404, nil},
		{"GET", shard, 200, map[string]string{
			"Content-Type": "application/octet-stream", "Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding",
		}},
		{"GET", "/data/x/0", 404, nil},
		{"GET", "/api/x", 404, nil},
		{"GET", "/ws", 400, nil},
	} {
		request, err := http.NewRequest(test.method, s.URL+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != test.code {
			t.Errorf("%s %s: %s, want %d", test.method, test.path, r.Status, test.code)
		}
		for name, want := range test.headers {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s %s: %s: %q, want %q", test.method, test.path, name, got, want)
			}
		}
	}

	// The ETag names the file: equal parameters of another run are another file.
	tags := map[string]string{}
	for range 2 {
		r, b := get(t, s.URL+"/api/tasks/anes96/models/newest.safetensors")
		digest := sha256.Sum256(b)
		if got, want := r.Header.Get("ETag"), fmt.Sprintf(`"%x"`, digest[:8]); got != want || tags[got] != "" {
			t.Errorf("run %s: ETag %s, want %s and another than that of run %s", st.Run(), got, want, tags[got])
		}
		tags[r.Header.Get("ETag")] = st.Run()
		st.SetRun(st.Run() + "-again")
	}

	// Pages of another origin may not open a socket.
	for origin, code := range map[string]int{"http://other.example": 403, s.URL: 101, strings.Replace(s.URL, "http:", "https:", 1): 101, "": 101} {
		request, err := http.NewRequest("GET", s.URL+"/ws", nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{
			"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
		} {
			request.Header.Set(name, value)
		}
		if origin != "" {
			request.Header.Set("Origin", origin)
		}
		r, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != code {
			t.Errorf("a handshake with origin %q: %s, want %d", origin, r.Status, code)
		}
	}
}
