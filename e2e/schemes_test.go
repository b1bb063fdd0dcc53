package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"fedtab/protocol"
)

// joinAs joins with several participants at once.
func (b *tab) joinAs(n int) {
	b.t.Helper()
	await(b.t, 30*time.Second, "the page is ready", func() bool { return js[bool](b, "!document.getElementById('join')?.disabled") })
	js[bool](b, fmt.Sprintf("document.getElementById('several').value = %d, true", n))
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

// gather opens two tabs that take part as so many participants together.
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

// Every scheme completes in tabs, several participants in each, and learns.
func TestSchemes(t *testing.T) {
	for _, s := range schemes {
		t.Run(s.name, func(t *testing.T) {
			c := serve(t, s.task)
			tabs := gather(t, c, s.participants)
			await(t, 20*time.Second, "all participants are there", func() bool {
				st := c.state("digits")
				return st.Participants == s.participants || st.Phase == "finished"
			})
			if got := js[string](tabs[0], "document.getElementById('participant').dataset.participants"); got != fmt.Sprint(s.participants-s.participants/2) {
				t.Errorf("the page shows %q participants, want %d", got, s.participants-s.participants/2)
			}
			await(t, 2*time.Minute, "the run is finished", func() bool { return c.state("digits").Phase == "finished" })
			got := c.state("digits")
			if got.Version != s.versions || got.TestAccuracy == nil || *got.TestAccuracy < s.accuracy {
				t.Fatalf("version %d with accuracy %v (%s), want %d with at least %v", got.Version, got.TestAccuracy, got.Finished, s.versions, s.accuracy)
			}
			t.Logf("accuracy %.4f after %d versions", *got.TestAccuracy, got.Version)
			for _, b := range tabs {
				await(t, 10*time.Second, "the page says that the run is over", func() bool { return b.state("connection") == "finished" })
			}
			up := js[string](tabs[0], "document.getElementById('traffic').dataset.modelsUp")
			if up == "" || up == "0" {
				t.Errorf("the page counts %q models up", up)
			}
		})
	}
}

// Every scheme goes on after the coordinator was killed in its middle, in the same
// run and with the same participants.
func TestSchemesKilled(t *testing.T) {
	for _, s := range schemes {
		t.Run(s.name, func(t *testing.T) {
			c := serve(t, s.task)
			tabs := gather(t, c, s.participants)
			began := func() bool {
				st := c.state("digits")
				return st.Version >= min(s.versions-1, 1) && st.Phase == "training" || st.Phase == "finished"
			}
			await(t, time.Minute, "the run is in its middle", began)
			before := c.state("digits")
			c.stop(syscall.SIGKILL)
			c.start()
			await(t, 2*time.Minute, "the run is finished", func() bool { return c.state("digits").Phase == "finished" })
			after := c.state("digits")
			if after.Run != before.Run || after.Version != s.versions {
				t.Errorf("run %s ended at version %d (%s), want %s at %d", after.Run, after.Version, after.Finished, before.Run, s.versions)
			}
			if after.TestAccuracy == nil || *after.TestAccuracy < s.accuracy {
				t.Errorf("accuracy %v, want at least %v", after.TestAccuracy, s.accuracy)
			}
			for i, r := range before.Rounds {
				if got := after.Rounds[i]; got.Round != r.Round || got.Participants != r.Participants {
					t.Errorf("round %d was %+v, and is %+v now", r.Round, r, got)
				}
			}
			for _, b := range tabs {
				await(t, time.Minute, "the tab has come back and heard of the end", func() bool { return b.state("connection") == "finished" })
			}
		})
	}
}

// A participant that leaves while a balancing set is being resolved (it is asked
// for its model, and goes), or before its base models have come, does not hold
// the others up.
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
			leaver := &silent{t: t, c: c}
			leaver.connect()
			tabs := gather(t, c, s.participants)
			leaver.await(asked)
			if s.name == "radon" {
				await(t, time.Minute, "somebody's base models have come", func() bool { v, _ := tabs[0].value("contributions"); return v > 0 })
			}
			if st := c.state("digits"); st.Phase == "finished" {
				t.Fatalf("the run is over (%s) before anybody could leave", st.Finished)
			}
			leaver.conn.Close()
			await(t, 2*time.Minute, "the run is finished", func() bool { return c.state("digits").Phase == "finished" })
			if got := c.state("digits"); got.Version != s.versions || *got.TestAccuracy < s.accuracy {
				t.Errorf("version %d with accuracy %.4f, want %d with at least %v", got.Version, *got.TestAccuracy, s.versions, s.accuracy)
			}
			for _, b := range tabs {
				await(t, 10*time.Second, "the page says that the run is over", func() bool { return b.state("connection") == "finished" })
			}
		})
	}
}
