package web

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fedtab/api"
	"fedtab/coordinator/hub"
	"fedtab/coordinator/quota"
	"fedtab/learn"
	"fedtab/protocol"
	"fedtab/run"
)

// limitedSite serves a study whose limits count this machine like any other.
func limitedSite(t *testing.T, participants int) (*Study, *httptest.Server, *strings.Builder, Sockets) {
	t.Helper()
	st, _ := testStudy(t)
	st.Feed = NewFeed(run.State{}, []run.RoundRecord{{Round: 1}})
	var log strings.Builder
	var mu sync.Mutex
	out := writer(func(p []byte) (int, error) { mu.Lock(); defer mu.Unlock(); return log.Write(p) })
	site := testSite(t, "", quota.Addresses{CountLoopback: true})
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "the page") })
	sockets := hub.New(nil, hub.DefaultLimits(), slog.New(slog.DiscardHandler))
	s := httptest.NewServer(New(NewStudies(st), sockets, nil, page, site, Limits{Participants: participants}, slog.New(slog.NewTextHandler(out, nil))))
	t.Cleanup(s.Close)
	return st, s, &log, sockets
}

type writer func(p []byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// An address has a budget of requests; beyond it they are refused with a reason, the
// log says so once, and probes and other addresses are answered.
func TestRequestBudget(t *testing.T) {
	_, s, log, sockets := limitedSite(t, 1)
	refused := 0
	for range 3 * protocol.RequestBurst / protocol.MaxPerAddress {
		r, b := get(t, s.URL+"/api/tasks")
		if r.StatusCode == http.StatusTooManyRequests {
			refused++
			if !strings.Contains(string(b), "requests from your address") || r.Header.Get("Retry-After") == "" {
				t.Fatalf("refused with %s, Retry-After %q", b, r.Header.Get("Retry-After"))
			}
		}
	}
	if refused == 0 {
		t.Error("no request was refused")
	}
	if n := strings.Count(log.String(), "request refused"); n != 1 {
		t.Errorf("the log has %d lines of %d refusals, want 1:\n%s", n, refused, log)
	}
	if r, _ := get(t, s.URL+"/healthz"); r.StatusCode != http.StatusOK {
		t.Errorf("/healthz: %s", r.Status)
	}
	for _, c := range []struct {
		path string
		n    int
	}{{"/ws", 2}, {"/healthz", 3 * protocol.ProbeBurst}} {
		refused := 0
		for range c.n {
			r, _ := get(t, s.URL+c.path)
			if r.StatusCode == http.StatusTooManyRequests && r.Close {
				refused++
			}
		}
		if refused == 0 {
			t.Errorf("%s: none of %d requests was refused, and its connection closed", c.path, c.n)
		}
	}
	if n := sockets.Counts().Refused["requests"]; n == 0 {
		t.Error("handshakes beyond the budget are not counted as refused")
	}
	other := &http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 77)}}).DialContext}}
	defer other.CloseIdleConnections()
	r, err := other.Get(s.URL + "/api/tasks")
	if err != nil || r.StatusCode != http.StatusOK {
		t.Errorf("another address: %v, %v", r, err)
	}
	r.Body.Close()
}

// An address has as many requests under way as it may have connections; more are refused,
// and probes are answered.
func TestRequestsUnderWay(t *testing.T) {
	st, _ := testStudy(t)
	release := make(chan struct{})
	page := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release })
	site := testSite(t, "", quota.Addresses{CountLoopback: true})
	s := httptest.NewServer(New(NewStudies(st), hub.New(nil, hub.DefaultLimits(), slog.New(slog.DiscardHandler)), nil, page, site, Limits{Participants: 1}, slog.New(slog.DiscardHandler)))
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(release) })
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answers := make(chan int)
	for range protocol.ConnectionsPerParticipant + 1 {
		go func() {
			r, err := client.Get(s.URL + "/")
			if err != nil {
				answers <- 0
				return
			}
			r.Body.Close()
			answers <- r.StatusCode
		}()
	}
	if got := <-answers; got != http.StatusTooManyRequests {
		t.Errorf("the first answer is %d, want 429 while the others are under way", got)
	}
	if r, err := client.Get(s.URL + "/healthz"); err != nil || r.StatusCode != http.StatusOK {
		t.Errorf("/healthz: %v, %v, want 200", r, err)
	}
	for range protocol.ConnectionsPerParticipant {
		release <- struct{}{}
		if got := <-answers; got != http.StatusOK {
			t.Errorf("a request that was under way is answered %d, want 200", got)
		}
	}
}

