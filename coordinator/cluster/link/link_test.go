package link

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fedtab/coordinator/hub"
	"fedtab/coordinator/hub/hubtest"
	"fedtab/coordinator/live"
	"fedtab/learn"
	"fedtab/protocol"
	"fedtab/run"
	"fedtab/strategy"

	"github.com/gorilla/websocket"
)

// cluster is a run, and nodes at which participants join it: node 0 owns it.
type cluster struct {
	t          *testing.T
	live       *live.Live
	parameters int
	nodes      []*node
	lost       chan struct{} // gets one when the run needs what a lost edge had

	mu      sync.Mutex
	updates int // that edges have got
}

type node struct {
	hub    *hub.Hub
	dialer *websocket.Dialer
	edge   *Edge // nil: it owns the run
	cut    func()
	down   atomic.Int64 // bytes from the owner
}

// counted counts what is read from a stream.
type counted struct {
	net.Conn
	n *atomic.Int64
}

func (c counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// newCluster returns a cluster of a run with three participants or more, whose settings are
// edited. Tests call it within a synctest bubble.
func newCluster(t *testing.T, edges int, edit func(*run.Config, *strategy.Config)) *cluster {
	t.Helper()
	model, err := learn.New(learn.MLP([]int{64}, []int{500}, 10))
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{t: t, live: live.NewLive(), lost: make(chan struct{}, 10)}
	tokens := hub.Tokens{Secret: make([]byte, 32), Run: "small-1", Life: protocol.TokenLife}
	cfg := run.Config{
		ID: "small-1", Seed: 1, OrderSeed: 1, Model: model, ResumeGrace: 5 * time.Second, Metered: true, Token: tokens.Make, TokenLife: tokens.Life,
		Shards: run.Shards{Source: "/data/small/1", Sizes: []int{100, 100, 100, 100, 100, 100, 100, 100}, Divide: true},
	}
	sc := strategy.Config{Kind: "fedavg", Fraction: 1, Epochs: 1, Batch: 50, LR: .1, MinClients: 6, MinReports: 6, Deadline: time.Minute}
	if edit != nil {
		edit(&cfg, &sc)
	}
	c.parameters = cfg.Model.Layout().Size
	if cfg.Strategy, err = strategy.New(sc, strategy.Setup{Seed: 1, MinCohort: 2, Parameters: c.parameters, Convex: true}); err != nil {
		t.Fatal(err)
	}
	var hosts []*Host
	cfg.Notify = func(u run.Update) {
		for _, h := range hosts {
			h.Publish(u)
		}
	}
	if c.live.Run, err = run.New(cfg, c.live); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { c.live.Serve(ctx) })
	newChecker := func() *live.Checker {
		k := live.NewChecker(c.parameters, sc.Vectors(), 1, live.NewLease(live.LeaseBytes(c.parameters, sc.Vectors())))
		k.KeepIn(live.NewVault(t.TempDir(), protocol.MaxBodies))
		return k
	}
	for i := range edges + 1 {
		n := &node{cut: func() {}}
		room := &hub.Room{Task: "small", Checker: newChecker(), MaxBody: protocol.MaxBody(uint64(c.parameters), sc.Vectors()), Owner: hub.Local{Live: c.live}}
		room.Issue(tokens)
		if i > 0 {
			here, there := net.Pipe()
			link, cut := context.WithCancel(ctx)
			n.cut = cut
			serving.Go(func() {
				Serve(link, there, c.live, newChecker(), func(h *Host) {
					c.live.Do(func() { hosts = append(hosts, h) })
				}, func() { c.lost <- struct{}{} })
			})
			n.edge = Connect(link, counted{here, &n.down}, Terms{Parameters: c.parameters, Sums: cfg.Sums, Keeps: sc.Keeps()}, func(run.Update) {
				c.mu.Lock()
				c.updates++
				c.mu.Unlock()
			})
			room.Owner = n.edge
		}
		limits := hub.DefaultLimits()
		n.hub = hub.New([]*hub.Room{room}, limits, slog.New(slog.DiscardHandler))
		server := httptest.NewTestServer(t, n.hub)
		n.dialer = &websocket.Dialer{NetDialContext: server.Client().Transport.(*http.Transport).DialContext}
		c.nodes = append(c.nodes, n)
	}
	t.Cleanup(func() {
		for _, n := range c.nodes {
			if err := n.hub.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
		}
		cancel()
		serving.Wait()
		for _, n := range c.nodes[1:] {
			<-n.edge.Done()
		}
	})
	return c
}

