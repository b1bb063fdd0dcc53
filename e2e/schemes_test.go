package e2e

import (
	"database/sql"
	encoding "encoding/binary"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"fedtab/combine"
	"fedtab/compress"
	"fedtab/coordinator/store"
	"fedtab/protocol"
)

// joinAs joins with several participants at once.
func (b *tab) joinAs(n int) {
	b.t.Helper()
	await(b.t, "the page is ready", func() bool { return js[bool](b, "!document.getElementById('join')?.disabled") })
	b.fill("several", strconv.Itoa(n))
	b.join()
}

// schemes are small tasks that a few tabs finish in seconds, one for each
// strategy that runs in tabs.
var schemes = []struct {
	name         string
	task         string
	participants int // that the run needs
	versions     uint64
	accuracy     float64
}{
	{"minibatch", scheme("model: {kind: mlp, hidden: [32]}", "strategy: {kind: minibatch, fraction: 1, batch: 100, lr: 0.2, min_clients: 4}", "stop: {rounds: 40}"), 4, 40, .6},
	{"periodic", scheme("model: {kind: mlp, hidden: [32]}", "strategy: {kind: periodic, batches: 50, batch: 10, lr: 0.1, min_clients: 4}", "stop: {rounds: 8}"), 4, 8, .85},
	{"fedavg", scheme("model: {kind: mlp, hidden: [32]}", "strategy: {kind: fedavg, fraction: 0.5, epochs: 1, batch: 10, lr: 0.1, server: momentum, server_momentum: 0.5, min_clients: 4}", "stop: {rounds: 4}"), 4, 4, .85},
	{"oneshot", scheme("model: {kind: softmax}", "strategy: {kind: oneshot, epochs: 1, batch: 20, lr: 0.1, min_clients: 4}", "stop: {rounds: 1}"), 4, 1, .85},
	{"median", scheme("model: {kind: softmax}", "strategy: {kind: fedavg, fraction: 1, batches: 100, batch: 10, lr: 0.05, combine: median, min_clients: 4}", "stop: {rounds: 3}"), 4, 3, .8},
	{"scaffold", scheme("model: {kind: softmax}", "strategy: {kind: fedavg, fraction: 1, epochs: 1, batch: 50, lr: 0.1, correction: scaffold, min_clients: 4}", "stop: {rounds: 4}"), 4, 4, .8},
	{"dynamic", scheme("model: {kind: mlp, hidden: [32]}", "strategy: {kind: dynamic, delta: 0.5, batches: 8, batch: 10, lr: 0.1, min_clients: 10, deadline: 20s}", "stop: {rounds: 8}"), 12, 8, .8},
	{"radon", `name: digits
title: Clinton or Dole, by Radon points
model: {kind: logistic, l2: 0.01}
data: {source: anes96, holdout: 0.2, partition: {kind: iid, clients: 24}}
strategy: {kind: radon, height: 1, models: 12, epochs: 200, batch: 2, lr: 0.02, min_clients: 4}
stop: {rounds: 1}
seed: 1
`, 4, 1, .7},
	{"fedbuff", scheme("model: {kind: mlp, hidden: [32]}", "strategy: {kind: fedbuff, batches: 50, batch: 10, lr: 0.1, buffer: 6, min_clients: 4}", "stop: {rounds: 8}"), 4, 8, .8},
	{"daisy", scheme("model: {kind: softmax}", "strategy: {kind: daisy, batches: 20, batch: 10, lr: 0.05, average_every: 3, min_clients: 4}", "stop: {rounds: 4}"), 4, 4, .7},
}

func scheme(lines ...string) string {
	return "name: digits\ntitle: Handwritten digits\ndata: {source: mnist, partition: {kind: iid, clients: 100}}\nseed: 1\n" + strings.Join(lines, "\n") + "\n"
}

// gather opens two tabs with the given number of participants together.
func gather(t *testing.T, c *coordinator, participants int) []*tab {
	t.Helper()
	var tabs []*tab
	for i := range 2 {
		b := open(t, c.url())
		b.offline = true
		n := participants / 2
		if i == 0 {
			n = participants - n
		}
		b.joinAs(n)
		tabs = append(tabs, b)
	}
	return tabs
}

