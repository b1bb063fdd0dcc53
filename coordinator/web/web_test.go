package web

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"fedtab/coordinator/dataset"
	"fedtab/coordinator/hub"
	"fedtab/coordinator/quota"
	"fedtab/coordinator/task"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/protocol"
	"fedtab/run"
	"fedtab/tasks"
)

// What the owner of the test's run answers.
var (
	testState   run.State
	testFailure error
)

func testStudy(t *testing.T) (*Study, *httptest.Server) {
	t.Helper()
	return studyOf(t, "mnist-2nn")
}

func studyOf(t *testing.T, name string) (*Study, *httptest.Server) {
	t.Helper()
	class := map[string]string{"anes96": "Dole", "own-vote": "Dole", "own-clothes": "boot"}[name]
	tk, err := task.Find(name, []string{`stop.metrics=[{metric: recall, class: "` + cmp.Or(class, "1") + `", reach: 0.99}, {metric: loss, reach: 0.01}]`})
	if err != nil {
		t.Fatal(err)
	}
	return serveStudy(t, tk)
}

// ownStudy serves a task for which participants bring the data.
func ownStudy(t *testing.T, data string) *httptest.Server {
	t.Helper()
	tk, err := task.Parse("own.yaml", []byte("name: own\nmodel: {kind: mlp}\ndata: "+data+"\nstrategy: {kind: fedavg, lr: 0.1}\nstop: {rounds: 1}\n"))
	if err != nil {
		t.Fatal(err)
	}
	_, s := serveStudy(t, tk)
	return s
}

func serveStudy(t *testing.T, tk *task.Task) (*Study, *httptest.Server) {
	t.Helper()
	d, err := dataset.Open(tk)
	if err != nil {
		t.Fatal(err)
	}
	m, err := d.Model(tk)
	if err != nil {
		t.Fatal(err)
	}
	var whole *data.Set // to compare with
	if d.Train != nil {
		copied := *d.Train
		whole = &copied
	}
	if err := d.Pack(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	st := &Study{Task: tk, Data: d, Model: m, Feed: NewFeed(run.State{Phase: protocol.PhaseWaiting}, nil)}
	st.SetRun(tk.Name + "-1")
	st.State = func(context.Context) (run.State, error) { return testState, testFailure }
	sockets := hub.New(nil, hub.DefaultLimits(), slog.New(slog.DiscardHandler))
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "the page") })
	s := httptest.NewServer(New(NewStudies(st), sockets, nil, page, testSite(t, "", quota.Addresses{}), Limits{}, slog.New(slog.DiscardHandler)))
	t.Cleanup(s.Close)
	d.Train = whole
	return st, s
}

func get(t *testing.T, url string) (*http.Response, []byte) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, b
}

func TestPaths(t *testing.T) {
	st, s := testStudy(t)
	for _, test := range []struct {
		path string
		code int
		want string
	}{
		{"/", 200, "the page"},
		{"/api/tasks", 200, `"name":"mnist-2nn"`},
		{"/api/tasks/mnist-2nn", 200, `"summary":"784-200-200-10, ReLU, softmax","parameters":199210`},
		{"/api/tasks/mnist-2nn", 200, `"packing":{"up":"deadzone","bits":0.9,"down":"grid"}`},
		{"/api/tasks/mnist-2nn", 200, `"bits_up":null,"bits_down":null,"raw_ratio":null`},
		{"/api/tasks/none", 404, "error"},
		{"/api/", 404, "error"},
		{DataPath(st.Task, st.Data) + "/100", 404, "want 0 to 99"},
		{DataPath(st.Task, st.Data) + "/-1", 404, "want 0 to 99"},
		{DataPath(st.Task, st.Data) + "/x", 404, "want 0 to 99"},
		{"/data/mnist-2nn/0000000000000000/1", 404, "error"},
	} {
		r, b := get(t, s.URL+test.path)
		if r.StatusCode != test.code || !strings.Contains(string(b), test.want) {
			t.Errorf("%s: %d %s, want %d and %s", test.path, r.StatusCode, b, test.code, test.want)
		}
	}
}

