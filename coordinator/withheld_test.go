package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fedtab/coordinator/access"
	"fedtab/coordinator/admin"
	"fedtab/coordinator/hub/hubtest"
	"fedtab/coordinator/swarm"
	"fedtab/protocol"
	"fedtab/protocol/invite"
)

// What is shown of a run with noise is the same whatever one participant does, but for what is
// listed here, with the reason why it may differ.
var mayDiffer = []struct{ path, why string }{
	{`participants$|^GET /api/tasks \[\]\.participants`, "connections are not hidden: how many are connected, or have joined"},
	{`^GET /api/v1/runs/\{run\}/participants .*(#|\.participant|\.client|\.left|\.state)$`, "connections are not hidden: who has joined, and is connected"},
	{`^GET /api/v1/runs/\{run\}/crew |^stream crew \.`, "connections are not hidden: how many are connected"},
	{`^GET /api/v1/runs/\{run\}/log `, "connections are not hidden: the log has those that join and leave"},
	{`^GET /metrics fedtab_(participants|sessions|sessions_closed_total)\b`, "connections are not hidden"},
	{`^told Status\.Participants$`, "connections are not hidden"},
	{`^told (Welcome\.(Session|Participant)|Shards)`, "of the participant's own session"},
	{`^GET /metrics (go_|process_|promhttp_)`, "the load of the process, which only the admin address has; docs/differential.md says what it tells"},
	{`(\.hash|Hash)$`, "of a version, which has noise"},
	{`/models/|get-model`, "a version, which has noise"},
	{`\.(opened|committed|created|ended|at|at\[\]|began)$`, "when things happen differs between any two runs; in whole seconds"},
	{`\.(seconds_left|progress)$`, "follows from the time now"},
	{`(\.|_)phase\b|^told Status\.(Phase|Round)$`, "which states are seen depends on when one looks, or joins"},
	{`\.(waiting)(\[\])?$`, "time between rounds, in whole seconds"},
	{`^GET /api/v1/(audit|invites)`, "what organisers have done"},
	{`^told (Welcome\.ResumeToken|Status\.ResumeToken|Order\.Seed)`, "drawn for each session"},
	{`^told Order\.Deadline$`, "what is left of the deadline when the order goes out, milliseconds"},
	{`\.qr$`, "a picture of the address"},
	{`^told Welcome\.(Seed|Run)`, "of the run"},
}

// seen is what an observer has seen: the values of each field of each answer, event and message.
type seen struct {
	mu     sync.Mutex
	fields map[string]map[string]bool
	own    *strings.Replacer // what names this one server and run
	run    string            // its identity
}

func (o *seen) add(path, value string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fields[path] == nil {
		o.fields[path] = map[string]bool{}
	}
	o.fields[path][o.own.Replace(value)] = true
}

// addJSON adds every value of a JSON text, and the length of each list.
func (o *seen) addJSON(path string, text []byte) error {
	var v any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return fmt.Errorf("%s: %w: %.100s", path, err, text)
	}
	o.walk(path+" ", v)
	return nil
}

func (o *seen) walk(path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, x := range v {
			o.walk(path+"."+key, x)
		}
		if len(v) == 0 {
			o.add(path, "{}")
		}
	case []any:
		o.add(path+"#", fmt.Sprint(len(v)))
		for _, x := range v {
			o.walk(path+"[]", x)
		}
	default:
		o.add(path, fmt.Sprint(v))
	}
}

// addRows adds the values of a table, by column.
func (o *seen) addRows(path string, text []byte) error {
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	for i, row := range rows {
		for k, cell := range row {
			if i > 0 {
				o.add(path+" ."+rows[0][k], cell)
			}
		}
	}
	o.add(path+" #", fmt.Sprint(len(rows)))
	return err
}

// addMetrics adds the values of Prometheus' series.
func (o *seen) addMetrics(path string, text []byte) {
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "} "); ok && !strings.HasPrefix(line, "#") {
			o.add(path+" "+o.own.Replace(name), value)
		} else if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && !strings.HasPrefix(line, "#") {
			o.add(path+" "+name, value)
		}
	}
}