// Every scheme completes in tabs, several participants in each, and learns. In
// short form those of one version alone: TestSchemesKilled runs the others.
func TestSchemes(t *testing.T) {
	for _, s := range schemes {
		if testing.Short() && s.versions > 1 {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			c := serve(t, s.task)
			tabs := gather(t, c, s.participants)
			await(t, "all participants are there", func() bool {
				st := c.state("digits")
				return st.Participants == s.participants || st.Phase == "finished"
			})
			showsParticipants(tabs[0], s.participants-s.participants/2)
			await(t, "the run is finished", func() bool { return c.state("digits").Phase == "finished" })
			got := c.state("digits")
			if got.Version != s.versions || got.TestAccuracy == nil || *got.TestAccuracy < s.accuracy {
				t.Fatalf("version %d with accuracy %v (%s), want %d with at least %v", got.Version, known(got.TestAccuracy), got.Finished, s.versions, s.accuracy)
			}
			t.Logf("accuracy %.4f after %d versions", *got.TestAccuracy, got.Version)
			for _, b := range tabs {
				await(t, "the page says that the run is over", func() bool { return b.state("connection") == "finished" })
			}
			countsModels(tabs[0])
		})
	}
}

// showsParticipants checks how many participants a page says it is.
func showsParticipants(b *tab, want int) {
	b.t.Helper()
	if got := js[string](b, "document.getElementById('participant').dataset.participants"); got != fmt.Sprint(want) {
		b.t.Errorf("the page shows %q participants, want %d", got, want)
	}
}

// countsModels checks that a page counts the models that it has sent.
func countsModels(b *tab) {
	b.t.Helper()
	if up := js[string](b, "document.getElementById('traffic').dataset.modelsUp"); up == "" || up == "0" {
		b.t.Errorf("the page counts %q models up", up)
	}
}

// memory is what the coordinator has on disk for a version, and for the round
// that is open.
type memory struct {
	version  uint64
	params   []float32
	snapshot []byte
	vectors  map[string][]float32
	order    uint64 // of the open round
	state    []byte // of the strategy, with it
}

// newest stands for the newest version.
const newest = 1 << 32

// remember reads the database, whether the coordinator runs or not.
func (c *coordinator) remember(version uint64) (m memory) {
	c.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(c.args[1], store.File)+"?mode=ro&_pragma=busy_timeout(10000)")
	if err != nil {
		c.t.Fatal(err)
	}
	defer db.Close()
	m.vectors = map[string][]float32{}
	floats := func(b []byte) []float32 {
		v := make([]float32, len(b)/4)
		for i := range v {
			v[i] = math.Float32frombits(encoding.LittleEndian.Uint32(b[4*i:]))
		}
		return v
	}
	var params []byte
	err = db.QueryRow("SELECT version, parameters, snapshot FROM models WHERE version <= ? ORDER BY version DESC LIMIT 1", version).Scan(&m.version, &params, &m.snapshot)
	if err != nil && err != sql.ErrNoRows || version != newest && m.version != version {
		c.t.Fatalf("version %d is not in the database: %v", version, err)
	}
	m.params = floats(params)
	rows, err := db.Query("SELECT name, vector FROM vectors WHERE version = ?", m.version)
	if err != nil {
		c.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var b []byte
		if err := rows.Scan(&name, &b); err != nil {
			c.t.Fatal(err)
		}
		m.vectors[name] = floats(b)
	}
	if err := rows.Err(); err != nil {
		c.t.Fatal(err)
	}
	err = db.QueryRow("SELECT order_number, state FROM rounds WHERE committed_at IS NULL").Scan(&m.order, &m.state)
	if err != nil && err != sql.ErrNoRows {
		c.t.Fatal(err)
	}
	return m
}

// violations is dynamic averaging's counter, which the state of an open round
// begins with.
func (m memory) violations() uint64 {
	v, _ := encoding.Uvarint(m.state)
	return v
}

// numbers returns a version and the newest order, which every strategy's snapshot
// begins with, after its format.
func (m memory) numbers() (version, order uint64) {
	if len(m.snapshot) == 0 {
		return 0, 0
	}
	version, n := encoding.Uvarint(m.snapshot[1:])
	order, _ = encoding.Uvarint(m.snapshot[1+n:])
	return version, order
}

