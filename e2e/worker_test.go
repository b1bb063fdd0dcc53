package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"syscall"
	"testing"

	"fedtab/learn/export"
	workertab "fedtab/tab"
)

// trainScript starts a worker that trains, as the page's worker does, and keeps what it
// says.
const trainScript = `(async () => {
	window.said = [];
	const address = new URL(document.documentElement.dataset.tab, location.href);
	const text = await (await fetch(address)).text();
	const load = (name) => WebAssembly.compileStreaming(fetch(new URL(name.exec(text)[0], address)));
	const [program, kernel] = await Promise.all([load(/fedtab\.[0-9a-f]+\.wasm/), load(/kernel\.[0-9a-f]+\.wasm/)]);
	window.training = new Worker(address, { name: "train" });
	training.onmessage = ({ data }) => said.push(data);
	training.postMessage({ program, kernel });
})(), true`

// training is a page with a worker of its own that trains.
type training struct {
	*tab
}

func openTraining(t *testing.T, address string) training {
	b := training{open(t, address)}
	js[bool](b.tab, trainScript)
	await(t, "the worker is ready", func() bool { return js[bool](b.tab, "window.said?.some((m) => m.type === 'ready') ?? false") })
	return b
}

// tell sends the worker a message, an expression of JavaScript.
func (b training) tell(message string) {
	b.t.Helper()
	js[bool](b.tab, "training.postMessage("+message+"), true")
}

// join has the worker join the task "digits" as participants of a tab, the first of which
// has a number there. Nothing is kept of a tab without a name.
func (b training) join(tab string, first, participants int) {
	b.t.Helper()
	b.tell(fmt.Sprintf("{ type: 'join', socket: 'ws://%s/ws', task: 'digits', tab: %q, invite: '', participants: %d, first: %d }", b.host, tab, participants, first))
}

// report returns the newest report, zero before the first.
func (b training) report() workertab.Report { return last[workertab.Report](b, "state") }

// moved returns all entries so far.
func (b training) moved() (entries []workertab.Entry) {
	b.t.Helper()
	text := js[string](b.tab, "JSON.stringify(said.filter((m) => m.type === 'moved').flatMap((m) => m.entries))")
	if err := json.Unmarshal([]byte(text), &entries); err != nil {
		b.t.Fatal(err)
	}
	return entries
}

// last returns the newest message of a type, zero if there is none.
func last[T any](b training, kind string) (v T) {
	b.t.Helper()
	text := js[string](b.tab, fmt.Sprintf("JSON.stringify({ ...said.findLast((m) => m.type === %q), bytes: undefined })", kind))
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		b.t.Fatalf("%s: %v", text, err)
	}
	return v
}