// look reads every endpoint that answers without changing anything.
func (o *seen) look(t *testing.T, s *testServer) {
	t.Helper()
	get := func(base, shown, path, token string) []byte {
		t.Helper()
		r, err := http.NewRequest(http.MethodGet, "http://"+base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		o.add(shown+" status", answer.Status)
		return body
	}
	take := func(path string, body []byte) {
		t.Helper()
		var err error
		switch {
		case strings.Contains(path, "format=csv") && body[0] != '{':
			err = o.addRows(path, body)
		case strings.HasSuffix(path, "/metrics"):
			o.addMetrics(path, body)
		case len(body) > 0 && (body[0] == '{' || body[0] == '[') && !bytes.Contains(body, []byte("}\n{")):
			err = o.addJSON(path, body)
		default:
			o.add(path+" bytes", fmt.Sprint(len(body)))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	name := s.studies()[0].Task.Name
	for _, path := range publicPaths {
		asked := strings.ReplaceAll(path, "{task}", name)
		take("GET "+path, get(s.Addr(), "GET "+path, asked, ""))
	}
	take("GET /metrics", get(s.listeners.AdminAddr(), "GET /metrics", "/metrics", ""))
	for _, path := range organisersPaths {
		asked := strings.NewReplacer("{run}", o.run, "{version}", "newest", "{task}", name).Replace(path)
		for role, token := range map[string]string{"": s.gate.Token(access.Organiser), " as viewer": s.gate.Token(access.Viewer)} {
			take("GET "+admin.Root+path+role, get(s.listeners.AdminAddr(), "GET "+admin.Root+path+role, admin.Root+asked, token))
		}
	}
}

// machineRoom checks that what is withheld is recorded, and that an organiser alone can have it.
func machineRoom(t *testing.T, s *testServer, run string) {
	t.Helper()
	for role, want := range map[access.Role]int{access.Organiser: http.StatusOK, access.Viewer: http.StatusForbidden} {
		c := newCaller(t, s)
		c.token = s.gate.Token(role)
		answer := c.send(http.MethodGet, "/runs/{run}/records", "/runs/"+run+"/records?table=traffic&withheld=true", nil, nil)
		body, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != want || want == http.StatusOK && bytes.Count(body, []byte("\n")) < 4 {
			t.Errorf("%v: %s, %v: %.200s, want status %d and who has sent what", role, answer.Status, err, body, want)
		}
	}
}

// publicPaths and organisersPaths are what an observer reads. TestWithheldPaths compares them
// with the documents.
var (
	publicPaths = []string{
		"/healthz", "/readyz", "/api/door", "/api/tasks", "/api/tasks/{task}?points=100", "/api/tasks/{task}/versions",
		"/api/tasks/{task}/models/newest.json", "/api/tasks/{task}/models/newest.safetensors", "/api/tasks/{task}/models/newest.onnx",
	}
	organisersPaths = []string{
		"/audit", "/invites", "/presets", "/schemes", "/server", "/tasks/{task}/link",
		"/runs", "/runs/{run}", "/runs/{run}/settings", "/runs/{run}/crew", "/runs/{run}/curve", "/runs/{run}/log", "/runs/{run}/participants", "/runs/{run}/rounds",
		"/runs/{run}/shape", "/runs/{run}/versions", "/runs/{run}/models/{version}",
		"/runs/{run}/records?format=csv", "/runs/{run}/records?format=jsonl", "/runs/{run}/records?format=tensorboard",
		"/runs/{run}/records?format=csv&table=contributions", "/runs/{run}/records?format=csv&table=traffic",
	}
	// notRead have nothing of a run, or are read otherwise.
	notRead = map[string]string{
		"/backup":                  "the database, which is the machine room",
		"/runs/{run}/events":       "followed throughout",
		"/api/tasks/{task}/events": "followed throughout",
		"/ws":                      "what participants are told is followed throughout",
		"/{$}":                     "a page without figures", "/t/{name}": "a page without figures", "/screen": "a page without figures", "/bench": "a page without figures",
		"/lab": "a page without figures", "/lab/{name}": "a page without figures", "/": "files of the page",
		"/api/tasks/{task}/picture.png": "of the data set", "/api/tasks/{task}/samples/{file}": "of the data set", "/data/{task}/{content}/{shard}": "of the data set",
		"/site.css": "of the organiser", "/logo.svg": "of the organiser", "/logo.png": "of the organiser", "/app.webmanifest": "of the organiser", "/qr.svg": "an address",
		"/api/": "no such path", "/data/": "no such path",
	}
)

// The test below reads every path that is documented.
func TestWithheldPaths(t *testing.T) {
	read := map[string]bool{}
	for _, paths := range [][]string{publicPaths, organisersPaths, slices.Collect(maps.Keys(notRead))} {
		for _, path := range paths {
			path, _, _ = strings.Cut(path, "?")
			read[regexp.MustCompile(`newest\.\w+$`).ReplaceAllString(path, "{file}")] = true
		}
	}
	for _, path := range []string{"/invites", "/runs"} {
		read[path] = true
	}
	document, err := admin.Document()
	if err != nil {
		t.Fatal(err)
	}
	at := ""
	for line := range strings.Lines(string(document)) {
		if path, ok := strings.CutPrefix(line, "  "+admin.Root); ok && strings.HasPrefix(line, "  /") {
			at = strings.TrimSuffix(strings.TrimSpace(path), ":")
		}
		if strings.HasPrefix(line, "    get:") && !read[at] {
			t.Errorf("GET %s%s is not read by TestWithheld", admin.Root, at)
		}
	}
	page, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	table, _, _ := strings.Cut(string(page), "The admin address")
	paths := regexp.MustCompile("`GET ([^`]+)`").FindAllStringSubmatch(table, -1)
	if len(paths) < 20 {
		t.Errorf("docs/api.md has %d paths", len(paths))
	}
	for _, m := range paths {
		path := m[1]
		if !read[path] {
			t.Errorf("GET %s is not read by TestWithheld", path)
		}
	}
}

// follow reads a stream of events until the server stops.
func (o *seen) follow(ctx context.Context, url, token, called string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 1<<20)
	event := ""
	for lines.Scan() {
		if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			event = name
		}
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			if err := o.addJSON(called+" "+event, []byte(data)); err != nil {
				return err
			}
		}
	}
	if err := lines.Err(); err != nil && ctx.Err() == nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return nil
}

