package main

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"strings"
	"testing"
	"time"

	"fedtab/coordinator/swarm"
	"fedtab/protocol"
	"fedtab/tasks"
)

// notServed are the tasks that ship and are refused, and why.
var notServed = map[string]string{
	"mnist-central": "want a scheme of several participants",
}

// No honest participant is closed for what it does in any task that ships, however fast
// its rounds are.
func TestHonestAreNotClosed(t *testing.T) {
	files, err := fs.Glob(tasks.Files, "*.yaml")
	if err != nil || len(files) < 10 {
		t.Fatalf("tasks: %v (%v)", files, err)
	}
	over := 10 * time.Second
	if testing.Short() {
		over = 2 * time.Second
	}
	for _, file := range files {
		name := strings.TrimSuffix(path.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			t.Chdir("..") // to which the path of csv is relative
			if why := notServed[name]; why != "" {
				if _, err := NewServer(Config{Data: t.TempDir(), Tasks: []string{name}, Log: slog.New(slog.DiscardHandler)}); err == nil || !strings.Contains(err.Error(), why) {
					t.Errorf("got %v, want an error with %q", err, why)
				}
				return
			}
			if name == "fashion-mnist-2nn" {
				if _, err := os.Stat("/usr/share/datasets/fashion-mnist"); err != nil {
					t.Skip("mnist-2nn with the data of a Debian package that is not installed")
				}
			}
			s := serveTest(t, Config{Tasks: []string{name}, Log: slog.New(slog.DiscardHandler)})
			limit, slow := time.Minute, name == "mnist-cnn" // whose rounds take minutes for 12 clients on few cores
			if slow {
				limit = over
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			began := time.Now()
			totals, err := swarm.Run(ctx, swarm.Options{URL: s.socket(), Task: name, Clients: 12, OnMessage: func(_ int, m protocol.Message, _ bool) {
				if a, ok := m.(*protocol.Ack); ok && a.Reason == protocol.ReasonAccepted && time.Since(began) > over {
					cancel()
				}
			}})
			if err != nil || totals.Accepted == 0 && !slow || totals.Rejected > 0 {
				t.Errorf("%d contributions accepted, %d rejected, %v", totals.Accepted, totals.Rejected, err)
			}
			for code, n := range s.hub.Counts().Closed {
				if code != protocol.CloseNormal && code != protocol.CloseFinished && n > 0 {
					t.Errorf("%d sessions closed: %v", n, code)
				}
			}
			t.Logf("%d contributions accepted, %d reconnections", totals.Accepted, totals.Reconnects)
		})
	}
}
