package hostile

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"fedtab/api"
	"fedtab/coordinator/hub/hubtest"
	"fedtab/coordinator/swarm"
	"fedtab/protocol"
)

// Bounds of the cases over HTTP.
const (
	httpMemory = 64. // MiB
	httpProbe  = .1  // seconds, the median of the answers of /healthz
	told       = 90. // percent of the new versions that honest event streams have come to
	perTab     = 6   // HTTP connections of a browser

	honestStreams  = 4
	newConnections = 50
)

// dial opens a connection for HTTP that reads little.
func (a *attacker) dial() net.Conn {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: a.from}}
	conn, err := dialer.DialContext(a.ctx, "tcp", strings.TrimPrefix(a.t.World.http, "http://"))
	if err != nil {
		a.Fatal(err)
	}
	conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	a.hold(conn)
	return conn
}

// path fills the task's name in.
func (a *attacker) path(of string) string {
	return strings.ReplaceAll(of, "TASK", a.t.World.Task)
}

// pipeline asks for a page again and again on one connection, and reads nothing.
func pipeline(path string) func(*attacker) {
	return func(a *attacker) {
		conn := a.dial()
		request := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nAccept: text/html\r\n\r\n", a.path(path), conn.RemoteAddr())
		for {
			if _, err := io.WriteString(conn, strings.Repeat(request, 100)); err != nil {
				return
			}
		}
	}
}

// unfinished announces the body of a request, and sends none of it.
func unfinished(a *attacker) {
	conn := a.dial()
	fmt.Fprintf(conn, "POST /api/tasks HTTP/1.1\r\nHost: %s\r\nContent-Length: 1000000\r\n\r\n", conn.RemoteAddr())
	io.Copy(io.Discard, conn)
}

// stream holds an event stream, if there is room for it.
func stream(a *attacker) {
	conn := a.dial()
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", a.path("/api/tasks/TASK/events"), conn.RemoteAddr())
	r, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || r.StatusCode != http.StatusOK {
		return
	}
	io.Copy(io.Discard, r.Body)
}

// idleConnection asks once, and holds its connection.
func idleConnection(a *attacker) {
	conn := a.dial()
	fmt.Fprintf(conn, "GET /api/tasks HTTP/1.1\r\nHost: %s\r\n\r\n", conn.RemoteAddr())
	io.Copy(io.Discard, conn)
}

// requests fetches a page without pause.
func requests(a *attacker) {
	conn := a.dial()
	read := bufio.NewReader(conn)
	for a.ctx.Err() == nil {
		if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", a.path("/api/tasks/TASK?limit=1000"), conn.RemoteAddr()); err != nil {
			return
		}
		r, err := http.ReadResponse(read, nil)
		if err != nil {
			return
		}
		io.Copy(io.Discard, r.Body)
	}
}

// wantVersions asks for a version as often as a session may, and joins anew.
func wantVersions(received *atomic.Int64) func(*attacker) {
	return func(a *attacker) {
		h := hubtest.Hello(a.t.World.Task)
		h.TabState = protocol.TabPaused // no orders
		p := a.Connect().Join(h)
		for range 8 {
			p.Send(&protocol.Want{Version: p.Welcome.Version, Full: true})
		}
		for range 8 {
			hubtest.Await[*protocol.Model](p)
			received.Add(1)
		}
	}
}

// probe asks for /healthz until report is called, from an address of its own. report
// reports the median and the max of the times, and the answers that failed.
func (t *T) probe() (report func()) {
	var took []float64
	failed := 0
	stop := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-t.Context().Done():
				return
			case <-time.After(200 * time.Millisecond):
			}
			began := time.Now()
			var health any
			err := t.World.get(t.Context(), "/healthz", &health)
			if took = append(took, time.Since(began).Seconds()); err != nil {
				failed++
			}
		}
	})
	return func() {
		close(stop)
		wait.Wait()
		if len(took) == 0 {
			t.Fatal("/healthz was not asked")
		}
		slices.Sort(took)
		t.AtMost("/healthz", took[len(took)/2], httpProbe, " s")
		t.AtMost("its worst", took[len(took)-1], probeBound, " s")
		t.AtMost("failed probes", float64(failed), 0, "")
	}
}

// watch opens n event streams from an address of its own. report reports how far the
// slowest of them has come with the versions since then.
func (t *T) watch(n int) (report func()) {
	transport := &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: t.World.Address()}}).DialContext}
	t.Cleanup(transport.CloseIdleConnections)
	newest := make([]atomic.Uint64, n)
	for i := range newest {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, t.World.http+"/api/tasks/"+t.World.Task+"/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := (&http.Client{Transport: transport}).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { response.Body.Close() })
		if response.StatusCode != http.StatusOK {
			t.Fatal(swarm.Refused(request.URL.String(), response))
		}
		go func() {
			state := false
			for lines := bufio.NewScanner(response.Body); lines.Scan(); {
				data, ok := strings.CutPrefix(lines.Text(), "data: ")
				var now api.Task
				if ok && state && json.Unmarshal([]byte(data), &now) == nil {
					newest[i].Store(uint64(now.Version))
				}
				state = lines.Text() == "event: state"
			}
		}()
	}
	first := t.World.Crew.Version()
	return func() {
		last := t.World.Crew.Version()
		least := last
		for i := range newest {
			least = min(least, max(newest[i].Load(), first))
		}
		t.AtLeast("honest streams", 100*float64(least-first)/float64(max(last-first, 1)), told, "% of versions")
	}
}

