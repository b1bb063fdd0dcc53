package web

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fedtab/api"
	"fedtab/coordinator/dataset"
	"fedtab/coordinator/hub"
	"fedtab/coordinator/quota"
	"fedtab/coordinator/task"
	"fedtab/learn"
	"fedtab/protocol"
	"fedtab/run"
)

// memoryStudy serves a study with the given rounds over connections in memory.
func memoryStudy(t *testing.T, rounds int) (*Study, *httptest.Server) {
	t.Helper()
	return studyFor(t, rounds, protocol.MaxPerAddress)
}

// studyFor is memoryStudy for so many participants at one address.
func studyFor(t *testing.T, rounds int, participants int) (*Study, *httptest.Server) {
	t.Helper()
	tk, err := task.Find("anes96", nil)
	if err != nil {
		t.Fatal(err)
	}
	d, err := dataset.Open(tk)
	if err != nil {
		t.Fatal(err)
	}
	m, err := d.Model(tk)
	if err != nil {
		t.Fatal(err)
	}
	var all []run.RoundRecord
	for i := 1; i <= rounds; i++ {
		r := run.RoundRecord{Round: uint64(i), Participants: 3}
		if i%2 == 0 {
			r.Test = &learn.Figures{Loss: 1 / float64(i), Accuracy: float64(i) / float64(rounds), RMSE: math.NaN()}
		}
		all = append(all, r)
	}
	st := &Study{Task: tk, Data: d, Model: m, Feed: NewFeed(run.State{Phase: protocol.PhaseWaiting, Version: uint64(rounds)}, all)}
	st.SetRun("anes96-1")
	sockets := hub.New(nil, hub.DefaultLimits(), slog.New(slog.DiscardHandler))
	return st, httptest.NewTestServer(t, New(NewStudies(st), sockets, nil, http.NotFoundHandler(), testSite(t, "http://example.com", quota.Addresses{}), Limits{Participants: participants}, slog.New(slog.DiscardHandler)))
}

// A page of rounds is bounded, and pages together are all rounds, once each; a
// curve is thinned and keeps its ends.
func TestPages(t *testing.T) {
	const total = 1234
	_, s := memoryStudy(t, total)
	read := func(query string) (v api.Task, size int) {
		r, err := s.Client().Get(s.URL + "/api/tasks/anes96" + query)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s: %s (%v)", query, r.Status, b, err)
		}
		if err := json.Unmarshal(b, &v); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		return v, len(b)
	}
	for _, test := range []struct {
		query       string
		n           int
		first, last int
	}{
		{"", api.DefaultRounds, total - api.DefaultRounds + 1, total},
		{"?limit=10", 10, total - 9, total},
		{"?limit=10&before=11", 10, 1, 10},
		{"?limit=10&before=5", 4, 1, 4},
		{"?since=1230", 4, 1231, 1234},
		{"?since=1230&limit=2", 2, 1233, 1234},
		{"?since=1234", 0, 0, 0},
		{"?limit=0", 0, 0, 0},
		{"?limit=1000", api.MaxRounds, total - api.MaxRounds + 1, total},
	} {
		v, _ := read(test.query)
		if len(v.Rounds) != test.n || test.n > 0 && (v.Rounds[0].Round != test.first || v.Rounds[test.n-1].Round != test.last) || v.Curve != nil || v.Version != total {
			t.Errorf("%s: got %d rounds, want %d: %d to %d", test.query, len(v.Rounds), test.n, test.first, test.last)
		}
	}
	var seen []int
	for before := total + 1; before > 1; {
		v, _ := read(fmt.Sprintf("?before=%d", before))
		page := v.Rounds
		slices.Reverse(page)
		for _, r := range page {
			seen = append(seen, r.Round)
		}
		before = seen[len(seen)-1]
	}
	if len(seen) != total || seen[0] != total || !slices.IsSortedFunc(seen, func(a, b int) int { return b - a }) {
		t.Errorf("pages have %d rounds, want each of %d once", len(seen), total)
	}
	v, _ := read("?limit=0&points=50")
	if c := v.Curve; c == nil || len(c.Round) != 50 || c.Round[0] != 2 || c.Round[49] != total || *c.TestAccuracy[49] != 1 || *c.TestLoss[0] != .5 {
		t.Errorf("the curve is %+v", v.Curve)
	}
	if v, _ = read("?limit=0&points=1000"); len(v.Curve.Round) != total/2 {
		t.Errorf("the curve has %d points, want the %d that were evaluated", len(v.Curve.Round), total/2)
	}
	for _, query := range []string{"?limit=1001", "?limit=-1", "?points=1001", "?since=x", "?before=1.5"} {
		r, err := s.Client().Get(s.URL + "/api/tasks/anes96" + query)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s, want 400", query, r.Status)
		}
	}
}

