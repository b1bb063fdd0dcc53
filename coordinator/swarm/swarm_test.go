package swarm

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fedtab/protocol"

	"github.com/gorilla/websocket"
)

// A swarm that cannot connect says why, at once where another attempt cannot help.
func TestCannotConnect(t *testing.T) {
	answers := func(status int, body string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, body, status) }))
		t.Cleanup(s.Close)
		return "ws" + strings.TrimPrefix(s.URL, "http") + "/ws"
	}
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	for _, test := range []struct {
		name, url string
		want      []string
	}{
		{"forbidden", answers(403, "origin not allowed"), []string{"403 Forbidden: origin not allowed"}},
		{"no such path", answers(404, "404 page not found\nmore"), []string{"404 Not Found: 404 page not found, want a WebSocket: ws://HOST:PORT/ws"}},
		{"an error in JSON", answers(400, `{"error": "host: evil.example, want study.example"}`), []string{"400 Bad Request: host: evil.example, want study.example"}},
		{"a page", answers(200, "<html>"), []string{"200 OK, want a WebSocket"}},
		{"a certificate that is not trusted", "wss" + strings.TrimPrefix(secure.URL, "https"), []string{"certificate"}},
		{"no TLS", "wss" + strings.TrimPrefix(answers(200, ""), "ws"), []string{"TLS handshake"}},
		{"TLS where none is expected", "ws" + strings.TrimPrefix(secure.URL, "https"), []string{"400 Bad Request: Client sent an HTTP request to an HTTPS server."}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Run(t.Context(), Options{URL: test.url, Task: "small", Clients: 3})
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range append(test.want, "cannot connect", test.url) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error: %v, want %q in it", err, want)
				}
			}
		})
	}
}

// refusing returns an address at which nothing listens.
func refusing(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "ws://" + l.Addr().String() + "/ws"
}

// A coordinator that may be starting is waited for, with a line in the log, and not for
// ever.
func TestWaitsForCoordinator(t *testing.T) {
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "too many", http.StatusTooManyRequests) }))
	defer busy.Close()
	for _, test := range []struct{ name, url, want string }{
		{"nothing listens", refusing(t), "connection refused"},
		{"too many", "ws" + strings.TrimPrefix(busy.URL, "http"), "429 Too Many Requests: too many"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				began := time.Now()
				_, err := Run(t.Context(), Options{URL: test.url, Task: "small", Clients: 2, Log: slog.New(slog.NewTextHandler(&log, nil))})
				took := time.Since(began)
				if err == nil || !strings.Contains(err.Error(), test.want) || took < 5*time.Second || took > 40*time.Second {
					t.Errorf("after %v: %v, want %q after 5 to 40 seconds", took, err, test.want)
				}
				if n := strings.Count(log.String(), "cannot connect yet, waiting for the coordinator"); n != 1 {
					t.Errorf("%d lines say that it waits, want 1:\n%s", n, log.String())
				}
			})
		})
	}
}

// A swarm that was connected waits longer, says so once a minute, and gives up.
func TestConnectionLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		l := newLink("ws://x/ws", slog.New(slog.NewTextHandler(&log, nil)))
		gone := &protocol.CloseError{Code: protocol.CloseShutdown}
		l.join()
		l.leave()
		if err := l.failed(gone, true, 1); err != nil {
			t.Fatal(err)
		}
		for attempt := 2; ; attempt++ {
			time.Sleep(time.Second)
			err := l.failed(errors.New("connection refused"), false, attempt)
			if since := time.Duration(attempt-1) * time.Second; (err != nil) != (since >= lostLimit) {
				t.Fatalf("after %v without a session: %v, want an error after %v", since, err, lostLimit)
			}
			if err != nil {
				break
			}
		}
		if n := strings.Count(log.String(), "cannot connect, trying again"); n != int(lostLimit/noticeEvery) {
			t.Errorf("%d lines, want one a minute:\n%s", n, log.String())
		}
		l.join()
		if !strings.Contains(log.String(), "connected again") {
			t.Errorf("no line says that it is connected again:\n%s", log.String())
		}
	})
}

// A swarm that is too small for a round says that the run waits.
func TestRunWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		l := newLink("ws://x/ws", slog.New(slog.NewTextHandler(&log, nil)))
		ctx, stop := context.WithCancel(t.Context())
		go l.watch(ctx)
		look := func(after time.Duration, want int) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			l.mu.Lock() // it is held where the log is written
			defer l.mu.Unlock()
			if n := strings.Count(log.String(), "no orders: the run waits"); n != want {
				t.Errorf("%d lines, want %d:\n%s", n, want, log.String())
			}
		}
		look(firstLook, 0) // no client has joined
		l.join()
		l.saw(&protocol.Hello{}, true)
		l.saw(&protocol.Status{Phase: protocol.PhaseWaiting, Participants: 2}, false)
		look(noticeEvery, 1)
		l.saw(&protocol.Order{}, false)
		look(noticeEvery, 1)
		l.saw(&protocol.Progress{}, true)
		look(noticeEvery, 1)
		look(noticeEvery, 2)
		stop()
		synctest.Wait()
		if want := "phase=waiting round=0 participants=2"; !strings.Contains(log.String(), want) {
			t.Errorf("no %q in:\n%s", want, log.String())
		}
	})
}

// A client whose data is refused gives up, and says which and why.
func TestDataRefused(t *testing.T) {
	t.Parallel() // it waits between sessions
	sessions := 0
	mux := http.NewServeMux()
	mux.HandleFunc("/data/gone/", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no such data", http.StatusNotFound) })
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		sessions++
		if _, _, err := conn.ReadMessage(); err != nil {
			return
		}
		for _, out := range []protocol.Message{
			&protocol.Welcome{Participant: 1, Run: "test", Seed: 1, InitialHash: make([]byte, protocol.HashSize), Parameters: 2*2 + 2,
				Model: protocol.ModelSpec{Input: []uint32{2}, Layers: []protocol.Layer{{Kind: protocol.LayerDense, Units: 2}}}},
			&protocol.Shards{Source: "/data/gone", Shards: []uint32{7}},
		} {
			for _, f := range protocol.AppendFrames(nil, out) {
				conn.WriteMessage(websocket.BinaryMessage, f)
			}
		}
		io.Copy(io.Discard, conn.NetConn())
	})
	s := httptest.NewServer(mux)
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := Run(ctx, Options{URL: "ws" + strings.TrimPrefix(s.URL, "http") + "/ws", Task: "small", Clients: 1})
	if err == nil || !strings.Contains(err.Error(), "cannot get its data: "+s.URL+"/data/gone/7: 404 Not Found: no such data") || sessions != dataAttempts {
		t.Errorf("after %d sessions: %v, want the refusal after %d", sessions, err, dataAttempts)
	}
}
