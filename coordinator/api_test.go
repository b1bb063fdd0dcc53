package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fedtab/api/v1"
	"fedtab/coordinator/access"
	"fedtab/coordinator/admin"
	"fedtab/coordinator/swarm"

	"go.yaml.in/yaml/v3"
)

// caller calls the organisers' API of a server at its admin address, and remembers which
// operations it has called.
type caller struct {
	t      *testing.T
	s      *testServer
	token  string
	called map[string]bool // by method and path of the document
}

func newCaller(t *testing.T, s *testServer) *caller {
	return &caller{t, s, s.gate.Token(access.Organiser), map[string]bool{}}
}

// send sends a request, of which operation is the path in the document.
func (c *caller) send(method, operation, path string, header http.Header, body io.Reader) *http.Response {
	c.t.Helper()
	c.called[method+" "+operation] = true
	r, err := http.NewRequest(method, "http://"+c.s.listeners.AdminAddr()+admin.Root+path, body)
	if err != nil {
		c.t.Fatal(err)
	}
	if header != nil {
		r.Header = header
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { answer.Body.Close() })
	return answer
}

// call wants a status, and reads the answer into v if it is not nil. A status from 400 comes
// with problem details, whose detail is returned.
func (c *caller) call(status int, method, operation, path string, body, v any) (detail string) {
	c.t.Helper()
	var text bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&text).Encode(body); err != nil {
			c.t.Fatal(err)
		}
	}
	answer := c.send(method, operation, path, http.Header{"Content-Type": {"application/json"}}, &text)
	b, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != status {
		c.t.Fatalf("%s %s: %s, want %d\n%s", method, path, answer.Status, status, b)
	}
	if status >= 400 {
		var p struct {
			Title, Detail string
			Status        int
		}
		if err := json.Unmarshal(b, &p); err != nil || p.Status != status || p.Detail == "" || answer.Header.Get("Content-Type") != "application/problem+json" {
			c.t.Errorf("%s %s: %s %s, want problem details", method, path, answer.Header.Get("Content-Type"), b)
		}
		return p.Detail
	}
	if v != nil {
		if err := json.Unmarshal(b, v); err != nil {
			c.t.Fatalf("%s %s: %v\n%s", method, path, err, b)
		}
	}
	return ""
}

type object = map[string]any