const testURL = "ws://example.com/ws"

// join joins a participant at a node.
func (c *cluster) join(at int) *hubtest.Peer {
	return hubtest.Connect(c.t, c.nodes[at].dialer, testURL).Join(hubtest.Hello("small"))
}

// obey answers orders until ctx ends, with values that follow from the participant and the order.
func (c *cluster) obey(ctx context.Context, p *hubtest.Peer, number int) error {
	stop := context.AfterFunc(ctx, func() { p.Conn.Close() })
	defer stop()
	for {
		m, err := p.Read()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		switch m := m.(type) {
		case *protocol.Order:
			delta := make([]float32, c.parameters)
			for i := range delta {
				delta[i] = float32((i*7+number*13+int(m.Round)*29)%101)/9973 - .005
			}
			a := hubtest.Contribution(m, delta)
			a.Weight = uint64(number)
			if m.Hyper.Control {
				control := a.Vectors[0]
				control.Role, control.BaseHash = protocol.RoleControl, nil
				a.Vectors = append(a.Vectors, control)
			}
			for _, f := range protocol.AppendFrames(nil, a) {
				if p.Conn.WriteMessage(websocket.BinaryMessage, f) != nil {
					break
				}
			}
		case *protocol.Ack:
			if m.Reason != protocol.ReasonAccepted && m.Reason != protocol.ReasonLate {
				return errors.New(m.Reason.String() + ": " + m.Detail)
			}
		}
	}
}

// model returns the newest version.
func (c *cluster) model() (version uint64, hash [32]byte) {
	c.live.Call(func() { version, hash, _ = c.live.Run.Model() })
	return version, hash
}

// TestClusterPlacement: the version is the same to the bit wherever participants are, for schemes
// that add at edges and for those that need contributions whole.
func TestClusterPlacement(t *testing.T) {
	const rounds = 3
	for name, edit := range map[string]func(*run.Config, *strategy.Config){
		"fedavg": nil,
		"adam": func(_ *run.Config, s *strategy.Config) {
			s.Server, s.ServerLR, s.ServerMomentum, s.ServerBeta2, s.ServerTau = "adam", .01, .9, .99, 1e-3
		},
		"scaffold": func(c *run.Config, s *strategy.Config) { s.Correction, c.Sums = "scaffold", 2 },
		"median":   func(_ *run.Config, s *strategy.Config) { s.Combine = "median" },
	} {
		var want [32]byte
		for _, where := range [][]int{{0, 0, 0, 0, 0, 0}, {1, 1, 1, 1, 1, 1}, {0, 1, 2, 0, 1, 2}, {1, 2, 3, 4, 4, 4}} {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, slices.Max(where), func(rc *run.Config, s *strategy.Config) {
					rc.Stop.Rounds = rounds
					if edit != nil {
						edit(rc, s)
					}
				})
				ctx, cancel := context.WithCancel(context.Background())
				var wait sync.WaitGroup
				for i, at := range where {
					p := c.join(at)
					wait.Go(func() {
						var ce *websocket.CloseError
						if err := c.obey(ctx, p, i+1); err != nil && !errors.As(err, &ce) {
							t.Errorf("%s: participant %d: %v", name, i+1, err)
						}
					})
				}
				wait.Wait() // until the run is over and closes them
				cancel()
				version, hash := c.model()
				if version != rounds {
					t.Fatalf("%s, placed %v: version %d, want %d", name, where, version, rounds)
				}
				if want == ([32]byte{}) {
					want = hash
				} else if hash != want {
					t.Errorf("%s, placed %v: hash %x, want %x as in one process", name, where, hash[:4], want[:4])
				}
			})
		}
	}
}

// ordered joins at a node and waits for an order.
func (c *cluster) ordered(at int) (*hubtest.Peer, *protocol.Order) {
	p := c.join(at)
	return p, hubtest.Await[*protocol.Order](p)
}