// However many readers there are, a change is encoded once, and all get the same
// bytes; changes in one moment become one state.
func TestEncodedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, s := studyFor(t, 0, 200)
		var states, rounds atomic.Int64
		st.Feed.view = func(s run.State) api.Task { states.Add(1); return st.view(s) }
		st.Feed.round = func(r *run.RoundRecord) api.Round { rounds.Add(1); return st.viewRound(r) }
		const readers, joins = 200, 200
		var wait sync.WaitGroup
		var mu sync.Mutex
		var got [readers]struct{ states, rounds []string }
		for i := range readers {
			r, err := s.Client().Get(s.URL + "/api/tasks/anes96/events")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { r.Body.Close() })
			wait.Go(func() {
				lines := bufio.NewScanner(r.Body)
				event := ""
				for lines.Scan() {
					if e, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
						event = e
					}
					if d, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
						mu.Lock()
						if event == "state" {
							got[i].states = append(got[i].states, d)
						} else {
							got[i].rounds = append(got[i].rounds, d)
						}
						mu.Unlock()
					}
				}
			})
			_ = r
		}
		time.Sleep(time.Second)
		states.Store(0)
		const within = 10 * time.Second
		for i := range joins {
			st.Feed.Publish(run.Update{State: run.State{Participants: i + 1}})
			time.Sleep(within / joins)
		}
		st.Feed.Publish(run.Update{State: run.State{Participants: joins}, Round: &run.RoundRecord{Round: 1}})
		st.Feed.Publish(run.Update{State: run.State{Participants: joins}, Round: &run.RoundRecord{Round: 2}})
		time.Sleep(time.Second)
		mu.Lock()
		defer mu.Unlock()
		if n := states.Load(); n < 2 || n > int64(within/coalesce)+3 {
			t.Errorf("%d changes in %v are encoded %d times for %d readers, want at most one in %v", joins, within, n, readers, coalesce)
		}
		encoded, sent := 0, 0
		for i := range got {
			for _, b := range got[i].states {
				if sent += len(b); i == 0 {
					encoded += len(b)
				}
			}
		}
		t.Logf("%d joins beside %d readers: %d states of %d bytes in all are encoded, %d bytes are sent", joins, readers, states.Load(), encoded, sent)
		if n := rounds.Load(); n != 2 {
			t.Errorf("2 rounds are encoded %d times", n)
		}
		for i := range got {
			if n := len(got[i].states); n > int(within/coalesce)+5 || !strings.Contains(got[i].states[n-1], fmt.Sprintf(`"participants":%d`, joins)) {
				t.Errorf("reader %d got %d states, the last %s", i, n, got[i].states[n-1])
			}
			if len(got[i].rounds) != 2 {
				t.Errorf("reader %d got %d rounds, want 2", i, len(got[i].rounds))
			}
		}
		s.CloseClientConnections()
	})
}

// A reader gets every round that has changed since it looked last, once, however
// many changes there were and in whatever order.
func TestFeedSince(t *testing.T) {
	st, _ := memoryStudy(t, 3000)
	f := st.Feed
	_, rounds, seq := f.Since(0)
	if len(rounds) != 0 {
		t.Fatalf("the first look has %d rounds, want none", len(rounds))
	}
	evaluate := func(numbers ...uint64) {
		for _, n := range numbers {
			f.Publish(run.Update{Round: &run.RoundRecord{Round: n, Test: &learn.Figures{Loss: .25}}})
		}
	}
	check := func(want ...int) {
		t.Helper()
		f.flush()
		var got []int
		_, rounds, now := f.Since(seq)
		for _, b := range rounds {
			var r api.Round
			if err := json.Unmarshal(b, &r); err != nil || *r.TestLoss != .25 {
				t.Fatalf("%s: %v", b, err)
			}
			got = append(got, r.Round)
		}
		seq = now
		if !slices.Equal(got, want) {
			t.Errorf("got rounds %v, want %v", got, want)
		}
	}
	check()
	evaluate(3001, 2999, 2999, 17)
	check(17, 2999, 3001)
	check()
	var all []int
	for n := range 2 * keptChanges { // more than the feed remembers
		evaluate(uint64(n + 1))
		all = append(all, n+1)
	}
	check(all...)
	if n := len(f.lines); n > 2*keptLines {
		t.Errorf("%d encoded rounds are kept, want at most %d", n, 2*keptLines)
	}
}