func dot(a, b []float32) (sum float64) {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

func norm2(v []float32) float64 { return dot(v, v) }

// survive holds the server state that a restart must keep, by scheme.
var survive = map[string]struct {
	vector string            // of the server
	ready  func(memory) bool // there is something to lose
	opened func(t *testing.T, c *coordinator, was memory)
	next   func(t *testing.T, was, is memory) // of the version made then and the one before
}{
	// m' = m/2 + g: with g the mean of the new deltas, which are .2 of m along m
	// here, m' is .7 of it, and .2 if the momentum began anew.
	"fedavg": {vector: "momentum", next: func(t *testing.T, was, is memory) {
		m := was.vectors["momentum"]
		along := dot(is.vectors["momentum"], m) / norm2(m)
		t.Logf("the momentum of version %d is %.3f of that of version %d", is.version, along, was.version)
		if along < .45 {
			t.Errorf("the momentum of version %d is %.3f of that of version %d, want about .7: it began anew", is.version, along, was.version)
		}
	}},
	"scaffold": {vector: combine.ControlVector}, // and see observer
	// The round is opened again with the violations that had been counted, under
	// order numbers that have not been given.
	"dynamic": {
		ready: func(m memory) bool { return m.violations() > 0 },
		opened: func(t *testing.T, c *coordinator, was memory) {
			if was.violations() == 0 {
				t.Fatal("the round was over before the coordinator was killed")
			}
			var is memory
			await(t, "the round is opened again", func() bool { is = c.remember(newest); return is.order > was.order || is.version > was.version })
			t.Logf("%d violations before, %d after", was.violations(), is.violations())
			if is.version == was.version && is.violations() < was.violations() {
				t.Errorf("%d violations were counted, and %d are after the restart", was.violations(), is.violations())
			}
		},
	},
}

// An observer is a native participant that checks the messages sent to a cohort. It
// does not train.
type observer struct{ peer }

// order waits for the order of a round, and returns the model that came before
// it, if one did.
func (w *observer) order(round uint64) (model *protocol.Model, order uint64) {
	w.t.Helper()
	w.await(func(m protocol.Message) bool {
		switch m := m.(type) {
		case *protocol.Model:
			model = m
		case *protocol.Order:
			order = m.Order
			return m.Round == round
		}
		return false
	})
	return model, order
}

func (w *observer) decline(round uint64) {
	w.t.Helper()
	_, order := w.order(round)
	w.send(&protocol.Decline{Order: order, Reason: protocol.ReasonNoData})
}

// check resumes after the restart and checks that it is sent the durable version and
// control variate. Then it leaves.
func (w *observer) check(was memory) {
	w.t.Helper()
	w.connect()
	if was.version != 2 {
		w.t.Fatalf("the coordinator was killed after version %d, want 2", was.version)
	}
	m, _ := w.order(3)
	if m == nil {
		w.t.Fatal("after the restart no model comes with the order")
	}
	if m.Version != 2 || len(m.Vectors) != 2 {
		w.t.Fatalf("after the restart %d vectors of version %d come with the order, want version 2 and its control variate", len(m.Vectors), m.Version)
	}
	got := [2][]float32{make([]float32, w.welcome.Parameters), make([]float32, w.welcome.Parameters)}
	for i := range got {
		if err := compress.Decode(m.Vectors[i].Codec, got[i], m.Vectors[i].Block); err != nil {
			w.t.Fatalf("vector %d of version 2: %v", i, err)
		}
	}
	if !slices.Equal(got[0], was.params) {
		w.t.Errorf("version 2, of %d values, is not the one on disk", len(got[0]))
	}
	// On disk is the exact variate; clients get it on a grid.
	exact, step := was.vectors[combine.ControlVector], was.vectors["control step"]
	if len(exact) != len(got[1]) || len(step) != 1 || !(step[0] > 0) {
		w.t.Fatalf("on disk are a control variate of %d values and a step %v, want %d and one", len(exact), step, len(got[1]))
	}
	for i, v := range got[1] {
		if d := math.Abs(float64(v - exact[i])); d > .501*float64(step[0]) {
			w.t.Fatalf("element %d of the control variate is %v, want %v to half a step of %v", i, v, exact[i], step[0])
		}
	}
	w.send(&protocol.Bye{Code: protocol.CloseNormal})
	w.conn.Close()
}

// Every scheme continues after a kill of the coordinator, in the same run, with the
// same participants and its state: server momentum, control variates, the count of
// violations.
func TestSchemesKilled(t *testing.T) {
	for _, s := range schemes {
		t.Run(s.name, func(t *testing.T) {
			c := serve(t, s.task)
			var w *observer
			if s.name == "scaffold" {
				w = &observer{peer: peer{t: t, c: c}}
				w.connect()
			}
			tabs := gather(t, c, s.participants)
			if w != nil {
				w.decline(1)
			}
			showsParticipants(tabs[0], s.participants-s.participants/2)
			began := func() bool {
				st := c.state("digits")
				return st.Version >= min(s.versions-1, 1) && st.Phase == "training" || st.Phase == "finished"
			}
			await(t, "the run is in its middle", began)
			survives := survive[s.name]
			if survives.ready != nil {
				await(t, "there is something to lose", func() bool { return survives.ready(c.remember(newest)) })
			}
			if w != nil {
				w.order(3) // it is there when round 3 is opened: after a decline it is asked two attempts later
			} // And at once the coordinator is killed: without an answer, the round would be opened anew without it.
			before := c.state("digits")
			c.stop(syscall.SIGKILL)
			was := c.remember(newest)
			c.start()
			if w != nil {
				w.check(was)
			}
			if survives.opened != nil {
				survives.opened(t, c, was)
			}
			await(t, "the run is finished", func() bool { return c.state("digits").Phase == "finished" })
			after := c.state("digits")
			if after.Run != before.Run || after.Version != s.versions {
				t.Errorf("run %s ended at version %d (%s), want %s at %d", after.Run, after.Version, after.Finished, before.Run, s.versions)
			}
			if after.TestAccuracy == nil || *after.TestAccuracy < s.accuracy {
				t.Errorf("accuracy %v, want at least %v", known(after.TestAccuracy), s.accuracy)
			}
			last := c.remember(newest)
			version, order := last.numbers()
			if _, before := was.numbers(); last.version != s.versions || version != s.versions || order <= before && was.version < s.versions {
				t.Errorf("version %d has the snapshot %v, version %d had %v: want its number, and newer orders", last.version, last.snapshot, was.version, was.snapshot)
			}
			if name := survives.vector; name != "" {
				is := c.remember(was.version + 1)
				for _, m := range []memory{was, is, last} {
					if v := m.vectors[name]; len(v) != len(m.params) || norm2(v) == 0 {
						t.Fatalf("the %s of version %d has %d values, of squared length %g", name, m.version, len(v), norm2(v))
					}
				}
				if survives.next != nil {
					survives.next(t, was, is)
				}
			}
			for i, r := range before.Rounds {
				if got := after.Rounds[i]; got.Round != r.Round || got.Participants != r.Participants {
					t.Errorf("round %d was %+v, and is %+v now", r.Round, r, got)
				}
			}
			for _, b := range tabs {
				await(t, "the tab has come back and heard of the end", func() bool { return b.state("connection") == "finished" })
			}
			if s.versions > 1 { // the models of a single one may have come before the restart
				countsModels(tabs[0])
			}
		})
	}
}

// A participant that leaves during the resolution of a balancing set, or before its
// base models have arrived, does not delay the others.
func TestSchemesLeft(t *testing.T) {
	for _, s := range schemes {
		var asked func(protocol.Message) bool
		switch s.name {
		case "dynamic":
			asked = func(m protocol.Message) bool { _, ok := m.(*protocol.Fetch); return ok }
		case "radon":
			asked = func(m protocol.Message) bool { o, ok := m.(*protocol.Order); return ok && o.Kind == protocol.OrderBase }
		default:
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			c := serve(t, s.task)
			leaver := &peer{t: t, c: c}
			leaver.connect()
			tabs := gather(t, c, s.participants)
			leaver.await(asked)
			if s.name == "radon" {
				await(t, "somebody's base models have come", func() bool { v, _ := tabs[0].value("contributions"); return v > 0 })
			}
			if st := c.state("digits"); st.Phase == "finished" {
				t.Fatalf("the run is over (%s) before a participant has left", st.Finished)
			}
			leaver.conn.Close()
			await(t, "the run is finished", func() bool { return c.state("digits").Phase == "finished" })
			if got := c.state("digits"); got.Version != s.versions || *got.TestAccuracy < s.accuracy {
				t.Errorf("version %d with accuracy %.4f, want %d with at least %v", got.Version, *got.TestAccuracy, s.versions, s.accuracy)
			}
			for _, b := range tabs {
				await(t, "the page says that the run is over", func() bool { return b.state("connection") == "finished" })
			}
		})
	}
}

// known returns *x, or "unknown" if x is nil.
func known(x *float64) any {
	if x == nil {
		return "unknown"
	}
	return *x
}
