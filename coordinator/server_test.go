package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"fedtab/api"
	"fedtab/client"
	"fedtab/coordinator/swarm"
	"fedtab/coordinator/web"
	"fedtab/protocol"
	"fedtab/strategy"
)

// testServer serves until the test ends.
type testServer struct {
	*Server
	stop func() error // ends it, and returns what Run returned
}

func serveTest(t *testing.T, cfg Config) *testServer {
	t.Helper()
	if cfg.Data == "" {
		cfg.Data = t.TempDir()
	}
	cfg.Listen.Addr, cfg.Listen.AdminAddr = "127.0.0.1:0", "127.0.0.1:0"
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	s, err := NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop := sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() { stop() })
	return &testServer{s, stop}
}

func (s *testServer) socket() string { return "ws://" + s.Addr() + "/ws" }

// api reads what the page reads.
func (s *testServer) api(t *testing.T, path string) (v struct {
	Run, Phase, Finished string
	Version              uint64
	Stop                 struct{ Rounds int }
	TestAccuracy         *float64 `json:"test_accuracy"`
	Evaluation           struct{ Accuracy, RMSE *float64 }
	Claim                *api.Claim
	Rounds               []struct {
		Round        uint64
		Participants int
		TestAccuracy *float64 `json:"test_accuracy"`
		BytesUp      int64    `json:"bytes_up"`
	}
}) {
	t.Helper()
	r, err := http.Get("http://" + s.Addr() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if err := json.NewDecoder(r.Body).Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// body gets a path of one of the server's addresses and wants a status.
func (s *testServer) body(t *testing.T, address, path string, status int) string {
	t.Helper()
	r, err := http.Get("http://" + address + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != status {
		t.Errorf("%s: %s (%v), want %d", path, r.Status, err, status)
	}
	return string(b)
}

// smallTask writes a task of three rounds, edited by pairs of old and new text.
func smallTask(t testing.TB, edit ...string) string {
	t.Helper()
	text := `name: small
model: {kind: mlp, hidden: [32]}
data: {source: mnist, partition: {kind: iid, clients: 100}}
strategy: {kind: fedavg, fraction: 1, epochs: 1, batch: 50, lr: 0.1, min_clients: 3, clip: none, max_weight: .inf}
compress: {up: {codec: float32}, down: {codec: float32}} # raw and unclipped, so that tests can see what is in versions
stop: {rounds: 3}
seed: 1
`
	text = strings.NewReplacer(edit...).Replace(text)
	file := filepath.Join(t.TempDir(), "small.yaml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// Under a prefix participants train by the address of the page, whether a proxy has
// removed the prefix or not.
func TestServePrefix(t *testing.T) {
	for _, prefix := range []string{"/a/lab", ""} {
		s := serveTest(t, Config{Public: "https://study.example/a/lab", Tasks: []string{smallTask(t, "rounds: 3", "rounds: 1")}})
		totals, err := swarm.Run(t.Context(), swarm.Options{URL: "http://" + s.Addr() + prefix, Task: "small", Clients: 3})
		if totals.Finished == "" {
			t.Errorf("%+v: the swarm does not say why the run is over", totals)
		}
		if err != nil {
			t.Errorf("below %q: %v", prefix, err)
		}
		if v := s.api(t, prefix+"/api/tasks/small"); v.Version != 1 {
			t.Errorf("below %q: version %d, want 1", prefix, v.Version)
		}
	}
}

// Native participants join over real sockets, train, and get the end of the run. The
// database then holds every round.
func TestServeTrains(t *testing.T) {
	dir := t.TempDir()
	s := serveTest(t, Config{Data: dir, Tasks: []string{smallTask(t)}})
	var wait sync.WaitGroup
	ends := make([]error, 3)
	for i := range ends {
		wait.Go(func() { ends[i] = (&swarm.Participant{URL: s.socket(), Task: "small"}).Run(t.Context()) })
	}
	wait.Wait()
	for i, err := range ends {
		var ce *protocol.CloseError
		if !errors.As(err, &ce) || ce.Code != protocol.CloseFinished {
			t.Errorf("participant %d ended with %v, want close code %d", i, err, protocol.CloseFinished)
		}
	}
	v := s.api(t, "/api/tasks/small")
	if v.Phase != "finished" || v.Version != 3 || len(v.Rounds) != 3 {
		t.Fatalf("the run stands at %+v", v)
	}
	for _, r := range v.Rounds {
		if r.Participants != 3 || r.TestAccuracy == nil || r.BytesUp == 0 {
			t.Errorf("round %+v", r)
		}
	}
	if *v.TestAccuracy < .85 {
		t.Errorf("test accuracy %.3f after three passes, want at least .85", *v.TestAccuracy)
	}
	served := s.body(t, s.Addr(), "/api/tasks/small/models/newest.safetensors", http.StatusOK)
	s.body(t, s.Addr(), "/api/tasks/small/models/4.safetensors", http.StatusNotFound)
	s.body(t, s.Addr(), "/api/tasks/small/models/newest.pt", http.StatusNotFound)
	var out, errs strings.Builder
	if code := Main(t.Context(), []string{"export", "--data", dir, "--run", "small", "--out", "-"}, &out, &errs); code != 0 || out.String() != served {
		t.Errorf("exporting from a coordinator that runs: exit code %d, %d bytes, want the %d that it serves, %s", code, out.Len(), len(served), errs.String())
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	errs.Reset()
	if code := Main(t.Context(), []string{"export", "--data", dir, "--run", s.studies()[0].Run(), "--version", "3", "--out", "-"}, &out, &errs); code != 0 || out.String() != served {
		t.Errorf("export: exit code %d, %d bytes, want the %d that were served: %s", code, out.Len(), len(served), errs.String())
	}
	for _, args := range [][]string{{"--run", "none"}, {"--run", "small", "--version", "9"}, {"--run", "small", "--out", dir}} {
		if code := Main(t.Context(), append([]string{"export", "--data", dir}, args...), &out, &errs); code != 1 {
			t.Errorf("export %v: exit code %d, want 1", args, code)
		}
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, "fedtab.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var rounds, models int
	if err := db.QueryRow("select count(*) from rounds where test_accuracy is not null").Scan(&rounds); err != nil {
		t.Fatal(err)
	}
	if err := db.QueryRow("select count(*) from models where parameters is not null").Scan(&models); err != nil {
		t.Fatal(err)
	}
	if rounds != 3 || models != 3 {
		t.Errorf("the database has %d rounds and %d models, want 3 and 3", rounds, models)
	}
}

// A restarted coordinator continues its run with the participants that reconnect.
func TestServeGoesOn(t *testing.T) {
	dir, file := t.TempDir(), smallTask(t, "rounds: 3", "rounds: 6")
	var clients [3]*client.Client
	for i := range clients {
		clients[i] = client.New(client.Config{Name: "test", Task: "small"})
	}
	run := func(until func(version uint64) bool) (version uint64, id string) {
		s := serveTest(t, Config{Data: dir, Tasks: []string{file}})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var wait sync.WaitGroup
		for _, c := range clients {
			p := &swarm.Participant{URL: s.socket(), Task: "small", Client: c}
			p.OnMessage = func(m protocol.Message, sent bool) {
				if st, ok := m.(*protocol.Status); ok && until(st.Version) {
					cancel()
				}
			}
			wait.Go(func() { p.Run(ctx) })
		}
		wait.Wait()
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
		return s.studies()[0].live.Run.State().Version, s.studies()[0].Run()
	}
	first, id := run(func(v uint64) bool { return v >= 2 })
	if first < 2 || first >= 6 {
		t.Fatalf("the first coordinator stopped at version %d, want 2 to 5", first)
	}
	var numbers [3]uint32
	for i, c := range clients {
		numbers[i] = c.Welcome().Participant
	}
	last, again := run(func(uint64) bool { return false })
	if last != 6 || again != id {
		t.Errorf("the second coordinator ended run %s at version %d, want %s at 6", again, last, id)
	}
	for i, c := range clients {
		if c.Welcome().Participant != numbers[i] {
			t.Errorf("participant %d resumed as %d", numbers[i], c.Welcome().Participant)
		}
	}
}

// Cohorts of a live run follow from a secret, not from the seed that every welcome
// carries: the same database repeats them, another has others.
func TestServeChoicesAreSecret(t *testing.T) {
	cohorts := func(secret []byte, id string) (chosen [][]strategy.ClientID) {
		key := cohortSecret(secret, id)
		s, err := strategy.New(strategy.Config{Kind: "fedavg", Fraction: .3, LR: .1}, strategy.Setup{Secret: &key, MinCohort: 2, Live: true})
		if err != nil {
			t.Fatal(err)
		}
		open := func(effects []strategy.Effect) {
			for _, e := range effects {
				if o, ok := e.(strategy.Open); ok {
					chosen = append(chosen, o.Cohort)
				}
			}
		}
		for c := range 20 {
			open(s.Step(strategy.Joined{Client: strategy.ClientID(c + 1)}))
		}
		for round := uint64(1); round <= 5; round++ {
			s.Step(strategy.Opened{Round: round})
			for i, c := range chosen[len(chosen)-1] {
				s.Step(strategy.Offered{Client: c, Order: strategy.OrderID(round), Handle: strategy.Handle(i + 1), Weight: 1})
			}
			open(s.Step(strategy.Committed{Round: round}))
		}
		return chosen[1:]
	}
	one, same := cohorts([]byte("one database"), "run"), cohorts([]byte("one database"), "run")
	if !reflect.DeepEqual(one, same) {
		t.Error("the same database and run have other cohorts")
	}
	for name, other := range map[string][][]strategy.ClientID{
		"another database": cohorts([]byte("another"), "run"), "another run": cohorts([]byte("one database"), "second"),
	} {
		if reflect.DeepEqual(one, other) {
			t.Errorf("%s has the same five cohorts %v", name, one)
		}
	}
	a, b := serveTest(t, Config{Tasks: []string{smallTask(t)}}), serveTest(t, Config{Tasks: []string{smallTask(t)}})
	if cohortSecret(a.store.Secret(), "run") == cohortSecret(b.store.Secret(), "run") {
		t.Error("two databases have one secret")
	}
}

// A run continues if the settings and the data that training depends on are equal.
// Otherwise a new run starts; other data has other paths.
func TestServeKnowsItsRun(t *testing.T) {
	dir := t.TempDir()
	csv := filepath.Join(t.TempDir(), "table.csv")
	rows := func(last string) {
		text := "x,y,label\n"
		for i := range 60 {
			text += fmt.Sprintf("%d,%d,%s\n", i, (7*i)%13, []string{"a", "b"}[i%2])
		}
		if err := os.WriteFile(csv, []byte(text+last), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	rows("61,3,a\n")
	task := "title: A table\ndata: {source: csv, csv: {path: " + csv + ", target: label}, holdout: 0.2, public: true, partition: {kind: iid, clients: 4}}"
	serve := func(edit ...string) (id, source string) {
		t.Helper()
		edits := append(edit, "data: {source: mnist, partition: {kind: iid, clients: 100}}", task)
		s := serveTest(t, Config{Data: dir, Tasks: []string{smallTask(t, edits...)}})
		st := s.studies()[0]
		id, source = st.Run(), web.DataPath(st.Task, st.Data)
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
		return id, source
	}
	first, source := serve()
	if again, s := serve(); again != first || s != source {
		t.Errorf("unedited: run %s at %s, want %s at %s", again, s, first, source)
	}
	if again, _ := serve("stop: {rounds: 3}", "stop: {rounds: 9}\ndescription: A corrected typo\ndevices: {speed: 7}"); again != first {
		t.Errorf("another description, stop and devices: run %s, want %s", again, first)
	}
	faster, _ := serve("lr: 0.1", "lr: 0.2")
	if faster == first {
		t.Error("another learning rate goes on with the same run")
	}
	rows("61,4,a\n") // one cell
	other, moved := serve("lr: 0.1", "lr: 0.2")
	if other == faster || moved == source {
		t.Errorf("an edited table: run %s at %s, want another run and path than %s at %s", other, moved, faster, source)
	}
}

// A run of own data goes on while what its training depends on is the same: other ways
// to write a value are no other data. Nothing is handed out.
func TestServeKnowsItsOwnRun(t *testing.T) {
	dir := t.TempDir()
	task := "data: {source: own, table: {features: [{name: age, type: number, min: 0, max: 120}, {name: sex, type: category, values: [f, m]}], label: {name: outcome, values: [healthy, ill]}}, from: {csv: none.csv}}"
	serve := func(edit ...string) string {
		t.Helper()
		edits := append([]string{"data: {source: mnist, partition: {kind: iid, clients: 100}}", strings.NewReplacer(edit...).Replace(task)}, edit...)
		s := serveTest(t, Config{Data: dir, Tasks: []string{smallTask(t, edits...)}})
		var b strings.Builder
		s.describe(&b)
		for _, want := range []string{"each with a browser, or coordinator client, and 10 to 100000 examples of its own", "own data: 2 features, classes healthy and ill; brought by the participants", "note: data.from is for simulations"} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("the description lacks %q:\n%s", want, b.String())
			}
		}
		id := s.studies()[0].Run()
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
		return id
	}
	first := serve()
	if again := serve("values: [f, m]", "values: [f, m], aliases: {female: f}, columns: [gender]", "rounds: 3", "rounds: 9"); again != first {
		t.Errorf("other names of a column and a value: run %s, want %s", again, first)
	}
	if other := serve("max: 120", "max: 99"); other == first {
		t.Error("another range goes on with the same run")
	}
}

// A task that only a simulation can run is refused with what to write instead, before
// a port is opened or the data directory is made.
func TestServeRefusesTask(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	csv := filepath.Join(t.TempDir(), "rows.csv")
	if err := os.WriteFile(csv, []byte("age,label\n1,a\n2,b\n3,a\n4,b\n5,a\n6,b\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	const mnist, fedavg, stop = "{source: mnist, partition: {kind: iid, clients: 100}}", "kind: fedavg, fraction: 1, epochs: 1", "stop: {rounds: 3}"
	private := "{source: csv, csv: {path: " + csv + ", target: label}, holdout: 0.2, partition: {kind: iid, clients: 2}}"
	for _, test := range []struct {
		name string
		task string
		want []string
	}{
		{"private data", smallTask(t, mnist, private), []string{"small.yaml:3: data.public is missing, want true if all participants may have the rows"}},
		{"data that is said to be private", smallTask(t, mnist, strings.Replace(private, "holdout", "public: false, holdout", 1)), []string{"small.yaml:3: data.public is false, want true"}},
		{"central", smallTask(t, fedavg, "kind: central, epochs: 1", ", min_clients: 3, clip: none, max_weight: .inf", ""), []string{`strategy.kind is "central", want a scheme of several participants`, `"periodic"`}},
		{"adversaries", smallTask(t, stop, "stop: {rounds: 3}\nadversaries: {kind: noise, fraction: 0.2}"), []string{`adversaries.kind is "noise", want none`, "coordinator swarm --adversaries"}},
		{"drift", smallTask(t, mnist, "{source: mnist, drift: 100, partition: {kind: iid, clients: 100}}", "epochs: 1", "batches: 1"), []string{"data.drift is 100, want none"}},
		{"steps that are not counted", smallTask(t, fedavg, "kind: dynamic, delta: 1, batches: 1", ", clip: none", "", stop, "stop: {steps: 50}"), []string{"stop.steps is 50, want rounds, accuracy or time beside it"}},
		{"several", smallTask(t, mnist, private, stop, "stop: {rounds: 3}\nadversaries: {kind: noise, fraction: 0.2}"), []string{"data.public is missing", "adversaries.kind is"}},
		{"a scheme that the model cannot have", smallTask(t, fedavg+", batch: 50, lr: 0.1, min_clients: 3, clip: none, max_weight: .inf", "kind: radon, epochs: 1, batch: 50, lr: 0.1"), []string{"the Radon machine needs"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			data := filepath.Join(t.TempDir(), "data")
			var out, errs strings.Builder
			code := Main(t.Context(), []string{"serve", "--addr", taken.Addr().String(), "--data", data, "--task", test.task}, &out, &errs)
			for _, want := range test.want {
				if !strings.Contains(errs.String(), want) {
					t.Errorf("no %q in:\n%s", want, errs.String())
				}
			}
			if code != 1 || out.Len() > 0 || strings.Contains(errs.String(), "in use") {
				t.Errorf("exit code %d, output %q, want 1, none, and no attempt to listen:\n%s", code, out.String(), errs.String())
			}
			if _, err := os.Stat(data); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the data directory: %v, want none", err)
			}
		})
	}
}

// An invalid task or flag is reported in one line, before anything is changed.
func TestServeRefusesSettings(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	notDir := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(notDir, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	newer := t.TempDir()
	st := serveTest(t, Config{Data: newer, Tasks: []string{smallTask(t)}})
	if err := st.stop(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", filepath.Join(newer, "fedtab.db"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("pragma user_version = 999"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	held := t.TempDir()
	serveTest(t, Config{Data: held, Tasks: []string{smallTask(t)}})

	for _, test := range []struct {
		name string
		args []string
		want string
	}{
		{"port in use", []string{"--addr", taken.Addr().String(), "--data", t.TempDir()}, "is in use"},
		{"data under a file", []string{"--data", filepath.Join(notDir, "data")}, "--data " + notDir},
		{"database of a newer version", []string{"--data", newer}, "999"},
		{"directory in use", []string{"--data", held}, held},
		{"the same task twice", []string{"--data", t.TempDir(), "--task", "mnist-2nn", "--task", "mnist-2nn"}, "each task once"},
		{"unknown task", []string{"--data", t.TempDir(), "--task", "mnist-3nn"}, `--task mnist-3nn: no such task: "mnist-3nn", did you mean mnist-2nn?`},
		{"no such file", []string{"--data", t.TempDir(), "--task", notDir + "/x.yaml"}, "--task " + notDir + "/x.yaml: "},
		{"wrong task file", []string{"--data", t.TempDir(), "--task", smallTask(t, "fraction: 1", "fraction: 1.5")}, "small.yaml:4: strategy.fraction is 1.5"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out, errs strings.Builder
			args := append([]string{"serve", "--addr", "127.0.0.1:0"}, test.args...)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			code := Main(ctx, args, &out, &errs)
			lines := 0
			for line := range strings.Lines(errs.String()) {
				if strings.HasPrefix(line, "coordinator:") {
					lines++
				}
			}
			if code != 1 || lines != 1 || !strings.Contains(errs.String(), test.want) {
				t.Errorf("exit code %d, want 1 and one line with %q:\n%s", code, test.want, errs.String())
			}
		})
	}
}

// What is served is printed in plain lines, and where the run stands.
func TestServePrints(t *testing.T) {
	cfg := Config{Data: t.TempDir(), Tasks: []string{smallTask(t)}, Public: "http://study.example/"}
	check := func(s *testServer, stands string) {
		t.Helper()
		want := "task small: small\n  run: " + s.studies()[0].Run() + " (" + stands + ")\n  page: http://study.example/t/small\n  join: open (any participant may join, without an invite)\n  training: fedavg, 25450 parameters\n" +
			"  participants: at least 3 at a time, each with a browser and no data of its own\n" +
			"  data: MNIST: 60,000 handwritten digits of 28 x 28 pixels, 10,000 more for testing; handed out in 100 shards\n"
		var b strings.Builder
		if s.describe(&b); b.String() != want {
			t.Errorf("got\n%swant\n%s", b.String(), want)
		}
	}
	s := serveTest(t, cfg)
	check(s, "new")
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	s = serveTest(t, cfg)
	check(s, "resumed at version 0")
	if _, err := swarm.Run(t.Context(), swarm.Options{URL: s.socket(), Task: "small", Clients: 3}); err != nil {
		t.Fatal(err)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	check(serveTest(t, cfg), "finished: 3 rounds done")
}

// A swarm on a wrong task or path ends with the reason.
func TestSwarmRefused(t *testing.T) {
	s := serveTest(t, Config{Tasks: []string{smallTask(t)}})
	for _, test := range []struct{ name, url, task, want string }{
		{"task", s.socket(), "samll", `unknown task (4504): task: "samll", want one of small`},
		{"path", strings.TrimSuffix(s.socket(), "ws") + "wss", "small", "/wss: 404 Not Found"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out, errs strings.Builder
			code := Main(t.Context(), []string{"swarm", "--url", test.url, "--task", test.task, "--clients", "3"}, &out, &errs)
			if code != 1 || !strings.Contains(errs.String(), test.want) {
				t.Errorf("exit code %d, %s, want 1 and %q", code, errs.String(), test.want)
			}
		})
	}
}

// The log says at the start why a run is new, without what follows from it, and that
// two tasks have one title.
func TestServeWarns(t *testing.T) {
	dir := t.TempDir()
	start := func(tasks ...string) string {
		t.Helper()
		var b bytes.Buffer
		s := serveTest(t, Config{Data: dir, Tasks: tasks, Log: slog.New(slog.NewTextHandler(&b, nil))})
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	start(smallTask(t))
	if log := start(smallTask(t, "seed: 1", "seed: 2")); !strings.Contains(log, `changes="seed is 2, was 1"`) {
		t.Errorf("after a change of the seed: %s, want that change alone", log)
	}
	log := start(smallTask(t, "seed: 1", "seed: 2", "name: small", "name: small\ntitle: Digits"), smallTask(t, "name: small", "name: other\ntitle: Digits"))
	if !strings.Contains(log, `level=WARN msg="two tasks have the same title: the page tells them apart by their names" title=Digits tasks="small, other"`) {
		t.Errorf("two tasks of one title: %s", log)
	}
}

// OPTIONS * is a request like any other, and does not wait for its body: net/http would
// answer it beside all budgets.
func TestServeAnswersOptions(t *testing.T) {
	s := serveTest(t, Config{Tasks: []string{smallTask(t)}})
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "OPTIONS * HTTP/1.1\r\nHost: %s\r\nContent-Length: 5\r\n\r\n", s.Addr())
	answer, err := io.ReadAll(conn) // until the coordinator closes
	if !strings.HasPrefix(string(answer), "HTTP/1.1 405 ") {
		t.Errorf("got %q, %v, want status 405 and a closed connection", answer, err)
	}
}
