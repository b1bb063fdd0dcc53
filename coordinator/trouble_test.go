package main

import (
	"bytes"
	"context"
	"database/sql"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"fedtab/coordinator/hub/hubtest"
	"fedtab/coordinator/store"
	"fedtab/protocol"
)

// A full disk delays the round: no version is announced before it is durable, probes
// and metrics report the error, and the run continues once there is space.
func TestServeDiskFull(t *testing.T) {
	dir := t.TempDir()
	s := serveTest(t, Config{Data: dir, Tasks: []string{smallTask(t, "rounds: 3", "rounds: 1000000")}})
	ctx, cancel := context.WithCancel(t.Context())
	var peers sync.WaitGroup
	defer func() { cancel(); peers.Wait() }()
	for range 3 {
		p := hubtest.Connect(t, nil, s.socket()).Join(hubtest.Hello("small"))
		peers.Go(func() { p.Obey(ctx, 0) })
	}
	version := func() uint64 { return s.api(t, "/api/tasks/small").Version }
	waitFor(t, "two versions", func() bool { return version() >= 2 })

	if err := s.store.Limit(1); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the coordinator to be unready", func() bool {
		r, err := http.Get("http://" + s.Addr() + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		return r.StatusCode == http.StatusServiceUnavailable
	})
	for _, path := range []string{"/readyz", "/healthz"} {
		status := map[string]int{"/readyz": 503, "/healthz": 200}[path]
		if body := s.body(t, s.Addr(), path, status); !strings.Contains(body, "disk is full") {
			t.Errorf("%s says %s, want the disk to be named", path, body)
		}
	}
	if body := s.body(t, s.listeners.AdminAddr(), "/metrics", 200); !strings.Contains(body, "fedtab_store_up{") || !strings.Contains(body, "} 0\n") {
		t.Error("/metrics does not say that the database fails")
	}
	// A client that joins now is told of durable versions only.
	p := hubtest.Connect(t, nil, s.socket()).Join(hubtest.Hello("small"))
	if told, stored := hubtest.Await[*protocol.Status](p).Version, durable(t, dir); told > stored {
		t.Errorf("version %d is announced, and %d is durable", told, stored)
	}
	p.Send(&protocol.Bye{Code: protocol.CloseNormal})

	if err := s.store.Limit(0); err != nil {
		t.Fatal(err)
	}
	before := version()
	waitFor(t, "the run to go on", func() bool { return version() >= before+2 })
	s.body(t, s.Addr(), "/readyz", 200)
}

// durable returns the newest committed version in the database.
func durable(t *testing.T, dir string) (version uint64) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, store.File)+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow("SELECT coalesce(max(version), 0) FROM models").Scan(&version); err != nil {
		t.Fatal(err)
	}
	return version
}

// writerFunc is called with what is written.
type writerFunc func([]byte)

func (f writerFunc) Write(b []byte) (int, error) { f(b); return len(b), nil }

// A changed task starts a new run, and the log names the change. A damaged database
// is rejected with a remedy and not modified.
func TestServeChangedTaskAndDamagedDatabase(t *testing.T) {
	dir := t.TempDir()
	first := serveTest(t, Config{Data: dir, Tasks: []string{smallTask(t)}})
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	// The line "fedtab is at" ends it.
	var log strings.Builder
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := writerFunc(func([]byte) { cancel() })
	code := Main(ctx, []string{"serve", "--addr", "127.0.0.1:0", "--data", dir, "--task", smallTask(t, "lr: 0.1", "lr: 0.2")}, out, &log)
	if want := "strategy.lr is 0.2, was 0.1"; code != 0 || !strings.Contains(log.String(), want) || !strings.Contains(log.String(), first.studies()[0].Run()) {
		t.Errorf("exit code %d, want 0 and a log with %q and the last run's name:\n%s", code, want, log.String())
	}

	path := filepath.Join(dir, store.File)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copy(b[4096:], bytes.Repeat([]byte{0xa5}, 4096))
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	log.Reset()
	code = Main(t.Context(), []string{"serve", "--addr", "127.0.0.1:0", "--data", dir, "--task", smallTask(t)}, out, &log)
	if code != 1 || !strings.Contains(log.String(), "damaged") || !strings.Contains(log.String(), "restore a copy") {
		t.Errorf("exit code %d, want 1 and what to do:\n%s", code, log.String())
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, b) {
		t.Errorf("the damaged file was changed (%v)", err)
	}
}