// Each operation of the organisers' API does what its document says, on a real server with
// participants, and the audit log says who asked for it.
func TestOrganisersAPI(t *testing.T) {
	dir := t.TempDir()
	s := serveTest(t, Config{Data: dir, Tasks: []string{smallTask(t, "rounds: 3", "rounds: 4"), smallTask(t, "name: small", "name: closed\njoin: invited")}})
	c := newCaller(t, s)
	train := func() {
		t.Helper()
		if _, err := swarm.Run(t.Context(), swarm.Options{URL: s.socket(), Task: "small", Clients: 3}); err != nil {
			t.Fatal(err)
		}
	}

	var server v1.Server
	if c.call(200, "GET", "/server", "/server", nil, &server); server.Role != "organiser" || server.Way != "token" || len(server.Tasks) != 2 || server.Build == "" {
		t.Errorf("server: %+v", server)
	}

	// Paused before anybody comes: nothing is trained until it goes on.
	var done v1.Done
	id := s.studies()[0].Run()
	if c.call(200, "POST", "/runs/{run}/pause", "/runs/small/pause", object{"reason": "lunch"}, &done); done.Run != id {
		t.Errorf("pause: %+v", done)
	}
	if text := c.call(409, "POST", "/runs/{run}/pause", "/runs/small/pause", nil, nil); !strings.Contains(text, "already paused: lunch") {
		t.Errorf("paused twice: %q", text)
	}
	if v := s.api(t, "/api/tasks/small"); v.Phase != "paused" {
		t.Errorf("participants see phase %s", v.Phase)
	}
	var list v1.Page[v1.Run]
	if c.call(200, "GET", "/runs", "/runs?state=paused", nil, &list); len(list.Items) != 1 || list.Items[0].Run != id || list.Items[0].Paused != "lunch" || !list.Items[0].Served {
		t.Errorf("paused runs: %+v", list)
	}
	var crew v1.Crew
	if c.call(200, "GET", "/runs/{run}/crew", "/runs/small/crew", nil, &crew); crew != (v1.Crew{}) {
		t.Errorf("nobody is there: %+v", crew)
	}
	c.call(200, "POST", "/runs/{run}/resume", "/runs/"+id+"/resume", nil, &done)
	if text := c.call(409, "POST", "/runs/{run}/resume", "/runs/small/resume", nil, nil); !strings.Contains(text, "is not paused") {
		t.Errorf("resumed twice: %q", text)
	}

	// Its events, while it trains.
	events := c.follow("/runs/small/events", "")
	first := events.next()
	train()
	last := events.until(func(e event) bool { return e.name == "state" && strings.Contains(e.data, `"finished":"4 rounds done"`) })
	if events.rounds < 4 {
		t.Errorf("%d rounds among the events, want at least 4", events.rounds)
	}
	events.close()
	waitFor(t, "the end on disk", func() bool { r, _, err := s.store.FindRun(id); return err == nil && r.Finished != "" })

	var detail v1.Detail
	c.call(200, "GET", "/runs/{run}", "/runs/small", nil, &detail)
	if detail.Version != 4 || detail.Stop.Rounds != 4 || detail.Live == nil || detail.Live.Version != 4 || detail.Parameters != 25_450 || !strings.Contains(detail.Spec, "name: \"small\"") || detail.Kept == 0 {
		t.Errorf("run: %+v", detail)
	}
	tag := c.send("GET", "/runs/{run}", "/runs/small", nil, nil).Header.Get("ETag")
	if again := c.send("GET", "/runs/{run}", fmt.Sprintf("/runs/%d", detail.Number), http.Header{"If-None-Match": {tag}}, nil); tag == "" || again.StatusCode != 304 {
		t.Errorf("by its number, with the ETag %s: %s, want 304", tag, again.Status)
	}

	// Pages: each item once.
	pages := func(operation, path string, number func(object) float64) (all []float64) {
		for next := ""; ; {
			var p struct {
				Items []object
				Next  string
			}
			c.call(200, "GET", operation, path+"?limit=1"+next, nil, &p)
			for _, i := range p.Items {
				all = append(all, number(i))
			}
			if p.Next == "" {
				return all
			}
			next = "&cursor=" + p.Next
		}
	}
	if got := pages("/runs/{run}/rounds", "/runs/small/rounds", func(o object) float64 { return o["round"].(float64) }); fmt.Sprint(got) != "[4 3 2 1]" {
		t.Errorf("rounds: %v", got)
	}
	if got := pages("/runs/{run}/participants", "/runs/small/participants", func(o object) float64 { return o["contributions"].(float64) }); fmt.Sprint(got) != "[4 4 4]" {
		t.Errorf("contributions of participants: %v", got)
	}
	if got := pages("/runs/{run}/log", "/runs/small/log", func(o object) float64 { return o["id"].(float64) }); len(got) < 6 {
		t.Errorf("lines of the log: %v", got)
	}
	if got := pages("/runs", "/runs", func(o object) float64 { return o["number"].(float64) }); fmt.Sprint(got) != "[2 1]" {
		t.Errorf("runs: %v", got)
	}
	if text := c.call(422, "GET", "/runs", "/runs?cursor=x", nil, nil); !strings.Contains(text, "want the next of the page before") {
		t.Errorf("cursor: %q", text)
	}

	var versions v1.Versions
	if c.call(200, "GET", "/runs/{run}/versions", "/runs/small/versions", nil, &versions); len(versions.Versions) != 4 || versions.Run != id {
		t.Errorf("versions: %+v", versions)
	}
	if v := versions.Items; len(v) != 4 || v[3].Version != 4 || v[3].Participants != 3 || v[3].Bytes != 4*25_450 || v[3].TestAccuracy == nil || v[3].Pinned {
		t.Errorf("versions: %+v", v)
	}
	c.watch(id)
	model := c.send("GET", "/runs/{run}/models/{version}", "/runs/small/models/newest?format=safetensors", nil, nil)
	content, err := io.ReadAll(model.Body)
	if err != nil || model.StatusCode != 200 || model.Header.Get("Fedtab-Version") != "4" || model.Header.Get("Fedtab-Run") != id || len(content) < 4*25_450 {
		t.Errorf("model: %s, %v, %d bytes, %v", model.Status, model.Header, len(content), err)
	}
	if text := c.call(404, "GET", "/runs/{run}/models/{version}", "/runs/small/models/99", nil, nil); !strings.Contains(text, "99") {
		t.Errorf("no model: %q", text)
	}

	for table, lines := range map[string]int{"rounds": 1 + 4, "contributions": 1 + 12, "traffic": 1 + 12} {
		answer := c.send("GET", "/runs/{run}/records", "/runs/small/records?table="+table, nil, nil)
		b, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != 200 || strings.Count(string(b), "\n") != lines || answer.Header.Get("Content-Disposition") != fmt.Sprintf("attachment; filename=%q", id+"-"+table+".csv") || answer.Header.Get("Content-Type") != "text/csv; charset=utf-8" {
			t.Errorf("%s: %s, %v, %v, want %d lines\n%s", table, answer.Status, answer.Header, err, lines, b)
		}
	}
	if text := c.call(422, "GET", "/runs/{run}/records", "/runs/small/records?format=xlsx", nil, nil); text == "" {
		t.Error("an unknown format: no sentence")
	}
	if text := c.call(422, "GET", "/runs/{run}/records", "/runs/small/records?format=tensorboard&table=traffic", nil, nil); !strings.Contains(text, "want rounds in the format tensorboard") {
		t.Errorf("traffic for TensorBoard: %q", text)
	}
	if text := c.call(404, "GET", "/runs/{run}/records", "/runs/none/records", nil, nil); !strings.Contains(text, "want a run or a task in") {
		t.Errorf("records of no run: %q", text)
	}
	copied := c.send("GET", "/backup", "/backup", nil, nil)
	database, err := io.ReadAll(copied.Body)
	if err != nil || copied.StatusCode != 200 || copied.ContentLength != int64(len(database)) || !bytes.HasPrefix(database, []byte("SQLite format 3\x00")) {
		t.Errorf("backup: %s, %d bytes, %v", copied.Status, len(database), err)
	}
	c.token = s.gate.Token(access.Viewer)
	if text := c.call(403, "GET", "/backup", "/backup", nil, nil); text != "a viewer may not have the database, which has secrets in it: want the organiser's token" {
		t.Errorf("backup for a viewer: %q", text)
	}
	c.token = s.gate.Token(access.Organiser)

	// A stream that goes on after what was received has the rounds that were missed, until
	// the run is extended: then it begins anew.
	events = c.follow("/runs/small/events", first.id)
	var missed []string
	events.until(func(e event) bool { missed = append(missed, e.name); return e.name == "state" })
	if strings.Join(missed, " ") != "round round round round state" {
		t.Errorf("after the first event come %v, want 4 rounds", missed)
	}
	events.close()

	// Extended, rolled back, stopped.
	if c.call(200, "POST", "/runs/{run}/extend", "/runs/small/extend", object{"by": 2}, &done); done.Rounds != 6 || done.Run != id {
		t.Errorf("extend: %+v", done)
	}
	if text := c.call(422, "POST", "/runs/{run}/extend", "/runs/small/extend", object{"by": 2, "rounds": 9}, nil); !strings.Contains(text, "want one of them") {
		t.Errorf("extend: %q", text)
	}
	events = c.follow("/runs/small/events", first.id)
	if e := events.next(); e.name != "reset" {
		t.Errorf("after an id from before the extension: %+v, want a reset", e)
	}
	events.close()
	if c.call(200, "POST", "/runs/{run}/rollback", "/runs/small/rollback", object{"version": 0}, &done); done.Version != 5 {
		t.Errorf("rollback: %+v", done)
	}
	if text := c.call(404, "POST", "/runs/{run}/rollback", "/runs/small/rollback", object{"version": 77}, nil); !strings.Contains(text, "want one of 0") {
		t.Errorf("rollback: %q", text)
	}

	// Settings: whoever comes second is told.
	settings := c.send("GET", "/runs/{run}/settings", "/runs/small/settings", nil, nil)
	tag = settings.Header.Get("ETag")
	change := func(status int, tag, body string) string {
		t.Helper()
		h := http.Header{"Content-Type": {"application/json"}}
		if tag != "" {
			h.Set("If-Match", tag)
		}
		answer := c.send("PATCH", "/runs/{run}/settings", "/runs/small/settings", h, strings.NewReader(body))
		b, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != status {
			t.Errorf("PATCH %s: %s %s, want %d", body, answer.Status, b, status)
		}
		return answer.Header.Get("ETag")
	}
	change(422, "", `{"note": "x"}`)
	next := change(200, tag, `{"note": "as in figure 3", "stop_rounds": 9}`)
	change(412, tag, `{"note": "mine"}`)
	change(422, next, `{"note": 7}`)
	change(200, next, `{"stop_accuracy": 0.999}`)
	if c.call(200, "GET", "/runs/{run}", "/runs/small", nil, &detail); detail.Note != "as in figure 3" || detail.Stop.Rounds != 9 || len(detail.Stop.Goals) != 1 || detail.Stop.Goals[0].Reach != .999 {
		t.Errorf("changed: note %q, stop %+v", detail.Note, detail.Stop)
	}

	// Another run of the task, from this one, once this one is over.
	if text := c.call(409, "POST", "/tasks/{task}/runs", "/tasks/small/runs", nil, nil); !strings.Contains(text, "goes on, and task small has one at a time: stop it first") {
		t.Errorf("a second run: %q", text)
	}
	if text := c.call(409, "DELETE", "/runs/{run}", "/runs/small?confirm="+id, nil, nil); !strings.Contains(text, "is the one that task small has now") {
		t.Errorf("deleted while it is served: %q", text)
	}
	if c.call(200, "POST", "/runs/{run}/stop", "/runs/small/stop", object{"reason": "over"}, &done); done.Version != 5 {
		t.Errorf("stop: %+v", done)
	}
	for from, want := range map[string]string{"nothing@3": "want a run", id + "@99": "99", filepath.Join(dir, "organiser.token"): "want a run"} {
		if text := c.call(422, "POST", "/tasks/{task}/runs", "/tasks/small/runs?from="+from, nil, nil); !strings.Contains(text, want) {
			t.Errorf("from %s: %q, want %q", from, text, want)
		}
	}
	c.call(201, "POST", "/tasks/{task}/runs", "/tasks/small/runs?from="+id+"@4", nil, &done)
	second := done.Run
	if second == id || done.Version != 1 || s.studies()[0].Run() != second {
		t.Errorf("the next run: %+v", done)
	}
	if v := s.api(t, "/api/tasks/small"); v.Run != second || v.Version != 1 || v.Finished != "" || len(v.Rounds) != 1 {
		t.Errorf("participants see %+v", v)
	}
	train()
	waitFor(t, "the second end on disk", func() bool { r, _, err := s.store.FindRun(second); return err == nil && r.Finished != "" })
	if c.call(200, "GET", "/runs/{run}", "/runs/"+second, nil, &detail); detail.Origin != "version 4 of "+id || detail.Version != 4 || *detail.TestAccuracy < .8 {
		t.Errorf("the second run: %+v", detail.Run)
	}
	file := c.send("POST", "/tasks/{task}/runs", "/tasks/small/runs?name=mine.safetensors", http.Header{"Content-Type": {"application/octet-stream"}}, bytes.NewReader(content))
	if err := json.NewDecoder(file.Body).Decode(&done); err != nil || file.StatusCode != 201 || done.Version != 1 {
		t.Errorf("from a file: %s, %+v, %v", file.Status, done, err)
	}
	if text := c.call(409, "GET", "/runs/{run}/crew", "/runs/"+id+"/crew", nil, nil); !strings.Contains(text, "is not served") {
		t.Errorf("who is there in a run of the past: %q", text)
	}
	var shape v1.SessionShape
	if c.call(200, "GET", "/runs/{run}/shape", "/runs/"+id+"/shape", nil, &shape); shape.Items[0].Count != 12 {
		t.Errorf("of the past: %+v", shape)
	}
	c.call(422, "DELETE", "/runs/{run}", "/runs/"+id+"?confirm=yes", nil, nil)
	c.call(200, "DELETE", "/runs/{run}", "/runs/"+id+"?confirm="+id, nil, nil)
	if text := c.call(404, "GET", "/runs/{run}", "/runs/"+id, nil, nil); !strings.Contains(text, "want a run or a task in") {
		t.Errorf("deleted: %q", text)
	}

	// What a reader has seen of an earlier run, or of a later moment, is nothing that a
	// stream goes on from.
	future := last.id[:strings.LastIndex(last.id, "/")+1] + "99999"
	for _, id := range []string{last.id, future, "other/" + id + "/0/7", "nonsense"} {
		events = c.follow("/runs/small/events", id)
		if e := events.next(); e.name != "reset" {
			t.Errorf("after the id %s: %+v, want a reset", id, e)
		}
		if e := events.next(); e.name != "state" || !strings.Contains(e.data, `"version":1`) {
			t.Errorf("after a reset: %+v, want the state", e)
		}
		events.close()
	}

	var made v1.NewInvite
	if c.call(201, "POST", "/invites", "/invites", object{"task": "closed", "uses": 2, "seconds": 3600}, &made); made.Code == "" || made.Page == "" {
		t.Errorf("invite: %+v", made)
	}
	if text := c.call(409, "POST", "/invites", "/invites", object{"task": "small", "uses": 2, "seconds": 3600}, nil); !strings.Contains(text, "has join: open") {
		t.Errorf("invite to an open task: %q", text)
	}
	c.call(204, "DELETE", "/invites/{id}", "/invites/"+made.ID, nil, nil)
	c.call(404, "DELETE", "/invites/{id}", "/invites/0123456789abcdef", nil, nil)
	var invites []v1.Invite
	if c.call(200, "GET", "/invites", "/invites", nil, &invites); len(invites) != 1 || invites[0].State != "revoked" {
		t.Errorf("invites: %+v", invites)
	}

	c.tasks()

	// Who did what, the refused included.
	var audit v1.Page[v1.AuditEntry]
	c.call(200, "GET", "/audit", "/audit?limit=1000", nil, &audit)
	deeds := map[string]int{}
	for _, d := range audit.Items {
		if d.Who != "organiser by token" && (d.Who != "viewer by token" || d.Action != "get-backup" || d.Problem == "") || !strings.HasPrefix(d.Address, "127.0.0.1") || time.Since(d.At) > time.Hour {
			t.Errorf("deed: %+v", d)
		}
		outcome := "done"
		if d.Problem != "" {
			outcome = "refused"
		}
		deeds[d.Action+" "+outcome]++
		if d.Action == "pause-run" && d.Subject != id || d.Action == "begin-run" && outcome == "done" && !strings.Contains(d.Detail, " as small-") {
			t.Errorf("the audit log does not say which run it was: %+v", d)
		}
	}
	for _, want := range []string{"pause-run done", "pause-run refused", "stop-run done", "extend-run done", "roll-back-run refused", "begin-run done", "delete-run done", "delete-run refused", "get-backup done", "get-backup refused", "change-settings done", "change-settings refused", "begin-run refused", "pin-version done", "pin-version refused", "unpin-version done", "make-invite done", "revoke-invite done", "serve-task done", "withdraw-task done"} {
		if deeds[want] == 0 {
			t.Errorf("the audit log has no %s: %v", want, deeds)
		}
	}

	c.session()
	c.everything()
}

