package web

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"fedtab/coordinator/dataset"
	"fedtab/coordinator/run"
	"fedtab/coordinator/task"
	"fedtab/learn/data"
	"fedtab/protocol"
)

func testStudy(t *testing.T) (*Study, *httptest.Server) {
	t.Helper()
	tk, err := task.Find("mnist-2nn", nil)
	if err != nil {
		t.Fatal(err)
	}
	d, err := dataset.Open(tk)
	if err != nil {
		t.Fatal(err)
	}
	m, err := d.Model(tk)
	if err != nil {
		t.Fatal(err)
	}
	st := &Study{Task: tk, Data: d, Model: m, Run: "mnist-2nn-1", Feed: NewFeed(run.State{Phase: protocol.PhaseWaiting}, nil)}
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "the page") })
	s := httptest.NewServer(New([]*Study{st}, http.NotFoundHandler(), page, slog.New(slog.DiscardHandler)))
	t.Cleanup(s.Close)
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
		{"/api/tasks/none", 404, "error"},
		{"/api/", 404, "error"},
		{DataPath(st.Task) + "/100", 404, "want 0 to 99"},
		{DataPath(st.Task) + "/-1", 404, "want 0 to 99"},
		{DataPath(st.Task) + "/x", 404, "want 0 to 99"},
		{"/data/mnist-2nn/00000000/1", 404, "error"},
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
	for _, n := range []string{"0", "57", "99"} {
		r, b := get(t, s.URL+DataPath(st.Task)+"/"+n)
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
	rec := run.RoundRecord{Round: 1, Participants: 2, TrainLoss: math.Inf(1)}
	state := run.State{Phase: protocol.PhaseTraining, Round: 2, Version: 1}
	st.Feed.Publish(run.Update{State: state, Round: &rec})
	if e, v := next(); e != "state" || v["version"] != 1.0 {
		t.Fatalf("got %s %v", e, v)
	}
	if e, v := next(); e != "round" || v["test_loss"] != nil || v["train_loss"] != nil {
		t.Fatalf("got %s %v", e, v)
	}
	loss, accuracy := math.NaN(), .1
	rec.TestLoss, rec.TestAccuracy = &loss, &accuracy
	state.Evaluated = &run.Evaluation{Version: 1, Loss: loss, Accuracy: accuracy}
	st.Feed.Publish(run.Update{State: state, Round: &rec})
	if e, v := next(); e != "state" || v["test_accuracy"] != .1 || v["test_loss"] != nil {
		t.Fatalf("got %s %v", e, v)
	}
	if e, v := next(); e != "round" || v["round"] != 1.0 || v["test_accuracy"] != .1 {
		t.Fatalf("got %s %v", e, v)
	}
}