// Requests that are no reading are answered at once, and hold nothing: neither an
// idle body nor one without end.
func TestBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s := memoryStudy(t, 0)
		dial := s.Client().Transport.(*http.Transport).DialContext
		for _, test := range []struct {
			request, want string
		}{
			{"POST /api/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", "405"},
			{"POST /api/tasks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "405"},
			{"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000000\r\n\r\n", "405"},
			{"GET /api/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n", "400"},
			{"GET /ws HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n", "400"},
			{"DELETE /api/tasks HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "405"},
		} {
			conn, err := dial(t.Context(), "tcp", "x:80")
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			io.WriteString(conn, test.request)
			answer, err := io.ReadAll(conn) // until the server closes
			if !strings.HasPrefix(string(answer), "HTTP/1.1 "+test.want) {
				t.Errorf("%q: got %q (%v), want status %s", test.request, answer, err, test.want)
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("%q: the connection is closed after %v", test.request, took)
			}
			conn.Close()
		}
	})
}

// A reader that takes nothing is cut off, and one address holds a bounded number of
// streams.
func TestSlowReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s := memoryStudy(t, 1000)
		dial := s.Client().Transport.(*http.Transport).DialContext
		conn, err := dial(t.Context(), "tcp", "x:80")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.(interface{ SetReadBufferSize(int) }).SetReadBufferSize(1 << 10)
		io.WriteString(conn, "GET /api/tasks/anes96?limit=1000 HTTP/1.1\r\nHost: x\r\n\r\n")
		time.Sleep(5 * time.Minute)
		b, _ := io.ReadAll(conn)
		if len(b) > 64<<10 {
			t.Errorf("after 5 minutes without reading, %d bytes still come", len(b))
		}
		var streams []*http.Response
		for i := range protocol.MaxPerAddress + 1 {
			r, err := s.Client().Get(s.URL + "/api/tasks/anes96/events")
			if err != nil {
				t.Fatal(err)
			}
			defer r.Body.Close()
			streams = append(streams, r)
			want := http.StatusOK
			if i == protocol.MaxPerAddress {
				want = http.StatusTooManyRequests
			}
			if r.StatusCode != want {
				t.Errorf("stream %d: %s, want %d", i+1, r.Status, want)
			}
		}
		for _, r := range streams {
			r.Body.Close()
		}
		time.Sleep(time.Second)
		r, err := s.Client().Get(s.URL + "/api/tasks/anes96/events")
		if err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("after they have ended: %v (%v)", r, err)
		}
		r.Body.Close()
	})
}

// Who has seen the rounds up to a mark gets those that are new or evaluated since, and all of
// them after another run has begun.
func TestFeedRecords(t *testing.T) {
	record := func(n uint64) run.RoundRecord { return run.RoundRecord{Round: n} }
	f := NewFeed(run.State{}, []run.RoundRecord{record(1), record(2)})
	var m Mark
	check := func(name string, wantWhole bool, want ...uint64) {
		t.Helper()
		rounds, now, whole := f.Records(m)
		var got []uint64
		for i := range rounds {
			got = append(got, rounds[i].Round)
		}
		if !slices.Equal(got, want) || whole != wantWhole {
			t.Errorf("%s: rounds %v, all of them %v, want %v, %v", name, got, whole, want, wantWhole)
		}
		m = now
	}
	publish := func(n uint64) {
		r := record(n)
		f.Publish(run.Update{Round: &r})
	}
	check("at first", true, 1, 2)
	check("nothing new", false)
	publish(3) // is shown at once
	check("a new one", false, 3)
	check("once more", false)
	publish(4) // is shown later
	publish(2)
	check("one that is evaluated", false, 2, 4)
	f.flush()
	check("what was not shown yet comes again", false, 2, 4)
	check("at last", false)
	f.Reset(run.State{}, []run.RoundRecord{record(1)})
	check("another run", true, 1)
}
