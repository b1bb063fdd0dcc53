package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fedtab/api/v1"
	"fedtab/coordinator/store"
	"fedtab/coordinator/swarm"
	"fedtab/coordinator/task"
	"fedtab/tasks"
)

// smallText is the text of smallTask.
func smallText(t testing.TB, edit ...string) string {
	t.Helper()
	b, err := os.ReadFile(smallTask(t, edit...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// tasks calls the operations on tasks once, on a server with the tasks small and closed.
func (c *caller) tasks() {
	c.t.Helper()
	var schemes v1.Schemes
	if c.call(200, "GET", "/schemes", "/schemes", nil, &schemes); len(schemes.Schemes) != 8 || len(schemes.Options) < 80 || !slices.Contains(schemes.Schemes[0].Options, "strategy.lr") {
		c.t.Errorf("%d schemes, %d options: %+v", len(schemes.Schemes), len(schemes.Options), schemes.Schemes)
	}
	var presets v1.Presets
	c.call(200, "GET", "/presets", "/presets", nil, &presets)
	names := ""
	for _, p := range presets.Items {
		names += " " + p.Name
		var checked v1.Checked
		if c.call(200, "POST", "/tasks/check", "/tasks/check", object{"yaml": p.YAML}, &checked); len(checked.Problems) > 0 || checked.Estimate == nil || checked.Name != p.Name {
			c.t.Errorf("preset %s: %+v", p.Name, checked)
		}
	}
	if !strings.Contains(names, " own-vote") || strings.Contains(names, "central") || strings.Contains(names, " csv") {
		c.t.Errorf("presets:%s", names)
	}
	var served v1.Served
	if c.call(201, "POST", "/tasks", "/tasks", object{"yaml": smallText(c.t, "name: small", "name: more")}, &served); served.Task != "more" || !strings.HasPrefix(served.Run, "more-") || served.Version != 0 {
		c.t.Errorf("served: %+v", served)
	}
	var link v1.Link
	if c.call(200, "GET", "/tasks/{task}/link", "/tasks/more/link", nil, &link); link.Link != "http://"+c.s.Addr()+"/t/more" || !strings.HasPrefix(link.QR, "<svg ") {
		c.t.Errorf("link: %+v", link)
	}
	if text := c.call(409, "GET", "/tasks/{task}/link", "/tasks/closed/link", nil, nil); !strings.Contains(text, "has join: invited") {
		c.t.Errorf("link of a closed task: %q", text)
	}
	c.call(404, "GET", "/tasks/{task}/link", "/tasks/none/link", nil, nil)
	c.call(200, "POST", "/runs/{run}/stop", "/runs/more/stop", nil, nil)
	var done v1.Done
	if c.call(200, "DELETE", "/tasks/{task}", "/tasks/more", nil, &done); done.Run != served.Run {
		c.t.Errorf("withdrawn: %+v", done)
	}
	var made v1.TaskText
	answer := c.send("POST", "/tasks/init", "/tasks/init?name=patients.csv", http.Header{"Content-Type": {"text/csv"}}, strings.NewReader(table(60)))
	if err := json.NewDecoder(answer.Body).Decode(&made); err != nil || answer.StatusCode != 200 || !strings.Contains(made.YAML, `name: "patients"`) {
		c.t.Errorf("init: %s, %v, %s", answer.Status, err, made.YAML)
	}
}

// table is a table of a number of rows.
func table(rows int) string {
	var b strings.Builder
	b.WriteString("age,weight,outcome\n")
	for i := range rows {
		fmt.Fprintf(&b, "%d,%v,%s\n", 20+i%50, 50.5+float64(i%40), []string{"ill", "well"}[i%2])
	}
	return b.String()
}

// A task is added while the coordinator runs, trained, served after a restart, replaced
// and withdrawn; participants and organisers see each of it.
func TestAddedTask(t *testing.T) {
	dir := t.TempDir()
	flag := smallTask(t, "name: small", "name: flag")
	s := serveTest(t, Config{Data: dir, Tasks: []string{flag}})
	c := newCaller(t, s)
	text := "# For the workshop.\n" + smallText(t, "rounds: 3", "rounds: 6")
	var served v1.Served
	c.call(201, "POST", "/tasks", "/tasks", object{"yaml": text}, &served)
	if kept, err := os.ReadFile(filepath.Join(dir, "tasks", "small.yaml")); err != nil || string(kept) != text {
		t.Errorf("kept: %v, %s", err, kept)
	}
	var server v1.Server
	if c.call(200, "GET", "/server", "/server", nil, &server); !slices.Equal(server.Tasks, []string{"flag", "small"}) {
		t.Errorf("served: %v", server.Tasks)
	}
	if metrics := s.body(t, s.listeners.AdminAddr(), "/metrics", 200); !strings.Contains(metrics, `fedtab_run_up{run="`+served.Run+`",task="small"} 1`) {
		t.Error("the metrics have nothing of the added task")
	}
	if cards := s.body(t, s.Addr(), "/api/tasks", 200); !strings.Contains(cards, `"name":"small"`) {
		t.Errorf("cards: %s", cards)
	}
	if text := c.call(409, "POST", "/tasks", "/tasks", object{"yaml": text}, nil); !strings.Contains(text, "goes on, and task small has one at a time: stop it first") {
		t.Errorf("added twice: %q", text)
	}
	if text := c.call(409, "DELETE", "/tasks/{task}", "/tasks/small", nil, nil); !strings.Contains(text, "stop it first") {
		t.Errorf("withdrawn while it goes on: %q", text)
	}
	if text := c.call(409, "DELETE", "/tasks/{task}", "/tasks/flag", nil, nil); !strings.Contains(text, "remove it from --task") {
		t.Errorf("one of --task: %q", text)
	}
	c.call(404, "DELETE", "/tasks/{task}", "/tasks/none", nil, nil)

	// A restart in the middle: the run goes on.
	train := func(s *testServer) {
		t.Helper()
		if _, err := swarm.Run(t.Context(), swarm.Options{URL: s.socket(), Task: "small", Clients: 3}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, leave := context.WithCancel(t.Context())
	trained := make(chan struct{})
	go func() {
		swarm.Run(ctx, swarm.Options{URL: s.socket(), Task: "small", Clients: 3})
		close(trained)
	}()
	waitFor(t, "a version of the added task", func() bool { return s.api(t, "/api/tasks/small").Version >= 1 })
	c.call(200, "POST", "/runs/{run}/pause", "/runs/small/pause", nil, nil) // no cohort is waited for after the restart
	leave()
	<-trained
	s.stop()
	s = serveTest(t, Config{Data: dir, Tasks: []string{flag}})
	c = newCaller(t, s)
	if v := s.api(t, "/api/tasks/small"); v.Run != served.Run || v.Version < 1 {
		t.Errorf("after a restart participants see %+v, want run %s", v, served.Run)
	}
	c.call(200, "POST", "/runs/{run}/resume", "/runs/small/resume", nil, nil)
	train(s)
	waitFor(t, "the end on disk", func() bool { r, _, err := s.store.FindRun(served.Run); return err == nil && r.Finished != "" })

	// Other settings: another run, and streams come to it.
	events := c.follow("/runs/small/events", "")
	events.next()
	first := served.Run
	c.call(201, "POST", "/tasks", "/tasks", object{"yaml": smallText(t, "hidden: [32]", "hidden: [16]", "rounds: 3", "rounds: 2")}, &served)
	for events.lines.Scan() {
	}
	if v := s.api(t, "/api/tasks/small"); v.Run != served.Run || v.Run == first || v.Stop.Rounds != 2 || v.Version != 0 {
		t.Errorf("replaced, participants see %+v", v)
	}
	train(s)
	if v := s.api(t, "/api/tasks/small"); v.Version != 2 {
		t.Errorf("after training of the other settings: version %d, want 2", v.Version)
	}
	waitFor(t, "the second end on disk", func() bool { r, _, err := s.store.FindRun(served.Run); return err == nil && r.Finished != "" })
	c.call(200, "DELETE", "/tasks/{task}", "/tasks/small", nil, nil)
	s.body(t, s.Addr(), "/api/tasks/small", 404)
	if _, err := os.Stat(filepath.Join(dir, "tasks", "small.yaml")); !os.IsNotExist(err) {
		t.Errorf("the file of a task that was withdrawn: %v", err)
	}
	var list v1.Page[v1.Run]
	if c.call(200, "GET", "/runs", "/runs?task=small", nil, &list); len(list.Items) != 2 || list.Items[0].Served {
		t.Errorf("runs of a task that was withdrawn: %+v", list.Items)
	}
	_, err := swarm.Run(t.Context(), swarm.Options{URL: s.socket(), Task: "small", Clients: 1})
	if err == nil || !strings.Contains(err.Error(), "want one of flag") {
		t.Errorf("a participant of a task that was withdrawn: %v", err)
	}

	// --task goes before a task that was added under its name.
	c.call(201, "POST", "/tasks", "/tasks", object{"yaml": text}, &served)
	s.stop()
	s = serveTest(t, Config{Data: dir, Tasks: []string{smallTask(t, "rounds: 3", "rounds: 7")}})
	if v := s.api(t, "/api/tasks/small"); v.Stop.Rounds != 7 || len(s.studies()) != 1 {
		t.Errorf("--task with the name of an added task: %+v", v)
	}
}

// What cannot be served is refused in a sentence, and leaves nothing behind.
func TestAddedTaskRefused(t *testing.T) {
	dir := t.TempDir()
	s := serveTest(t, Config{Data: dir, Tasks: []string{smallTask(t, "name: small", "name: flag")}})
	c := newCaller(t, s)
	outside := filepath.Join(t.TempDir(), "secret.csv")
	inside := filepath.Join(dir, "files", "table.csv")
	link := filepath.Join(dir, "files", "link.csv")
	if err := os.MkdirAll(filepath.Dir(inside), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{outside, inside} {
		if err := os.WriteFile(path, []byte(table(200)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, link); err != nil {
		t.Fatal(err)
	}
	csv := func(path string) string {
		return fmt.Sprintf("name: table\nmodel: {kind: mlp, hidden: []}\ndata: {source: csv, public: true, csv: {path: %q, target: outcome}, partition: {clients: 4}}\nstrategy: {kind: fedavg, fraction: 1, batch: 10, lr: 0.1}\nstop: {rounds: 2}\n", path)
	}
	for _, test := range []struct{ name, yaml, want string }{
		{"no YAML", "a: [", "is not YAML"},
		{"nothing", "", "is empty"},
		{"a wrong value", smallText(t, "fraction: 1", "fraction: 1.5"), "strategy.fraction is 1.5, want 0 <= fraction <= 1"},
		{"a simulation", smallText(t, "kind: fedavg, fraction: 1,", "kind: central,", ", min_clients: 3, clip: none, max_weight: .inf", ""), "a scheme of several participants"},
		{"a file of the machine", csv(outside), "want a file in " + filepath.Join(dir, "files")},
		{"a token", csv(filepath.Join(dir, "organiser.token")), "want a file in "},
		{"a way out", csv(filepath.Join(dir, "files", "..", "organiser.token")), "want a file in "},
		{"a way out of the samples", csv("tasks/samples/../../go.mod"), "want a file in "},
		{"a link out", csv(link), "want a file in "},
		{"no such file", csv(filepath.Join(dir, "files", "none.csv")), "which cannot be read"},
		{"private data", strings.Replace(csv(inside), "public: true, ", "", 1), "data.public is missing"},
		{"a test file", strings.NewReplacer("on: holdouts", "on: test, test: {csv: /etc/passwd}").Replace(shippedTask(t, "own-vote")), "evaluate.test.csv is \"/etc/passwd\", want a file in"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if text := c.call(422, "POST", "/tasks", "/tasks", object{"yaml": test.yaml}, nil); !strings.Contains(text, test.want) {
				t.Errorf("%q, want %q", text, test.want)
			}
			var checked v1.Checked
			c.call(200, "POST", "/tasks/check", "/tasks/check", object{"yaml": test.yaml}, &checked)
			if !slices.ContainsFunc(checked.Problems, func(p v1.TaskProblem) bool { return strings.Contains(p.Text, test.want) }) || checked.Estimate != nil {
				t.Errorf("checked: %+v, want the problem %q", checked.Problems, test.want)
			}
		})
	}
	nothing := func(t *testing.T) {
		t.Helper()
		if runs, err := s.store.Runs(store.Filter{}); err != nil || len(runs) != 1 || len(s.studies()) != 1 || len(s.web.All()) != 1 {
			t.Errorf("left behind: %+v, %v, %d studies", runs, err, len(s.studies()))
		}
	}
	nothing(t)

	// The folder of tasks cannot be written.
	if err := os.WriteFile(filepath.Join(dir, "tasks"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if text := c.call(500, "POST", "/tasks", "/tasks", object{"yaml": smallText(t)}, nil); !strings.Contains(text, "not a directory") {
		t.Errorf("no folder: %q", text)
	}
	nothing(t)
	if err := os.Remove(filepath.Join(dir, "tasks")); err != nil {
		t.Fatal(err)
	}
	var served v1.Served
	c.call(201, "POST", "/tasks", "/tasks", object{"yaml": csv(inside)}, &served)
	if r, err := http.Get("http://" + s.Addr() + "/api/tasks/table"); err != nil || r.StatusCode != 200 {
		t.Errorf("a table of the organiser: %v", err)
	}

	// A file that is no task any more keeps no other from being served.
	if err := os.WriteFile(filepath.Join(dir, "tasks", "table.yaml"), []byte("name: [\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.stop()
	s = serveTest(t, Config{Data: dir, Tasks: []string{smallTask(t, "name: small", "name: flag")}})
	if len(s.studies()) != 1 {
		t.Errorf("%d tasks are served, want 1", len(s.studies()))
	}
}

// shippedTask returns the text of a task that ships.
func shippedTask(t testing.TB, name string) string {
	t.Helper()
	b, err := tasks.Files.ReadFile(name + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A check makes changes, says what is wrong with the lines that it answers with, and what a
// run would cost.
func TestCheckTask(t *testing.T) {
	d := &backend{dir: t.TempDir()}
	check := func(yaml string, set ...string) v1.Checked {
		t.Helper()
		c, err := d.Check(t.Context(), v1.CheckOrder{YAML: yaml, Set: set})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := check(shippedTask(t, "mnist-2nn"), "strategy.fraction=0.2", "stop={rounds: 50}")
	if e := c.Estimate; e == nil || len(c.Problems) > 0 || e.Parameters != 199_210 || e.Fewest != 1 || e.Rounds != 50 ||
		e.BytesUp < 20_000 || e.BytesUp > 30_000 || e.Bytes != 50*(e.BytesUp+e.BytesDown) || e.Examples != 60_000 ||
		e.Seconds < .1 || e.Seconds > 10 || e.TabMemory < 1e6 || e.CoordinatorMemory < 1e6 {
		t.Errorf("mnist-2nn: %+v, %+v", c.Problems, e)
	}
	if c.Values["strategy.fraction"] != "0.2" || c.Values["stop.rounds"] != "50" || c.Values["strategy.deadline"] != "2m0s" || c.Own || !strings.Contains(c.YAML, "fraction: 0.2") {
		t.Errorf("values: %v\n%s", c.Values, c.YAML)
	}
	c = check(shippedTask(t, "own-vote"))
	if !c.Own || len(c.Columns) != 8 || c.Columns[0] != "TVnews" || c.Target != "vote" || c.Estimate.Fewest != 3 || c.Estimate.Examples != 0 || c.Estimate.Seconds != 0 {
		t.Errorf("own-vote: %+v, %+v", c, c.Estimate)
	}
	text := "name: x\nmodel: {kind: mlp, hidden: []}\ndata: {source: mnist}\nstrategy:\n  kind: fedavg\n  fraction: 1.5\n  lr: fast\nstop: {rounds: 2}\n"
	c = check(text, "strategy.fractoin=3", "nonsense", "strategy.batch=[")
	want := []v1.TaskProblem{
		{Key: "strategy.fraction", Line: 6, Text: "strategy.fraction is 1.5, want 0 <= fraction <= 1"},
		{Key: "strategy.lr", Line: 7, Text: `strategy.lr is "fast", want a number`},
		{Key: "strategy.fractoin", Line: 8},
		{Key: "nonsense", Text: "want PATH=VALUE, such as strategy.fraction=0.2"},
		{Key: "strategy.batch"},
	}
	if len(c.Problems) != len(want) || c.Estimate != nil {
		t.Fatalf("problems: %+v", c.Problems)
	}
	for i, p := range c.Problems {
		if p.Key != want[i].Key || p.Line != want[i].Line || want[i].Text != "" && p.Text != want[i].Text || p.Text == "" {
			t.Errorf("problem %d: %+v, want %+v", i, p, want[i])
		}
	}
	if c.Values["strategy.lr"] != "fast" || c.Values["strategy.fraction"] != "1.5" {
		t.Errorf("values: %v", c.Values)
	}
	c = check(strings.NewReplacer("1.5", "1", "fast", "0.1").Replace(text), "model={kind: linear}")
	if len(c.Problems) != 1 || c.Problems[0].Key != "model.kind" || c.Problems[0].Line != 2 {
		t.Errorf("a model of numbers for classes: %+v", c.Problems)
	}
	c = check(smallText(t), "strategy.combine=radon", "model.hidden=[300]")
	if len(c.Problems) == 0 || !strings.HasPrefix(c.Problems[0].Key, "strategy") {
		t.Errorf("too large a model for Radon points: %+v", c.Problems)
	}
}

// A table becomes a task that can be served; two participants are enough if they are asked
// for.
func TestInitTask(t *testing.T) {
	s := serveTest(t, Config{Tasks: []string{smallTask(t)}})
	c := newCaller(t, s)
	ask := func(status int, query url.Values, contentType, body string) string {
		t.Helper()
		answer := c.send("POST", "/tasks/init", "/tasks/init?"+query.Encode(), http.Header{"Content-Type": {contentType}}, strings.NewReader(body))
		b, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != status {
			t.Fatalf("%v: %s %s, want %d", query, answer.Status, b, status)
		}
		var made struct{ YAML, Detail string }
		if err := json.Unmarshal(b, &made); err != nil {
			t.Fatal(err)
		}
		return made.YAML + made.Detail
	}
	for participants, want := range map[string][]string{
		"":  {"min_clients: 3,", "name: \"patients\""},
		"2": {"min_clients: 2,", "participants: 2}"},
		"7": {"min_clients: 7,", "participants: 7}"},
	} {
		q := url.Values{"name": {"/home/me/patients.csv"}, "target": {"outcome"}}
		if participants != "" {
			q.Set("participants", participants)
		}
		text := ask(200, q, "application/octet-stream", table(60))
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("for %q participants: no %q in\n%s", participants, w, text)
			}
		}
		if strings.Contains(text, "from:") || strings.Contains(text, "/home") {
			t.Errorf("names a file:\n%s", text)
		}
		var checked v1.Checked
		c.call(200, "POST", "/tasks/check", "/tasks/check", object{"yaml": text}, &checked)
		if fewest := map[string]int{"": 3, "2": 2, "7": 7}[participants]; len(checked.Problems) > 0 || checked.Estimate.Fewest != fewest {
			t.Errorf("for %q participants: %+v, %+v", participants, checked.Problems, checked.Estimate)
		}
	}
	for _, test := range []struct {
		query  url.Values
		body   string
		status int
		want   string
	}{
		{url.Values{"target": {"none"}}, table(60), 422, `there is no column "none"`},
		{url.Values{"decimal": {"dot"}}, table(60), 422, ""},
		{url.Values{"participants": {"1"}}, table(60), 422, ""},
		{url.Values{"target": {"weight"}}, table(5), 422, "want at least 6"},
		{nil, "a;b\n1,5;x\n2,5;y\n1,5;x\n2,5;y\n1,5;x\n2,5;y\n", 200, ""},
		{nil, "", 400, "body is required"},
		{nil, "\x1f\x8b\x08 compressed", 422, ""},
		{nil, strings.Repeat("x", 64<<20+1), 413, ""},
	} {
		if text := ask(test.status, test.query, "text/csv", test.body); !strings.Contains(text, test.want) || strings.Contains(text, "--") {
			t.Errorf("%v: %q, want %q", test.query, text, test.want)
		}
	}
}

// An invite comes with the address that it is opened by, and its QR code.
func TestInviteLink(t *testing.T) {
	s := serveTest(t, Config{Tasks: []string{smallTask(t, "name: small", "name: small\njoin: invited")}, Public: "https://study.example/a"})
	c := newCaller(t, s)
	var made v1.NewInvite
	c.call(201, "POST", "/invites", "/invites", object{"task": "small", "uses": 1, "seconds": 3600}, &made)
	if made.Link.Link != "https://study.example/a/t/small#invite="+made.Code || !strings.HasPrefix(made.QR, "<svg ") {
		t.Errorf("invite: %+v", made)
	}
	alone := &backend{store: s.store, dir: t.TempDir()}
	if again, err := alone.Invite(v1.InviteOrder{Task: "small", Uses: 1, Seconds: 3600}); err != nil || again.Link.Link != "" || again.QR != "" {
		t.Errorf("without a page: %+v, %v", again, err)
	}
}

// Tasks are added and withdrawn while participants and scrapes read what is served.
func TestAddedAtOnce(t *testing.T) {
	s := serveTest(t, Config{Tasks: []string{"anes96"}})
	ctx, cancel := context.WithCancel(t.Context())
	read := make(chan int)
	go func() {
		n := 0
		for ; ctx.Err() == nil; n++ {
			for _, at := range []string{s.Addr() + "/api/tasks", s.Addr() + "/readyz", s.Addr() + "/api/tasks/a", s.listeners.AdminAddr() + "/metrics"} {
				if r, err := http.Get("http://" + at); err == nil {
					io.Copy(io.Discard, r.Body)
					r.Body.Close()
				}
			}
			time.Sleep(time.Millisecond)
		}
		read <- n
	}()
	added := make(chan error)
	for _, name := range []string{"a", "b", "c"} {
		go func() {
			for range 3 {
				served, err := s.backend.Serve(ctx, []byte(strings.Replace(shippedTask(t, "anes96"), "name: anes96", "name: "+name, 1)))
				if err == nil {
					_, err = s.backend.Stop(ctx, served.Run, "enough")
				}
				if err == nil {
					_, err = s.backend.Withdraw(ctx, name)
				}
				if err != nil {
					added <- err
					return
				}
			}
			added <- nil
		}()
	}
	for range 3 {
		if err := <-added; err != nil {
			t.Error(err)
		}
	}
	cancel()
	if n := <-read; n == 0 || len(s.studies()) != 1 {
		t.Errorf("read %d times, %d tasks are left", n, len(s.studies()))
	}
}

// A check answers whatever a form holds.
func FuzzCheckTask(f *testing.F) {
	for _, name := range []string{"own-vote", "own-digits", "mnist-2nn", "csv", "anes96"} {
		f.Add(shippedTask(f, name), "strategy.kind=dynamic")
	}
	f.Add(smallText(f), "compress.up.bits=")
	f.Add(smallText(f), "no.such.field=")
	d := &backend{dir: f.TempDir()}
	f.Fuzz(func(t *testing.T, text, set string) {
		c, err := d.Check(t.Context(), v1.CheckOrder{YAML: text, Set: []string{set}})
		if err != nil || (c.Estimate == nil) != (len(c.Problems) > 0) || c.Values == nil {
			t.Fatalf("%+v, %v", c, err)
		}
		if _, err := task.Parse("x", []byte(text), set); err != nil && len(c.Problems) == 0 {
			t.Fatalf("no problem is told, and there is %v", err)
		}
	})
}
