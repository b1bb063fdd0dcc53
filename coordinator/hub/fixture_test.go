package hub

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fedtab/coordinator/hub/hubtest"
	"fedtab/coordinator/live"
	"fedtab/learn"
	"fedtab/protocol"
	"fedtab/run"
	"fedtab/strategy"

	"github.com/gorilla/websocket"
)

// fixture is a hub with one run, "small", over connections in memory. Tests call
// it within a synctest bubble.
type fixture struct {
	t      *testing.T
	hub    *Hub
	room   *Room
	live   *live.Live // that owns the run
	dialer *websocket.Dialer
	log    strings.Builder // of the hub, at info
}

// testLimits are the limits of production with shorter times for bodies.
func testLimits() Limits {
	l := DefaultLimits()
	l.BodyGrace, l.BodyRate = time.Second, 1<<20
	return l
}

func newFixture(t *testing.T, edit func(*run.Config, *strategy.Config, *Limits)) *fixture {
	t.Helper()
	model, err := learn.New(learn.MLP([]int{64}, []int{500}, 10))
	if err != nil {
		t.Fatal(err)
	}
	limits := testLimits()
	parameters := model.Layout().Size
	f := &fixture{t: t, live: live.NewLive()}
	f.room = &Room{
		Task: "small", Checker: live.NewChecker(parameters, 1, 1, live.NewLease(live.LeaseBytes(parameters, 1))),
		MaxBody: protocol.MaxBody(uint64(parameters), 1), Owner: Local{f.live},
	}
	f.room.Issue(Tokens{Secret: make([]byte, 32), Run: "small-1", Life: protocol.TokenLife})
	cfg := run.Config{
		ID: "small-1", Seed: 1, OrderSeed: 1, Model: model, ResumeGrace: 5 * time.Second, Metered: true, Token: f.room.Tokens().Make, TokenLife: f.room.Tokens().Life,
		Shards: run.Shards{Source: "/data/small/1", Sizes: []int{100, 100, 100, 100, 100, 100, 100, 100}, Divide: true},
	}
	sc := strategy.Config{Kind: "fedavg", Fraction: 1, Epochs: 1, Batch: 50, LR: .1, MinClients: 3, MinReports: 3, Deadline: time.Second}
	if edit != nil {
		edit(&cfg, &sc, &limits)
	}
	if cfg.Strategy, err = strategy.New(sc, strategy.Setup{Seed: 1, MinCohort: 2}); err != nil {
		t.Fatal(err)
	}
	if f.live.Run, err = run.New(cfg, f.live); err != nil {
		t.Fatal(err)
	}
	f.hub = New([]*Room{f.room}, limits, slog.New(slog.NewTextHandler(&f.log, nil)))
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan struct{})
	go func() { f.live.Serve(ctx); close(served) }()
	server := httptest.NewTestServer(t, f.hub)
	dial := server.Client().Transport.(*http.Transport).DialContext
	f.dialer = &websocket.Dialer{NetDialContext: dial}
	t.Cleanup(func() {
		if err := f.hub.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		cancel()
		<-served
	})
	return f
}

const testURL = "ws://example.com/ws"

// connect opens a socket and sends nothing.
func (f *fixture) connect(t *testing.T) *hubtest.Peer { return hubtest.Connect(t, f.dialer, testURL) }

func (f *fixture) join(t *testing.T) *hubtest.Peer { return f.connect(t).Join(hubtest.Hello("small")) }

func (f *fixture) world(t *testing.T) hubtest.World {
	return hubtest.World{T: t, Task: "small", Connect: func() *hubtest.Peer { return f.connect(t) }}
}

// ordered joins and waits for an order.
func (f *fixture) ordered(t *testing.T) (*hubtest.Peer, *protocol.Order) {
	return f.world(t).Ordered()
}

// honest has three participants obey until the test ends.
func (f *fixture) honest(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	accepted, ends := [3]int{}, [3]error{}
	for i := range ends {
		p := f.join(t)
		wait.Go(func() { accepted[i], ends[i] = p.Obey(ctx, 100*time.Millisecond) })
	}
	t.Cleanup(func() {
		synctest.Wait() // for the answers on their way
		cancel()
		wait.Wait()
		for i, err := range ends {
			if err != nil || accepted[i] == 0 {
				t.Errorf("honest participant %d ended with %v after %d contributions", i, err, accepted[i])
			}
		}
	})
}

// state asks the run how it stands.
func (f *fixture) state() run.State {
	f.t.Helper()
	s, err := f.live.State(context.Background())
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

// advances waits until the run has committed another version.
func (f *fixture) advances() {
	f.t.Helper()
	before := f.state().Version
	for range 1000 {
		if f.state().Version > before {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	f.t.Error("the run commits no other version")
}

// narrow bounds what a connection in memory holds for its reader.
func narrow(conn net.Conn, bytes int) {
	conn.(interface{ SetReadBufferSize(int) }).SetReadBufferSize(bytes)
}