// told adds a message of the coordinator to a participant.
func (o *seen) told(m protocol.Message) {
	kind := protocol.KindOf(m).String()
	kind = strings.ToUpper(kind[:1]) + kind[1:]
	text, err := json.Marshal(m)
	if err == nil {
		var v any
		if err = json.Unmarshal(text, &v); err == nil {
			o.walk("told "+kind, v)
		}
	}
	if err != nil {
		o.add("told "+kind, err.Error())
	}
}

// a cast is who takes part in a run with noise.
type cast struct {
	answer int // participants that train and answer
	silent int // that take an order, and never answer
}

// observe serves a task to a cast until its run is over, and returns what is shown of it.
func observe(t *testing.T, text string, c cast) *seen {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "noised.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serveTest(t, Config{Data: dir, Tasks: []string{file}})
	st := s.studies()[0]
	o := &seen{fields: map[string]map[string]bool{}, run: st.Run(), own: strings.NewReplacer(st.Run(), "RUN", s.Addr(), "ADDRESS")}
	code := ""
	if strings.Contains(text, "join: invited") {
		link, _, _ := strings.Cut(printed(t, 0, "invite", "--data", dir, "--task", st.Task.Name, "--uses", "50"), "\n")
		code = invite.Code(link)
	}
	ctx, stop := context.WithCancel(t.Context())
	var streams sync.WaitGroup
	for called, from := range map[string][2]string{
		"stream":           {"http://" + s.Addr() + "/api/tasks/" + st.Task.Name + "/events", ""},
		"organiser stream": {"http://" + s.listeners.AdminAddr() + admin.Root + "/runs/" + o.run + "/events", s.gate.Token(access.Organiser)},
	} {
		streams.Go(func() {
			if err := o.follow(ctx, from[0], from[1], called); err != nil {
				t.Error(err)
			}
		})
	}
	for range c.silent {
		h := hubtest.Hello(st.Task.Name)
		h.Invite, h.Payloads = code, []protocol.PayloadKind{protocol.PayloadIntegers, protocol.PayloadBytes}
		p := hubtest.Connect(t, nil, s.socket())
		p.Send(h)
		go func() {
			for {
				if _, err := p.Read(); err != nil {
					return
				}
			}
		}()
	}
	totals, err := swarm.Run(ctx, swarm.Options{
		URL: s.socket(), Task: st.Task.Name, Invite: code, Clients: c.answer, Own: anyOwn(t, st.Data.Own, c.answer),
		OnMessage: func(client int, m protocol.Message, sent bool) {
			if client == 0 && !sent {
				o.told(m)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	o.add("finished", totals.Finished)
	waitFor(t, "the end on disk", func() bool { r, _, err := s.store.FindRun(o.run); return err == nil && r.Finished != "" })
	time.Sleep(300 * time.Millisecond) // the event log is written, and the last events sent
	o.look(t, s)
	machineRoom(t, s, o.run)
	for kind := range o.fields["GET "+admin.Root+"/runs/{run}/log .items[].kind"] {
		if !slices.Contains([]string{"join", "lost", "leave"}, kind) {
			t.Errorf("the log shows %s", kind)
		}
	}
	stop()
	streams.Wait()
	return o
}

// ownPaths is what one participant is asked and answered, which tells it alone that it is drawn.
var ownPaths = regexp.MustCompile(`^told (Order|Ack|Model|Secure\w*)\b`)

// forget removes fields.
func (o *seen) forget(paths *regexp.Regexp) {
	maps.DeleteFunc(o.fields, func(path string, _ map[string]bool) bool { return paths.MatchString(path) })
}

// compareSeen says what differs between what two observers have seen.
func compareSeen(t *testing.T, a, b *seen, used map[string]bool) {
	t.Helper()
	paths := slices.Collect(maps.Keys(a.fields))
	for path := range b.fields {
		if a.fields[path] == nil {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
next:
	for _, path := range paths {
		for _, may := range mayDiffer {
			if regexp.MustCompile(may.path).MatchString(path) {
				used[may.path] = true
				continue next
			}
		}
		if was, is := values(a.fields[path]), values(b.fields[path]); was != is {
			t.Errorf("%s: %.200s with one, %.200s with the other", path, was, is)
		}
	}
}

// values writes the values of a field.
func values(all map[string]bool) string {
	if all == nil {
		return "nothing"
	}
	return strings.Join(slices.Sorted(maps.Keys(all)), " | ")
}

// watchedTask is a run with noise whose rounds open when everybody is there.
const watchedTask = `name: noised
model: {kind: softmax}
data: {source: own, images: {width: 4, height: 4, channels: 1, classes: [a, b]}, examples: {min: 10}}
evaluate: {on: none}
strategy: {kind: fedavg, fraction: 1, lr: 0.5, min_clients: 4, deadline: 1s}
privacy: {noise: 2, clip: 0.5, adapt: true, population: 60, delta: 1e-2}
stop: {rounds: 2}
`

// Nobody outside the machine room sees who has answered, or how many.
func TestWithheld(t *testing.T) {
	if testing.Short() {
		t.Skip("serves eight runs")
	}
	drawn := strings.NewReplacer("fraction: 1", "fraction: 0.5", "noise: 2", "noise: 2, sampling: poisson", "stop:", "join: invited\nstop:").Replace(watchedTask)
	once := strings.NewReplacer("rounds: 2", "rounds: 1").Replace(watchedTask) // one that is silent is not asked again soon, and the next round waits for it
	tree := strings.NewReplacer("adapt: true", "participations: 2").Replace(once)
	used := map[string]bool{}
	for _, c := range []struct {
		name, task string
		a, b       cast
		drawn      bool // another cohort each time, or another order of joining: what one participant is asked differs, and is its own
	}{
		{"one answers or does not", once, cast{answer: 4}, cast{answer: 3, silent: 1}, false},
		{"one more", watchedTask, cast{answer: 4}, cast{answer: 5}, true},
		{"drawn by chance", drawn, cast{answer: 6}, cast{answer: 6}, true},
		{"noise of participants", sharesTask, cast{answer: 5}, cast{answer: 6}, true},
		{"noise of a tree", tree, cast{answer: 4}, cast{answer: 3, silent: 1}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := observe(t, c.task, c.a), observe(t, c.task, c.b)
			if c.drawn {
				a.forget(ownPaths)
				b.forget(ownPaths)
			}
			compareSeen(t, a, b, used)
		})
	}
	for _, may := range mayDiffer {
		if !used[may.path] && !t.Failed() {
			t.Errorf("nothing is seen that matches %s", may.path)
		}
	}
}