// A worker says of all that it moves what it is and how large: the accounts of the
// coordinator are those of its messages, and the examples are counted beside them. What
// it has contributed stays known after it has left.
func TestWorkerTellsWhatMoves(t *testing.T) {
	c := serve(t, digits("rounds: 15", "rounds: 1000"))
	b := openTraining(t, c.url())
	b.join("", 0, 1)
	await(t, "two contributions are accepted", func() bool { return b.report().Contributions >= 2 })
	r := b.report()
	if r.Outcome.Kind != workertab.Accepted || r.Outcome.Round == 0 || r.Trained == 0 {
		t.Errorf("outcome %+v with %d examples trained, want a round that was accepted", r.Outcome, r.Trained)
	}
	if r.Run == nil || r.Run.Phase == "" || r.Run.Participants != 1 {
		t.Errorf("the run stands as %+v, want one participant", r.Run)
	}
	if r.Shards != r.ShardsTotal {
		t.Errorf("it trains with %d of %d shards", r.Shards, r.ShardsTotal)
	}
	for _, activity := range []workertab.Activity{workertab.Training, workertab.Packing, workertab.Sending} {
		if !js[bool](b.tab, fmt.Sprintf("said.some((m) => m.activity === %q)", activity)) {
			t.Errorf("it has never said that it is %s", activity)
		}
	}

	b.tell("{ type: 'wall', count: 60 }")
	await(t, "pictures are shown", func() bool { return last[workertab.Wall](b, "wall").Type != "" })
	wall := last[workertab.Wall](b, "wall")
	if size := js[int](b.tab, "said.findLast((m) => m.type === 'wall').bytes.length"); wall.Width != 28 || wall.Height != 28 || len(wall.Labels) != 60 || size != 60*28*28*4 || wall.Given != r.Examples {
		t.Errorf("wall %+v of %d bytes", wall, size)
	}
	b.tell("{ type: 'model', which: 'newest', format: 'safetensors', classes: [...'0123456789'] }")
	await(t, "there is a model", func() bool { return last[workertab.Model](b, "model").Type != "" })
	m := last[workertab.Model](b, "model")
	content, err := base64.StdEncoding.DecodeString(js[string](b.tab, "btoa(Array.from(said.findLast((m) => m.type === 'model').bytes ?? [], (c) => String.fromCharCode(c)).join(''))"))
	if err != nil {
		t.Fatal(err)
	}
	if x, err := export.Read(content); err != nil || int(x.Version) != m.Version || x.Task != "digits" || len(x.Classes) != 10 || x.Pixels == nil || m.Name != fmt.Sprintf("digits-newest-%d.safetensors", m.Version) {
		t.Errorf("model %+v is read as %+v, %v", m, x, err)
	}
	b.tell("{ type: 'model', which: 'alone', format: 'onnx' }")
	await(t, "there is no model of the tab alone", func() bool { return last[workertab.Model](b, "model").Error == workertab.NotYet })
	b.tell("{ type: 'model', which: 'own', format: 'onnx' }")
	await(t, "names of the classes are missed", func() bool { return last[workertab.Model](b, "model").Error == workertab.NoEncoding })
	b.tell("{ type: 'confusion' }")
	await(t, "there is no hold-out", func() bool { return last[workertab.Confusion](b, "confusion").Type != "" })
	if c := last[workertab.Confusion](b, "confusion"); c.Examples != 0 {
		t.Errorf("confusion %+v", c)
	}

	b.tell("{ type: 'leave' }")
	await(t, "it has left", func() bool { return b.report().Connection == workertab.Left })
	r = b.report()
	if r.Contributions < 2 || r.Trained == 0 || r.BytesUp == 0 || len(r.Moved) == 0 {
		t.Errorf("after leaving %d contributions of %d examples, %d bytes up, totals %v", r.Contributions, r.Trained, r.BytesUp, r.Moved)
	}
	var up, down, examples, shards int64
	for _, e := range b.moved() {
		switch {
		case e.Kind == workertab.Examples:
			examples, shards = examples+int64(e.Examples), shards+1
			if e.Bytes == 0 || e.Up {
				t.Errorf("examples that were fetched: %+v", e)
			}
		case e.Up:
			up += e.Bytes
		default:
			down += e.Bytes
		}
		if e.Kind == "contribution" && (e.Values != digitsParameters || e.Bits <= 0 || e.Weight == 0 || e.Examples == 0 || e.Round == 0 || e.At == 0) {
			t.Errorf("contribution %+v", e)
		}
	}
	if up != r.BytesUp || down != r.BytesDown {
		t.Errorf("the messages have %d bytes up and %d down, the report %d and %d", up, down, r.BytesUp, r.BytesDown)
	}
	if examples == 0 || shards == 0 {
		t.Errorf("%d examples came in %d files", examples, shards)
	}
	for _, sum := range r.Moved {
		var of workertab.Total
		for _, e := range b.moved() {
			if e.Kind == sum.Kind && e.Up == sum.Up {
				of.Messages, of.Bytes = of.Messages+1, of.Bytes+e.Bytes
			}
		}
		if of.Messages != sum.Messages || of.Bytes != sum.Bytes {
			t.Errorf("%+v, the entries have %d messages of %d bytes", sum, of.Messages, of.Bytes)
		}
	}
	await(t, "the coordinator's account is the worker's", func() bool {
		s := c.state("digits")
		return s.BytesUp == up && s.BytesDown >= down // what was on its way as it left has not come
	})
}

