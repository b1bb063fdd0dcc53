package hostile

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"fedtab/coordinator/hub/hubtest"
	"fedtab/protocol"

	"github.com/gorilla/websocket"
)

// large is a world whose raw bodies have 6.6 MB: two and a half of them fill what the
// coordinator lends for bodies.
var large = &Setting{Name: "large", Honest: 4, Pace: time.Second / 2, Slots: 6, Task: `
model: {kind: mlp, hidden: [1280, 1280]}
data: {source: anes96, holdout: 0.2, partition: {kind: iid, clients: 20}}
strategy: {kind: fedavg, batches: 1, batch: 1, lr: 0.01, fraction: 1}
stop: {rounds: 100000}
seed: 1
`}

// How long the crew is watched alone, and bounds on what attackers hold and burn.
const (
	aloneTime   = 6 * time.Second
	memoryBound = 96.  // MiB beyond what the crew alone takes
	eventBound  = 10e3 // bytes a second of the event log: 0.9 GB a day
	probeBound  = 5.   // seconds for the slowest answer of /healthz: attackers share its machine
)

// held reports the memory that the process has taken at most while f ran, beyond what
// the crew alone takes at most: its memory goes up and down by a fifth with each
// collection of garbage.
func (t *T) held(bound float64, f func()) {
	t.Baseline() // the crew's own memory is taken by then
	before := t.peak(func() { t.Pause(aloneTime) })
	t.AtMost("memory", t.peak(f)-before, bound, " MiB")
}

// peak returns the memory that the process has taken at most while f ran, MiB.
func (t *T) peak(f func()) (peak float64) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			if now, err := t.World.Resident(); err == nil {
				peak = max(peak, now)
			}
			select {
			case <-stop:
				return
			case <-t.Context().Done():
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	}()
	f()
	close(stop)
	if <-stopped; peak == 0 {
		t.Fatal("the process has told nothing of its memory")
	}
	return peak
}

// announce announces the body of an answer and sends none of it.
func announce(a *attacker) {
	p, _ := announced(a)
	for {
		if _, err := p.Read(); err != nil {
			return
		}
	}
}

func announced(a *attacker) (*hubtest.Peer, *protocol.Order) {
	p := a.Join()
	o := hubtest.Await[*protocol.Order](p)
	c := hubtest.Contribution(o, nil)
	c.Vectors[0].Block, c.Vectors[0].Size = nil, 4*p.Welcome.Parameters
	p.Frame(protocol.Append(nil, c))
	return p, o
}

// drip sends a body at the least rate that is allowed.
func drip(a *attacker) {
	p, o := announced(a)
	go func() {
		for {
			if _, err := p.Read(); err != nil {
				return
			}
		}
	}()
	const chunk = protocol.MinBodyRate / 2
	for offset := uint64(0); offset+chunk < 4*p.Welcome.Parameters; offset += chunk {
		p.Send(&protocol.Chunk{Transfer: o.Order, Offset: offset, Data: make([]byte, chunk)})
		a.Pause(time.Second / 2)
	}
}

// readNothing asks for models and reads nothing.
func readNothing(a *attacker) {
	p := a.Connect()
	p.Conn.NetConn().(*net.TCPConn).SetReadBuffer(4 << 10)
	p.Send(hubtest.Hello(a.t.World.Task))
	for {
		p.Send(&protocol.Want{Full: true})
		a.Pause(200 * time.Millisecond)
	}
}

// readSlowly reads a little now and then.
func readSlowly(a *attacker) {
	p := a.Connect()
	conn := p.Conn.NetConn()
	conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	p.Send(hubtest.Hello(a.t.World.Task))
	p.Send(&protocol.Want{Full: true})
	for b := make([]byte, 512); ; a.Pause(200 * time.Millisecond) {
		if _, err := conn.Read(b); err != nil {
			return
		}
	}
}

// handshake opens a socket and sends no hello.
func handshake(a *attacker) { ends(a.Connect()) }

func ends(p *hubtest.Peer) {
	for {
		if _, err := p.Read(); err != nil {
			return
		}
	}
}

// halfRequest sends the headers of a request byte by byte, and never ends them.
func halfRequest(a *attacker) {
	conn := a.dial()
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: example.com\r\nX-Slow: ")
	for {
		if _, err := conn.Write([]byte("x")); err != nil {
			return
		}
		a.Pause(500 * time.Millisecond)
	}
}

// download fetches the newest model again and again.
func download(a *attacker) {
	transport := &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: a.from}}).DialContext}
	defer transport.CloseIdleConnections()
	for a.ctx.Err() == nil {
		request, err := http.NewRequestWithContext(a.ctx, http.MethodGet, a.t.World.http+"/api/tasks/"+a.t.World.Task+"/models/newest.safetensors", nil)
		if err != nil {
			return
		}
		response, err := (&http.Client{Transport: transport}).Do(request)
		if err != nil {
			return
		}
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
}

