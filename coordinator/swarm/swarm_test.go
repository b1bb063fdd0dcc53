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
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fedtab/learn/data"
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
	url, sessions := dataServer(t, make(chan protocol.Message), func(w http.ResponseWriter) { http.Error(w, "no such data", http.StatusNotFound) })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := Run(ctx, Options{URL: url, Task: "small", Clients: 1})
	if err == nil || !strings.Contains(err.Error(), "cannot get its data: ") || !strings.Contains(err.Error(), "/data/7: 404 Not Found: no such data") || sessions.Load() != dataAttempts {
		t.Errorf("after %d sessions: %v, want the refusal after %d", sessions.Load(), err, dataAttempts)
	}
}

// A client that is told to ask for its data later does so, in the same session, and
// reads its messages meanwhile.
func TestDataPutOff(t *testing.T) {
	set, err := data.NewLabelled([]int{2}, []float32{1, 2}, []uint8{1}, 2)
	if err != nil {
		t.Fatal(err)
	}
	messages := make(chan protocol.Message)
	read := make(chan struct{})
	asked := 0
	url, sessions := dataServer(t, messages, func(w http.ResponseWriter) {
		if asked++; asked == 1 {
			w.Header().Set("Retry-After", "1")
			http.Error(w, `{"error": "too many downloads"}`, http.StatusTooManyRequests)
			messages <- &protocol.Status{Round: 77}
			return
		}
		<-read // it has read what came while it waited
		w.Write(data.AppendShard(nil, set, []int32{0}))
		messages <- &protocol.Bye{Code: protocol.CloseFinished}
	})
	var log bytes.Buffer
	_, err = Run(t.Context(), Options{URL: url, Task: "small", Clients: 1, Log: slog.New(slog.NewTextHandler(&log, nil)), OnMessage: func(_ int, m protocol.Message, _ bool) {
		if s, ok := m.(*protocol.Status); ok && s.Round == 77 {
			close(read)
		}
	}})
	if err != nil || sessions.Load() != 1 || asked != 2 {
		t.Errorf("asked %d times in %d sessions: %v, want 2 in one, and no error", asked, sessions.Load(), err)
	}
	if want := `msg="data is put off, asking again" reason="429 Too Many Requests: too many downloads"`; !strings.Contains(log.String(), want) {
		t.Errorf("the log has %s, want %s", log.String(), want)
	}
}

// dataServer serves a client that is welcomed, given a shard and then sent messages.
// answer answers its requests for the shard. It returns the address of the WebSocket and
// the number of sessions.
func dataServer(t *testing.T, messages <-chan protocol.Message, answer func(http.ResponseWriter)) (url string, sessions *atomic.Int64) {
	sessions = new(atomic.Int64)
	mux := http.NewServeMux()
	mux.HandleFunc("/data/", func(w http.ResponseWriter, _ *http.Request) { answer(w) })
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		sessions.Add(1)
		if _, _, err := conn.ReadMessage(); err != nil {
			return
		}
		send := func(m protocol.Message) {
			for _, f := range protocol.AppendFrames(nil, m) {
				conn.WriteMessage(websocket.BinaryMessage, f)
			}
		}
		for _, m := range []protocol.Message{
			&protocol.Welcome{Participant: 1, Run: "test", Seed: 1, InitialHash: make([]byte, protocol.HashSize), Parameters: 2*2 + 2,
				Model: protocol.ModelSpec{Input: []uint32{2}, Layers: []protocol.Layer{{Kind: protocol.LayerDense, Units: 2}}}},
			&protocol.Shards{Source: "/data", Shards: []uint32{7}},
		} {
			send(m)
		}
		gone := make(chan struct{})
		go func() { defer close(gone); io.Copy(io.Discard, conn.NetConn()) }()
		for {
			select {
			case m := <-messages:
				send(m)
				if _, last := m.(*protocol.Bye); last {
					return
				}
			case <-gone:
				return
			}
		}
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http") + "/ws", sessions
}