// The door knows what a stream of events would be told, and that no connection is left:
// a page learns neither from the stream or the socket.
func TestDoorOfBudgets(t *testing.T) {
	door := func(url, query string) (d api.Door) {
		t.Helper()
		r, b := get(t, url+"/api/door"+query)
		if err := json.Unmarshal(b, &d); err != nil {
			t.Fatalf("%s: %s, %v", r.Status, b, err)
		}
		return d
	}
	_, s, _, _ := limitedSite(t, 2)
	for i := range 2 {
		if d := door(s.URL, "?for=events"); !d.Open {
			t.Fatalf("with %d of 2 streams the door says %+v, want open", i, d)
		}
		stream, err := http.Get(s.URL + "/api/tasks/mnist-2nn/events")
		if err != nil {
			t.Fatal(err)
		}
		defer stream.Body.Close()
	}
	if d := door(s.URL, "?for=events"); d.Open || d.Code != "address" {
		t.Errorf("with 2 of 2 streams the door says %+v, want address", d)
	}
	if d := door(s.URL, ""); !d.Open {
		t.Errorf("a handshake needs no stream, and the door says %+v", d)
	}

	for code, conns := range map[string]*quota.Conns{
		"address": quota.NewConns(quota.New(0, 1), quota.NewPace(0, 0), quota.Addresses{CountLoopback: true}, slog.New(slog.DiscardHandler)),
		"full":    quota.NewConns(quota.New(1, 0), quota.NewPace(0, 0), quota.Addresses{}, slog.New(slog.DiscardHandler)),
		"pace":    quota.NewConns(quota.New(0, 0), quota.NewPace(1e-9, 1), quota.Addresses{CountLoopback: true}, slog.New(slog.DiscardHandler)),
	} {
		st, _ := testStudy(t)
		st.Feed = NewFeed(run.State{}, nil)
		sockets := hub.New(nil, hub.DefaultLimits(), slog.New(slog.DiscardHandler))
		s := httptest.NewUnstartedServer(New(NewStudies(st), sockets, nil, http.NotFoundHandler(), testSite(t, "", quota.Addresses{CountLoopback: true}), Limits{Connections: conns}, slog.New(slog.DiscardHandler)))
		s.Config.ConnState = conns.State
		s.Start()
		defer s.Close()
		for _, query := range []string{"", "?for=events"} {
			if d := door(s.URL, query); d.Open || d.Code != code {
				t.Errorf("when no connection is left, %q: the door says %+v, want %s", query, d, code)
			}
		}
	}
}

// What an address downloads counts, all its connections together.
func TestDownloadBudget(t *testing.T) {
	st, s, _, _ := limitedSite(t, 1)
	st.Version = func(string, uint64) ([]float32, [32]byte, error) {
		return make([]float32, st.Model.Layout().Size), [32]byte{}, nil
	}
	size := int64(4 * st.Model.Layout().Size)
	total, refused := int64(0), false
	for range 2 * protocol.DownloadBurst / protocol.MaxPerAddress / int(size) {
		r, b := get(t, s.URL+"/api/tasks/mnist-2nn/models/1.safetensors")
		if r.StatusCode == http.StatusTooManyRequests {
			refused = strings.Contains(string(b), "downloads of your address")
			break
		}
		total += int64(len(b))
	}
	if limit := int64(protocol.DownloadBurst/protocol.MaxPerAddress) + 2*size; !refused || total > limit {
		t.Errorf("%d bytes, refused %t, want at most %d", total, refused, limit)
	}
}