// declineAtLength declines orders that it was not given, with a long text.
func declineAtLength(a *attacker) {
	p := a.Join()
	go ends(p)
	text := strings.Repeat("x", protocol.MaxText)
	for order := uint64(1); ; order++ {
		p.Send(&protocol.Decline{Order: order, Reason: protocol.ReasonBusy, Detail: text})
		a.Pause(time.Second / protocol.MaxMessageRate)
	}
}

// resume loses its socket and comes back without pause.
func resume(a *attacker) {
	h := hubtest.Hello(a.t.World.Task)
	h.Client = strings.Repeat("x", protocol.MaxText)
	for {
		p := a.Connect().Join(h)
		h.ResumeToken = p.Welcome.ResumeToken
		p.Conn.Close()
	}
}

// lackCodecs joins without the codecs that the run packs with, under a long name, and
// leaves.
func lackCodecs(a *attacker) {
	h := hubtest.Hello(a.t.World.Task)
	h.Client = strings.Repeat("x", protocol.MaxText)
	p := a.Connect().Join(h)
	p.Send(&protocol.Bye{Code: protocol.CloseNormal})
	p.Conn.Close()
}

// eventWindow is how long the event log is watched.
const eventWindow = 10 * time.Second

// welcomed has n join at once from an address, with headers in their handshakes, and
// returns how many become participants. Their sockets stay open until the case ends.
func (t *T) welcomed(n int, from net.IP, headers http.Header) float64 {
	var admitted atomic.Int32
	var wait sync.WaitGroup
	hello := protocol.Append(nil, hubtest.Hello(t.World.Task))
	for range n {
		wait.Go(func() {
			conn, _, err := dialerFrom(from).DialContext(t.Context(), t.World.URL, headers)
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			conn.SetReadDeadline(time.Now().Add(hubtest.Patience))
			if conn.WriteMessage(websocket.BinaryMessage, hello) != nil {
				return
			}
			_, frame, err := conn.ReadMessage()
			if err != nil {
				return
			}
			if m, err := protocol.Decode(frame); err == nil && protocol.KindOf(m) == protocol.KindWelcome {
				admitted.Add(1)
			}
		})
	}
	wait.Wait()
	return float64(admitted.Load())
}

// resources are attacks on memory, disk, connections and processors.
func resources() (cases []Case) {
	add := func(words, about, needs string, w *Setting, long bool, attack func(t *T)) {
		cases = append(cases, Case{Name: name("resource", words), About: about, Needs: needs, Long: long, World: w, Attack: attack})
	}
	measured := func(words, about string, w *Setting, atLeast float64, n int, long bool, act func(*attacker)) {
		add(words, about, "the coordinator's process", w, long, func(t *T) {
			t.held(memoryBound, func() {
				t.measure(atLeast, func() { t.Crowd(n, t.World.Address(), act) })
			})
		})
	}
	measured("a body that never comes", "one session announces 6.6 MB and sends nothing", large, oneAddress, 1, false, announce)
	measured("64 bodies that never come", "64 sessions announce 6.6 MB each and send nothing", large, oneAddress, perAddress, false, announce)
	measured("64 bodies at the min rate", "64 sessions send 6.6 MB each at 8 KiB/s", large, oneAddress, perAddress, false, drip)
	measured("64 that read nothing", "64 sessions ask for models of 6.6 MB and read nothing", large, oneAddress, perAddress, false, readNothing)
	measured("64 that read slowly", "64 sessions read a model of 6.6 MB at 2.5 kB/s", large, oneAddress, perAddress, true, readSlowly)
	measured("downloads without end", "8 connections fetch the newest model again and again", large, oneAddress, 8, true, download)
	measured("64 handshakes without hello", "sockets that say nothing, opened again when they are closed", inAll, 80, perAddress, false, handshake)
	measured("300 half requests", "HTTP requests whose headers never end", inAll, 80, 300, false, halfRequest)

	logged := func(words, about string, n int, long bool, act func(*attacker)) {
		add(words, about, "the coordinator's database", inAll, long, func(t *T) {
			t.Baseline()
			count := func() float64 {
				n, err := t.World.EventBytes(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				return n
			}
			before := count()
			t.Crowd(n, t.World.Address(), act)
			t.Pause(eventWindow)
			t.AtMost("event log", (count()-before)/eventWindow.Seconds(), eventBound, " bytes/s")
		})
	}
	logged("declines at length", "8 sessions decline 20 times a second with 1 KB of text", 8, false, declineAtLength)
	logged("joins in the event log", "8 join and leave without pause, under names of 1 KB", 8, false, lackCodecs)
	logged("returns in the event log", "8 lose their socket and come back without pause", 8, false, resume)

	add("200 connections of one address", "200 of one address join, and one of another address beside them", "--count-loopback", inAll, false, func(t *T) {
		from := t.World.Address()
		admitted := t.welcomed(200, from, nil)
		t.AtMost("admitted", admitted, perAddress, "")
		t.Peers().Join()
		began := time.Now()
		var health any
		if err := t.World.get(t.Context(), "/healthz", &health); err != nil {
			t.Errorf("%v", err)
		}
		t.AtMost("/healthz", time.Since(began).Seconds(), probeBound, " s")
	})
	return cases
}