// watch asks for what a run's page shows of a run of four rounds and three participants.
func (c *caller) watch(id string) {
	c.t.Helper()
	var curve v1.History
	c.call(200, "GET", "/runs/{run}/curve", "/runs/small/curve", nil, &curve)
	if fmt.Sprint(curve.Round, curve.Rounds, curve.Participants) != "[1 2 3 4] 4 [3 3 3 3]" || curve.Run != id {
		c.t.Errorf("curve: %+v", curve)
	}
	var rounds v1.Page[v1.CommittedRound]
	c.call(200, "GET", "/runs/{run}/rounds", "/runs/small/rounds", nil, &rounds)
	var bytes int64
	for i, r := range slices.Backward(rounds.Items) {
		at := len(rounds.Items) - 1 - i
		bytes += r.BytesUp + r.BytesDown
		if curve.Bytes[at] != bytes || *curve.TestAccuracy[at] != *r.TestAccuracy || *curve.TrainLoss[at] != *r.TrainLoss || math.Abs(curve.Seconds[at]-r.Seconds) > .002 || curve.TestRMSE[at] != nil {
			c.t.Errorf("round %d: the curve has %d bytes, accuracy %v", r.Round.Round, curve.Bytes[at], curve.TestAccuracy[at])
		}
		own := *curve.Download[at] + *curve.Training[at] + *curve.Upload[at] + *curve.Commit[at]
		if own <= 0 || own > r.Seconds+.01 || *curve.Waiting[at] < 0 {
			c.t.Errorf("round %d: waiting %v, and %v of its %v seconds", r.Round.Round, *curve.Waiting[at], own, r.Seconds)
		}
		if !(0 < *curve.NormMin[at] && *curve.NormMin[at] <= *curve.NormMedian[at] && *curve.NormMedian[at] <= *curve.NormMax[at]) {
			c.t.Errorf("round %d: norms %v %v %v", r.Round.Round, *curve.NormMin[at], *curve.NormMedian[at], *curve.NormMax[at])
		}
	}
	if c.call(200, "GET", "/runs/{run}/curve", "/runs/small/curve?points=2", nil, &curve); fmt.Sprint(curve.Round, curve.Rounds) != "[1 4] 4" || curve.Bytes[1] != bytes {
		c.t.Errorf("two rounds of it: %+v", curve)
	}
	c.call(422, "GET", "/runs/{run}/curve", "/runs/small/curve?points=5001", nil, nil)

	var shape v1.SessionShape
	if c.call(200, "GET", "/runs/{run}/shape", "/runs/small/shape", nil, &shape); shape.Total < 12 || shape.Items[0] != (v1.Shape{Shape: "-v[]+^", Words: "contributed", Count: 12, Share: 12 / float64(shape.Total)}) {
		c.t.Errorf("shape: %+v", shape)
	}

	var all v1.Page[v1.Participant]
	for _, sort := range []string{"participant", "contributions", "last", "rejected", "rate"} {
		if c.call(200, "GET", "/runs/{run}/participants", "/runs/small/participants?sort="+sort, nil, &all); len(all.Items) != 3 || all.Items[0].Client == "" || all.Items[0].State == "" || all.Items[0].Rejected != 0 {
			c.t.Errorf("participants by %s: %+v", sort, all)
		}
	}
	c.call(200, "GET", "/runs/{run}/participants", "/runs/small/participants?order=desc&limit=2", nil, &all)
	if len(all.Items) != 2 || all.Items[0].Participant != 3 || all.Next == "" {
		c.t.Fatalf("participants downwards: %+v", all)
	}
	cursor := all.Next
	all.Next = ""
	if c.call(200, "GET", "/runs/{run}/participants", "/runs/small/participants?order=desc&limit=2&cursor="+cursor, nil, &all); len(all.Items) != 1 || all.Items[0].Participant != 1 || all.Next != "" {
		c.t.Errorf("the last of them: %+v", all)
	}

	var log v1.Page[v1.LogLine]
	if c.call(200, "GET", "/runs/{run}/log", "/runs/small/log?participant=2&round=3&kind=accepted", nil, &log); len(log.Items) != 1 || log.Items[0].Participant != 2 || log.Items[0].Round != 3 {
		c.t.Errorf("the log of a participant and a round: %+v", log)
	}
	if c.call(200, "GET", "/runs/{run}/log", "/runs/small/log?participant=0&limit=1000", nil, &log); slices.ContainsFunc(log.Items, func(l v1.LogLine) bool { return l.Participant != 0 }) {
		c.t.Errorf("the log of the coordinator: %+v", log)
	}

	var pinned v1.Pinned
	const pin = "/runs/{run}/versions/{version}/pin"
	for range 2 {
		if c.call(200, "PUT", pin, "/runs/small/versions/1/pin", nil, &pinned); pinned != (v1.Pinned{Run: id, Version: 1, Pinned: true}) {
			c.t.Errorf("pinned: %+v", pinned)
		}
	}
	var versions v1.Versions
	if c.call(200, "GET", "/runs/{run}/versions", "/runs/small/versions", nil, &versions); !versions.Items[0].Pinned || versions.Items[1].Pinned {
		c.t.Errorf("versions: %+v", versions.Items)
	}
	if c.call(200, "DELETE", pin, "/runs/small/versions/1/pin", nil, &pinned); pinned.Pinned {
		c.t.Errorf("unpinned: %+v", pinned)
	}
	if text := c.call(404, "PUT", pin, "/runs/small/versions/99/pin", nil, nil); !strings.Contains(text, "pin version 99: not found") {
		c.t.Errorf("a version that there is not: %q", text)
	}
}