// sites are attacks on the web server.
func sites() (cases []Case) {
	add := func(words, about string, w *Setting, long bool, attack func(t *T)) {
		cases = append(cases, Case{Name: name("http", words), About: about, Needs: "the coordinator's process", Long: long, World: w, Attack: attack})
	}
	measured := func(words, about string, long bool, attack func(t *T)) {
		add(words, about, large, long, func(t *T) {
			t.held(httpMemory, func() {
				report := t.probe()
				t.measure(oneAddress, func() { attack(t) })
				report()
			})
		})
	}
	crowd := func(n int, act func(*attacker)) func(t *T) {
		return func(t *T) { t.Crowd(n, t.World.Address(), act) }
	}
	models := pipeline("/api/tasks/TASK/models/newest.safetensors")
	pages := pipeline("/api/tasks/TASK?limit=1000&points=1000")
	measured("unfinished bodies", "300 connections announce a request's body of 1 MB and send nothing", true, crowd(300, unfinished))
	measured("pipelined pages", "300 connections ask for pages of rounds and read nothing", true, crowd(300, pages))
	measured("pipelined models", "300 connections ask for models of 6.6 MB and read nothing", true, crowd(300, models))
	measured("pipelined pictures, codes and versions", "300 connections ask for pictures of the data, QR codes and lists of versions, and read nothing", true, func(t *T) {
		crowd(100, pipeline("/api/tasks/TASK/picture.png"))(t)
		crowd(100, pipeline("/qr.svg?path=t/TASK"))(t)
		crowd(100, pipeline("/api/tasks/TASK/versions"))(t)
	})
	measured("pipelined screens and missing pages", "300 connections ask for pages that are rendered each time, and for deep paths, and read nothing", true, func(t *T) {
		crowd(100, pipeline("/screen?task=TASK"))(t)
		crowd(100, pipeline("/a/api/x"))(t)
		crowd(100, pipeline("/"+strings.Repeat("a/", 6000)+"b"))(t)
	})
	measured("a flood of requests", "16 connections fetch pages of rounds without pause", true, crowd(16, requests))
	measured("all together", "unfinished bodies, pipelined pages and models, event streams and requests, from five addresses", false, func(t *T) {
		crowd(100, unfinished)(t)
		crowd(16, pages)(t)
		crowd(400, models)(t)
		crowd(300, stream)(t)
		crowd(16, requests)(t)
	})
	add("idle connections of 24 addresses", "12,288 connections that have asked once, and new ones of another address beside them", inAll, true, func(t *T) {
		t.Baseline()
		for range 24 {
			crowd(protocol.ConnectionsPerParticipant*perAddress, idleConnection)(t)
		}
		t.Pause(settleTime)
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: t.World.Address()}}
		client := &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}, Timeout: hubtest.Patience}
		failed := 0
		for range newConnections {
			response, err := client.Get(t.World.http + "/healthz")
			if err != nil {
				failed++
				continue
			}
			response.Body.Close()
		}
		t.AtMost("new connections that fail", float64(failed), 0, "")
		t.Peers().Join()
		t.honestUnharmed()
	})
	add("event streams of one address", "3,000 requests for event streams at once", inAll, false, func(t *T) {
		t.Baseline() // versions are made
		probed, watched := t.probe(), t.watch(honestStreams)
		from, open := t.World.Address(), atomic.Int64{}
		t.Crowd(3000, from, func(a *attacker) {
			conn := a.dial()
			fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", a.path("/api/tasks/TASK/events"), conn.RemoteAddr())
			r, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err == nil && r.StatusCode == http.StatusOK {
				open.Add(1)
				defer open.Add(-1)
				io.Copy(io.Discard, r.Body)
			}
			a.Pause(10 * time.Second)
		})
		t.Pause(settleTime)
		t.AtMost("streams", float64(open.Load()), perAddress, "")
		watched()
		probed()
	})
	add("versions on new sessions", "8 sessions ask for a version eight times, and join anew", inAll, false, func(t *T) {
		var received atomic.Int64
		t.Baseline()
		t.Crowd(8, t.World.Address(), wantVersions(&received))
		t.Pause(settleTime + measureTime)
		// All that an address may ask for at once, and its pace.
		allowed := protocol.ModelBurst + protocol.MaxModelRate*(settleTime+measureTime).Seconds()
		t.AtMost("versions sent", float64(received.Load()), allowed, "")
		t.honestUnharmed()
	})
	return cases
}