// The shards are the training set, every example once.
func TestShards(t *testing.T) {
	st, s := testStudy(t)
	seen := 0
	var first []byte
	for i, n := range []string{"0", "57", "99"} {
		// Go's client asks for gzip unless it is told not to.
		http.DefaultTransport.(*http.Transport).DisableCompression = i == 1
		r, b := get(t, s.URL+DataPath(st.Task, st.Data)+"/"+n)
		if r.Uncompressed != (i != 1) {
			t.Errorf("shard %s was packed on the way: %v", n, r.Uncompressed)
		}
		if !strings.Contains(r.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("shard %s may not be kept: %q", n, r.Header.Get("Cache-Control"))
		}
		set, err := data.ReadShard(bytes.NewReader(b), 1<<24)
		if err != nil {
			t.Fatal(err)
		}
		seen += set.Len()
		if first == nil {
			first = set.X[:784]
		}
	}
	if seen != 1800 {
		t.Errorf("three shards have %d examples, want 1800", seen)
	}
	i := int(st.Data.Shards[0][0]) * 784
	if !bytes.Equal(first, st.Data.Train.X[i:i+784]) {
		t.Error("the first example of shard 0 is another one")
	}
}

// A table's shards hold its numbers as they are.
func TestTableShards(t *testing.T) {
	st, s := studyOf(t, "anes96")
	seen := 0
	for n, shard := range st.Data.Shards {
		_, b := get(t, fmt.Sprintf("%s%s/%d", s.URL, DataPath(st.Task, st.Data), n))
		set, err := data.ReadShard(bytes.NewReader(b), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		x, y, want, label := make([]float32, 9), make([]float32, 1), make([]float32, 9), make([]float32, 1)
		for k, i := range shard {
			set.Fill(x, y, []int32{int32(k)})
			st.Data.Train.Fill(want, label, []int32{i})
			if !slices.Equal(x, want) || y[0] != label[0] {
				t.Fatalf("example %d of shard %d is %v of class %v, want %v of class %v", k, n, x, y[0], want, label[0])
			}
		}
		seen += set.Len()
	}
	if seen != st.Data.Train.Len() {
		t.Errorf("%d examples in all shards, want %d", seen, st.Data.Train.Len())
	}
}

// The stream begins with the state and tells every round, and its evaluation,
// after that; figures that are not finite become null.
func TestEvents(t *testing.T) {
	st, s := testStudy(t)
	r, err := http.Get(s.URL + "/api/tasks/mnist-2nn/events")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	lines := bufio.NewScanner(r.Body)
	next := func() (event string, v map[string]any) {
		for lines.Scan() {
			switch line := lines.Text(); {
			case strings.HasPrefix(line, "event: "):
				event = line[len("event: "):]
			case strings.HasPrefix(line, "data: "):
				if err := json.Unmarshal([]byte(line[len("data: "):]), &v); err != nil {
					t.Fatal(err)
				}
				return event, v
			}
		}
		t.Fatal("the stream has ended")
		return
	}
	if e, v := next(); e != "state" || v["phase"] != "waiting" || v["test_accuracy"] != nil {
		t.Fatalf("got %s %v", e, v)
	}
	sent := run.Traffic{Up: 199_210 / 4, Down: 500, ModelsUp: 2}
	rec := run.RoundRecord{Round: 1, Participants: 2, TrainLoss: math.Inf(1), Traffic: sent}
	state := run.State{Phase: protocol.PhaseTraining, Round: 2, Version: 1, Ledger: run.Ledger{Traffic: sent}}
	st.Feed.Publish(run.Update{State: state, Round: &rec})
	dense := func(v map[string]any) bool {
		up, _ := v["bits_up"].(float64)
		ratio, _ := v["raw_ratio"].(float64)
		down, has := v["bits_down"]
		return math.Abs(up-1) < 1e-4 && has && down == nil && math.Abs(ratio-31.7) < .1
	}
	if e, v := next(); e != "state" || v["version"] != 1.0 || !dense(v) {
		t.Fatalf("got %s %v", e, v)
	}
	if e, v := next(); e != "round" || v["test_loss"] != nil || v["train_loss"] != nil || !dense(v) {
		t.Fatalf("got %s %v", e, v)
	}
	rec.Test = &learn.Figures{Loss: math.NaN(), Accuracy: .1}
	state.Evaluated = &run.Evaluation{Version: 1, Figures: *rec.Test}
	st.Feed.Publish(run.Update{State: state, Round: &rec})
	if e, v := next(); e != "state" || v["test_accuracy"] != .1 || v["test_loss"] != nil {
		t.Fatalf("got %s %v", e, v)
	}
	if e, v := next(); e != "round" || v["round"] != 1.0 || v["test_accuracy"] != .1 {
		t.Fatalf("got %s %v", e, v)
	}
}

// Every reason for which a handshake is refused is counted under a label that is there
// from the beginning.
func TestRefusalsCounted(t *testing.T) {
	counted := func(code string) bool { return slices.Contains(refusals, code) }
	r := &http.Request{RemoteAddr: "192.0.2.1:1", Header: http.Header{"X-Forwarded-For": {"203.0.113.7"}}}
	direct := &http.Request{RemoteAddr: "192.0.2.1:1"}
	site := testSite(t, "", quota.Addresses{})
	for _, refusal := range []*quota.Refusal{
		quota.Addresses{}.Refuse(quota.ErrAddress, r), quota.Addresses{}.Refuse(quota.ErrAddress, direct), quota.Addresses{}.Refuse(quota.ErrPace, direct),
		quota.Addresses{}.Refuse(quota.ErrFull, direct), quota.Addresses{}.Refuse(quota.ErrStopping, direct),
		site.refuseHost(&http.Request{Host: "evil.example"}), site.refuseOrigin("http://evil.example", &http.Request{Host: "localhost"}),
	} {
		if !counted(refusal.Code) {
			t.Errorf("%s is not counted from the beginning", refusal.Code)
		}
	}
}

// Probes and metrics say what troubles a run.
func TestProbes(t *testing.T) {
	st, s := testStudy(t)
	admin := httptest.NewServer(NewAdmin(NewStudies(st), hub.New(nil, hub.DefaultLimits(), slog.New(slog.DiscardHandler)), nil, "", testAdmin(t)))
	defer admin.Close()
	if r, b := get(t, s.URL+"/metrics"); r.StatusCode != http.StatusNotFound || !strings.Contains(string(b), "--admin-addr") {
		t.Errorf("/metrics of the participants' address: %s %s, want 404 and where they are", r.Status, b)
	}
	defer func() { testState, testFailure = run.State{}, nil }()
	loss := run.Evaluation{Version: 3, Figures: learn.Figures{Loss: .5, Accuracy: .75}}
	for _, test := range []struct {
		name          string
		state         run.State
		failure       error
		health, ready int
		metrics       []string
	}{
		{"well", run.State{Phase: protocol.PhaseTraining, Version: 3, Participants: 4, Evaluated: &loss, Ledger: run.Ledger{Up: 77, Abandoned: 2}}, nil, 200, 200, []string{
			`fedtab_version{run="mnist-2nn-1",task="mnist-2nn"} 3`, `fedtab_participants{run="mnist-2nn-1",task="mnist-2nn"} 4`,
			`fedtab_bytes_total{direction="up",run="mnist-2nn-1",task="mnist-2nn"} 77`, `fedtab_rounds_abandoned_total{run="mnist-2nn-1",task="mnist-2nn"} 2`,
			`fedtab_test_accuracy{run="mnist-2nn-1",task="mnist-2nn"} 0.75`, `fedtab_phase{phase="training",run="mnist-2nn-1",task="mnist-2nn"} 1`,
			`fedtab_store_up{run="mnist-2nn-1",task="mnist-2nn"} 1`, `fedtab_parameters{run="mnist-2nn-1",task="mnist-2nn"} 199210`, "fedtab_sessions 0", "go_goroutines",
			`fedtab_handshakes_refused_total{reason="address"} 0`, `fedtab_handshakes_refused_total{reason="requests"} 0`,
			`fedtab_sessions_closed_total{code="4509",reason="abuse"} 0`, `fedtab_sessions_closed_total{code="1000",reason="normal"} 0`,
			`fedtab_contributions_total{reason="out_of_bounds",run="mnist-2nn-1",task="mnist-2nn"} 0`,
			`fedtab_message_bytes_total{direction="up",kind="contribution",run="mnist-2nn-1",task="mnist-2nn"} 0`,
		}},
		{"disk full", run.State{StoreError: "disk is full", StoreFailed: 9}, nil, 200, 503, []string{
			`fedtab_store_up{run="mnist-2nn-1",task="mnist-2nn"} 0`, `fedtab_store_failures_total{run="mnist-2nn-1",task="mnist-2nn"} 9`,
		}},
		{"halted", run.State{StoreError: "read-only", StoreFailed: 1, Halted: true}, nil, 200, 503, []string{
			`fedtab_store_up{run="mnist-2nn-1",task="mnist-2nn"} 0`,
		}},
		{"stuck", run.State{}, errors.New("its owner does not answer"), 503, 503, []string{`fedtab_run_up{run="mnist-2nn-1",task="mnist-2nn"} 0`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			testState, testFailure = test.state, test.failure
			why := test.state.StoreError
			if test.failure != nil {
				why = test.failure.Error()
			}
			if test.state.Halted {
				why = "repair it and restart: " + why
			}
			for path, want := range map[string]int{"/healthz": test.health, "/readyz": test.ready} {
				if r, b := get(t, s.URL+path); r.StatusCode != want || !strings.Contains(string(b), why) {
					t.Errorf("%s: %s %s, want %d and %q", path, r.Status, b, want, why)
				}
			}
			_, b := get(t, admin.URL+"/metrics")
			for _, want := range test.metrics {
				if !strings.Contains(string(b), "\n"+want) {
					t.Errorf("/metrics lacks %s", want)
				}
			}
		})
	}
}

// Files to try a task with are served as they are, and not those of another schema.
func TestSamples(t *testing.T) {
	_, s := studyOf(t, "own-vote")
	r, b := get(t, s.URL+"/api/tasks/own-vote/samples/2.csv")
	if want, err := tasks.Files.ReadFile("samples/own-vote/2.csv"); err != nil || r.StatusCode != 200 || r.Header.Get("Content-Type") != "text/csv" || !bytes.Equal(b, want) {
		t.Errorf("%d, %s, %d bytes; want 200 and the file's %d bytes", r.StatusCode, r.Header.Get("Content-Type"), len(b), len(want))
	}
	_, pictures := studyOf(t, "own-clothes")
	if r, _ := get(t, pictures.URL+"/api/tasks/own-clothes/samples/1.zip"); r.StatusCode != 200 || r.Header.Get("Content-Type") != "application/zip" {
		t.Errorf("%d, %s; want 200 and a zip archive", r.StatusCode, r.Header.Get("Content-Type"))
	}
	if r, _ := get(t, s.URL+"/api/tasks/own-vote/samples/own-vote.csv"); r.StatusCode != 404 {
		t.Errorf("no such file: %d, want 404", r.StatusCode)
	}
	tk, err := task.Find("own-vote", []string{"data.holdout=.3"})
	if err != nil {
		t.Fatal(err)
	}
	_, other := serveStudy(t, tk)
	if r, b := get(t, other.URL+"/api/tasks/own-vote"); r.StatusCode != 200 || bytes.Contains(b, []byte("samples")) {
		t.Errorf("a task of this name with another schema offers samples: %s", b)
	}
}