// While a run is trained, organisers see who does what, and its curve grows by what is new.
func TestWatch(t *testing.T) {
	s := serveTest(t, Config{Data: t.TempDir(), Tasks: []string{smallTask(t, "epochs: 1", "batches: 2", "rounds: 3", "rounds: 100000")}})
	c := newCaller(t, s)
	events := c.follow("/runs/small/events", "")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := swarm.Run(ctx, swarm.Options{URL: s.socket(), Task: "small", Clients: 3})
		done <- err
	}()
	here := func(c v1.Crew) int {
		return c.Waiting + c.Downloading + c.Training + c.Uploading + c.Paused + c.Away
	}
	events.until(func(e event) bool {
		var crew v1.Crew
		if e.name == "crew" {
			if err := json.Unmarshal([]byte(e.data), &crew); err != nil {
				t.Fatal(err)
			}
		}
		return here(crew) == 3
	})
	var crew v1.Crew
	if c.call(200, "GET", "/runs/{run}/crew", "/runs/small/crew", nil, &crew); here(crew) != 3 || crew.Away > 0 || crew.Quarantined > 0 {
		t.Errorf("crew: %+v", crew)
	}
	waitFor(t, "two contributions of each participant", func() bool {
		var all v1.Page[v1.Participant]
		c.call(200, "GET", "/runs/{run}/participants", "/runs/small/participants?sort=rate&order=asc", nil, &all)
		return len(all.Items) == 3 && !slices.ContainsFunc(all.Items, func(p v1.Participant) bool {
			return p.Contributions < 2 || p.State == "" || p.State == "left" || p.Rate != nil && *p.Rate <= 0
		})
	})
	var last v1.History
	for range 3 {
		waitFor(t, "a longer curve", func() bool {
			var now v1.History
			c.call(200, "GET", "/runs/{run}/curve", "/runs/small/curve?points=5000", nil, &now)
			for i, n := range now.Round {
				if n != uint64(i+1) {
					t.Fatalf("round %d of the curve is %d", i+1, n)
				}
			}
			longer := len(now.Round) > len(last.Round)+1
			if longer {
				last = now
			}
			return longer
		})
	}
	cancel()
	<-done
	waitFor(t, "the participants to leave", func() bool {
		c.call(200, "GET", "/runs/{run}/crew", "/runs/small/crew", nil, &crew)
		return here(crew) == crew.Away
	})
}

