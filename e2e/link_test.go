package e2e

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// link is a network between browsers and a coordinator. It slows down all that passes, of
// pages, workers and sockets alike, which the DevTools protocol does for one of them at a
// time, and counts it. Connections share its rate; opening one costs a round trip.
type link struct {
	front   net.Listener
	rear    string // address of the proxy behind it
	latency time.Duration
	up      lane
	down    lane

	mu       sync.Mutex
	conns    []net.Conn
	arrivals []arrival
	answers  []*answer
	held     func(path string) bool
	released chan struct{}
}

// arrival is a moment at which bytes have reached the browsers.
type arrival struct {
	at    time.Time
	bytes int // since the link was made
}

// answer is what the coordinator has answered to a request.
type answer struct {
	path   string
	status int
	bytes  int // of the head and the body
}

// lane is one direction of a link.
type lane struct {
	rate float64 // bytes/s; 0: no limit
	mu   sync.Mutex
	free time.Time // when all that was taken has passed
}

// take returns when n bytes have passed that are there now.
func (w *lane) take(n int) time.Time {
	now := time.Now()
	if w.rate == 0 {
		return now
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.free.Before(now.Add(-5 * time.Millisecond)) { // a late wake-up costs nothing
		w.free = now
	}
	w.free = w.free.Add(time.Duration(float64(n) / w.rate * float64(time.Second)))
	return w.free
}

// connect makes a link to a coordinator, of so many bits/s down and up (0: no limit) and
// a round trip.
func connect(t *testing.T, c *coordinator, down, up float64, trip time.Duration) *link {
	t.Helper()
	target, err := url.Parse(c.url())
	if err != nil {
		t.Fatal(err)
	}
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	rear, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{front: front, rear: rear.Addr().String(), latency: trip / 2, up: lane{rate: up / 8}, down: lane{rate: down / 8}}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // the page's origin
		},
		// Who is behind a proxy sees the connection end, as without one.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		ErrorLog:     log.New(io.Discard, "", 0),
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.wait(r)
		a := &answer{path: r.URL.Path}
		l.mu.Lock()
		l.answers = append(l.answers, a)
		l.mu.Unlock()
		proxy.ServeHTTP(&counter{ResponseWriter: w, link: l, answer: a}, r)
	})}
	go server.Serve(rear)
	go func() {
		for {
			conn, err := front.Accept()
			if err != nil {
				return
			}
			go l.open(conn)
		}
	}()
	t.Cleanup(func() { l.cut(); server.Close() })
	return l
}

// open carries a connection.
func (l *link) open(browser net.Conn) {
	server, err := net.Dial("tcp", l.rear)
	if err != nil {
		browser.Close()
		return
	}
	l.mu.Lock()
	l.conns = append(l.conns, browser, server)
	l.mu.Unlock()
	go l.carry(server, browser, &l.up, 2*l.latency, func(int) {})
	l.carry(browser, server, &l.down, 0, func(n int) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.arrivals = append(l.arrivals, arrival{time.Now(), l.total() + n})
	})
}

// carry moves what src sends to dst, later by the latency, the first of it by setup besides.
func (l *link) carry(dst, src net.Conn, way *lane, setup time.Duration, arrived func(n int)) {
	type parcel struct {
		bytes []byte
		due   time.Time
	}
	size := 64 << 10
	if way.rate > 0 {
		size = 1460 // so that connections take turns
	}
	flying := make(chan parcel, 1<<10)
	go func() {
		defer dst.Close()
		for p := range flying {
			time.Sleep(time.Until(p.due))
			if _, err := dst.Write(p.bytes); err != nil {
				break
			}
			arrived(len(p.bytes))
		}
		for range flying { // src is still read
		}
	}()
	defer close(flying)
	for {
		b := make([]byte, size)
		n, err := src.Read(b)
		if n > 0 {
			passed := way.take(n)
			time.Sleep(time.Until(passed))
			flying <- parcel{b[:n], passed.Add(l.latency + setup)}
			setup = 0
		}
		if err != nil {
			return
		}
	}
}

// cut ends all connections, and refuses new ones.
func (l *link) cut() {
	l.front.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		c.Close()
	}
}

// hold keeps back the answers to requests until release.
func (l *link) hold(which func(path string) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held, l.released = which, make(chan struct{})
}

func (l *link) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.released)
	l.held = nil
}

func (l *link) wait(r *http.Request) {
	l.mu.Lock()
	held, released := l.held, l.released
	l.mu.Unlock()
	if held != nil && held(r.URL.Path) {
		select {
		case <-released:
		case <-r.Context().Done():
		}
	}
}

func (l *link) url() string { return "http://" + l.front.Addr().String() + "/" }

// total returns the bytes that have reached the browsers. The caller holds the lock.
func (l *link) total() int {
	if len(l.arrivals) == 0 {
		return 0
	}
	return l.arrivals[len(l.arrivals)-1].bytes
}

// arrived returns the bytes that had reached the browsers at a time, heads included.
func (l *link) arrived(at time.Time) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	k, _ := slices.BinarySearchFunc(l.arrivals, at, func(a arrival, at time.Time) int { return a.at.Compare(at) })
	if k == 0 {
		return 0
	}
	return l.arrivals[k-1].bytes
}

// answered returns how many requests have been answered.
func (l *link) answered() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.answers)
}

// files returns the bytes of the page's files (documents, programs, scripts and styles)
// among the answers after the first ones, and a list of them. The API, data and sockets are
// none.
func (l *link) files(after int) (bytes int, list string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.answers[after:] {
		if !strings.HasPrefix(a.path, "/api/") && !strings.HasPrefix(a.path, "/data/") && a.path != "/ws" {
			bytes += a.bytes
			list += fmt.Sprintf("\n%s: %d, %d bytes", a.path, a.status, a.bytes)
		}
	}
	return bytes, list
}

// counter counts the bytes of an answer.
type counter struct {
	http.ResponseWriter
	link   *link
	answer *answer
}

func (w *counter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *counter) add(n int) {
	w.link.mu.Lock()
	defer w.link.mu.Unlock()
	w.answer.bytes += n
}

func (w *counter) WriteHeader(status int) {
	n := len("HTTP/1.1 200 OK\r\n\r\n")
	for name, values := range w.Header() {
		for _, v := range values {
			n += len(name) + len(v) + len(": \r\n")
		}
	}
	w.add(n)
	w.link.mu.Lock()
	w.answer.status = status
	w.link.mu.Unlock()
	w.ResponseWriter.WriteHeader(status)
}

func (w *counter) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b)
	w.add(n)
	return n, err
}