// A browser that says it is offline is taken at its word at once, and goes on by itself.
func TestWorkerOffline(t *testing.T) {
	c := serve(t, digits("rounds: 15", "rounds: 1000"))
	b := openTraining(t, c.url())
	b.join("", 0, 1)
	await(t, "it trains", func() bool { return b.report().Activity == workertab.Training })
	number := b.report().Participant
	b.tell("{ type: 'network', online: false }")
	await(t, "it is offline", func() bool {
		r := b.report()
		return r.Connection == workertab.Reconnecting && r.Refusal == workertab.Offline
	})
	await(t, "the coordinator misses it", func() bool { return c.state("digits").Participants == 0 })
	b.tell("{ type: 'network', online: true }")
	await(t, "it is back", func() bool { r := b.report(); return r.Connection == workertab.Joined && r.Refusal == "" })
	if got := b.report().Participant; got != number {
		t.Errorf("it comes back as participant %d, want %d", got, number)
	}
	b.offline = true
	c.stop(syscall.SIGKILL)
	await(t, "the coordinator cannot be reached", func() bool { return b.report().Refusal == workertab.Unreachable })
	c.start()
	await(t, "it is back again", func() bool { return b.report().Connection == workertab.Joined })
}

// A proxy that lets no WebSocket through is told apart from a coordinator that is not
// there.
func TestWorkerBlocked(t *testing.T) {
	c := serve(t, digits())
	to, err := url.Parse(c.url())
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host
	}}
	school := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			http.Error(w, "no WebSockets here", http.StatusForbidden)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(school.Close)
	b := openTraining(t, school.URL+"/")
	b.offline = true
	b.join("", 0, 1)
	await(t, "the socket is blocked", func() bool {
		r := b.report()
		return r.Refusal == workertab.Blocked && r.Attempts >= 2
	})
	school.Listener.Close()
	school.CloseClientConnections()
	await(t, "the coordinator cannot be reached", func() bool { return b.report().Refusal == workertab.Unreachable })
}

// A worker that is to train a tenth of the time takes it. The rates are awaited, not read
// once: that of a first slice says little, and other tests have the same cores.
func TestWorkerEffort(t *testing.T) {
	c := serve(t, digits("rounds: 15", "rounds: 1000"))
	b := openTraining(t, c.url())
	b.join("", 0, 1)
	await(t, "a contribution is accepted", func() bool { return b.report().Contributions >= 1 })
	fast := b.report().Rate
	b.tell("{ type: 'effort', percent: 10 }")
	slow := fast
	await(t, "it trains at a third of its rate or less", func() bool {
		slow = b.report().Rate
		return slow > 0 && slow < fast/3
	})
	b.tell("{ type: 'effort', percent: 100 }")
	await(t, "it trains twice as fast again", func() bool { return b.report().Rate > 2*slow })
}

// Participants of one tab may be spread over workers, and keep their places: that of the
// second worker is the tab's second participant.
func TestWorkersShareATab(t *testing.T) {
	c := serve(t, digits("rounds: 15", "rounds: 1000", "min_clients: 1", "min_clients: 2"))
	one, two := openTraining(t, c.url()), openTraining(t, c.url())
	two.join("shared", 1, 1)
	one.join("shared", 0, 1)
	await(t, "both train", func() bool { return one.report().Contributions > 0 && two.report().Contributions > 0 })
	want := []int{one.report().Participant, two.report().Participant}
	one.cancel()
	two.cancel()
	both := openTraining(t, c.url())
	both.join("shared", 0, 2)
	await(t, "both are back", func() bool { return len(both.report().Numbers) == 2 })
	if got := both.report().Numbers; !slices.Equal(got, want) {
		t.Errorf("participants %v came back, want %v", got, want)
	}
}