// session signs in and out, as the page does.
func (c *caller) session() {
	c.t.Helper()
	c.token = ""
	page := http.Header{"Content-Type": {"application/json"}, "Sec-Fetch-Site": {"same-origin"}}
	wrong := c.send("POST", "/session", "/session", page.Clone(), strings.NewReader(`{"token": "fto_wrong"}`))
	right := c.send("POST", "/session", "/session", page.Clone(), strings.NewReader(fmt.Sprintf(`{"token": %q}`, c.s.gate.Token(access.Viewer))))
	if wrong.StatusCode != 401 || right.StatusCode != 200 || len(right.Cookies()) != 1 || !right.Cookies()[0].HttpOnly || right.Cookies()[0].SameSite != http.SameSiteStrictMode {
		c.t.Fatalf("sign-in: %s, %s, %v", wrong.Status, right.Status, right.Cookies())
	}
	page.Set("Cookie", right.Cookies()[0].Name+"="+right.Cookies()[0].Value)
	for _, step := range []struct {
		method, operation, path string
		status                  int
	}{
		{"GET", "/runs", "/runs", 200},
		{"POST", "/runs/{run}/stop", "/runs/small/stop", 403},
		{"DELETE", "/session", "/session", 204},
		{"GET", "/runs", "/runs", 401},
		{"PUT", "/session", "/session", 405},
	} {
		if answer := c.send(step.method, step.operation, step.path, page.Clone(), nil); answer.StatusCode != step.status {
			c.t.Errorf("%s %s: %s, want %d", step.method, step.path, answer.Status, step.status)
		}
	}
	delete(c.called, "PUT /session")
	log, err := c.s.store.AuditLog(0, 3)
	if err != nil || len(log) != 3 || log[0].Action != "sign-out" || log[1].Action != "POST /runs/small/stop" || !strings.Contains(log[1].Problem, "viewer") || log[2].Action != "sign-in" || log[1].Who != "viewer by session" {
		c.t.Errorf("the audit log ends with %+v, %v; want a viewer's sign-in, its refusal and its sign-out", log, err)
	}
}