// A model file is in memory once for all that download it, and not when they have it;
// other files find room up to the limit.
func TestFiles(t *testing.T) {
	f := newFiles()
	f.limit = 16 // two of them
	reads := 0
	read := func() ([]byte, string, error) { reads++; return make([]byte, 8), `"x"`, nil }
	get := func(version uint64) (*reader, error) {
		return f.get(fileName{"r", version, "onnx"}, 8, func() { t.Error("a reader is cut off") }, read)
	}
	a, err := get(1)
	b, err2 := get(1)
	c, err3 := get(2)
	if err != nil || err2 != nil || err3 != nil || a.file != b.file || a.file == c.file || reads != 2 {
		t.Fatalf("%v, %v, %v; %d reads, the same %t", err, err2, err3, reads, a.file == b.file)
	}
	if _, err := get(3); err != errFilesFull {
		t.Errorf("a third file: %v, want %v", err, errFilesFull)
	}
	f.put(a)
	if _, err := get(3); err != errFilesFull {
		t.Errorf("a third file, while one still downloads the first: %v, want %v", err, errFilesFull)
	}
	f.put(b)
	d, err := get(3)
	if err != nil {
		t.Fatal(err)
	}
	f.put(c)
	f.put(d)
	if f.used != 0 || len(f.open) != 0 {
		t.Errorf("%d bytes of %d files are held", f.used, len(f.open))
	}
	fails := fmt.Errorf("no")
	if _, err := f.get(fileName{"r", 4, "onnx"}, 8, nil, func() ([]byte, string, error) { return nil, "", fails }); err != fails || f.used != 0 {
		t.Errorf("%v, %d bytes held", err, f.used)
	}
}

// A file that is only read slowly is given up when another one waits for room, and one
// that others read too is not.
func TestFilesOfSlowReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 8 << 20 // all that there is room for
		f := newFiles()
		cuts := 0
		get := func(version uint64) (*reader, error) {
			return f.get(fileName{"r", version, "onnx"}, size, func() { cuts++ }, func() ([]byte, string, error) { return nil, "", nil })
		}
		slow, err := get(1)
		if err != nil {
			t.Fatal(err)
		}
		step := func(after time.Duration, version uint64, want error, wantCuts int) *reader {
			t.Helper()
			time.Sleep(after)
			r, err := get(version)
			if err != want || cuts != wantCuts {
				t.Fatalf("version %d: %v with %d readers cut off, want %v with %d", version, err, cuts, want, wantCuts)
			}
			return r
		}
		allowed := protocol.WriteTimeout + size/protocol.MinFileRate*time.Second
		step(allowed-time.Second, 2, errFilesFull, 0)
		other := step(0, 1, nil, 0)
		step(2*time.Second, 2, errFilesFull, 0) // the other may go on
		f.put(other)
		fast := step(0, 2, nil, 1)
		f.put(slow) // which notices later
		step(0, 3, errFilesFull, 1)
		f.put(fast)
		f.put(step(0, 1, nil, 1))
		if f.used != 0 || len(f.open) != 0 {
			t.Errorf("%d bytes of %d files are held", f.used, len(f.open))
		}
	})
}

// The connection of a reader that is cut off ends, and the other gets its file.
func TestSlowReaderOfModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const parameters = 3 << 20 // more than half of MaxModelFiles
		st, s := memoryStudy(t, 2)
		model, err := learn.New(learn.MLP(st.Data.Train.Shape, []int{2 << 10, 3 << 9}, 2))
		if err != nil {
			t.Fatal(err)
		}
		st.Model = model
		st.Version = func(string, uint64) ([]float32, [32]byte, error) {
			return make([]float32, model.Layout().Size), [32]byte{}, nil
		}
		url := func(version int) string {
			return fmt.Sprintf("http://example.com/api/tasks/%s/models/%d.safetensors", st.Task.Name, version)
		}
		dial := s.Client().Transport.(*http.Transport).DialContext
		narrow := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			if err == nil {
				conn.(interface{ SetReadBufferSize(int) }).SetReadBufferSize(64 << 10)
			}
			return conn, err
		}}}
		defer narrow.CloseIdleConnections()
		slow, err := narrow.Get(url(1)) // and reads nothing of the body
		if err != nil {
			t.Fatal(err)
		}
		defer slow.Body.Close()
		status := func() int {
			r, err := s.Client().Get(url(2))
			if err != nil {
				t.Fatal(err)
			}
			defer r.Body.Close()
			if n, err := io.Copy(io.Discard, r.Body); r.StatusCode == http.StatusOK && (err != nil || n < 4*parameters) {
				t.Errorf("%d bytes (%v), want the whole file", n, err)
			}
			return r.StatusCode
		}
		if got := status(); got != http.StatusServiceUnavailable {
			t.Errorf("at first: %d, want %d", got, http.StatusServiceUnavailable)
		}
		time.Sleep(protocol.WriteTimeout + 2*4*parameters/protocol.MinFileRate*time.Second)
		if got := status(); got != http.StatusOK {
			t.Errorf("later: %d, want %d", got, http.StatusOK)
		}
		if n, err := io.Copy(io.Discard, slow.Body); err == nil {
			t.Errorf("the slow reader got all %d bytes, want an end before", n)
		}
	})
}