// TestClusterLostEdge: with an edge its participants' sockets are lost; the run is to be begun anew
// if the edge had added what was accepted, and otherwise goes on without them.
func TestClusterLostEdge(t *testing.T) {
	for _, answered := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, 2, func(_ *run.Config, s *strategy.Config) { s.MinClients, s.MinReports = 2, 2 })
			a := c.join(1)
			_, order := c.ordered(2)
			first := hubtest.Await[*protocol.Order](a)
			if first.Order != order.Order {
				t.Fatalf("orders %d and %d, want one round", first.Order, order.Order)
			}
			if answered {
				a.Send(a.Contribution(first))
				if ack := hubtest.Await[*protocol.Ack](a); ack.Reason != protocol.ReasonAccepted {
					t.Fatalf("the answer is %v", ack.Reason)
				}
			}
			c.nodes[1].cut()
			if code, text := a.Closed(); code != protocol.CloseShutdown || text != HandedOver {
				t.Errorf("its participant is closed with %v: %s", code, text)
			}
			synctest.Wait()
			if got := len(c.lost) == 1; got != answered {
				t.Errorf("answered %v: the run is to be begun anew: %v", answered, got)
			}
			late := hubtest.Connect(t, c.nodes[1].dialer, testURL)
			late.Send(hubtest.Hello("small"))
			if code, _ := late.Closed(); code != protocol.CloseShutdown {
				t.Errorf("who joins at an edge without a link is closed with %v", code)
			}
			p := hubtest.Connect(t, c.nodes[2].dialer, testURL)
			h := hubtest.Hello("small")
			h.ResumeToken = a.Welcome.ResumeToken
			if p.Join(h); p.Welcome.Participant != a.Welcome.Participant {
				t.Errorf("it comes back at another node as participant %d, was %d", p.Welcome.Participant, a.Welcome.Participant)
			}
		})
	}
}

// TestClusterRefused: what an edge finds invalid is refused by the owner, and counts against its
// sender, as in one process.
func TestClusterRefused(t *testing.T) {
	for _, lie := range hubtest.Lies() {
		t.Run(lie.Name, func(t *testing.T) {
			var want *protocol.Ack
			for at := range 2 {
				synctest.Test(t, func(t *testing.T) {
					c := newCluster(t, 1, func(_ *run.Config, s *strategy.Config) { s.MinClients, s.MinReports = 2, 2 })
					c.join(0)
					p, o := c.ordered(at)
					answer := p.Contribution(o)
					lie.Edit(answer)
					p.Send(answer)
					ack := hubtest.Await[*protocol.Ack](p)
					if want == nil {
						want = ack
					} else if ack.Reason != want.Reason || ack.Detail != want.Detail {
						t.Errorf("at an edge: %v %q, want %v %q as in one process", ack.Reason, ack.Detail, want.Reason, want.Detail)
					}
				})
			}
		})
	}
}

// TestClusterStands: an edge knows how the run stands, and what changes.
func TestClusterStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, nil)
		for range 3 {
			c.join(1)
		}
		c.join(0)
		s, all, err := c.nodes[1].edge.Stands(t.Context())
		if err != nil || s.Participants != 4 || len(all) != 4 {
			t.Errorf("%d participants, %d present, %v", s.Participants, len(all), err)
		}
		synctest.Wait()
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.updates < 4 {
			t.Errorf("%d updates for 4 joins", c.updates)
		}
	})
}

// TestClusterOnce: a version goes to an edge once, however many participants it has.
func TestClusterOnce(t *testing.T) {
	sent := func(participants int) (bytes int64) {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, 1, func(rc *run.Config, s *strategy.Config) {
				rc.Stop.Rounds, s.MinClients, s.MinReports = 2, participants, participants
			})
			var wait sync.WaitGroup
			for i := range participants {
				p := c.join(1)
				wait.Go(func() { c.obey(t.Context(), p, i+1) })
			}
			wait.Wait()
			bytes = c.nodes[1].down.Load()
		})
		return bytes
	}
	model := int64(4 * 37_510)
	few, many := sent(2), sent(12)
	if few < model || many-few > model {
		t.Errorf("%d bytes to 2 participants of an edge, %d to 12: want at most %d more", few, many, model)
	}
}