// everything checks that every operation of the document was called, and no other.
func (c *caller) everything() {
	c.t.Helper()
	text, err := os.ReadFile("../docs/openapi.yaml")
	if err != nil {
		c.t.Fatal(err)
	}
	var document struct {
		Paths map[string]map[string]any
	}
	if err := yaml.Unmarshal(text, &document); err != nil {
		c.t.Fatal(err)
	}
	for path, methods := range document.Paths {
		for method := range methods {
			operation := strings.ToUpper(method) + " " + strings.TrimPrefix(path, admin.Root)
			if !c.called[operation] {
				c.t.Errorf("%s was not called", operation)
			}
			delete(c.called, operation)
		}
	}
	for operation := range c.called {
		c.t.Errorf("%s is not in the document", operation)
	}
}

// event is a server-sent event.
type event struct{ id, name, data string }

// stream reads server-sent events.
type stream struct {
	t      *testing.T
	lines  *bufio.Scanner
	close  context.CancelFunc
	rounds int
}

// follow begins to read a stream, after the event with an id if it is not empty.
func (c *caller) follow(path, after string) *stream {
	c.t.Helper()
	c.called["GET /runs/{run}/events"] = true
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	c.t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.s.listeners.AdminAddr()+admin.Root+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	if after != "" {
		r.Header.Set("Last-Event-ID", after)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { answer.Body.Close() })
	if answer.StatusCode != 200 || answer.Header.Get("Content-Type") != "text/event-stream" {
		c.t.Fatalf("%s: %s, %s", path, answer.Status, answer.Header.Get("Content-Type"))
	}
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 1<<20)
	return &stream{t: c.t, lines: lines, close: cancel}
}

// next returns the next event.
func (s *stream) next() (e event) {
	s.t.Helper()
	for s.lines.Scan() {
		key, value, _ := strings.Cut(s.lines.Text(), ": ")
		switch key {
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			e.data = value
		case "":
			if e.name == "round" {
				s.rounds++
			}
			if e.name != "" {
				return e
			}
		}
	}
	s.t.Fatalf("the stream ends: %v", s.lines.Err())
	return e
}

// until returns the first event for which something holds.
func (s *stream) until(holds func(event) bool) event {
	s.t.Helper()
	for {
		if e := s.next(); holds(e) {
			return e
		}
	}
}
